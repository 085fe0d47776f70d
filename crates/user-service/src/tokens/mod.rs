//! The tokens of clients: access tokens (JWT), refresh tokens, and MFA tokens (between password and second factor).

mod access_token;
mod authenticated_text;
mod jwt;
mod mfa_token;
#[cfg(test)]
mod property_tests;
mod refresh_token;
mod verified_token_cache;

pub use access_token::{AccessClaims, AccessTokens, Subject};
pub use jwt::{IssuedToken, Jwts, TokenError, VerifiedToken};
pub use mfa_token::{MfaBinding, MfaToken, MfaTokens};
pub use refresh_token::{RefreshToken, RefreshTokens};
