//! Records that cannot be processed.

use std::collections::{BTreeMap, BTreeSet};

use e2e::event_publisher::EventPublisher;
use events::Event;
use faults::checker::DeadLetter;
use test_support::{DEADLINE, delete_topic, skipped, wait_for};

use crate::mail_scene::Scene;

type Headers = Vec<(&'static str, String)>;

/// A record that cannot be processed: its reason as a dead letter, headers, key and value.
pub(super) struct Poison {
    pub(super) reason: &'static str,
    headers: Headers,
    key: String,
    value: Option<Vec<u8>>,
}

impl Poison {
    /// A good event's record, spoilt.
    pub(super) fn new(reason: &'static str, good: &Event, spoil: impl FnOnce(&mut Self)) -> Self {
        let (headers, key) = (good.envelope.headers(), good.envelope.key());
        let mut poison = Self { reason, headers, key, value: Some(good.payload.to_json().into_bytes()) };
        spoil(&mut poison);
        poison
    }

    fn set(&mut self, name: &str, value: &str) {
        let header = self.headers.iter_mut().find(|(header, _)| *header == name).expect("every event has it");
        header.1 = value.to_owned();
    }

    /// All in one partition: each one is everybody's neighbour.
    pub(super) async fn publish(&self, publisher: &EventPublisher) {
        let headers: Vec<(&str, &str)> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        publisher.publish_raw(0, &self.key, self.value.as_deref(), &headers).await;
    }
}

/// One of each kind. The victim has a good mail of his own.
pub(super) fn poisons(scene: &Scene, victims: &Event) -> Vec<Poison> {
    let publisher = &scene.publisher;
    let good = || publisher.notice(&scene.address("poisoned"));
    vec![
        Poison::new("not-json", &good(), |poison| poison.value = Some(b"{\"userId\": ".to_vec())),
        Poison::new("not-json", &good(), |poison| poison.value = Some(vec![0xff, 0xfe])),
        Poison::new("invalid-data", &good(), |poison| poison.value = Some(b"{}".to_vec())),
        Poison::new("null-value", &good(), |poison| poison.value = None),
        Poison::new("missing-header", &good(), |poison| poison.headers.clear()),
        Poison::new("missing-header", &good(), |poison| poison.headers.retain(|(name, _)| *name != "ce_id")),
        Poison::new("unsupported-version", &good(), |poison| poison.set("ce_type", "user.password_changed.v9")),
        Poison::new("invalid-header", &good(), |poison| poison.set("ce_subject", &"x".repeat(1_000_000))),
        Poison::new("key-mismatch", &good(), |poison| poison.key = "somebody else".to_owned()),
        // The attacker's own address, with the link that was meant for the victim.
        Poison::new("sealed-mismatch", &publisher.welcome_with_token_of(&scene.address("thief"), victims), |_| {}),
        // The victim's address, in an event that was never made.
        Poison::new("sealed-mismatch", &publisher.welcome_with_token_of(&scene.address("victim"), victims), |_| {}),
    ]
}

fn reasons(letters: &[DeadLetter]) -> BTreeMap<&str, usize> {
    let mut reasons = BTreeMap::new();
    for letter in letters {
        *reasons.entry(letter.reason.as_str()).or_default() += 1;
    }
    reasons
}

fn expected(poisons: &[Poison]) -> BTreeMap<&str, usize> {
    let mut expected = BTreeMap::new();
    for poison in poisons {
        *expected.entry(poison.reason).or_default() += 1;
    }
    expected
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_14_poison_is_kept_once_with_its_reason_and_delays_no_neighbour() {
    let mut scene = Scene::new("poison").await;
    scene.run.limits.neighbour_delay_ms = Some(10_000);
    let service = scene.service().start().await;
    wait_for(DEADLINE, "a first mail", async || {
        let address = scene.notice("first").await;
        scene.ledger.wait_for_state(&address, "sent", DEADLINE).await;
        Some(())
    })
    .await;
    let publisher = &scene.publisher;
    let victims = publisher.welcome(&scene.address("victim"));
    publisher.publish_to(0, &victims).await;
    let mut good = 2;
    let poisons = poisons(&scene, &victims);
    for poison in &poisons {
        poison.publish(publisher).await;
        publisher.publish_to(0, &publisher.notice(&scene.address(&format!("neighbour{good}")))).await;
        good += 1;
    }
    // Neither harms: a type of the future, and a header that nobody reads, however large.
    let unknown = Poison::new("", &publisher.notice(&scene.address("nobody")), |p| p.set("ce_type", "order.placed.v1"));
    unknown.publish(publisher).await;
    let large = Poison::new("", &publisher.notice(&scene.address("large")), |poison| {
        poison.headers.push(("x-large", "y".repeat(1_000_000)));
    });
    large.publish(publisher).await;
    good += 1;

    let history = scene.judge().await;
    let records = good + poisons.len() + 1;
    assert_eq!(service.metric("email_records_total", "").await, records as f64);
    assert_eq!(service.metric("email_records_total", "outcome=\"unknown_type\"").await, 1.0);
    assert_eq!(history.mails.len(), good);
    assert!(history.mails.iter().all(|mail| mail.state == "sent"), "{:#?}", history.mails);
    assert_eq!(scene.smtp().deliveries().len(), good);
    assert!(scene.smtp().deliveries_to(&scene.address("thief")).is_empty());
    assert_eq!(scene.smtp().deliveries_to(&scene.address("victim")).len(), 1);
    assert_eq!(reasons(&history.dead_letters), expected(&poisons));
    let places: BTreeSet<(i32, i64)> =
        history.dead_letters.iter().map(|letter| (letter.partition, letter.offset)).collect();
    assert_eq!(places.len(), history.dead_letters.len(), "a record is kept twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_14_poison_of_a_topic_that_was_recreated_is_still_recorded_at_the_same_place() {
    let mut scene = Scene::new("recreated").await;
    if scene.run.world.stack().is_embedded() {
        skipped(
            "fault_14_poison_of_a_topic_that_was_recreated_is_still_recorded_at_the_same_place",
            "the embedded broker deletes no topics",
        );
        return;
    }
    scene.run.limits.topic_replaced = true;
    let mut service = scene.service().start().await;
    let poison = |value: &str| {
        let value = value.as_bytes().to_vec();
        Poison::new("not-json", &scene.publisher.notice(&scene.address("poisoned")), |poison| {
            poison.value = Some(value)
        })
    };
    // The same bytes at the same place; and others there.
    for value in ["{", "{", "["] {
        poison(value).publish(&scene.publisher).await;
        let neighbour = scene.notice("neighbour").await;
        wait_for(DEADLINE, "the neighbours' mails", async || {
            let mails = scene.ledger.mails_to(&neighbour).await;
            mails.iter().all(e2e::ledger::MailJob::is_terminal).then_some(())
        })
        .await;
        faults::settle(&scene.run, crate::mail_scene::AT_REST).await;
        service.terminate().await;
        delete_topic(scene.run.world.brokers(), scene.run.world.topic()).await;
        until_gone(&scene).await;
        scene.run.world.create_topic().await;
        service.restart().await;
    }
    let letters = scene.ledger.dead_letters().await;
    assert_eq!(letters.len(), 3, "{letters:#?}");
    assert!(
        letters.iter().all(|letter| (letter.partition, letter.offset, letter.reason.as_str()) == (0, 0, "not-json"))
    );
    assert_eq!(scene.smtp().deliveries_to(&scene.address("neighbour")).len(), 3);
    scene.judge().await;
}

/// Deleting takes the broker a moment, in which the topic cannot be made again.
async fn until_gone(scene: &Scene) {
    let world = &scene.run.world;
    wait_for(DEADLINE, "the end of the topic", async || {
        e2e::offsets::topic_exists(world).await.is_some_and(|exists| !exists).then_some(())
    })
    .await;
}
