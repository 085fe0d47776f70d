//! Takes one claimed mail through SMTP, so that it is handed over at most once.
//!
//! ```text
//! render ─ connect ─ MAIL ─ RCPT ─ DATA ─ 354 ─ fence ─ body ─ dot ─ 250 ─ sent
//!                                              └ preparing -> data
//! ```
//!
//! Left of the fence the server has no mail: whatever happens, the mail is requeued. Right of
//! it only a reply tells the outcome, and without a reply the mail is `unknown`. The fence is
//! one compare-and-set: no byte of the body is written unless the row is known to say `data`
//! with our epoch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use events::sealing::KeyRing;
use service_kit::{
    Clock,
    backoff::Backoff,
    fail_point,
    panics::{self, Panicked},
    reload::Reloadable,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::compose::{ComposeError, compose};
use crate::{
    ledger::{Ledger, MailJob, Suppressions},
    mailer::{
        connection::{DeliveryTimeouts, OpenTransaction, TransactionStart},
        reply::Reply,
        server_pool::{Checkout, Pool, ServerPermit},
        verdict::{Phase, judge},
    },
    metrics::{Metrics, SendOutcome},
    renderer::{ComposedMail, Renderer},
};

/// The time that a transaction before the fence has after a stop.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// The label in the metric of caught panics.
const PANIC_LABEL: &str = "mail";

/// Sends claimed mails, with parts and settings that all sends share.
pub struct Sender {
    pub ledger: Ledger,
    pub suppressions: Suppressions,
    /// One mail is rendered with one of its values.
    pub renderer: Reloadable<Renderer>,
    pub keys: Arc<KeyRing>,
    pub pool: Pool,
    pub backoff: Backoff,
    /// After a 450 or 451 a mail waits at least this long.
    pub greylisting_pause: Duration,
    pub timeouts: DeliveryTimeouts,
    pub lease: Duration,
    pub clock: Clock,
    pub metrics: Metrics,
    pub stop: CancellationToken,
}

/// Why a mail did not reach the fence.
pub(super) enum TransactionError {
    /// The server sent a reply that does not let the transaction go on.
    Refused { phase: Phase, reply: Reply, permit: ServerPermit },
    /// No server in the list supports this mail; the reason of the last one.
    Unsupported(String),
    /// No reachable server supports this mail, and others are unavailable.
    SomeServersDown(String),
    /// The connection broke, or a step timed out.
    ConnectionBroken(String),
    /// No server accepts connections.
    NoServer(String),
    /// The process stops.
    Stopping,
}

impl Sender {
    /// Sends `job`, which the caller has claimed, and records the outcome. A panic fails this mail
    /// only.
    pub async fn send(&self, job: &MailJob) {
        let started = Instant::now();
        let at_fence = AtomicBool::new(false);
        let sent = panics::catch_future(PANIC_LABEL, self.with_lease(job, self.deliver(job, &at_fence))).await;
        let outcome = match sent {
            Ok(outcome) => outcome,
            Err(panicked) => {
                let failed = self.handle_panic(job, at_fence.into_inner(), &panicked);
                // After a second panic the lease ends, and recovery moves the mail on.
                panics::catch_future(PANIC_LABEL, self.with_lease(job, failed)).await.unwrap_or(SendOutcome::Lost)
            }
        };
        self.metrics.observe_send(job.facts.template, outcome, started.elapsed());
    }

    /// Renews the lease while the work on a mail lasts.
    async fn with_lease(&self, job: &MailJob, work: impl Future<Output = SendOutcome>) -> SendOutcome {
        tokio::select! {
            biased;
            outcome = work => outcome,
            () = self.keep_lease(job) => SendOutcome::Lost,
        }
    }

    /// Records a panic: before the fence the mail has failed, from the fence on it may have been
    /// accepted. If the row does not say `data`, the fence write itself has panicked: no byte of
    /// the body was written, and recovery requeues the mail.
    async fn handle_panic(&self, job: &MailJob, at_fence: bool, panicked: &Panicked) -> SendOutcome {
        let note = panicked.to_string();
        if !at_fence {
            return self.fail(job, &note, None).await;
        }
        tracing::warn!(note, "it is unknown whether the mail was accepted");
        self.record_outcome(job, SendOutcome::Unknown, || self.ledger.mark_unknown(job, &note)).await
    }

    async fn deliver(&self, job: &MailJob, at_fence: &AtomicBool) -> SendOutcome {
        fail_point!("sender.before_compose");
        if job.expires_at <= self.clock.now() {
            return self.record_outcome(job, SendOutcome::Expired, || self.ledger.mark_expired(job)).await;
        }
        let mail = match compose(job, &self.renderer.get(), &self.keys, self.clock.now()) {
            Ok(mail) => mail,
            Err(ComposeError::Permanent(note)) => return self.fail(job, &note, None).await,
            Err(ComposeError::Temporary(note)) => return self.retry(job, &note, None, None).await,
        };
        if let Some(error) = &mail.brand_failure {
            self.metrics.branding_failed().set(1);
            tracing::error!(%error, "the layout of the brand failed for a mail; the built-in one was used");
        }
        let opened = tokio::select! {
            biased;
            opened = self.open_transaction(job, &mail) => opened,
            () = self.stop_grace_over() => Err(TransactionError::Stopping),
        };
        match opened {
            Ok((transaction, permit)) => self.deliver_body(job, &mail, transaction, permit, at_fence).await,
            Err(why) => self.handle_transaction_error(job, why).await,
        }
    }

    /// Opens a transaction up to the server's 354. May be dropped at any point: the socket closes,
    /// and the server has no mail.
    async fn open_transaction(
        &self,
        job: &MailJob,
        mail: &ComposedMail,
    ) -> Result<(OpenTransaction, ServerPermit), TransactionError> {
        let mut excluded = Vec::new();
        let mut why = None;
        loop {
            let Checkout { connection, permit } = match (self.pool.checkout(&excluded).await, why) {
                (Ok(checkout), _) => checkout,
                (Err(unavailable), None) => return Err(TransactionError::NoServer(unavailable.to_string())),
                (Err(_), Some(problem)) if excluded.len() == self.pool.server_count() => {
                    return Err(TransactionError::Unsupported(problem));
                }
                (Err(unavailable), Some(problem)) => {
                    return Err(TransactionError::SomeServersDown(format!("{problem}; {unavailable}")));
                }
            };
            match connection.begin(&mail.envelope, mail.message.as_bytes()).await {
                Ok(TransactionStart::Open(transaction)) => return Ok((transaction, permit)),
                Ok(TransactionStart::Refused { phase, reply, connection }) => {
                    if !judge(phase, &reply).closes_connection() {
                        permit.return_connection(connection);
                    }
                    return Err(TransactionError::Refused { phase, reply, permit });
                }
                Ok(TransactionStart::Unsupported { problem, connection }) => {
                    excluded.push(permit.server());
                    permit.return_unused(connection);
                    why = Some(problem);
                }
                Err(broken) => {
                    permit.report_broken(&job.id);
                    return Err(TransactionError::ConnectionBroken(broken.to_string()));
                }
            }
        }
    }

    /// Passes the fence and sends the body. Never cancelled.
    async fn deliver_body(
        &self,
        job: &MailJob,
        mail: &ComposedMail,
        transaction: OpenTransaction,
        permit: ServerPermit,
        at_fence: &AtomicBool,
    ) -> SendOutcome {
        if job.expires_at <= self.clock.now() {
            drop(transaction);
            return self.record_outcome(job, SendOutcome::Expired, || self.ledger.mark_expired(job)).await;
        }
        fail_point!("sender.before_flip");
        let fence_started = Instant::now();
        at_fence.store(true, Ordering::Relaxed);
        match self.ledger.pass_fence(job, self.lease).await {
            // A process that was suspended since then may have lost the mail to recovery.
            Ok(true) if fence_started.elapsed() < self.lease => {}
            Ok(false) => {
                drop(transaction);
                tracing::warn!("the mail was taken over before the fence: this process does not send it");
                return SendOutcome::Lost;
            }
            Ok(true) => {
                drop(transaction);
                return self.undo_fence(job, fence_started, "the fence took longer than the lease").await;
            }
            Err(error) => {
                drop(transaction);
                tracing::warn!(%error, "the outcome of the fence write is unknown: the mail is not sent now");
                return self.undo_fence(job, fence_started, "the ledger did not answer at the fence").await;
            }
        }
        fail_point!("sender.after_flip");
        match transaction.deliver(mail.message.as_bytes(), self.timeouts).await {
            Ok((reply, connection)) => {
                fail_point!("sender.after_reply");
                if !Phase::Dot.accepts(&reply) && judge(Phase::Dot, &reply).closes_connection() {
                    drop(connection);
                } else {
                    permit.return_connection(connection);
                }
                self.handle_body_reply(job, reply, permit).await
            }
            Err(broken) => self.handle_missing_reply(job, &broken, permit).await,
        }
    }

    /// Requeues the mail after a fence write of unknown outcome, with the socket closed and no byte
    /// of the body written. Repeated until the lease ends: from then on recovery may have seen
    /// `data`.
    async fn undo_fence(&self, job: &MailJob, fence_started: Instant, note: &str) -> SendOutcome {
        let mut failures = 0;
        while fence_started.elapsed() < self.lease {
            match self.ledger.undo_fence(job, note).await {
                Ok(_) => return SendOutcome::GivenBack,
                Err(error) => failures = self.pause_after_failure(&error, failures).await,
            }
        }
        SendOutcome::Lost
    }

    /// Renews the lease until the mail is no longer held. Never returns.
    async fn keep_lease(&self, job: &MailJob) {
        loop {
            sleep(self.lease / 3).await;
            match self.ledger.renew_lease(job, self.lease).await {
                Ok(true) => {}
                Ok(false) => std::future::pending().await,
                Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
            }
        }
    }

    async fn stop_grace_over(&self) {
        self.stop.cancelled().await;
        sleep(STOP_GRACE).await;
    }
}
