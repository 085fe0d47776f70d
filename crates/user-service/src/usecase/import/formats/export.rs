//! A record of an export while its members are converted to ours.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::left_behind::LeftBehind;
use crate::{
    domain::{
        AttributeRules, Invalid, json_pointer,
        strict_json::{self, StrictJsonError},
    },
    usecase::import::{
        json_members::{LineError, Members},
        times,
    },
};

/// A record in the members of our own format.
pub(in crate::usecase::import) struct Translated {
    pub(in crate::usecase::import) members: Members,
    /// What the record has and the account will not have.
    pub(in crate::usecase::import) left: LeftBehind,
    /// Whether the record becomes no account: `left` says why.
    pub(in crate::usecase::import) is_skipped: bool,
}

pub(super) struct Export<'a> {
    /// The members that were not converted yet.
    pub(super) record: Map<String, Value>,
    /// The members of our format so far.
    pub(super) members: Members,
    pub(super) left: LeftBehind,
    pub(super) rules: &'a AttributeRules,
    pub(super) now: Timestamp,
    is_skipped: bool,
}

impl<'a> Export<'a> {
    pub(super) fn new(
        record: Map<String, Value>,
        errors: Vec<LineError>,
        rules: &'a AttributeRules,
        now: Timestamp,
    ) -> Self {
        let members = Members::new(Map::new(), errors);
        Self { record, members, left: LeftBehind::default(), rules, now, is_skipped: false }
    }

    /// Returns the result. Members that were not converted stay behind.
    pub(super) fn finish(self) -> Translated {
        Translated { members: self.members, left: self.left, is_skipped: self.is_skipped }
    }

    /// Takes a member of the record. `null` and an empty text count as missing.
    pub(super) fn take(&mut self, pointer: &'static str) -> Option<Value> {
        self.record.remove(&pointer[1..]).filter(|value| !value.is_null() && *value != Value::String(String::new()))
    }

    /// Takes a member of the record as a text.
    pub(super) fn take_text(&mut self, pointer: &'static str) -> Option<String> {
        match self.take(pointer)? {
            Value::String(text) => Some(text),
            _ => self.refuse_type(pointer, "a string"),
        }
    }

    /// Converts a member to the member `name` of ours.
    pub(super) fn rename(&mut self, pointer: &'static str, name: &'static str) {
        let value = self.take(pointer).unwrap_or(Value::Null);
        self.members.insert(name, pointer, value);
    }

    /// Takes a truth value, which CSV has as text.
    pub(super) fn take_flag(&mut self, pointer: &'static str) -> Option<bool> {
        match self.take(pointer)? {
            Value::Bool(flag) => Some(flag),
            Value::String(text) if matches!(text.as_str(), "t" | "true" | "TRUE" | "1") => Some(true),
            Value::String(text) if matches!(text.as_str(), "f" | "false" | "FALSE" | "0") => Some(false),
            Value::Number(number) if number.as_u64() == Some(0) => Some(false),
            Value::Number(number) if number.as_u64() == Some(1) => Some(true),
            _ => self.refuse_type(pointer, "true or false"),
        }
    }

    /// Takes a list or an object, if it has anything in it.
    pub(super) fn take_filled(&mut self, pointer: &'static str) -> Option<Value> {
        self.take(pointer).filter(|value| !is_blank(value))
    }

    /// Takes an object.
    pub(super) fn take_object(&mut self, pointer: &'static str) -> Map<String, Value> {
        match self.take(pointer) {
            None => Map::new(),
            Some(Value::Object(members)) => members,
            Some(_) => self.refuse_type(pointer, "an object").unwrap_or_default(),
        }
    }

    /// Takes a time in any form, and converts it to the member `name` of ours.
    pub(super) fn rename_time(&mut self, pointer: &'static str, name: &'static str) {
        let Some(value) = self.take(pointer) else { return };
        let time = times::parse(&value, self.now);
        self.insert_time(pointer, name, time);
    }

    pub(super) fn insert_time(
        &mut self,
        pointer: &'static str,
        name: &'static str,
        time: Result<Option<Timestamp>, Invalid>,
    ) {
        match time {
            Ok(time) => {
                let time = time.map_or(Value::Null, |time| time.to_string().into());
                self.members.insert(name, pointer, time);
            }
            Err(invalid) => self.refuse(pointer, invalid.code, invalid.detail),
        }
    }

    /// Uses a member as the username, unless it is the address: then it is no name of its own.
    pub(super) fn use_as_username(&mut self, pointer: &'static str) {
        if let Some(name) = self.take(pointer) {
            use_as_username(&mut self.members, pointer, name);
        }
    }

    /// Uses a member as the display name, unless it is the address.
    pub(super) fn use_as_display_name(&mut self, pointer: &'static str) {
        if let Some(name) = self.take(pointer).filter(|name| !is_address(&self.members, name)) {
            self.members.insert("displayName", pointer, name);
        }
    }

    /// Uses the metadata that a user may change, and the metadata that only the application may change, as attributes.
    /// An attribute that only administrators may write comes from the latter alone, and any other from the former:
    /// otherwise users could get rights, or lose what the application keeps from them.
    pub(super) fn use_as_attributes(
        &mut self,
        users: (&'static str, Map<String, Value>),
        applications: (&'static str, Map<String, Value>),
    ) {
        let mut attributes = Map::new();
        for (name, value) in users.1 {
            match self.rules.is_admin_only(&name) {
                true => self.left |= LeftBehind::ADMIN_ONLY_METADATA,
                false => drop(attributes.insert(name, value)),
            }
        }
        for (name, value) in applications.1 {
            if self.rules.is_admin_only(&name) {
                let pointer = format!("{}{}", applications.0, &json_pointer([&name])[1..]);
                self.members.sources.set(format!("attributes/{name}"), pointer);
                attributes.insert(name, value);
            } else {
                self.left |= LeftBehind::APP_METADATA;
            }
        }
        let attributes = if attributes.is_empty() { Value::Null } else { attributes.into() };
        self.members.insert("attributes", users.0, attributes);
    }

    /// Replaces the text of a member by the JSON that it contains.
    pub(super) fn parse_json_text(&mut self, pointer: &'static str) {
        let Some(Value::String(text)) = self.record.get(&pointer[1..]) else { return };
        if text.is_empty() {
            return;
        }
        match strict_json::parse(text.as_bytes()) {
            Ok(value) => drop(self.record.insert(pointer[1..].to_owned(), value)),
            Err(StrictJsonError::NumbersOutOfRange(_)) => {
                self.record.remove(&pointer[1..]);
                self.refuse(pointer, "out-of-range", "The JSON in it has a number that no double represents.");
            }
            Err(StrictJsonError::NotJson(_)) => {
                self.record.remove(&pointer[1..]);
                self.refuse(pointer, "not-json", "The text in it is not acceptable JSON.");
            }
        }
    }

    /// Notes that `what` stays behind if a member has anything in it.
    pub(super) fn leave(&mut self, pointer: &'static str, what: LeftBehind) {
        if self.take_filled(pointer).is_some() {
            self.left |= what;
        }
    }

    /// Makes no account of the record.
    pub(super) fn skip(&mut self, because: LeftBehind) {
        self.left = because;
        self.is_skipped = true;
    }

    pub(super) fn refuse(&mut self, pointer: &str, code: &'static str, detail: impl Into<String>) {
        self.members.add_located_error(LineError::at(pointer, code, detail));
    }

    pub(super) fn refuse_type<T>(&mut self, pointer: &str, expected: &str) -> Option<T> {
        self.refuse(pointer, "wrong-type", format!("Expected {expected}."));
        None
    }
}

/// Returns whether a value says nothing.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// Returns whether a value is the text of the member `email` of ours.
pub(super) fn is_address(members: &Members, value: &Value) -> bool {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(|text| text.trim().to_lowercase());
    text(Some(value)).is_some_and(|value| text(members.get("email")) == Some(value))
}

/// Uses a value as the username, unless it is blank or the address: then it is no name of its own.
pub(super) fn use_as_username(members: &mut Members, pointer: impl Into<Cow<'static, str>>, chosen: Value) {
    if !is_blank(&chosen) && !is_address(members, &chosen) {
        members.insert("username", pointer, chosen);
    }
}
