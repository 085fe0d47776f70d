//! Password hashes: computed on a few threads of their own, with bounded memory, in a
//! bounded queue that sheds load before it costs anybody their time.
//!
//! `pool` is what the rest of the service sees; `queue` decides who waits and who is
//! turned away; `algorithm` says what a stored hash takes to verify; `cost` is the unit of
//! that; `foreign` knows the hashes of other systems, and `takeover` is how they come in.

mod check;
mod foreign;
mod hash_error;
mod hash_import;
mod metrics;
mod password_hash;
mod policy;
mod pool;
#[cfg(test)]
mod properties;
mod queue;
mod settings;

pub use hash_error::{HashError, UnusableHash};
pub use hash_import::HashImporter;
pub use metrics::HashMetrics;
pub use password_hash::PasswordHash;
pub use pool::{AdmissionPermit, HashPool, StartError, Verification};
pub use queue::HashRequester;
pub use settings::{HashingSettings, InvalidSetting};
