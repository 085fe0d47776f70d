//! The ledger's operations on a real server: inserts, claims, recovery, indexes.

use std::time::Duration;

use bson::{Document, doc};
use email_service::ledger::{
    DeadLetter, DeadLetterFilter, DeadLetterState, InsertResult, MailFilter, State,
    claims::Requeue,
    filter::{abandoned, claimable, queued_and_expired, resendable, unknown_and_expired},
    indexes,
};
use event_consumer::ConsumedRecord;
use jiff::Timestamp;
use service_kit::mongo::ensure_indexes;

use crate::setup::{LEASE, Store, welcome_past_fence};

#[tokio::test]
async fn an_existing_mail_is_not_changed_by_an_insert() {
    let store = Store::new("known").await;
    let ledger = store.ledger("a");
    let (first, second) = (store.notice("a@example.com"), store.notice("b@example.com"));
    assert_eq!(ledger.insert([&first].into_iter()).await.unwrap().new, 1);
    let job = ledger.claim(LEASE).await.unwrap().unwrap();
    let inserted = ledger.insert([&first, &second].into_iter()).await.unwrap();
    assert_eq!(inserted, InsertResult { new: 1, existing: vec![0], refused: Vec::new() });
    assert_eq!(store.row(&job.id).await.state, State::Preparing);
}

#[tokio::test]
async fn two_claims_never_get_the_same_mail() {
    let store = Store::new("claims").await;
    store.queue_notices(20).await;
    let claims = (0..40).map(|n| {
        let ledger = store.ledger(if n % 2 == 0 { "a" } else { "b" });
        async move { ledger.claim(LEASE).await.unwrap().map(|job| job.id) }
    });
    let mut claimed: Vec<String> = futures_util::future::join_all(claims).await.into_iter().flatten().collect();
    claimed.sort();
    claimed.dedup();
    assert_eq!(claimed.len(), 20);
}

#[tokio::test]
async fn mails_claimed_in_batches_are_claimed_once() {
    let store = Store::new("together").await;
    store.queue_notices(20).await;
    let claims = (0..8).map(|n| {
        let ledger = store.ledger(&format!("sender {n}"));
        async move { ledger.claim_batch(5, LEASE).await.unwrap() }
    });
    let mut claimed: Vec<_> = futures_util::future::join_all(claims).await.into_iter().flatten().collect();
    let last = store.ledger("last");
    loop {
        let rest = last.claim_batch(5, LEASE).await.unwrap();
        assert!(rest.len() <= 5);
        if rest.is_empty() {
            break;
        }
        claimed.extend(rest);
    }
    assert!(claimed.iter().all(|job| job.state == State::Preparing && job.epoch == 1));
    let mut ids: Vec<&str> = claimed.iter().map(|job| job.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), claimed.len()), (20, 20));
}

#[tokio::test]
async fn a_batch_claim_takes_the_mails_that_have_been_due_longest() {
    let store = Store::new("longest").await;
    let later = store.queue(store.notice("later@example.com")).await;
    let mut due = Vec::new();
    for minutes in 1..=4_i64 {
        let id = store.queue(store.notice(&format!("{minutes}@example.com"))).await;
        store.change(&id, doc! { "nextAttemptAt": { "$subtract": ["$$NOW", minutes * 60_000] } }).await;
        due.push(id);
    }
    store.change(&later, doc! { "nextAttemptAt": { "$add": ["$$NOW", 60_000_i64] } }).await;
    let ledger = store.ledger("a");
    let mut ids: Vec<String> = ledger.claim_batch(3, LEASE).await.unwrap().into_iter().map(|job| job.id).collect();
    ids.sort();
    let mut longest = due.split_off(1);
    longest.sort();
    assert_eq!(ids, longest);
    assert_eq!(ledger.claim_batch(3, LEASE).await.unwrap().len(), 1);
    assert!(ledger.claim_batch(3, LEASE).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_mail_that_has_been_due_longest_is_claimed_first() {
    let store = Store::new("order").await;
    let later = store.queue(store.notice("later@example.com")).await;
    let first = store.queue(store.notice("first@example.com")).await;
    let second = store.queue(store.notice("second@example.com")).await;
    store.change(&later, doc! { "nextAttemptAt": { "$add": ["$$NOW", 60_000_i64] } }).await;
    store.change(&first, doc! { "nextAttemptAt": { "$subtract": ["$$NOW", 60_000_i64] } }).await;
    let ledger = store.ledger("a");
    assert_eq!(ledger.claim(LEASE).await.unwrap().unwrap().id, first);
    assert_eq!(ledger.claim(LEASE).await.unwrap().unwrap().id, second);
    assert!(ledger.claim(LEASE).await.unwrap().is_none());
}

#[tokio::test]
async fn a_mail_whose_sender_disappeared_is_due_at_once_and_delayed_the_second_time() {
    let store = Store::new("loss").await;
    let id = store.queue(store.notice("ada@example.com")).await;
    let ledger = store.ledger("a");
    for losses in 1..=2 {
        let job = ledger.claim(LEASE).await.unwrap().expect("the mail is due at once");
        assert_eq!(ledger.recover().await.unwrap().requeued, 0, "the lease runs");
        store.end_lease(&id).await;
        assert_eq!(ledger.recover().await.unwrap().requeued, 1);
        let row = store.row(&id).await;
        assert_eq!((row.state, row.losses, row.attempts), (State::Queued, losses, 0));
        assert_eq!(row.epoch, job.epoch + 1);
        assert!(row.lease.is_none());
    }
    assert!(ledger.claim(LEASE).await.unwrap().is_none(), "a mail that crashes its process must wait");
}

#[tokio::test]
async fn a_queued_mail_past_its_expiry_is_expired_and_not_claimed() {
    let store = Store::new("expiry").await;
    let id = store.queue(store.notice("ada@example.com")).await;
    store.change(&id, doc! { "expiresAt": "$$NOW" }).await;
    let ledger = store.ledger("a");
    assert!(ledger.claim(LEASE).await.unwrap().is_none());
    assert_eq!(ledger.recover().await.unwrap().expired, 1);
    let row = store.row(&id).await;
    assert_eq!(row.state, State::Expired);
    assert!(row.terminal_at.is_some() && row.next_attempt_at.is_none());
}

#[tokio::test]
async fn an_unknown_mail_that_expires_before_its_resend_becomes_terminal() {
    let (store, ledger, job, id) = welcome_past_fence("heldforgood").await;
    ledger.mark_unknown(&job, "test").await.unwrap();
    store.change(&id, doc! { "expiresAt": "$$NOW", "nextAttemptAt": "$$NOW" }).await;
    let recovered = ledger.recover().await.unwrap();
    assert_eq!((recovered.held, recovered.resent), (1, 0));
    let row = store.row(&id).await;
    assert!(row.state == State::Unknown && row.terminal_at.is_some());
}

#[tokio::test]
async fn only_the_claim_whose_answer_was_lost_is_released() {
    let store = Store::new("lostclaim").await;
    store.queue(store.notice("a@example.com")).await;
    store.queue(store.notice("b@example.com")).await;
    store.queue(store.notice("c@example.com")).await;
    let (ours, theirs) = (store.ledger("ours"), store.ledger("theirs"));
    let in_hand = ours.claim(LEASE).await.unwrap().unwrap();
    let lost = ours.claim(LEASE).await.unwrap().unwrap();
    let other = theirs.claim(LEASE).await.unwrap().unwrap();
    assert_eq!(ours.release_lost_claims(std::slice::from_ref(&in_hand.id)).await.unwrap(), 1);
    assert_eq!(store.row(&lost.id).await.state, State::Queued);
    assert_eq!(store.row(&in_hand.id).await.state, State::Preparing);
    assert_eq!(store.row(&other.id).await.state, State::Preparing);
    assert!(!ours.pass_fence(&lost, LEASE).await.unwrap());
}

#[tokio::test]
async fn a_mail_that_only_a_newer_release_can_read_does_not_block_other_mails() {
    let store = Store::new("newer").await;
    let mut newer = Vec::new();
    for (at, (field, value)) in
        [("template", "sent-by-a-newer-release"), ("link.purpose", "newer-undo"), ("facts.undoneChange", "newer")]
            .into_iter()
            .enumerate()
    {
        let id = store.queue(store.welcome(&format!("newer-{at}@example.com"))).await;
        store.change(&id, doc! { field: value, "nextAttemptAt": { "$subtract": ["$$NOW", 60_000_i64] } }).await;
        newer.push(id);
    }
    let known = store.queue(store.notice("ada@example.com")).await;
    let ledger = store.ledger("a");
    assert_eq!(ledger.claim(LEASE).await.unwrap().map(|job| job.id), Some(known));
    assert!(ledger.claim(LEASE).await.unwrap().is_none());

    // The same for a batch claim.
    store
        .database
        .collection::<Document>("mailJobs")
        .update_many(
            doc! { "state": "queued" },
            vec![doc! { "$set": {
                "nextAttemptAt": "$$NOW",
            } }],
        )
        .await
        .unwrap();
    let known = store.queue(store.notice("bob@example.com")).await;
    let claimed = ledger.claim_batch(10, LEASE).await.unwrap();
    assert_eq!(claimed.into_iter().map(|job| job.id).collect::<Vec<_>>(), [known]);
    let listed = ledger.list(&MailFilter::default(), Timestamp::UNIX_EPOCH, 10).await.unwrap();
    assert_eq!((listed.jobs.len(), listed.unreadable.len()), (2, newer.len()), "the list names the unreadable mails");
    for id in newer {
        let row =
            store.database.collection::<Document>("mailJobs").find_one(doc! { "_id": id }).await.unwrap().unwrap();
        assert_eq!((row.get_str("state").unwrap(), row.get_i64("attempts").unwrap()), ("queued", 0));
        assert!(row.get("lease").is_none() && row.get_datetime("nextAttemptAt").unwrap().to_jiff() > store.clock.now());
    }
}

#[tokio::test]
async fn history_is_bounded_but_keeps_what_concerns_unknown() {
    let (store, ledger, job, id) = welcome_past_fence("history").await;
    ledger.mark_unknown(&job, "test").await.unwrap();
    store.change(&id, doc! { "nextAttemptAt": "$$NOW" }).await;
    assert_eq!(ledger.recover().await.unwrap().resent, 1);
    let back = Requeue { delay: Duration::ZERO, attempted: true, note: "$again", reply: Some("$reply") };
    for _ in 0..60 {
        let job = ledger.claim(LEASE).await.unwrap().unwrap();
        ledger.requeue(&job, &back).await.unwrap();
    }
    let row = store.row(&id).await;
    assert!(row.history.len() <= 62, "{}", row.history.len());
    assert!(row.history.iter().any(|step| step.from == Some(State::Unknown) && step.to == State::Queued));
    assert_eq!(row.history.last().unwrap().note.as_deref(), Some("$again"));
    assert_eq!((row.last_reply.as_deref(), row.attempts), (Some("$reply"), 61));
    let document = store.database.collection::<Document>("mailJobs").find_one(doc! {}).await.unwrap().unwrap();
    assert!(matches!(document.get("attempts"), Some(bson::Bson::Int64(_))));
}

#[tokio::test]
async fn a_dead_letter_is_stored_once_and_stays_discarded() {
    let store = Store::new("deadletters").await;
    let letters = store.letters();
    let record =
        ConsumedRecord { topic: "t".into(), offset: 1, value: Some(b"x".to_vec()), ..ConsumedRecord::default() };
    let letter = DeadLetter::new(record, "not-json", "no".into(), "here", store.clock.now());
    letters.insert_new(std::slice::from_ref(&letter)).await.unwrap();
    let collection = store.database.collection::<Document>("deadLetters");
    collection.update_one(doc! {}, doc! { "$set": { "state": "discarded" } }).await.unwrap();
    letters.insert_new(&[letter.clone(), letter.clone()]).await.unwrap();
    assert_eq!(collection.count_documents(doc! {}).await.unwrap(), 1);
    let kept = letters.find(&letter.id).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.value.unwrap().bytes.as_slice()), (DeadLetterState::Discarded, b"x".as_slice()));
    for (state, count) in [(DeadLetterState::Discarded, 1), (DeadLetterState::Open, 0)] {
        let filter = DeadLetterFilter { state: vec![state], ..DeadLetterFilter::default() };
        assert_eq!(letters.list(&filter, Timestamp::UNIX_EPOCH, true, 10).await.unwrap().len(), count);
        assert_eq!(letters.count(&filter, Timestamp::UNIX_EPOCH).await.unwrap(), count as u64);
    }
}

#[tokio::test]
async fn an_address_is_suppressed_with_its_exact_local_part_and_any_spelling_of_its_domain() {
    let store = Store::new("suppressions").await;
    let suppressions = store.suppressions();
    suppressions.add("VICTIM@Bücher.example", "550 5.1.1 $gone", "x/welcome").await.unwrap();
    suppressions.add("VICTIM@bücher.example", "550 5.1.1 again", "x/welcome").await.unwrap();
    let other = ["victim@bücher.example", "Victim@bücher.example", "bob@bücher.example", "VICTIM@other.example"];
    let same = ["VICTIM@BÜCHER.example", "VICTIM@xn--bcher-kva.EXAMPLE"];
    let asked: Vec<&str> = other.into_iter().chain(same).collect();
    assert_eq!(suppressions.are_suppressed(&asked).await.unwrap(), [false, false, false, false, true, true]);
    // An operator who types the address in another case finds it.
    assert_eq!(suppressions.list(Some("victim@bücher.example"), 9).await.unwrap().len(), 1);
    assert!(suppressions.remove("victim@BÜCHER.example").await.unwrap());
    assert_eq!(suppressions.are_suppressed(&same).await.unwrap(), [false, false]);
    assert!(!suppressions.remove("victim@bücher.example").await.unwrap());
}

#[tokio::test]
async fn a_suppression_ends_by_the_database_clock() {
    let store = Store::new("suppressions").await;
    let suppressions = store.suppressions();
    suppressions.add("ada@example.com", "550 5.1.1 gone", "x/welcome").await.unwrap();
    assert_eq!(suppressions.are_suppressed(&["ada@example.com"]).await.unwrap(), [true]);
    let collection = store.database.collection::<Document>("suppressions");
    collection.update_one(doc! {}, vec![doc! { "$set": { "until": "$$NOW" } }]).await.unwrap();
    assert_eq!(suppressions.are_suppressed(&["ada@example.com"]).await.unwrap(), [false], "TTL need not have run");
}

#[tokio::test]
async fn a_suppression_of_an_earlier_release_matches_any_case_until_it_ends() {
    let store = Store::new("suppressions").await;
    let suppressions = store.suppressions();
    let collection = store.database.collection::<Document>("suppressions");
    let until = bson::DateTime::from_jiff(store.clock.now() + jiff::SignedDuration::from_hours(1));
    let row = doc! { "_id": "gone@example.com", "schemaVersion": 1, "reply": "550", "mail": "x", "at": until, "until": until };
    collection.insert_one(row).await.unwrap();
    // A row of this release matches only as it was sent.
    suppressions.add("here@example.com", "550 5.1.1 gone", "x/welcome").await.unwrap();
    let asked = ["gone@example.com", "GONE@Example.com", "here@example.com", "HERE@example.com"];
    assert_eq!(suppressions.are_suppressed(&asked).await.unwrap(), [true, true, true, false]);
    assert_eq!(suppressions.list(None, 9).await.unwrap().len(), 2);
    assert!(suppressions.remove("GONE@example.com").await.unwrap());
    assert_eq!(suppressions.are_suppressed(&asked[..2]).await.unwrap(), [false, false]);
}

#[tokio::test]
async fn every_query_has_its_index() {
    let store = Store::new("explain").await;
    let retention = Duration::from_secs(86_400);
    ensure_indexes(&store.database, &indexes::all(retention)).await.unwrap();
    // A second run with another retention succeeds.
    ensure_indexes(&store.database, &indexes::all(retention * 2)).await.unwrap();
    for n in 0..50 {
        store.queue(store.notice(&format!("u{n}@example.com"))).await;
    }
    for (name, filter, sort, index) in [
        ("claim", claimable(), doc! { "nextAttemptAt": 1 }, "due"),
        ("abandoned preparing", abandoned(State::Preparing), doc! {}, "due"),
        ("abandoned data", abandoned(State::Data), doc! {}, "due"),
        ("resend", resendable(), doc! {}, "due"),
        ("held", unknown_and_expired(), doc! {}, "due"),
        ("overdue", queued_and_expired(), doc! {}, "expiry"),
        ("list by state", doc! { "state": "sent" }, doc! {}, "due"),
        ("list by user", doc! { "userId": "x" }, doc! { "eventTime": -1 }, "user"),
        ("list by address", doc! { "to": "U1@example.com" }, doc! { "eventTime": -1 }, "to"),
        ("list by event", doc! { "_id": { "$gte": "x/", "$lt": "x0" } }, doc! {}, "_id_"),
        ("list", doc! {}, doc! { "eventTime": -1 }, "newest"),
    ] {
        let mut find = doc! { "find": "mailJobs", "filter": filter, "sort": sort };
        if name == "list by address" {
            find.insert("collation", doc! { "locale": "en", "strength": 2 });
        }
        let (plan, winning) = explain(&store, find).await;
        assert!(winning.contains(&format!("\"indexName\": \"{index}\"")), "{name}: {winning}");
        assert!(!winning.contains("COLLSCAN"), "{name}: {winning}");
        if name == "overdue" || name == "resend" || name.starts_with("abandoned") {
            let examined = plan.get_document("executionStats").unwrap().get("totalKeysExamined").unwrap();
            let examined = examined.as_i64().or(examined.as_i32().map(i64::from)).unwrap();
            assert!(examined <= 1, "{name} examines {examined} keys of a queue that does not concern it");
        }
    }
}

#[tokio::test]
async fn only_a_terminal_row_has_the_time_for_its_removal() {
    let store = Store::new("ttl").await;
    let ids = [store.queue(store.notice("a@example.com")).await, store.queue(store.notice("b@example.com")).await];
    let ledger = store.ledger("a");
    let job = ledger.claim(LEASE).await.unwrap().unwrap();
    ledger.mark_failed(&job, "test", Some("550 no")).await.unwrap();
    let expiring = store.database.collection::<Document>("mailJobs");
    let terminal = expiring.count_documents(doc! { "terminalAt": { "$type": "date" } }).await.unwrap();
    assert_eq!((ids.len(), terminal), (2, 1));
}

/// Returns the explanation of a query, and its winning plan as a text.
async fn explain(store: &Store, find: Document) -> (Document, String) {
    let explain = doc! { "explain": find, "verbosity": "executionStats" };
    let plan = store.database.run_command(explain).await.unwrap();
    let winning = plan.get_document("queryPlanner").unwrap().get_document("winningPlan").unwrap().to_string();
    (plan, winning)
}

#[tokio::test]
async fn the_lists_of_dead_letters_and_suppressions_have_an_index() {
    let store = Store::new("explain-letters").await;
    ensure_indexes(&store.database, &indexes::all(Duration::from_secs(86_400))).await.unwrap();
    let newest = doc! { "firstSeenAt": -1 };
    for (collection, filter, sort, index) in [
        ("deadLetters", doc! { "state": "open" }, newest.clone(), "state"),
        ("deadLetters", doc! { "state": "open", "reason": "not-json" }, newest.clone(), "state"),
        ("deadLetters", doc! { "reason": "not-json" }, newest, "newest"),
        ("suppressions", doc! {}, doc! { "until": -1 }, "retention"),
    ] {
        let find = doc! { "find": collection, "filter": filter.clone(), "sort": sort };
        let (_, winning) = explain(&store, find).await;
        assert!(winning.contains(&format!("\"indexName\": \"{index}\"")), "{collection} {filter}: {winning}");
    }
}
