//! Computes expiry times.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Returns `start` plus `lifetime`, at most [`Timestamp::MAX`].
#[must_use]
pub fn expires_at(start: Timestamp, lifetime: Duration) -> Timestamp {
    let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
    start.saturating_add(lifetime).unwrap_or(Timestamp::MAX)
}
