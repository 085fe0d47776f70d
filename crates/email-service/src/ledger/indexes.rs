//! Every index of the service. None is unique: `_id` decides which rows exist.

use std::time::Duration;

use bson::doc;
use service_kit::mongo::IndexSpec;

use super::{State, claims, dead_letter_store, filter, suppressions};

/// Returns all indexes. They are built after readiness: without them everything works, slowly.
/// `retention` is how long terminal mails and decided dead letters are kept.
#[must_use]
pub fn all(retention: Duration) -> Vec<IndexSpec> {
    vec![
        // For claims, recovery, counts, `mail list --state`.
        IndexSpec::new(claims::COLLECTION, "due", doc! { "state": 1, "nextAttemptAt": 1 }),
        // For the expiry of queued mails.
        IndexSpec::new(claims::COLLECTION, "expiry", doc! { "expiresAt": 1 })
            .partial(doc! { "state": State::Queued.as_str() }),
        // For `mail list`, `mail list --user`.
        IndexSpec::new(claims::COLLECTION, "user", doc! { "userId": 1, "eventTime": -1 }),
        IndexSpec::new(claims::COLLECTION, "newest", doc! { "eventTime": -1 }),
        // For `mail list --to`, with an address in upper or lower case.
        IndexSpec::new(claims::COLLECTION, "to", doc! { "to": 1, "eventTime": -1 })
            .collation(filter::case_insensitive()),
        // Only terminal rows have the field.
        IndexSpec::new(claims::COLLECTION, "retention", doc! { "terminalAt": 1 })
            .partial(doc! { "terminalAt": { "$exists": true } })
            .expire_after(retention),
        IndexSpec::new(dead_letter_store::COLLECTION, "newest", doc! { "firstSeenAt": -1 }),
        IndexSpec::new(dead_letter_store::COLLECTION, "state", doc! { "state": 1, "firstSeenAt": -1 }),
        // Only decided dead letters have the field.
        IndexSpec::new(dead_letter_store::COLLECTION, "retention", doc! { "settledAt": 1 })
            .partial(doc! { "settledAt": { "$exists": true } })
            .expire_after(retention),
        IndexSpec::new(suppressions::COLLECTION, "retention", doc! { "until": 1 }).expire_after(Duration::ZERO),
    ]
}
