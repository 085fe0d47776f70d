//! A mail server that is unreachable, silent, or disconnects: before the fence a mail is retried, after the fence
//! its delivery is unknown.

use std::time::Duration;

use e2e::{ledger::MailJob, offsets};
use test_support::{Behavior, DEADLINE, Phase, ProxyMode, ScriptedSmtp, SmtpRule, Stack, TcpProxy, World, wait_for};

use crate::mail_fixture::MailFixture;

/// Returns replies that are not valid SMTP replies.
fn invalid_replies() -> [Behavior; 3] {
    [
        Behavior::PartialReply("25".to_owned()),
        Behavior::RawBytes(b"\x00\xff\xfe what?\r\n".to_vec()),
        Behavior::reply("250-one thing\r\n550 and another"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_15_a_mail_server_that_hangs_or_disconnects_before_the_fence_gets_every_mail_once() {
    let fixture = MailFixture::new("before").await;
    let _service = fixture.service().set("SENDER__CONCURRENCY", "1").start().await;
    for phase in [Phase::Greeting, Phase::Ehlo, Phase::Mail, Phase::Rcpt, Phase::Data] {
        for (number, act) in [Behavior::Hang, Behavior::Drop].into_iter().chain(invalid_replies()).enumerate() {
            let connecting = matches!(phase, Phase::Greeting | Phase::Ehlo);
            if connecting {
                // The sender connects again only if the old connection is unusable.
                fixture.smtp().add_rule(SmtpRule::once(Phase::Rset, Behavior::Drop));
            }
            fixture.smtp().add_rule(SmtpRule::once(phase, act.clone()));
            let address = fixture.notice(&format!("{phase:?}-{number}").to_lowercase()).await;
            let mail = fixture.ledger.wait_for_state(&address, "sent", DEADLINE).await;
            let case = format!("{act:?} at {phase:?}: {mail:#?}");
            assert_eq!(mail.count_transitions("data", "unknown"), 0, "{case}");
            assert_eq!(fixture.smtp().deliveries_to(&address).len(), 1, "{case}");
            if connecting {
                assert_eq!(mail.attempts, 1, "a failed connection counts as an attempt: {case}");
            } else {
                assert_eq!((mail.attempts, mail.count_transitions("preparing", "queued")), (2, 1), "{case}");
                // The session of the failed transaction is not used again.
                let last = fixture.smtp().sessions().into_iter().rev().nth(1).expect("another session was opened");
                assert_eq!(last.steps.last().map(|step| step.phase), Some(phase), "{case}");
            }
            fixture.smtp().clear_rules();
        }
    }
    assert_eq!(
        fixture.smtp().count(Phase::Body),
        fixture.smtp().deliveries().len(),
        "a body was sent after a refused DATA"
    );
    fixture.assert_promises_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_15_a_mail_server_that_hangs_or_disconnects_after_the_fence_leaves_the_mail_unknown() {
    let fixture = MailFixture::new("behind").await;
    let _service = fixture.service().set("SENDER__CONCURRENCY", "1").start().await;
    let [half, garbage, two_replies] = invalid_replies();
    for (number, (phase, act)) in [
        (Phase::Body, Behavior::Hang),
        (Phase::Body, Behavior::Drop),
        (Phase::Dot, Behavior::Hang),
        (Phase::Dot, Behavior::Drop),
        (Phase::Dot, half),
        (Phase::Dot, garbage),
        (Phase::Dot, two_replies),
    ]
    .into_iter()
    .enumerate()
    {
        let address = fixture.address(&format!("behind{number}"));
        fixture.smtp().add_rule(SmtpRule::always(phase, act.clone()).to(&address));
        fixture.publish(&fixture.publisher.notice(&address)).await;
        let mail = fixture.ledger.wait_for_state(&address, "unknown", DEADLINE).await;
        assert!(mail.is_terminal() && mail.next_attempt_at.is_none(), "held, {act:?} at {phase:?}: {mail:#?}");
        assert_eq!(mail.states(), ["queued", "preparing", "data", "unknown"], "{act:?} at {phase:?}");
        assert!(fixture.smtp().deliveries_to(&address).len() <= 1);
        // The next mail is sent regardless.
        let next = fixture.welcome(&format!("next{number}")).await;
        fixture.ledger.wait_for_state(&next, "sent", DEADLINE).await;
    }
    assert_eq!(fixture.smtp().count(Phase::Quit), 0, "QUIT was sent within DATA");
    fixture.assert_promises_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_16_a_mail_whose_connection_drops_before_the_250_is_resent_only_by_its_policy() {
    let fixture = MailFixture::new("dropped").await;
    let _service = fixture.service().start().await;
    // Policy `hold`; `resend_once` accepted at the second attempt; and `resend_once` never accepted.
    let (held, once, never) = (fixture.address("held"), fixture.address("once"), fixture.address("never"));
    fixture.smtp().add_rule(SmtpRule::always(Phase::Dot, Behavior::Drop).to(&held));
    fixture.smtp().add_rule(SmtpRule::once(Phase::Dot, Behavior::Drop).to(&once));
    fixture.smtp().add_rule(SmtpRule::always(Phase::Dot, Behavior::Drop).to(&never));
    fixture.publish(&fixture.publisher.notice(&held)).await;
    fixture.publish(&fixture.publisher.welcome(&once)).await;
    fixture.publish(&fixture.publisher.welcome(&never)).await;
    for (address, state, dots, resent) in [(&held, "unknown", 1, 0), (&once, "sent", 2, 1), (&never, "unknown", 2, 1)] {
        let mail = fixture.ledger.wait_for_mail(address, "over", DEADLINE, MailJob::is_terminal).await;
        let outcome = (
            mail.state.as_str(),
            fixture.smtp().deliveries_to(address).len(),
            mail.count_transitions("unknown", "queued"),
        );
        assert_eq!(outcome, (state, dots, resent), "{mail:#?}");
        // Both copies have the same Message-ID, so that duplicates can be removed.
        let ids = fixture.smtp().deliveries_to(address);
        assert!(ids.iter().all(|delivery| delivery.mail.header("Message-ID") == mail.message_id));
    }
    fixture.assert_promises_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_15_while_no_mail_server_accepts_connections_the_topic_is_read_and_afterwards_every_mail_is_sent_once() {
    let smtp = ScriptedSmtp::start().await;
    let proxy = TcpProxy::start(&smtp.address()).await.expect("a proxy can listen");
    let url = format!("smtp://{}", proxy.address());
    let world = World::new(&Stack::from_env(), "smtp-down").await.on_smtp(url);
    let fixture = MailFixture::in_world(world, smtp).await;
    let service = fixture.service().set("SENDER__CONCURRENCY", "4").start().await;
    wait_for(DEADLINE, "smtp: ok", async || (service.check("smtp").await == "ok").then_some(())).await;

    proxy.set_mode(ProxyMode::Refuse);
    let addresses: Vec<String> = (0..8).map(|number| fixture.address(&format!("waits{number}"))).collect();
    for address in &addresses {
        fixture.publish(&fixture.publisher.notice(address)).await;
    }
    let brief = fixture.address("brief");
    fixture.publish(&fixture.publisher.welcome_with_lifetime(&brief, Duration::from_secs(4))).await;
    wait_for(DEADLINE, "a degraded service", async || {
        let (status, body) = service.readiness().await?;
        (status == 200 && body["status"] == "degraded" && body["checks"]["smtp"] == "down").then_some(())
    })
    .await;
    offsets::wait_until_consumed(&fixture.run.world, DEADLINE).await;
    let mail = fixture.ledger.wait_for_state(&brief, "expired", DEADLINE).await;
    assert!(mail.is_terminal() && mail.attempts == 0, "{mail:#?}");
    for mail in fixture.ledger.mails().await.iter().filter(|mail| mail.to != brief) {
        assert_eq!((mail.attempts, mail.is_terminal()), (0, false), "{mail:#?}");
    }
    assert!(fixture.smtp().deliveries().is_empty());

    proxy.set_mode(ProxyMode::Pass);
    wait_for(DEADLINE, "smtp: ok again", async || {
        let (status, body) = service.readiness().await?;
        (status == 200 && body["status"] == "ready").then_some(())
    })
    .await;
    fixture.wait_for_states(&addresses, "sent", DEADLINE).await;
    assert_eq!(fixture.smtp().deliveries().len(), addresses.len(), "an expired mail was sent");
    fixture.assert_promises_kept().await;
}
