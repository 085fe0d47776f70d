//! The relay: a missing topic or one with another number of partitions, two replicas, and a full pending list.
//! Failures of its dependencies are in the fault matrix.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bson::doc;
use e2e::{
    accounts::{
        count_users_with_pending_events, delete_account, register_with_id, wait_until_all_published, with_cheap_hashes,
    },
    commands::{json_lines, stdout_of},
    oversized_event::{insert_oversized_event, wait_until_parked},
    topic_order::first_occurrences,
};
use futures_util::future::join_all;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
};
use serde_json::{Value, json};
use test_support::{DEADLINE, Port, Record, ServiceSpec, Stack, World, count, create_topic, report_skipped, wait_for};

/// Makes the sweep run often, and hashes cheap.
fn with_frequent_sweep(spec: ServiceSpec) -> ServiceSpec {
    let spec = spec.set("RELAY__SWEEP_INTERVAL", "100ms").set("RELAY__SWEEP_MIN_AGE", "100ms");
    with_cheap_hashes(spec.set("RELAY__LEASE", "2s"))
}

/// Returns the sequences of each user's events in the order of the topic, without duplicates.
fn sequences(records: &[Record]) -> BTreeMap<String, Vec<u64>> {
    let mut sequences: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in first_occurrences(records) {
        sequences.entry(record.key_text()).or_default().push(record.sequence());
    }
    sequences
}

#[tokio::test]
async fn missing_topics_are_created_with_their_partitions_and_retention() {
    let stack = Stack::from_env();
    if stack.is_embedded() {
        report_skipped(
            "missing_topics_are_created_with_their_partitions_and_retention",
            "the embedded broker makes no topics",
        );
        return;
    }
    let world = World::without_topic(&stack, "newtopic").with_states();
    let service = with_frequent_sweep(world.user_service()).start().await;
    let _ = service.api().register(&world.test_user("ada")).await.expect(201);
    let mut topic = world.topic_reader();
    topic.read_type("user.registered.v1", 1).await;
    let states = world.state_topic().expect("the world has states");
    for topic in [world.topic(), states] {
        assert_eq!(partition_count(&world, topic).await, 12, "{topic}");
    }
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", world.brokers()).create().expect("these settings are valid");
    let resources = [ResourceSpecifier::Topic(world.topic()), ResourceSpecifier::Topic(states)];
    let described =
        admin.describe_configs(&resources, &AdminOptions::new()).await.expect("the broker describes its topics");
    let value = |topic: usize, name: &str| {
        let config = described[topic].as_ref().expect("the topic exists");
        config.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default()
    };
    assert_eq!(value(0, "cleanup.policy"), "delete");
    assert_eq!(value(0, "retention.ms"), "604800000");
    // Kafka deletes only whole segments, so an event stays as long as its segment is written to.
    assert_eq!(value(0, "segment.ms"), "86400000");
    assert_eq!(value(1, "cleanup.policy"), "compact");
    assert_eq!(value(1, "delete.retention.ms"), "604800000");
    // Otherwise the state of a deleted user could stay for any time.
    assert_eq!(value(1, "max.compaction.lag.ms"), "86400000");
}

async fn partition_count(world: &World, topic: &str) -> usize {
    let (brokers, topic) = (world.brokers().to_owned(), topic.to_owned());
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", brokers).create().expect("these settings are valid");
        let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(10)).expect("the broker responds");
        metadata.topics()[0].partitions().len()
    })
    .await
    .expect("the task does not panic")
}

#[tokio::test]
async fn nothing_is_published_to_a_topic_with_another_number_of_partitions() {
    let world = World::without_topic(&Stack::from_env(), "three");
    create_topic(world.brokers(), world.broker_kind(), world.topic(), 3).await;
    let mut service = with_frequent_sweep(world.user_service()).start().await;
    wait_for(DEADLINE, "the log message about the partitions", async || {
        service.log().contains("another number of partitions").then_some(())
    })
    .await;
    assert_eq!(service.check("kafka").await, "degraded");
    let id = service.api().register(&world.test_user("ada")).await.expect(201).string("id");
    // On shutdown the service publishes everything that it may.
    assert_eq!(service.terminate().await.code(), Some(0));
    let mut topic = world.topic_reader();
    assert!(topic.read_all().await.is_empty(), "{:?}", topic.records());
    assert_eq!(count_users_with_pending_events(&world).await, 1);

    service.restart_with(|spec| spec.set("KAFKA__PARTITIONS", "3")).await;
    let record = topic.read_type("user.registered.v1", 1).await.remove(0);
    assert_eq!(record.partition, events::topic::partition_of(id.as_bytes(), 3));
}

#[tokio::test]
async fn two_replicas_keep_the_order_and_repeat_no_event_under_another_id() {
    const PEOPLE: usize = 12;
    const CHANGES: u64 = 8;
    let world = World::new(&Stack::from_env(), "replicas").await;
    let first = with_frequent_sweep(world.user_service()).set("RELAY__SWEEP_MIN_AGE", "0s");
    let second = first.replica();
    let (first, second) = tokio::join!(first.start(), second.start());
    let apis = [first.api(), second.api()];
    let register_and_change = async |n: usize| -> String {
        let user = world.test_user(&format!("p{n}"));
        let id = apis[n % 2].register(&user).await.expect(201).string("id");
        let token = apis[(n + 1) % 2].login(&user).await.access;
        for change in 0..CHANGES {
            let me = apis[(n + usize::from(change % 2 == 0)) % 2].with_token(&token);
            let _ = me.patch("/api/users/me", &json!({ "displayName": format!("Change {change}") })).await.expect(200);
        }
        id
    };
    let ids: BTreeSet<String> = join_all((0..PEOPLE).map(register_and_change)).await.into_iter().collect();
    wait_until_all_published(&world).await;
    let mut topic = world.topic_reader();
    let sequences_by_user = sequences(topic.read_all().await);
    assert_eq!(sequences_by_user.keys().cloned().collect::<BTreeSet<_>>(), ids);
    let all: Vec<u64> = (1..=CHANGES + 2).collect();
    assert!(sequences_by_user.values().all(|sequences| *sequences == all), "{sequences_by_user:?}");
}

#[tokio::test]
async fn a_tombstone_is_removed_with_its_last_event_even_if_that_event_is_skipped() {
    let world = World::new(&Stack::from_env(), "skipped").await;
    let service = with_frequent_sweep(world.user_service()).start().await;
    let api = service.api();
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let me = api.logged_in_as(&ada).await;
    wait_until_all_published(&world).await;
    let large = insert_oversized_event(&world, &id).await;
    wait_until_parked(&world, &id, 1).await;
    delete_account(&me, &ada).await;
    let spec = service.spec();
    // The tombstone is no longer parked, so the relay tries again and the broker refuses again.
    wait_until_parked(&world, &id, 1).await;
    let waiting = list_waiting_events(spec).await;
    let deletion_event =
        waiting.iter().find(|line| line["type"] == "user.deleted.v1").expect("the deletion event is pending");
    for event in [deletion_event["eventId"].as_str().unwrap_or_default(), &large] {
        let _ = stdout_of(&spec.command(&["events", "skip", &id, event]).await, 0);
    }
    for collection in ["users", "sessions", "audit"] {
        assert_eq!(count(&world.user_collection(collection).await, doc! {}).await, 0, "{collection}");
    }
}

async fn list_waiting_events(spec: &ServiceSpec) -> Vec<Value> {
    json_lines(&stdout_of(&spec.command(&["events", "list", "--json"]).await, 0))
}

#[tokio::test]
async fn a_full_pending_list_refuses_changes_but_allows_login_and_deletion() {
    const MAX_PENDING: u64 = 10;
    let world = World::new(&Stack::from_env(), "bound").await;
    let closed_port = Port::free().expect("there is a free port");
    let spec = with_frequent_sweep(world.user_service()).set("RELAY__MAX_PENDING_PER_USER", MAX_PENDING.to_string());
    let mut service = spec.set("KAFKA__BROKERS", format!("127.0.0.1:{}", closed_port.number())).start().await;
    let api = service.api();
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let me = api.logged_in_as(&ada).await;
    for n in 2..MAX_PENDING {
        let _ = me.patch("/api/users/me", &json!({ "displayName": format!("Change {n}") })).await.expect(200);
    }
    let before = me.get("/api/users/me").await.expect(200).text;
    let refused = me.patch("/api/users/me", &json!({ "displayName": "One too many" })).await;
    let refused = refused.expect_problem(503, "unavailable");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1));
    assert_eq!(me.get("/api/users/me").await.expect(200).text, before, "a refused request changes nothing");

    let again = api.login(&ada).await;
    assert!(service.metric("user_service_login_events_dropped_total", "").await >= 1.0);
    let logout = api.post("/api/auth/logout", &json!({ "refreshToken": again.refresh })).await;
    let _ = logout.expect(204);
    delete_account(&me, &ada).await;
    let _ = api.register(&ada).await.expect(201);

    let _ = service.terminate().await;
    service.restart_with(|spec| spec.set("KAFKA__BROKERS", world.brokers())).await;
    let mut topic = world.topic_reader();
    topic.read_type("user.deleted.v1", 1).await;
    topic.read_type("user.registered.v1", 2).await;
    wait_until_all_published(&world).await;
    let sequences_by_user = sequences(topic.read_all().await);
    assert_eq!(sequences_by_user[&id].len() as u64, MAX_PENDING + 1, "an event is missing: {sequences_by_user:?}");
}
