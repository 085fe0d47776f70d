//! What earlier lines of the file have, remembered by a dry run, which inserts nothing
//! that would tell: some hundred bytes for each line.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use super::members::Mistake;
use crate::store::UserRecord;

/// Id, address and user name of a line, by whose keys two accounts may not be alike.
#[derive(Clone)]
pub(super) struct Keys {
    id: String,
    email: String,
    username: String,
}

pub(super) fn keys_of(user: &UserRecord) -> Keys {
    Keys {
        id: uuid::Uuid::from(user.id).to_string(),
        email: user.email_keys.concat(),
        username: user.username_key.clone(),
    }
}

/// Hashes of what was seen, with the line that had it first. That two differ and have the
/// same 64 bits is no matter in practice.
#[derive(Default)]
pub(super) struct Seen {
    lines: HashMap<u64, u64>,
    hasher: RandomState,
}

impl Seen {
    /// What an earlier line has already; otherwise it is remembered for this line.
    pub(super) fn again(&mut self, line: u64, keys: Keys) -> Option<Vec<Mistake>> {
        let members = [("id", keys.id), ("email", keys.email), ("username", keys.username)];
        let hashed = members.map(|(member, key)| (member, self.hasher.hash_one((member, key))));
        let mistake = |(member, hash): &(&str, u64)| {
            let first = self.lines.get(hash)?;
            Some(Mistake::member(member, "duplicate-line", format!("Line {first} of this file has the same.")))
        };
        let mistakes: Vec<Mistake> = hashed.iter().filter_map(mistake).collect();
        if !mistakes.is_empty() {
            return Some(mistakes);
        }
        self.lines.extend(hashed.map(|(_, hash)| (hash, line)));
        None
    }
}
