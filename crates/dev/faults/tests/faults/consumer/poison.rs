//! Records that cannot be processed.

use std::collections::{BTreeMap, BTreeSet};

use e2e::event_publisher::EventPublisher;
use events::Event;
use faults::checker::DeadLetter;
use test_support::{DEADLINE, delete_topic, report_skipped, wait_for};

use crate::mail_fixture::MailFixture;

type Headers = Vec<(&'static str, String)>;

/// A record that cannot be processed: its dead-letter reason, headers, key and value.
pub(super) struct PoisonRecord {
    pub(super) reason: &'static str,
    headers: Headers,
    key: String,
    value: Option<Vec<u8>>,
}

impl PoisonRecord {
    /// Creates the record of a valid event and corrupts it.
    pub(super) fn new(reason: &'static str, good: &Event, corrupt: impl FnOnce(&mut Self)) -> Self {
        let (headers, key) = (good.envelope.headers(), good.envelope.key());
        let mut poison = Self { reason, headers, key, value: Some(good.payload.to_json().into_bytes()) };
        corrupt(&mut poison);
        poison
    }

    fn set(&mut self, name: &str, value: &str) {
        let header = self.headers.iter_mut().find(|(header, _)| *header == name).expect("every event has this header");
        header.1 = value.to_owned();
    }

    /// Publishes the record into partition 0, so that all records are neighbours.
    pub(super) async fn publish(&self, publisher: &EventPublisher) {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        publisher.publish_raw(0, &self.key, self.value.as_deref(), &headers).await;
    }
}

/// Returns one record of each kind. The victim also has a valid mail of their own.
pub(super) fn poison_records(fixture: &MailFixture, victims: &Event) -> Vec<PoisonRecord> {
    let publisher = &fixture.publisher;
    let good = || publisher.notice(&fixture.address("poisoned"));
    vec![
        PoisonRecord::new("not-json", &good(), |poison| poison.value = Some(b"{\"userId\": ".to_vec())),
        PoisonRecord::new("not-json", &good(), |poison| poison.value = Some(vec![0xff, 0xfe])),
        PoisonRecord::new("invalid-data", &good(), |poison| poison.value = Some(b"{}".to_vec())),
        PoisonRecord::new("null-value", &good(), |poison| poison.value = None),
        PoisonRecord::new("missing-header", &good(), |poison| poison.headers.clear()),
        PoisonRecord::new("missing-header", &good(), |poison| poison.headers.retain(|(name, _)| *name != "ce_id")),
        PoisonRecord::new("unsupported-version", &good(), |poison| poison.set("ce_type", "user.password_changed.v9")),
        PoisonRecord::new("invalid-header", &good(), |poison| poison.set("ce_subject", &"x".repeat(1_000_000))),
        PoisonRecord::new("key-mismatch", &good(), |poison| poison.key = "another user".to_owned()),
        // The attacker's own address with a link that was meant for the victim.
        PoisonRecord::new(
            "sealed-mismatch",
            &publisher.welcome_with_token_of(&fixture.address("thief"), victims),
            |_| {},
        ),
        // The victim's address in a forged event.
        PoisonRecord::new(
            "sealed-mismatch",
            &publisher.welcome_with_token_of(&fixture.address("victim"), victims),
            |_| {},
        ),
    ]
}

fn reasons(letters: &[DeadLetter]) -> BTreeMap<&str, usize> {
    let mut reasons = BTreeMap::new();
    for letter in letters {
        *reasons.entry(letter.reason.as_str()).or_default() += 1;
    }
    reasons
}

fn expected(poison_records: &[PoisonRecord]) -> BTreeMap<&str, usize> {
    let mut expected = BTreeMap::new();
    for poison in poison_records {
        *expected.entry(poison.reason).or_default() += 1;
    }
    expected
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_14_a_poison_record_is_one_dead_letter_with_its_reason_and_delays_no_neighbour() {
    let mut fixture = MailFixture::new("poison").await;
    fixture.run.limits.neighbour_delay_ms = Some(10_000);
    let service = fixture.service().start().await;
    wait_for(DEADLINE, "a first mail", async || {
        let address = fixture.notice("first").await;
        fixture.ledger.wait_for_state(&address, "sent", DEADLINE).await;
        Some(())
    })
    .await;
    let publisher = &fixture.publisher;
    let victims = publisher.welcome(&fixture.address("victim"));
    publisher.publish_to(0, &victims).await;
    let mut good = 2;
    let poison_records = poison_records(&fixture, &victims);
    for poison in &poison_records {
        poison.publish(publisher).await;
        publisher.publish_to(0, &publisher.notice(&fixture.address(&format!("neighbour{good}")))).await;
        good += 1;
    }
    // An unknown event type and a large unused header do no harm.
    let unknown = PoisonRecord::new("", &publisher.notice(&fixture.address("unknown-type")), |p| {
        p.set("ce_type", "order.placed.v1");
    });
    unknown.publish(publisher).await;
    let large = PoisonRecord::new("", &publisher.notice(&fixture.address("large")), |poison| {
        poison.headers.push(("x-large", "y".repeat(1_000_000)));
    });
    large.publish(publisher).await;
    good += 1;

    let history = fixture.assert_promises_kept().await;
    let records = good + poison_records.len() + 1;
    assert_eq!(service.metric("email_records_total", "").await, records as f64);
    assert_eq!(service.metric("email_records_total", "outcome=\"unknown_type\"").await, 1.0);
    assert_eq!(history.mails.len(), good);
    assert!(history.mails.iter().all(|mail| mail.state == "sent"), "{:#?}", history.mails);
    assert_eq!(fixture.smtp().deliveries().len(), good);
    assert!(fixture.smtp().deliveries_to(&fixture.address("thief")).is_empty());
    assert_eq!(fixture.smtp().deliveries_to(&fixture.address("victim")).len(), 1);
    assert_eq!(reasons(&history.dead_letters), expected(&poison_records));
    let places: BTreeSet<(i32, i64)> =
        history.dead_letters.iter().map(|letter| (letter.partition, letter.offset)).collect();
    assert_eq!(places.len(), history.dead_letters.len(), "a record is two dead letters");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_14_poison_records_of_a_recreated_topic_are_dead_letters_although_their_offsets_repeat() {
    let mut fixture = MailFixture::new("recreated").await;
    if fixture.run.world.stack().is_embedded() {
        report_skipped(
            "fault_14_poison_records_of_a_recreated_topic_are_dead_letters_although_their_offsets_repeat",
            "the embedded broker cannot delete topics",
        );
        return;
    }
    fixture.run.limits.topic_replaced = true;
    let mut service = fixture.service().start().await;
    let poison = |value: &str| {
        let value = value.as_bytes().to_vec();
        PoisonRecord::new("not-json", &fixture.publisher.notice(&fixture.address("poisoned")), |poison| {
            poison.value = Some(value);
        })
    };
    // The second record has the same bytes at the same offset, the third one different bytes.
    for value in ["{", "{", "["] {
        poison(value).publish(&fixture.publisher).await;
        let neighbour = fixture.notice("neighbour").await;
        wait_for(DEADLINE, "the neighbours' mails", async || {
            let mails = fixture.ledger.mails_to(&neighbour).await;
            mails.iter().all(e2e::ledger::MailJob::is_terminal).then_some(())
        })
        .await;
        faults::wait_until_idle(&fixture.run, crate::mail_fixture::IDLE_DEADLINE).await;
        service.terminate().await;
        delete_topic(fixture.run.world.brokers(), fixture.run.world.topic()).await;
        wait_until_gone(&fixture).await;
        fixture.run.world.create_topic().await;
        service.restart().await;
    }
    let letters = fixture.ledger.dead_letters().await;
    assert_eq!(letters.len(), 3, "{letters:#?}");
    assert!(
        letters.iter().all(|letter| (letter.partition, letter.offset, letter.reason.as_str()) == (0, 0, "not-json"))
    );
    assert_eq!(fixture.smtp().deliveries_to(&fixture.address("neighbour")).len(), 3);
    fixture.assert_promises_kept().await;
}

/// Waits until the broker has deleted the topic, because until then it cannot be created again.
async fn wait_until_gone(fixture: &MailFixture) {
    let world = &fixture.run.world;
    wait_for(DEADLINE, "the topic to be deleted", async || {
        e2e::offsets::topic_exists(world).await.is_some_and(|exists| !exists).then_some(())
    })
    .await;
}
