//! The second factor from its set-up to its removal: codes computed as an authenticator
//! computes them, recovery codes, and what two at once may not do.

mod codes;
mod lifecycle;
mod mfa_tokens;
mod passwords;
mod removal_by_others;
mod requests;
mod setup;
