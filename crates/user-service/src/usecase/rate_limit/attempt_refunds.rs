//! Refunds of attempts, written after the response: many rows in one command. Until a refund is written, each charge of
//! its row by this process applies it, so a client is never held by refunds that wait.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use service_kit::{
    backoff,
    batches::{self, BatchHandler},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    problem::Problem,
    store::{AttemptRefund, ThrottleKey, ThrottleStore},
};

/// The maximum number of attempts in progress and of attempts whose refunds are not written.
const CAPACITY: usize = 8192;
/// An attempt is charged to at most two rows.
const MAX_ROWS_PER_ATTEMPT: usize = 2;
/// How long an attempt waits for room.
const ROOM_DEADLINE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// How long the refunds are written after a stop. Other parts of the process stop after them.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// How often the store may refuse a row before its refunds are forgotten: otherwise they would keep their room for ever.
const MAX_REFUSALS: u32 = 5;

/// The room for the refunds of one attempt.
pub(super) type Room = Arc<OwnedSemaphorePermit>;

/// The refunds that are not written.
pub(super) struct AttemptRefunds {
    rows: Mutex<HashMap<ThrottleKey, Vec<WaitingRefund>>>,
    room: Arc<Semaphore>,
    added: mpsc::Sender<AddedRefund>,
}

struct WaitingRefund {
    refund: AttemptRefund,
    _room: Room,
}

/// A row that a refund was added to. It keeps the room, which therefore bounds the queue too.
struct AddedRefund {
    key: ThrottleKey,
    _room: Room,
}

/// Writes the refunds.
pub struct RefundWriter {
    refunds: Arc<AttemptRefunds>,
    store: ThrottleStore,
    added: mpsc::Receiver<AddedRefund>,
}

impl AttemptRefunds {
    pub(super) fn new(store: ThrottleStore) -> (Arc<Self>, RefundWriter) {
        let (sender, added) = mpsc::channel(CAPACITY * MAX_ROWS_PER_ATTEMPT);
        let room = Arc::new(Semaphore::new(CAPACITY));
        let refunds = Arc::new(Self { rows: Mutex::default(), room, added: sender });
        (Arc::clone(&refunds), RefundWriter { refunds, store, added })
    }

    /// Waits for room for the refunds of an attempt, so that the refunds themselves need not wait.
    ///
    /// # Errors
    /// Returns [`Problem::Unavailable`] if there is none in time.
    pub(super) async fn reserve(&self) -> Result<Room, Problem> {
        match timeout(ROOM_DEADLINE, Arc::clone(&self.room).acquire_owned()).await {
            Ok(Ok(room)) => Ok(Arc::new(room)),
            _ => Err(Problem::unavailable("too many refunds of attempts wait for the store")),
        }
    }

    /// Adds a refund of this row.
    pub(super) fn add(&self, key: ThrottleKey, refund: AttemptRefund, room: &Room) {
        let waiting = WaitingRefund { refund, _room: Arc::clone(room) };
        self.rows().entry(key).or_default().push(waiting);
        // The queue has space for every room. It is closed only when the process ends.
        let _ = self.added.try_send(AddedRefund { key, _room: Arc::clone(room) });
    }

    /// Returns the refunds of this row that are not written.
    pub(super) fn of_row(&self, key: ThrottleKey) -> Vec<AttemptRefund> {
        self.rows().get(&key).into_iter().flatten().map(|waiting| waiting.refund).collect()
    }

    /// Removes refunds that were written. Both a charge and the writer may have written them: that changes nothing.
    pub(super) fn remove(&self, key: ThrottleKey, written: &[AttemptRefund]) {
        let mut rows = self.rows();
        let Some(waiting) = rows.get_mut(&key) else { return };
        waiting.retain(|waiting| !written.contains(&waiting.refund));
        if waiting.is_empty() {
            rows.remove(&key);
        }
    }

    /// Gives the room of the refunds of this row free, although they are not written.
    fn forget(&self, key: ThrottleKey) {
        self.rows().remove(&key);
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<ThrottleKey, Vec<WaitingRefund>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RefundWriter {
    /// Writes the refunds until `stop`, and then until none is left, or the store has not answered for [`STOP_DEADLINE`].
    pub async fn run(self, stop: CancellationToken) {
        let Self { refunds, store, added } = self;
        let deadline = async {
            stop.cancelled().await;
            sleep(STOP_DEADLINE).await;
        };
        tokio::select! {
            biased;
            () = batches::process(added, stop.cancelled(), Rows { refunds: &refunds, store: &store }) => {}
            () = deadline => tracing::warn!(rows = refunds.rows().len(), "refunds of attempts were not written before the stop"),
        }
    }
}

/// Writes the refunds of the rows in a batch.
struct Rows<'a> {
    refunds: &'a AttemptRefunds,
    store: &'a ThrottleStore,
}

impl BatchHandler for Rows<'_> {
    type Item = AddedRefund;
    const PLACE: &'static str = "background";

    async fn handle(&self, batch: &[AddedRefund]) {
        let keys: HashSet<ThrottleKey> = batch.iter().map(|added| added.key).collect();
        let mut refusals = 0;
        for attempt in 1_u32.. {
            let rows = keys.iter().map(|key| (*key, self.refunds.of_row(*key)));
            let rows: Vec<_> = rows.filter(|(_, refunds)| !refunds.is_empty()).collect();
            if rows.is_empty() {
                return;
            }
            match self.store.refund_attempts(&rows).await {
                Ok(refused) => {
                    let written = rows.iter().enumerate().filter(|(position, _)| !refused.contains(position));
                    written.for_each(|(_, (key, refunds))| self.refunds.remove(*key, refunds));
                    if refused.is_empty() {
                        return;
                    }
                    refusals += 1;
                    if refusals >= MAX_REFUSALS {
                        tracing::warn!(rows = refused.len(), "MongoDB refuses refunds of attempts: they are forgotten");
                        refused.iter().for_each(|position| self.refunds.forget(rows[*position].0));
                        return;
                    }
                }
                Err(error) => tracing::debug!(%error, "refunds wait for the store"),
            }
            backoff::pause(attempt, FIRST_PAUSE, MAX_PAUSE).await;
        }
    }

    fn lost(&self, added: &AddedRefund) {
        self.refunds.forget(added.key);
    }
}
