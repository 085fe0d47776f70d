//! Claims mails that are due, and starts a send for each: at most `sender.concurrency`.

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use service_kit::{
    Lifecycle,
    backoff::{exponential, random_fraction},
    fail_point,
    mongo::StoreError,
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::fence::Sender;
use crate::{
    ledger::{Ledger, MailJob},
    mailer::pool::Pool,
};

/// How often the ledger is asked when nothing wakes us: retries fall due unannounced.
const POLL: Duration = Duration::from_millis(800);

/// Mails that are claimed together. More would only wait: a claim takes a millisecond or two.
const AT_ONCE: usize = 32;

/// After a claim of unknown outcome, how often the ledger is asked once more what is held: a claim
/// may take effect after a first look.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The one who claims.
pub struct Dispatcher {
    ledger: Ledger,
    pool: Pool,
    sender: Arc<Sender>,
    lease: Duration,
    free: Arc<Semaphore>,
    /// The mails that sends of this process have in hand.
    in_hand: Arc<Mutex<HashSet<String>>>,
    /// Signalled when mails were written to the ledger.
    wake: Arc<Notify>,
    lifecycle: Lifecycle,
}

/// Claims whose answers never came. What they took is ours without our knowing it.
#[derive(Debug, Default)]
struct Unanswered {
    /// The last one.
    last: Option<Instant>,
    /// When what we did not know was last given back.
    settled: Option<Instant>,
}

impl Unanswered {
    fn lost(&mut self, now: Instant) {
        (self.last, self.settled) = (Some(now), None);
    }

    fn settled(&mut self, now: Instant) {
        self.settled = Some(now);
    }

    /// Whether to look: until it was done once, then now and again until nothing can be held any
    /// more.
    fn wants_look(&mut self, now: Instant, lease: Duration) -> bool {
        let (Some(last), Some(settled)) = (self.last, self.settled) else { return self.last.is_some() };
        if now.duration_since(last) > lease {
            *self = Self::default();
            return false;
        }
        now.duration_since(settled) >= LOOK_AGAIN
    }
}

impl Dispatcher {
    #[must_use]
    pub fn new(sender: Arc<Sender>, concurrency: usize, wake: Arc<Notify>, lifecycle: Lifecycle) -> Self {
        Self {
            ledger: sender.ledger.clone(),
            pool: sender.pool.clone(),
            lease: sender.lease,
            sender,
            free: Arc::new(Semaphore::new(concurrency)),
            in_hand: Arc::default(),
            wake,
            lifecycle,
        }
    }

    /// Claims and starts until `stop`; what was started goes on.
    ///
    /// The first mail is claimed alone, in one round trip; while mails are found, as many as
    /// there are free places are claimed together.
    pub async fn run(self, stop: CancellationToken) {
        let (mut failures, mut most) = (0, 1);
        let mut unanswered = Unanswered::default();
        while let Some(mut places) = self.ready(most, &stop).await {
            self.settle(&mut unanswered).await;
            match self.claim(places.num_permits()).await {
                Ok(jobs) if jobs.is_empty() => {
                    (failures, most) = (0, 1);
                    drop(places);
                    self.idle(&stop).await;
                }
                Ok(jobs) => {
                    (failures, most) = (0, AT_ONCE);
                    fail_point!("sender.after_claim");
                    for (job, place) in jobs.into_iter().zip(std::iter::from_fn(|| places.split(1))) {
                        self.start(job, place);
                    }
                }
                Err(error) => {
                    drop(places);
                    failures += 1;
                    // A claim of several reads what it has taken: that can fail by itself.
                    if error.outcome_unknown() || most > 1 {
                        unanswered.lost(Instant::now());
                    }
                    self.pause_after(&error, failures, &stop).await;
                }
            }
        }
        // Others need not wait for the leases to end.
        self.settle(&mut unanswered).await;
    }

    /// Waits until a send could start: a free place, and a server. So many places as are free,
    /// but no more than `most`. `None`: stop.
    async fn ready(&self, most: usize, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
        let ready = async {
            let mut places = Arc::clone(&self.free).acquire_owned().await.ok()?;
            self.pool.available().await;
            while places.num_permits() < most
                && let Ok(place) = Arc::clone(&self.free).try_acquire_owned()
            {
                places.merge(place);
            }
            Some(places)
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            places = ready => places,
        }
    }

    async fn claim(&self, most: usize) -> Result<Vec<MailJob>, StoreError> {
        if most > 1 {
            return self.ledger.claim_several(most, self.lease).await;
        }
        Ok(self.ledger.claim(self.lease).await?.into_iter().collect())
    }

    async fn idle(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.wake.notified() => {}
            () = sleep(POLL.mul_f64(0.75 + 0.5 * random_fraction())) => {}
        }
    }

    fn start(&self, job: MailJob, permit: OwnedSemaphorePermit) {
        let (sender, in_hand) = (Arc::clone(&self.sender), Arc::clone(&self.in_hand));
        in_hand.lock().insert(job.id.clone());
        let span = tracing::info_span!("mail", id = job.id, traceparent = job.trace_parent);
        let send = async move {
            sender.send(&job).await;
            in_hand.lock().remove(&job.id);
            drop(permit);
        };
        self.lifecycle.spawn("send", send.instrument(span));
    }

    async fn pause_after(&self, error: &StoreError, failures: u32, stop: &CancellationToken) {
        if failures == 1 {
            tracing::warn!(%error, "no mails can be claimed: trying on");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(exponential(failures, Duration::from_millis(50), Duration::from_secs(2), random_fraction())) => {}
        }
    }

    /// The answer to a claim may be lost, and the mail with it for the length of a lease: whatever
    /// we hold without having it in hand goes back, however often that has to be tried, and is
    /// claimed again at once.
    async fn settle(&self, unanswered: &mut Unanswered) {
        if !unanswered.wants_look(Instant::now(), self.lease) {
            return;
        }
        let known: Vec<String> = self.in_hand.lock().iter().cloned().collect();
        match self.ledger.release_unclaimed(&known).await {
            Ok(released) => {
                unanswered.settled(Instant::now());
                if released > 0 {
                    tracing::info!(released, "mails whose claim was never answered are due again");
                }
            }
            Err(error) => tracing::debug!(%error, "what was claimed without an answer has to wait"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_unknowingly_is_looked_for_until_it_was_done_and_then_until_the_lease_is_over() {
        let lease = Duration::from_secs(90);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut unanswered = Unanswered::default();
        assert!(!unanswered.wants_look(at(0), lease));
        unanswered.lost(at(0));
        // The database is away: the look is tried again for as long as it takes.
        assert!(unanswered.wants_look(at(0), lease) && unanswered.wants_look(at(200), lease));
        unanswered.settled(at(1));
        assert!(!unanswered.wants_look(at(1), lease));
        assert!(unanswered.wants_look(at(2), lease), "a claim may take effect late");
        unanswered.settled(at(2));
        unanswered.lost(at(2));
        assert!(unanswered.wants_look(at(2), lease), "another one: at once");
        unanswered.settled(at(3));
        assert!(unanswered.wants_look(at(92), lease));
        assert!(!unanswered.wants_look(at(93), lease) && !unanswered.wants_look(at(99), lease));
    }
}
