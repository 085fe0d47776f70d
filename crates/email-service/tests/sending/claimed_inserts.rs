//! New mails that are written to the ledger as claimed, and sent by the process that wrote them.

use std::{sync::Arc, time::Duration};

use bson::{Document, doc};
use email_service::{
    ledger::{InsertResult, MailJob, NewMail, State, claims::WriteOutcome},
    sender::{delivery::Sender, send_tasks::Reservation},
};
use futures_util::future::join_all;
use test_support::{Behavior, Phase, ScriptedSmtp, SmtpRule, wait_for};
use tokio::time::sleep;

use crate::{
    servers::{CONCURRENCY, RunningSender, wait_for_state},
    setup::{LEASE, Store, state_history},
};

const SOON: Duration = Duration::from_secs(10);
/// Longer than a test may take: a mail that waits for the end of this lease is late.
const LONG_LEASE: Duration = Duration::from_secs(120);

fn some_new(new: usize) -> InsertResult {
    InsertResult { new, ..InsertResult::default() }
}

#[tokio::test]
async fn a_mail_is_written_as_claimed_in_one_write_with_the_history_of_a_claim() {
    let store = Store::new("asclaimed").await;
    let ledger = store.ledger("a");
    let mails = [store.welcome("$ada@example.com"), store.notice("bob@example.com")];
    assert_eq!(ledger.insert_claimed(&[&mails[0], &mails[1]], LEASE).await.unwrap(), some_new(2));
    for mail in &mails {
        let row = store.row(mail.id()).await;
        assert_eq!((row.state, row.epoch, row.attempts), (State::Preparing, 1, 0));
        assert_eq!(row.lease.as_ref().unwrap().owner, "a");
        let left = row.lease.as_ref().unwrap().until.duration_since(store.clock.now());
        assert!(left > jiff::SignedDuration::ZERO && left <= LEASE.try_into().unwrap(), "{left}");
        assert_eq!(state_history(&row), [State::Queued, State::Preparing]);
        assert_eq!((row.history[1].from, row.history[1].by.as_str()), (Some(State::Queued), "a"));
        // The database keeps times in milliseconds.
        let stored = bson::serialize_to_document(&mail.as_claimed()).unwrap();
        let mut expected: MailJob = bson::deserialize_from_document(stored).unwrap();
        (expected.lease, expected.history) = (row.lease.clone(), row.history.clone());
        assert_eq!(row, expected, "its sender sees the row as it is");
    }
    let job = mails[0].as_claimed();
    assert!(ledger.pass_fence(&job, LEASE).await.unwrap());
    assert_eq!(ledger.mark_sent(&job, "250 ok").await.unwrap(), WriteOutcome::Done);
}

#[tokio::test]
async fn writing_a_mail_as_claimed_changes_no_row_that_exists() {
    let store = Store::new("claimedagain").await;
    let (ours, theirs) = (store.ledger("ours"), store.ledger("theirs"));
    let [queued, held, sent, new] =
        ["queued", "held", "sent", "new"].map(|name| store.notice(&format!("{name}@x.org")));
    store.queue(queued.clone()).await;
    assert_eq!(theirs.insert_claimed(&[&held, &sent], LEASE).await.unwrap(), some_new(2));
    assert!(theirs.pass_fence(&sent.as_claimed(), LEASE).await.unwrap());
    theirs.mark_sent(&sent.as_claimed(), "250 ok").await.unwrap();
    let known = [&queued, &held, &sent];
    let before = join_all(known.map(|mail| store.row(mail.id()))).await;

    let result = ours.insert_claimed(&[&queued, &new, &held, &sent, &new], LEASE).await.unwrap();
    assert_eq!((result.new, result.existing, result.refused), (1, vec![0, 2, 3, 4], Vec::new()));
    assert_eq!(join_all(known.map(|mail| store.row(mail.id()))).await, before);
    assert_eq!(store.row(new.id()).await.lease.unwrap().owner, "ours");
    // The same mail that the ingest writes without a sender afterwards.
    let again = ours.insert([&new].into_iter()).await.unwrap();
    assert_eq!(again, InsertResult { existing: vec![0], ..InsertResult::default() });
    assert_eq!(store.row(new.id()).await.state, State::Preparing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_many_processes_write_as_claimed_belongs_to_one_of_them() {
    let store = Store::new("claimrace").await;
    for n in 0..20 {
        let mail = store.notice(&format!("user{n}@example.com"));
        let same = [&mail];
        let ledgers: Vec<_> = (0..4).map(|n| store.ledger(&format!("process {n}"))).collect();
        let writes = join_all(ledgers.iter().map(|ledger| ledger.insert_claimed(&same, LEASE))).await;
        let owners: Vec<usize> = writes
            .into_iter()
            .enumerate()
            .filter(|(_, result)| result.as_ref().unwrap().new == 1)
            .map(|it| it.0)
            .collect();
        assert_eq!(owners.len(), 1, "{owners:?}");
        assert_eq!(store.row(mail.id()).await.lease.unwrap().owner, format!("process {}", owners[0]));
    }
}

#[tokio::test]
async fn a_mail_written_as_claimed_whose_process_disappeared_is_recovered() {
    let store = Store::new("claimedlost").await;
    let ledger = store.ledger("a");
    let (gone, unknown) = (store.notice("gone@example.com"), store.notice("unknown@example.com"));
    ledger.insert_claimed(&[&gone, &unknown], LEASE).await.unwrap();
    assert_eq!(ledger.release_lost_claims(&[gone.id().to_owned()]).await.unwrap(), 1);
    assert_eq!(store.row(unknown.id()).await.state, State::Queued);
    assert_eq!(store.ledger("b").recover().await.unwrap().requeued, 0, "the lease runs");
    store.end_lease(gone.id()).await;
    assert_eq!(store.ledger("b").recover().await.unwrap().requeued, 1);
    for mail in [&gone, &unknown] {
        assert!(!ledger.pass_fence(&mail.as_claimed(), LEASE).await.unwrap(), "its epoch was raised");
    }
}

/// Waits until senders may be reserved, and reserves those for `mails`.
async fn reserve(running: &RunningSender, mails: &[NewMail]) -> Reservation {
    wait_for(SOON, "free senders", async || {
        running.sends.reserve(mails.iter().enumerate().map(|(position, mail)| (position, mail.id())))
    })
    .await
}

/// Starts a sender on `smtp` with this lease.
fn start(store: &Store, smtp: &ScriptedSmtp, lease: Duration) -> (Arc<Sender>, RunningSender) {
    let mut sender = store.sender(&[smtp]);
    Arc::get_mut(&mut sender).unwrap().lease = lease;
    (Arc::clone(&sender), RunningSender::start(sender))
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_mails_are_reserved_as_senders_are_free_and_each_is_sent_once() {
    let (store, smtp) = (Store::new("reserved").await, ScriptedSmtp::start().await);
    let (sender, running) = start(&store, &smtp, LEASE);
    let mails: Vec<_> = (0..CONCURRENCY + 3).map(|n| store.notice(&format!("user{n}@example.com"))).collect();
    // The same mail twice in a batch, as after a record that was published again, has one sender.
    let twice = [mails.clone(), mails.clone()].concat();
    let reservation = reserve(&running, &twice).await;
    assert_eq!(reservation.positions().collect::<Vec<_>>(), (0..CONCURRENCY).collect::<Vec<_>>());
    assert!(running.sends.reserve([(0, mails[CONCURRENCY].id())].into_iter()).is_none(), "no sender is free");

    let direct: Vec<&NewMail> = reservation.positions().map(|position| &twice[position]).collect();
    assert_eq!(sender.ledger.insert_claimed(&direct, reservation.lease()).await.unwrap().new, CONCURRENCY);
    reservation.start(direct.iter().map(|mail| mail.as_claimed()).collect());
    for mail in &direct {
        wait_for_state(&store, mail.id(), State::Sent, SOON).await;
        assert_eq!(store.row(mail.id()).await.epoch, 1);
    }
    assert_eq!(smtp.deliveries().len(), CONCURRENCY);
    // All senders are free again.
    let rest = reserve(&running, &mails[CONCURRENCY..]).await;
    assert_eq!(rest.positions().count(), 3);
    rest.cancel();
    let all = reserve(&running, &mails).await;
    assert_eq!(all.positions().count(), CONCURRENCY);
    all.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_an_unknown_write_is_released_and_sent_once_although_its_lease_runs() {
    let (store, smtp) = (Store::new("unknownwrite").await, ScriptedSmtp::start().await);
    let (sender, running) = start(&store, &smtp, LONG_LEASE);
    let mails = [store.notice("ada@example.com")];
    let reservation = reserve(&running, &mails).await;
    assert_eq!(sender.ledger.insert_claimed(&[&mails[0]], reservation.lease()).await.unwrap().new, 1);
    // The answer did not arrive.
    drop(reservation);
    assert!(running.sends.reserve([(0, mails[0].id())].into_iter()).is_none(), "a lost claim may be in the ledger");
    wait_for_state(&store, mails[0].id(), State::Sent, SOON).await;
    let row = store.row(mails[0].id()).await;
    assert!(row.history.iter().any(|step| step.note.as_deref() == Some("the answer to the claim was lost")));
    assert_eq!((smtp.deliveries().len(), row.attempts), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sender_is_reserved_while_mails_wait_or_the_mail_server_is_away() {
    let (store, smtp) = (Store::new("notreserved").await, ScriptedSmtp::start().await);
    smtp.add_rule(SmtpRule::always(Phase::Greeting, Behavior::Drop));
    let (sender, running) = start(&store, &smtp, LEASE);
    let mail = store.notice("ada@example.com");
    let refused = || running.sends.reserve([(0, mail.id())].into_iter()).is_none();
    for _ in 0..10 {
        assert!(refused(), "no server accepts connections");
        sleep(Duration::from_millis(100)).await;
    }
    smtp.clear_rules();
    reserve(&running, std::slice::from_ref(&mail)).await.cancel();

    // More mails are due than there are senders, and the server is slow.
    smtp.add_rule(SmtpRule::always(Phase::Rcpt, Behavior::Delay(Duration::from_millis(300))));
    store.queue_notices(3 * CONCURRENCY).await;
    smtp.wait_for_phase(Phase::Rcpt, CONCURRENCY).await;
    assert!(refused(), "other mails are due");
    let sent = doc! { "state": "sent" };
    let jobs = store.database.collection::<Document>("mailJobs");
    wait_for(SOON, "all mails", async || {
        (jobs.count_documents(sent.clone()).await.unwrap() == 3 * CONCURRENCY as u64).then_some(())
    })
    .await;
    reserve(&running, std::slice::from_ref(&mail)).await.cancel();
    sender.stop.cancel();
    assert!(refused(), "the process stops");
}
