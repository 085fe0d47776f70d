//! One SHA over password and salt: LDAP's `{SSHA}`, `{SSHA256}`, `{SSHA512}` and Django's
//! old `sha1$`. Cheap to guess for whoever gets hold of the database, until the owner's
//! first login. `$salted-sha1$salt=after$salt$hash`.

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use super::phc::{self, Phc};
use crate::hashing::hash_error::UnusableHash;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sha {
    One,
    Two256,
    Two512,
}

impl Sha {
    const fn name(self) -> &'static str {
        match self {
            Self::One => "salted-sha1",
            Self::Two256 => "salted-sha256",
            Self::Two512 => "salted-sha512",
        }
    }

    pub(super) const fn output(self) -> usize {
        match self {
            Self::One => 20,
            Self::Two256 => 32,
            Self::Two512 => 64,
        }
    }

    fn digest(self, parts: [&[u8]; 2]) -> Vec<u8> {
        fn of<D: Digest>([first, second]: [&[u8]; 2]) -> Vec<u8> {
            D::new().chain_update(first).chain_update(second).finalize().to_vec()
        }
        match self {
            Self::One => of::<Sha1>(parts),
            Self::Two256 => of::<Sha256>(parts),
            Self::Two512 => of::<Sha512>(parts),
        }
    }
}

/// Where the salt stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SaltPosition {
    Before,
    After,
}

#[derive(Clone)]
pub(in crate::hashing) struct SaltedSha {
    sha: Sha,
    place: SaltPosition,
    salt: Vec<u8>,
    expected: Vec<u8>,
}

impl SaltedSha {
    pub(super) fn read(stored: &str) -> Result<Self, UnusableHash> {
        let phc = Phc::split(stored)?;
        let sha = [Sha::One, Sha::Two256, Sha::Two512].into_iter().find(|sha| sha.name() == phc.name);
        let place = match phc.param("salt") {
            Some("before") => SaltPosition::Before,
            Some("after") => SaltPosition::After,
            _ => return Err(UnusableHash::InvalidParameters),
        };
        Self::new(sha.ok_or(UnusableHash::UnknownAlgorithm)?, place, phc.salt, phc.hash)
    }

    pub(super) fn new(sha: Sha, place: SaltPosition, salt: Vec<u8>, expected: Vec<u8>) -> Result<Self, UnusableHash> {
        if salt.is_empty() || expected.len() != sha.output() {
            return Err(UnusableHash::InvalidParameters);
        }
        Ok(Self { sha, place, salt, expected })
    }

    pub(super) fn text(&self) -> String {
        let place = if self.place == SaltPosition::Before { "before" } else { "after" };
        let (salt, hash) = (phc::encode(&self.salt), phc::encode(&self.expected));
        format!("${}$salt={place}${salt}${hash}", self.sha.name())
    }

    pub(super) fn accepts(&self, typed: &[u8]) -> bool {
        let parts = match self.place {
            SaltPosition::Before => [self.salt.as_slice(), typed],
            SaltPosition::After => [typed, &self.salt],
        };
        self.sha.digest(parts).ct_eq(&self.expected).into()
    }
}
