//! The tokens that a client holds: access tokens (JWT) and refresh tokens.

mod access_token;
mod refresh_token;

pub use access_token::{AccessClaims, AccessTokens, Issued, TokenError};
pub use refresh_token::{RefreshToken, RefreshTokens};
