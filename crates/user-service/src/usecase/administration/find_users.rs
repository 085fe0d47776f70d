//! Looking accounts up: one by its id, many by page, and what happened to one.

use uuid::Uuid;

use crate::{
    domain::{Cursor, User, UserCursor, UserSearch},
    store::UserRecord,
    usecase::{
        account_service::AccountService,
        failure::Failure,
        privacy::audit_log::{AuditPage, audit_log},
    },
};

/// A page of accounts, and the place behind which the next one begins.
pub struct UserPage {
    pub users: Vec<User>,
    pub next: Option<UserCursor>,
}

/// One account; tombstones are nobody.
///
/// # Errors
/// When the store is away.
pub async fn find_user(accounts: &AccountService, id: Uuid) -> Result<Option<User>, Failure> {
    let found = accounts.store.users.by_id(id).await?;
    Ok(found.as_ref().map(UserRecord::user))
}

/// At most `limit` accounts behind `after`, in the order of [`UserCursor`].
///
/// # Errors
/// When the store is away.
pub async fn find_users(
    accounts: &AccountService,
    search: &UserSearch,
    after: Option<&UserCursor>,
    limit: u32,
) -> Result<UserPage, Failure> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = accounts.store.users.page(search, after, limit).await?;
    Ok(UserPage { users: page.users.iter().map(UserRecord::user).collect(), next: page.next })
}

/// At most `limit` entries of an account's audit log behind `after`; none if there is no
/// such account.
///
/// # Errors
/// When the store is away.
pub async fn find_audit_log(
    accounts: &AccountService,
    id: Uuid,
    limit: u32,
    after: Option<Cursor>,
) -> Result<Option<AuditPage>, Failure> {
    let Some(user) = accounts.store.users.by_id(id).await? else { return Ok(None) };
    audit_log(accounts, &user, limit, after).await.map(Some)
}
