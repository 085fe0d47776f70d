//! What administrators do to the accounts of others. The write touches
//! the other's document only; the relay puts it into the log of both.

mod admin_action;
mod bulk_export;
mod find_users;
mod grant_role;
pub(super) mod last_admin;
mod remove_second_factor;
mod user_actions;

pub use admin_action::ActError;
pub use bulk_export::{ExportError, Exported, export_users};
pub use find_users::{FoundUsers, audit_log_of, find_user, find_users};
pub use grant_role::{GrantRoleError, Granted, grant_role};
pub use remove_second_factor::{
    AccountName, RemoveSecondFactorError, remove_second_factor, remove_second_factor_as_operator,
};
pub use user_actions::{delete_user, disable_user, enable_user, end_sessions};
