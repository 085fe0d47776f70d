//! All indexes. A query that names the field can use a partial index with `$exists`, but not one with `$type`.

use std::time::Duration;

use bson::doc;
use service_kit::mongo::IndexSpec;

/// The name of the index of the keys of email addresses. A duplicate-key error names it.
pub const EMAIL_KEYS: &str = "emailKeys";
/// The name of the index of the keys of current usernames.
pub const USERNAME_KEY: &str = "usernameKey";
/// The name of the index of the keys of current and reserved usernames.
pub const USERNAME_KEYS: &str = "usernameKeys";
/// The name of the index of the idempotency keys.
pub const IDEMPOTENCY_KEY: &str = "idempotencyKey";
/// The names of the indexes for lists and searches of accounts.
pub(super) const ID_BY_STATUS: &str = "statusId";
pub(super) const EMAIL_BY_STATUS: &str = "statusEmail";
pub(super) const USERNAME_BY_STATUS: &str = "statusUsername";

/// Returns the indexes that decide uniqueness. They must exist before the first registration.
#[must_use]
pub fn unique_indexes() -> Vec<IndexSpec> {
    vec![
        IndexSpec::new("users", EMAIL_KEYS, doc! { "emailKeys": 1 })
            .unique()
            .partial(doc! { "emailKeys": { "$exists": true } }),
        IndexSpec::new("users", USERNAME_KEY, doc! { "usernameKey": 1 })
            .unique()
            .partial(doc! { "usernameKey": { "$exists": true } }),
        // The index before this one is also needed: it covers documents of releases without reservations.
        IndexSpec::new("users", USERNAME_KEYS, doc! { "usernameKeys": 1 })
            .unique()
            .partial(doc! { "usernameKeys": { "$exists": true } }),
        IndexSpec::new("users", IDEMPOTENCY_KEY, doc! { "idempotency.key": 1 })
            .unique()
            .partial(doc! { "idempotency.key": { "$exists": true } }),
    ]
}

/// Returns the indexes that speed up queries or delete expired rows. They are built while the service is already
/// ready.
#[must_use]
pub fn non_unique_indexes(audit_retention: Duration) -> Vec<IndexSpec> {
    vec![
        IndexSpec::new("users", "pending", doc! { "pendingEvents.0.at": 1 })
            .partial(doc! { "pendingEvents.0.at": { "$exists": true } }),
        IndexSpec::new("users", "tokens", doc! { "tokens.hash": 1 })
            .partial(doc! { "tokens.hash": { "$exists": true } }),
        IndexSpec::new("users", "undoTokens", doc! { "undoTokens.hash": 1 })
            .partial(doc! { "undoTokens.hash": { "$exists": true } }),
        IndexSpec::new("users", "usedTokens", doc! { "usedTokens.hash": 1 })
            .partial(doc! { "usedTokens.hash": { "$exists": true } }),
        IndexSpec::new("users", "reservedUntil", doc! { "reserved.until": 1 })
            .partial(doc! { "reserved.until": { "$exists": true } }),
        IndexSpec::new("users", "usernamesUntil", doc! { "reservedUsernames.until": 1 })
            .partial(doc! { "reservedUsernames.until": { "$exists": true } }),
        IndexSpec::new("users", "idempotencyUntil", doc! { "idempotency.until": 1 })
            .partial(doc! { "idempotency.until": { "$exists": true } }),
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
