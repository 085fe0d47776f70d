//! A mail arrives once, and the ledger records it.

use std::time::Duration;

use email_service::ledger::State;
use service_kit::CheckState;
use test_support::{Behavior, Phase, ScriptedSmtp, SmtpRule, wait_for};
use tokio_util::sync::CancellationToken;

use crate::setup::{STEP, Store, send_next, state_history};

#[tokio::test]
async fn a_mail_is_delivered_and_recorded() {
    let (store, smtp) = (Store::new("delivery").await, ScriptedSmtp::start().await);
    let id = store.queue(store.welcome("ada@example.com")).await;
    assert_eq!(send_next(&store.sender(&[&smtp])).await, id);

    let row = store.row(&id).await;
    assert_eq!(state_history(&row), [State::Queued, State::Preparing, State::Data, State::Sent]);
    assert_eq!((row.state, row.attempts, row.epoch), (State::Sent, 1, 1));
    assert!(row.terminal_at.is_some() && row.lease.is_none() && row.next_attempt_at.is_none());
    assert_eq!(row.last_reply.as_deref(), Some("250 2.0.0 taken"));

    let [delivery] = smtp.deliveries().try_into().expect("exactly one mail");
    assert!(delivery.is_accepted());
    assert_eq!(delivery.mail.to, ["ada@example.com"]);
    assert_eq!(delivery.mail.from, "us@example.org");
    assert_eq!(delivery.mail.header("Message-ID"), row.message_id);
    assert!(delivery.mail.links().iter().any(|link| link.contains("/verify-email?token=t")));
}

#[tokio::test]
async fn a_connection_is_reused_after_a_reset() {
    let (store, smtp) = (Store::new("reuse").await, ScriptedSmtp::start().await);
    let sender = store.sender(&[&smtp]);
    for to in ["a@example.com", "b@example.com", "c@example.com"] {
        store.queue(store.notice(to)).await;
        send_next(&sender).await;
    }
    assert_eq!(smtp.deliveries().len(), 3);
    assert_eq!(smtp.sessions().len(), 1, "one connection for all");
    assert_eq!(smtp.count(Phase::Rset), 2, "a reset before each reuse");
}

#[tokio::test]
async fn a_body_line_that_begins_with_a_dot_arrives_unchanged() {
    // The mail may contain such lines; the test checks that all of it arrives.
    let (store, smtp) = (Store::new("dots").await, ScriptedSmtp::start().await);
    store.queue(store.welcome("ada@example.com")).await;
    send_next(&store.sender(&[&smtp])).await;
    let raw = &smtp.deliveries()[0].mail.raw;
    assert!(raw.trim_end().ends_with("--"), "the last boundary has arrived: {raw}");
}

#[tokio::test]
async fn the_next_server_takes_over_without_a_lost_attempt() {
    let store = Store::new("failover").await;
    let (first, second) = (ScriptedSmtp::start().await, ScriptedSmtp::start().await);
    first.add_rule(SmtpRule::always(Phase::Greeting, Behavior::reply("554 5.3.2 no service")));
    let id = store.queue(store.notice("ada@example.com")).await;
    send_next(&store.sender(&[&first, &second])).await;
    let row = store.row(&id).await;
    assert_eq!((row.state, row.attempts), (State::Sent, 1));
    assert_eq!((first.deliveries().len(), second.deliveries().len()), (0, 1));
}

#[tokio::test]
async fn a_mail_without_a_reachable_server_waits_and_loses_no_attempt() {
    for (phase, act) in [
        (Phase::Greeting, Behavior::reply("421 4.3.2 busy")),
        (Phase::Greeting, Behavior::Hang),
        (Phase::Greeting, Behavior::Drop),
        (Phase::Ehlo, Behavior::Hang),
        (Phase::Ehlo, Behavior::reply("550 5.7.1 not you")),
    ] {
        let (store, smtp) = (Store::new("down").await, ScriptedSmtp::start().await);
        smtp.add_rule(SmtpRule::always(phase, act.clone()));
        let id = store.queue(store.notice("ada@example.com")).await;
        let sender = store.sender(&[&smtp]);
        send_next(&sender).await;
        let row = store.row(&id).await;
        assert_eq!((row.state, row.attempts), (State::Queued, 0), "{phase:?} {act:?}");

        // The breaker stops the next mail.
        let sessions = smtp.sessions().len();
        assert!(sender.pool.checkout(&[]).await.is_err());
        assert_eq!(smtp.sessions().len(), sessions);
    }
}

#[tokio::test]
async fn a_refused_login_costs_the_mail_no_attempt() {
    let (store, smtp) = (Store::new("auth").await, ScriptedSmtp::start_with_extensions(&["AUTH PLAIN LOGIN"]).await);
    // One reply for each of the two mechanisms.
    smtp.add_rule(SmtpRule::times(2, Phase::Auth, Behavior::reply("535 5.7.8 bad credentials")));
    let id = store.queue(store.notice("ada@example.com")).await;
    let url = format!("smtp://user:pass@{}", smtp.address());
    let sender = store.sender_to(&url, store.ledger("sender"));
    send_next(&sender).await;
    let row = store.row(&id).await;
    assert_eq!((row.state, row.attempts), (State::Queued, 0));
    assert!(row.history.last().unwrap().note.as_ref().unwrap().contains("535"));
    assert_eq!(smtp.count(Phase::Mail), 0);
}

#[tokio::test]
async fn a_server_without_the_required_tls_gets_no_mail() {
    let (store, smtp) = (Store::new("starttls").await, ScriptedSmtp::start().await);
    let id = store.queue(store.notice("ada@example.com")).await;
    let sender = store.sender_to(&format!("{}?tls=required", smtp.url()), store.ledger("sender"));
    send_next(&sender).await;
    assert_eq!(store.row(&id).await.state, State::Queued);
    assert_eq!(smtp.count(Phase::Mail), 0);
}

#[tokio::test]
async fn an_idle_service_notices_when_its_server_disappears_and_returns() {
    let smtp = ScriptedSmtp::start().await;
    let (pool, health) = Store::pool(&smtp, STEP);
    let stop = CancellationToken::new();
    let watch = tokio::spawn({
        let (pool, stop) = (pool.clone(), stop.clone());
        async move { pool.watch(stop).await }
    });
    let until = async |state: CheckState| {
        let what = format!("smtp: {state:?}");
        wait_for(Duration::from_secs(15), &what, async || (health.report().checks == [("smtp", state)]).then_some(()))
            .await;
    };
    until(CheckState::Ok).await;
    smtp.add_rule(SmtpRule::always(Phase::Rset, Behavior::Drop));
    smtp.add_rule(SmtpRule::always(Phase::Greeting, Behavior::Drop));
    until(CheckState::Down).await;
    assert!(pool.checkout(&[]).await.is_err());
    smtp.clear_rules();
    until(CheckState::Ok).await;
    pool.wait_until_available().await;
    assert!(pool.checkout(&[]).await.is_ok());
    stop.cancel();
    watch.await.unwrap();
}
