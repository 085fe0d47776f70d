//! All requests of a run, written down when they are sent and again when they end.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::checker::{Action, Operation, Outcome};
use jiff::Timestamp;
use service_kit::Clock;
use test_support::Api;
use uuid::Uuid;

use crate::Client;

/// All operations of one run, in the order of asking. Clones share them.
#[derive(Clone)]
pub struct Recorder {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    operations: Vec<Asked>,
    clients: u32,
    groups: u32,
    foreign: Foreign,
}

/// An operation, and the address that it named where no id was known.
#[derive(Clone)]
pub(crate) struct Asked {
    pub operation: Operation,
    pub about: Option<String>,
}

/// What the test has written into the topic itself.
#[derive(Clone, Default)]
pub(crate) struct Foreign {
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
    /// Of a run in which nothing has been asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self { clock: Clock::system(), state: Arc::default() }
    }

    /// Another client. It talks to the service behind `api` until it is told otherwise.
    #[must_use]
    pub fn client(&self, api: Api) -> Client {
        let mut state = self.state();
        state.clients += 1;
        Client::new(self.clone(), state.clients, api)
    }

    /// A group of requests that have to be answered alike (S2), for [`Client::alike`].
    #[must_use]
    pub fn group(&self) -> u32 {
        let mut state = self.state();
        state.groups += 1;
        state.groups
    }

    /// What was asked so far. Accounts that a request named only by their address are not
    /// looked up yet; [`crate::collect`] does that.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        self.asked().into_iter().map(|asked| asked.operation).collect()
    }

    /// The record at this place was written by the test.
    pub fn foreign(&self, partition: i32, offset: i64) {
        self.state().foreign.places.insert((partition, offset));
    }

    /// Every record with this `ce_id` was written by the test.
    pub fn foreign_event(&self, id: Uuid) {
        self.state().foreign.events.insert(id.to_string());
    }

    /// Every record with this key was written by the test.
    pub fn foreign_key(&self, key: &[u8]) {
        self.state().foreign.keys.insert(key.to_vec());
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state().operations.clone()
    }

    pub(crate) fn foreign_records(&self) -> Foreign {
        self.state().foreign.clone()
    }

    /// From here on the request may have effects. Until [`Recorder::completed`] its outcome
    /// is unknown, also if nobody waits for it any more.
    pub(crate) fn invoked(
        &self,
        client: u32,
        action: Action,
        user: Option<Uuid>,
        about: Option<String>,
        alike: Option<u32>,
    ) -> u64 {
        let now = self.now();
        let mut state = self.state();
        let id = u64::try_from(state.operations.len()).unwrap_or(u64::MAX);
        let outcome = Outcome::Unknown { why: "nobody waited for the answer".to_owned() };
        let operation = Operation { id, client, action, user, invoked: now, completed: now, outcome, alike };
        state.operations.push(Asked { operation, about });
        id
    }

    pub(crate) fn completed(&self, id: u64, user: Option<Uuid>, outcome: &Outcome) {
        let now = self.now();
        let mut state = self.state();
        let place = usize::try_from(id).unwrap_or(usize::MAX);
        if let Some(Asked { operation, .. }) = state.operations.get_mut(place) {
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
