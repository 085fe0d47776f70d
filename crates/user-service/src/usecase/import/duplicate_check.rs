//! Finds keys that earlier records of the file already have. It is used by a dry run, which inserts nothing, and takes a
//! few hundred bytes per record.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use super::{
    json_members::{LineError, Sources},
    line_to_account::ReadUser,
};

/// The unique keys of a record: id, address and username, and what the export calls them.
pub(super) struct UniqueKeys {
    id: String,
    email: String,
    username: String,
    sources: Sources,
}

impl UniqueKeys {
    pub(super) fn new(user: ReadUser) -> Self {
        let ReadUser { account: user, sources, .. } = user;
        Self {
            id: uuid::Uuid::from(user.id).to_string(),
            email: user.email_keys.concat(),
            username: user.username_key,
            sources,
        }
    }
}

/// Hashes of the keys so far, each with the record that had it first. A collision of two 64-bit hashes is practically
/// impossible.
#[derive(Default)]
pub(super) struct DuplicateCheck {
    lines: HashMap<u64, u64>,
    hasher: RandomState,
}

impl DuplicateCheck {
    /// Returns the errors if an earlier record has one of the keys; otherwise remembers the keys for this record.
    pub(super) fn check_and_remember(&mut self, line: u64, unit: &str, keys: UniqueKeys) -> Option<Vec<LineError>> {
        let members = [("id", keys.id), ("email", keys.email), ("username", keys.username)];
        let hashed = members.map(|(member, key)| (member, self.hasher.hash_one((member, key))));
        let error = |(member, hash): &(&str, u64)| {
            let first = self.lines.get(hash)?;
            Some(duplicate_record(&keys.sources, member, unit, *first))
        };
        let errors: Vec<LineError> = hashed.iter().filter_map(error).collect();
        if !errors.is_empty() {
            return Some(errors);
        }
        self.lines.extend(hashed.map(|(_, hash)| (hash, line)));
        None
    }
}

/// Returns the error of a member whose value an earlier record of the file has.
pub(super) fn duplicate_record(sources: &Sources, member: &str, unit: &str, first: u64) -> LineError {
    let unit = if unit == "line" { "Line" } else { "Record" };
    sources.error(member, "duplicate-line", format!("{unit} {first} of this file has the same value."))
}
