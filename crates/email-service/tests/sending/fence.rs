//! The fence: before it a mail is requeued, behind it only a reply tells the outcome.

use std::time::Duration;

use bson::doc;
use email_service::ledger::{State, claims::WriteOutcome};
use test_support::{Behavior, Phase, ProxyMode, ScriptedSmtp, SmtpRule, TcpProxy, wait_for};

use crate::setup::{LEASE, Store, claimed_notice, send_next, state_history, welcome_past_fence};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_unknown_mail_is_resent_once_if_its_policy_allows() {
    let (store, smtp) = (Store::new("resend").await, ScriptedSmtp::start().await);
    smtp.add_rule(SmtpRule::times(2, Phase::Dot, Behavior::Drop));
    let id = store.queue(store.welcome("ada@example.com")).await;
    let sender = store.sender(&[&smtp]);
    send_next(&sender).await;
    let row = store.row(&id).await;
    assert_eq!((row.state, row.terminal_at), (State::Unknown, None));
    let ledger = store.ledger("recovery");
    assert_eq!(ledger.recover().await.unwrap().resent, 0, "not at once: a late 250 may still arrive");

    store.change(&id, doc! { "nextAttemptAt": "$$NOW" }).await;
    assert_eq!(ledger.recover().await.unwrap().resent, 1);
    assert_eq!(store.row(&id).await.state, State::Queued);
    send_next(&sender).await;
    let row = store.row(&id).await;
    assert_eq!(row.state, State::Unknown);
    assert!(row.terminal_at.is_some(), "resent only once");
    assert_eq!(ledger.recover().await.unwrap().resent, 0);
    let steps: Vec<_> = row.history.iter().filter_map(|step| Some((step.from?, step.to))).collect();
    assert_eq!(steps.iter().filter(|step| **step == (State::Unknown, State::Queued)).count(), 1);
}

#[tokio::test]
async fn a_mail_that_was_taken_over_before_the_fence_is_not_sent() {
    let (store, smtp) = (Store::new("taken").await, ScriptedSmtp::start().await);
    smtp.add_rule(SmtpRule::once(Phase::Data, Behavior::Delay(Duration::from_millis(400))));
    let id = store.queue(store.notice("ada@example.com")).await;
    let sender = store.sender(&[&smtp]);
    let sending = tokio::spawn({
        let sender = std::sync::Arc::clone(&sender);
        async move { send_next(&sender).await }
    });
    smtp.wait_for_phase(Phase::Rcpt, 1).await;
    store.end_lease(&id).await;
    assert_eq!(store.ledger("other").recover().await.unwrap().requeued, 1);
    let taken = store.ledger("other").claim(LEASE).await.unwrap().expect("the mail is due at once");
    sending.await.unwrap();

    let row = store.row(&id).await;
    assert_eq!((row.state, row.epoch), (State::Preparing, taken.epoch), "the other sender holds it");
    smtp.wait_until_disconnected().await;
    assert_nothing_sent_after_354(&smtp);
}

#[tokio::test]
async fn an_expired_lease_blocks_the_fence_even_if_no_other_sender_took_over() {
    let (store, ledger, job, id) = claimed_notice("ended").await;
    store.end_lease(&id).await;
    assert!(!ledger.pass_fence(&job, LEASE).await.unwrap());
    assert_eq!(store.row(&id).await.state, State::Preparing);
}

#[tokio::test]
async fn a_late_fence_write_matches_nothing() {
    let (store, ledger, job, id) = claimed_notice("lateflip").await;
    assert_eq!(ledger.undo_fence(&job, "test").await.unwrap(), WriteOutcome::Done);
    assert!(!ledger.pass_fence(&job, LEASE).await.unwrap());
    // It does not match after the next claim either.
    let again = ledger.claim(LEASE).await.unwrap().unwrap();
    assert!(!ledger.pass_fence(&job, LEASE).await.unwrap());
    assert!(ledger.pass_fence(&again, LEASE).await.unwrap());
    assert_eq!(store.row(&id).await.state, State::Data);
}

/// Checks that the client closed the socket after the server's 354, and wrote nothing before.
fn assert_nothing_sent_after_354(smtp: &ScriptedSmtp) {
    let steps: Vec<_> = smtp.sessions().into_iter().flat_map(|session| session.steps).collect();
    let mut bodies = steps.iter().filter(|step| step.phase == Phase::Body);
    assert!(bodies.all(|step| step.line.starts_with("0 bytes, ")), "{steps:#?}");
    assert!(steps.iter().all(|step| step.phase != Phase::Quit), "{steps:#?}");
}

/// Loses the request or the answer of the fence write, which may or may not take effect.
async fn run_fence_with_unknown_outcome(mode: ProxyMode) {
    let (store, smtp) = (Store::new("unanswered").await, ScriptedSmtp::start().await);
    let proxy = TcpProxy::start(&store.upstream()).await.unwrap();
    smtp.add_rule(SmtpRule::once(Phase::Data, Behavior::Delay(Duration::from_millis(300))));
    let id = store.queue(store.notice("ada@example.com")).await;
    let sender = store.sender_to(&smtp.url(), store.ledger_through(&proxy.address(), "sender").await);
    let sending = tokio::spawn({
        let sender = std::sync::Arc::clone(&sender);
        async move { send_next(&sender).await }
    });
    smtp.wait_for_phase(Phase::Rcpt, 1).await;
    proxy.set_mode(mode);
    smtp.wait_for_phase(Phase::Data, 1).await;
    // The socket closes as soon as the outcome of the fence write is unknown.
    smtp.wait_until_disconnected().await;
    assert_nothing_sent_after_354(&smtp);
    proxy.set_mode(ProxyMode::Pass);
    proxy.cut();
    sending.await.unwrap();

    let row = store.row(&id).await;
    assert_eq!((row.state, row.attempts), (State::Queued, 0), "{mode:?}: {row:#?}");
    assert_eq!(row.epoch, 2, "the epoch is raised, so that a late fence write matches nothing");
    send_next(&sender).await;
    assert_eq!(store.row(&id).await.state, State::Sent);
    assert_eq!(smtp.deliveries().len(), 1);
}

#[tokio::test]
async fn a_fence_write_whose_request_is_lost_sends_nothing_and_the_mail_is_requeued() {
    run_fence_with_unknown_outcome(ProxyMode::Discard).await;
}

#[tokio::test]
async fn a_fence_write_whose_answer_is_lost_sends_nothing_and_the_mail_is_requeued() {
    run_fence_with_unknown_outcome(ProxyMode::DiscardReplies).await;
}

#[tokio::test]
async fn a_250_is_recorded_when_the_ledger_is_reachable_again() {
    let (store, smtp) = (Store::new("ledgeraway").await, ScriptedSmtp::start().await);
    let proxy = TcpProxy::start(&store.upstream()).await.unwrap();
    smtp.add_rule(SmtpRule::once(Phase::Dot, Behavior::Delay(Duration::from_millis(300))));
    let id = store.queue(store.notice("ada@example.com")).await;
    let sender = store.sender_to(&smtp.url(), store.ledger_through(&proxy.address(), "sender").await);
    let sending = tokio::spawn(async move { send_next(&sender).await });
    smtp.wait_for_phase(Phase::Body, 1).await;
    proxy.set_mode(ProxyMode::Refuse);
    smtp.wait_for_phase(Phase::Dot, 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(store.row(&id).await.state, State::Data);
    // Recovery moves the mail on, and the 250 is recorded all the same.
    store.end_lease(&id).await;
    assert_eq!(store.ledger("other").recover().await.unwrap().unknown, 1);
    proxy.set_mode(ProxyMode::Pass);
    sending.await.unwrap();
    let row = store.row(&id).await;
    assert_eq!(state_history(&row), [State::Queued, State::Preparing, State::Data, State::Unknown, State::Sent]);
    assert_eq!(row.epoch, 1);
}

#[tokio::test]
async fn a_late_250_does_not_change_a_mail_that_was_queued_again() {
    let (store, ledger, job, id) = welcome_past_fence("latesent").await;
    store.end_lease(&id).await;
    assert_eq!(ledger.recover().await.unwrap().unknown, 1);
    store.change(&id, doc! { "nextAttemptAt": "$$NOW" }).await;
    assert_eq!(ledger.recover().await.unwrap().resent, 1);
    assert_eq!(ledger.mark_sent(&job, "250 late").await.unwrap(), WriteOutcome::Lost(Some(State::Queued)));
    assert_eq!(store.row(&id).await.state, State::Queued);
}

#[tokio::test]
async fn a_running_sender_keeps_its_lease() {
    let (store, smtp) = (Store::new("renew").await, ScriptedSmtp::start().await);
    // Three steps, each nearly as long as its deadline.
    for phase in [Phase::Mail, Phase::Rcpt, Phase::Data] {
        smtp.add_rule(SmtpRule::once(phase, Behavior::Delay(Duration::from_millis(500))));
    }
    let id = store.queue(store.notice("ada@example.com")).await;
    let mut sender = store.sender(&[&smtp]);
    std::sync::Arc::get_mut(&mut sender).unwrap().lease = Duration::from_secs(1);
    let sending = tokio::spawn(async move { send_next(&sender).await });
    let other = store.ledger("other");
    while !sending.is_finished() {
        assert_eq!(other.recover().await.unwrap().requeued, 0, "the lease is renewed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(store.row(&id).await.state, State::Sent);
}

#[tokio::test]
async fn a_stop_requeues_a_mail_that_has_not_reached_the_fence() {
    let (store, smtp) = (Store::new("stop").await, ScriptedSmtp::start().await);
    smtp.add_rule(SmtpRule::always(Phase::Data, Behavior::Delay(Duration::from_secs(60))));
    let id = store.queue(store.notice("ada@example.com")).await;
    let mut sender = store.sender(&[&smtp]);
    let slow = std::sync::Arc::get_mut(&mut sender).unwrap();
    slow.pool = Store::pool(&smtp, Duration::from_secs(60)).0;
    let stop = slow.stop.clone();
    let sending = tokio::spawn(async move { send_next(&sender).await });
    smtp.wait_for_phase(Phase::Rcpt, 1).await;
    stop.cancel();
    tokio::time::timeout(SOON, sending).await.expect("well before the step's deadline").unwrap();
    let row = store.row(&id).await;
    assert_eq!((row.state, row.attempts), (State::Queued, 0));
    wait_for(SOON, "the connection to close", async || {
        smtp.sessions()
            .iter()
            .all(|session| session.ended || session.phases().last() == Some(&Phase::Rcpt))
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_expired_mail_is_not_sent() {
    let (store, smtp) = (Store::new("expired").await, ScriptedSmtp::start().await);
    let id = store.queue(store.notice("ada@example.com")).await;
    let sender = store.sender(&[&smtp]);
    let mut job = sender.ledger.claim(LEASE).await.unwrap().unwrap();
    job.expires_at = store.clock.now();
    sender.send(&job).await;
    assert_eq!(store.row(&id).await.state, State::Expired);
    assert!(smtp.sessions().is_empty());
}

#[tokio::test]
async fn a_sealed_token_copied_into_another_row_sends_no_mail() {
    let (store, smtp) = (Store::new("moved").await, ScriptedSmtp::start().await);
    let id = store.queue(store.welcome("ada@example.com")).await;
    store.change(&id, doc! { "to": "eve@example.com" }).await;
    send_next(&store.sender(&[&smtp])).await;
    assert_eq!(store.row(&id).await.state, State::Failed);
    assert!(smtp.deliveries().is_empty());
}
