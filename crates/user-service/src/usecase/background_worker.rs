//! Processes the background queues, after the responses were sent.

use std::{sync::Arc, time::Duration};

use events::TraceParent;
use service_kit::{fail_point, panics};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    account_service::AccountService,
    background_queue::{BackgroundWorker, DetectedAttack, HiddenRegistration, MailRequest, RequestedMail},
    email_address::verify_email::request_verification,
    password::reset_password::{ResetOccasion, send_reset_mail},
    sessions::attack_notice::send_attack_notice,
};
use crate::store::{AuditRow, Store};

/// The maximum number of audit rows that are written together.
const MAX_AUDIT_BATCH: usize = 100;
/// The delay of audit rows and attack notices, counted from the first one.
const DELAY: Duration = Duration::from_millis(50);

impl BackgroundWorker {
    /// Processes the queues until `stop`, and then until they are empty.
    pub async fn run(self, accounts: Arc<AccountService>, stop: CancellationToken) {
        let Self { mails, registrations, attacks, audit } = self;
        let (accounts, stop) = (&*accounts, &stop);
        tokio::join!(
            process(mails, 1, None, stop, |request| send_requested_mail(accounts, request)),
            process(registrations, 1, None, stop, |registration| process_registration(accounts, registration)),
            process(attacks, 1, Some(DELAY), stop, |attack| notify_owner(accounts, attack)),
            process(audit, MAX_AUDIT_BATCH, Some(DELAY), stop, |row| write_audit_row(accounts, row)),
        );
    }
}

/// Processes the items of a queue in batches, each after a delay from its first item. Without the delay the work would
/// slow down the response that it belongs to, and the time of the response would reveal that there is work. A panic ends
/// only its item; it is logged and counted.
async fn process<T, F: Future<Output = ()>>(
    mut queue: mpsc::Receiver<T>,
    batch_size: usize,
    delay: Option<Duration>,
    stop: &CancellationToken,
    process_item: impl Fn(T) -> F,
) {
    let mut batch = Vec::with_capacity(batch_size);
    while !stop.is_cancelled() {
        tokio::select! {
            _ = queue.recv_many(&mut batch, batch_size) => {}
            () = stop.cancelled() => break,
        }
        if let Some(delay) = delay {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = stop.cancelled() => {}
            }
        }
        for item in batch.drain(..) {
            let _ = panics::catch_future("background", process_item(item)).await;
        }
    }
    queue.close();
    while let Some(item) = queue.recv().await {
        let _ = panics::catch_future("background", process_item(item)).await;
    }
}

async fn send_requested_mail(accounts: &AccountService, request: MailRequest) {
    let MailRequest { mail, email_key, origin } = request;
    let trace = origin.trace_parent.as_ref().map(TraceParent::as_str).unwrap_or_default();
    let span = tracing::info_span!("mail_request", ?mail, trace_parent = trace);
    let sent = async {
        match mail {
            RequestedMail::Verification => request_verification(accounts, &email_key, &origin).await,
            RequestedMail::Reset => send_reset_mail(accounts, &email_key, ResetOccasion::Requested, &origin).await,
        }
    };
    if let Err(error) = sent.instrument(span).await {
        tracing::warn!(?mail, %error, "a requested mail was not sent");
    }
}

async fn process_registration(accounts: &AccountService, registration: HiddenRegistration) {
    fail_point!("register.before_settle");
    let trace = registration.origin.trace_parent.as_ref().map(TraceParent::as_str).unwrap_or_default();
    let span = tracing::info_span!("hidden_registration", trace_parent = trace);
    if let Err(error) = accounts.process_hidden_registration(&registration).instrument(span).await {
        tracing::warn!(%error, "a registration that got a 202 response is lost");
    }
}

async fn notify_owner(accounts: &AccountService, attack: DetectedAttack) {
    if let Err(error) = send_attack_notice(accounts, attack).await {
        tracing::warn!(%error, "an account is under attack, and its owner is not notified yet");
    }
}

/// Writes the row unless its account has been deleted. The row is written first and the account is read after that:
/// rows that were written before the deletion are removed with the account.
async fn write_audit_row(accounts: &AccountService, row: AuditRow) {
    fail_point!("audit.before_write");
    let Store { audit, users, .. } = &accounts.store;
    let written = audit.record(&row).await;
    if !matches!(written, Ok(true)) {
        accounts.metrics.audit_dropped.inc();
    }
    let may_be_there = !matches!(written, Ok(false));
    if may_be_there
        && matches!(users.exists(row.user).await, Ok(false))
        && let Err(error) = audit.remove(row.id).await
    {
        tracing::warn!(%error, "an audit row of a deleted account stays until the end of its retention");
    }
}
