//! What earlier lines of the file have, remembered by a dry run, which inserts nothing
//! that would tell: some hundred bytes for each line.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use super::members::LineError;
use crate::store::UserRecord;

/// Id, address and user name of a line, by whose keys two accounts may not be alike.
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

/// Hashes of what was seen, with the line that had it first. That two differ and have the
/// same 64 bits is no matter in practice.
#[derive(Default)]
pub(super) struct DuplicateCheck {
    lines: HashMap<u64, u64>,
    hasher: RandomState,
}

impl DuplicateCheck {
    /// What an earlier line has already; otherwise it is remembered for this line.
    pub(super) fn check_and_remember(&mut self, line: u64, keys: UniqueKeys) -> Option<Vec<LineError>> {
        let members = [("id", keys.id), ("email", keys.email), ("username", keys.username)];
        let hashed = members.map(|(member, key)| (member, self.hasher.hash_one((member, key))));
        let error = |(member, hash): &(&str, u64)| {
            let first = self.lines.get(hash)?;
            Some(LineError::for_member(member, "duplicate-line", format!("Line {first} of this file has the same.")))
        };
        let errors: Vec<LineError> = hashed.iter().filter_map(error).collect();
        if !errors.is_empty() {
            return Some(errors);
        }
        self.lines.extend(hashed.map(|(_, hash)| (hash, line)));
        None
    }
}
