//! The names of event types: parsing, versions, and the schema's URN.

use std::fmt;

use crate::{EventType, envelope::data_schema};

/// A `ce_type` that this version of the contract does not know.
///
/// The names are truncated to [`UnknownType::MAX_CHARS`], because they are untrusted input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownType {
    /// The name is unknown: a consumer skips the event and counts it.
    #[error("unknown event type {0}")]
    Name(String),
    /// The name is known, but its version is not: the event may matter, so it must not be
    /// skipped.
    #[error("unsupported version of a known event type: {0}")]
    Version(String),
}

impl UnknownType {
    /// The maximum length of an unknown name, in characters.
    pub const MAX_CHARS: usize = 100;
}

impl EventType {
    /// Parses a CloudEvents `type`, which is case-sensitive.
    ///
    /// # Errors
    /// Returns [`UnknownType::Version`] for a known name with a missing or unknown version, and
    /// [`UnknownType::Name`] for any other name.
    pub fn parse(text: &str) -> Result<EventType, UnknownType> {
        if let Some(known) = Self::ALL.iter().find(|known| known.as_str() == text) {
            return Ok(*known);
        }
        let shown = text.chars().take(UnknownType::MAX_CHARS).collect();
        let name = split_version(text);
        if Self::ALL.iter().any(|known| known.name() == name) {
            Err(UnknownType::Version(shown))
        } else {
            Err(UnknownType::Name(shown))
        }
    }

    /// Returns the name without its version, such as `user.registered`.
    pub fn name(self) -> &'static str {
        split_version(self.as_str())
    }

    /// Returns the URN of the data's JSON Schema: `urn:user-service:events:<type>`.
    pub fn data_schema(self) -> String {
        data_schema(self.as_str())
    }
}

/// Returns the name without its version: `user.registered` for `user.registered.v7`. The last
/// segment is a version if it begins with `v` and a digit.
pub(crate) fn split_version(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((name, version)) if is_version(version) => name,
        _ => text,
    }
}

fn is_version(segment: &str) -> bool {
    let mut chars = segment.chars();
    chars.next() == Some('v') && chars.next().is_some_and(|c| c.is_ascii_digit())
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_type_parses_back_to_itself_and_no_two_share_a_name() {
        let mut names = HashSet::new();
        for event_type in EventType::ALL {
            assert_eq!(EventType::parse(event_type.as_str()), Ok(*event_type));
            assert!(names.insert(event_type.as_str()), "{event_type} twice");
        }
        assert_eq!(names.len(), 28);
    }

    #[test]
    fn a_known_name_of_another_or_no_version_is_an_unsupported_version() {
        for text in [
            "user.registered.v7",
            "user.registered.v10",
            "user.registered.v01",
            "user.registered.v2beta",
            "user.registered.v1 ",
            "user.registered",
        ] {
            assert_eq!(EventType::parse(text), Err(UnknownType::Version(text.to_owned())));
        }
    }

    #[test]
    fn other_names_are_unknown() {
        for text in [
            "",
            "user",
            "user.registered.",
            "user.registered.later.v1",
            "order.placed.v1",
            "User.Registered.v1",
            "user.registered.vx",
        ] {
            assert_eq!(EventType::parse(text), Err(UnknownType::Name(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn an_unknown_name_is_shortened() {
        let long = "ü".repeat(5_000);
        let Err(UnknownType::Name(shown)) = EventType::parse(&long) else { panic!("the type is known") };
        assert_eq!(shown.chars().count(), UnknownType::MAX_CHARS);
    }

    #[test]
    fn the_schema_urn_ends_in_the_type() {
        assert_eq!(EventType::UserLoggedIn.data_schema(), "urn:user-service:events:user.logged_in.v1");
    }
}
