//! Bounded queues for work that is done after the response: requested mails and hidden registrations (neither the
//! response nor its time reveals anything), notices of attacks, and audit rows without an event.

use std::time::Duration;

use jiff::Timestamp;
use service_kit::{Clock, Ids};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::failure::Failure;
use crate::{
    metrics::AccountMetrics,
    outbox::Origin,
    store::{AuditOnlyKind, AuditRow, UserRecord},
};

const MAIL_CAPACITY: usize = 1_000;
/// A queued registration has up to 16 KiB of attributes.
const REGISTRATION_CAPACITY: usize = 1_000;
const AUDIT_CAPACITY: usize = 1_000;
/// The `Retry-After` of a request that found its queue full.
const RETRY_AFTER: Duration = Duration::from_secs(5);
const ATTACK_CAPACITY: usize = 100;

/// The kind of a requested mail.
#[derive(Debug, Clone, Copy)]
pub enum RequestedMail {
    /// A new link that verifies the address.
    Verification,
    /// A link that sets a new password.
    Reset,
}

/// A requested mail and the address that the client sent.
pub(super) struct MailRequest {
    pub mail: RequestedMail,
    pub email_key: String,
    pub origin: Origin,
}

/// A registration that has its response and is not decided yet. The password is already hashed.
pub(in crate::usecase) struct HiddenRegistration {
    pub account: Box<UserRecord>,
    pub origin: Origin,
}

/// An attack on the password of an account. Unknown networks are blocked until `until`.
pub(in crate::usecase) struct DetectedAttack {
    pub user: Uuid,
    pub until: Timestamp,
    /// The origin of the last failed attempt.
    pub origin: Origin,
}

/// The sending half of the queues.
#[derive(Clone)]
pub struct BackgroundQueue {
    mails: mpsc::Sender<MailRequest>,
    registrations: mpsc::Sender<HiddenRegistration>,
    attacks: mpsc::Sender<DetectedAttack>,
    audit: mpsc::Sender<AuditRow>,
    clock: Clock,
    ids: Ids,
    metrics: AccountMetrics,
}

/// The receiving half of the queues.
pub struct BackgroundWorker {
    pub(super) mails: mpsc::Receiver<MailRequest>,
    pub(super) registrations: mpsc::Receiver<HiddenRegistration>,
    pub(super) attacks: mpsc::Receiver<DetectedAttack>,
    pub(super) audit: mpsc::Receiver<AuditRow>,
}

impl BackgroundQueue {
    /// Creates both halves.
    #[must_use]
    pub fn new(clock: Clock, ids: Ids, metrics: AccountMetrics) -> (Self, BackgroundWorker) {
        let (mails, mails_receiver) = mpsc::channel(MAIL_CAPACITY);
        let (registrations, registrations_receiver) = mpsc::channel(REGISTRATION_CAPACITY);
        let (attacks, attacks_receiver) = mpsc::channel(ATTACK_CAPACITY);
        let (audit, audit_receiver) = mpsc::channel(AUDIT_CAPACITY);
        let queue = Self { mails, registrations, attacks, audit, clock, ids, metrics };
        let background = BackgroundWorker {
            mails: mails_receiver,
            registrations: registrations_receiver,
            attacks: attacks_receiver,
            audit: audit_receiver,
        };
        (queue, background)
    }

    /// Queues a mail to this address. The account is not looked up here, so neither the response nor its time reveals
    /// whether it exists.
    ///
    /// # Errors
    /// Returns [`Failure::Overloaded`] if the queue is full, for every address alike.
    pub(super) fn enqueue_mail(&self, mail: RequestedMail, email_key: String, origin: Origin) -> Result<(), Failure> {
        self.mails.try_send(MailRequest { mail, email_key, origin }).map_err(|_| {
            self.metrics.background_dropped.inc();
            Failure::Overloaded { retry_after: RETRY_AFTER }
        })
    }

    /// Queues a hidden registration, which is decided after the response.
    ///
    /// # Errors
    /// Returns [`Failure::Overloaded`] if the queue is full, for every client alike.
    pub(super) fn enqueue_registration(&self, registration: HiddenRegistration) -> Result<(), Failure> {
        self.registrations.try_send(registration).map_err(|_| {
            self.metrics.background_dropped.inc();
            Failure::Overloaded { retry_after: RETRY_AFTER }
        })
    }

    /// Queues the notice of an attack. If the queue is full the notice is dropped: the next failed attempt queues
    /// another one.
    pub(super) fn enqueue_attack_notice(&self, attack: DetectedAttack) {
        if self.attacks.try_send(attack).is_err() {
            self.metrics.background_dropped.inc();
        }
    }

    pub(super) fn record_failed_login(&self, user: Uuid, origin: &Origin) {
        self.record(user, AuditOnlyKind::LoginFailed, origin);
    }

    pub(super) fn record_wrong_password(&self, user: Uuid, origin: &Origin) {
        self.record(user, AuditOnlyKind::PasswordRefused, origin);
    }

    pub(super) fn record_rejected_code(&self, user: Uuid, origin: &Origin) {
        self.record(user, AuditOnlyKind::CodeRefused, origin);
    }

    pub(super) fn record_refresh_token_reuse(&self, user: Uuid, origin: &Origin) {
        self.record(user, AuditOnlyKind::RefreshTokenReused, origin);
    }

    pub(super) fn record_logout(&self, user: Uuid, origin: &Origin) {
        self.record(user, AuditOnlyKind::LoggedOut, origin);
    }

    pub(super) fn record_ended_session(&self, user: Uuid, origin: &Origin) {
        self.record(user, AuditOnlyKind::SessionEnded, origin);
    }

    fn record(&self, user: Uuid, kind: AuditOnlyKind, origin: &Origin) {
        let at = self.clock.now();
        let row = AuditRow { id: self.ids.v7(at), user, at, kind, details: origin.audit_details() };
        if self.audit.try_send(row).is_err() {
            self.metrics.audit_dropped.inc();
        }
    }
}
