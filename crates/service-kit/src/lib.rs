//! Process plumbing that both services share, and nothing about what they do: no
//! event, topic, route, collection or retry policy is known here.
//!
//! | module | what it gives a service |
//! |---|---|
//! | [`config`] | one typed configuration from defaults, file and environment; errors that name key and origin |
//! | [`cli`] | `--config FILE`, exit codes |
//! | [`telemetry`] | logging: readable on a terminal, JSON otherwise |
//! | [`lifecycle`] | signals, background tasks, the two phases of a shutdown |
//! | [`panics`] | the panic hook, and boundaries that keep a panic at the request, record or mail that caused it |
//! | [`http_server`] | bounds of an HTTP server: connections, and the time that a slow one may stay |
//! | [`ops`] | `/livez`, `/readyz`, `/metrics`, and the `healthcheck` command |
//! | [`mongo`] | a client with our guarantees, operations under a deadline, errors that are safe to log, indexes |
//! | [`kafka`] | a client configuration in which our guarantees cannot be overridden |
//! | [`backoff`] | growing delays with jitter |
//! | [`clock`] | time and identifiers as arguments, so that a test can choose them |
//! | [`fail_points`] | places where a test build can be killed |
#![warn(missing_docs)]

pub mod backoff;
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
pub mod telemetry;

pub use clock::{Clock, Ids};
pub use config::{ConfigError, ConfigSource, LogConfig, MongoConfig, OpsConfig, ShutdownConfig};
pub use fail_points::fail_points_compiled;
pub use lifecycle::Lifecycle;
pub use ops::{Check, CheckState, Health};
pub use panics::install_panic_hook;
pub use prometheus;
