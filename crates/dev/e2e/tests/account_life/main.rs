//! An account from its registration to its goodbye, through both services as real processes.

mod conditional_requests;
mod lifecycle;
mod registration;
mod tokens;
mod unverified_expiry;
