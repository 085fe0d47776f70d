//! The reasons to refuse a request to an OAuth endpoint, as RFC 6749, section 5.2, names them.

use service_kit::mongo::StoreError;

use crate::{keys::SigningUnavailable, problem::Problem};

/// The reason why a request to an OAuth endpoint is refused. The texts never repeat what the client sent.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// The text says what is missing or malformed, in a sentence.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The client is unknown or disabled, its secret is wrong, or it did not authenticate.
    #[error("The client is unknown or disabled, or its secret is wrong.")]
    InvalidClient,
    /// The token belongs to another client.
    #[error("The token was issued to another client.")]
    InvalidGrant,
    /// The text says what the client may not do, in a sentence.
    #[error("{0}")]
    UnauthorizedClient(&'static str),
    #[error("The only grant type is `client_credentials`.")]
    UnsupportedGrantType,
    #[error("The scope is unknown, or the client does not have it.")]
    InvalidScope,
    /// RFC 7009, section 2.2.1.
    #[error("Access tokens of users cannot be revoked. End their sessions.")]
    UnsupportedTokenType,
    /// A reason that RFC 6749 does not name.
    #[error(transparent)]
    Problem(#[from] Problem),
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Self::Problem(error.into())
    }
}

impl From<SigningUnavailable> for OAuthError {
    fn from(error: SigningUnavailable) -> Self {
        Self::Problem(error.into())
    }
}
