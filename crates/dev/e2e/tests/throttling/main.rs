//! Throttling that holds whoever guesses and not whose account it is, and that tells nobody which accounts exist.

mod client_address;
mod codes;
mod logins;
mod password_changes;
mod quotas;
mod requests;
