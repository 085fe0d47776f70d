//! The stored form of a signing key: its private half is sealed, and its id is the thumbprint of its public half.

use super::{
    key_encryption_key::{KeyEncryptionKey, UnsealError},
    key_pair::{InvalidPrivateKey, KeyPair},
};
use crate::{
    domain::SigningAlgorithm,
    store::{NewKey, StoredKey},
};

/// The reason why a stored key cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnusableKey {
    #[error("this release does not know the algorithm of the key")]
    UnknownAlgorithm,
    #[error(transparent)]
    Sealed(#[from] UnsealError),
    #[error(transparent)]
    Invalid(#[from] InvalidPrivateKey),
    #[error("the id of the key is not the thumbprint of its public half")]
    OtherId,
}

/// Generates a key and seals it. The work is done on a thread for blocking work, because RSA takes long.
pub(super) async fn generate(encryption: &KeyEncryptionKey, algorithm: SigningAlgorithm) -> NewKey {
    let encryption = encryption.clone();
    let generate = move || {
        let private = KeyPair::generate(algorithm);
        let pair = KeyPair::from_private(algorithm, &private).expect("a generated key can be read");
        let kid = pair.public().jwk().thumbprint();
        NewKey { sealed: encryption.seal(&label(&kid), &private), kid, algorithm }
    };
    tokio::task::spawn_blocking(generate).await.expect("generating a key does not panic")
}

/// Opens a stored key.
///
/// # Errors
/// Returns [`UnusableKey`], which repeats no secret.
pub(super) fn open(encryption: &KeyEncryptionKey, stored: &StoredKey) -> Result<KeyPair, UnusableKey> {
    let algorithm = stored.algorithm.ok_or(UnusableKey::UnknownAlgorithm)?;
    let private = encryption.unseal(&label(&stored.kid), &stored.sealed)?;
    let pair = KeyPair::from_private(algorithm, &private)?;
    if pair.public().jwk().thumbprint() == stored.kid { Ok(pair) } else { Err(UnusableKey::OtherId) }
}

fn label(kid: &str) -> String {
    format!("signing-key/{kid}")
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::domain::KeySchedule;

    fn stored(NewKey { kid, algorithm, sealed }: NewKey) -> StoredKey {
        let ttl = SignedDuration::from_mins(15);
        let schedule = KeySchedule { sign_from: Timestamp::UNIX_EPOCH, sign_until: None, longest_ttl: ttl };
        StoredKey { kid, algorithm: Some(algorithm), sealed, schedule }
    }

    #[tokio::test]
    async fn a_sealed_key_of_each_algorithm_is_opened_and_has_its_thumbprint_as_id() {
        let encryption = KeyEncryptionKey::for_test(1);
        for algorithm in SigningAlgorithm::ALL {
            let key = stored(generate(&encryption, algorithm).await);
            assert_eq!(open(&encryption, &key).unwrap().public().jwk().thumbprint(), key.kid);
            let other = open(&KeyEncryptionKey::for_test(2), &key);
            assert!(matches!(other, Err(UnusableKey::Sealed(_))));
        }
    }

    #[tokio::test]
    async fn a_key_is_not_taken_for_one_of_another_algorithm_or_id() {
        let encryption = KeyEncryptionKey::for_test(1);
        let key = stored(generate(&encryption, SigningAlgorithm::Es256).await);
        for (algorithm, expected) in [(None, "does not know"), (Some(SigningAlgorithm::EdDsa), "is not usable")] {
            let error = open(&encryption, &StoredKey { algorithm, ..key.clone() }).err().unwrap().to_string();
            assert!(error.contains(expected), "{error}");
        }
        // The seal holds for this id, but the public half is another one.
        let kid = "another".to_owned();
        let private = KeyPair::generate(SigningAlgorithm::EdDsa);
        let moved = NewKey { sealed: encryption.seal(&label(&kid), &private), kid, algorithm: SigningAlgorithm::EdDsa };
        assert!(matches!(open(&encryption, &stored(moved)), Err(UnusableKey::OtherId)));
    }
}
