//! What is done after the answer, from bounded queues: mails that were asked for (the
//! answer says nothing, neither does its time), and audit rows of what has no event.

use std::sync::Arc;

use events::TraceParent;
use tokio::sync::mpsc;
use tracing::Instrument;
use uuid::Uuid;

use super::{Accounts, request_verification};
use crate::{
    metrics::AccountMetrics,
    outbox::Origin,
    store::{AuditRow, AuditStore},
};
use service_kit::{Clock, Ids};

const MAIL_REQUESTS: usize = 1_000;
const AUDIT_ROWS: usize = 1_000;

/// A mail that somebody asked for.
struct VerificationRequest {
    email_key: String,
    origin: Origin,
}

/// The queues' entrance.
#[derive(Clone)]
pub struct BackgroundQueue {
    mails: mpsc::Sender<VerificationRequest>,
    audit: mpsc::Sender<AuditRow>,
    clock: Clock,
    ids: Ids,
    metrics: AccountMetrics,
}

/// The queues' other end.
pub struct Background {
    mails: mpsc::Receiver<VerificationRequest>,
    audit: mpsc::Receiver<AuditRow>,
}

impl BackgroundQueue {
    /// The two ends.
    #[must_use]
    pub fn new(clock: Clock, ids: Ids, metrics: AccountMetrics) -> (Self, Background) {
        let (mails, mails_receiver) = mpsc::channel(MAIL_REQUESTS);
        let (audit, audit_receiver) = mpsc::channel(AUDIT_ROWS);
        let queue = Self { mails, audit, clock, ids, metrics };
        (queue, Background { mails: mails_receiver, audit: audit_receiver })
    }

    /// Asks for another verification mail; false when the queue is full.
    #[must_use]
    pub fn request_verification(&self, email_key: String, origin: Origin) -> bool {
        let queued = self.mails.try_send(VerificationRequest { email_key, origin }).is_ok();
        if !queued {
            self.metrics.background_dropped.inc();
        }
        queued
    }

    pub(super) fn note_failed_login(&self, user: Uuid, origin: &Origin) {
        self.note(user, "login_failed", origin);
    }

    pub(super) fn note_wrong_password(&self, user: Uuid, origin: &Origin) {
        self.note(user, "password_refused", origin);
    }

    pub(super) fn note_reuse(&self, user: Uuid, origin: &Origin) {
        self.note(user, "refresh_token_reused", origin);
    }

    pub(super) fn note_logout(&self, user: Uuid, origin: &Origin) {
        self.note(user, "logged_out", origin);
    }

    fn note(&self, user: Uuid, kind: &'static str, origin: &Origin) {
        let at = self.clock.now();
        let row = AuditRow { id: self.ids.v7(at), user, at, kind, part: origin.audit_part() };
        if self.audit.try_send(row).is_err() {
            self.metrics.audit_dropped.inc();
        }
    }
}

impl Background {
    /// Works until every sender is gone and the queues are empty: `accounts` holds one,
    /// so close the queues with `stop` first.
    pub async fn run(mut self, accounts: Arc<Accounts>, stop: tokio_util::sync::CancellationToken) {
        let audit = accounts.store.audit.clone();
        loop {
            tokio::select! {
                Some(request) = self.mails.recv() => serve(&accounts, request).await,
                Some(row) = self.audit.recv() => write(&audit, &row, &accounts.metrics).await,
                () = stop.cancelled() => break,
            }
        }
        self.mails.close();
        self.audit.close();
        while let Some(request) = self.mails.recv().await {
            serve(&accounts, request).await;
        }
        while let Some(row) = self.audit.recv().await {
            write(&audit, &row, &accounts.metrics).await;
        }
    }
}

async fn serve(accounts: &Accounts, request: VerificationRequest) {
    let trace = request.origin.trace_parent.as_ref().map(TraceParent::as_str).unwrap_or_default();
    let span = tracing::info_span!("verification_request", trace_parent = trace);
    let served = request_verification(accounts, &request.email_key, &request.origin).instrument(span);
    if let Err(error) = served.await {
        tracing::warn!(%error, "a verification mail that was asked for was not sent");
    }
}

async fn write(audit: &AuditStore, row: &AuditRow, metrics: &AccountMetrics) {
    if !matches!(audit.record(row).await, Ok(true)) {
        metrics.audit_dropped.inc();
    }
}
