//! What the relay's tasks hand to each other.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::store::{Acknowledged, Backlog};

/// The label of the metric of caught panics.
pub(super) const PANIC_LABEL: &str = "relay";

/// A batch of the sweep; `done` is dropped when all of it was tried and settled.
pub(super) struct Sweep {
    pub backlogs: Vec<Backlog>,
    pub done: oneshot::Sender<()>,
}

/// What is to be taken off a user's list, and who waits for that.
pub(super) struct AckedList {
    pub acknowledged: Acknowledged,
    _waiters: Vec<Arc<BatchGuard>>,
}

impl AckedList {
    pub(super) fn new(acknowledged: Acknowledged, guards: Vec<Arc<BatchGuard>>) -> Self {
        Self { acknowledged, _waiters: guards }
    }
}

/// Dropped with the last user of a sweep's batch; that is the word that it is done.
pub(super) struct BatchGuard {
    _done: oneshot::Sender<()>,
}

impl BatchGuard {
    pub(super) fn new(done: oneshot::Sender<()>) -> Self {
        Self { _done: done }
    }
}
