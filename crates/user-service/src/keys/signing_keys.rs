//! The signing keys in memory: the key that signs now, the keys that verify, and the loop that reads, rotates and
//! prunes the stored key set. All times are the database's.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use service_kit::{mongo::StoreError, random_bytes};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::key_encryption_key::KeyEncryptionKey;
use crate::{
    domain::KeySchedule,
    store::{KeyStore, StoredKey, StoredKeySet},
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
    pub private: ed25519_dalek::SigningKey,
    /// The current database time, for `iat` and `exp`.
    pub now: Timestamp,
}

/// A public key, which `/.well-known/jwks.json` publishes.
#[derive(Debug, Clone)]
pub struct PublishedKey {
    pub kid: String,
    pub public: ed25519_dalek::VerifyingKey,
}

struct KeySet {
    keys: Vec<LoadedKey>,
    server_time: Timestamp,
    read_at: Instant,
}

struct LoadedKey {
    kid: String,
    private: ed25519_dalek::SigningKey,
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
    rotation: SignedDuration,
    token_ttl: SignedDuration,
    current: ArcSwapOption<KeySet>,
    last_reload: Mutex<Option<Instant>>,
    /// Cancelled once the first key set with a signing key has been read.
    loaded: CancellationToken,
}

impl SigningKeys {
    /// Creates an empty key set. `rotation` is the time for which a key signs, `token_ttl` the lifetime of tokens.
    #[must_use]
    pub fn new(store: KeyStore, encryption: KeyEncryptionKey, rotation: Duration, token_ttl: Duration) -> Arc<Self> {
        let signed = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Arc::new(Self {
            store,
            encryption,
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
        Ok(SigningKey { kid: key.kid.clone(), private: key.private.clone(), now })
    }

    /// Returns the public key with this id, and the database's time. If the id is unknown, reads the stored key set
    /// again, at most once a second.
    pub async fn verifying_key(&self, kid: &str) -> Option<(ed25519_dalek::VerifyingKey, Timestamp)> {
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
        Some(keys.map(|key| PublishedKey { kid: key.kid.clone(), public: key.private.verifying_key() }).collect())
    }

    fn find(&self, kid: &str) -> Option<(ed25519_dalek::VerifyingKey, Timestamp)> {
        let set = self.current.load();
        let set = set.as_ref()?;
        let key = set.keys.iter().find(|key| key.kid == kid)?;
        Some((key.private.verifying_key(), set.now()))
    }

    /// Reads the key set, and applies changes until none is due. Every change is a compare-and-set on the version of
    /// the set, so several replicas may do this at the same time.
    async fn refresh(&self) -> Result<(), StoreError> {
        loop {
            let requested_at = Instant::now();
            let Some(stored) = self.store.read().await? else {
                self.store.create_first(&self.generate_key(), self.token_ttl).await?;
                continue;
            };
            if self.apply_due_change(&stored).await? {
                continue;
            }
            let keys = stored.keys.iter().filter_map(|key| self.unseal(key)).collect();
            // The age counts from the request, so that the computed database time is never ahead.
            let set = KeySet { keys, server_time: stored.now, read_at: requested_at };
            self.current.store(Some(Arc::new(set)));
            match self.current_key() {
                Ok(_) => self.loaded.cancel(),
                Err(error) => tracing::error!(%error, "no user can sign in"),
            }
            return Ok(());
        }
    }

    async fn apply_due_change(&self, stored: &StoredKeySet) -> Result<bool, StoreError> {
        let now = stored.now;
        if stored.keys.iter().any(|key| key.schedule.remove_at().is_some_and(|at| at < now)) {
            return self.store.prune(stored.version).await.map(|()| true);
        }
        let Some(newest) = stored.keys.last() else { return Ok(false) };
        if stored.keys.iter().any(|key| key.schedule.longest_ttl < self.token_ttl) {
            return self.store.raise_longest_ttl(stored.version, self.token_ttl).await.map(|()| true);
        }
        if newest.schedule.successor_is_due(now, self.rotation) {
            tracing::info!("making the next signing key");
            return self.store.add_successor(stored.version, &self.generate_key(), self.token_ttl).await.map(|()| true);
        }
        Ok(false)
    }

    fn generate_key(&self) -> StoredKey {
        let seed = zeroize::Zeroizing::new(random_bytes());
        let private = ed25519_dalek::SigningKey::from_bytes(&seed);
        let kid = key_id(&private.verifying_key());
        StoredKey {
            sealed: self.encryption.seal(&seal_label(&kid), seed.as_slice()),
            kid,
            // The store replaces these times with the database's.
            schedule: KeySchedule { sign_from: Timestamp::MAX, sign_until: None, longest_ttl: self.token_ttl },
        }
    }

    fn unseal(&self, stored: &StoredKey) -> Option<LoadedKey> {
        let seed = match self.encryption.unseal(&seal_label(&stored.kid), &stored.sealed) {
            Ok(seed) => seed,
            Err(error) => {
                tracing::error!(kid = stored.kid, %error, "a signing key cannot be used");
                return None;
            }
        };
        let seed: &[u8; 32] = seed.as_slice().try_into().ok()?;
        Some(LoadedKey {
            kid: stored.kid.clone(),
            private: ed25519_dalek::SigningKey::from_bytes(seed),
            schedule: stored.schedule,
        })
    }
}

fn seal_label(kid: &str) -> String {
    format!("signing-key/{kid}")
}

/// Computes the key id: the JWK thumbprint (RFC 7638, RFC 8037) of the public key.
fn key_id(public: &ed25519_dalek::VerifyingKey) -> String {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use sha2::{Digest, Sha256};
    let x = BASE64_URL_SAFE_NO_PAD.encode(public.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_id_is_the_thumbprint_of_rfc_8037_appendix_a3() {
        use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
        let x = BASE64_URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let public = ed25519_dalek::VerifyingKey::from_bytes(x.as_slice().try_into().unwrap()).unwrap();
        assert_eq!(key_id(&public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
