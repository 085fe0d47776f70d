//! Claims mails that are due, and starts a send for each: at most `sender.concurrency`.

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use service_kit::{Lifecycle, fail_point, mongo::StoreError};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::fence::Sender;
use crate::{
    ledger::{Ledger, MailJob},
    mailer::{
        backoff::{chance, doubling},
        pool::Pool,
    },
};

/// How often the ledger is asked when nothing wakes us: retries fall due unannounced.
const POLL: Duration = Duration::from_millis(800);

/// Mails that are claimed together. More would only wait: a claim takes a millisecond or two.
const AT_ONCE: usize = 32;

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
        while let Some(mut places) = self.ready(most, &stop).await {
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
                    self.recover_from(&error, failures, &stop).await;
                }
            }
        }
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
            () = sleep(POLL.mul_f64(0.75 + 0.5 * chance())) => {}
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

    /// The answer to a claim may be lost, and the mail with it for the length of a lease:
    /// whatever we hold without having it in hand goes back.
    async fn recover_from(&self, error: &StoreError, failures: u32, stop: &CancellationToken) {
        if failures == 1 {
            tracing::warn!(%error, "no mails can be claimed: trying on");
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(doubling(failures, Duration::from_millis(50), Duration::from_secs(2), chance())) => {}
        }
        if error.outcome_unknown() {
            let known: Vec<String> = self.in_hand.lock().iter().cloned().collect();
            match self.ledger.release_unclaimed(&known).await {
                Ok(0) => {}
                Ok(released) => tracing::info!(released, "mails whose claim was never answered are due again"),
                Err(error) => tracing::debug!(%error, "what was claimed without an answer waits for its lease to end"),
            }
        }
    }
}
