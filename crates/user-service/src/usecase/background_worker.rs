//! Processes the background queues, after the responses were sent.

use std::{sync::Arc, time::Duration};

use events::TraceParent;
use service_kit::{
    batches::{self, BatchHandler},
    fail_point, panics,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::{
    account_service::AccountService,
    background_queue::{BackgroundWorker, DetectedAttack, HiddenRegistration, MailRequest, RequestedMail},
    email_address::verify_email::request_verification,
    password::reset_password::{ResetOccasion, send_reset_mail},
    sessions::attack_notice::send_attack_notice,
};
use crate::store::{AuditRow, Store};

/// The label of the metric of panics.
const PANIC_LABEL: &str = "background";
/// The delay of audit rows and attack notices.
const DELAY: Duration = Duration::from_millis(50);

impl BackgroundWorker {
    /// Processes the queues until `stop`, and then until they are empty.
    pub async fn run(self, accounts: Arc<AccountService>, stop: CancellationToken) {
        let Self { mails, registrations, attacks, audit } = self;
        let (accounts, stop) = (&*accounts, &stop);
        tokio::join!(
            process(mails, None, stop, |request| send_requested_mail(accounts, request)),
            process(registrations, None, stop, |registration| process_registration(accounts, registration)),
            process(attacks, Some(DELAY), stop, |attack| notify_owner(accounts, attack)),
            batches::process(audit, stop.cancelled(), AuditWriter { accounts, stop }),
        );
    }
}

/// Processes the items of a queue one after the other, each after the delay. A panic ends only its item; it is logged
/// and counted.
async fn process<T, F: Future<Output = ()>>(
    mut queue: mpsc::Receiver<T>,
    delay: Option<Duration>,
    stop: &CancellationToken,
    process_item: impl Fn(T) -> F,
) {
    let process_item = async |item| drop(panics::catch_future(PANIC_LABEL, process_item(item)).await);
    while let Some(Some(item)) = stop.run_until_cancelled(queue.recv()).await {
        pause(delay.unwrap_or_default(), stop).await;
        process_item(item).await;
    }
    queue.close();
    while let Some(item) = queue.recv().await {
        process_item(item).await;
    }
}

/// Waits for the delay, or until `stop`. Without the delay the work would slow down the response that it belongs to,
/// and the time of the response would reveal that there is work.
async fn pause(delay: Duration, stop: &CancellationToken) {
    if !delay.is_zero() {
        stop.run_until_cancelled(tokio::time::sleep(delay)).await;
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

/// Writes audit rows that belong to no event.
struct AuditWriter<'a> {
    accounts: &'a AccountService,
    stop: &'a CancellationToken,
}

impl BatchHandler for AuditWriter<'_> {
    type Item = AuditRow;
    const PLACE: &'static str = PANIC_LABEL;

    /// Writes the rows whose accounts have not been deleted. They are written first and the accounts are read after
    /// that: rows that were written before the deletion are removed with the account.
    async fn handle(&self, rows: &[AuditRow]) {
        pause(DELAY, self.stop).await;
        fail_point!("audit.before_write");
        let written = self.accounts.store.audit.record(rows).await;
        let left_out = rows.len() - written.as_ref().copied().unwrap_or_default();
        self.accounts.metrics.audit_dropped.inc_by(left_out as u64);
        // After an error, some rows may be there.
        if !matches!(written, Ok(0)) {
            self.remove_rows_of_deleted_accounts(rows).await;
        }
    }

    fn lost(&self, _: &AuditRow) {
        self.accounts.metrics.audit_dropped.inc();
    }
}

impl AuditWriter<'_> {
    async fn remove_rows_of_deleted_accounts(&self, rows: &[AuditRow]) {
        let Store { audit, outbox, .. } = &self.accounts.store;
        let Ok(existing) = outbox.existing_accounts(rows.iter().map(|row| row.user).collect()).await else { return };
        let left: Vec<Uuid> = rows.iter().filter(|row| !existing.contains(&row.user)).map(|row| row.id).collect();
        if !left.is_empty()
            && let Err(error) = audit.remove(&left).await
        {
            tracing::warn!(%error, "audit rows of deleted accounts stay until the end of their retention");
        }
    }
}
