//! Records all requests of a run, when they are sent and when they end.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use service_kit::Clock;
use uuid::Uuid;

use crate::checker::{Action, Operation, Outcome};

/// All operations of one run, in the order in which they were sent. Clones share their state.
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
    /// The keys of records that the test itself wrote into the topic.
    foreign_keys: BTreeSet<Vec<u8>>,
}

/// An operation, and the email address that it named if the account was unknown.
#[derive(Clone)]
pub(crate) struct RecordedOperation {
    pub operation: Operation,
    pub email: Option<String>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// Creates an empty recorder.
    #[must_use]
    pub fn new() -> Self {
        Self { clock: Clock::system(), state: Arc::default() }
    }

    /// Creates a group of requests whose responses must be indistinguishable (S2), for
    /// [`crate::Client::set_comparison_group`].
    #[must_use]
    pub fn new_comparison_group(&self) -> u32 {
        let mut state = self.state();
        state.groups += 1;
        state.groups
    }

    /// Returns the operations recorded so far. Accounts that a request named only by email address are not resolved
    /// yet; [`crate::collect_history`] does that.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        self.recorded_operations().into_iter().map(|recorded| recorded.operation).collect()
    }

    /// Marks every record with this key as written by the test.
    pub fn mark_foreign_key(&self, key: &[u8]) {
        self.state().foreign_keys.insert(key.to_vec());
    }

    pub(crate) fn next_client_number(&self) -> u32 {
        let mut state = self.state();
        state.clients += 1;
        state.clients
    }

    pub(crate) fn recorded_operations(&self) -> Vec<RecordedOperation> {
        self.state().operations.clone()
    }

    pub(crate) fn foreign_keys(&self) -> BTreeSet<Vec<u8>> {
        self.state().foreign_keys.clone()
    }

    /// Records that a request is being sent and may have effects from now on. Until [`Recorder::record_completion`]
    /// its outcome is unknown, even if the client no longer waits for it.
    pub(crate) fn record_invocation(
        &self,
        client: u32,
        action: Action,
        user: Option<Uuid>,
        email: Option<String>,
        comparison_group: Option<u32>,
        network: Option<Ipv4Addr>,
    ) -> u64 {
        let now = self.now();
        let mut state = self.state();
        let id = u64::try_from(state.operations.len()).unwrap_or(u64::MAX);
        let outcome = Outcome::Unknown { why: "the client did not wait for the response".to_owned() };
        let server = String::new();
        let operation = Operation {
            id,
            client,
            action,
            user,
            invoked: now,
            completed: now,
            outcome,
            comparison_group,
            server,
            network,
        };
        state.operations.push(RecordedOperation { operation, email });
        id
    }

    pub(crate) fn record_completion(&self, id: u64, user: Option<Uuid>, server: String, outcome: &Outcome) {
        let now = self.now();
        let mut state = self.state();
        let place = usize::try_from(id).unwrap_or(usize::MAX);
        if let Some(RecordedOperation { operation, .. }) = state.operations.get_mut(place) {
            operation.completed = now;
            operation.server = server;
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
