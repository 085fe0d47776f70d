//! Actions of administrators and operators on other accounts. The write changes only the document of the target
//! account; the relay puts the event into the audit logs of both.

mod bulk_export;
mod create_user;
mod find_users;
mod grant_role;
pub(super) mod last_admin;
mod remove_second_factor;
mod user_actions;

pub use bulk_export::{ExportError, ExportSummary, export_users};
pub use create_user::create_user;
pub use find_users::{UserPage, find_audit_log, find_user, find_users};
pub use grant_role::{GrantRoleError, GrantedRole, grant_role};
pub use remove_second_factor::{AccountRef, remove_second_factor, remove_second_factor_as_operator};
pub use user_actions::{delete_user, disable_user, enable_user, end_sessions};
