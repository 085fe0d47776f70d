//! The issuer's keys in memory.
//!
//! | age of the keys | a known key | an unknown key id |
//! |---|---|---|
//! | below 4/5 of `max-age` | is used | waits for a fetch |
//! | below `max-age` | is used, and a fetch begins in the background | waits for a fetch |
//! | above | waits for a fetch, unless the last one failed: then as before | waits for a fetch |
//! | more than `max_stale` above | is not used: waits for a fetch | waits for a fetch |
//!
//! At most one fetch begins per interval, and all requests share it. Where no fetch may begin, a request does not wait.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{runtime::Handle, sync::watch, time::timeout};

use crate::{
    clock::Clock,
    error::{Error, Reason},
    fetch::{Fetch, Fetched, MAX_BODY_BYTES, check_url},
    jwk::{Key, Keys, parse_set},
};

/// Used if the response has no `max-age`.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// A shorter `max-age` would make every request wait for the issuer.
const MIN_MAX_AGE: Duration = Duration::from_secs(60);
/// A removed key is refused after this time, even if the issuer permits to cache its keys for longer.
const MAX_MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// The place of the keys.
pub(crate) enum Source {
    Jwks(String),
    Discovery { url: String, issuer: String },
}

pub(crate) struct KeyCache {
    pub(crate) source: Source,
    pub(crate) fetcher: Arc<dyn Fetch>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The deadline of a fetch.
    pub(crate) fetch_timeout: Duration,
    /// The minimum time between the beginnings of two fetches.
    pub(crate) fetch_interval: Duration,
    /// The time after `max-age` for which keys are used while the issuer does not answer.
    pub(crate) max_stale: Duration,
    pub(crate) state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    keys: Option<KeySet>,
    /// The error of the last fetch, if it failed.
    failure: Option<String>,
    last_fetch: Option<Instant>,
    /// Closed when the last fetch ends, whether with a result, by a panic, or with its runtime.
    running: Option<watch::Receiver<()>>,
}

impl State {
    fn unavailable(&self) -> Error {
        let cause = self.failure.clone();
        Error::Unavailable(cause.unwrap_or_else(|| "no fetch was completed: is there a Tokio runtime?".into()))
    }
}

struct KeySet {
    keys: Keys,
    fetched_at: Instant,
    max_age: Duration,
}

impl KeyCache {
    /// Returns the key with this id.
    pub(crate) async fn key(self: &Arc<Self>, kid: &str) -> Result<Arc<Key>, Error> {
        let (usable, fetch) = self.look_up(kid);
        if let Some(key) = usable {
            return Ok(key);
        }
        wait(fetch).await;
        let state = self.state();
        match self.usable_keys(&state).map(|set| set.keys.get(kid)) {
            Some(Some(key)) => Ok(Arc::clone(key)),
            Some(None) if state.failure.is_none() => Err(Error::Invalid(Reason::UnknownKey)),
            // After a failed fetch, the issuer may have published the key in the meantime.
            _ => Err(state.unavailable()),
        }
    }

    /// Fetches the keys, unless there are some that may be used.
    pub(crate) async fn prefetch(self: &Arc<Self>) -> Result<(), Error> {
        let usable = || self.usable_keys(&self.state()).is_some();
        if !usable() {
            let fetch = self.start_fetch(&mut self.state(), self.clock.monotonic());
            wait(fetch).await;
        }
        if usable() { Ok(()) } else { Err(self.state().unavailable()) }
    }

    pub(crate) fn last_failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Returns the key if it may be used at once, and the fetch that is running.
    fn look_up(self: &Arc<Self>, kid: &str) -> (Option<Arc<Key>>, Option<watch::Receiver<()>>) {
        let mut state = self.state();
        let now = self.clock.monotonic();
        let set = self.usable_keys(&state);
        let age = set.map(|set| now.saturating_duration_since(set.fetched_at)).unwrap_or_default();
        let max_age = set.map(|set| set.max_age).unwrap_or_default();
        let key = set.and_then(|set| set.keys.get(kid)).map(Arc::clone);
        if key.is_some() && age < max_age * 4 / 5 {
            return (key, None);
        }
        let fetch = self.start_fetch(&mut state, now);
        let usable = age < max_age || state.failure.is_some() || fetch.is_none();
        (key.filter(|_| usable), fetch)
    }

    fn usable_keys<'a>(&self, state: &'a State) -> Option<&'a KeySet> {
        let now = self.clock.monotonic();
        let usable =
            |set: &&KeySet| now.saturating_duration_since(set.fetched_at) < set.max_age.saturating_add(self.max_stale);
        state.keys.as_ref().filter(usable)
    }

    /// Returns the running fetch, or starts one if the interval has passed. It runs in a task of its own, so that it
    /// completes even if the request that started it is cancelled.
    fn start_fetch(self: &Arc<Self>, state: &mut State, now: Instant) -> Option<watch::Receiver<()>> {
        if let Some(running) = state.running.as_ref().filter(|running| running.has_changed().is_ok()) {
            return Some(running.clone());
        }
        if state.last_fetch.is_some_and(|last| now.saturating_duration_since(last) < self.fetch_interval) {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        let (end, running) = watch::channel(());
        state.last_fetch = Some(now);
        state.running = Some(running.clone());
        let cache = Arc::clone(self);
        runtime.spawn(async move {
            let _end = end;
            cache.fetch(now).await;
        });
        Some(running)
    }

    async fn fetch(&self, now: Instant) {
        let fetched = timeout(self.fetch_timeout, self.fetch_keys()).await;
        let fetched = fetched.unwrap_or_else(|_| Err(format!("no response within {:?}", self.fetch_timeout)));
        let mut state = self.state();
        match fetched {
            Ok((keys, max_age)) => {
                state.keys = Some(KeySet { keys, fetched_at: now, max_age });
                state.failure = None;
            }
            Err(failure) => state.failure = Some(failure),
        }
    }

    async fn fetch_keys(&self) -> Result<(Keys, Duration), String> {
        let jwks_url = match &self.source {
            Source::Jwks(url) => url.clone(),
            Source::Discovery { url, issuer } => {
                let document = self.get(url).await?.body;
                jwks_url(&document, issuer).map_err(|error| format!("{url}: {error}"))?
            }
        };
        let fetched = self.get(&jwks_url).await?;
        let keys = parse_set(&fetched.body).map_err(|error| format!("{jwks_url}: {error}"))?;
        Ok((keys, fetched.max_age.unwrap_or(DEFAULT_MAX_AGE).clamp(MIN_MAX_AGE, MAX_MAX_AGE)))
    }

    async fn get(&self, url: &str) -> Result<Fetched, String> {
        let fetched = self.fetcher.fetch(url).await.map_err(|error| format!("{url}: {error}"))?;
        if fetched.body.len() > MAX_BODY_BYTES {
            return Err(format!("{url}: the response is longer than {MAX_BODY_BYTES} bytes"));
        }
        Ok(fetched)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the fetch has ended, which closes the channel.
async fn wait(fetch: Option<watch::Receiver<()>>) {
    if let Some(mut running) = fetch {
        let _ = running.changed().await;
    }
}

/// Returns the JWKS URL of a discovery document (OpenID Connect Discovery 1.0, RFC 8414), whose issuer must be the
/// configured one.
fn jwks_url(document: &[u8], issuer: &str) -> Result<String, String> {
    let document: Value = serde_json::from_slice(document).map_err(|error| format!("not JSON: {error}"))?;
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(format!("it is not of the issuer {issuer:?}: configure the issuer exactly as in its tokens"));
    }
    let url = document.get("jwks_uri").and_then(Value::as_str).ok_or("it has no jwks_uri")?;
    let encrypted = check_url(url).map_err(|error| format!("jwks_uri: {error}"))?;
    if issuer.starts_with("https:") && !encrypted {
        return Err("jwks_uri must begin with https://, as the issuer does".into());
    }
    Ok(url.to_owned())
}
