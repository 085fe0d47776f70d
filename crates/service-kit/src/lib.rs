//! Process plumbing that both services share. It knows no event, topic, route or collection.
//!
//! | module | what it provides |
//! |---|---|
//! | [`config`] | a typed configuration from defaults, file and environment; errors name key and origin |
//! | [`cli`] | the options and commands that every service has, exit codes |
//! | [`telemetry`] | logging: readable text on a terminal, JSON otherwise |
//! | [`lifecycle`] | signals, background tasks, the stages of a shutdown |
//! | [`panics`] | the panic hook, and boundaries that limit a panic to the request, record or mail that caused it |
//! | [`reload`] | a value that is loaded again at SIGHUP |
//! | [`http_server`] | limits of an HTTP server (number of connections, time for slow clients) and its graceful stop |
//! | [`ops`] | `/livez`, `/readyz`, `/metrics`, and the `healthcheck` command |
//! | [`mongo`] | a client with the services' guarantees, operations with a deadline, errors that are safe to log, indexes |
//! | [`kafka`] | a client configuration whose guarantees cannot be overridden |
//! | [`topology`] | what can be seen of the topology of MongoDB and Kafka, and which findings follow |
//! | [`backoff`] | growing delays with jitter |
//! | [`batches`] | one loop that handles the items of a queue in batches |
//! | [`clock`] | time and identifiers as arguments, so that tests can choose them |
//! | [`random_bytes`] | random bytes for keys, tokens and salts |
//! | [`fail_points`] | places at which a development build can be killed |
#![warn(missing_docs)]

pub mod backoff;
pub mod batches;
pub mod cli;
pub mod clock;
pub mod config;
pub mod fail_points;
pub mod http_server;
pub mod kafka;
pub mod lifecycle;
pub mod mongo;
pub mod ops;
pub mod panics;
mod random;
pub mod reload;
pub mod telemetry;
pub mod topology;

pub use clock::{Clock, Ids};
pub use config::{ConfigError, ConfigSource, LogConfig, MongoConfig, OpsConfig, ShutdownConfig};
pub use fail_points::fail_points_compiled;
pub use lifecycle::{Lifecycle, Stage};
pub use ops::{Check, CheckState, Health};
pub use panics::install_panic_hook;
pub use prometheus;
pub use random::random_bytes;
pub use reload::Reloadable;
