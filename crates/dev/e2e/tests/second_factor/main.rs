//! The second factor: codes computed as an authenticator app computes them, recovery codes, and concurrent logins.

mod codes;
mod lifecycle;
mod mfa_tokens;
mod passwords;
mod removal_by_others;
mod requests;
mod setup;
