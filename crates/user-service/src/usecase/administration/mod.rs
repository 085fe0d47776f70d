//! What administrators do to the accounts of others, one file each. The write touches
//! the other's document only; the relay puts it into the log of both.

mod act;
mod delete_user;
mod end_sessions;
mod find_users;
mod grant_role;
mod last_admin;
mod remove_second_factor;
mod status;

pub use act::ActError;
pub use delete_user::delete_user;
pub use end_sessions::end_sessions;
pub use find_users::{FoundUsers, audit_log_of, find_user, find_users};
pub use grant_role::{GrantRoleError, Granted, grant_role};
pub(super) use last_admin::AdminWriteError;
pub use remove_second_factor::{
    AccountName, RemoveSecondFactorError, remove_second_factor, remove_second_factor_as_operator,
};
pub use status::{disable_user, enable_user};
