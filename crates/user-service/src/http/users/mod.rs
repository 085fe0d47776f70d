//! `/api/users`: registration and one's own account.

pub(super) mod audit;
pub(super) mod delete_me;
pub(super) mod email;
pub(super) mod export;
mod export_body;
pub(super) mod get_me;
pub(super) mod password;
pub(super) mod patch_me;
pub(super) mod register;
pub(super) mod sessions;
pub(super) mod totp;
mod user_body;

pub(super) use user_body::UserBody;
