//! Hashes from other systems. At the first login, a matching hash is replaced by one of this service.
//!
//! Each algorithm has a file with its stored format, its cost and its verification. `import_formats`, `asp_net` and
//! `keycloak` convert the formats of other systems to the stored format.

mod asp_net;
mod bcrypt;
mod firebase_scrypt;
mod import_formats;
mod keycloak;
mod pbkdf2;
mod phc;
mod phpass;
mod salted_sha;
mod scrypt;
mod wordpress;

pub use self::firebase_scrypt::FirebaseParameters;
pub(super) use self::firebase_scrypt::canonicalize as canonicalize_firebase;
pub(super) use self::import_formats::canonicalize;
pub(super) use self::keycloak::canonicalize as canonicalize_keycloak;

use secrecy::SecretString;

use self::{
    bcrypt::Bcrypt, firebase_scrypt::FirebaseScrypt, pbkdf2::Pbkdf2, phpass::Phpass, salted_sha::SaltedSha,
    scrypt::Scrypt,
};
use super::hash_error::UnusableHash;

/// A hash from another system, ready to be verified.
#[derive(Clone)]
pub(super) enum ForeignHash {
    Bcrypt(Bcrypt),
    Scrypt(Scrypt),
    FirebaseScrypt(FirebaseScrypt),
    Pbkdf2(Pbkdf2),
    SaltedSha(SaltedSha),
    Phpass(Phpass),
}

impl ForeignHash {
    /// Parses the stored format. `name` is the part between its first two `$`.
    pub(super) fn parse(name: &str, stored: &str) -> Result<Self, UnusableHash> {
        if let Some(input) = bcrypt::Input::from_name(name) {
            return Bcrypt::parse(stored, input).map(Self::Bcrypt);
        }
        match name {
            "scrypt" => Scrypt::parse(stored).map(Self::Scrypt),
            "fbscrypt" => FirebaseScrypt::parse(stored).map(Self::FirebaseScrypt),
            _ if name.starts_with("pbkdf2-") => Pbkdf2::parse(stored).map(Self::Pbkdf2),
            _ if name.starts_with("salted-") => SaltedSha::parse(stored).map(Self::SaltedSha),
            _ if Phpass::is_name(name) => Phpass::parse(name, stored).map(Self::Phpass),
            _ => Err(UnusableHash::UnknownAlgorithm),
        }
    }

    /// Adds the pepper of Devise if this hash needs it.
    ///
    /// # Errors
    /// Returns [`UnusableHash::MissingPepper`] if it needs it and there is none.
    pub(super) fn with_pepper(self, pepper: Option<&SecretString>) -> Result<Self, UnusableHash> {
        match self {
            Self::Bcrypt(hash) => hash.with_pepper(pepper).map(Self::Bcrypt),
            other => Ok(other),
        }
    }

    /// Returns the stored format.
    fn to_stored(&self) -> String {
        match self {
            Self::Bcrypt(hash) => hash.to_stored(),
            Self::Scrypt(hash) => hash.to_stored(),
            Self::FirebaseScrypt(hash) => hash.to_stored(),
            Self::Pbkdf2(hash) => hash.to_stored(),
            Self::SaltedSha(hash) => hash.to_stored(),
            Self::Phpass(hash) => hash.to_stored(),
        }
    }

    /// Returns the cost of a verification of this password, in Argon2 blocks of 1 KiB times passes that take about the
    /// same time on the same processor. Only that of phpass depends on the password; it is lowest for an empty one.
    pub(super) fn cost(&self, typed: &str) -> u64 {
        match self {
            Self::Bcrypt(hash) => hash.cost(),
            Self::Scrypt(hash) => hash.cost(),
            Self::FirebaseScrypt(hash) => hash.cost(),
            Self::Pbkdf2(hash) => hash.cost(),
            Self::SaltedSha(_) => 1,
            Self::Phpass(hash) => hash.cost(typed),
        }
    }

    /// Returns the memory that a verification allocates.
    pub(super) fn memory_kib(&self) -> u64 {
        match self {
            Self::Bcrypt(_) | Self::Pbkdf2(_) | Self::SaltedSha(_) | Self::Phpass(_) => 8,
            Self::Scrypt(hash) => hash.memory_kib(),
            Self::FirebaseScrypt(hash) => hash.memory_kib(),
        }
    }

    /// Computes the hash and compares it in constant time. Other systems hash a password as it was typed.
    pub(super) fn verify(&self, typed: &str) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.verify(typed),
            Self::Scrypt(hash) => hash.verify(typed.as_bytes()),
            Self::FirebaseScrypt(hash) => hash.verify(typed.as_bytes()),
            Self::Pbkdf2(hash) => hash.verify(typed.as_bytes()),
            Self::SaltedSha(hash) => hash.verify(typed.as_bytes()),
            Self::Phpass(hash) => hash.verify(typed),
        }
    }

    /// Returns whether the whole password was compared, so that a new hash of it may replace this one.
    pub(super) fn compares_whole(&self, typed: &str) -> bool {
        match self {
            Self::Bcrypt(hash) => hash.compares_whole(typed),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
