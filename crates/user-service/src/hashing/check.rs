//! Verifies a password against a stored hash.
//!
//! The hashes of other systems are in `foreign`. They use [`QueueLane::Single`], because they need memory outside the
//! arena.

use argon2::{
    Algorithm, Params, Version,
    password_hash::phc::{Output, Salt},
};
use argon2_simd::{Arena, Inputs, hash_into};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::{foreign::ForeignHash, queue::QueueLane};
use crate::domain::Password;

/// The result of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    Match {
        /// Whether the stored hash has other parameters than a new one and should be replaced.
        needs_rehash: bool,
    },
    Mismatch,
}

/// A check that was parsed from a stored hash.
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

/// The verification of one password against one hash, ready to run.
pub(super) struct Attempt {
    check: HashCheck,
    /// The forms of the password that are tried, in this order. There is at least one.
    forms: Vec<SecretString>,
    pub(super) cost: u64,
    pub(super) lane: QueueLane,
}

impl HashCheck {
    /// Returns the cost of comparing one form of a password, in units of [`argon2_cost`].
    pub(super) fn cost(&self, form: &str) -> u64 {
        match self {
            Self::Argon2 { params, .. } => argon2_cost(params),
            Self::Foreign(foreign) => foreign.cost(form),
        }
    }

    pub(super) fn lane(&self) -> QueueLane {
        match self {
            Self::Argon2 { lane, .. } => *lane,
            Self::Foreign(_) => QueueLane::Single,
        }
    }

    /// Returns the attempt to verify `password`. It tries the first form of the password, and as many others as cost at
    /// most `max_cost` together with it. `shared_cost` is the maximum cost in [`QueueLane::Shared`].
    pub(super) fn attempt(self, password: &Password, max_cost: u64, shared_cost: u64) -> Attempt {
        let mut forms = Vec::new();
        let mut cost = 0;
        for form in self.forms(password) {
            let total = self.cost(form.expose_secret()) + cost;
            if total > max_cost && !forms.is_empty() {
                break;
            }
            cost = total;
            forms.push(form);
        }
        let lane = if cost > shared_cost { QueueLane::Single } else { self.lane() };
        Attempt { check: self, forms, cost, lane }
    }

    /// Returns the forms of a password from which this hash may have been made.
    fn forms(&self, password: &Password) -> Vec<SecretString> {
        let (normal, typed) = (password.expose(), password.as_typed());
        // Other systems hash a password as it was typed, on whatever keyboard. An Argon2 hash with other parameters may
        // be an earlier one of this service or come from another system.
        let mut forms: Vec<SecretString> = match self {
            Self::Argon2 { needs_rehash: false, .. } => return vec![normal.into()],
            Self::Argon2 { .. } if typed != normal => vec![normal.into(), typed.into()],
            Self::Argon2 { .. } | Self::Foreign(_) => vec![typed.into()],
        };
        if let Some(other) = password.in_other_form()
            && !forms.iter().any(|form| form.expose_secret() == other.expose_secret())
        {
            forms.push(other);
        }
        forms
    }

    /// Returns whether a new hash should replace this one, which has accepted `form`.
    fn needs_rehash(&self, form: &str) -> bool {
        match self {
            Self::Argon2 { needs_rehash, .. } => *needs_rehash,
            // The part of a password that was not compared may contain a typing error.
            Self::Foreign(foreign) => foreign.compares_whole(form),
        }
    }

    /// Computes the hash of `form` and compares it in constant time. A check that does not fit into the thread's arena
    /// allocates its own memory; the queue runs only one of these at a time.
    fn matches(&self, form: &str, arena: &mut Arena) -> bool {
        let (algorithm, params, version, salt, expected) = match self {
            Self::Argon2 { algorithm, params, version, salt, expected, .. } => {
                (*algorithm, params, *version, salt, expected)
            }
            Self::Foreign(foreign) => return foreign.verify(form),
        };
        let inputs = Inputs { algorithm, params, version, secret: b"", password: form.as_bytes(), salt };
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

impl Attempt {
    /// Tries the forms of the password one after the other.
    pub(super) fn verify(&self, arena: &mut Arena) -> Verification {
        let mut forms = self.forms.iter().map(SecretString::expose_secret);
        match forms.find(|form| self.check.matches(form, arena)) {
            Some(form) => Verification::Match { needs_rehash: self.check.needs_rehash(form) },
            None => Verification::Mismatch,
        }
    }
}

/// Returns the cost of an Argon2 hash: blocks of 1 KiB times passes. The queue compares hashes by this unit. The costs
/// of other algorithms are relative to the block function of the `argon2` crate; that of `argon2-simd` takes less than
/// half as long.
pub(super) fn argon2_cost(params: &Params) -> u64 {
    params.block_count() as u64 * u64::from(params.t_cost())
}
