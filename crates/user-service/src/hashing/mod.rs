//! Password hashes: computed on a few threads of their own, with bounded memory, in a
//! bounded queue that sheds load before it costs anybody their time.
//!
//! `pool` is what the rest of the service sees; `queue` decides who waits and who is
//! turned away; `algorithm` says what a stored hash takes to verify, and is where another
//! algorithm is added; `argon2id` is the one door to the block function.

mod algorithm;
mod argon2id;
mod metrics;
mod password_hash;
mod pool;
mod queue;
mod settings;

pub use metrics::HashMetrics;
pub use password_hash::PasswordHash;
pub use pool::{HashError, HashPool, StartError, Verdict};
pub use settings::{HashingSettings, InvalidSetting};
