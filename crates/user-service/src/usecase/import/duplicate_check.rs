//! Finds keys that earlier lines of the file already have. It is used by a dry run, which inserts nothing, and takes a
//! few hundred bytes per line.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use super::json_members::LineError;
use crate::store::UserRecord;

/// The unique keys of a line: id, address and username.
#[derive(Clone)]
pub(super) struct UniqueKeys {
    id: String,
    email: String,
    username: String,
}

impl UniqueKeys {
    pub(super) fn from_record(user: &UserRecord) -> Self {
        Self {
            id: uuid::Uuid::from(user.id).to_string(),
            email: user.email_keys.concat(),
            username: user.username_key.clone(),
        }
    }
}

/// Hashes of the keys so far, each with the line that had it first. A collision of two 64-bit hashes is practically
/// impossible.
#[derive(Default)]
pub(super) struct DuplicateCheck {
    lines: HashMap<u64, u64>,
    hasher: RandomState,
}

impl DuplicateCheck {
    /// Returns the errors if an earlier line has one of the keys; otherwise remembers the keys for this line.
    pub(super) fn check_and_remember(&mut self, line: u64, keys: UniqueKeys) -> Option<Vec<LineError>> {
        let members = [("id", keys.id), ("email", keys.email), ("username", keys.username)];
        let hashed = members.map(|(member, key)| (member, self.hasher.hash_one((member, key))));
        let error = |(member, hash): &(&str, u64)| {
            let first = self.lines.get(hash)?;
            Some(LineError::for_member(
                member,
                "duplicate-line",
                format!("Line {first} of this file has the same value."),
            ))
        };
        let errors: Vec<LineError> = hashed.iter().filter_map(error).collect();
        if !errors.is_empty() {
            return Some(errors);
        }
        self.lines.extend(hashed.map(|(_, hash)| (hash, line)));
        None
    }
}
