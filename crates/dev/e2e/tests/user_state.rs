//! The topic of states: what other services see of a user, and when.

use e2e::accounts::{
    delete_account, mark_email_verified, register_and_log_in, register_verified, wait_until_all_published,
    with_cheap_hashes,
};
use events::{Decoded, Record as _, StateRecord};
use serde_json::json;
use test_support::{Record, ServiceSpec, Stack, TopicReader, World};

/// A world with a topic of states.
async fn world(name: &str) -> World {
    let world = World::without_topic(&Stack::from_env(), name).with_states();
    world.create_topic().await;
    world
}

/// Makes the sweep run often, and hashes cheap.
fn with_frequent_sweep(spec: ServiceSpec) -> ServiceSpec {
    let spec = spec.set("RELAY__SWEEP_INTERVAL", "100ms").set("RELAY__SWEEP_MIN_AGE", "100ms");
    with_cheap_hashes(spec.set("RELAY__LEASE", "2s"))
}

/// Decodes a record as a consumer does.
fn decoded(record: &Record) -> StateRecord {
    let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
    match StateRecord::decode(headers, record.key.as_deref(), record.value.as_deref()) {
        Ok(Decoded::Event(state)) => *state,
        other => panic!("{record:?}: {other:?}"),
    }
}

/// Returns the states in the topic when no list has an entry any more.
async fn published_states(world: &World, topic: &mut TopicReader) -> Vec<StateRecord> {
    wait_until_all_published(world).await;
    topic.read_all().await.iter().map(decoded).collect()
}

#[tokio::test]
async fn every_change_that_others_see_publishes_the_state_and_a_deletion_its_tombstone() {
    let world = world("state").await;
    let service = world.user_service().start().await;
    let mut topic = world.state_reader().expect("the world has states");
    let (ada, me) = register_verified(&world, &service.api(), "ada").await;
    let id = me.get("/api/users/me").await.expect(200).string("id");
    let change = json!({ "displayName": "Ada Lovelace", "locale": "en-GB", "timezone": "Europe/London" });
    let shown = me.patch("/api/users/me", &change).await.expect(200);
    let last = published_states(&world, &mut topic).await.pop().expect("there is a state");
    let state = last.state.as_ref().expect("no tombstone");
    assert_eq!((last.user.to_string(), state.id), (id, last.user));
    let seen = serde_json::to_value(state).expect("a JSON value");
    for member in ["id", "username", "email", "displayName", "locale", "timezone", "roles", "status", "version"] {
        assert_eq!(seen[member], shown.json()[member], "{member}");
    }
    for member in ["emailVerified", "createdAt", "updatedAt"] {
        assert_eq!(seen[member], shown.json()[member], "{member}");
    }

    let before = topic.records().len();
    let _ = service.api().login(&ada).await;
    assert_eq!(published_states(&world, &mut topic).await.len(), before, "a login publishes no state");

    delete_account(&me, &ada).await;
    let tombstone = published_states(&world, &mut topic).await.pop().expect("there is a record");
    assert_eq!((tombstone.user, tombstone.state), (last.user, None));
    assert!(tombstone.version > last.version, "{} {}", tombstone.version, last.version);
    let sizes: Vec<_> = topic.records().iter().filter(|record| record.value.is_none()).map(Record::sequence).collect();
    assert_eq!(sizes, [tombstone.version], "one tombstone");
}

#[tokio::test]
async fn only_public_attributes_are_part_of_the_state() {
    let world = world("public").await;
    let directory = tempfile::tempdir().expect("a directory can be created");
    let schema = directory.path().join("attributes.json");
    let marked = json!({ "properties": { "tenant": { "x-public": true }, "plan": {} } });
    std::fs::write(&schema, marked.to_string()).expect("the schema can be written");
    let service = world.user_service().set("ATTRIBUTES__SCHEMA_FILE", schema.display().to_string()).start().await;
    let (_, me) = register_and_log_in(&world, &service.api(), "ada").await;
    let _ = me.patch("/api/users/me", &json!({ "attributes": { "tenant": "t1", "plan": "gold" } })).await.expect(200);
    let mut topic = world.state_reader().expect("the world has states");
    let last = published_states(&world, &mut topic).await.pop().expect("there is a state");
    let attributes = last.state.expect("no tombstone").attributes.expect("there are public attributes");
    assert_eq!(serde_json::Value::Object(attributes), json!({ "tenant": "t1" }));
    assert!(!topic.records().iter().any(|record| record.contains(b"gold")));
}

#[tokio::test]
async fn the_last_record_is_the_newest_state_although_two_replicas_change_the_same_user() {
    let world = world("contested").await;
    let (first, second) = (
        with_frequent_sweep(world.user_service()).start().await,
        with_frequent_sweep(world.user_service()).start().await,
    );
    let (ada, me) = register_and_log_in(&world, &first.api(), "ada").await;
    mark_email_verified(&world, &ada).await;
    let other = second.api().logged_in_as(&ada).await;
    let mut last_name = String::new();
    for n in 0..20 {
        let (name, also) = (format!("Ada {n}"), format!("Ada {n} again"));
        let (one, two) = (json!({ "displayName": name }), json!({ "displayName": also }));
        let (one, two) = tokio::join!(me.patch("/api/users/me", &one), other.patch("/api/users/me", &two));
        let newest = [one.expect(200), two.expect(200)].into_iter().max_by_key(|it| it.json()["version"].as_u64());
        last_name = newest.expect("two responses").string("displayName");
    }
    let mut topic = world.state_reader().expect("the world has states");
    let states = published_states(&world, &mut topic).await;
    let last = states.last().expect("there are states").state.as_ref().expect("no tombstone");
    assert_eq!(last.display_name.as_deref(), Some(last_name.as_str()));
}

#[tokio::test]
async fn a_hidden_registration_has_no_state_before_its_address_is_verified() {
    let world = world("hidden").await;
    let service = world.user_service().set("AUTH__REGISTRATION", "hidden").start().await;
    let _ = service.api().register(&world.test_user("ada")).await.expect(202);
    let mut events = world.topic_reader();
    events.read_type("user.registered.v1", 1).await;
    let mut topic = world.state_reader().expect("the world has states");
    assert_eq!(published_states(&world, &mut topic).await, []);
}
