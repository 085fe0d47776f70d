//! The life of an account, through both services as real processes.

mod conditional_requests;
mod lifecycle;
mod registration;
mod tokens;
mod unverified_expiry;
