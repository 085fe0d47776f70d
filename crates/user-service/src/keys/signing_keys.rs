//! The key set in memory: which key signs now, which keys verify, and the loop that
//! reads, rotates and prunes the stored set. The database's clock decides.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::KeyEncryptionKey;
use crate::{
    domain::KeySchedule,
    store::{KeyStore, StoredKey, StoredKeySet},
};
use service_kit::mongo::StoreError;

/// Nobody signs with a set read longer ago than this: a key may have been retired.
const MAX_AGE_TO_SIGN: Duration = Duration::from_secs(5 * 60);
const REFRESH_EVERY: Duration = Duration::from_secs(60);
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// An unknown key id makes us look again, but not more often than this.
const RELOAD_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// No fresh key set: MongoDB has not been reached for too long, or the keys in it were
/// sealed with another key-encryption key.
#[derive(Debug, thiserror::Error)]
#[error("no signing key is at hand: none was read in the last five minutes that opens under keys.encryption_key")]
pub struct SigningUnavailable;

/// The key that signs now.
#[derive(Clone)]
pub struct SigningKey {
    pub kid: String,
    pub private: ed25519_dalek::SigningKey,
    /// Database time now, for `iat` and `exp`.
    pub now: Timestamp,
}

/// A public half, as `/.well-known/jwks.json` shows it.
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

/// Shared by everyone who signs or verifies.
pub struct SigningKeys {
    store: KeyStore,
    encryption: KeyEncryptionKey,
    rotation: SignedDuration,
    token_ttl: SignedDuration,
    current: ArcSwapOption<KeySet>,
    reload: Mutex<Option<Instant>>,
    /// Cancelled when a set was read for the first time in which a key signs.
    read_once: CancellationToken,
}

impl SigningKeys {
    /// `rotation` is how long a key signs, `token_ttl` the lifetime of the tokens.
    #[must_use]
    pub fn new(store: KeyStore, encryption: KeyEncryptionKey, rotation: Duration, token_ttl: Duration) -> Arc<Self> {
        let signed = |duration| SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Arc::new(Self {
            store,
            encryption,
            rotation: signed(rotation),
            token_ttl: signed(token_ttl),
            current: ArcSwapOption::empty(),
            reload: Mutex::new(None),
            read_once: CancellationToken::new(),
        })
    }

    /// Keeps the set fresh until `stop`: reads it, makes the first key, rotates,
    /// and prunes.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let pause = match self.refresh().await {
                Ok(()) => REFRESH_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "the signing keys could not be read; trying again");
                    RETRY_EVERY
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Waits until a set was read in which a key signs: before that nobody can sign in.
    pub async fn read_once(&self) {
        self.read_once.cancelled().await;
    }

    /// The key that signs at this moment.
    ///
    /// # Errors
    /// [`SigningUnavailable`] while no set was read in the last five minutes.
    pub fn signing(&self) -> Result<SigningKey, SigningUnavailable> {
        let set = self.current.load_full().ok_or(SigningUnavailable)?;
        if set.read_at.elapsed() > MAX_AGE_TO_SIGN {
            return Err(SigningUnavailable);
        }
        let now = set.now();
        let key = set.keys.iter().rev().find(|key| key.schedule.signs_at(now)).ok_or(SigningUnavailable)?;
        Ok(SigningKey { kid: key.kid.clone(), private: key.private.clone(), now })
    }

    /// The public key with this id, and the database's time; reads the stored set
    /// again (at most once a second) when the id is unknown.
    pub async fn verifying(&self, kid: &str) -> Option<(ed25519_dalek::VerifyingKey, Timestamp)> {
        if let Some(found) = self.find(kid) {
            return Some(found);
        }
        let mut last = self.reload.lock().await;
        if last.is_none_or(|last| last.elapsed() >= RELOAD_AT_MOST_EVERY) {
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "the signing keys could not be read for an unknown key id");
            }
            *last = Some(Instant::now());
        }
        self.find(kid)
    }

    /// All public halves, oldest first, or none while no set was read.
    #[must_use]
    pub fn published(&self) -> Option<Vec<PublishedKey>> {
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

    /// Reads the set and changes it until nothing is due. Every change is a
    /// compare-and-set on the set's version, so replicas may do this at once.
    async fn refresh(&self) -> Result<(), StoreError> {
        loop {
            let asked = Instant::now();
            let Some(stored) = self.store.read().await? else {
                self.store.create_first(&self.fresh_key(), self.token_ttl).await?;
                continue;
            };
            if self.change_what_is_due(&stored).await? {
                continue;
            }
            let keys = stored.keys.iter().filter_map(|key| self.unseal(key)).collect();
            // Counted from the question: the answer's server time is never ahead.
            let set = KeySet { keys, server_time: stored.now, read_at: asked };
            self.current.store(Some(Arc::new(set)));
            match self.signing() {
                Ok(_) => self.read_once.cancel(),
                Err(error) => tracing::error!(%error, "nobody can sign in"),
            }
            return Ok(());
        }
    }

    async fn change_what_is_due(&self, stored: &StoredKeySet) -> Result<bool, StoreError> {
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
            return self.store.add_successor(stored.version, &self.fresh_key(), self.token_ttl).await.map(|()| true);
        }
        Ok(false)
    }

    fn fresh_key(&self) -> StoredKey {
        let mut seed = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).expect("the operating system gives random bytes");
        let private = ed25519_dalek::SigningKey::from_bytes(&seed);
        let kid = key_id(&private.verifying_key());
        StoredKey {
            sealed: self.encryption.seal(&label(&kid), seed.as_slice()),
            kid,
            // The store writes the database's times.
            schedule: KeySchedule { sign_from: Timestamp::MAX, sign_until: None, longest_ttl: self.token_ttl },
        }
    }

    fn unseal(&self, stored: &StoredKey) -> Option<LoadedKey> {
        let seed = match self.encryption.open(&label(&stored.kid), &stored.sealed) {
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

fn label(kid: &str) -> String {
    format!("signing-key/{kid}")
}

/// The key id: the JWK thumbprint (RFC 7638, RFC 8037) of the public half.
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
