//! The settings of the hash pool, and their allowed ranges.

use std::{num::NonZero, thread, time::Duration};

use argon2::Params;
use secrecy::SecretString;

/// Length of the output of new hashes.
pub(super) const OUTPUT_BYTES: usize = 32;
/// Maximum of `hashing.memory_kib`. A larger value is a mistake, probably a number of bytes.
const MAX_MEMORY_KIB: u32 = 4 * 1024 * 1024;
/// Maximum of `hashing.iterations`. More iterations would take minutes for each hash.
const MAX_ITERATIONS: u32 = 1000;
/// One of bcrypt's 2^cost rounds takes as long as this number of Argon2 blocks.
pub(super) const BLOCKS_PER_BCRYPT_ROUND: u64 = 64;
/// The maximum cost of bcrypt.
const MAX_FOREIGN_COST: u32 = 31;
/// Maximum of `hashing.threads`. No machine has more cores.
const MAX_THREADS: usize = 1024;

/// The section `hashing` of the configuration.
#[derive(Debug, Clone)]
pub struct HashingSettings {
    /// Argon2's m: the memory of each thread in KiB.
    pub memory_kib: u32,
    /// Argon2's t: the number of passes.
    pub iterations: u32,
    /// Argon2's p: the number of lanes. One thread computes them one after the other.
    pub parallelism: u32,
    /// The number of threads. 0 means the number of cores.
    pub threads: usize,
    /// A job whose expected wait is longer than this is rejected at once.
    pub max_wait: Duration,
    /// Maximum memory for a stored hash with other parameters.
    pub foreign_max_memory_kib: u32,
    /// Maximum work for a stored hash with other parameters, as a bcrypt cost (a power of two).
    pub foreign_max_cost: u32,
    /// The pepper of imported Devise hashes.
    pub devise_pepper: Option<SecretString>,
}

/// A setting that is out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {expected}")]
pub struct InvalidSetting {
    /// The configuration key, such as `hashing.memory_kib`.
    pub key: &'static str,
    /// A description of the allowed values.
    pub expected: String,
}

impl HashingSettings {
    /// Returns settings for tests: one thread, cheap hashes, and low limits for foreign hashes.
    #[cfg(test)]
    pub(crate) fn for_test() -> Self {
        Self {
            memory_kib: 64,
            iterations: 1,
            parallelism: 1,
            threads: 1,
            max_wait: Duration::from_secs(1),
            foreign_max_memory_kib: 64,
            foreign_max_cost: 6,
            devise_pepper: None,
        }
    }

    /// Checks that the pool can start with these settings.
    ///
    /// # Errors
    /// Returns the first setting that is out of range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        self.argon2_params()?;
        check_range("hashing.foreign_max_cost", self.foreign_max_cost, 4, MAX_FOREIGN_COST)?;
        self.thread_count()?;
        self.validated_max_wait()?;
        Ok(())
    }

    /// Returns the Argon2 parameters of new hashes.
    pub(super) fn argon2_params(&self) -> Result<Params, InvalidSetting> {
        check_range("hashing.iterations", self.iterations, Params::MIN_T_COST, MAX_ITERATIONS)?;
        check_range("hashing.parallelism", self.parallelism, Params::MIN_P_COST, MAX_MEMORY_KIB / 8)?;
        // Argon2 requires eight blocks of 1 KiB for each lane.
        check_range("hashing.memory_kib", self.memory_kib, 8 * self.parallelism, MAX_MEMORY_KIB)?;
        Params::new(self.memory_kib, self.iterations, self.parallelism, Some(OUTPUT_BYTES)).map_err(|error| {
            InvalidSetting {
                key: "hashing.memory_kib, hashing.iterations, hashing.parallelism",
                expected: error.to_string(),
            }
        })
    }

    pub(super) fn thread_count(&self) -> Result<usize, InvalidSetting> {
        match self.threads {
            0 => Ok(thread::available_parallelism().map_or(1, NonZero::get)),
            1..=MAX_THREADS => Ok(self.threads),
            _ => Err(InvalidSetting {
                key: "hashing.threads",
                expected: format!("expected 0 (all cores) to {MAX_THREADS}"),
            }),
        }
    }

    /// Returns `foreign_max_cost` in Argon2 blocks times passes.
    pub(super) fn max_foreign_cost(&self) -> u64 {
        BLOCKS_PER_BCRYPT_ROUND << self.foreign_max_cost.min(MAX_FOREIGN_COST)
    }

    /// Returns the longest expected wait that is still accepted.
    pub(super) fn validated_max_wait(&self) -> Result<Duration, InvalidSetting> {
        if self.max_wait.is_zero() {
            return Err(InvalidSetting {
                key: "hashing.max_wait",
                expected: "expected more than zero, such as 2s".to_owned(),
            });
        }
        Ok(self.max_wait)
    }
}

fn check_range(key: &'static str, value: u32, least: u32, most: u32) -> Result<(), InvalidSetting> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(InvalidSetting { key, expected: format!("expected {least} to {most}, not {value}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owasp() -> HashingSettings {
        HashingSettings { memory_kib: 19 * 1024, iterations: 2, threads: 0, ..HashingSettings::for_test() }
    }

    #[test]
    fn the_parameters_of_owasp_are_accepted() {
        let params = owasp().argon2_params().unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (19_456, 2, 1));
        assert!(owasp().thread_count().unwrap() >= 1);
    }

    #[test]
    fn a_value_out_of_range_is_refused_with_its_key() {
        let refused = |settings: HashingSettings| settings.argon2_params().unwrap_err().key;
        assert_eq!(refused(HashingSettings { memory_kib: 7, ..owasp() }), "hashing.memory_kib");
        assert_eq!(refused(HashingSettings { memory_kib: 31, parallelism: 4, ..owasp() }), "hashing.memory_kib");
        assert_eq!(refused(HashingSettings { memory_kib: 19 * 1024 * 1024, ..owasp() }), "hashing.memory_kib");
        assert_eq!(refused(HashingSettings { iterations: 0, ..owasp() }), "hashing.iterations");
        assert_eq!(refused(HashingSettings { iterations: u32::MAX, ..owasp() }), "hashing.iterations");
        assert_eq!(refused(HashingSettings { parallelism: 0, ..owasp() }), "hashing.parallelism");
        assert_eq!(refused(HashingSettings { parallelism: u32::MAX, ..owasp() }), "hashing.parallelism");
        let threads = HashingSettings { threads: 100_000, ..owasp() }.thread_count().unwrap_err();
        assert_eq!(threads.to_string(), "hashing.threads: expected 0 (all cores) to 1024");
        let cost = HashingSettings { foreign_max_cost: 32, ..owasp() }.validate().unwrap_err();
        assert_eq!(cost.to_string(), "hashing.foreign_max_cost: expected 4 to 31, not 32");
        assert!(HashingSettings { max_wait: Duration::ZERO, ..owasp() }.validated_max_wait().is_err());
    }
}
