//! A reply that arrives after the sender's timeout.

use std::time::Duration;

use e2e::ledger::MailJob;
use test_support::{Behavior, DEADLINE, Phase, SmtpRule, SmtpStep};

use crate::mail_fixture::MailFixture;

/// A delay that is longer than the timeout of every step, also for a process that gets no processor for a second.
const REPLY_DELAY: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn fault_17_a_reply_after_the_timeout_is_not_taken_for_the_reply_to_the_next_mail() {
    let fixture = MailFixture::new("late").await;
    // With one sender, the next mail would use the same connection.
    let _service = fixture.service().set("SENDER__CONCURRENCY", "1").start().await;
    // The late reply is positive and the next mail's is negative. If the replies were off by one, the next mail
    // would be `sent`.
    for phase in [Phase::Dot, Phase::Data, Phase::Rcpt, Phase::Mail] {
        let name = format!("{phase:?}").to_lowercase();
        let (slow, refused) = (fixture.address(&format!("slow-{name}")), fixture.address(&format!("no-{name}")));
        // At MAIL the recipient is not known yet; the slow mail comes first.
        let rule = SmtpRule::once(phase, Behavior::Delay(REPLY_DELAY));
        fixture.smtp().add_rule(if phase == Phase::Mail { rule } else { rule.to(&slow) });
        fixture.smtp().add_rule(SmtpRule::always(Phase::Dot, Behavior::reply("554 5.6.0 no")).to(&refused));
        let begun = fixture.smtp().count(Phase::Mail);
        fixture.publish(&fixture.publisher.notice(&slow)).await;
        // Records of two users may be read in either order.
        fixture.smtp().wait_for_phase(Phase::Mail, begun + 1).await;
        fixture.publish(&fixture.publisher.notice(&refused)).await;
        let mail = fixture.ledger.wait_for_mail(&refused, "over", DEADLINE, MailJob::is_terminal).await;
        assert_eq!((mail.state.as_str(), mail.last_reply.as_deref()), ("failed", Some("554 5.6.0 no")), "{phase:?}");
        let mail = fixture.ledger.wait_for_mail(&slow, "over", DEADLINE, MailJob::is_terminal).await;
        assert_eq!(mail.state, if phase == Phase::Dot { "unknown" } else { "sent" }, "{phase:?}: {mail:#?}");
        let sessions: Vec<usize> = [&slow, &refused]
            .map(|to| fixture.smtp().deliveries_to(to).first().map(|delivery| delivery.session))
            .into_iter()
            .flatten()
            .collect();
        assert!(phase != Phase::Dot || sessions[0] != sessions[1], "the connection was reused");
        assert_connection_was_abandoned(&fixture, &slow, phase);
    }
    // After that, a mail is accepted as usual.
    let next = fixture.notice("next").await;
    let mail = fixture.ledger.wait_for_state(&next, "sent", DEADLINE).await;
    assert_eq!((mail.attempts, fixture.smtp().deliveries_to(&next).len()), (1, 1));
    fixture.assert_promises_kept().await;
}

/// Checks that the sender sent nothing more in the session with the late reply, not even RSET, because its reply
/// would be the late one.
fn assert_connection_was_abandoned(fixture: &MailFixture, slow: &str, phase: Phase) {
    // At MAIL the session cannot be identified, because the server does not know the recipient yet.
    if phase == Phase::Mail {
        return;
    }
    let sessions = fixture.smtp().sessions();
    let first = sessions.iter().find_map(|session| {
        let place = session.steps.iter().position(|step| step.phase == Phase::Rcpt && step.line.contains(slow))?;
        Some(&session.steps[place..])
    });
    let steps = first.expect("the server received the slow mail's recipient");
    let more = |step: &&SmtpStep| matches!(step.phase, Phase::Rset | Phase::Mail | Phase::Quit | Phase::Noop);
    assert_eq!(steps.iter().find(more), None, "the sender reused a connection with a late reply at {phase:?}");
}
