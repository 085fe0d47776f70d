//! All requests of a run, written down when they are sent and again when they end.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::checker::{Action, Operation, Outcome};
use jiff::Timestamp;
use service_kit::Clock;
use uuid::Uuid;

/// All operations of one run, in the order of asking. Clones share them.
#[derive(Clone)]
pub struct Recorder {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    operations: Vec<RecordedOperation>,
    clients: u32,
    groups: u32,
    foreign: ForeignRecords,
}

/// An operation, and the address that it named where no id was known.
#[derive(Clone)]
pub(crate) struct RecordedOperation {
    pub operation: Operation,
    pub email: Option<String>,
}

/// What the test has written into the topic itself.
#[derive(Clone, Default)]
pub(crate) struct ForeignRecords {
    pub places: BTreeSet<(i32, i64)>,
    pub events: BTreeSet<String>,
    pub keys: BTreeSet<Vec<u8>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// Of a run in which nothing has been recorded yet.
    #[must_use]
    pub fn new() -> Self {
        Self { clock: Clock::system(), state: Arc::default() }
    }

    /// A group of requests that have to be answered comparison_group (S2), for [`crate::Client::set_comparison_group`].
    #[must_use]
    pub fn new_comparison_group(&self) -> u32 {
        let mut state = self.state();
        state.groups += 1;
        state.groups
    }

    /// What was recorded so far. Accounts that a request named only by their address are not
    /// looked up yet; [`crate::collect_history`] does that.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        self.recorded_operations().into_iter().map(|recorded| recorded.operation).collect()
    }

    /// The record at this place was written by the test.
    pub fn mark_foreign_record(&self, partition: i32, offset: i64) {
        self.state().foreign.places.insert((partition, offset));
    }

    /// Every record with this `ce_id` was written by the test.
    pub fn mark_foreign_event(&self, id: Uuid) {
        self.state().foreign.events.insert(id.to_string());
    }

    /// Every record with this key was written by the test.
    pub fn mark_foreign_key(&self, key: &[u8]) {
        self.state().foreign.keys.insert(key.to_vec());
    }

    pub(crate) fn next_client_number(&self) -> u32 {
        let mut state = self.state();
        state.clients += 1;
        state.clients
    }

    pub(crate) fn recorded_operations(&self) -> Vec<RecordedOperation> {
        self.state().operations.clone()
    }

    pub(crate) fn foreign_records(&self) -> ForeignRecords {
        self.state().foreign.clone()
    }

    /// From here on the request may have effects. Until [`Recorder::record_completion`] its outcome
    /// is unknown, also if nobody waits for it any more.
    pub(crate) fn record_invocation(
        &self,
        client: u32,
        action: Action,
        user: Option<Uuid>,
        email: Option<String>,
        comparison_group: Option<u32>,
    ) -> u64 {
        let now = self.now();
        let mut state = self.state();
        let id = u64::try_from(state.operations.len()).unwrap_or(u64::MAX);
        let outcome = Outcome::Unknown { why: "nobody waited for the answer".to_owned() };
        let operation = Operation { id, client, action, user, invoked: now, completed: now, outcome, comparison_group };
        state.operations.push(RecordedOperation { operation, email });
        id
    }

    pub(crate) fn record_completion(&self, id: u64, user: Option<Uuid>, outcome: &Outcome) {
        let now = self.now();
        let mut state = self.state();
        let place = usize::try_from(id).unwrap_or(usize::MAX);
        if let Some(RecordedOperation { operation, .. }) = state.operations.get_mut(place) {
            operation.completed = now;
            operation.outcome = outcome.clone();
            operation.user = user.or(operation.user);
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
