//! Names a member of a record.

use serde_json::{Map, Value};

use crate::domain::json_pointer;

/// A member of a record: a name, or a JSON Pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPath(pub(super) Vec<String>);

impl MemberPath {
    /// Parses a name, or a pointer that begins with `/`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix('/') {
            Some(pointer) => Self(pointer.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect()),
            None => Self(vec![text.to_owned()]),
        }
    }

    pub(super) fn find<'a>(&self, record: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, rest) = self.0.split_first()?;
        rest.iter().try_fold(record.get(first)?, |value, name| match value {
            Value::Object(members) => members.get(name),
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            _ => None,
        })
    }

    pub(super) fn pointer(&self) -> String {
        json_pointer(&self.0)[1..].to_owned()
    }
}
