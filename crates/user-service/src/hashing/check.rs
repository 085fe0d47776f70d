//! Verifies a password against a stored hash.
//!
//! The hashes of other systems are in `foreign`. They use [`QueueLane::Single`], because they need memory outside the
//! arena.

use argon2::{
    Algorithm, Params, Version,
    password_hash::phc::{Output, Salt},
};
use argon2_simd::{Arena, Inputs, hash_into};
use zeroize::Zeroizing;

use super::{foreign::ForeignHash, queue::QueueLane};
use crate::domain::Password;

/// A verification that was parsed from a stored hash and is ready to run.
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
    /// Returns the cost, in units of [`argon2_cost`].
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

    /// Returns whether a new hash should replace this one. `accepted` is the password that this check has accepted.
    pub(super) fn needs_rehash(&self, accepted: &Password) -> bool {
        match self {
            Self::Argon2 { needs_rehash, .. } => *needs_rehash,
            // The part of a password that was not compared may contain a typing error.
            Self::Foreign(foreign) => foreign.compares_whole(accepted.as_typed().as_bytes()),
        }
    }

    /// Computes the hash of `password` and compares it in constant time. A check that does not fit into the thread's
    /// arena allocates its own memory; the queue runs only one of these at a time.
    pub(super) fn verify(&self, password: &Password, arena: &mut Arena) -> bool {
        match self {
            Self::Argon2 { needs_rehash, .. } => {
                // A hash with other parameters may come from another system, which hashed the password as it was typed.
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

/// Returns the cost of an Argon2 hash: blocks of 1 KiB times passes. The queue compares hashes by this unit. The costs
/// of other algorithms are relative to the block function of the `argon2` crate; that of `argon2-simd` takes less than
/// half as long.
pub(super) fn argon2_cost(params: &Params) -> u64 {
    params.block_count() as u64 * u64::from(params.t_cost())
}
