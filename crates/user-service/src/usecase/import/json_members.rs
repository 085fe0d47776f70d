//! Reads a record as JSON: takes its members one by one, and collects all errors.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use crate::domain::{
    Invalid, SchemaViolation,
    json_numbers::find_out_of_range,
    json_pointer,
    strict_json::{StrictValue, is_number_error},
};

/// The members of a line of our own format.
pub(super) const MEMBERS: &[&str] = &[
    "id",
    "username",
    "email",
    "emailVerified",
    "displayName",
    "locale",
    "timezone",
    "attributes",
    "roles",
    "status",
    "createdAt",
    "lastLoginAt",
    "passwordHash",
    "credential",
];

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

    /// Returns the error of the value at this JSON Pointer.
    pub(super) fn at(pointer: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: format!("#{pointer}"), code, detail: detail.into() }
    }

    /// Returns the error of a value of the line.
    fn from_violation(violation: SchemaViolation) -> Self {
        Self { pointer: json_pointer(&violation.path), code: violation.invalid.code, detail: violation.invalid.detail }
    }
}

/// Where the members come from: the JSON Pointer in the export of each member that has another name there. A pointer is
/// a constant, or made from names that the operator gave, and percent-encoded as in a URI fragment.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources(Vec<(Cow<'static, str>, Cow<'static, str>)>);

impl Sources {
    pub(super) fn set(&mut self, member: impl Into<Cow<'static, str>>, pointer: impl Into<Cow<'static, str>>) {
        self.0.push((member.into(), pointer.into()));
    }

    fn find(&self, member: &str) -> Option<&str> {
        self.0.iter().rev().find(|(name, _)| name == member).map(|(_, pointer)| pointer.as_ref())
    }

    /// Returns the error of a member, which it names as the export does.
    pub(super) fn error(&self, member: &str, code: &'static str, detail: impl Into<String>) -> LineError {
        match self.find(member) {
            Some(pointer) => LineError::at(pointer, code, detail),
            None => LineError::for_member(member, code, detail),
        }
    }

    /// Returns the error of a value inside a member.
    fn inside_member(&self, member: &str, violation: SchemaViolation) -> LineError {
        let SchemaViolation { path, invalid } = violation;
        let first = path.first().map(|first| format!("{member}/{first}"));
        let (pointer, inside) = match first.and_then(|first| self.find(&first)) {
            Some(pointer) => (Some(pointer), &path[1..]),
            None => (self.find(member), &path[..]),
        };
        match pointer {
            Some(pointer) => {
                let inside = json_pointer(inside);
                LineError::at(&format!("{pointer}{}", &inside[1..]), invalid.code, invalid.detail)
            }
            None => {
                let path = [vec![member.to_owned()], path].concat();
                LineError::from_violation(SchemaViolation { path, invalid })
            }
        }
    }
}

/// Parses the JSON object of a record by the rules for a request body. If a member is repeated, the first value is
/// kept, and the repetition is an error. `unit` is what the operator calls a record.
///
/// # Errors
/// Returns an error if the text is not UTF-8, not JSON or not an object, repeats a member inside a value, is nested too
/// deeply, or contains a number that no double represents.
pub(super) fn parse_object(text: &[u8], unit: &str) -> Result<(Map<String, Value>, Vec<LineError>), LineError> {
    let numbers = || find_out_of_range(&String::from_utf8_lossy(text)).into_iter().map(LineError::from_violation);
    let unread = |error: &serde_json::Error| {
        if is_number_error(error)
            && let Some(error) = numbers().next()
        {
            return error;
        }
        let what = match (error.is_data(), text.trim_ascii_start().first()) {
            (false, _) => "is not JSON".to_owned(),
            // These are errors of `StrictValue`, which quote no value.
            (true, Some(b'{')) => format!("is not acceptable JSON: {error}"),
            (true, _) => "is not a JSON object".to_owned(),
        };
        LineError::for_line("malformed-line", format!("The {unit} {what} (at byte {}).", error.column()))
    };
    let Object { members, repeated } = serde_json::from_slice(text).map_err(|error| unread(&error))?;
    let twice = |name: &String| LineError::for_member(name, "repeated", "The member occurs more than once.");
    let mut errors: Vec<_> = repeated.iter().map(twice).collect();
    errors.extend(numbers());
    Ok((members, errors))
}

/// The members that were not taken yet, and the errors so far.
#[derive(Default)]
pub(super) struct Members {
    remaining: Map<String, Value>,
    pub(super) sources: Sources,
    errors: Vec<LineError>,
}

impl Members {
    pub(super) fn new(remaining: Map<String, Value>, errors: Vec<LineError>) -> Self {
        Self { remaining, sources: Sources::default(), errors }
    }

    /// Adds a member that has another name or place in the export.
    pub(super) fn insert(&mut self, name: &'static str, pointer: impl Into<Cow<'static, str>>, value: Value) {
        self.sources.set(name, pointer);
        self.remaining.insert(name.to_owned(), value);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.remaining.get(name).filter(|value| !value.is_null())
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
        parsed.map_err(|invalid| self.add_error(name, invalid.code, invalid.detail)).ok()
    }

    /// Returns the value, or records its schema violations.
    pub(super) fn check_schema<T>(&mut self, name: &str, checked: Result<T, Vec<SchemaViolation>>) -> Option<T> {
        let sources = &self.sources;
        let errors = |violations: Vec<SchemaViolation>| {
            self.errors.extend(violations.into_iter().map(|violation| sources.inside_member(name, violation)));
        };
        checked.map_err(errors).ok()
    }

    /// Takes and parses an optional text.
    pub(super) fn parsed<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Option<T> {
        let text = self.text(name)?;
        self.check(name, parse(&text))
    }

    /// Takes and parses a required text.
    pub(super) fn required<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, Invalid>) -> Option<T> {
        if self.get(name).is_none() {
            self.remaining.remove(name);
            self.add_error(name, "missing", "The member is missing.");
            return None;
        }
        self.parsed(name, parse)
    }

    pub(super) fn add_error(&mut self, name: &str, code: &'static str, detail: impl Into<String>) {
        self.errors.push(self.sources.error(name, code, detail));
    }

    pub(super) fn add_located_error(&mut self, error: LineError) {
        self.errors.push(error);
    }

    pub(super) fn wrong_type<T>(&mut self, name: &str, expected: &str) -> Option<T> {
        self.add_error(name, "wrong-type", format!("Expected {expected}."));
        None
    }

    /// Returns all errors. Each member that was not taken is an error.
    pub(super) fn into_errors(mut self) -> (Vec<LineError>, Sources) {
        for name in self.remaining.keys() {
            self.errors.push(LineError::for_member(name, "unknown", "There is no such member."));
        }
        (self.errors, self.sources)
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
