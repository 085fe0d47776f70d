//! Reads a line as JSON: takes its members one by one, and collects all errors.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use crate::domain::{
    Invalid, SchemaViolation,
    json_numbers::find_out_of_range,
    json_pointer,
    strict_json::{StrictValue, is_number_error},
};

/// An error of a line. It never contains a value of the line, because that may be a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineError {
    /// A JSON Pointer as a URI fragment, such as `#/email`. `#` is the whole line.
    pub pointer: String,
    /// A stable code in kebab case, for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
}

impl LineError {
    pub(super) fn for_line(code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: "#".to_owned(), code, detail: detail.into() }
    }

    pub(super) fn for_member(name: &str, code: &'static str, detail: impl Into<String>) -> Self {
        // Unknown names are truncated.
        let name: String = name.chars().take(64).collect();
        Self { pointer: json_pointer([name]), code, detail: detail.into() }
    }

    /// Returns the error of a value inside a member.
    fn inside_member(name: &str, violation: SchemaViolation) -> Self {
        let path = [vec![name.to_owned()], violation.path].concat();
        Self::from_violation(SchemaViolation { path, ..violation })
    }

    /// Returns the error of a value of the line.
    fn from_violation(violation: SchemaViolation) -> Self {
        Self { pointer: json_pointer(&violation.path), code: violation.invalid.code, detail: violation.invalid.detail }
    }
}

/// The members that were not taken yet, and the errors so far.
pub(super) struct Members {
    remaining: Map<String, Value>,
    errors: Vec<LineError>,
}

impl Members {
    /// Reads a line by the rules for a request body. If a member is repeated, the first value is kept, and the
    /// repetition is an error.
    ///
    /// # Errors
    /// Returns an error if the line is not UTF-8, not JSON or not an object, repeats a member inside a value, is nested
    /// too deeply, or contains a number that no double represents.
    pub(super) fn parse(line: &[u8]) -> Result<Self, LineError> {
        let numbers = || find_out_of_range(&String::from_utf8_lossy(line)).into_iter().map(LineError::from_violation);
        let unread = |error: &serde_json::Error| {
            if is_number_error(error)
                && let Some(error) = numbers().next()
            {
                return error;
            }
            let what = match (error.is_data(), line.trim_ascii_start().first()) {
                (false, _) => "is not JSON".to_owned(),
                // These are errors of `StrictValue`, which quote no value.
                (true, Some(b'{')) => format!("is not acceptable JSON: {error}"),
                (true, _) => "is not a JSON object".to_owned(),
            };
            LineError::for_line("malformed-line", format!("The line {what} (at byte {}).", error.column()))
        };
        let Object { members, repeated } = serde_json::from_slice(line).map_err(|error| unread(&error))?;
        let twice = |name: &String| LineError::for_member(name, "repeated", "The member occurs more than once.");
        let mut errors: Vec<_> = repeated.iter().map(twice).collect();
        errors.extend(numbers());
        Ok(Self { remaining: members, errors })
    }

    /// Takes the value of a member. `null` counts as missing.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.remaining.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            _ => self.wrong_type(name, "a string"),
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(flag) => Some(flag),
            _ => self.wrong_type(name, "true or false"),
        }
    }

    /// Returns the value, or records its error.
    pub(super) fn check<T>(&mut self, name: &str, parsed: Result<T, Invalid>) -> Option<T> {
        parsed.map_err(|invalid| self.errors.push(LineError::for_member(name, invalid.code, invalid.detail))).ok()
    }

    /// Returns the value, or records its schema violations.
    pub(super) fn check_schema<T>(&mut self, name: &str, checked: Result<T, Vec<SchemaViolation>>) -> Option<T> {
        let violations = checked
            .map_err(|violations| violations.into_iter().map(|violation| LineError::inside_member(name, violation)));
        violations.map_err(|errors| self.errors.extend(errors)).ok()
    }

    /// Takes and parses an optional text.
    pub(super) fn parsed<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Option<T> {
        let text = self.text(name)?;
        self.check(name, parse(&text))
    }

    /// Takes and parses a required text.
    pub(super) fn required<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Option<T> {
        if self.remaining.get(name).is_none_or(Value::is_null) {
            self.remaining.remove(name);
            self.add_error(name, "missing", "The member is missing.");
            return None;
        }
        self.parsed(name, parse)
    }

    pub(super) fn add_error(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.errors.push(LineError::for_member(name, code, detail));
    }

    pub(super) fn wrong_type<T>(&mut self, name: &str, expected: &str) -> Option<T> {
        self.add_error(name, "wrong-type", format!("Expected {expected}."));
        None
    }

    /// Returns all errors. Each member that was not taken is an error.
    pub(super) fn into_errors(mut self) -> Vec<LineError> {
        for name in self.remaining.keys() {
            self.errors.push(LineError::for_member(name, "unknown", "There is no such member."));
        }
        self.errors
    }
}

/// A JSON object, and the names that occur in it more than once.
struct Object {
    members: Map<String, Value>,
    repeated: Vec<String>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut access: A) -> Result<Object, A::Error> {
                let mut object = Object { members: Map::new(), repeated: Vec::new() };
                while let Some(name) = access.next_key::<String>()? {
                    let value = access.next_value_seed(StrictValue::MEMBER)?;
                    if object.members.contains_key(&name) {
                        object.repeated.push(name);
                    } else {
                        object.members.insert(name, value);
                    }
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Visitor)
    }
}
