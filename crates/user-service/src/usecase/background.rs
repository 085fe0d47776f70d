//! What is done after the answer, from bounded queues: mails that were asked for and hidden
//! registrations (the answer says nothing, neither does its time), notices of an attack, and audit rows of
//! what has no event.

use std::{sync::Arc, time::Duration};

use events::TraceParent;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use super::{
    Accounts, Failure, registration::hidden_registration::HiddenRegistration, request_reset, request_verification,
    sessions::attack_notice::UnderAttack,
};
use crate::{
    metrics::AccountMetrics,
    outbox::Origin,
    store::{AuditRow, NoteKind, Store},
};
use service_kit::{Clock, Ids, fail_point, panics};

const MAIL_REQUESTS: usize = 1_000;
/// Each with up to 16 KiB of attributes.
const REGISTRATIONS: usize = 1_000;
const AUDIT_ROWS: usize = 1_000;
/// So many are written together, so long after the first of them.
const NOTES: usize = 100;
const NOTED_AFTER: Duration = Duration::from_millis(50);
/// When to ask again after the queue was full.
const RETRY_AFTER: Duration = Duration::from_secs(5);
const ATTACKS: usize = 100;

/// What somebody asked a mail for.
#[derive(Debug, Clone, Copy)]
pub enum RequestedMail {
    /// Another link that verifies the address.
    Verification,
    /// A link that sets a new password.
    Reset,
}

/// A mail that somebody asked for, and the address they typed.
struct MailRequest {
    mail: RequestedMail,
    email_key: String,
    origin: Origin,
}

/// The queues' entrance.
#[derive(Clone)]
pub struct BackgroundQueue {
    mails: mpsc::Sender<MailRequest>,
    registrations: mpsc::Sender<HiddenRegistration>,
    attacks: mpsc::Sender<UnderAttack>,
    audit: mpsc::Sender<AuditRow>,
    clock: Clock,
    ids: Ids,
    metrics: AccountMetrics,
}

/// The queues' other end.
pub struct Background {
    mails: mpsc::Receiver<MailRequest>,
    registrations: mpsc::Receiver<HiddenRegistration>,
    attacks: mpsc::Receiver<UnderAttack>,
    audit: mpsc::Receiver<AuditRow>,
}

impl BackgroundQueue {
    /// The two ends.
    #[must_use]
    pub fn new(clock: Clock, ids: Ids, metrics: AccountMetrics) -> (Self, Background) {
        let (mails, mails_receiver) = mpsc::channel(MAIL_REQUESTS);
        let (registrations, registrations_receiver) = mpsc::channel(REGISTRATIONS);
        let (attacks, attacks_receiver) = mpsc::channel(ATTACKS);
        let (audit, audit_receiver) = mpsc::channel(AUDIT_ROWS);
        let queue = Self { mails, registrations, attacks, audit, clock, ids, metrics };
        let background = Background {
            mails: mails_receiver,
            registrations: registrations_receiver,
            attacks: attacks_receiver,
            audit: audit_receiver,
        };
        (queue, background)
    }

    /// Asks for a mail to this address. Nothing is looked up here, so that neither the
    /// answer nor its time says whether there is an account.
    ///
    /// # Errors
    /// [`Failure::Overloaded`] when the queue is full, for everybody alike.
    pub(super) fn request_mail(&self, mail: RequestedMail, email_key: String, origin: Origin) -> Result<(), Failure> {
        self.mails.try_send(MailRequest { mail, email_key, origin }).map_err(|_| {
            self.metrics.background_dropped.inc();
            Failure::Overloaded { retry_after: RETRY_AFTER }
        })
    }

    /// Decides a hidden registration behind its answer.
    ///
    /// # Errors
    /// [`Failure::Overloaded`] when the queue is full, for all clients alike.
    pub(super) fn settle_registration(&self, registration: HiddenRegistration) -> Result<(), Failure> {
        self.registrations.try_send(registration).map_err(|_| {
            self.metrics.background_dropped.inc();
            Failure::Overloaded { retry_after: RETRY_AFTER }
        })
    }

    /// Somebody guesses an account's password. Lost when the queue is full: the next
    /// attempt says it again.
    pub(super) fn tell_attack(&self, attack: UnderAttack) {
        if self.attacks.try_send(attack).is_err() {
            self.metrics.background_dropped.inc();
        }
    }

    pub(super) fn note_failed_login(&self, user: Uuid, origin: &Origin) {
        self.note(user, NoteKind::LoginFailed, origin);
    }

    pub(super) fn note_wrong_password(&self, user: Uuid, origin: &Origin) {
        self.note(user, NoteKind::PasswordRefused, origin);
    }

    pub(super) fn note_refused_code(&self, user: Uuid, origin: &Origin) {
        self.note(user, NoteKind::CodeRefused, origin);
    }

    pub(super) fn note_reuse(&self, user: Uuid, origin: &Origin) {
        self.note(user, NoteKind::RefreshTokenReused, origin);
    }

    pub(super) fn note_logout(&self, user: Uuid, origin: &Origin) {
        self.note(user, NoteKind::LoggedOut, origin);
    }

    pub(super) fn note_ended_session(&self, user: Uuid, origin: &Origin) {
        self.note(user, NoteKind::SessionEnded, origin);
    }

    fn note(&self, user: Uuid, kind: NoteKind, origin: &Origin) {
        let at = self.clock.now();
        let row = AuditRow { id: self.ids.v7(at), user, at, kind, part: origin.audit_part() };
        if self.audit.try_send(row).is_err() {
            self.metrics.audit_dropped.inc();
        }
    }
}

impl Background {
    /// Works until `stop`, and then until the queues are empty.
    pub async fn run(self, accounts: Arc<Accounts>, stop: CancellationToken) {
        let Self { mails, registrations, attacks, audit } = self;
        tokio::join!(
            answer_requests(mails, &accounts, &stop),
            settle_registrations(registrations, &accounts, &stop),
            tell_attacks(attacks, &accounts, &stop),
            write_notes(audit, &accounts, &stop),
        );
    }
}

async fn answer_requests(mut mails: mpsc::Receiver<MailRequest>, accounts: &Accounts, stop: &CancellationToken) {
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
    accounts: &Accounts,
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
async fn tell_attacks(mut attacks: mpsc::Receiver<UnderAttack>, accounts: &Accounts, stop: &CancellationToken) {
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
async fn write_notes(mut audit: mpsc::Receiver<AuditRow>, accounts: &Accounts, stop: &CancellationToken) {
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

async fn serve(accounts: &Accounts, request: MailRequest) {
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

async fn settle(accounts: &Accounts, registration: HiddenRegistration) {
    fail_point!("register.before_settle");
    let trace = registration.origin.trace_parent.as_ref().map(TraceParent::as_str).unwrap_or_default();
    let span = tracing::info_span!("hidden_registration", trace_parent = trace);
    if let Err(error) = accounts.settle_registration(&registration).instrument(span).await {
        tracing::warn!(%error, "a registration that was answered with 202 is lost");
    }
}

async fn tell(accounts: &Accounts, attack: UnderAttack) {
    if let Err(error) = accounts.tell_attack(attack).await {
        tracing::warn!(%error, "an account is under attack, and its owner was not told yet");
    }
}

/// The row, unless its account is gone by then. Written first and looked up after it:
/// what is written before the account goes is removed with it.
async fn write(accounts: &Accounts, row: &AuditRow) {
    fail_point!("audit.before_write");
    let Store { audit, users, .. } = &accounts.store;
    let written = audit.record(row).await;
    if !matches!(written, Ok(true)) {
        accounts.metrics.audit_dropped.inc();
    }
    let may_be_there = !matches!(written, Ok(false));
    if may_be_there
        && matches!(users.lives(row.user).await, Ok(false))
        && let Err(error) = audit.remove(row.id).await
    {
        tracing::warn!(%error, "an audit row of a deleted account stays until its retention ends");
    }
}
