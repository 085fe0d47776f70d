//! Decides how new hashes are made, and which stored hashes are accepted at which cost.

use argon2::{
    Algorithm, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt},
};
use argon2_simd::{Arena, Inputs, hash_into};
use secrecy::SecretString;
use service_kit::random_bytes;
use zeroize::Zeroizing;

use super::{
    check::{Attempt, HashCheck, argon2_cost},
    foreign::ForeignHash,
    hash_error::{ExceededBound, ExceededBounds, UnusableHash},
    password_hash::PasswordHash,
    queue::QueueLane,
    settings::{BLOCKS_PER_BCRYPT_ROUND, HashingSettings, InvalidSetting, OUTPUT_BYTES},
};
use crate::domain::Password;

const SALT_BYTES: usize = 16;

/// The parameters of new hashes, and the limits for stored ones.
#[derive(Clone)]
pub(super) struct HashPolicy {
    params: Params,
    max_memory_kib: u64,
    /// Maximum cost, in units of [`argon2_cost`].
    max_cost: u64,
    devise_pepper: Option<SecretString>,
}

impl HashPolicy {
    pub(super) fn new(settings: &HashingSettings) -> Result<Self, InvalidSetting> {
        let params = settings.argon2_params()?;
        Ok(Self {
            max_memory_kib: settings.foreign_max_memory_kib.max(params.m_cost()).into(),
            max_cost: settings.max_foreign_cost().max(argon2_cost(&params)),
            devise_pepper: settings.devise_pepper.clone(),
            params,
        })
    }

    /// Allocates the memory in which one thread computes new hashes, and stored ones in [`QueueLane::Shared`].
    pub(super) fn arena(&self) -> Arena {
        Arena::for_params(&self.params)
    }

    /// Returns the cost of a new hash, in units of [`argon2_cost`].
    pub(super) fn cost(&self) -> u64 {
        argon2_cost(&self.params)
    }

    /// Hashes a password with a random salt.
    pub(super) fn hash(&self, password: &Password, arena: &mut Arena) -> PasswordHash {
        let salt = random_bytes::<SALT_BYTES>();
        let mut out = Zeroizing::new([0; OUTPUT_BYTES]);
        let inputs = Inputs {
            algorithm: Algorithm::Argon2id,
            params: &self.params,
            version: Version::V0x13,
            secret: b"",
            password: password.expose().as_bytes(),
            salt: &salt,
        };
        hash_into(&inputs, arena, out.as_mut()).expect("the arena and the lengths fit the parameters checked at start");
        self.to_phc_string(&salt, &out)
    }

    /// Returns a hash with a random output. No password matches it (except with a probability of 2^-256), and it cannot
    /// be distinguished from the hash of a password.
    pub(super) fn unmatchable_hash(&self) -> PasswordHash {
        self.to_phc_string(&random_bytes::<SALT_BYTES>(), &random_bytes::<OUTPUT_BYTES>())
    }

    fn to_phc_string(&self, salt: &[u8; SALT_BYTES], out: &[u8; OUTPUT_BYTES]) -> PasswordHash {
        let phc = Phc {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params).expect("three numbers fit a parameter string"),
            salt: Some(Salt::new(salt).expect("16 bytes are a salt")),
            hash: Some(Output::new(out).expect("32 bytes are an output")),
        };
        PasswordHash::parse(phc.to_string()).expect("a PHC string is a password hash")
    }

    /// Returns a check with the cost of a new hash that no password passes (except with a probability of 2^-256): its
    /// output is random.
    pub(super) fn dummy_check(&self) -> HashCheck {
        HashCheck::Argon2 {
            algorithm: Algorithm::Argon2id,
            params: self.params.clone(),
            version: Version::V0x13,
            salt: Salt::new(&random_bytes::<SALT_BYTES>()).expect("16 bytes are a salt"),
            expected: Output::new(&random_bytes::<OUTPUT_BYTES>()).expect("32 bytes are an output"),
            lane: QueueLane::Shared,
            needs_rehash: false,
        }
    }

    /// Returns the attempt to verify a password against a stored hash.
    ///
    /// # Errors
    /// Returns [`UnusableHash`] like [`HashPolicy::parse`], and if a hash whose cost depends on the length of the
    /// password is too expensive for this one.
    pub(super) fn attempt(&self, stored: &PasswordHash, password: &Password) -> Result<Attempt, UnusableHash> {
        let attempt = self.parse(stored)?.attempt(password, self.max_cost, self.cost());
        self.check_bounds(0, attempt.cost)?;
        Ok(attempt)
    }

    /// Returns an attempt with the cost of a new hash that fails, like [`HashPolicy::dummy_check`].
    pub(super) fn dummy_attempt(&self, password: &Password) -> Attempt {
        self.dummy_check().attempt(password, self.max_cost, self.cost())
    }

    /// Parses a stored hash.
    ///
    /// # Errors
    /// Returns [`UnusableHash`] if it is malformed, unsupported, too expensive or without its pepper.
    pub(super) fn parse(&self, stored: &PasswordHash) -> Result<HashCheck, UnusableHash> {
        // In all formats, the name of the algorithm is between the first two `$`.
        match stored.expose().split('$').nth(1) {
            Some("argon2id") => self.parse_argon2(Algorithm::Argon2id, stored.expose()),
            Some("argon2i") => self.parse_argon2(Algorithm::Argon2i, stored.expose()),
            Some(name) => {
                let foreign = ForeignHash::parse(name, stored.expose())?.with_pepper(self.devise_pepper.as_ref())?;
                self.check_bounds(foreign.memory_kib(), foreign.cost(""))?;
                Ok(HashCheck::Foreign(foreign))
            }
            None => Err(UnusableHash::Malformed),
        }
    }

    fn check_bounds(&self, memory_kib: u64, cost: u64) -> Result<(), UnusableHash> {
        // The setting is a power of two of bcrypt's rounds.
        let rounds = |cost: u64| cost.div_ceil(BLOCKS_PER_BCRYPT_ROUND);
        let exceeded = ExceededBounds {
            memory_kib: (memory_kib > self.max_memory_kib)
                .then_some(ExceededBound { needed: memory_kib, allowed: self.max_memory_kib }),
            cost: (cost > self.max_cost).then(|| ExceededBound {
                needed: rounds(cost).next_power_of_two().ilog2().into(),
                allowed: rounds(self.max_cost).ilog2().into(),
            }),
        };
        if exceeded.memory_kib.is_some() || exceeded.cost.is_some() {
            return Err(UnusableHash::TooExpensive(exceeded));
        }
        Ok(())
    }

    fn parse_argon2(&self, algorithm: Algorithm, stored: &str) -> Result<HashCheck, UnusableHash> {
        let phc = Phc::new(stored).map_err(|_| UnusableHash::Malformed)?;
        let params = Params::try_from(&phc).map_err(|_| UnusableHash::InvalidParameters)?;
        // The default of the specification, for strings that are older than the field.
        let version =
            phc.version.map_or(Ok(Version::V0x10), Version::try_from).map_err(|_| UnusableHash::InvalidParameters)?;
        let (Some(salt), Some(expected)) = (phc.salt, phc.hash) else {
            return Err(UnusableHash::InvalidParameters);
        };
        if salt.len() < argon2::MIN_SALT_LEN {
            return Err(UnusableHash::InvalidParameters);
        }
        self.check_bounds(params.m_cost().into(), argon2_cost(&params))?;
        // Only one thread at a time verifies hashes that cost more than a new one, so that old hashes cannot occupy the
        // whole pool.
        let ours = algorithm == Algorithm::Argon2id;
        let fits = params.block_count() <= self.params.block_count() && argon2_cost(&params) <= self.cost();
        Ok(HashCheck::Argon2 {
            lane: if ours && fits { QueueLane::Shared } else { QueueLane::Single },
            needs_rehash: !ours || version != Version::V0x13 || params != self.params || salt.len() != SALT_BYTES,
            algorithm,
            params,
            version,
            salt,
            expected,
        })
    }
}

#[cfg(test)]
mod tests {
    use argon2::{Argon2, PasswordHasher, PasswordVerifier};

    use super::*;
    use crate::hashing::check::Verification;

    fn policy() -> HashPolicy {
        HashPolicy::new(&HashingSettings {
            iterations: 2,
            foreign_max_memory_kib: 128,
            foreign_max_cost: 4,
            ..HashingSettings::for_test()
        })
        .unwrap()
    }

    fn password(text: &str) -> Password {
        Password::parse_attempt(&text.into()).unwrap()
    }

    fn made_by_the_crate(params: Params) -> PasswordHash {
        let phc = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password(b"correct horse").unwrap();
        PasswordHash::parse(phc.to_string()).unwrap()
    }

    fn params(memory_kib: u32, iterations: u32, lanes: u32) -> Params {
        Params::new(memory_kib, iterations, lanes, Some(32)).unwrap()
    }

    #[test]
    fn the_argon2_crate_verifies_our_hashes() {
        let policy = policy();
        let hash = policy.hash(&password("correct horse"), &mut policy.arena());
        assert!(hash.expose().starts_with("$argon2id$v=19$m=64,t=2,p=1$"));
        assert!(Argon2::default().verify_password(b"correct horse", hash.expose()).is_ok());
        assert!(Argon2::default().verify_password(b"correct house", hash.expose()).is_err());
    }

    #[test]
    fn every_hash_has_its_own_salt() {
        let policy = policy();
        let hash = || policy.hash(&password("correct horse"), &mut policy.arena()).expose().to_owned();
        assert_ne!(hash(), hash());
    }

    #[test]
    fn hashes_of_the_argon2_crate_are_verified() {
        let policy = policy();
        let mut arena = policy.arena();
        for (params, lane, outdated) in [
            (params(64, 2, 1), QueueLane::Shared, false),
            (params(64, 1, 1), QueueLane::Shared, true),
            (params(32, 4, 1), QueueLane::Shared, true),
            (params(64, 2, 2), QueueLane::Shared, true),
            (params(64, 3, 1), QueueLane::Single, true),
            (params(128, 1, 1), QueueLane::Single, true),
            (Params::new(64, 2, 1, Some(24)).unwrap(), QueueLane::Shared, true),
        ] {
            let hash = made_by_the_crate(params.clone());
            let attempt = |typed| policy.attempt(&hash, &password(typed)).unwrap();
            let right = attempt("correct horse");
            assert_eq!(right.lane, lane, "{params:?}");
            assert_eq!(right.verify(&mut arena), Verification::Match { needs_rehash: outdated }, "{params:?}");
            assert_eq!(attempt("correct house").verify(&mut arena), Verification::Mismatch, "{params:?}");
        }
    }

    #[test]
    fn the_dummy_check_costs_the_same_and_accepts_no_password() {
        let policy = policy();
        let real = made_by_the_crate(params(64, 2, 1));
        // The second has three forms, of which only that of this service can have its hashes.
        for typed in ["correct horse", "m\u{B2}\u{FC}"] {
            let real = policy.attempt(&real, &password(typed)).unwrap();
            let dummy = policy.dummy_attempt(&password(typed));
            assert_eq!((dummy.cost, dummy.lane), (real.cost, real.lane));
            assert_eq!(dummy.cost, policy.cost());
            assert_eq!(dummy.verify(&mut policy.arena()), Verification::Mismatch);
        }
    }

    #[test]
    fn an_unusable_hash_is_recognised_without_computation() {
        let refused = |text: &str| policy().parse(&PasswordHash::from_stored(text.to_owned())).err();
        let bound = |(needed, allowed)| ExceededBound { needed, allowed };
        let too_expensive = |memory_kib: Option<(u64, u64)>, cost: Option<(u64, u64)>| {
            UnusableHash::TooExpensive(ExceededBounds { memory_kib: memory_kib.map(bound), cost: cost.map(bound) })
        };
        let (salt, output) = ("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        for (text, reason) in [
            (String::new(), UnusableHash::Malformed),
            ("$".to_owned(), UnusableHash::UnknownAlgorithm),
            (format!("$argon2id$v=19$m=64,t=2,p=1${salt}${output}$x"), UnusableHash::Malformed),
            (format!("$argon2d$v=19$m=64,t=2,p=1${salt}${output}"), UnusableHash::UnknownAlgorithm),
            (format!("$argon2u$v=19$m=64,t=2,p=1${salt}${output}"), UnusableHash::UnknownAlgorithm),
            (
                "$2b$05$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy".to_owned(),
                too_expensive(None, Some((5, 4))),
            ),
            ("$argon2id$v=19$m=64,t=2,p=1".to_owned(), UnusableHash::InvalidParameters),
            (format!("$argon2id$v=19$m=64,t=2,p=1${salt}"), UnusableHash::InvalidParameters),
            (format!("$argon2id$v=18$m=64,t=2,p=1${salt}${output}"), UnusableHash::InvalidParameters),
            (format!("$argon2id$v=19$m=64,t=0,p=1${salt}${output}"), UnusableHash::InvalidParameters),
            (format!("$argon2id$v=19$m=64,t=2,p=16${salt}${output}"), UnusableHash::InvalidParameters),
            (format!("$argon2id$v=19$m=64,t=2,p=1$AAAA${output}"), UnusableHash::Malformed),
            (format!("$argon2id$v=19$m=129,t=2,p=1${salt}${output}"), too_expensive(Some((129, 128)), None)),
            (
                format!("$argon2id$v=19$m=4294967295,t=2,p=1${salt}${output}"),
                too_expensive(Some((4_294_967_295, 128)), Some((27, 4))),
            ),
            (format!("$argon2id$v=19$m=64,t=17,p=1${salt}${output}"), too_expensive(None, Some((5, 4)))),
        ] {
            assert_eq!(refused(&text), Some(reason), "{text}");
        }
        assert_eq!(refused(&format!("$argon2id$v=19$m=64,t=2,p=1${salt}${output}")), None);
    }
}
