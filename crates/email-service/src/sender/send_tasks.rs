//! The sends in progress: at most `sender.concurrency` at the same time, each in a task of its own.
//!
//! A mail comes here in one of two ways. The dispatcher claims what is due in the ledger. While it finds nothing, the
//! ingest reserves free senders, writes new mails as claimed, and starts their sends: see [`SendTasks::reserve`].

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use service_kit::{Lifecycle, Stage};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tracing::Instrument as _;

use super::delivery::Sender;
use crate::ledger::MailJob;

/// The time between two checks for lost claims: a claim may take effect after the first check.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The sends of this process. Clones share them.
#[derive(Clone)]
pub struct SendTasks(Arc<SendState>);

struct SendState {
    sender: Arc<Sender>,
    free: Arc<Semaphore>,
    /// The ids of the mails that sends of this process hold.
    in_hand: Mutex<HashSet<String>>,
    lost_claims: Mutex<LostClaims>,
    /// Whether the last claim found no due mail.
    caught_up: AtomicBool,
    lifecycle: Lifecycle,
}

/// Free senders for new mails that are about to be written to the ledger as claimed.
///
/// If it is dropped before [`start`](Self::start) or [`cancel`](Self::cancel), the outcome of that write is unknown:
/// the mails count as lost claims.
pub struct Reservation {
    sends: SendTasks,
    /// The position of each mail in its batch, and its id.
    mails: Vec<(usize, String)>,
    permits: Option<OwnedSemaphorePermit>,
}

/// Claims whose answers were lost: this process may hold mails without knowing it.
#[derive(Debug, Default)]
struct LostClaims {
    /// The time of the last lost claim.
    last: Option<Instant>,
    /// The time of the last release after it.
    released: Option<Instant>,
}

impl LostClaims {
    fn record_loss(&mut self, now: Instant) {
        (self.last, self.released) = (Some(now), None);
    }

    /// Returns whether an unknown claim may still be found.
    fn any(&self) -> bool {
        self.last.is_some()
    }

    fn record_release(&mut self, now: Instant) {
        self.released = Some(now);
    }

    /// Returns whether to check for unknown claims: until the first check succeeds, then at
    /// intervals until no lease of the lost claim can be left.
    fn is_check_due(&mut self, now: Instant, lease: Duration) -> bool {
        let (Some(last), Some(released)) = (self.last, self.released) else { return self.last.is_some() };
        if now.duration_since(last) > lease {
            *self = Self::default();
            return false;
        }
        now.duration_since(released) >= CHECK_INTERVAL
    }
}

impl SendTasks {
    #[must_use]
    pub fn new(sender: Arc<Sender>, concurrency: usize, lifecycle: Lifecycle) -> Self {
        Self(Arc::new(SendState {
            sender,
            free: Arc::new(Semaphore::new(concurrency)),
            in_hand: Mutex::default(),
            lost_claims: Mutex::default(),
            caught_up: AtomicBool::new(false),
            lifecycle,
        }))
    }

    pub(super) fn sender(&self) -> &Sender {
        &self.0.sender
    }

    /// Waits until a send can start: a free permit, and a server. Returns all free permits, at most
    /// `batch_size`.
    pub(super) async fn acquire_permits(&self, batch_size: usize) -> Option<OwnedSemaphorePermit> {
        let mut permits = Arc::clone(&self.0.free).acquire_owned().await.ok()?;
        self.0.sender.pool.wait_until_available().await;
        while permits.num_permits() < batch_size
            && let Ok(permit) = Arc::clone(&self.0.free).try_acquire_owned()
        {
            permits.merge(permit);
        }
        Some(permits)
    }

    /// Starts to send mails that this process has claimed, one with each of the permits.
    pub(super) fn start(&self, jobs: Vec<MailJob>, mut permits: OwnedSemaphorePermit) {
        for (job, permit) in jobs.into_iter().zip(std::iter::from_fn(|| permits.split(1))) {
            self.0.in_hand.lock().insert(job.id.clone());
            self.spawn(job, permit);
        }
    }

    fn spawn(&self, job: MailJob, permit: OwnedSemaphorePermit) {
        let state = Arc::clone(&self.0);
        let span = tracing::info_span!("mail", id = job.id, traceparent = job.trace_parent);
        let send = async move {
            state.sender.send(&job).await;
            state.in_hand.lock().remove(&job.id);
            drop(permit);
        };
        self.0.lifecycle.spawn(Stage::Intake, "send", |_| send.instrument(span));
    }

    /// Records whether the last claim found no due mail.
    pub(super) fn set_caught_up(&self, caught_up: bool) {
        self.0.caught_up.store(caught_up, Ordering::Relaxed);
    }

    /// Reserves a free sender for each of the first of `mails`, given as positions and ids. Returns `None` if their
    /// mails must wait in the ledger: no sender is free, other mails are due, the mail server is away or on
    /// probation, the process stops, or a lost claim may be in the ledger.
    pub fn reserve<'a>(&self, mails: impl Iterator<Item = (usize, &'a str)>) -> Option<Reservation> {
        let Sender { pool, stop, .. } = self.sender();
        let caught_up = self.0.caught_up.load(Ordering::Relaxed);
        if !caught_up || stop.is_cancelled() || self.0.lost_claims.lock().any() || !pool.is_trusted() {
            return None;
        }
        let mut reservation = Reservation { sends: self.clone(), mails: Vec::new(), permits: None };
        for (position, id) in mails {
            let Ok(permit) = Arc::clone(&self.0.free).try_acquire_owned() else { break };
            // A record that is read again while its mail is being sent needs no sender.
            if !self.0.in_hand.lock().insert(id.to_owned()) {
                continue;
            }
            reservation.mails.push((position, id.to_owned()));
            match &mut reservation.permits {
                Some(permits) => permits.merge(permit),
                none => *none = Some(permit),
            }
        }
        reservation.permits.is_some().then_some(reservation)
    }

    /// Records that the answer to a claim was lost.
    pub(super) fn record_lost_claim(&self) {
        self.0.lost_claims.lock().record_loss(Instant::now());
    }

    /// Requeues the mails of lost claims, which would otherwise wait until their lease ends. Call it
    /// regularly: it is repeated until it succeeds.
    pub(super) async fn release_lost_claims(&self) {
        let Sender { ledger, lease, .. } = self.sender();
        if !self.0.lost_claims.lock().is_check_due(Instant::now(), *lease) {
            return;
        }
        let in_hand: Vec<String> = self.0.in_hand.lock().iter().cloned().collect();
        match ledger.release_lost_claims(&in_hand).await {
            Ok(released) => {
                self.0.lost_claims.lock().record_release(Instant::now());
                if released > 0 {
                    tracing::info!(released, "mails whose claim was not answered are due again");
                }
            }
            Err(error) => tracing::debug!(%error, "unknown claims cannot be released yet"),
        }
    }
}

impl Reservation {
    /// Returns the positions of the mails that have a sender.
    pub fn positions(&self) -> impl Iterator<Item = usize> {
        self.mails.iter().map(|(position, _)| *position)
    }

    /// Returns the duration of the lease with which the mails are written.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.sends.sender().lease
    }

    /// Starts to send those mails that were written as claimed. The other senders are free again.
    pub fn start(mut self, written: Vec<MailJob>) {
        let Some(mut permits) = self.permits.take() else { return };
        let started: HashSet<&str> = written.iter().map(|job| job.id.as_str()).collect();
        self.mails.retain(|(_, id)| !started.contains(id.as_str()));
        self.release_ids();
        for (job, permit) in written.into_iter().zip(std::iter::from_fn(|| permits.split(1))) {
            self.sends.spawn(job, permit);
        }
    }

    /// Makes the senders free again, when certainly no mail was written.
    pub fn cancel(mut self) {
        self.release_ids();
        self.permits = None;
    }

    fn release_ids(&mut self) {
        let mut in_hand = self.sends.0.in_hand.lock();
        for (_, id) in self.mails.drain(..) {
            in_hand.remove(&id);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.mails.is_empty() {
            self.sends.record_lost_claim();
            self.release_ids();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_claims_are_released_until_no_lease_can_be_left() {
        let lease = Duration::from_secs(90);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut lost_claims = LostClaims::default();
        assert!(!lost_claims.is_check_due(at(0), lease));
        lost_claims.record_loss(at(0));
        // The database is unreachable: the check is repeated for as long as it takes.
        assert!(lost_claims.is_check_due(at(0), lease) && lost_claims.is_check_due(at(200), lease));
        lost_claims.record_release(at(1));
        assert!(!lost_claims.is_check_due(at(1), lease));
        assert!(lost_claims.is_check_due(at(2), lease), "a claim may take effect late");
        lost_claims.record_release(at(2));
        lost_claims.record_loss(at(2));
        assert!(lost_claims.is_check_due(at(2), lease), "immediately after another lost claim");
        lost_claims.record_release(at(3));
        assert!(lost_claims.is_check_due(at(92), lease));
        assert!(!lost_claims.is_check_due(at(93), lease) && !lost_claims.is_check_due(at(99), lease));
    }
}
