//! Makes a username for a user who has none, from the email address. If it is taken, a number is added, which depends
//! on nothing but the address, so every import of the user tries the same names in the same order.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use sha2::{Digest as _, Sha256};

use crate::domain::{Email, Username};

/// The base of a name whose address gives none.
const UNNAMED: &str = "user";

/// A username that was made from an address.
pub(super) struct DerivedUsername {
    base: String,
    email_key: String,
    /// The number of names that were returned.
    attempts: u8,
}

impl DerivedUsername {
    /// Starts with the part before the `@`, without a tag after `+` and without the characters that a username cannot
    /// have.
    pub(super) fn new(email: &Email) -> Self {
        let local = email.as_str().split('@').next().unwrap_or_default();
        let untagged = local.split('+').next().filter(|name| !name.is_empty()).unwrap_or(local);
        let base = Username::valid_part(untagged).unwrap_or_else(|| UNNAMED.to_owned());
        Self { base, email_key: email.key().to_owned(), attempts: 0 }
    }

    /// Returns the first name: the base itself, or with a number if it is too short.
    pub(super) fn first(&mut self) -> Username {
        let base = (self.base != UNNAMED).then(|| Username::parse(&self.base).ok()).flatten();
        base.unwrap_or_else(|| self.with_number(0))
    }

    /// Returns the next name to try if an earlier record has the last one.
    pub(super) fn next_in_file(&mut self) -> Username {
        self.attempts = self.attempts.saturating_add(1);
        self.with_number(self.attempts)
    }

    /// Returns the next name to try if an account has the last one. These names differ from those of
    /// [`next_in_file`](Self::next_in_file), so that records that are inserted at the same time do not compete.
    pub(super) fn next_in_database(&mut self) -> Username {
        self.attempts = self.attempts.saturating_add(1);
        self.with_number(self.attempts + 2)
    }

    /// Returns the base with a number of four digits, for higher attempts of up to nine.
    fn with_number(&self, attempt: u8) -> Username {
        let digest = Sha256::new().chain_update([attempt]).chain_update(&self.email_key).finalize();
        let random = u64::from_be_bytes(digest[..8].try_into().expect("the digest has 32 bytes"));
        let smallest = 10_u64.pow(3 + u32::from(attempt.saturating_sub(1).min(5)));
        let number = u32::try_from(smallest + random % (9 * smallest)).expect("the number has at most nine digits");
        Username::with_suffix(&self.base, number)
            .or_else(|_| Username::with_suffix(UNNAMED, number))
            .expect("a name of letters with a number is valid")
    }
}

/// The usernames of the records so far. It takes some tens of bytes per record.
#[derive(Default)]
pub(super) struct AssignedUsernames {
    /// The number of the record by the hash of the key, and whether its name was derived. A collision of two 64-bit
    /// hashes is practically impossible.
    records: HashMap<u64, (u64, bool)>,
    hasher: RandomState,
}

impl AssignedUsernames {
    /// Returns the first name of `derived` that no earlier record has.
    pub(super) fn assign(&mut self, record: u64, derived: &mut DerivedUsername) -> Username {
        let mut name = derived.first();
        // The numbers have nine digits in the end, so a free one is found soon.
        while self.records.contains_key(&self.hash(&name)) && derived.attempts < u8::MAX - 3 {
            name = derived.next_in_file();
        }
        self.records.entry(self.hash(&name)).or_insert((record, true));
        name
    }

    /// Remembers the name that a record has in the export. Returns the earlier record that got the same name from its
    /// address, if there is one.
    pub(super) fn claim(&mut self, record: u64, name: &Username) -> Option<u64> {
        let (first, is_derived) = *self.records.entry(self.hash(name)).or_insert((record, false));
        (is_derived && first != record).then_some(first)
    }

    fn hash(&self, name: &Username) -> u64 {
        self.hasher.hash_one(name.key())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn derived(address: &str) -> DerivedUsername {
        DerivedUsername::new(&Email::parse(address).unwrap_or_else(|invalid| panic!("{address}: {invalid}")))
    }

    fn first(address: &str) -> String {
        derived(address).first().as_str().to_owned()
    }

    #[test]
    fn a_name_is_the_local_part_with_valid_characters() {
        for (address, name) in [
            ("Ada.Lovelace@example.org", "Ada.Lovelace"),
            ("ada+news@example.org", "ada"),
            ("o'brien@example.org", "obrien"),
            ("-ada-@example.org", "ada"),
            ("josé@example.org", "josé"),
            ("山田太郎@example.org", "山田太郎"),
        ] {
            assert_eq!(first(address), name, "{address}");
        }
        let long = format!("{}@example.org", "a".repeat(60));
        assert_eq!(first(&long), "a".repeat(32));
    }

    #[test]
    fn a_local_part_that_is_no_name_gets_a_number() {
        for (address, beginning) in
            [("ab@example.org", "ab-"), ("'''@example.org", "user-"), ("раураl@example.org", "l-")]
        {
            let name = first(address);
            assert!(name.starts_with(beginning) && name.len() == beginning.len() + 4, "{address}: {name}");
        }
    }

    #[test]
    fn the_numbers_depend_on_the_address_alone() {
        let names = |address: &str| {
            let mut derived = derived(address);
            [derived.first(), derived.next_in_file(), derived.next_in_file()].map(|name| name.as_str().to_owned())
        };
        assert_eq!(names("info@example.org"), names("INFO@example.org").map(|name| name.replace("INFO", "info")));
        assert_ne!(names("info@example.org")[1..], names("info@example.com")[1..]);
        assert_eq!(names("info@example.org")[0], "info");
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number_and_an_explicit_name_keeps_what_it_has() {
        let mut assigned = AssignedUsernames::default();
        let explicit = Username::parse("info").unwrap();
        assert_eq!(assigned.claim(1, &explicit), None);
        let second = assigned.assign(2, &mut derived("info@example.org"));
        assert!(second.as_str().starts_with("info-"), "{second}");
        assert_eq!(assigned.claim(3, &second), Some(2));
        // Two records with the same name in the export are found by the unique index.
        assert_eq!(assigned.claim(4, &explicit), None);
        let mut names: Vec<String> = (0..30_000)
            .map(|n| assigned.assign(n, &mut derived(&format!("info@host{n}.example"))).key().to_owned())
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 30_000);
    }

    proptest! {
        #[test]
        fn every_address_has_valid_names(local in "[^@]{1,20}|[a-z0-9'.+_-]{1,40}|[а-яa-z]{1,8}") {
            if let Ok(email) = Email::parse(&format!("{local}@example.org")) {
                let mut derived = DerivedUsername::new(&email);
                let mut names = vec![derived.first()];
                for _ in 0..4 {
                    names.push(derived.next_in_file());
                    names.push(derived.next_in_database());
                }
                for name in &names {
                    prop_assert_eq!(&Username::parse(name.as_str()).unwrap(), name);
                }
            }
        }
    }
}
