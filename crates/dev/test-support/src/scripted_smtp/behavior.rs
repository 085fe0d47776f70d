//! What the server does instead of its usual replies, and the rules that say when.

use std::time::Duration;

/// Where in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The connection, before the greeting.
    Greeting,
    /// EHLO or HELO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// AUTH; for LOGIN the reply to the password.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA, before the 354.
    Data,
    /// After the 354, at the first line of the mail.
    Body,
    /// After the final dot.
    Dot,
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
}

/// What happens there instead of the usual answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behavior {
    /// This answer, for example `451 4.7.1 try later`; more lines with CR LF between them.
    Reply(String),
    /// These bytes instead of a reply, with nothing added; the session goes on.
    RawBytes(Vec<u8>),
    /// The beginning of a reply without its line end, and then no more; the connection stays open.
    PartialReply(String),
    /// No answer; the connection stays open.
    Hang,
    /// The connection is closed.
    Drop,
    /// The usual answer, later.
    Delay(Duration),
}

impl Behavior {
    /// [`Behavior::Reply`].
    #[must_use]
    pub fn reply(line: &str) -> Self {
        Self::Reply(line.to_owned())
    }
}

/// An act, where, for whom, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpRule {
    phase: Phase,
    pub(super) behavior: Behavior,
    pub(super) remaining: Option<u32>,
    recipient: Option<String>,
}

impl SmtpRule {
    /// Always, for everybody.
    #[must_use]
    pub fn always(phase: Phase, behavior: Behavior) -> Self {
        Self { phase, behavior, remaining: None, recipient: None }
    }

    /// Returns the next time only.
    #[must_use]
    pub fn once(phase: Phase, behavior: Behavior) -> Self {
        Self::times(1, phase, behavior)
    }

    /// Returns the next so many times.
    #[must_use]
    pub fn times(times: u32, phase: Phase, behavior: Behavior) -> Self {
        Self { phase, behavior, remaining: Some(times), recipient: None }
    }

    /// Only for this recipient; for phases from RCPT on.
    #[must_use]
    pub fn to(mut self, recipient: &str) -> Self {
        self.recipient = Some(recipient.to_owned());
        self
    }

    pub(super) fn applies(&self, phase: Phase, recipients: &[String]) -> bool {
        let has_recipient =
            self.recipient.as_ref().is_none_or(|wanted| recipients.iter().any(|to| to.eq_ignore_ascii_case(wanted)));
        self.phase == phase && self.remaining != Some(0) && has_recipient
    }
}
