//! The second factor: TOTP and recovery codes.

pub(super) mod check_code;
pub(super) mod totp_removal;
pub(super) mod totp_setup;

pub use totp_removal::{GivenFactors, remove_totp, renew_recovery_codes};
pub use totp_setup::{TotpStarted, confirm_totp, start_totp};
