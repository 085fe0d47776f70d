//! The classification table: the effect of each reply in each phase on the ledger, the suppression list, the
//! connection, and other mails.

use std::time::Duration;

use e2e::ledger::MailJob;
use test_support::{Behavior, DEADLINE, Phase, SmtpRule, wait_for};

use crate::mail_fixture::MailFixture;

/// The effect of a reply on the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplyEffect {
    Failed,
    /// Failed, and the address is suppressed.
    Suppressed,
    /// Retried after the backoff.
    Retried,
    /// Retried after the backoff, and the connection is closed.
    RetriedOnNewConnection,
    /// Retried after the delay that greylisting servers require.
    Greylisted,
    /// The server rejects the sender, not the mail: no attempt is counted.
    SenderRefused,
    /// A reply that is invalid in this phase: the connection is closed, and after the fence the mail is `unknown`.
    Unexpected,
}

use ReplyEffect::{Failed, Greylisted, Retried, RetriedOnNewConnection, SenderRefused, Suppressed, Unexpected};

/// Replies with the same meaning in every phase.
const IN_EVERY_PHASE: &[(&str, ReplyEffect)] = &[
    ("421 4.3.2 shutting down", RetriedOnNewConnection),
    ("450 4.2.0 greylisted", Greylisted),
    ("451 4.7.1 try again later", Greylisted),
    ("450-4.2.0 greylisted\r\n450 4.2.0 come back", Greylisted),
    ("452 4.3.1 no space", Retried),
    ("552 5.2.2 mailbox full", Retried),
    ("552 5.3.4 too large for now", Retried),
    ("550 5.2.2 over quota", Retried),
    ("550 5.7.1 blocked", Failed),
    ("554 5.7.1 looks like spam", Failed),
    ("554-5.6.0 no\r\n554 5.6.0 and again no", Failed),
    ("535 5.7.8 who are you", SenderRefused),
    ("530 5.7.0 authentication required", SenderRefused),
];

/// Replies that concern the address only at RCPT.
const BAD_ADDRESS_REPLIES: &[&str] =
    &["550 5.1.1 no such user", "550 no such user", "551 5.1.6 moved", "553 5.1.3 bad address"];

/// Replies that are valid in another phase only.
const UNEXPECTED_REPLIES: &[(Phase, &str)] = &[
    (Phase::Mail, "354 go on"),
    (Phase::Mail, "nonsense"),
    (Phase::Rcpt, "354 go on"),
    (Phase::Data, "250 ok"),
    (Phase::Dot, "251 will forward"),
    (Phase::Dot, "354 go on"),
    (Phase::Dot, "nonsense"),
];

/// Longer than the whole table takes, so that no mail of an earlier row is retried during a later one.
const BACKOFF: Duration = Duration::from_secs(200);
const GREYLISTING: Duration = Duration::from_secs(300);

fn table() -> Vec<(Phase, &'static str, ReplyEffect)> {
    let mut table = Vec::new();
    for phase in [Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Dot] {
        table.extend(IN_EVERY_PHASE.iter().map(|(reply, effect)| (phase, *reply, *effect)));
        let effect = if phase == Phase::Rcpt { Suppressed } else { Failed };
        table.extend(BAD_ADDRESS_REPLIES.iter().map(|reply| (phase, *reply, effect)));
        let out_of_step = UNEXPECTED_REPLIES.iter().filter(|(place, _)| *place == phase);
        table.extend(out_of_step.map(|(phase, reply)| (*phase, *reply, Unexpected)));
    }
    // A hostile reply does no harm where it is stored.
    table.push((Phase::Rcpt, "554 5.7.1 $state \u{1b}[31m{\"$where\": 1}", Failed));
    table
}

/// Returns the reply as the ledger stores it: one printable line, with the enhanced status code once.
fn stored_reply(reply: &str) -> String {
    let mut lines = reply.split("\r\n").map(|line| line[4..].replace('\u{1b}', ""));
    let first = lines.next().unwrap_or_default();
    let enhanced = first.split(' ').next().unwrap_or_default().to_owned();
    let rest = lines.map(|line| line.strip_prefix(&enhanced).unwrap_or(&line).to_owned());
    format!("{} {first}{}", &reply[..3], rest.collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_18_every_reply_at_every_phase_has_the_effect_of_the_classification_table() {
    let fixture = MailFixture::new("replies").await;
    let mut service = fixture.service().set("SENDER__CONCURRENCY", "1").set("MAIL__BACKOFF", "200s").start().await;
    for (number, (phase, reply, effect)) in table().into_iter().enumerate() {
        let address = fixture.address(&format!("row{number}"));
        let rule = SmtpRule::once(phase, Behavior::reply(reply));
        // At MAIL the recipient is not known yet.
        fixture.smtp().add_rule(if phase == Phase::Mail { rule } else { rule.to(&address) });
        let (sessions, told) = (fixture.smtp().sessions().len(), fixture.smtp().count(phase));
        fixture.publish(&fixture.publisher.notice(&address)).await;
        fixture.smtp().wait_for_phase(phase, told + 1).await;
        let judged = |mail: &MailJob| mail.history.len() > 2 && !["preparing", "data"].contains(&mail.state.as_str());
        let mail = fixture.ledger.wait_for_mail(&address, "judged", DEADLINE, judged).await;
        let case = format!("{reply:?} at {phase:?}: {mail:#?}");
        if effect != Unexpected {
            assert_eq!(mail.last_reply, Some(stored_reply(reply)), "{case}");
        }
        let (state, attempts) = match effect {
            Failed | Suppressed => ("failed", 1),
            Retried | RetriedOnNewConnection | Greylisted => ("queued", 1),
            // At MAIL the mail is retried as soon as the server accepts the sender again, otherwise after 30 s.
            SenderRefused => ("queued", 0),
            Unexpected if phase == Phase::Dot => ("unknown", 1),
            Unexpected => ("queued", 1),
        };
        if !(effect == SenderRefused && phase == Phase::Mail) {
            assert_eq!((mail.state.as_str(), mail.attempts), (state, attempts), "{case}");
            assert_eq!(mail.is_terminal(), state != "queued", "{case}");
        }
        match effect {
            Retried | RetriedOnNewConnection | Unexpected if state == "queued" => {
                assert!(
                    mail.retry_delay() >= BACKOFF.mul_f64(0.8) && mail.retry_delay() <= BACKOFF.mul_f64(1.2),
                    "{case}"
                );
            }
            Greylisted => assert!(mail.retry_delay() >= GREYLISTING, "{case}"),
            _ => {}
        }
        assert_eq!(fixture.ledger.is_suppressed(&address).await, effect == Suppressed, "{case}");

        if effect == SenderRefused && phase == Phase::Mail {
            fixture.ledger.wait_for_state(&address, "sent", DEADLINE).await;
        }

        // The next mail follows, on the same connection if its state is certain.
        let next = fixture.notice(&format!("next{number}")).await;
        fixture.ledger.wait_for_state(&next, "sent", DEADLINE).await;
        let fresh = matches!(effect, RetriedOnNewConnection | SenderRefused | Unexpected);
        let connections = fixture.smtp().sessions().len() - sessions.max(1);
        assert_eq!(connections > 0, fresh, "a new connection, {case}");
        fixture.smtp().clear_rules();
    }
    // A mail to a suppressed address is not offered to the server.
    let place = table().iter().position(|(_, _, effect)| *effect == Suppressed).expect("there is one");
    let before = fixture.smtp().count(Phase::Rcpt);
    let address = fixture.notice(&format!("row{place}")).await;
    wait_for(DEADLINE, "a suppressed mail", async || {
        let mails = fixture.ledger.mails_to(&address).await;
        mails.iter().any(|mail| mail.state == "suppressed" && mail.is_terminal()).then_some(())
    })
    .await;
    assert_eq!(fixture.smtp().count(Phase::Rcpt), before);

    // Simulates the end of the delays for which some mails wait.
    service.terminate().await;
    fixture.ledger.make_all_due().await;
    service.restart().await;
    fixture.assert_promises_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_18_a_temporarily_refused_mail_is_sent_once_when_the_server_accepts_it() {
    let fixture = MailFixture::new("later").await;
    let _service = fixture.service().start().await;
    for (phase, reply) in [(Phase::Rcpt, "421 4.3.2 no"), (Phase::Data, "452 4.3.1 no"), (Phase::Dot, "552 5.2.2 no")] {
        let address = fixture.address(&format!("{phase:?}").to_lowercase());
        fixture.smtp().add_rule(SmtpRule::times(2, phase, Behavior::reply(reply)).to(&address));
        fixture.publish(&fixture.publisher.notice(&address)).await;
        let mail = fixture.ledger.wait_for_state(&address, "sent", DEADLINE).await;
        assert_eq!(mail.attempts, 3, "{mail:#?}");
        let accepted = fixture.smtp().deliveries_to(&address).iter().filter(|delivery| delivery.is_accepted()).count();
        assert_eq!(accepted, 1, "{reply} at {phase:?}");
    }
    fixture.assert_promises_kept().await;
}
