//! The tokens that a client holds: access tokens (JWT), refresh tokens, and the one
//! between the password and the second factor.

mod access_token;
mod mfa_token;
#[cfg(test)]
mod properties;
mod refresh_token;
mod verified_token_cache;

pub use access_token::{AccessClaims, AccessTokens, IssuedToken, TokenError};
pub use mfa_token::{MfaBinding, MfaToken, MfaTokens};
pub use refresh_token::{RefreshToken, RefreshTokens};
