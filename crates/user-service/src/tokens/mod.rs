//! The tokens: access tokens of users and of clients (JWT), refresh tokens, MFA tokens (between password and second
//! factor), and the cookies of page sessions.

mod access_token;
mod authenticated_text;
mod client_token;
mod jwt;
mod mfa_token;
#[cfg(test)]
mod property_tests;
mod refresh_token;
mod session_cookie;
mod verified_token_cache;

pub use access_token::{AccessClaims, AccessTokens, Subject};
pub use client_token::{ClientToken, ClientTokens};
pub use jwt::{IssuedToken, Jwts, TokenError, VerifiedToken};
pub use mfa_token::{MfaBinding, MfaToken, MfaTokens};
pub use refresh_token::{RefreshToken, RefreshTokens};
pub use session_cookie::{CookieHash, SessionCookie};
