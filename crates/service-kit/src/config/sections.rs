//! The configuration sections that both services have.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

/// The section `[mongodb]`.
#[derive(Clone, Debug, Deserialize)]
pub struct MongoConfig {
    /// The connection string `mongodb://…`, which is a secret as a whole. It sets credentials, hosts,
    /// `replicaSet`, `tls` and `tlsCAFile`, but no write or read concern.
    pub uri: SecretString,
    /// The name of the service's own database.
    pub database: String,
    /// The time limit of one operation, and of selecting a server.
    #[serde(deserialize_with = "super::duration")]
    pub operation_timeout: Duration,
}

/// The section `[ops]`.
#[derive(Clone, Debug, Deserialize)]
pub struct OpsConfig {
    /// The host name or address to listen on.
    pub host: String,
    /// The port to listen on; 0 selects a free one.
    pub port: u16,
}

/// The section `[shutdown]`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ShutdownConfig {
    /// The maximum time from the first signal to the end of the process.
    #[serde(deserialize_with = "super::duration")]
    pub grace: Duration,
}

/// The section `[log]`.
#[derive(Clone, Debug, Deserialize)]
pub struct LogConfig {
    /// The format of a line.
    pub format: LogFormat,
    /// A level, or filter directives such as `info,user_service=debug`.
    pub level: String,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `Human` on a terminal, `Json` otherwise.
    Auto,
    /// Readable text.
    Human,
    /// One JSON object per line.
    Json,
}
