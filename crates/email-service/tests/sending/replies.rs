//! Each reply at each phase, through the real client, up to the state in the ledger.

use std::time::Duration;

use email_service::{
    ledger::{MailJob, State},
    mailer::verdict::GREYLISTING,
};
use test_support::{Act, Phase, Rule, ScriptedSmtp};

use crate::setup::{FIRST_WAIT, Store, send_next, wait_of};

struct Outcome {
    row: MailJob,
    suppressed: bool,
    connections: usize,
    wait: Duration,
    server_in_use: bool,
}

/// The outcome of a mail to which the server answers `reply` at `phase`. A second mail,
/// which it takes, follows on what is left of the connection.
async fn outcome(phase: Phase, reply: &str) -> Outcome {
    let (store, smtp) = (Store::new("replies").await, ScriptedSmtp::start().await);
    smtp.rule(Rule::once(phase, Act::reply(reply)));
    let sender = store.sender(&[&smtp]);
    let id = store.queue(store.notice("ada@example.com")).await;
    send_next(&sender).await;
    let row = store.row(&id).await;
    let wait = if row.next_attempt_at.is_some() { wait_of(&row, store.clock.now()) } else { Duration::ZERO };
    let server_in_use = match sender.pool.checkout().await {
        Ok(checkout) => {
            sender.pool.put_back(checkout);
            true
        }
        Err(_) => false,
    };
    if server_in_use {
        let next = store.queue(store.notice("next@example.com")).await;
        send_next(&sender).await;
        assert_eq!(store.row(&next).await.state, State::Sent, "{reply} to {phase:?} spoils the next mail");
    }
    let suppressed = !store.suppressions().among(&["ada@example.com"]).await.unwrap().is_empty();
    Outcome { row, suppressed, connections: smtp.sessions().len(), wait, server_in_use }
}

const PHASES: [Phase; 4] = [Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Dot];

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for phase in PHASES {
        for (reply, connections) in [("421 4.3.2 going down", 2), ("452 4.3.1 full", 1), ("552 5.2.2 over quota", 1)] {
            let outcome = outcome(phase, reply).await;
            assert_eq!((outcome.row.state, outcome.row.attempts), (State::Queued, 1), "{reply} to {phase:?}");
            assert_eq!(outcome.row.last_reply.as_deref(), Some(reply));
            assert_eq!(outcome.connections, connections, "{reply} to {phase:?}");
            assert!(outcome.wait > FIRST_WAIT / 2 && outcome.wait < FIRST_WAIT * 2);
            assert!(!outcome.suppressed);
        }
    }
}

#[tokio::test]
async fn greylisting_is_given_its_minutes() {
    for phase in PHASES {
        for reply in ["450 4.2.0 greylisted", "451 4.7.1 try later"] {
            let outcome = outcome(phase, reply).await;
            assert_eq!(outcome.row.state, State::Queued, "{reply} to {phase:?}");
            assert!(outcome.wait > GREYLISTING - Duration::from_secs(5), "{:?}", outcome.wait);
        }
    }
}

#[tokio::test]
async fn an_unknown_address_fails_and_is_suppressed_only_by_the_reply_to_rcpt() {
    for phase in PHASES {
        let outcome = outcome(phase, "550 5.1.1 nobody here").await;
        assert_eq!((outcome.row.state, outcome.row.attempts), (State::Failed, 1), "{phase:?}");
        assert_eq!(outcome.suppressed, phase == Phase::Rcpt, "{phase:?}");
        assert!(outcome.row.terminal_at.is_some());
    }
}

#[tokio::test]
async fn a_policy_refusal_fails_and_suppresses_nobody() {
    for phase in PHASES {
        let outcome = outcome(phase, "554 5.7.1 looks like spam").await;
        assert_eq!(outcome.row.state, State::Failed, "{phase:?}");
        assert!(!outcome.suppressed, "{phase:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_want_us_costs_no_attempt() {
    for phase in PHASES {
        let outcome = outcome(phase, "535 5.7.8 who are you").await;
        assert_eq!((outcome.row.state, outcome.row.attempts), (State::Queued, 0), "{phase:?}");
        assert!(!outcome.suppressed);
        assert_eq!(outcome.server_in_use, phase != Phase::Mail, "{phase:?}: at MAIL it is about us for sure");
    }
}

#[tokio::test]
async fn a_reply_out_of_step_is_never_believed() {
    for (phase, reply, state) in [
        (Phase::Mail, "354 go on", State::Queued),
        (Phase::Rcpt, "354 go on", State::Queued),
        (Phase::Data, "250 ok", State::Queued),
        (Phase::Dot, "251 will forward", State::Unknown),
        (Phase::Dot, "354 go on", State::Unknown),
        (Phase::Dot, "nonsense", State::Unknown),
        (Phase::Mail, "nonsense", State::Queued),
    ] {
        let outcome = outcome(phase, reply).await;
        assert_eq!(outcome.row.state, state, "{reply} to {phase:?}");
        assert_eq!(outcome.connections, 2, "{reply} to {phase:?}: the connection is not used again");
    }
}

#[tokio::test]
async fn a_hostile_reply_is_harmless_in_the_ledger() {
    let outcome = outcome(Phase::Rcpt, "554 5.7.1 $state \u{1b}[31m{\"$where\": 1}").await;
    assert_eq!(outcome.row.last_reply.as_deref(), Some("554 5.7.1 $state [31m{\"$where\": 1}"));
}
