//! MFA tokens: a client gets one after the password step of a login, and sends it with the second factor.
//!
//! Nothing is stored for a token. It is `id ‖ user ‖ expiry ‖ HMAC-SHA-256(K, …)`. The HMAC includes the password hash,
//! the session epoch and the authenticator's secret, so that the token becomes invalid when one of them changes.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::authenticated_text::{self, TokenMac};
use crate::keys::{KeyEncryptionKey, hmac_sha256};

const ID_BYTES: usize = 16;
/// The token's id, the user's id, and the expiry in seconds.
const FIELD_BYTES: usize = 2 * ID_BYTES + 8;

/// A token that was parsed but not verified.
pub struct MfaToken {
    /// The id of the token, by which a used token is recognised. Each login has its own.
    pub id: Uuid,
    pub user: Uuid,
    pub expires_at: Timestamp,
    mac: TokenMac,
}

/// The state of the account to which a token is bound: it must not change between the two steps of a login.
pub struct MfaBinding<'a> {
    pub user: Uuid,
    pub epoch: i64,
    /// The hash against which the password was verified.
    pub password_hash: &'a str,
    /// The authenticator's secret in its sealed, stored form.
    pub totp_secret: &'a [u8],
}

impl MfaToken {
    /// Parses the text form. Returns `None` for any other text.
    #[must_use]
    pub fn parse(text: &SecretString) -> Option<Self> {
        let (fields, mac) = authenticated_text::decode::<FIELD_BYTES>(text)?;
        let (id, rest) = fields.split_first_chunk::<ID_BYTES>()?;
        let (user, expiry) = rest.split_first_chunk::<ID_BYTES>()?;
        Some(Self {
            id: Uuid::from_bytes(*id),
            user: Uuid::from_bytes(*user),
            expires_at: Timestamp::from_second(i64::from_be_bytes(expiry.try_into().ok()?)).ok()?,
            mac,
        })
    }
}

/// Issues and verifies MFA tokens with one key.
#[derive(Clone)]
pub struct MfaTokens {
    key: Zeroizing<[u8; 32]>,
    ttl: Duration,
}

impl MfaTokens {
    /// Derives the key from the key-encryption key.
    #[must_use]
    pub fn new(key: &KeyEncryptionKey, ttl: Duration) -> Self {
        Self { key: key.derive("mfa-token/v1"), ttl }
    }

    /// Issues a token for a user whose password was verified at `now`. Returns its text form.
    #[must_use]
    pub fn issue(&self, id: Uuid, binding: &MfaBinding<'_>, now: Timestamp) -> SecretString {
        let ttl = SignedDuration::try_from(self.ttl).unwrap_or(SignedDuration::MAX);
        let expires_at = now.saturating_add(ttl).unwrap_or(Timestamp::MAX);
        let fields: [&[u8]; 3] = [id.as_bytes(), binding.user.as_bytes(), &expires_at.as_second().to_be_bytes()];
        authenticated_text::encode(&fields, &self.mac(id, expires_at, binding))
    }

    /// Returns whether this service issued the token for this state of the account, and it has not expired. Compares in
    /// constant time. The caller must check that the token was not used before.
    #[must_use]
    pub fn is_valid(&self, token: &MfaToken, binding: &MfaBinding<'_>, now: Timestamp) -> bool {
        bool::from(self.mac(token.id, token.expires_at, binding).ct_eq(&token.mac))
            && token.user == binding.user
            && now < token.expires_at
    }

    fn mac(&self, id: Uuid, expires_at: Timestamp, binding: &MfaBinding<'_>) -> TokenMac {
        let parts: &[&[u8]] = &[
            id.as_bytes(),
            binding.user.as_bytes(),
            &expires_at.as_second().to_be_bytes(),
            &binding.epoch.to_be_bytes(),
            // The hash has a variable length, so its length precedes it.
            &u64::try_from(binding.password_hash.len()).unwrap_or(u64::MAX).to_be_bytes(),
            binding.password_hash.as_bytes(),
            binding.totp_secret,
        ];
        hmac_sha256(&self.key, parts)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const USER: Uuid = Uuid::from_u128(7);

    fn tokens(byte: u8) -> MfaTokens {
        MfaTokens::new(&KeyEncryptionKey::for_test(byte), Duration::from_secs(300))
    }

    fn binding() -> MfaBinding<'static> {
        MfaBinding { user: USER, epoch: 3, password_hash: "$argon2id$1", totp_secret: b"sealed" }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_valid_until_it_expires() {
        let text = tokens(1).issue(Uuid::from_u128(1), &binding(), at(1_000));
        assert_eq!(text.expose_secret().len(), 96);
        let token = MfaToken::parse(&text).unwrap();
        assert_eq!((token.id, token.user, token.expires_at), (Uuid::from_u128(1), USER, at(1_300)));
        assert!(tokens(1).is_valid(&token, &binding(), at(1_299)));
        assert!(!tokens(1).is_valid(&token, &binding(), at(1_300)));
        assert!(!tokens(2).is_valid(&token, &binding(), at(1_000)));
    }

    #[test]
    fn a_token_becomes_invalid_when_its_binding_changes() {
        let text = tokens(1).issue(Uuid::from_u128(1), &binding(), at(1_000));
        let token = MfaToken::parse(&text).unwrap();
        for other in [
            MfaBinding { user: Uuid::from_u128(8), ..binding() },
            MfaBinding { epoch: 4, ..binding() },
            MfaBinding { password_hash: "$argon2id$2", ..binding() },
            MfaBinding { totp_secret: b"another", ..binding() },
            // The concatenated bytes are the same, but divided differently.
            MfaBinding { password_hash: "$argon2id$1s", totp_secret: b"ealed", ..binding() },
        ] {
            assert!(!tokens(1).is_valid(&token, &other, at(1_000)));
        }
    }

    #[test]
    fn expiry_and_id_of_a_token_cannot_be_changed() {
        let text = tokens(1).issue(Uuid::from_u128(1), &binding(), at(1_000));
        let read = || MfaToken::parse(&text).unwrap();
        assert!(!tokens(1).is_valid(&MfaToken { expires_at: at(9_000), ..read() }, &binding(), at(1_000)));
        assert!(!tokens(1).is_valid(&MfaToken { id: Uuid::from_u128(2), ..read() }, &binding(), at(1_000)));
    }
}
