//! A mail server that is not there, falls silent, or hangs up: before the fence a mail is
//! tried again, behind it nobody knows what became of it.

use std::time::Duration;

use e2e::{ledger::MailJob, offsets};
use test_support::{Act, DEADLINE, Mode, Phase, Rule, ScriptedSmtp, Stack, TcpProxy, World, wait_for};

use crate::mail_scene::Scene;

/// What is no answer, though something came.
fn nonsense() -> [Act; 3] {
    [
        Act::Half("25".to_owned()),
        Act::Raw(b"\x00\xff\xfe what?\r\n".to_vec()),
        Act::reply("250-one thing\r\n550 and another"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_15_smtp_hangs_or_hangs_up_before_the_fence_and_every_mail_is_sent_once() {
    let scene = Scene::new("before").await;
    let _service = scene.service().set("SENDER__CONCURRENCY", "1").start().await;
    for phase in [Phase::Greeting, Phase::Ehlo, Phase::Mail, Phase::Rcpt, Phase::Data] {
        for (number, act) in [Act::Hang, Act::Drop].into_iter().chain(nonsense()).enumerate() {
            let connecting = matches!(phase, Phase::Greeting | Phase::Ehlo);
            if connecting {
                // A new connection is made only if the old one is of no use.
                scene.smtp().rule(Rule::once(Phase::Rset, Act::Drop));
            }
            scene.smtp().rule(Rule::once(phase, act.clone()));
            let address = scene.notice(&format!("{phase:?}-{number}").to_lowercase()).await;
            let mail = scene.ledger.wait_for_state(&address, "sent", DEADLINE).await;
            let case = format!("{act:?} at {phase:?}: {mail:#?}");
            assert_eq!(mail.count_transitions("data", "unknown"), 0, "{case}");
            assert_eq!(scene.smtp().deliveries_to(&address).len(), 1, "{case}");
            if connecting {
                assert_eq!(mail.attempts, 1, "no mail pays for a server that takes no connections: {case}");
            } else {
                assert_eq!((mail.attempts, mail.count_transitions("preparing", "queued")), (2, 1), "{case}");
                // One session for the broken transaction, and none of it used again.
                let last = scene.smtp().sessions().into_iter().rev().nth(1).expect("another was made");
                assert_eq!(last.steps.last().map(|step| step.phase), Some(phase), "{case}");
            }
            scene.smtp().behave();
        }
    }
    assert_eq!(scene.smtp().count(Phase::Body), scene.smtp().deliveries().len(), "a body went into a refused DATA");
    scene.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_15_smtp_hangs_or_hangs_up_behind_the_fence_and_the_mail_is_unknown() {
    let scene = Scene::new("behind").await;
    let _service = scene.service().set("SENDER__CONCURRENCY", "1").start().await;
    let [half, garbage, two_replies] = nonsense();
    for (number, (phase, act)) in [
        (Phase::Body, Act::Hang),
        (Phase::Body, Act::Drop),
        (Phase::Dot, Act::Hang),
        (Phase::Dot, Act::Drop),
        (Phase::Dot, half),
        (Phase::Dot, garbage),
        (Phase::Dot, two_replies),
    ]
    .into_iter()
    .enumerate()
    {
        let address = scene.address(&format!("behind{number}"));
        scene.smtp().rule(Rule::always(phase, act.clone()).to(&address));
        scene.publish(&scene.publisher.notice(&address)).await;
        let mail = scene.ledger.wait_for_state(&address, "unknown", DEADLINE).await;
        assert!(mail.is_terminal() && mail.next_attempt_at.is_none(), "held, {act:?} at {phase:?}: {mail:#?}");
        assert_eq!(mail.states(), ["queued", "preparing", "data", "unknown"], "{act:?} at {phase:?}");
        assert!(scene.smtp().deliveries_to(&address).len() <= 1);
        // Whatever happened to those, the next one is served.
        let next = scene.welcome(&format!("next{number}")).await;
        scene.ledger.wait_for_state(&next, "sent", DEADLINE).await;
    }
    assert_eq!(scene.smtp().count(Phase::Quit), 0, "nothing is said into an open DATA");
    scene.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_16_smtp_takes_the_body_drops_before_250_and_only_the_policy_sends_again() {
    let scene = Scene::new("dropped").await;
    let _service = scene.service().start().await;
    // Policy `hold`; `resend_once` taken at the second time; and never.
    let (held, once, never) = (scene.address("held"), scene.address("once"), scene.address("never"));
    scene.smtp().rule(Rule::always(Phase::Dot, Act::Drop).to(&held));
    scene.smtp().rule(Rule::once(Phase::Dot, Act::Drop).to(&once));
    scene.smtp().rule(Rule::always(Phase::Dot, Act::Drop).to(&never));
    scene.publish(&scene.publisher.notice(&held)).await;
    scene.publish(&scene.publisher.welcome(&once)).await;
    scene.publish(&scene.publisher.welcome(&never)).await;
    for (address, state, dots, resent) in [(&held, "unknown", 1, 0), (&once, "sent", 2, 1), (&never, "unknown", 2, 1)] {
        let mail = scene.ledger.wait_for_mail(address, "over", DEADLINE, MailJob::is_terminal).await;
        let outcome = (
            mail.state.as_str(),
            scene.smtp().deliveries_to(address).len(),
            mail.count_transitions("unknown", "queued"),
        );
        assert_eq!(outcome, (state, dots, resent), "{mail:#?}");
        // Both copies are one mail to whoever removes duplicates.
        let ids = scene.smtp().deliveries_to(address);
        assert!(ids.iter().all(|delivery| delivery.mail.header("Message-ID") == mail.message_id));
    }
    scene.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_15_smtp_refused_the_topic_is_read_on_and_afterwards_every_mail_goes_once() {
    let smtp = ScriptedSmtp::start().await;
    let proxy = TcpProxy::start(&smtp.address()).await.expect("a proxy can listen");
    let url = format!("smtp://{}", proxy.address());
    let world = World::new(&Stack::from_env(), "smtp-down").await.on_smtp(url);
    let scene = Scene::of(world, smtp).await;
    let service = scene.service().set("SENDER__CONCURRENCY", "4").start().await;
    wait_for(DEADLINE, "smtp: ok", async || (service.check("smtp").await == "ok").then_some(())).await;

    proxy.set(Mode::Refuse);
    let addresses: Vec<String> = (0..8).map(|number| scene.address(&format!("waits{number}"))).collect();
    for address in &addresses {
        scene.publish(&scene.publisher.notice(address)).await;
    }
    let brief = scene.address("brief");
    scene.publish(&scene.publisher.welcome_with_lifetime(&brief, Duration::from_secs(4))).await;
    wait_for(DEADLINE, "a degraded service", async || {
        let (status, body) = service.readiness().await?;
        (status == 200 && body["status"] == "degraded" && body["checks"]["smtp"] == "down").then_some(())
    })
    .await;
    offsets::wait_until_consumed(&scene.run.world, DEADLINE).await;
    let mail = scene.ledger.wait_for_state(&brief, "expired", DEADLINE).await;
    assert!(mail.is_terminal() && mail.attempts == 0, "{mail:#?}");
    for mail in scene.ledger.mails().await.iter().filter(|mail| mail.to != brief) {
        assert_eq!((mail.attempts, mail.is_terminal()), (0, false), "{mail:#?}");
    }
    assert!(scene.smtp().deliveries().is_empty());

    proxy.set(Mode::Pass);
    wait_for(DEADLINE, "smtp: ok again", async || {
        let (status, body) = service.readiness().await?;
        (status == 200 && body["status"] == "ready").then_some(())
    })
    .await;
    scene.until_all(&addresses, "sent", DEADLINE).await;
    assert_eq!(scene.smtp().deliveries().len(), addresses.len(), "what has expired is not sent");
    scene.judge().await;
}
