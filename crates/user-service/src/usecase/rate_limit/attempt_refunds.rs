//! Refunds of attempts, written after the response: many rows in one command. Until a refund is written, each charge of
//! its row by this process applies it, so a client is never held by refunds that wait.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use service_kit::backoff;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    problem::Problem,
    store::{AttemptRefund, ThrottleKey, ThrottleStore},
};

/// The maximum number of attempts in progress and of refunds that are not written.
const CAPACITY: usize = 8192;
/// How long an attempt waits for room.
const ROOM_DEADLINE: Duration = Duration::from_secs(2);
/// The pause after each command. A refund after a pause is written at once.
const GATHER_TIME: Duration = Duration::from_millis(50);
/// The maximum number of rows in a command.
const MAX_ROWS: usize = 500;
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// The room for the refund of one attempt.
pub(super) type Room = Arc<OwnedSemaphorePermit>;

/// The refunds that are not written.
pub(super) struct AttemptRefunds {
    rows: Mutex<HashMap<ThrottleKey, Vec<WaitingRefund>>>,
    room: Arc<Semaphore>,
    added: Notify,
}

struct WaitingRefund {
    refund: AttemptRefund,
    _room: Room,
}

impl AttemptRefunds {
    pub(super) fn new() -> Self {
        Self { rows: Mutex::default(), room: Arc::new(Semaphore::new(CAPACITY)), added: Notify::new() }
    }

    /// Waits for room for the refund of an attempt, so that the refund itself need not wait.
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
    pub(super) fn add(&self, key: ThrottleKey, refund: AttemptRefund, room: Room) {
        self.rows().entry(key).or_default().push(WaitingRefund { refund, _room: room });
        self.added.notify_one();
    }

    /// Returns the refunds of this row that are not written.
    pub(super) fn of_row(&self, key: ThrottleKey) -> Vec<AttemptRefund> {
        self.rows().get(&key).into_iter().flatten().map(|waiting| waiting.refund).collect()
    }

    /// Removes refunds that were written. A refund can be written twice, so others may have written it meanwhile.
    pub(super) fn remove(&self, key: ThrottleKey, written: &[AttemptRefund]) {
        let mut rows = self.rows();
        let Some(waiting) = rows.get_mut(&key) else { return };
        waiting.retain(|waiting| !written.contains(&waiting.refund));
        if waiting.is_empty() {
            rows.remove(&key);
        }
    }

    /// Writes the refunds until `stop`, and then until none is left.
    pub(super) async fn write(&self, store: &ThrottleStore, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let batch = self.next_batch();
            if batch.is_empty() {
                if stop.is_cancelled() {
                    return;
                }
                tokio::select! {
                    () = self.added.notified() => {}
                    () = stop.cancelled() => {}
                }
                continue;
            }
            if self.write_batch(store, batch).await {
                failures = 0;
                tokio::select! {
                    () = sleep(GATHER_TIME) => {}
                    () = stop.cancelled() => {}
                }
            } else {
                failures += 1;
                backoff::pause(failures, GATHER_TIME, MAX_PAUSE).await;
            }
        }
    }

    /// Writes these refunds, and returns whether all of them are written.
    async fn write_batch(&self, store: &ThrottleStore, batch: Vec<(ThrottleKey, Vec<AttemptRefund>)>) -> bool {
        let failed = match store.refund_attempts(&batch).await {
            Ok(failed) => failed,
            Err(error) => {
                tracing::debug!(%error, "refunds of attempts wait for the store");
                return false;
            }
        };
        if !failed.is_empty() {
            tracing::warn!(rows = failed.len(), "refunds of attempts were not written, and are tried again");
        }
        for (position, (key, refunds)) in batch.iter().enumerate() {
            if !failed.contains(&position) {
                self.remove(*key, refunds);
            }
        }
        failed.is_empty()
    }

    fn next_batch(&self) -> Vec<(ThrottleKey, Vec<AttemptRefund>)> {
        let rows = self.rows();
        let refunds = |waiting: &[WaitingRefund]| waiting.iter().map(|waiting| waiting.refund).collect();
        rows.iter().take(MAX_ROWS).map(|(key, waiting)| (*key, refunds(waiting))).collect()
    }

    fn rows(&self) -> MutexGuard<'_, HashMap<ThrottleKey, Vec<WaitingRefund>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
