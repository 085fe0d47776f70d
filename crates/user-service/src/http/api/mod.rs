//! The endpoints of the API: one file for each resource, with its bodies, its documentation and its handlers.

pub(super) mod account;
pub(super) mod admin_user_actions;
pub(super) mod admin_users;
pub(super) mod audit_log;
pub(super) mod discovery;
pub(super) mod email_change;
pub(super) mod email_verification;
pub(super) mod invitation;
pub(super) mod jwks;
mod link_token_body;
pub(super) mod login;
mod new_user_body;
pub(super) mod password_change;
pub(super) mod password_reset;
mod personal_data_body;
pub(super) mod personal_data_export;
mod profile_patch_body;
pub(super) mod registration;
mod responses;
pub(super) mod second_factor;
pub(super) mod sessions;
mod totp_qr_code;
pub(super) mod undo;
mod user_body;
pub(super) mod verify;
