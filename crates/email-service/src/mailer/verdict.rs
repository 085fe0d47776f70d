//! What an SMTP reply means for the mail, the address and the server: one table.

use std::fmt;

use super::reply::Reply;

/// The command that a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    Mail,
    Rcpt,
    Data,
    /// The dot that ends the body.
    Dot,
}

impl Phase {
    pub const ALL: &'static [Phase] = &[Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Dot];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Mail => "MAIL",
            Phase::Rcpt => "RCPT",
            Phase::Data => "DATA",
            Phase::Dot => "final dot",
        }
    }

    /// Returns whether `reply` lets the transaction go on. For the dot only 250 means that the mail
    /// was accepted.
    #[must_use]
    pub fn accepts(self, reply: &Reply) -> bool {
        match self {
            Phase::Mail => reply.code == 250,
            Phase::Rcpt => matches!(reply.code, 250..=252),
            Phase::Data => reply.code == 354,
            Phase::Dot => reply.code == 250,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The meaning of a reply that does not let the transaction go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Try again later; `greylisted`: not before the pause that greylisting servers ask for.
    Retry { greylisted: bool, close: bool },
    /// Refused permanently; `suppress`: other mails to this address would be refused, too.
    Fail { suppress: bool },
    /// The server refuses *us*: it is not the mail's fault, and costs it no attempt.
    RelayTrouble,
    /// An invalid reply in this phase (a 354 to RCPT, a 251 to the dot): replies and commands are
    /// out of step, so the connection cannot be trusted.
    OutOfStep,
}

impl Verdict {
    /// Returns whether the connection must be closed after such a reply.
    #[must_use]
    pub fn closes_connection(self) -> bool {
        matches!(self, Verdict::OutOfStep | Verdict::RelayTrouble | Verdict::Retry { close: true, .. })
    }
}

const RETRY_LATER: Verdict = Verdict::Retry { greylisted: false, close: false };

/// Judges a `reply` that `phase` does not accept.
#[must_use]
pub fn judge(phase: Phase, reply: &Reply) -> Verdict {
    let enhanced = reply.enhanced();
    match reply.code {
        // The service closes the connection (RFC 5321, 3.8).
        421 => Verdict::Retry { greylisted: false, close: true },
        // "Authentication required / failed". At RCPT a 454 is about the address: Postfix sends it
        // for a relay that it denies for now.
        530 | 534 | 535 | 538 => Verdict::RelayTrouble,
        454 if phase == Phase::Mail => Verdict::RelayTrouble,
        // Greylisting servers expect the next attempt after some minutes, not seconds.
        450 | 451 => Verdict::Retry { greylisted: true, close: false },
        400..=499 => RETRY_LATER,
        // Bad sequence of commands: a problem of this connection's state, not of the mail.
        503 => Verdict::Retry { greylisted: false, close: true },
        // Mailbox full: its owner may empty it.
        552 => RETRY_LATER,
        500..=599 if matches!(enhanced, Some((2, 2))) => RETRY_LATER,
        // Only the reply to RCPT is about the address, and only if it says 5.1.x or has no enhanced
        // code: 5.7.x is about us, 5.2.x and 5.4.x may be temporary. A wrong suppression would
        // block every password reset of the user for a month.
        550 | 551 | 553 if phase == Phase::Rcpt && enhanced.is_none_or(|(subject, _)| subject == 1) => {
            Verdict::Fail { suppress: true }
        }
        500..=599 => Verdict::Fail { suppress: false },
        _ => Verdict::OutOfStep,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::mailer::reply::{MAX_TEXT, printable};

    fn verdict(phase: Phase, line: &str) -> Verdict {
        let (code, text) = line.split_once(' ').unwrap_or((line, ""));
        judge(phase, &Reply::new(code.parse().unwrap(), text))
    }

    const FAIL: Verdict = Verdict::Fail { suppress: false };
    const FAIL_AND_SUPPRESS: Verdict = Verdict::Fail { suppress: true };
    const RETRY_AFTER_GREYLISTING: Verdict = Verdict::Retry { greylisted: true, close: false };
    const RETRY_ON_NEW_CONNECTION: Verdict = Verdict::Retry { greylisted: false, close: true };

    fn assert_in_every_phase(replies: &[(&str, Verdict)]) {
        for phase in Phase::ALL {
            for (line, expected) in replies {
                assert_eq!(verdict(*phase, line), *expected, "{line} to {phase}");
            }
        }
    }

    #[test]
    fn every_4xx_is_retried_and_greylisting_after_minutes() {
        assert_in_every_phase(&[
            ("421 4.3.2 shutting down", RETRY_ON_NEW_CONNECTION),
            ("450 4.2.0 greylisted", RETRY_AFTER_GREYLISTING),
            ("451 try later", RETRY_AFTER_GREYLISTING),
            ("452 4.3.1 no space", RETRY_LATER),
        ]);
    }

    #[test]
    fn a_full_mailbox_is_retried_whatever_the_code() {
        let lines = ["552 5.2.2 over quota", "552 too much", "550 5.2.2 mailbox full"];
        assert_in_every_phase(&lines.map(|line| (line, RETRY_LATER)));
    }

    #[test]
    fn an_unknown_address_is_suppressed_only_in_reply_to_rcpt() {
        for line in ["550 5.1.1 no such user", "550 no such user", "551 5.1.6 moved", "553 5.1.3 bad name"] {
            assert_eq!(verdict(Phase::Rcpt, line), FAIL_AND_SUPPRESS, "{line}");
            for phase in [Phase::Mail, Phase::Data, Phase::Dot] {
                assert_eq!(verdict(phase, line), FAIL, "{line} to {phase}");
            }
        }
    }

    #[test]
    fn a_policy_refusal_never_suppresses() {
        for phase in Phase::ALL {
            for line in ["554 5.7.1 spam", "550 5.7.26 unauthenticated", "554 no", "550 5.4.1 denied", "501 syntax"] {
                assert_eq!(verdict(*phase, line), FAIL, "{line} to {phase}");
            }
        }
    }

    #[test]
    fn missing_authentication_is_relay_trouble() {
        for phase in Phase::ALL {
            assert_eq!(verdict(*phase, "530 5.7.0 authentication required"), Verdict::RelayTrouble);
            assert_eq!(verdict(*phase, "535 5.7.8 bad credentials"), Verdict::RelayTrouble);
        }
        assert_eq!(verdict(Phase::Mail, "454 4.7.0 temporary authentication failure"), Verdict::RelayTrouble);
        assert_eq!(verdict(Phase::Rcpt, "454 4.7.1 relay access denied"), RETRY_LATER);
    }

    #[test]
    fn only_250_to_the_dot_means_accepted() {
        for code in 200..400 {
            let reply = Reply::new(code, "");
            assert_eq!(Phase::Dot.accepts(&reply), code == 250);
            assert_eq!(judge(Phase::Dot, &reply), Verdict::OutOfStep);
        }
    }

    #[test]
    fn a_354_is_accepted_only_as_reply_to_data() {
        let reply = Reply::new(354, "go ahead");
        for phase in Phase::ALL {
            assert_eq!(phase.accepts(&reply), *phase == Phase::Data);
        }
        assert!(!Phase::Data.accepts(&Reply::new(250, "ok")));
    }

    #[test]
    fn any_reply_becomes_one_short_line_with_a_verdict() {
        corpus::corpus!("smtp_replies").holds_for_text(|text| {
            let shown = printable(text);
            prop_assert!(shown.chars().count() <= MAX_TEXT && !shown.chars().any(char::is_control));
            prop_assert_eq!(printable(&shown), shown.as_str());
            for code in [0, 250, 354, 421, 450, 550, 999] {
                let reply = Reply::new(code, text);
                for phase in Phase::ALL {
                    let _ = (judge(*phase, &reply), phase.accepts(&reply), reply.enhanced());
                }
            }
            Ok(())
        });
    }

    proptest! {
        #[test]
        fn no_reply_that_refuses_is_taken_for_an_acceptance(code in 0_u16..1000, text in ".*") {
            let reply = Reply::new(code, &text);
            for phase in Phase::ALL {
                if (400..600).contains(&code) {
                    prop_assert!(!phase.accepts(&reply));
                    prop_assert_ne!(judge(*phase, &reply), Verdict::OutOfStep);
                }
                if judge(*phase, &reply) == (Verdict::Fail { suppress: true }) {
                    prop_assert_eq!(*phase, Phase::Rcpt);
                }
            }
        }
    }
}
