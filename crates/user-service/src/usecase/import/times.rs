//! Reads times in the forms in which other systems write them, and refuses a time that can mean two moments.

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::Value;

use crate::domain::Invalid;

/// The allowed difference between the clocks of two systems.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_hours(24);
/// From this number on, a number counts milliseconds (of 1973 and later), and below it seconds (until the year 5138).
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

/// Parses a time of our own format: like [`parse`], and every other form of RFC 3339 that has an offset.
pub(super) fn parse_own(value: &Value, now: Timestamp) -> Result<Option<Timestamp>, Invalid> {
    match value.as_str().and_then(|text| text.parse().ok()) {
        Some(time) => past(time, now).map(Some),
        None => parse(value, now),
    }
}

/// Parses a time of another system: seconds or milliseconds since 1970 as a number or as digits, RFC 3339, or
/// PostgreSQL's text, such as `2024-02-29 12:00:00.123456+00`. Returns `None` for 0, which means that there is none.
pub(super) fn parse(value: &Value, now: Timestamp) -> Result<Option<Timestamp>, Invalid> {
    parse_moment(value)?.map(|time| past(time, now)).transpose()
}

/// Does the same for a time that may be in the future.
pub(super) fn parse_moment(value: &Value) -> Result<Option<Timestamp>, Invalid> {
    match value {
        Value::Number(number) => number.as_i64().ok_or_else(not_a_time).and_then(from_number),
        Value::String(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map_err(|_| not_a_time()).and_then(from_number)
        }
        Value::String(text) => from_text(text).map(Some),
        _ => Err(not_a_time()),
    }
}

/// Parses the time of a column that holds UTC by its documentation, such as `2024-02-29 12:00:00`. Returns `None` for
/// `0000-00-00 00:00:00`, which MySQL writes for no time.
pub(super) fn parse_utc(value: &Value, now: Timestamp) -> Result<Option<Timestamp>, Invalid> {
    let text = value.as_str().ok_or_else(not_a_time)?;
    if text == "0000-00-00 00:00:00" {
        return Ok(None);
    }
    let local = has_shape(text).then(|| text.parse::<DateTime>().ok()).flatten();
    let time = local.and_then(|local| TimeZone::UTC.to_timestamp(local).ok());
    let time = time.ok_or_else(|| {
        Invalid::new("not-a-time", "This is not a time such as 2024-02-29 12:00:00, in UTC and without an offset.")
    })?;
    past(time, now).map(Some)
}

fn from_number(number: i64) -> Result<Option<Timestamp>, Invalid> {
    let time = match number {
        0 => return Ok(None),
        ..0 => return Err(Invalid::new("not-a-time", "A time before 1970 is not read from a number.")),
        1..FIRST_MILLISECONDS => Timestamp::from_second(number),
        FIRST_MILLISECONDS.. => Timestamp::from_millisecond(number),
    };
    time.map(Some).map_err(|_| not_a_time())
}

fn from_text(text: &str) -> Result<Timestamp, Invalid> {
    if !text.get(..19).is_some_and(has_shape) {
        return Err(not_a_time());
    }
    let rest = &text[19..];
    let digits = rest.strip_prefix('.').map_or(0, |rest| 1 + rest.bytes().take_while(u8::is_ascii_digit).count());
    let offset = &rest[digits..];
    if offset.is_empty() {
        return Err(Invalid::new("no-offset", "This time has no offset from UTC, so it can mean different moments."));
    }
    let is_offset =
        matches!(offset, "Z" | "z") || matches!(offset.as_bytes(), [b'+' | b'-', rest @ ..] if is_hours(rest));
    let time = is_offset.then(|| text.parse().ok()).flatten();
    time.ok_or_else(not_a_time)
}

/// Returns whether this is `HH`, `HH:MM` or `HH:MM:SS`.
fn is_hours(text: &[u8]) -> bool {
    matches!(text.len(), 2 | 5 | 8)
        && text.iter().enumerate().all(|(at, byte)| if at % 3 == 2 { *byte == b':' } else { byte.is_ascii_digit() })
}

/// Returns whether this is a date and a time in the form of `2024-02-29 12:00:00`, with a space or `T` between them.
fn has_shape(text: &str) -> bool {
    const SHAPE: &[u8; 19] = b"0000-00-00 00:00:00";
    text.len() == SHAPE.len()
        && text.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b' ' => matches!(byte, b' ' | b'T' | b't'),
            other => byte == *other,
        })
}

fn past(time: Timestamp, now: Timestamp) -> Result<Timestamp, Invalid> {
    if time > now.saturating_add(CLOCK_SKEW).unwrap_or(Timestamp::MAX) {
        return Err(Invalid::new("in-the-future", "This time is in the future."));
    }
    Ok(time)
}

fn not_a_time() -> Invalid {
    Invalid::new(
        "not-a-time",
        "This is not a time: seconds or milliseconds since 1970, or a text such as 2024-02-29T12:00:00Z or 2024-02-29 12:00:00+00.",
    )
}

#[cfg(test)]
mod tests {
    use jiff::tz::Offset;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<Option<String>, &'static str> {
        parse(value, Timestamp::MAX).map(|time| time.map(|time| time.to_string())).map_err(|invalid| invalid.code)
    }

    #[test]
    fn a_time_is_read_in_each_documented_form() {
        for (value, expected) in [
            (json!(1_583_243_049_000_i64), "2020-03-03T13:44:09Z"),
            (json!("1583243049000"), "2020-03-03T13:44:09Z"),
            (json!(1_583_243_049), "2020-03-03T13:44:09Z"),
            (json!(100_000_000_000_i64), "1973-03-03T09:46:40Z"),
            (json!("2019-12-06T18:36:12.412Z"), "2019-12-06T18:36:12.412Z"),
            (json!("2023-04-05 06:07:08.123456+00"), "2023-04-05T06:07:08.123456Z"),
            (json!("2023-04-05 06:07:08-03:30"), "2023-04-05T09:37:08Z"),
            (json!("1890-01-01 00:00:00+00:53:28"), "1889-12-31T23:06:32Z"),
        ] {
            assert_eq!(read(&value), Ok(Some(expected.to_owned())), "{value}");
        }
        assert_eq!((read(&json!(0)), read(&json!("0"))), (Ok(None), Ok(None)));
    }

    #[test]
    fn an_ambiguous_or_impossible_time_is_refused() {
        for (value, code) in [
            (json!("2023-04-05 06:07:08"), "no-offset"),
            (json!("2023-04-05T06:07:08.5"), "no-offset"),
            (json!("05/04/2023 06:07:08+00"), "not-a-time"),
            (json!("2023-04-05"), "not-a-time"),
            (json!("2023-02-30 06:07:08+00"), "not-a-time"),
            (json!("2023-04-05 06:07:08 BC"), "not-a-time"),
            (json!("2023-04-05 06:07:08+00 BC"), "not-a-time"),
            (json!("2023-04-05 06:07:08+0"), "not-a-time"),
            (json!("2023-04-05 06:07:08 CEST"), "not-a-time"),
            (json!("infinity"), "not-a-time"),
            (json!("1583243049.5"), "not-a-time"),
            (json!(1.5), "not-a-time"),
            (json!(-1), "not-a-time"),
            (json!(u64::MAX), "not-a-time"),
            (json!("99999999999999999999"), "not-a-time"),
            (json!(true), "not-a-time"),
        ] {
            assert_eq!(read(&value), Err(code), "{value}");
        }
        // Microseconds of this century are milliseconds beyond the year 9999, and milliseconds before 1973 are seconds
        // of a distant year.
        let now: Timestamp = "2024-02-29T12:00:00Z".parse().unwrap();
        for (number, code) in [(1_583_243_049_000_000_i64, "not-a-time"), (99_999_999_999, "in-the-future")] {
            assert_eq!(parse(&json!(number), now).map_err(|invalid| invalid.code), Err(code), "{number}");
        }
    }

    #[test]
    fn a_time_in_utc_has_no_offset() {
        let utc = |text: &str| parse_utc(&json!(text), Timestamp::MAX).map(|time| time.map(|time| time.to_string()));
        assert_eq!(utc("2016-06-03 04:37:00").unwrap().as_deref(), Some("2016-06-03T04:37:00Z"));
        assert_eq!(utc("0000-00-00 00:00:00").unwrap(), None);
        for text in ["2016-06-03 04:37:00+02", "2016-06-03", "0000-00-00", "2016-13-03 04:37:00", "1464928620", ""] {
            assert_eq!(utc(text).map_err(|invalid| invalid.code), Err("not-a-time"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_form_of_a_time_is_read_as_that_time(
            millis in 100_000_000_000_i64..95_617_584_000_000,
            offset in -15 * 3600..=15 * 3600_i32,
        ) {
            let time = Timestamp::from_millisecond(millis).unwrap();
            let second = Timestamp::from_second(millis / 1000).unwrap();
            let read = |value: Value| parse(&value, Timestamp::MAX);
            prop_assert_eq!(read(json!(millis)), Ok(Some(time)));
            prop_assert_eq!(read(json!(millis.to_string())), Ok(Some(time)));
            prop_assert_eq!(read(json!(millis / 1000)), Ok(Some(second)));
            prop_assert_eq!(read(json!((millis / 1000).to_string())), Ok(Some(second)));
            prop_assert_eq!(read(json!(time.to_string())), Ok(Some(time)));
            // PostgreSQL leaves out the minutes and seconds of an offset if they are zero.
            let local = Offset::from_seconds(offset).unwrap().to_datetime(time);
            let (sign, size) = (if offset < 0 { '-' } else { '+' }, offset.abs());
            let mut text = format!("{}{sign}{:02}", local.strftime("%Y-%m-%d %H:%M:%S%.f"), size / 3600);
            if size % 3600 != 0 {
                text += &format!(":{:02}", size / 60 % 60);
            }
            if size % 60 != 0 {
                text += &format!(":{:02}", size % 60);
            }
            prop_assert_eq!(read(json!(&text)), Ok(Some(time)), "{}", text);
            let utc = second.strftime("%Y-%m-%d %H:%M:%S").to_string();
            prop_assert_eq!(parse_utc(&json!(utc), Timestamp::MAX), Ok(Some(second)));
            prop_assert_eq!(read(json!(utc)).map_err(|invalid| invalid.code), Err("no-offset"));
        }

        #[test]
        fn any_text_is_a_time_or_is_refused(text in "\\PC{0,30}|[0-9: T.+-]{0,32}") {
            let _ = parse(&json!(&text), Timestamp::MAX);
            let _ = parse_utc(&json!(&text), Timestamp::MAX);
        }
    }
}
