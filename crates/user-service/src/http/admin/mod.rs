//! `/api/admin`: accounts of others, for administrators.

pub(super) mod audit;
pub(super) mod delete_user;
pub(super) mod disable;
pub(super) mod enable;
pub(super) mod get_user;
pub(super) mod list_users;
pub(super) mod logout;
pub(super) mod patch_user;
pub(super) mod remove_second_factor;
pub(super) mod unlock;
