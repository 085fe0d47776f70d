//! The keys under which counters are stored. They are keyed hashes, so that a copy of the database does not reveal
//! which users tried to log in from which networks.

use zeroize::Zeroizing;

use crate::{
    keys::{KeyEncryptionKey, hmac_sha256},
    store::ThrottleKey,
};

/// HMAC-SHA-256 with a key of its own, truncated to 128 bits.
pub(super) struct KeyedHash(Zeroizing<[u8; 32]>);

impl KeyedHash {
    /// Creates the hash with a key that is derived from the key-encryption key.
    #[must_use]
    pub(super) fn new(keys: &KeyEncryptionKey) -> Self {
        Self(keys.derive("throttle/v1"))
    }

    /// Returns the hash of these parts in this order. The boundaries between the parts are part of the input.
    #[must_use]
    pub(super) fn digest(&self, parts: &[&[u8]]) -> [u8; 16] {
        let length = |part: &&[u8]| u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes();
        let input: Vec<u8> = parts.iter().flat_map(|part| [&length(part), *part].concat()).collect();
        *hmac_sha256(&self.0, &[&input]).first_chunk().expect("an HMAC has 32 bytes")
    }

    /// Returns the key of the counter of a whole subject.
    #[must_use]
    pub(super) fn subject_key(&self, scope: &str, subject: &[u8]) -> ThrottleKey {
        ThrottleKey::of_subject(self.digest(&[scope.as_bytes(), subject]))
    }

    /// Returns the key of the counter of one part of a subject, such as a network.
    #[must_use]
    pub(super) fn part_key(&self, scope: &str, subject: &[u8], part: &[u8]) -> ThrottleKey {
        ThrottleKey { part: self.digest(&[scope.as_bytes(), subject, part]), ..self.subject_key(scope, subject) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8) -> KeyedHash {
        KeyedHash::new(&KeyEncryptionKey::for_test(byte))
    }

    #[test]
    fn the_keys_of_a_subject_share_only_their_first_half() {
        let (subject_key, part_key) = (hash(1).subject_key("login", b"ada"), hash(1).part_key("login", b"ada", b"net"));
        assert_eq!(subject_key.subject, part_key.subject);
        assert_ne!(subject_key.part, part_key.part);
        assert_ne!(part_key.part, hash(1).part_key("login", b"ada", b"ten").part);
        assert_ne!(subject_key.subject, hash(1).subject_key("login", b"eve").subject);
        assert_ne!(subject_key.subject, hash(1).subject_key("reset", b"ada").subject);
        assert_ne!(subject_key.subject, hash(2).subject_key("login", b"ada").subject);
    }

    #[test]
    fn the_boundaries_between_parts_change_the_hash() {
        assert_ne!(hash(1).digest(&[b"ab", b"c"]), hash(1).digest(&[b"a", b"bc"]));
    }
}
