//! The change of the algorithm of an installation: a rotation to a key of the new algorithm.

use jiff::{SignedDuration, Timestamp};
use service_kit::mongo::StoreError;

use super::{key_encryption_key::KeyEncryptionKey, sealed_key};
use crate::{
    domain::SigningAlgorithm,
    store::{KeySetDocument, KeyStore, StoredKey, StoredKeySet},
};

/// Maximum number of attempts: each of them fails only if the key set was changed at the same time.
const MAX_ATTEMPTS: u32 = 10;

/// The result of a change.
#[derive(Debug, PartialEq, Eq)]
pub struct AlgorithmChange {
    /// Whether this call has added a key.
    pub changed: bool,
    /// The id of the newest key, which has the algorithm.
    pub kid: String,
    /// The time from which the newest key signs, and the time of the database.
    pub signs_from: Timestamp,
    pub now: Timestamp,
}

/// The reason why the algorithm was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AlgorithmChangeError {
    #[error("there are no signing keys yet: the first start of the service makes them, with auth.signing_algorithm")]
    NoKeys,
    #[error("the newest signing key cannot be opened with keys.encryption_key, so nothing was changed")]
    OtherEncryptionKey,
    #[error("the signing keys were changed at the same time again and again; nothing was changed")]
    Conflict,
    #[error("the signing keys cannot be read or changed")]
    Store(#[from] StoreError),
}

/// Makes a key of this algorithm the newest one, unless it is. It is public for ten minutes before it signs, and tokens
/// of the keys before it stay valid. `ttl` is the longest lifetime of tokens.
///
/// An installation that has only `signing` gets `signing-keys`, even for the algorithm that it has: 0.1.0 does not read
/// what is made from then on.
///
/// # Errors
/// Returns [`AlgorithmChangeError`]; then nothing was changed.
pub async fn change_algorithm(
    store: &KeyStore,
    encryption: &KeyEncryptionKey,
    algorithm: SigningAlgorithm,
    ttl: SignedDuration,
) -> Result<AlgorithmChange, AlgorithmChangeError> {
    let mut added = None;
    for _ in 0..MAX_ATTEMPTS {
        let set = store.read().await?.ok_or(AlgorithmChangeError::NoKeys)?;
        if let Some(newest) = newest_of(&set, algorithm) {
            let changed = added.as_deref() == Some(&*newest.kid);
            let signs_from = newest.schedule.sign_from;
            return Ok(AlgorithmChange { changed, kid: newest.kid.clone(), signs_from, now: set.now });
        }
        let newest = set.keys.last().ok_or(AlgorithmChangeError::NoKeys)?;
        // Other replicas could not open a key that was sealed with another key-encryption key.
        sealed_key::open(encryption, newest).map_err(|_| AlgorithmChangeError::OtherEncryptionKey)?;
        let key = sealed_key::generate(encryption, algorithm).await;
        match set.document {
            KeySetDocument::Signing => store.create_from(&set, &key, ttl).await?,
            KeySetDocument::SigningKeys => store.add_successor(&set, &key, ttl).await?,
        }
        added = Some(key.kid);
    }
    Err(AlgorithmChangeError::Conflict)
}

/// Returns the newest key if it has this algorithm, and later keys will.
fn newest_of(set: &StoredKeySet, algorithm: SigningAlgorithm) -> Option<&StoredKey> {
    let wanted = set.document == KeySetDocument::SigningKeys && set.algorithm == Some(algorithm);
    set.keys.last().filter(|newest| wanted && newest.algorithm == Some(algorithm))
}
