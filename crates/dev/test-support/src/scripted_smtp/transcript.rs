//! What the server writes down: sessions, transactions and deliveries.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::behavior::{Behavior, Phase, SmtpRule};
use crate::mailbox::ReceivedMail;

/// One thing that the client said, and what it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpStep {
    /// Where in the session.
    pub phase: Phase,
    /// What the client said; of a body, how many bytes.
    pub line: String,
    /// The first line of the answer; none when it hung, was dropped, or none was due.
    pub reply: Option<String>,
}

/// One connection, from its greeting on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmtpSession {
    /// What happened, in order.
    pub steps: Vec<SmtpStep>,
    /// Whether the connection has ended.
    pub ended: bool,
    /// Whether it was encrypted in the end.
    pub encrypted: bool,
}

impl SmtpSession {
    /// Returns the phases, in order.
    #[must_use]
    pub fn phases(&self) -> Vec<Phase> {
        self.steps.iter().map(|step| step.phase).collect()
    }
}

/// A mail whose final dot arrived.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The number of its connection, from 0.
    pub session: usize,
    /// The mail.
    pub mail: ReceivedMail,
    /// The answer to the dot; none when it hung or was dropped.
    pub reply: Option<String>,
}

impl Delivery {
    /// Returns whether the answer was 250.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.starts_with("250"))
    }
}

/// A mail transaction from its MAIL command on, however it went on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmtpTransaction {
    /// The number of its connection, from 0.
    pub session: usize,
    /// The recipients that were asked for, refused ones too.
    pub to: Vec<String>,
    /// The header `Message-ID`, if the dot arrived.
    pub message_id: Option<String>,
    /// When the dot arrived; none if it never did.
    pub dot_at: Option<SystemTime>,
    /// The first line of the answer to the dot; none when it was never written.
    pub reply: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) rules: Vec<SmtpRule>,
    pub(super) sessions: Vec<SmtpSession>,
    pub(super) transactions: Vec<SmtpTransaction>,
    pub(super) deliveries: Vec<Delivery>,
}

/// Shared between the server and its sessions.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedState(Arc<Mutex<State>>);

impl SharedState {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the act for this moment, used up by one.
    pub(super) fn take_behavior(&self, phase: Phase, recipients: &[String]) -> Option<Behavior> {
        let mut state = self.lock();
        let rule = state.rules.iter_mut().find(|rule| rule.applies(phase, recipients))?;
        rule.remaining = rule.remaining.map(|remaining| remaining - 1);
        Some(rule.behavior.clone())
    }

    /// Returns the transaction that a session is in; nothing happens before its MAIL.
    pub(super) fn update_transaction(&self, session: usize, change: impl FnOnce(&mut SmtpTransaction)) {
        if let Some(last) = self.lock().transactions.iter_mut().rev().find(|last| last.session == session) {
            change(last);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a peer of the services has the host's clock")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}
