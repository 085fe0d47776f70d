//! Operator actions on a real server, while others change the same mails.

use std::time::Duration;

use bson::doc;
use email_service::ledger::{
    ActionResult, DeadLetter, DeadLetterState, Ledger, MailFilter, MailSnapshot, OperatorAction, State,
    claims::WriteOutcome, dead_letter_store::DeadLetterDecision,
};
use event_consumer::ConsumedRecord;
use jiff::Timestamp;

use crate::setup::{LEASE, Store, claim_and_pass_fence};

const REQUEUE: OperatorAction = OperatorAction::Requeue { again: false };

async fn snapshot(ledger: &Ledger, id: &str) -> MailSnapshot {
    let filter = MailFilter { ids: vec![id.to_owned()], ..MailFilter::default() };
    ledger.snapshots(&filter, Timestamp::UNIX_EPOCH, 0).await.unwrap().remove(0)
}

/// Claims the mail and marks it as failed, as a sender would.
async fn fail(ledger: &Ledger) {
    let job = ledger.claim(LEASE).await.unwrap().unwrap();
    assert_eq!(ledger.mark_failed(&job, "test", Some("554 no")).await.unwrap(), WriteOutcome::Done);
}

#[tokio::test]
async fn an_action_on_an_outdated_snapshot_matches_nothing() {
    let store = Store::new("stale").await;
    let id = store.queue(store.notice("ada@example.com")).await;
    let (operator, senders) = (store.ledger("operator a@h"), store.ledger("s"));
    fail(&senders).await;
    let stale = snapshot(&operator, &id).await;

    // Another operator is faster, a sender claims the mail, and it fails once more.
    assert_eq!(operator.apply_action(REQUEUE, &stale, None).await.unwrap(), ActionResult::Applied);
    assert_eq!(operator.apply_action(REQUEUE, &stale, None).await.unwrap(), ActionResult::Changed(Some(State::Queued)));
    let job = senders.claim(LEASE).await.unwrap().expect("the mail is due at once");
    assert_eq!(
        operator.apply_action(REQUEUE, &stale, None).await.unwrap(),
        ActionResult::Changed(Some(State::Preparing))
    );
    assert!(senders.pass_fence(&job, LEASE).await.unwrap(), "the sender holds it despite the action");
    assert_eq!(senders.mark_failed(&job, "test", None).await.unwrap(), WriteOutcome::Done);
    assert_eq!(operator.apply_action(REQUEUE, &stale, None).await.unwrap(), ActionResult::Changed(Some(State::Failed)));
    assert_eq!(store.row(&id).await.epoch, job.epoch, "nothing was written");

    let fresh = snapshot(&operator, &id).await;
    assert_eq!(operator.apply_action(REQUEUE, &fresh, None).await.unwrap(), ActionResult::Applied);
    let row = store.row(&id).await;
    assert_eq!((row.state, row.epoch, row.terminal_at, row.losses), (State::Queued, job.epoch + 1, None, 0));
}

#[tokio::test]
async fn a_late_sender_matches_nothing_after_an_operator_action() {
    let store = Store::new("late").await;
    let (operator, sender) = (store.ledger("operator a@h"), store.ledger("s"));
    for action in [REQUEUE, OperatorAction::Resolve(State::Failed)] {
        let id = store.queue(store.notice(&format!("{}@example.com", action.to()))).await;
        let job = claim_and_pass_fence(&sender).await;
        sender.mark_unknown(&job, "no reply").await.unwrap();
        let unknown = snapshot(&operator, &id).await;
        assert!(unknown.may_have_arrived());
        assert_eq!(operator.apply_action(action, &unknown, Some("note")).await.unwrap(), ActionResult::Applied);
        assert_eq!(sender.mark_sent(&job, "250 late").await.unwrap(), WriteOutcome::Lost(Some(action.to())));
        assert!(!sender.pass_fence(&job, LEASE).await.unwrap() && !sender.renew_lease(&job, LEASE).await.unwrap());
        assert_eq!(store.row(&id).await.epoch, job.epoch + 1);
        store.change(&id, doc! { "state": "discarded" }).await;
    }
}

#[tokio::test]
async fn a_manual_resend_counts_as_the_resend_that_the_policy_allows() {
    let store = Store::new("once").await;
    let id = store.queue(store.welcome("ada@example.com")).await;
    let (operator, sender) = (store.ledger("operator a@h"), store.ledger("s"));
    for by_hand in [true, false] {
        let job = claim_and_pass_fence(&sender).await;
        sender.mark_unknown(&job, "no reply").await.unwrap();
        if by_hand {
            let unknown = snapshot(&operator, &id).await;
            assert_eq!(operator.apply_action(REQUEUE, &unknown, None).await.unwrap(), ActionResult::Applied);
        }
    }
    let row = store.row(&id).await;
    assert_eq!((row.state, row.resends, row.next_attempt_at), (State::Unknown, 1, None), "no automatic resend");
    assert!(row.terminal_at.is_some());
}

#[tokio::test]
async fn recovery_and_an_operator_action_never_both_move_an_unknown_mail() {
    let store = Store::new("recovery").await;
    let id = store.queue(store.welcome("ada@example.com")).await;
    let (operator, sender) = (store.ledger("operator a@h"), store.ledger("s"));
    let job = claim_and_pass_fence(&sender).await;
    sender.mark_unknown(&job, "no reply").await.unwrap();
    store.change(&id, doc! { "nextAttemptAt": "$$NOW" }).await;
    let unknown = snapshot(&operator, &id).await;
    let (recovered, ordered) = tokio::join!(sender.recover(), operator.apply_action(REQUEUE, &unknown, None));
    let moves = recovered.unwrap().resent + u64::from(ordered.unwrap() == ActionResult::Applied);
    assert_eq!(moves, 1);
    let row = store.row(&id).await;
    let resends = row.history.iter().filter(|step| step.from == Some(State::Unknown)).count();
    assert_eq!((resends, row.resends, row.epoch), (1, 1, job.epoch + 1));
}

#[tokio::test]
async fn concurrent_operators_and_senders_deliver_each_mail_once_per_action() {
    let store = Store::new("crowd").await;
    let mut ids = Vec::new();
    for n in 0..10 {
        ids.push(store.queue(store.notice(&format!("u{n}@example.com"))).await);
        fail(&store.ledger("s")).await;
    }
    let failed = MailFilter { state: vec![State::Failed], ..MailFilter::default() };
    let operators = (0..4).map(|n| {
        let (ledger, failed) = (store.ledger(&format!("operator {n}@h")), failed.clone());
        async move {
            let mut carried = 0;
            for mail in ledger.snapshots(&failed, Timestamp::UNIX_EPOCH, 100).await.unwrap() {
                carried += u64::from(ledger.apply_action(REQUEUE, &mail, None).await.unwrap() == ActionResult::Applied);
            }
            carried
        }
    });
    let senders = (0..2).map(|n| {
        let ledger = store.ledger(&format!("s{n}"));
        async move {
            let mut sent = 0;
            for _ in 0..40 {
                match ledger.claim(LEASE).await.unwrap() {
                    Some(job) => {
                        assert!(
                            ledger.pass_fence(&job, LEASE).await.unwrap(),
                            "an action changed a mail that a sender holds"
                        );
                        assert_eq!(ledger.mark_sent(&job, "250 ok").await.unwrap(), WriteOutcome::Done);
                        sent += 1;
                    }
                    None => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
            sent
        }
    });
    let (carried, sent): (Vec<u64>, Vec<u64>) =
        tokio::join!(futures_util::future::join_all(operators), futures_util::future::join_all(senders));
    assert_eq!(carried.iter().sum::<u64>(), 10, "each mail was requeued by one operator");
    let queued = store.ledger("s").count(State::Queued).await.unwrap();
    assert_eq!(sent.iter().sum::<u64>() + queued, 10);
}

#[tokio::test]
async fn a_dead_letter_is_decided_once_and_its_history_records_it() {
    let store = Store::new("decided").await;
    let letters = store.letters();
    let record = ConsumedRecord { topic: "t".into(), value: Some(b"x".to_vec()), ..ConsumedRecord::default() };
    let letter = DeadLetter::new(record, "not-json", "no".into(), "here", store.clock.now());
    letters.insert_new(std::slice::from_ref(&letter)).await.unwrap();
    let open = DeadLetterDecision {
        id: &letter.id,
        expected: DeadLetterState::Open,
        to: DeadLetterState::Open,
        reason: Some(("invalid-data", "$no")),
        by: "operator a@h",
        note: Some("$note"),
    };
    for _ in 0..70 {
        assert!(letters.decide(&open).await.unwrap());
    }
    let discard = DeadLetterDecision { to: DeadLetterState::Discarded, reason: None, ..open };
    assert!(letters.decide(&discard).await.unwrap());
    assert!(!letters.decide(&discard).await.unwrap(), "it is no longer open");
    letters.insert_new(std::slice::from_ref(&letter)).await.unwrap();
    let kept = letters.find(&letter.id).await.unwrap().unwrap();
    assert_eq!(
        (kept.state, kept.reason.as_str(), kept.detail.as_str()),
        (DeadLetterState::Discarded, "invalid-data", "$no")
    );
    assert!(kept.settled_at.is_some(), "its retention starts now");
    let (first, last) = (kept.history.first().unwrap(), kept.history.last().unwrap());
    assert!(kept.history.len() <= 61, "{}", kept.history.len());
    assert_eq!((first.from, first.reason.as_deref(), first.by.as_str()), (None, Some("not-json"), "here"));
    assert_eq!(
        (last.from, last.to, last.by.as_str()),
        (Some(DeadLetterState::Open), DeadLetterState::Discarded, "operator a@h")
    );
    assert_eq!(last.note.as_deref(), Some("$note"));
}
