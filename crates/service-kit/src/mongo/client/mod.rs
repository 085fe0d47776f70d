//! The client: journaled majority writes, majority reads, a bounded pool, and a deadline for every
//! operation.

use std::{future::IntoFuture, time::Duration};

use mongodb::{
    Client, Collection,
    action::Update,
    bson::{Document, doc},
    options::{
        Acknowledgment, ClientOptions, ConnectionString, ReadConcern, ReadPreference, ServerMonitoringMode,
        WriteConcern,
    },
};
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{StoreError, request_budget};
use crate::{
    config::MongoConfig,
    ops::{Check, CheckState},
};

/// The maximum number of connections to one server, unless the URI sets `maxPoolSize`. The driver's
/// default of 10 is exhausted at a latency of 50 ms and 200 operations per second.
const MAX_POOL_SIZE: u32 = 64;
/// The interval at which the driver asks each server for its state, unless the URI sets
/// `heartbeatFrequencyMS`. It is the shortest that the driver permits, because an operation that
/// waits for a new primary notices it with the next answer. The driver polls instead of streaming,
/// because a missing answer in a stream is noticed only after 10 s. The driver has no deadline for
/// the handshake of a connection and makes two at a time: if both hang, no operation gets a
/// connection until an unanswered heartbeat ends them.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);
/// The interval between two probe writes.
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
/// The deadline of a probe write.
const PROBE_DEADLINE: Duration = Duration::from_secs(2);
/// The interval after a probe write that failed.
const PROBE_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// The value of `mongodb.uri` is invalid. The error never shows the URI, which contains a password.
#[derive(Debug, thiserror::Error)]
pub enum MongoConfigError {
    /// The value is not a connection string, or its DNS records (`mongodb+srv`) cannot be resolved.
    #[error("mongodb.uri: {0}")]
    Uri(String),
    /// The URI sets an option that a guarantee depends on.
    #[error("mongodb.uri must not set {0}: writes wait for a majority and its journal, reads are from the primary")]
    Guarantee(&'static str),
}

/// Creates the client without waiting for a server. It is asynchronous because `mongodb+srv` needs
/// DNS.
///
/// TLS, credentials, the replica set's name and time limits come from the URI.
///
/// # Errors
/// Returns an error if the URI is invalid, or sets a write concern, a read concern or a read
/// preference other than `primary`.
pub async fn client(config: &MongoConfig, app_name: &str) -> Result<Client, MongoConfigError> {
    let options = options(config, app_name).await?;
    Client::with_options(options).map_err(|error| MongoConfigError::Uri(redacted_reason(config, &error)))
}

pub(super) async fn options(config: &MongoConfig, app_name: &str) -> Result<ClientOptions, MongoConfigError> {
    let invalid = |error| MongoConfigError::Uri(redacted_reason(config, &error));
    let uri = ConnectionString::parse(config.uri.expose_secret()).map_err(invalid)?;
    if uri.write_concern.is_some() {
        return Err(MongoConfigError::Guarantee("w, wtimeoutMS or journal"));
    }
    if uri.read_concern.is_some() {
        return Err(MongoConfigError::Guarantee("readConcernLevel"));
    }
    if uri.read_preference.as_ref().is_some_and(|preference| *preference != ReadPreference::Primary) {
        return Err(MongoConfigError::Guarantee("readPreference"));
    }
    let mut options = ClientOptions::parse(uri).await.map_err(invalid)?;
    options.app_name = Some(app_name.to_owned());
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    options.read_concern = Some(ReadConcern::majority());
    options.max_pool_size.get_or_insert(MAX_POOL_SIZE);
    options.server_selection_timeout = Some(config.operation_timeout);
    options.connect_timeout.get_or_insert(config.operation_timeout);
    options.heartbeat_freq.get_or_insert(HEARTBEAT_INTERVAL);
    options.server_monitoring_mode.get_or_insert(ServerMonitoringMode::Poll);
    Ok(options)
}

/// Returns the driver's message, unless it quotes a part of the URI that may be a password. In a
/// broken URI that is any part before the options.
fn redacted_reason(config: &MongoConfig, error: &mongodb::error::Error) -> String {
    let reason = error.kind.to_string();
    let (authority, options) = config.uri.expose_secret().split_once('?').unwrap_or((config.uri.expose_secret(), ""));
    let authority = authority.split_once("://").map_or(authority, |(_, rest)| rest);
    let secret_options = options.split('&').filter_map(|option| {
        let (name, value) = option.split_once('=')?;
        let name = name.to_lowercase();
        (name.contains("password") || name.contains("properties")).then_some(value)
    });
    let mut parts = authority.split([':', '@', '/', ',']).chain(secret_options);
    if parts.any(|part| !part.is_empty() && reason.contains(part)) {
        "not a valid connection string (details are not shown: they may quote the password)".into()
    } else {
        reason
    }
}

/// Runs an operation, at most for `deadline` and, within a request, at most for the rest of its
/// budget (`with_request_budget`). The driver itself has no time limit for an answer. An operation
/// that has timed out may still take effect.
///
/// # Errors
/// Returns [`StoreError`] if the operation fails or times out.
pub async fn with_deadline<T, F>(deadline: Duration, operation: F) -> Result<T, StoreError>
where
    F: IntoFuture<Output = mongodb::error::Result<T>>,
{
    let (deadline, _waiting) = request_budget::start_operation(deadline).ok_or_else(StoreError::budget_exhausted)?;
    match timeout(deadline, operation.into_future()).await {
        Ok(result) => result.map_err(StoreError::from),
        Err(_) => Err(StoreError::Timeout),
    }
}

/// Keeps the check up to date until `stop` is cancelled. It writes with majority
/// acknowledgement, because that is what the service needs: a primary that is cut off from its
/// majority answers pings and reads until it steps down, about ten seconds later.
///
/// `probe` is a collection with one small document, which all replicas of a service write. The
/// state of the check is at most [`PROBE_INTERVAL`] plus [`PROBE_DEADLINE`] old.
pub async fn monitor(probe: Collection<Document>, check: Check, stop: CancellationToken) {
    let probe_loop = async {
        loop {
            let began = Instant::now();
            let state = match with_deadline(PROBE_DEADLINE, write_probe(&probe)).await {
                Ok(_) => Some(CheckState::Ok),
                // Two replicas inserted the document at the same time.
                Err(StoreError::DuplicateKey { .. }) => None,
                Err(error) => {
                    tracing::debug!(%error, "mongodb does not accept writes");
                    Some(CheckState::Down)
                }
            };
            state.into_iter().for_each(|state| check.set(state));
            let interval = if state == Some(CheckState::Ok) { PROBE_INTERVAL } else { PROBE_RETRY_INTERVAL };
            sleep_until(began + interval).await;
        }
    };
    stop.run_until_cancelled(probe_loop).await;
}

/// Writes the probe document, with the client's write concern like every write.
fn write_probe(probe: &Collection<Document>) -> Update<'_> {
    probe.update_one(doc! { "_id": "probe" }, vec![doc! { "$set": { "at": "$$NOW" } }]).upsert(true)
}

#[cfg(test)]
mod tests;
