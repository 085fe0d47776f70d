//! The signing keys in memory: the key that signs now, the keys that verify, and the loop that reads, rotates and
//! prunes the stored key set. All times are the database's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use service_kit::mongo::StoreError;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    key_encryption_key::KeyEncryptionKey,
    key_pair::{KeyPair, PublicKey},
    sealed_key,
};
use crate::{
    domain::{KeySchedule, SigningAlgorithm, TokenType},
    store::{KeySetDocument, KeyStore, NewKey, StoredKey, StoredKeySet},
};

/// Maximum age of a key set that is used for signing. After that time, a key may have been retired.
const MAX_SIGNING_AGE: Duration = Duration::from_secs(5 * 60);
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Minimum time between reads of the key set because of an unknown key id.
const MIN_RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// The error for a missing or outdated key set: MongoDB was not reachable for too long, or its keys were sealed with
/// another key-encryption key.
#[derive(Debug, thiserror::Error)]
#[error("no signing key is available: in the last five minutes, none was read that keys.encryption_key can unseal")]
pub struct SigningUnavailable;

/// The key that signs now.
#[derive(Clone)]
pub struct SigningKey {
    pub kid: String,
    pub pair: Arc<KeyPair>,
    /// The type of the tokens that every release which shares the key set accepts. `None`: any.
    pub required_type: Option<TokenType>,
    /// The longest lifetime for which the public key is kept after the last signature.
    pub longest_ttl: SignedDuration,
    /// The current database time, for `iat` and `exp`.
    pub now: Timestamp,
}

/// A public key, which `/.well-known/jwks.json` publishes.
#[derive(Debug, Clone)]
pub struct PublishedKey {
    pub kid: String,
    pub public: Arc<PublicKey>,
}

struct KeySet {
    document: KeySetDocument,
    keys: Vec<LoadedKey>,
    server_time: Timestamp,
    read_at: Instant,
}

struct LoadedKey {
    kid: String,
    pair: Arc<KeyPair>,
    schedule: KeySchedule,
}

impl KeySet {
    fn now(&self) -> Timestamp {
        self.server_time.saturating_add(self.read_at.elapsed()).unwrap_or(Timestamp::MAX)
    }
}

/// The current key set, which all requests share for signing and verification.
pub struct SigningKeys {
    store: KeyStore,
    encryption: KeyEncryptionKey,
    algorithm: SigningAlgorithm,
    rotation: SignedDuration,
    token_ttl: SignedDuration,
    current: ArcSwapOption<KeySet>,
    last_reload: Mutex<Option<Instant>>,
    /// Cancelled once the first key set with a signing key has been read.
    loaded: CancellationToken,
}

impl SigningKeys {
    /// Creates an empty key set. `algorithm` is that of the first key of a new installation, `rotation` is the time for
    /// which a key signs, and `token_ttl` the longest lifetime of tokens.
    #[must_use]
    pub fn new(
        store: KeyStore,
        encryption: KeyEncryptionKey,
        algorithm: SigningAlgorithm,
        rotation: Duration,
        token_ttl: Duration,
    ) -> Arc<Self> {
        let signed = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Arc::new(Self {
            store,
            encryption,
            algorithm,
            rotation: signed(rotation),
            token_ttl: signed(token_ttl),
            current: ArcSwapOption::empty(),
            last_reload: Mutex::new(None),
            loaded: CancellationToken::new(),
        })
    }

    /// Keeps the key set up to date until `stop`: reads it, makes the first key, rotates and prunes.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let pause = match self.refresh().await {
                Ok(()) => REFRESH_INTERVAL,
                Err(error) => {
                    tracing::warn!(%error, "the signing keys could not be read and will be read again");
                    RETRY_INTERVAL
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Waits until a key set with a signing key was read. Before that, no user can sign in.
    pub async fn wait_until_loaded(&self) {
        self.loaded.cancelled().await;
    }

    /// Returns the key that signs now.
    ///
    /// # Errors
    /// Returns [`SigningUnavailable`] if no key set was read in the last five minutes.
    pub fn current_key(&self) -> Result<SigningKey, SigningUnavailable> {
        let set = self.current.load_full().ok_or(SigningUnavailable)?;
        if set.read_at.elapsed() > MAX_SIGNING_AGE {
            return Err(SigningUnavailable);
        }
        let now = set.now();
        let key = set.keys.iter().rev().find(|key| key.schedule.signs_at(now)).ok_or(SigningUnavailable)?;
        // Release 0.1.0, which may share `signing`, accepts no other type.
        let required_type = (set.document == KeySetDocument::Signing).then_some(TokenType::AtJwt);
        let (kid, pair) = (key.kid.clone(), Arc::clone(&key.pair));
        Ok(SigningKey { kid, pair, required_type, longest_ttl: self.token_ttl, now })
    }

    /// Returns the public key with this id, and the database's time. If the id is unknown, reads the stored key set
    /// again, at most once a second.
    pub async fn verifying_key(&self, kid: &str) -> Option<(Arc<PublicKey>, Timestamp)> {
        if let Some(found) = self.find(kid) {
            return Some(found);
        }
        let mut last = self.last_reload.lock().await;
        if last.is_none_or(|last| last.elapsed() >= MIN_RELOAD_INTERVAL) {
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "the signing keys could not be read again to find an unknown key id");
            }
            *last = Some(Instant::now());
        }
        self.find(kid)
    }

    /// Returns all public keys, oldest first, or `None` if no key set was read yet.
    #[must_use]
    pub fn published_keys(&self) -> Option<Vec<PublishedKey>> {
        let set = self.current.load();
        let keys = set.as_ref()?.keys.iter();
        Some(keys.map(|key| PublishedKey { kid: key.kid.clone(), public: Arc::clone(key.pair.public()) }).collect())
    }

    fn find(&self, kid: &str) -> Option<(Arc<PublicKey>, Timestamp)> {
        let set = self.current.load();
        let set = set.as_ref()?;
        let key = set.keys.iter().find(|key| key.kid == kid)?;
        Some((Arc::clone(key.pair.public()), set.now()))
    }

    /// Reads the key set, and applies changes until none is due. Every change is a compare-and-set on the version of
    /// the set, so several replicas may do this at the same time.
    async fn refresh(&self) -> Result<(), StoreError> {
        loop {
            let requested_at = Instant::now();
            let Some(stored) = self.store.read().await? else {
                self.store.create(&self.generate_key(self.algorithm).await, self.token_ttl).await?;
                continue;
            };
            if self.apply_due_change(&stored).await? {
                continue;
            }
            let keys = stored.keys.iter().filter_map(|key| self.load(key)).collect();
            // The age counts from the request, so that the computed database time is never ahead.
            let set = KeySet { document: stored.document, keys, server_time: stored.now, read_at: requested_at };
            let is_first = self.current.swap(Some(Arc::new(set))).is_none();
            if is_first {
                self.report_algorithm(&stored);
            }
            match self.current_key() {
                Ok(_) => self.loaded.cancel(),
                Err(error) => tracing::error!(%error, "no user can sign in"),
            }
            return Ok(());
        }
    }

    /// Logs that the keys have another algorithm than the configured one.
    fn report_algorithm(&self, stored: &StoredKeySet) {
        if stored.algorithm != Some(self.algorithm) {
            tracing::info!(
                stored = stored.algorithm.map_or("unknown", SigningAlgorithm::name),
                configured = self.algorithm.name(),
                "auth.signing_algorithm is only for new installations; `user-service keys algorithm` changes it"
            );
        }
    }

    async fn apply_due_change(&self, stored: &StoredKeySet) -> Result<bool, StoreError> {
        let now = stored.now;
        if stored.keys.iter().any(|key| key.schedule.remove_at().is_some_and(|at| at < now)) {
            return self.store.prune(stored).await.map(|()| true);
        }
        let Some(newest) = stored.keys.last() else { return Ok(false) };
        if stored.keys.iter().any(|key| key.schedule.longest_ttl < self.token_ttl) {
            return self.store.raise_longest_ttl(stored, self.token_ttl).await.map(|()| true);
        }
        if newest.schedule.successor_is_due(now, self.rotation) {
            let Some(algorithm) = stored.algorithm else {
                tracing::error!("the algorithm of the next signing key is unknown to this release; no key is made");
                return Ok(false);
            };
            // Other replicas could not open a key that was sealed with another key-encryption key.
            if self.load(newest).is_none() {
                return Ok(false);
            }
            tracing::info!("making the next signing key");
            let key = self.generate_key(algorithm).await;
            return self.store.add_successor(stored, &key, self.token_ttl).await.map(|()| true);
        }
        Ok(false)
    }

    async fn generate_key(&self, algorithm: SigningAlgorithm) -> NewKey {
        sealed_key::generate(&self.encryption, algorithm).await
    }

    fn load(&self, stored: &StoredKey) -> Option<LoadedKey> {
        match sealed_key::open(&self.encryption, stored) {
            Ok(pair) => Some(LoadedKey { kid: stored.kid.clone(), pair: Arc::new(pair), schedule: stored.schedule }),
            Err(error) => {
                tracing::error!(kid = stored.kid, %error, "a signing key cannot be used");
                None
            }
        }
    }
}
