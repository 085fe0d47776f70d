//! The messages between the tasks of the relay.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::store::{AcknowledgedEvents, Backlog};

/// The label of the relay in the metric of caught panics.
pub(super) const PANIC_LABEL: &str = "relay";

/// A batch of the sweep. `done` is dropped when publication of every list was tried, and the
/// published events were removed.
pub(super) struct Sweep {
    pub backlogs: Vec<Backlog>,
    pub done: oneshot::Sender<()>,
}

/// The acknowledged events of one user, which are to be removed from the outbox.
pub(super) struct AckedList {
    pub acknowledged: AcknowledgedEvents,
    _waiters: Vec<Arc<BatchGuard>>,
}

impl AckedList {
    pub(super) fn new(acknowledged: AcknowledgedEvents, guards: Vec<Arc<BatchGuard>>) -> Self {
        Self { acknowledged, _waiters: guards }
    }
}

/// Signals by its drop, with the last list of a batch, that the batch is done.
pub(super) struct BatchGuard {
    _done: oneshot::Sender<()>,
}

impl BatchGuard {
    pub(super) fn new(done: oneshot::Sender<()>) -> Self {
        Self { _done: done }
    }
}
