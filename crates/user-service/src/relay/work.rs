//! What the relay's tasks hand to each other.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::store::{AcknowledgedEvents, Backlog};

/// The label of the metric of caught panics.
pub(super) const PLACE: &str = "relay";

/// A batch of the sweep; `done` is dropped when all of it was tried and settled.
pub(super) struct Sweep {
    pub backlogs: Vec<Backlog>,
    pub done: oneshot::Sender<()>,
}

/// What is to be taken off a user's list, and who waits for that.
pub(super) struct Settlement {
    pub acknowledged: AcknowledgedEvents,
    _waiters: Vec<Arc<Waiter>>,
}

impl Settlement {
    pub(super) fn new(acknowledged: AcknowledgedEvents, waiters: Vec<Arc<Waiter>>) -> Self {
        Self { acknowledged, _waiters: waiters }
    }
}

/// Dropped with the last user of a sweep's batch; that is the word that it is done.
pub(super) struct Waiter {
    _done: oneshot::Sender<()>,
}

impl Waiter {
    pub(super) fn new(done: oneshot::Sender<()>) -> Self {
        Self { _done: done }
    }
}
