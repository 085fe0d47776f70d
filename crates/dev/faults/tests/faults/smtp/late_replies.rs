//! A reply that comes after nobody waits for it any more.

use std::time::Duration;

use e2e::ledger::Mail;
use test_support::{Act, DEADLINE, Phase, Rule, Step};

use crate::mail_fixture::MailFixture;

/// Later than the deadline of every step.
const LATE: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread")]
async fn fault_17_a_reply_after_the_timeout_is_not_taken_for_the_reply_to_the_next_mail() {
    let fixture = MailFixture::new("late").await;
    // One mail after the other: the next one would find the same connection.
    let _service = fixture.service().set("SENDER__CONCURRENCY", "1").start().await;
    // Each time the late reply is good and the next mail's is bad: were the replies off by
    // one, the next mail would be `sent`.
    for phase in [Phase::Dot, Phase::Data, Phase::Rcpt, Phase::Mail] {
        let name = format!("{phase:?}").to_lowercase();
        let (slow, refused) = (fixture.address(&format!("slow-{name}")), fixture.address(&format!("no-{name}")));
        // At MAIL no recipient is known yet; the slow one comes first.
        let rule = Rule::once(phase, Act::Delay(LATE));
        fixture.smtp().rule(if phase == Phase::Mail { rule } else { rule.to(&slow) });
        fixture.smtp().rule(Rule::always(Phase::Dot, Act::reply("554 5.6.0 no")).to(&refused));
        let begun = fixture.smtp().count(Phase::Mail);
        fixture.publish(&fixture.publisher.notice(&slow)).await;
        // Records of two users may be read in either order.
        fixture.smtp().wait_for_phase(Phase::Mail, begun + 1).await;
        fixture.publish(&fixture.publisher.notice(&refused)).await;
        let mail = fixture.ledger.wait_for_mail(&refused, "over", DEADLINE, Mail::is_over).await;
        assert_eq!((mail.state.as_str(), mail.last_reply.as_deref()), ("failed", Some("554 5.6.0 no")), "{phase:?}");
        let mail = fixture.ledger.wait_for_mail(&slow, "over", DEADLINE, Mail::is_over).await;
        assert_eq!(mail.state, if phase == Phase::Dot { "unknown" } else { "sent" }, "{phase:?}: {mail:#?}");
        let sessions: Vec<usize> = [&slow, &refused]
            .map(|to| fixture.smtp().deliveries_to(to).first().map(|delivery| delivery.session))
            .into_iter()
            .flatten()
            .collect();
        assert!(phase != Phase::Dot || sessions[0] != sessions[1], "the connection was used again");
        assert_connection_was_abandoned(&fixture, &slow, phase);
    }
    // And one that is taken follows on all of them.
    let next = fixture.notice("next").await;
    let mail = fixture.ledger.wait_for_state(&next, "sent", DEADLINE).await;
    assert_eq!((mail.attempts, fixture.smtp().deliveries_to(&next).len()), (1, 1));
    fixture.assert_promises_kept().await;
}

/// In the session in which the reply came too late, not even a RSET: its answer would be the
/// late one.
fn assert_connection_was_abandoned(fixture: &MailFixture, slow: &str, phase: Phase) {
    // At MAIL the server had not yet heard whose mail it was.
    if phase == Phase::Mail {
        return;
    }
    let sessions = fixture.smtp().sessions();
    let first = sessions.iter().find_map(|session| {
        let place = session.steps.iter().position(|step| step.phase == Phase::Rcpt && step.line.contains(slow))?;
        Some(&session.steps[place..])
    });
    let steps = first.expect("the slow mail's recipient was named");
    let more = |step: &&Step| matches!(step.phase, Phase::Rset | Phase::Mail | Phase::Quit | Phase::Noop);
    assert_eq!(steps.iter().find(more), None, "said into a connection whose replies are late at {phase:?}");
}
