//! Behaviors of the server instead of its usual replies, and the rules that select them.

use std::time::Duration;

/// A phase of an SMTP session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The connection, before the greeting.
    Greeting,
    /// EHLO or HELO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// AUTH; for LOGIN, the reply to the password.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, before the reply 354.
    Data,
    /// The first line of the mail, after the reply 354.
    Body,
    /// The final dot.
    Dot,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
}

/// The behavior of the server in place of its usual reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behavior {
    /// Sends this reply, for example `451 4.7.1 try later`. CR LF separates several lines.
    Reply(String),
    /// Sends exactly these bytes instead of a reply. The session continues.
    RawBytes(Vec<u8>),
    /// Sends the beginning of a reply without a line break and nothing more. The connection stays open.
    PartialReply(String),
    /// Sends no reply. The connection stays open.
    Hang,
    /// Closes the connection.
    Drop,
    /// Sends the usual reply after a delay.
    Delay(Duration),
}

impl Behavior {
    /// Returns [`Behavior::Reply`] with this text.
    #[must_use]
    pub fn reply(line: &str) -> Self {
        Self::Reply(line.to_owned())
    }
}

/// A rule for when the server shows a behavior: in which phase, for which recipient, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpRule {
    phase: Phase,
    pub(super) behavior: Behavior,
    pub(super) remaining: Option<u32>,
    recipient: Option<String>,
}

impl SmtpRule {
    /// Returns a rule that always applies in this phase.
    #[must_use]
    pub fn always(phase: Phase, behavior: Behavior) -> Self {
        Self { phase, behavior, remaining: None, recipient: None }
    }

    /// Returns a rule that applies only the next time.
    #[must_use]
    pub fn once(phase: Phase, behavior: Behavior) -> Self {
        Self::times(1, phase, behavior)
    }

    /// Returns a rule that applies the next `times` times.
    #[must_use]
    pub fn times(times: u32, phase: Phase, behavior: Behavior) -> Self {
        Self { phase, behavior, remaining: Some(times), recipient: None }
    }

    /// Restricts the rule to this recipient. Only phases from RCPT on have a recipient.
    #[must_use]
    pub fn to(mut self, recipient: &str) -> Self {
        self.recipient = Some(recipient.to_owned());
        self
    }

    /// Returns whether the rule applies in this phase of a transaction with these recipients.
    pub(super) fn applies(&self, phase: Phase, recipients: &[String]) -> bool {
        let has_recipient =
            self.recipient.as_ref().is_none_or(|wanted| recipients.iter().any(|to| to.eq_ignore_ascii_case(wanted)));
        self.phase == phase && self.remaining != Some(0) && has_recipient
    }
}
