//! `/api/users/me/totp`: one's own second factor.

mod body;
pub(in crate::http) mod confirm;
mod qr_code;
pub(in crate::http) mod recovery_codes;
pub(in crate::http) mod remove;
pub(in crate::http) mod start;
pub(in crate::http) mod status;

use body::{BothFactorsBody, RecoveryCodesBody};
