//! Looking accounts up: one by its id, many by page.

use uuid::Uuid;

use crate::{
    domain::{User, UserPlace, UserSearch},
    store::UserRecord,
    usecase::{Accounts, Failure},
};

/// A page of accounts, and the place behind which the next one begins.
pub struct FoundUsers {
    pub users: Vec<User>,
    pub next: Option<UserPlace>,
}

/// One account; tombstones are nobody.
///
/// # Errors
/// When the store is away.
pub async fn find_user(accounts: &Accounts, id: Uuid) -> Result<Option<User>, Failure> {
    let found = accounts.store.users.by_id(id).await?;
    Ok(found.as_ref().map(UserRecord::user))
}

/// At most `limit` accounts behind `after`, in the order of [`UserPlace`].
///
/// # Errors
/// When the store is away.
pub async fn find_users(
    accounts: &Accounts,
    search: &UserSearch,
    after: Option<&UserPlace>,
    limit: u32,
) -> Result<FoundUsers, Failure> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let page = accounts.store.users.page(search, after, limit).await?;
    Ok(FoundUsers { users: page.users.iter().map(UserRecord::user).collect(), next: page.next })
}
