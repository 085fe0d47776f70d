//! Strict JSON that every parser reads the same way (RFC 7493): no duplicate members, bounded depth, no numbers that
//! would be read as other numbers.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{json_numbers::find_out_of_range, schema_violation::SchemaViolation};

/// Maximum nesting depth of arrays and objects. The outermost one is at depth 1.
pub(crate) const MAX_DEPTH: usize = 32;

/// The reason why bytes are not strict JSON. It repeats none of their contents.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StrictJsonError {
    /// The text is not JSON, or is ambiguous: a sentence with line and column.
    NotJson(String),
    /// The text is JSON with numbers that would be read as other numbers, each with its path.
    NumbersOutOfRange(Vec<SchemaViolation>),
}

/// Parses `bytes` as one JSON value.
///
/// Reads numbers without a fraction as integers (`1.0` is `1`, as in JSON Schema).
///
/// # Errors
/// Returns [`StrictJsonError`] if the bytes are not UTF-8 or not one JSON value, if a member occurs twice in one
/// object, if they are nested deeper than [`MAX_DEPTH`], or if a number is [out of range](find_out_of_range).
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, StrictJsonError> {
    let not_json = StrictJsonError::NotJson;
    let text = std::str::from_utf8(bytes)
        .map_err(|error| not_json(format!("The body is not UTF-8 at byte {}.", error.valid_up_to())))?;
    if text.trim().is_empty() {
        return Err(not_json("The body is empty; a JSON object is expected.".into()));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read =
        StrictValue { depth: 0 }.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    let numbers = match &read {
        Err(error) if !is_number_error(error) => Vec::new(),
        _ => find_out_of_range(text),
    };
    if !numbers.is_empty() {
        return Err(StrictJsonError::NumbersOutOfRange(numbers));
    }
    // serde_json's syntax errors are fixed texts, and the errors of this file do not quote the input.
    read.map_err(|error| not_json(format!("The body is not acceptable JSON: {error}.")))
}

/// Returns whether serde_json stopped at a number that is not a finite double.
pub(crate) fn is_number_error(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("number out of range")
}

/// Deserializes one value that is nested in `depth` arrays and objects.
#[derive(Clone, Copy)]
pub(crate) struct StrictValue {
    depth: usize,
}

impl StrictValue {
    /// Deserializes the value of a member of the outermost object.
    pub(crate) const MEMBER: Self = Self { depth: 1 };

    fn descend<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for StrictValue {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        /// Integers up to 2^53 are exact in a double.
        const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
        if value.fract() == 0.0 && value.abs() <= MAX_EXACT_INTEGER {
            #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2^53")]
            return Ok(Value::from(value as i64));
        }
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.descend()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.descend()?;
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(de::Error::custom("a member occurs twice in one object"));
            }
            members.insert(name, access.next_value_seed(inner)?);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        match parse(bytes).expect_err("it should be refused") {
            StrictJsonError::NotJson(reason) => reason,
            StrictJsonError::NumbersOutOfRange(violations) => panic!("{violations:?}"),
        }
    }

    #[test]
    fn json_is_parsed_to_its_value() {
        assert_eq!(
            parse(br#" {"a":[1,-2,2.5,true,null,"\u00e9\ud83d\ude00"],"b":{}} "#).unwrap(),
            json!({"a": [1, -2, 2.5, true, null, "é😀"], "b": {}})
        );
        assert_eq!(parse(b"18446744073709551615").unwrap(), json!(u64::MAX));
        assert_eq!(parse(b"[1.0, 1e2, -0.0]").unwrap(), json!([1, 100, 0]));
    }

    #[test]
    fn invalid_json_is_refused_with_line_and_column() {
        for (bytes, part) in [
            (&b""[..], "empty"),
            (b" \r\n\t", "empty"),
            (b"{", "line 1 column 1"),
            (b"{\"a\":1,\n}", "line 2 column 1"),
            (b"{} x", "trailing characters at line 1 column 4"),
            (b"{'a':1}", "line 1 column 2"),
            (b"nul", "line 1 column 3"),
            (b"NaN", "line 1"),
            (b"\"\\ud800\"", "line 1"),
            (b"\"a\nb\"", "line 2"),
            (b"{\"a\":\"\xff\"}", "not UTF-8 at byte 6"),
            (b"\xef\xbb\xbf{}", "line 1 column 1"),
        ] {
            let refusal = refusal(bytes);
            assert!(refusal.contains(part), "{refusal}");
        }
    }

    #[test]
    fn a_number_that_would_be_read_as_another_is_refused_with_its_path() {
        let digits = "9".repeat(400);
        for number in ["18446744073709551616", "-9223372036854775809", "1e400", "-1e400", "1e-400", &digits] {
            let body = format!(r#"{{"a":{{"b":[0,{number}]}}}}"#);
            let Err(StrictJsonError::NumbersOutOfRange(violations)) = parse(body.as_bytes()) else {
                panic!("{number}")
            };
            assert_eq!(violations.len(), 1);
            assert_eq!((violations[0].path.join("/").as_str(), violations[0].invalid.code), ("a/b/1", "out-of-range"));
        }
        assert_eq!(
            parse(b"[-9223372036854775808, 18446744073709551615, 0.1, 1e300, 5e-324, 0e-400]").unwrap(),
            json!([i64::MIN, u64::MAX, 0.1, 1e300, 5e-324, 0])
        );
    }

    #[test]
    fn a_member_that_occurs_twice_is_refused_at_any_depth() {
        for body in
            [r#"{"password":"hunter2","password":"hunter3"}"#, r#"{"a":[{"password":1,"b":2,"\u0070assword":3}]}"#]
        {
            let refusal = refusal(body.as_bytes());
            assert!(refusal.contains("occurs twice") && refusal.contains("line 1 column"), "{refusal}");
            assert!(!refusal.contains("hunter") && !refusal.contains("password"), "{refusal}");
        }
        parse(br#"{"a":{"x":1},"b":{"x":1}}"#).unwrap();
    }

    #[test]
    fn thirty_two_levels_are_accepted_and_one_more_is_refused() {
        let nested = |open: &str, close: &str, depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            parse(nested(open, close, MAX_DEPTH).as_bytes()).unwrap();
            assert!(refusal(nested(open, close, MAX_DEPTH + 1).as_bytes()).contains("nested deeper than 32"));
            assert!(refusal(nested(open, close, 10_000).as_bytes()).contains("nested deeper than 32"));
        }
    }
}
