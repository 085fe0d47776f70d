//! Why a token is refused, and why a verifier cannot be built.

use std::fmt;

/// The reason why [`Verifier::verify`](crate::Verifier::verify) returned no claims. No text contains a part of the
/// token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The token is refused: respond 401. The same token will be refused again.
    Invalid(Reason),
    /// The issuer's keys could not be fetched, so the token could not be checked: respond 503, and log this text, which
    /// says what failed. The client may send the same token again.
    Unavailable(String),
}

impl Error {
    /// Returns the status of an HTTP response for this error: 401 or 503.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) => 401,
            Self::Unavailable(_) => 503,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => write!(formatter, "the access token is refused: {reason}"),
            Self::Unavailable(cause) => write!(formatter, "the issuer's keys could not be fetched: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

/// The first rule that a token breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    TooLong,
    Malformed,
    Algorithm,
    Type,
    CriticalHeader,
    NoKeyId,
    UnknownKey,
    WrongKeyType,
    Signature,
    Claims,
    Issuer,
    Audience,
    Expired,
    NotYetValid,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TooLong => "it is longer than 16 KiB",
            Self::Malformed => "it is not a signed JWT",
            Self::Algorithm => "its algorithm is none of ES256, EdDSA and RS256",
            Self::Type => {
                "its type is neither JWT nor at+jwt; send an access token, not an ID token or a refresh token"
            }
            Self::CriticalHeader => "its header requires an extension (crit)",
            Self::NoKeyId => "its header names no key (kid)",
            Self::UnknownKey => "the issuer does not publish its key",
            Self::WrongKeyType => "its key belongs to another algorithm",
            Self::Signature => "its signature is wrong",
            Self::Claims => "a required claim (iss, sub, aud, exp) is missing, or a claim has the wrong type",
            Self::Issuer => "another issuer issued it; compare `iss` with the configured issuer",
            Self::Audience => "it is for another audience; compare `aud` with the configured audience",
            Self::Expired => "it has expired; refresh it",
            Self::NotYetValid => "it is not valid yet; compare the clocks",
        })
    }
}

/// The reason why a [`Verifier`](crate::Verifier) cannot be built: a mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub(crate) String);

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}
