//! One SHA digest of password and salt: LDAP's `{SSHA}`, `{SSHA256}`, `{SSHA512}` and Django's old `sha1$`. The stored
//! format is `$salted-sha1$salt=after$salt$hash`. Until the owner's first login, an attacker with a copy of the
//! database can guess such a password cheaply.

use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use super::phc::{self, PhcString};
use crate::hashing::hash_error::UnusableHash;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sha {
    Sha1,
    Sha256,
    Sha512,
}

impl Sha {
    const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "salted-sha1",
            Self::Sha256 => "salted-sha256",
            Self::Sha512 => "salted-sha512",
        }
    }

    pub(super) const fn output_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn digest(self, parts: [&[u8]; 2]) -> Vec<u8> {
        fn digest_with<D: Digest>([first, second]: [&[u8]; 2]) -> Vec<u8> {
            D::new().chain_update(first).chain_update(second).finalize().to_vec()
        }
        match self {
            Self::Sha1 => digest_with::<Sha1>(parts),
            Self::Sha256 => digest_with::<Sha256>(parts),
            Self::Sha512 => digest_with::<Sha512>(parts),
        }
    }
}

/// The position of the salt relative to the password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SaltPosition {
    Before,
    After,
}

#[derive(Clone)]
pub(in crate::hashing) struct SaltedSha {
    sha: Sha,
    salt_position: SaltPosition,
    salt: Vec<u8>,
    expected: Vec<u8>,
}

impl SaltedSha {
    pub(super) fn parse(stored: &str) -> Result<Self, UnusableHash> {
        let phc = PhcString::parse(stored)?;
        let sha = [Sha::Sha1, Sha::Sha256, Sha::Sha512].into_iter().find(|sha| sha.name() == phc.name);
        let salt_position = match phc.param("salt") {
            Some("before") => SaltPosition::Before,
            Some("after") => SaltPosition::After,
            _ => return Err(UnusableHash::InvalidParameters),
        };
        Self::new(sha.ok_or(UnusableHash::UnknownAlgorithm)?, salt_position, phc.salt, phc.hash)
    }

    pub(super) fn new(
        sha: Sha,
        salt_position: SaltPosition,
        salt: Vec<u8>,
        expected: Vec<u8>,
    ) -> Result<Self, UnusableHash> {
        if salt.is_empty() || expected.len() != sha.output_bytes() {
            return Err(UnusableHash::InvalidParameters);
        }
        Ok(Self { sha, salt_position, salt, expected })
    }

    pub(super) fn to_stored(&self) -> String {
        let salt_position = if self.salt_position == SaltPosition::Before { "before" } else { "after" };
        let (salt, hash) = (phc::encode_base64(&self.salt), phc::encode_base64(&self.expected));
        format!("${}$salt={salt_position}${salt}${hash}", self.sha.name())
    }

    pub(super) fn verify(&self, typed: &[u8]) -> bool {
        let parts = match self.salt_position {
            SaltPosition::Before => [self.salt.as_slice(), typed],
            SaltPosition::After => [typed, &self.salt],
        };
        self.sha.digest(parts).ct_eq(&self.expected).into()
    }
}
