//! Records the outcome of a send in the ledger.

use std::time::Duration;

use service_kit::{
    backoff::{self, random_fraction},
    mongo::StoreError,
};

use super::delivery::{Sender, TransactionError};
use crate::{
    ledger::{
        MailJob,
        claims::{Requeue, WriteOutcome},
    },
    mailer::{
        connection::ConnectionBroken,
        reply::Reply,
        server_pool::ServerPermit,
        verdict::{Phase, Verdict, judge},
    },
    metrics::SendOutcome,
};

/// The delay of a mail that a server refuses for reasons of its own.
const RELAY_TROUBLE_DELAY: Duration = Duration::from_secs(30);
/// The delay of a mail for which no server was available; the breaker makes it longer.
const NO_SERVER_DELAY: Duration = Duration::from_secs(1);

impl Sender {
    /// Handles the server's reply to the body.
    pub(super) async fn handle_body_reply(&self, job: &MailJob, reply: Reply, permit: ServerPermit) -> SendOutcome {
        if Phase::Dot.accepts(&reply) {
            permit.report_accepted();
            drop(permit);
            let latency = self.clock.now().duration_since(job.facts.event_time);
            self.metrics.observe_delivery(latency.try_into().unwrap_or_default());
            let text = reply.to_string();
            tracing::info!(template = %job.facts.template, reply = text, "the mail was accepted");
            return self.record_outcome(job, SendOutcome::Sent, || self.ledger.mark_sent(job, &text)).await;
        }
        match judge(Phase::Dot, &reply) {
            Verdict::OutOfStep => {
                permit.report_broken(&job.id);
                drop(permit);
                let note = format!("the reply to the body is invalid: {reply}");
                self.record_outcome(job, SendOutcome::Unknown, || self.ledger.mark_unknown(job, &note)).await
            }
            verdict => self.handle_refusal(job, Phase::Dot, &reply, verdict, permit).await,
        }
    }

    /// Handles a server that did not reply to the body in time, or closed the connection: it may have the mail.
    pub(super) async fn handle_missing_reply(
        &self,
        job: &MailJob,
        broken: &ConnectionBroken,
        permit: ServerPermit,
    ) -> SendOutcome {
        permit.report_broken(&job.id);
        drop(permit);
        let note = format!("no reply to the body: {broken}");
        tracing::warn!(note, "it is unknown whether the mail was accepted");
        self.record_outcome(job, SendOutcome::Unknown, || self.ledger.mark_unknown(job, &note)).await
    }

    /// Handles a transaction that was not opened, so the server has no mail: it refused the mail, did not reply in time,
    /// or closed the connection.
    pub(super) async fn handle_transaction_error(&self, job: &MailJob, why: TransactionError) -> SendOutcome {
        match why {
            TransactionError::Refused { phase, reply, permit } => {
                let verdict = judge(phase, &reply);
                self.handle_refusal(job, phase, &reply, verdict, permit).await
            }
            TransactionError::Unsupported(problem) => self.fail(job, &problem, None).await,
            TransactionError::SomeServersDown(problem) | TransactionError::ConnectionBroken(problem) => {
                self.retry(job, &problem, None, None).await
            }
            TransactionError::NoServer(problem) => {
                self.requeue_without_attempt(job, NO_SERVER_DELAY, &problem, None).await
            }
            TransactionError::Stopping => {
                self.requeue_without_attempt(job, Duration::ZERO, "the service stops", None).await
            }
        }
    }

    /// Handles a certain refusal: the server has no mail.
    pub(super) async fn handle_refusal(
        &self,
        job: &MailJob,
        phase: Phase,
        reply: &Reply,
        verdict: Verdict,
        permit: ServerPermit,
    ) -> SendOutcome {
        self.metrics.count_refusal(phase.as_str(), reply.code);
        let note = format!("reply to {phase}: {reply}");
        let text = reply.to_string();
        tracing::info!(note, ?verdict, "the server refused the mail");
        match verdict {
            Verdict::RelayTrouble => permit.report_refused(&job.id, phase == Phase::Mail),
            Verdict::OutOfStep => permit.report_broken(&job.id),
            Verdict::Retry { .. } | Verdict::Fail { .. } => {}
        }
        // The next mail on this server need not wait for the ledger.
        drop(permit);
        match verdict {
            Verdict::Retry { greylisted, close: _ } => {
                let at_least = greylisted.then_some(self.greylisting_pause);
                self.retry(job, &note, Some(&text), at_least).await
            }
            // Replies are out of step, and the body was not sent: try again on another connection.
            Verdict::OutOfStep => self.retry(job, &note, Some(&text), None).await,
            Verdict::Fail { suppress } => {
                if suppress {
                    self.suppress_recipient(job, &text).await;
                }
                self.fail(job, &note, Some(&text)).await
            }
            Verdict::RelayTrouble => {
                let delay = if phase == Phase::Mail { NO_SERVER_DELAY } else { RELAY_TROUBLE_DELAY };
                self.requeue_without_attempt(job, delay, &note, Some(&text)).await
            }
        }
    }

    pub(super) async fn retry(
        &self,
        job: &MailJob,
        note: &str,
        reply: Option<&str>,
        at_least: Option<Duration>,
    ) -> SendOutcome {
        let attempts = u32::try_from(job.attempts).unwrap_or(u32::MAX).saturating_add(1);
        let requeue = Requeue {
            delay: self.backoff.delay_after(attempts, at_least, random_fraction()),
            attempted: true,
            note,
            reply,
        };
        self.record_outcome(job, SendOutcome::Retried, || self.ledger.requeue(job, &requeue)).await
    }

    /// Requeues the mail without counting an attempt.
    pub(super) async fn requeue_without_attempt(
        &self,
        job: &MailJob,
        delay: Duration,
        note: &str,
        reply: Option<&str>,
    ) -> SendOutcome {
        let requeue = Requeue { delay, attempted: false, note, reply };
        self.record_outcome(job, SendOutcome::GivenBack, || self.ledger.requeue(job, &requeue)).await
    }

    pub(super) async fn fail(&self, job: &MailJob, note: &str, reply: Option<&str>) -> SendOutcome {
        tracing::warn!(note, "the mail has failed");
        self.record_outcome(job, SendOutcome::Failed, || self.ledger.mark_failed(job, note, reply)).await
    }

    pub(super) async fn suppress_recipient(&self, job: &MailJob, reply: &str) {
        let mut failures = 0;
        while let Err(error) = self.suppressions.add(&job.facts.to, reply, &job.id).await {
            failures = self.pause_after_failure(&error, failures).await;
        }
    }

    /// Writes an outcome, however long the ledger is unreachable: only this process knows it. If
    /// the process ends meanwhile, recovery moves the mail on.
    pub(super) async fn record_outcome<W, F>(&self, job: &MailJob, outcome: SendOutcome, write: W) -> SendOutcome
    where
        W: Fn() -> F,
        F: Future<Output = Result<WriteOutcome, StoreError>>,
    {
        let mut failures = 0;
        loop {
            match write().await {
                Ok(WriteOutcome::Done) => return outcome,
                Ok(WriteOutcome::Lost(state)) => {
                    tracing::warn!(
                        mail = job.id,
                        ?outcome,
                        ?state,
                        "the mail was taken over: the outcome of this process is not recorded"
                    );
                    return SendOutcome::Lost;
                }
                Err(error) => failures = self.pause_after_failure(&error, failures).await,
            }
        }
    }

    pub(super) async fn pause_after_failure(&self, error: &StoreError, failures: u32) -> u32 {
        if failures == 0 {
            tracing::warn!(%error, "the ledger does not answer: trying again");
        }
        let failures = failures.saturating_add(1);
        backoff::pause(failures, Duration::from_millis(50), Duration::from_secs(1)).await;
        failures
    }
}
