//! A reply that comes after nobody waits for it any more.

use std::time::Duration;

use e2e::ledger::MailJob;
use test_support::{Act, DEADLINE, Phase, Rule, Step};

use crate::mail_scene::Scene;

/// Later than the deadline of every step.
const LATE: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread")]
async fn fault_17_the_250_arrives_after_our_timeout_and_no_reply_is_taken_for_the_next_mails() {
    let scene = Scene::new("late").await;
    // One mail after the other: the next one would find the same connection.
    let _service = scene.service().set("SENDER__CONCURRENCY", "1").start().await;
    // Each time the late reply is good and the next mail's is bad: were the replies off by
    // one, the next mail would be `sent`.
    for phase in [Phase::Dot, Phase::Data, Phase::Rcpt, Phase::Mail] {
        let name = format!("{phase:?}").to_lowercase();
        let (slow, refused) = (scene.address(&format!("slow-{name}")), scene.address(&format!("no-{name}")));
        // At MAIL no recipient is known yet; the slow one comes first.
        let rule = Rule::once(phase, Act::Delay(LATE));
        scene.smtp().rule(if phase == Phase::Mail { rule } else { rule.to(&slow) });
        scene.smtp().rule(Rule::always(Phase::Dot, Act::reply("554 5.6.0 no")).to(&refused));
        let begun = scene.smtp().count(Phase::Mail);
        scene.publish(&scene.publisher.notice(&slow)).await;
        // Records of two users may be read in either order.
        scene.smtp().wait_for_phase(Phase::Mail, begun + 1).await;
        scene.publish(&scene.publisher.notice(&refused)).await;
        let mail = scene.ledger.wait_for_mail(&refused, "over", DEADLINE, MailJob::is_terminal).await;
        assert_eq!((mail.state.as_str(), mail.last_reply.as_deref()), ("failed", Some("554 5.6.0 no")), "{phase:?}");
        let mail = scene.ledger.wait_for_mail(&slow, "over", DEADLINE, MailJob::is_terminal).await;
        assert_eq!(mail.state, if phase == Phase::Dot { "unknown" } else { "sent" }, "{phase:?}: {mail:#?}");
        let sessions: Vec<usize> = [&slow, &refused]
            .map(|to| scene.smtp().deliveries_to(to).first().map(|delivery| delivery.session))
            .into_iter()
            .flatten()
            .collect();
        assert!(phase != Phase::Dot || sessions[0] != sessions[1], "the connection was used again");
        assert_nothing_was_said_after(&scene, &slow, phase);
    }
    // And one that is taken follows on all of them.
    let next = scene.notice("next").await;
    let mail = scene.ledger.wait_for_state(&next, "sent", DEADLINE).await;
    assert_eq!((mail.attempts, scene.smtp().deliveries_to(&next).len()), (1, 1));
    scene.judge().await;
}

/// In the session in which the reply came too late, not even a RSET: its answer would be the
/// late one.
fn assert_nothing_was_said_after(scene: &Scene, slow: &str, phase: Phase) {
    // At MAIL the server had not yet heard whose mail it was.
    if phase == Phase::Mail {
        return;
    }
    let sessions = scene.smtp().sessions();
    let first = sessions.iter().find_map(|session| {
        let place = session.steps.iter().position(|step| step.phase == Phase::Rcpt && step.line.contains(slow))?;
        Some(&session.steps[place..])
    });
    let steps = first.expect("the slow mail's recipient was named");
    let more = |step: &&Step| matches!(step.phase, Phase::Rset | Phase::Mail | Phase::Quit | Phase::Noop);
    assert_eq!(steps.iter().find(more), None, "said into a connection whose replies are late at {phase:?}");
}
