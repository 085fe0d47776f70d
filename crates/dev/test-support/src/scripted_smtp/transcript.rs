//! The transcript of the server: its sessions, transactions and deliveries.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use super::behavior::{Behavior, Phase, SmtpRule};
use crate::mailbox::ReceivedMail;

/// A command or a mail body from the client, and the reply of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpStep {
    /// The phase of the session.
    pub phase: Phase,
    /// The line from the client; for a body, its number of bytes.
    pub line: String,
    /// The first line of the reply; `None` if the server hung, closed the connection, or owed no reply.
    pub reply: Option<String>,
}

/// An SMTP session: one connection, from the greeting on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmtpSession {
    /// The steps in order.
    pub steps: Vec<SmtpStep>,
    /// Whether the connection has ended.
    pub ended: bool,
    /// Whether the connection was encrypted at its end.
    pub encrypted: bool,
}

impl SmtpSession {
    /// Returns the phases of the steps in order.
    #[must_use]
    pub fn phases(&self) -> Vec<Phase> {
        self.steps.iter().map(|step| step.phase).collect()
    }
}

/// A mail whose final dot arrived.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The index of its session, from 0.
    pub session: usize,
    /// The mail.
    pub mail: ReceivedMail,
    /// The reply to the final dot; `None` if the server hung or closed the connection.
    pub reply: Option<String>,
}

impl Delivery {
    /// Returns whether the reply was 250.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.starts_with("250"))
    }
}

/// A mail transaction from its MAIL command on, whether or not it was completed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SmtpTransaction {
    /// The index of its session, from 0.
    pub session: usize,
    /// The recipients in the RCPT commands, including refused ones.
    pub to: Vec<String>,
    /// The header `Message-ID`, if the final dot arrived.
    pub message_id: Option<String>,
    /// The time at which the final dot arrived; `None` if it did not arrive.
    pub dot_at: Option<SystemTime>,
    /// The first line of the reply to the final dot; `None` if the server did not send it.
    pub reply: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) rules: Vec<SmtpRule>,
    pub(super) sessions: Vec<SmtpSession>,
    pub(super) transactions: Vec<SmtpTransaction>,
    pub(super) deliveries: Vec<Delivery>,
}

/// The state that the server shares with its sessions.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedState(Arc<Mutex<State>>);

impl SharedState {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the behavior of the first rule that applies, and uses the rule once.
    pub(super) fn take_behavior(&self, phase: Phase, recipients: &[String]) -> Option<Behavior> {
        let mut state = self.lock();
        let rule = state.rules.iter_mut().find(|rule| rule.applies(phase, recipients))?;
        rule.remaining = rule.remaining.map(|remaining| remaining - 1);
        Some(rule.behavior.clone())
    }

    /// Changes the latest transaction of a session. Does nothing before the first MAIL command.
    pub(super) fn update_transaction(&self, session: usize, change: impl FnOnce(&mut SmtpTransaction)) {
        if let Some(last) = self.lock().transactions.iter_mut().rev().find(|last| last.session == session) {
            change(last);
        }
    }
}

/// Returns the time of the host's clock.
#[expect(clippy::disallowed_methods, reason = "a peer of the services has the host's clock")]
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}
