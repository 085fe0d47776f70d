//! Does the work of the background queues, after the response.

use std::{sync::Arc, time::Duration};

use events::TraceParent;
use service_kit::{fail_point, panics};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    account_service::AccountService,
    background_queue::{Background, HiddenRegistration, MailRequest, RequestedMail, UnderAttack},
    email_address::verify_email::request_verification,
    password::reset_password::request_reset,
};
use crate::store::{AuditRow, Store};

/// So many are written together, so long after the first of them.
const NOTES: usize = 100;
const NOTED_AFTER: Duration = Duration::from_millis(50);

impl Background {
    /// Works until `stop`, and then until the queues are empty.
    pub async fn run(self, accounts: Arc<AccountService>, stop: CancellationToken) {
        let Self { mails, registrations, attacks, audit } = self;
        tokio::join!(
            answer_requests(mails, &accounts, &stop),
            settle_registrations(registrations, &accounts, &stop),
            tell_attacks(attacks, &accounts, &stop),
            write_notes(audit, &accounts, &stop),
        );
    }
}

async fn answer_requests(mut mails: mpsc::Receiver<MailRequest>, accounts: &AccountService, stop: &CancellationToken) {
    loop {
        tokio::select! {
            Some(request) = mails.recv() => alone(serve(accounts, request)).await,
            () = stop.cancelled() => break,
        }
    }
    mails.close();
    while let Some(request) = mails.recv().await {
        alone(serve(accounts, request)).await;
    }
}

async fn settle_registrations(
    mut registrations: mpsc::Receiver<HiddenRegistration>,
    accounts: &AccountService,
    stop: &CancellationToken,
) {
    loop {
        tokio::select! {
            Some(registration) = registrations.recv() => alone(settle(accounts, registration)).await,
            () = stop.cancelled() => break,
        }
    }
    registrations.close();
    while let Some(registration) = registrations.recv().await {
        alone(settle(accounts, registration)).await;
    }
}

/// Not at once, for the reason that notes wait too.
async fn tell_attacks(mut attacks: mpsc::Receiver<UnderAttack>, accounts: &AccountService, stop: &CancellationToken) {
    loop {
        let attack = tokio::select! {
            Some(attack) = attacks.recv() => attack,
            () = stop.cancelled() => break,
        };
        tokio::select! {
            () = tokio::time::sleep(NOTED_AFTER) => {}
            () = stop.cancelled() => {}
        }
        alone(tell(accounts, attack)).await;
    }
    attacks.close();
    while let Some(attack) = attacks.recv().await {
        alone(tell(accounts, attack)).await;
    }
}

/// Not at once: the work would slow down the answer that it belongs to, and so tell that
/// there is something to be noted.
async fn write_notes(mut audit: mpsc::Receiver<AuditRow>, accounts: &AccountService, stop: &CancellationToken) {
    let mut batch = Vec::with_capacity(NOTES);
    loop {
        tokio::select! {
            _ = audit.recv_many(&mut batch, NOTES) => {}
            () = stop.cancelled() => break,
        }
        tokio::select! {
            () = tokio::time::sleep(NOTED_AFTER) => {}
            () = stop.cancelled() => {}
        }
        for row in batch.drain(..) {
            alone(write(accounts, &row)).await;
        }
    }
    audit.close();
    while let Some(row) = audit.recv().await {
        alone(write(accounts, &row)).await;
    }
}

/// Handles one item: its panic, which is logged and counted, is the end of that item only.
async fn alone(item: impl Future<Output = ()>) {
    let _ = panics::catch_future("background", item).await;
}

async fn serve(accounts: &AccountService, request: MailRequest) {
    let MailRequest { mail, email_key, origin } = request;
    let trace = origin.trace_parent.as_ref().map(TraceParent::as_str).unwrap_or_default();
    let span = tracing::info_span!("mail_request", ?mail, trace_parent = trace);
    let served = async {
        match mail {
            RequestedMail::Verification => request_verification(accounts, &email_key, &origin).await,
            RequestedMail::Reset => request_reset(accounts, &email_key, &origin).await,
        }
    };
    if let Err(error) = served.instrument(span).await {
        tracing::warn!(?mail, %error, "a mail that was asked for was not sent");
    }
}

async fn settle(accounts: &AccountService, registration: HiddenRegistration) {
    fail_point!("register.before_settle");
    let trace = registration.origin.trace_parent.as_ref().map(TraceParent::as_str).unwrap_or_default();
    let span = tracing::info_span!("hidden_registration", trace_parent = trace);
    if let Err(error) = accounts.settle_registration(&registration).instrument(span).await {
        tracing::warn!(%error, "a registration that was answered with 202 is lost");
    }
}

async fn tell(accounts: &AccountService, attack: UnderAttack) {
    if let Err(error) = accounts.tell_attack(attack).await {
        tracing::warn!(%error, "an account is under attack, and its owner was not told yet");
    }
}

/// The row, unless its account is gone by then. Written first and looked up after it:
/// what is written before the account goes is removed with it.
async fn write(accounts: &AccountService, row: &AuditRow) {
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
        tracing::warn!(%error, "an audit row of a deleted account stays until its retention ends");
    }
}
