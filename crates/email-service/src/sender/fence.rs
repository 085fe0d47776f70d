//! Drives one claimed mail through SMTP, so that it is handed over once.
//!
//! ```text
//! render ─ connect ─ MAIL ─ RCPT ─ DATA ─ 354 ─ flip ─ body ─ dot ─ 250 ─ sent
//!                                              └ the fence: preparing -> data
//! ```
//!
//! Left of the fence the server has no mail: whatever happens, the mail goes back. Right of
//! it only a reply says what became of it, and where none comes it is `unknown`. Between
//! the two stands one compare-and-set: no byte of the body is written unless the row is
//! known to say `data` under our epoch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use events::{
    SealedToken,
    sealing::{KeyRing, OpenError},
};
use secrecy::SecretString;
use service_kit::{
    Clock,
    backoff::{Backoff, exponential, random_fraction},
    fail_point,
    mongo::StoreError,
    panics::{self, Panicked},
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::{
        Ledger, MailJob, Suppressions,
        ledger::{GivenBack, Written},
    },
    mailer::{
        connection::{Begun, OpenTransaction, Patience},
        pool::{Checkout, Pool, Turn},
        verdict::{Phase, Reply, Verdict, judge},
    },
    metrics::{Metrics, SendOutcome},
    renderer::{ComposedMail, MailContent, Renderer},
};

/// After a stop, a transaction that has not reached the fence is given this long.
const LAST_CHANCE: Duration = Duration::from_secs(2);
/// A mail that a server refuses for its own reasons comes back after this.
const AFTER_RELAY_TROUBLE: Duration = Duration::from_secs(30);
/// A mail that met no server comes back after this; the breaker keeps it longer.
const AFTER_NO_SERVER: Duration = Duration::from_secs(1);

/// The label of the metric of caught panics.
const PLACE: &str = "mail";

/// What sending needs. Shared by all sends.
pub struct Sender {
    pub ledger: Ledger,
    pub suppressions: Suppressions,
    pub renderer: Renderer,
    pub keys: Arc<KeyRing>,
    pub pool: Pool,
    pub backoff: Backoff,
    /// After a 450 or 451 a mail waits at least this long.
    pub greylisting_pause: Duration,
    pub patience: Patience,
    pub lease: Duration,
    pub clock: Clock,
    pub metrics: Metrics,
    pub stop: CancellationToken,
}

/// Why a mail did not reach the fence.
enum NotOpened {
    /// The server answered, but not what lets the transaction go on.
    Refused { phase: Phase, reply: Reply, turn: Turn },
    /// No server of the list can take such a mail; why the last one cannot.
    Unsupported(String),
    /// Those servers that could be asked cannot take it; others are away.
    Waits(String),
    /// The connection broke, or a step took too long.
    Broken(String),
    /// No server takes connections.
    NoServer(String),
    /// The process stops.
    Stopping,
}

/// Why a mail cannot be made.
enum NotComposed {
    /// Trying again does not help.
    Never(String),
    /// An operator can help.
    NotYet(String),
}

impl Sender {
    /// Sends `job`, which the caller has claimed, and writes down what became of it. A panic is the
    /// failure of this mail only.
    pub async fn send(&self, job: &MailJob) {
        let started = Instant::now();
        let at_fence = AtomicBool::new(false);
        let sent = panics::catch_future(PLACE, self.hold(job, self.deliver(job, &at_fence))).await;
        let outcome = match sent {
            Ok(outcome) => outcome,
            Err(panicked) => {
                let failed = self.panicked(job, at_fence.into_inner(), &panicked);
                // Otherwise the lease ends, and recovery moves the mail on.
                panics::catch_future(PLACE, self.hold(job, failed)).await.unwrap_or(SendOutcome::Lost)
            }
        };
        self.metrics.send_outcome(job.template, outcome, started.elapsed());
    }

    /// Keeps the lease while the work on a mail lasts.
    async fn hold(&self, job: &MailJob, work: impl Future<Output = SendOutcome>) -> SendOutcome {
        tokio::select! {
            biased;
            outcome = work => outcome,
            () = self.keep_lease(job) => SendOutcome::Lost,
        }
    }

    /// Before the fence the mail has failed. From the fence on it may have been accepted. If the row does not
    /// say `data` the flip itself has panicked: no byte of the body was written, and recovery queues the mail.
    async fn panicked(&self, job: &MailJob, at_fence: bool, panicked: &Panicked) -> SendOutcome {
        let note = panicked.to_string();
        if !at_fence {
            return self.fail(job, &note, None).await;
        }
        tracing::warn!(note, "it is not known whether the mail was accepted");
        self.settled(job, SendOutcome::Unknown, || self.ledger.unknown(job, &note)).await
    }

    async fn deliver(&self, job: &MailJob, at_fence: &AtomicBool) -> SendOutcome {
        fail_point!("sender.before_compose");
        if job.expires_at <= self.clock.now() {
            return self.settled(job, SendOutcome::Expired, || self.ledger.expired(job)).await;
        }
        let mail = match self.compose(job) {
            Ok(mail) => mail,
            Err(NotComposed::Never(note)) => return self.fail(job, &note, None).await,
            Err(NotComposed::NotYet(note)) => return self.retry(job, &note, None, None).await,
        };
        let opened = tokio::select! {
            biased;
            opened = self.open(job, &mail) => opened,
            () = self.last_chance() => Err(NotOpened::Stopping),
        };
        match opened {
            Ok((transaction, turn)) => self.cross(job, &mail, transaction, turn, at_fence).await,
            Err(why) => self.not_opened(job, why).await,
        }
    }

    /// The mail, with its token opened; both are gone when the send is over.
    fn compose(&self, job: &MailJob) -> Result<ComposedMail, NotComposed> {
        let token = self.open_link(job)?;
        let content = MailContent {
            template: job.template,
            to: &job.to,
            display_name: job.display_name.as_deref(),
            locale: job.locale.as_deref(),
            username: job.facts.username.as_deref(),
            link_token: token.as_ref(),
            link_expires_at: job.link.as_ref().map(|link| link.expires_at),
            new_email: job.facts.new_email.as_deref(),
            old_email: job.facts.old_email.as_deref(),
            remaining: job.facts.remaining,
            locked_until: job.facts.locked_until,
            totp_disabled_by: job.facts.totp_disabled_by,
            undone_change: job.facts.undone_change,
            event_time: job.event_time,
            message_id: &job.message_id,
            date: self.clock.now(),
        };
        self.renderer.compose(&content).map_err(|error| NotComposed::Never(error.to_string()))
    }

    fn open_link(&self, job: &MailJob) -> Result<Option<SecretString>, NotComposed> {
        let Some(link) = &job.link else { return Ok(None) };
        let Ok(event_id) = job.event_id.parse() else {
            return Err(NotComposed::Never("the row has no event id".to_owned()));
        };
        let sealed = SealedToken { kid: link.kid.clone(), sealed_box: link.sealed_box.clone() };
        match self.keys.open_bound(&sealed, &job.to, link.purpose, event_id) {
            Ok(token) => Ok(Some(token)),
            Err(error @ OpenError::UnknownKey) => Err(NotComposed::NotYet(error.to_string())),
            Err(error @ (OpenError::Broken | OpenError::Mismatch)) => Err(NotComposed::Never(error.to_string())),
        }
    }

    /// Up to the server's 354. May be dropped at any point: the socket closes, and the
    /// server has no mail.
    async fn open(&self, job: &MailJob, mail: &ComposedMail) -> Result<(OpenTransaction, Turn), NotOpened> {
        let mut unable = Vec::new();
        let mut why = None;
        loop {
            let Checkout { connection, turn } = match (self.pool.checkout(&unable).await, why) {
                (Ok(checkout), _) => checkout,
                (Err(unavailable), None) => return Err(NotOpened::NoServer(unavailable.to_string())),
                (Err(_), Some(problem)) if unable.len() == self.pool.servers() => {
                    return Err(NotOpened::Unsupported(problem));
                }
                (Err(unavailable), Some(problem)) => {
                    return Err(NotOpened::Waits(format!("{problem}; {unavailable}")));
                }
            };
            match connection.begin(&mail.envelope, mail.message.as_bytes()).await {
                Ok(Begun::Open(transaction)) => return Ok((transaction, turn)),
                Ok(Begun::Refused { phase, reply, connection }) => {
                    if !closes(judge(phase, &reply)) {
                        turn.put_back(connection);
                    }
                    return Err(NotOpened::Refused { phase, reply, turn });
                }
                Ok(Begun::Unsupported { problem, connection }) => {
                    unable.push(turn.server());
                    turn.unused(connection);
                    why = Some(problem);
                }
                Err(broken) => {
                    turn.broke(&job.id);
                    return Err(NotOpened::Broken(broken.to_string()));
                }
            }
        }
    }

    /// The fence, and what lies behind it. Never cancelled.
    async fn cross(
        &self,
        job: &MailJob,
        mail: &ComposedMail,
        transaction: OpenTransaction,
        turn: Turn,
        at_fence: &AtomicBool,
    ) -> SendOutcome {
        if job.expires_at <= self.clock.now() {
            drop(transaction);
            return self.settled(job, SendOutcome::Expired, || self.ledger.expired(job)).await;
        }
        fail_point!("sender.before_flip");
        let flip_sent = Instant::now();
        at_fence.store(true, Ordering::Relaxed);
        match self.ledger.flip(job, self.lease).await {
            // A process that slept since then may have been given up already.
            Ok(true) if flip_sent.elapsed() < self.lease => {}
            Ok(false) => {
                drop(transaction);
                tracing::warn!("the mail was taken over before the fence: not sent here");
                return SendOutcome::Lost;
            }
            Ok(true) => {
                drop(transaction);
                return self.take_back(job, flip_sent, "the fence took longer than the lease").await;
            }
            Err(error) => {
                drop(transaction);
                tracing::warn!(%error, "the fence is of unknown outcome: not sent now");
                return self.take_back(job, flip_sent, "the ledger did not answer at the fence").await;
            }
        }
        fail_point!("sender.after_flip");
        match transaction.deliver(mail.message.as_bytes(), self.patience).await {
            Ok((reply, connection)) => {
                fail_point!("sender.after_reply");
                if !Phase::Dot.accepts(&reply) && closes(judge(Phase::Dot, &reply)) {
                    drop(connection);
                } else {
                    turn.put_back(connection);
                }
                self.answered(job, reply, turn).await
            }
            Err(broken) => {
                turn.broke(&job.id);
                drop(turn);
                let note = format!("no reply to the body: {broken}");
                tracing::warn!(note, "nobody knows whether the mail was accepted");
                self.settled(job, SendOutcome::Unknown, || self.ledger.unknown(job, &note)).await
            }
        }
    }

    /// After a flip whose outcome is unknown, with the socket closed and no byte of the body
    /// written. Repeated until the lease ends: from then on recovery may have seen `data`.
    async fn take_back(&self, job: &MailJob, flip_sent: Instant, note: &str) -> SendOutcome {
        let mut failures = 0;
        while flip_sent.elapsed() < self.lease {
            match self.ledger.take_back(job, note).await {
                Ok(_) => return SendOutcome::GivenBack,
                Err(error) => failures = self.pause_after(&error, failures).await,
            }
        }
        SendOutcome::Lost
    }

    /// The server's word on the body.
    async fn answered(&self, job: &MailJob, reply: Reply, turn: Turn) -> SendOutcome {
        if Phase::Dot.accepts(&reply) {
            turn.accepted();
            drop(turn);
            let latency = self.clock.now().duration_since(job.event_time);
            self.metrics.delivered(latency.try_into().unwrap_or_default());
            let text = reply.to_string();
            tracing::info!(template = %job.template, reply = text, "the mail was accepted");
            return self.settled(job, SendOutcome::Sent, || self.ledger.sent(job, &text)).await;
        }
        match judge(Phase::Dot, &reply) {
            Verdict::OutOfStep => {
                turn.broke(&job.id);
                drop(turn);
                let note = format!("the reply to the body is none: {reply}");
                self.settled(job, SendOutcome::Unknown, || self.ledger.unknown(job, &note)).await
            }
            verdict => self.refused(job, Phase::Dot, &reply, verdict, turn).await,
        }
    }

    async fn not_opened(&self, job: &MailJob, why: NotOpened) -> SendOutcome {
        match why {
            NotOpened::Refused { phase, reply, turn } => {
                let verdict = judge(phase, &reply);
                self.refused(job, phase, &reply, verdict, turn).await
            }
            NotOpened::Unsupported(problem) => self.fail(job, &problem, None).await,
            NotOpened::Waits(problem) | NotOpened::Broken(problem) => self.retry(job, &problem, None, None).await,
            NotOpened::NoServer(problem) => self.give_back(job, AFTER_NO_SERVER, &problem, None).await,
            NotOpened::Stopping => self.give_back(job, Duration::ZERO, "the service stops", None).await,
        }
    }

    /// A refusal that is certain: the server has no mail.
    async fn refused(&self, job: &MailJob, phase: Phase, reply: &Reply, verdict: Verdict, turn: Turn) -> SendOutcome {
        self.metrics.refusal(phase.as_str(), reply.code);
        let note = format!("reply to {phase}: {reply}");
        let text = reply.to_string();
        tracing::info!(note, ?verdict, "the server refused");
        match verdict {
            Verdict::RelayTrouble => turn.refused(&job.id, phase == Phase::Mail),
            Verdict::OutOfStep => turn.broke(&job.id),
            Verdict::Retry { .. } | Verdict::Fail { .. } => {}
        }
        // The next mail's turn need not wait for the ledger.
        drop(turn);
        match verdict {
            Verdict::Retry { greylisted, close: _ } => {
                let at_least = greylisted.then_some(self.greylisting_pause);
                self.retry(job, &note, Some(&text), at_least).await
            }
            // Replies are out of step, and the body is not sent: another connection.
            Verdict::OutOfStep => self.retry(job, &note, Some(&text), None).await,
            Verdict::Fail { suppress } => {
                if suppress {
                    self.suppress(job, &text).await;
                }
                self.fail(job, &note, Some(&text)).await
            }
            Verdict::RelayTrouble => {
                let delay = if phase == Phase::Mail { AFTER_NO_SERVER } else { AFTER_RELAY_TROUBLE };
                self.give_back(job, delay, &note, Some(&text)).await
            }
        }
    }

    async fn retry(&self, job: &MailJob, note: &str, reply: Option<&str>, at_least: Option<Duration>) -> SendOutcome {
        let attempts = u32::try_from(job.attempts).unwrap_or(u32::MAX).saturating_add(1);
        let back = GivenBack {
            delay: self.backoff.delay_after(attempts, at_least, random_fraction()),
            attempted: true,
            note,
            reply,
        };
        self.settled(job, SendOutcome::Retried, || self.ledger.give_back(job, &back)).await
    }

    /// Back without a lost attempt.
    async fn give_back(&self, job: &MailJob, delay: Duration, note: &str, reply: Option<&str>) -> SendOutcome {
        let back = GivenBack { delay, attempted: false, note, reply };
        self.settled(job, SendOutcome::GivenBack, || self.ledger.give_back(job, &back)).await
    }

    async fn fail(&self, job: &MailJob, note: &str, reply: Option<&str>) -> SendOutcome {
        tracing::warn!(note, "the mail has failed");
        self.settled(job, SendOutcome::Failed, || self.ledger.failed(job, note, reply)).await
    }

    async fn suppress(&self, job: &MailJob, reply: &str) {
        let mut failures = 0;
        while let Err(error) = self.suppressions.add(&job.to, reply, &job.id).await {
            failures = self.pause_after(&error, failures).await;
        }
    }

    /// Writes an outcome down, however long the ledger is away: it is known only here. The
    /// process may end meanwhile; then recovery does what can be done without it.
    async fn settled<W, F>(&self, job: &MailJob, outcome: SendOutcome, write: W) -> SendOutcome
    where
        W: Fn() -> F,
        F: Future<Output = Result<Written, StoreError>>,
    {
        let mut failures = 0;
        loop {
            match write().await {
                Ok(Written::Done) => return outcome,
                Ok(Written::Lost(state)) => {
                    tracing::warn!(
                        mail = job.id,
                        ?outcome,
                        ?state,
                        "the mail was taken over: its outcome here is void"
                    );
                    return SendOutcome::Lost;
                }
                Err(error) => failures = self.pause_after(&error, failures).await,
            }
        }
    }

    async fn pause_after(&self, error: &StoreError, failures: u32) -> u32 {
        if failures == 0 {
            tracing::warn!(%error, "the ledger does not answer: trying on");
        }
        let failures = failures.saturating_add(1);
        sleep(exponential(failures, Duration::from_millis(50), Duration::from_secs(1), random_fraction())).await;
        failures
    }

    /// Renews the lease until the mail is no longer held. Never returns.
    async fn keep_lease(&self, job: &MailJob) {
        loop {
            sleep(self.lease / 3).await;
            match self.ledger.renew(job, self.lease).await {
                Ok(true) => {}
                Ok(false) => std::future::pending().await,
                Err(error) => tracing::warn!(%error, "the lease could not be renewed"),
            }
        }
    }

    async fn last_chance(&self) {
        self.stop.cancelled().await;
        sleep(LAST_CHANCE).await;
    }
}

/// Whether the connection is of no more use after such a reply.
fn closes(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::OutOfStep | Verdict::RelayTrouble | Verdict::Retry { close: true, .. })
}
