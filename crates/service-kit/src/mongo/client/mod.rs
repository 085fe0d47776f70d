//! The client: majority writes that are in the journal, majority reads, a bounded
//! pool, and a deadline for everything.

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
    ops::{CheckState, Health},
};

/// Connections to one server, unless the URI says `maxPoolSize`. A pool of 10, the
/// driver's default, is full at some 50 ms of latency and 200 operations a second.
const MAX_POOL_SIZE: u32 = 64;
/// How often the driver asks each server for its state, unless the URI says
/// `heartbeatFrequencyMS`: one question after the other, not a stream of answers, which are
/// missed only after its 10 s. The driver has no deadline for the handshake of a connection,
/// and makes two at a time: where two of them hang, nobody gets a connection until a question
/// without an answer ends them.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// The check's name in `/readyz`.
const CHECK: &str = "mongodb";
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
const PROBE_DEADLINE: Duration = Duration::from_secs(2);
/// After a write that did not succeed.
const PROBE_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// `mongodb.uri` cannot be used. Never shows the URI: it holds a password.
#[derive(Debug, thiserror::Error)]
pub enum MongoConfigError {
    /// Not a connection string, or its DNS records (`mongodb+srv`) cannot be had.
    #[error("mongodb.uri: {0}")]
    Uri(String),
    /// A guarantee of ours that the URI would change.
    #[error("mongodb.uri must not set {0}: writes wait for a majority and its journal, reads are from the primary")]
    Guarantee(&'static str),
}

/// Makes the client; waits for no server. Asynchronous because `mongodb+srv` asks DNS.
///
/// TLS, credentials, the replica set's name and time limits come from the URI.
///
/// # Errors
/// If the URI is not one, or sets a write concern, a read concern or a read preference.
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

/// The driver's words, unless they quote a part of the URI that may be a password,
/// which in a broken URI is any part before the options.
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

/// Waits for an operation, at most for `deadline`, and in a request at most for what is
/// left of its budget (`with_request_budget`). The driver has no time limit of its own
/// for an answer. An operation that is given up may still take effect.
///
/// # Errors
/// See [`StoreError`].
pub async fn within<T, F>(deadline: Duration, operation: F) -> Result<T, StoreError>
where
    F: IntoFuture<Output = mongodb::error::Result<T>>,
{
    let (deadline, _waiting) = request_budget::start_operation(deadline).ok_or_else(StoreError::budget_exhausted)?;
    match timeout(deadline, operation.into_future()).await {
        Ok(result) => result.map_err(StoreError::from),
        Err(_) => Err(StoreError::Timeout),
    }
}

/// Keeps the check `mongodb` up to date until `stop` is cancelled, by what the service cannot
/// do without: a write that a majority acknowledges. A primary that is cut off from its
/// majority answers pings and reads until it steps down, some ten seconds later.
///
/// `probe` is a collection for one small document, which all replicas of a service write.
/// What the check says is at most [`PROBE_INTERVAL`] and [`PROBE_DEADLINE`] old.
pub async fn monitor(probe: Collection<Document>, health: Health, stop: CancellationToken) {
    let probe_loop = async {
        loop {
            let began = Instant::now();
            let state = match with_deadline(PROBE_DEADLINE, write_probe(&probe)).await {
                Ok(_) => Some(CheckState::Ok),
                // Two replicas made it at once.
                Err(StoreError::DuplicateKey { .. }) => None,
                Err(error) => {
                    tracing::debug!(%error, "mongodb takes no write");
                    Some(CheckState::Down)
                }
            };
            state.into_iter().for_each(|state| health.set(CHECK, state));
            let interval = if state == Some(CheckState::Ok) { PROBE_INTERVAL } else { PROBE_RETRY_INTERVAL };
            sleep_until(began + interval).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = probe_loop => {}
    }
}

/// With the client's write concern, as every write.
fn write_probe(probe: &Collection<Document>) -> Update<'_> {
    probe.update_one(doc! { "_id": "probe" }, vec![doc! { "$set": { "at": "$$NOW" } }]).upsert(true)
}

#[cfg(test)]
mod tests;
