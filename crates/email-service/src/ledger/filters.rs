//! Which rows an operation is about. Each filter has its index (see [`super::indexes`]), and
//! compares times by the server's clock.

use bson::{Document, doc};

use super::{MailJob, State};

/// The claim's filter.
pub fn claimable() -> Document {
    doc! {
        "state": State::Queued.as_str(),
        "$expr": { "$and": [
            { "$lte": ["$nextAttemptAt", "$$NOW"] },
            { "$gt": ["$expiresAt", "$$NOW"] },
        ] },
    }
}

/// Held by a sender whose lease has ended.
pub fn abandoned(state: State) -> Document {
    doc! { "state": state.as_str(), "$expr": { "$lte": ["$lease.until", "$$NOW"] } }
}

/// Unknown, and to be sent again now.
pub fn resendable() -> Document {
    doc! {
        "state": State::Unknown.as_str(),
        // A terminal one has no such time; without this, `$expr` would take "none" for early.
        "nextAttemptAt": { "$gt": bson::DateTime::from_millis(0) },
        "$expr": { "$and": [
            { "$lte": ["$nextAttemptAt", "$$NOW"] },
            { "$gt": ["$expiresAt", "$$NOW"] },
        ] },
    }
}

/// Unknown, was to be sent again, and has expired meanwhile.
pub fn held_for_good() -> Document {
    doc! {
        "state": State::Unknown.as_str(),
        "nextAttemptAt": { "$gt": bson::DateTime::from_millis(0) },
        "$expr": { "$lte": ["$expiresAt", "$$NOW"] },
    }
}

/// Waits, and is no longer worth it.
pub fn overdue() -> Document {
    doc! { "state": State::Queued.as_str(), "$expr": { "$lte": ["$expiresAt", "$$NOW"] } }
}

/// Only the claim that `job` is, and only in these states.
pub(super) fn held(job: &MailJob, states: &[State]) -> Document {
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    doc! { "_id": &job.id, "epoch": job.epoch, "state": { "$in": states } }
}
