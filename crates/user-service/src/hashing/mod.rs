//! Password hashing on dedicated threads, with bounded memory and a bounded queue that rejects jobs early under
//! overload.
//!
//! `pool` is the interface for the rest of the service. `queue` decides which jobs wait and which are rejected.
//! `policy` decides how new hashes are made and which stored ones are accepted, `check` verifies a password against
//! one. `foreign` contains the hash algorithms of other systems, and `hash_import` converts their hashes at import.

mod check;
mod foreign;
mod hash_error;
mod hash_import;
mod metrics;
mod password_hash;
mod policy;
mod pool;
#[cfg(test)]
mod property_tests;
mod queue;
mod settings;

pub use check::Verification;
pub use foreign::FirebaseParameters;
pub use hash_error::{ExceededBound, ExceededBounds, HashError, UnusableHash};
pub use hash_import::HashImporter;
pub use metrics::HashMetrics;
pub use password_hash::PasswordHash;
pub use pool::HashPool;
pub use queue::HashRequester;
pub use settings::{HashingSettings, InvalidSetting};
