//! Verifies a password against a stored hash.

use argon2::{
    Algorithm, Params, Version,
    password_hash::phc::{Output, Salt},
};
use argon2_simd::{Arena, Inputs, hash_into};
use zeroize::Zeroizing;

use super::{foreign::ForeignHash, policy::argon2_cost, queue::QueueLane};
use crate::domain::Password;

/// One verification, read from a stored hash and ready to run.
#[derive(Clone)]
pub(super) enum HashCheck {
    Argon2 {
        algorithm: Algorithm,
        params: Params,
        version: Version,
        salt: Salt,
        expected: Output,
        lane: QueueLane,
        needs_rehash: bool,
    },
    Foreign(ForeignHash),
}

impl HashCheck {
    /// The work it takes; units as in [`argon2_cost`].
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Argon2 { params, .. } => argon2_cost(params),
            Self::Foreign(foreign) => foreign.cost(),
        }
    }

    pub(super) fn lane(&self) -> QueueLane {
        match self {
            Self::Argon2 { lane, .. } => *lane,
            Self::Foreign(_) => QueueLane::Single,
        }
    }

    /// Whether a new hash of this password, which was accepted, is to replace this one.
    pub(super) fn needs_rehash(&self, accepted: &Password) -> bool {
        match self {
            Self::Argon2 { needs_rehash, .. } => *needs_rehash,
            // What was not compared may be a slip of the finger.
            Self::Foreign(foreign) => foreign.compares_whole(accepted.as_typed().as_bytes()),
        }
    }

    /// Computes, and compares in constant time. A check that does not fit the thread's
    /// arena brings memory of its own; the queue runs one of those at a time.
    pub(super) fn verify(&self, password: &Password, arena: &mut Arena) -> bool {
        match self {
            Self::Argon2 { needs_rehash, .. } => {
                // An outdated hash may be another system's, and those hash what was typed.
                let (normal, typed) = (password.expose(), password.as_typed());
                self.matches(normal, arena) || (*needs_rehash && typed != normal && self.matches(typed, arena))
            }
            Self::Foreign(foreign) => foreign.verify(password.as_typed().as_bytes()),
        }
    }

    fn matches(&self, password: &str, arena: &mut Arena) -> bool {
        let Self::Argon2 { algorithm, params, version, salt, expected, .. } = self else { return false };
        let password = password.as_bytes();
        let inputs = Inputs { algorithm: *algorithm, params, version: *version, secret: b"", password, salt };
        let mut out = Zeroizing::new([0; Output::MAX_LENGTH]);
        let out = &mut out[..expected.len()];
        let computed = if arena.fits(params) {
            hash_into(&inputs, arena, out)
        } else {
            hash_into(&inputs, &mut Arena::for_params(params), out)
        };
        // `Output` compares in constant time.
        computed.is_ok() && Output::new(out).is_ok_and(|out| out == *expected)
    }
}
