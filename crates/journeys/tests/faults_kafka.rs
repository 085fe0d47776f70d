//! Kafka away, or there later than the services: nothing is lost, nothing comes twice, nobody waits.

use std::time::{Duration, Instant};

use journeys::{
    ledger::Ledger,
    topic_order::{first_occurrences, types_of},
};
use serde_json::json;
use test_support::{Api, DEADLINE, Person, PrivateKafka, Stack, World, eventually};

const OUTAGE_DEADLINE: Duration = Duration::from_secs(60);
/// With hashing, on a busy machine; producing to a broker that is away would take longer.
const WITHOUT_WAITING: Duration = Duration::from_secs(3);

async fn sign_up(api: &Api, world: &World, names: &[&str]) -> Vec<Person> {
    let mut people = Vec::new();
    for name in names {
        let person = world.person(name);
        let started = Instant::now();
        let _ = api.register(&person).await.expect(201);
        assert!(started.elapsed() < WITHOUT_WAITING, "a registration took {:?}", started.elapsed());
        people.push(person);
    }
    people
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ups_while_kafka_is_down_have_every_event_and_every_mail_once_when_it_is_back() {
    let stack = Stack::from_env();
    let mut kafka = PrivateKafka::start(&stack, "outage").await;
    let world = World::without_topic(&stack, "outage").on_brokers(kafka.brokers(), kafka.kind());
    world.create_topic().await;
    let (mut users, emails) = tokio::join!(world.user_service().start(), world.email_service().start());
    let api = users.api();
    let mut people = sign_up(&api, &world, &["before-one", "before-two"]).await;
    world.topic_reader().read_type("user.registered.v1", 2).await;
    world.mailbox(&people[1].email).until(1).await;

    kafka.down().await;
    people.extend(sign_up(&api, &world, &["during-one", "during-two", "during-three"]).await);
    let tokens = api.login(&people[0]).await;
    let patch = json!({ "displayName": "Ada" });
    let _ = api.with_token(&tokens.access).patch("/api/users/me", &patch).await.expect(200);
    // The relay's process is another one when the broker comes back.
    users.kill9().await;
    users.restart().await;
    people.extend(sign_up(&api, &world, &["later-one", "later-two"]).await);
    eventually(DEADLINE, "a degraded user service", async || {
        let (status, body) = users.readiness().await?;
        (status == 200 && body["status"] == "degraded" && body["checks"]["kafka"] == "degraded").then_some(())
    })
    .await;
    eventually(DEADLINE, "an unavailable email service", async || {
        let (status, body) = emails.readiness().await?;
        (status == 503 && body["checks"]["kafka"] == "down").then_some(())
    })
    .await;

    kafka.up().await;
    let mut reader = world.topic_reader();
    let all = people.len();
    reader
        .read_until(OUTAGE_DEADLINE, "every event of the outage", |records| {
            let registered = records.iter().filter(|record| record.event_type() == "user.registered.v1").count();
            registered >= all && records.iter().any(|record| record.event_type() == "user.profile_updated.v1")
        })
        .await;
    let mails = eventually(OUTAGE_DEADLINE, "a mail for everybody", async || {
        let mails = Ledger::of(&world).await.mails().await;
        (mails.iter().filter(|mail| mail.state == "sent").count() == all).then_some(mails)
    })
    .await;
    assert_eq!(mails.len(), all);
    let mails = Ledger::of(&world).await.until_quiet(OUTAGE_DEADLINE).await;
    assert_eq!(mails.len(), all);
    for person in &people {
        assert_eq!(world.mailbox(&person.email).mails().await.len(), 1, "mails to {}", person.email);
    }
    let records = reader.read_all().await;
    assert_eq!(first_occurrences(records).len(), records.len(), "an event is in the topic twice");
    assert_eq!(records.len(), all + 2);
    let first = records.iter().find(|record| record.json()["recipient"]["email"] == people[0].email.as_str());
    let first = first.expect("the first person's event is there").key_text();
    let types = ["user.registered.v1", "user.logged_in.v1", "user.profile_updated.v1"];
    assert_eq!(types_of(&first, records), types);
    Ledger::of(&world).await.assert_has_all_that_is_committed().await;
    eventually(DEADLINE, "both services ready again", async || {
        let ready = users.readiness().await?.1["status"] == "ready" && emails.readiness().await?.1["status"] == "ready";
        ready.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_service_that_is_older_than_the_topic_mails_within_fifteen_seconds() {
    let stack = Stack::from_env();
    let world = World::without_topic(&stack, "topic-later");
    let _emails = world.email_service().start().await;
    let users = world.user_service().start().await;
    if stack.is_embedded() {
        // Only a real broker lets the user service make it.
        world.create_topic().await;
    }
    let person = world.person("early");
    let _ = users.api().register(&person).await.expect(201);
    let mails = world.mailbox(&person.email).until_within(Duration::from_secs(15), 1).await;
    assert_eq!(mails.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_service_that_starts_later_mails_what_happened_before() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "emails-later").await;
    let users = world.user_service().start().await;
    let people = sign_up(&users.api(), &world, &["one", "two", "three"]).await;
    world.topic_reader().read_type("user.registered.v1", 3).await;
    let _emails = world.email_service().start().await;
    for person in &people {
        world.mailbox(&person.email).until(1).await;
    }
    let mails = Ledger::of(&world).await.until_quiet(DEADLINE).await;
    assert_eq!(mails.iter().filter(|mail| mail.state == "sent").count(), 3);
    for person in &people {
        assert_eq!(world.mailbox(&person.email).mails().await.len(), 1);
    }
}
