//! The sections that both services have.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

/// `[mongodb]`
#[derive(Clone, Debug, Deserialize)]
pub struct MongoConfig {
    /// `mongodb://…`, a secret as a whole. Credentials, hosts, `replicaSet`, `tls`,
    /// `tlsCAFile`; no write or read concern.
    pub uri: SecretString,
    /// The service's own database.
    pub database: String,
    /// For one operation, and for finding a server.
    #[serde(deserialize_with = "super::duration")]
    pub operation_timeout: Duration,
}

/// `[ops]`
#[derive(Clone, Debug, Deserialize)]
pub struct OpsConfig {
    /// A name or an address to listen on.
    pub host: String,
    /// 0 takes a free one.
    pub port: u16,
}

/// `[shutdown]`
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ShutdownConfig {
    /// From the first signal to the end, at most.
    #[serde(deserialize_with = "super::duration")]
    pub grace: Duration,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
pub struct LogConfig {
    /// What a line looks like.
    pub format: LogFormat,
    /// A level, or filter directives: `info,user_service=debug`.
    pub level: String,
}

/// What a line of the log looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// One object a line.
    Json,
}
