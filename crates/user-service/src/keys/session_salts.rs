//! The salts of sessions. A salt is derived from the id of its session and a secret that is stored in MongoDB, so a
//! refresh token is verified without reading the session. The key-encryption key alone, without a copy of the database,
//! still forges no token.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use service_kit::{backoff, random_bytes};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::hmac_sha256;
use crate::store::KeyStore;

/// The length of a salt in bytes, the same as in release 0.1.0.
const SALT_BYTES: usize = 16;
/// The pauses between two attempts to read the secret.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The salt of a session.
pub type SessionSalt = [u8; SALT_BYTES];

/// Derives the salts of sessions, as soon as the secret is loaded. Clones share it.
#[derive(Clone, Default)]
pub struct SessionSalts {
    secret: Arc<OnceLock<Zeroizing<[u8; 32]>>>,
}

impl SessionSalts {
    /// Reads the secret, and stores one before if there is none. Tries again until that succeeds, or until `stop`.
    pub async fn load(&self, keys: &KeyStore, stop: &CancellationToken) {
        let load = async {
            for attempt in 1_u32.. {
                match keys.salt_secret(&Zeroizing::new(random_bytes())).await {
                    Ok(secret) => return drop(self.secret.set(secret)),
                    Err(error) if attempt == 1 => {
                        tracing::warn!(%error, "the secret of session salts could not be read and will be read again");
                    }
                    Err(error) => tracing::debug!(%error, "the secret of session salts could not be read again"),
                }
                backoff::pause(attempt, FIRST_PAUSE, LONGEST_PAUSE).await;
            }
        };
        stop.run_until_cancelled(load).await;
    }

    /// Returns the salt of a new session. It is random as long as the secret is not loaded: then the salt is read to
    /// verify the tokens of this session.
    pub(crate) fn new_salt(&self, session: Uuid) -> SessionSalt {
        self.derive(session).unwrap_or_else(random_bytes)
    }

    /// Returns the salt that the session has if it was derived, or `None` as long as the secret is not loaded.
    pub(crate) fn derive(&self, session: Uuid) -> Option<SessionSalt> {
        let mac = hmac_sha256(self.secret.get()?, &[session.as_bytes()]);
        mac.first_chunk().copied()
    }

    /// Creates an instance with this secret.
    #[cfg(test)]
    pub(crate) fn for_test(secret: [u8; 32]) -> Self {
        Self { secret: Arc::new(OnceLock::from(Zeroizing::new(secret))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_salt_is_the_same_for_every_replica_and_another_for_each_session_and_secret() {
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let salts = SessionSalts::for_test([1; 32]);
        assert_eq!(salts.new_salt(first), SessionSalts::for_test([1; 32]).new_salt(first));
        assert_eq!(salts.derive(first), Some(salts.new_salt(first)));
        assert_ne!(salts.derive(first), salts.derive(second));
        assert_ne!(salts.derive(first), SessionSalts::for_test([2; 32]).derive(first));
    }

    #[test]
    fn a_salt_is_random_before_the_secret_is_loaded() {
        let salts = SessionSalts::default();
        assert_ne!(salts.new_salt(Uuid::nil()), salts.new_salt(Uuid::nil()));
        assert_eq!(salts.derive(Uuid::nil()), None);
    }
}
