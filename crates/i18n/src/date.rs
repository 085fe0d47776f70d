//! Dates and times in the reader's language, always with the time zone: UTC, or the offset from it.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde::Deserialize;

use super::characters::check_line;

/// The format of dates and times in a language.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateFormat {
    /// Contains each of [`FIELDS`] once, and the letters `UTC`.
    format: String,
    /// The months, starting with January.
    months: [String; 12],
    /// The first day of a month, if it is not `1`: French writes "1er mars 2026".
    first_day: Option<String>,
}

const FIELDS: [&str; 5] = ["{day}", "{month}", "{year}", "{hour}", "{minute}"];

impl DateFormat {
    /// Checks what the types do not. The error is the key and the problem.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let refuse_format = |problem: &str| Err(("dates.format", problem.to_owned()));
        for field in FIELDS {
            if self.format.matches(field).count() != 1 {
                return refuse_format(&format!("it must contain {field} once"));
            }
        }
        let literal = FIELDS.iter().fold(self.format.clone(), |rest, field| rest.replace(field, ""));
        if literal.contains(['{', '}']) {
            return refuse_format("it has an unknown placeholder");
        }
        if !literal.contains("UTC") {
            return refuse_format("it must name UTC");
        }
        if check_line(&self.format).is_err() {
            return refuse_format("it has spaces around it, or is not on one line");
        }
        if self.months.iter().any(|month| check_line(month).is_err() || month.contains(['{', '}'])) {
            return Err(("dates.months", "a name is empty, or not a plain text on one line".to_owned()));
        }
        if self.first_day.as_ref().is_some_and(|day| check_line(day).is_err() || day.contains(['{', '}'])) {
            return Err(("dates.first_day", "it is empty, or not a plain text on one line".to_owned()));
        }
        Ok(())
    }

    /// Formats a time to the minute, in UTC. The digits are 0 to 9 in every language, as in links
    /// and codes.
    #[must_use]
    pub fn format(&self, at: Timestamp) -> String {
        self.format_in(at, TimeZone::UTC)
    }

    /// Formats a time in a time zone, which is named by its offset at that time, such as `UTC+1`.
    #[must_use]
    pub fn format_in(&self, at: Timestamp, zone: TimeZone) -> String {
        let at = at.to_zoned(zone);
        let month = usize::from(at.month().unsigned_abs()).saturating_sub(1);
        let day = match (&self.first_day, at.day()) {
            (Some(first), 1) => first.clone(),
            (_, day) => day.to_string(),
        };
        self.format
            .replace("UTC", &offset_name(at.offset()))
            .replace("{day}", &day)
            .replace("{month}", &self.months[month])
            .replace("{year}", &at.year().to_string())
            .replace("{hour}", &format!("{:02}", at.hour()))
            .replace("{minute}", &format!("{:02}", at.minute()))
    }
}

/// Returns the name of an offset: `UTC`, `UTC+1` or `UTC−3:30`.
fn offset_name(offset: Offset) -> String {
    // No offset of today has seconds; those of the 19th century are rounded to the minute.
    let minutes = offset.seconds().abs() / 60;
    let sign = if offset.is_negative() { '−' } else { '+' };
    match (minutes / 60, minutes % 60) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(format: &str) -> DateFormat {
        DateFormat {
            format: format.to_owned(),
            months: std::array::from_fn(|n| format!("m{}", n + 1)),
            first_day: None,
        }
    }

    #[test]
    fn the_first_day_of_a_month_may_have_its_own_form() {
        let dates =
            DateFormat { first_day: Some("1er".to_owned()), ..dates("{day} {month} {year} à {hour}:{minute} (UTC)") };
        assert!(dates.check().is_ok());
        assert_eq!(dates.format("2026-03-01T01:11:00Z".parse().unwrap()), "1er m3 2026 à 01:11 (UTC)");
        assert_eq!(dates.format("2026-03-11T01:01:00Z".parse().unwrap()), "11 m3 2026 à 01:01 (UTC)");
        assert!(DateFormat { first_day: Some(String::new()), ..dates }.check().is_err());
    }

    #[test]
    fn the_first_and_last_minute_of_a_year_are_formatted() {
        let dates = dates("{day} {month} {year}, {hour}:{minute} UTC");
        let format = |at: &str| dates.format(at.parse().unwrap());
        assert_eq!(format("2026-01-01T00:00:59Z"), "1 m1 2026, 00:00 UTC");
        assert_eq!(format("2026-12-31T23:59:00Z"), "31 m12 2026, 23:59 UTC");
        assert_eq!(format("2026-03-04T01:02:00+02:00"), "3 m3 2026, 23:02 UTC");
    }

    #[test]
    fn a_time_in_a_time_zone_has_its_date_and_its_offset() {
        let dates = dates("{day} {month} {year}, {hour}:{minute} Uhr (UTC)");
        let format = |at: &str, seconds| {
            dates.format_in(at.parse().unwrap(), TimeZone::fixed(Offset::from_seconds(seconds).unwrap()))
        };
        assert_eq!(format("2026-06-30T22:30:00Z", 7200), "1 m7 2026, 00:30 Uhr (UTC+2)");
        assert_eq!(format("2026-01-01T01:00:00Z", -12_600), "31 m12 2025, 21:30 Uhr (UTC−3:30)");
        assert_eq!(format("2026-01-01T01:00:00Z", 20_700), "1 m1 2026, 06:45 Uhr (UTC+5:45)");
        assert_eq!(format("2026-01-01T01:00:00Z", 0), "1 m1 2026, 01:00 Uhr (UTC)");
    }

    #[test]
    fn a_format_without_a_field_or_the_time_zone_is_refused() {
        assert!(dates("{day} {month} {year}, {hour}:{minute} UTC").check().is_ok());
        for format in [
            "{day} {month} {year}, {hour}:{minute}",
            "{month} {year}, {hour}:{minute} UTC",
            "{day} {day} {month} {year}, {hour}:{minute} UTC",
            "{day} {month} {year}, {hour}:{minute}:{second} UTC",
        ] {
            assert!(dates(format).check().is_err(), "{format}");
        }
    }
}
