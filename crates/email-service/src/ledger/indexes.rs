//! Every index of the service. None is unique: `_id` decides what is there already.

use std::time::Duration;

use bson::doc;
use service_kit::mongo::IndexSpec;

use super::{State, dead_letter_store, filter, ledger, suppressions};

/// Built after readiness: without them everything works, slowly. `retention` is how long a
/// terminal row, or a dead letter that somebody has decided, is kept.
#[must_use]
pub fn all(retention: Duration) -> Vec<IndexSpec> {
    vec![
        // Claims, recovery, counts, `mail list --state`.
        IndexSpec::new(ledger::COLLECTION, "due", doc! { "state": 1, "nextAttemptAt": 1 }),
        // Expiry of what waits.
        IndexSpec::new(ledger::COLLECTION, "expiry", doc! { "expiresAt": 1 })
            .partial(doc! { "state": State::Queued.as_str() }),
        // `mail list`, `mail list --user`.
        IndexSpec::new(ledger::COLLECTION, "user", doc! { "userId": 1, "eventTime": -1 }),
        IndexSpec::new(ledger::COLLECTION, "newest", doc! { "eventTime": -1 }),
        // `mail list --to`, for an address as somebody tells it on the phone.
        IndexSpec::new(ledger::COLLECTION, "to", doc! { "to": 1, "eventTime": -1 })
            .collation(filter::case_insensitive()),
        // Only terminal rows have the field.
        IndexSpec::new(ledger::COLLECTION, "retention", doc! { "terminalAt": 1 })
            .partial(doc! { "terminalAt": { "$exists": true } })
            .expire_after(retention),
        IndexSpec::new(dead_letter_store::COLLECTION, "newest", doc! { "firstSeenAt": -1 }),
        IndexSpec::new(dead_letter_store::COLLECTION, "state", doc! { "state": 1, "firstSeenAt": -1 }),
        // Only those that somebody has decided have the field.
        IndexSpec::new(dead_letter_store::COLLECTION, "retention", doc! { "settledAt": 1 })
            .partial(doc! { "settledAt": { "$exists": true } })
            .expire_after(retention),
        IndexSpec::new(suppressions::COLLECTION, "retention", doc! { "until": 1 }).expire_after(Duration::ZERO),
    ]
}
