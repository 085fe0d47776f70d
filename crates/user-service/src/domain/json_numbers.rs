//! Finds the numbers of a JSON text that would be read as other numbers: serde_json silently reads an integer beyond 64
//! bits as the nearest double.

use super::schema_violation::SchemaViolation;

/// The maximum number of reported violations.
const MAX_REPORTED: usize = 20;
/// Maximum length of a reported path: the total bytes of its names. A longer path is cut, so that responses stay small.
const MAX_PATH_BYTES: usize = 128;

/// Returns the numbers that would be read as other numbers, with their paths: integers that fit neither an `i64` nor a
/// `u64`, and other numbers that a double holds only as infinity or zero. Fractions may be rounded to a double, as
/// every JSON parser does.
///
/// Returns at most [`MAX_REPORTED`] violations. `text` must be JSON: the result is meaningless for any other text.
pub(crate) fn find_out_of_range(text: &str) -> Vec<SchemaViolation> {
    let mut found = Vec::new();
    let mut containers: Vec<Container<'_>> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.bytes().next()
        && found.len() < MAX_REPORTED
    {
        let mut length = 1;
        match first {
            b'"' => {
                length = string_length(rest);
                if let Some(Container::Object(name @ None)) = containers.last_mut() {
                    *name = Some(&rest[..length]);
                }
            }
            b'{' => containers.push(Container::Object(None)),
            b'[' => containers.push(Container::Array(0)),
            b'}' | b']' => drop(containers.pop()),
            b',' => match containers.last_mut() {
                Some(Container::Array(index)) => *index += 1,
                Some(Container::Object(name)) => *name = None,
                None => {}
            },
            b'-' | b'0'..=b'9' => {
                let is_part_of_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
                length = rest.bytes().take_while(|byte| is_part_of_number(*byte)).count();
                let mistake = range_error(&rest[..length]);
                found.extend(mistake.map(|detail| SchemaViolation::new(path_of(&containers), "out-of-range", detail)));
            }
            // A separator, a part of `true`, `false` or `null`, or a character that is not JSON.
            _ => length = rest.chars().next().map_or(1, char::len_utf8),
        }
        rest = &rest[length..];
    }
    found
}

/// A container that encloses the current position of the scan.
enum Container<'a> {
    /// An array, at the item with this index.
    Array(usize),
    /// An object, at the member with this name, which is still quoted and escaped.
    Object(Option<&'a str>),
}

/// Returns the length of the string at the start of the text, with its quotes, or the whole length if it does not end.
fn string_length(text: &str) -> usize {
    let mut escaped = true;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            // The first byte is the opening quote.
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn range_error(number: &str) -> Option<&'static str> {
    if !number.contains(['.', 'e', 'E']) {
        let kept = number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
        return (!kept).then_some("An integer must be between -9223372036854775808 and 18446744073709551615.");
    }
    let value: f64 = number.parse().ok()?;
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let is_zero = !mantissa.contains(|c: char| matches!(c, '1'..='9'));
    let kept = value.is_finite() && (value != 0.0 || is_zero);
    (!kept).then_some("The number is too large or too small for a double (IEEE 754).")
}

fn path_of(containers: &[Container<'_>]) -> Vec<String> {
    let mut left = MAX_PATH_BYTES;
    let segment = |within: &Container<'_>| {
        let segment = match within {
            Container::Array(index) => index.to_string(),
            Container::Object(name) => serde_json::from_str(name.as_ref()?).ok()?,
        };
        left = left.checked_sub(segment.len())?;
        Some(segment)
    };
    containers.iter().map_while(segment).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn paths(text: &str) -> Vec<String> {
        find_out_of_range(text).iter().map(|violation| violation.path.join("/")).collect()
    }

    #[test]
    fn each_number_is_reported_with_its_path() {
        let text = r#"{ "a,b": 18446744073709551616, "\u00e9\"": {"x": [[], {}, [1, -9223372036854775809]]},
            "text": "99999999999999999999999", "true": true, "last": 1e999 }"#;
        assert_eq!(paths(text), ["a,b", "\u{e9}\"/x/2/1", "last"]);
        assert_eq!(paths("18446744073709551616"), [""]);
        assert_eq!(paths("[1, 18446744073709551615, -9223372036854775808, 1.5, 1e300, 0.0, -0]"), [""; 0]);
    }

    #[test]
    fn a_long_name_is_not_repeated_and_the_number_of_violations_is_bounded() {
        let name = "n".repeat(1000);
        assert_eq!(paths(&format!(r#"{{"a":{{"{name}":[1e999]}}}}"#)), ["a"]);
        assert_eq!(paths(&format!("[{}0]", "1e999,".repeat(5000))).len(), MAX_REPORTED);
    }

    proptest! {
        #[test]
        fn any_text_is_scanned_to_its_end(text in any::<String>(), json in "[\\[\\]{}\",:0-9eE.\\\\+-]{0,40}") {
            let _ = (find_out_of_range(&text), find_out_of_range(&json));
        }

        #[test]
        fn an_integer_is_exact_or_reported(integer in prop_oneof![any::<i128>(), any::<i64>().prop_map(i128::from), (0..4_i128).prop_map(|n| i128::from(u64::MAX) + n - 1)], name in "\\PC{0,20}") {
            let text = json!({ "a": [name, { &name: "x" }] }).to_string();
            let text = text.replace(r#":"x""#, &format!(":{integer}"));
            let kept = i64::try_from(integer).is_ok() || u64::try_from(integer).is_ok();
            prop_assert_eq!(find_out_of_range(&text).is_empty(), kept, "{}", text);
            if let Some(violation) = find_out_of_range(&text).first() {
                prop_assert_eq!(&violation.path, &["a".to_owned(), "1".to_owned(), name]);
            }
        }
    }
}
