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
    password::reset_password::request_reset,
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
        tokio::join!(
            send_requested_mails(mails, &accounts, &stop),
            process_registrations(registrations, &accounts, &stop),
            send_attack_notices(attacks, &accounts, &stop),
            write_audit_rows(audit, &accounts, &stop),
        );
    }
}

async fn send_requested_mails(
    mut mails: mpsc::Receiver<MailRequest>,
    accounts: &AccountService,
    stop: &CancellationToken,
) {
    loop {
        tokio::select! {
            Some(request) = mails.recv() => catch_panic(send_requested_mail(accounts, request)).await,
            () = stop.cancelled() => break,
        }
    }
    mails.close();
    while let Some(request) = mails.recv().await {
        catch_panic(send_requested_mail(accounts, request)).await;
    }
}

async fn process_registrations(
    mut registrations: mpsc::Receiver<HiddenRegistration>,
    accounts: &AccountService,
    stop: &CancellationToken,
) {
    loop {
        tokio::select! {
            Some(registration) = registrations.recv() => catch_panic(process_registration(accounts, registration)).await,
            () = stop.cancelled() => break,
        }
    }
    registrations.close();
    while let Some(registration) = registrations.recv().await {
        catch_panic(process_registration(accounts, registration)).await;
    }
}

/// Sends the notices after a delay, for the same reason as [`write_audit_rows`].
async fn send_attack_notices(
    mut attacks: mpsc::Receiver<DetectedAttack>,
    accounts: &AccountService,
    stop: &CancellationToken,
) {
    loop {
        let attack = tokio::select! {
            Some(attack) = attacks.recv() => attack,
            () = stop.cancelled() => break,
        };
        tokio::select! {
            () = tokio::time::sleep(DELAY) => {}
            () = stop.cancelled() => {}
        }
        catch_panic(send_attack_notice(accounts, attack)).await;
    }
    attacks.close();
    while let Some(attack) = attacks.recv().await {
        catch_panic(send_attack_notice(accounts, attack)).await;
    }
}

/// Writes audit rows in batches, after a delay. Without the delay the write would slow down the response that it
/// belongs to, and the time of the response would reveal that there is something to record.
async fn write_audit_rows(mut audit: mpsc::Receiver<AuditRow>, accounts: &AccountService, stop: &CancellationToken) {
    let mut batch = Vec::with_capacity(MAX_AUDIT_BATCH);
    loop {
        tokio::select! {
            _ = audit.recv_many(&mut batch, MAX_AUDIT_BATCH) => {}
            () = stop.cancelled() => break,
        }
        tokio::select! {
            () = tokio::time::sleep(DELAY) => {}
            () = stop.cancelled() => {}
        }
        for row in batch.drain(..) {
            catch_panic(write_audit_row(accounts, &row)).await;
        }
    }
    audit.close();
    while let Some(row) = audit.recv().await {
        catch_panic(write_audit_row(accounts, &row)).await;
    }
}

/// Processes one item. A panic ends only this item; it is logged and counted.
async fn catch_panic(item: impl Future<Output = ()>) {
    let _ = panics::catch_future("background", item).await;
}

async fn send_requested_mail(accounts: &AccountService, request: MailRequest) {
    let MailRequest { mail, email_key, origin } = request;
    let trace = origin.trace_parent.as_ref().map(TraceParent::as_str).unwrap_or_default();
    let span = tracing::info_span!("mail_request", ?mail, trace_parent = trace);
    let sent = async {
        match mail {
            RequestedMail::Verification => request_verification(accounts, &email_key, &origin).await,
            RequestedMail::Reset => request_reset(accounts, &email_key, &origin).await,
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

async fn send_attack_notice(accounts: &AccountService, attack: DetectedAttack) {
    if let Err(error) = accounts.send_attack_notice(attack).await {
        tracing::warn!(%error, "an account is under attack, and its owner is not notified yet");
    }
}

/// Writes the row unless its account has been deleted. The row is written first and the account is read after that:
/// rows that were written before the deletion are removed with the account.
async fn write_audit_row(accounts: &AccountService, row: &AuditRow) {
    fail_point!("audit.before_write");
    let Store { audit, users, .. } = &accounts.store;
    let written = audit.record(row).await;
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
