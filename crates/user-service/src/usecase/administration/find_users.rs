//! Reads accounts: one by its id, many by page, and the audit log of one.

use uuid::Uuid;

use crate::{
    domain::{Cursor, Page, User, UserCursor, UserSearch},
    problem::Problem,
    store::UserRecord,
    usecase::{
        account_service::AccountService,
        privacy::audit_log::{AuditLogEntry, audit_log},
    },
};

/// A page of accounts, and the cursor of the next page.
pub struct UserPage {
    pub users: Vec<User>,
    pub next: Option<UserCursor>,
}

/// Returns the account with this id. A tombstone counts as no account.
///
/// # Errors
/// Returns an error if the store is unavailable.
pub async fn find_user(accounts: &AccountService, id: Uuid) -> Result<Option<User>, Problem> {
    let found = accounts.store.users.by_id(id).await?;
    Ok(found.as_ref().map(UserRecord::user))
}

/// Returns at most `limit` accounts after the cursor, in the order of [`UserCursor`].
///
/// # Errors
/// Returns an error if the store is unavailable.
pub async fn find_users(
    accounts: &AccountService,
    search: &UserSearch,
    after: Option<&UserCursor>,
    limit: u32,
) -> Result<UserPage, Problem> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = accounts.store.users.page(search, after, limit).await?;
    Ok(UserPage { users: page.users.iter().map(UserRecord::user).collect(), next: page.next })
}

/// Returns at most `limit` entries of an account's audit log after the cursor, or `None` if there is no such account.
///
/// # Errors
/// Returns an error if the store is unavailable.
pub async fn find_audit_log(
    accounts: &AccountService,
    id: Uuid,
    limit: u32,
    after: Option<Cursor>,
) -> Result<Option<Page<AuditLogEntry>>, Problem> {
    let Some(user) = accounts.store.users.by_id(id).await? else { return Ok(None) };
    audit_log(accounts, &user, limit, after).await.map(Some)
}
