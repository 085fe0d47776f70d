//! Bounded queues for work that is done after the response: requested mails and hidden registrations (neither the
//! response nor its time reveals anything), notices of attacks, and audit rows without an event.

use std::time::Duration;

use jiff::Timestamp;
use service_kit::{Clock, Ids};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{
    metrics::AccountMetrics,
    outbox::Origin,
    problem::Problem,
    store::{AuditOnlyKind, AuditRow, UserRecord},
};

const MAIL_CAPACITY: usize = 1_000;
/// A queued registration has up to 16 KiB of attributes.
const REGISTRATION_CAPACITY: usize = 1_000;
const AUDIT_CAPACITY: usize = 1_000;
const ATTACK_CAPACITY: usize = 100;
/// The `Retry-After` of a request that found its queue full.
const RETRY_AFTER: Duration = Duration::from_secs(5);

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
    /// Returns [`Problem::Overloaded`] if the queue is full, for every address alike.
    pub(super) fn enqueue_mail(&self, mail: RequestedMail, email_key: String, origin: Origin) -> Result<(), Problem> {
        self.enqueue(&self.mails, MailRequest { mail, email_key, origin })
    }

    /// Queues a hidden registration, which is decided after the response.
    ///
    /// # Errors
    /// Returns [`Problem::Overloaded`] if the queue is full, for every client alike.
    pub(super) fn enqueue_registration(&self, registration: HiddenRegistration) -> Result<(), Problem> {
        self.enqueue(&self.registrations, registration)
    }

    /// Queues the notice of an attack. If the queue is full the notice is dropped: the next failed attempt queues
    /// another one.
    pub(super) fn enqueue_attack_notice(&self, attack: DetectedAttack) {
        // A queue that is full has counted the notice; the next failed attempt reports the attack.
        let _ = self.enqueue(&self.attacks, attack);
    }

    fn enqueue<T>(&self, queue: &mpsc::Sender<T>, item: T) -> Result<(), Problem> {
        queue.try_send(item).map_err(|_| {
            self.metrics.background_dropped.inc();
            Problem::Overloaded(RETRY_AFTER)
        })
    }

    /// Records an entry of the audit log that belongs to no event. If the queue is full, the entry is lost and counted.
    pub(in crate::usecase) fn record(&self, user: Uuid, kind: AuditOnlyKind, origin: &Origin) {
        let at = self.clock.now();
        let row = AuditRow { id: self.ids.v7(at), user, at, kind, details: origin.audit_details(), target: None };
        if self.audit.try_send(row).is_err() {
            self.metrics.audit_dropped.inc();
        }
    }
}
