//! All indexes. A query that names the field can use a partial index with `$exists`, but not one with `$type`.

use std::time::Duration;

use bson::doc;
use service_kit::mongo::IndexSpec;

/// The name of the index of the keys of email addresses. A duplicate-key error names it.
pub const EMAIL_KEYS: &str = "emailKeys";
/// The name of the index of the keys of current usernames.
const USERNAME_KEY: &str = "usernameKey";
/// The name of the index of the keys of current and reserved usernames.
const USERNAME_KEYS: &str = "usernameKeys";
/// The name of the index of the idempotency keys.
pub const IDEMPOTENCY_KEY: &str = "idempotencyKey";
/// The names of the indexes for lists and searches of accounts.
pub(super) const ID_BY_STATUS: &str = "statusId";
pub(super) const EMAIL_BY_STATUS: &str = "statusEmail";
pub(super) const USERNAME_BY_STATUS: &str = "statusUsername";

/// Returns whether this index decides that a username is unique.
#[must_use]
pub fn is_username_index(index: &str) -> bool {
    [USERNAME_KEY, USERNAME_KEYS].contains(&index)
}

/// Returns an index of the accounts that have the field, by that field.
fn index_of_users_with(field: &str, name: &'static str) -> IndexSpec {
    IndexSpec::new("users", name, doc! { field: 1 }).partial(doc! { field: { "$exists": true } })
}

/// Returns the indexes that decide uniqueness. They must exist before the first registration.
#[must_use]
pub fn unique_indexes() -> Vec<IndexSpec> {
    vec![
        index_of_users_with("emailKeys", EMAIL_KEYS).unique(),
        index_of_users_with("usernameKey", USERNAME_KEY).unique(),
        // The index before this one is also needed: it covers documents of releases without reservations.
        index_of_users_with("usernameKeys", USERNAME_KEYS).unique(),
        index_of_users_with("idempotency.key", IDEMPOTENCY_KEY).unique(),
    ]
}

/// Returns the indexes that speed up queries or delete expired rows. They are built while the service is already
/// ready.
#[must_use]
pub fn non_unique_indexes(audit_retention: Duration) -> Vec<IndexSpec> {
    vec![
        index_of_users_with("pendingEvents.0.at", "pending"),
        index_of_users_with("tokens.hash", "tokens"),
        index_of_users_with("undoTokens.hash", "undoTokens"),
        index_of_users_with("usedTokens.hash", "usedTokens"),
        index_of_users_with("invitation.hash", "invitations"),
        index_of_users_with("reserved.until", "reservedUntil"),
        index_of_users_with("reservedUsernames.until", "usernamesUntil"),
        index_of_users_with("idempotency.until", "idempotencyUntil"),
        // Lists and searches: the order of their pages. Tombstones have no status.
        IndexSpec::new("users", ID_BY_STATUS, doc! { "status": 1, "_id": -1 })
            .partial(doc! { "status": { "$exists": true } }),
        IndexSpec::new("users", EMAIL_BY_STATUS, doc! { "status": 1, "emailKeys.0": 1 })
            .partial(doc! { "status": { "$exists": true } }),
        IndexSpec::new("users", USERNAME_BY_STATUS, doc! { "status": 1, "usernameKey": 1 })
            .partial(doc! { "status": { "$exists": true } }),
        IndexSpec::new("users", "roles", doc! { "roles": 1 }).partial(doc! { "roles.0": { "$exists": true } }),
        IndexSpec::new("users", "unverified", doc! { "createdAt": 1 }).partial(doc! { "emailVerified": false }),
        IndexSpec::new("sessions", "expiry", doc! { "expiresAt": 1 }).expire_after(Duration::ZERO),
        IndexSpec::new("throttles", "expiry", doc! { "expiresAt": 1 }).expire_after(Duration::ZERO),
        IndexSpec::new("sessions", "newest", doc! { "userId": 1, "createdAt": -1, "_id": -1 }),
        IndexSpec::new("audit", "newest", doc! { "userId": 1, "at": -1, "_id": -1 }),
        IndexSpec::new("audit", "retention", doc! { "at": 1 }).expire_after(audit_retention),
    ]
}
