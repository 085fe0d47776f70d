//! The relay under what can happen to it: Kafka away, a strange topic, a record too large, two replicas, SIGTERM.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bson::{DateTime, Document, Uuid, doc};
use futures_util::future::join_all;
use journeys::topic_order::first_occurrences;
use mongodb::Collection;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
};
use serde_json::{Value, json};
use test_support::{
    Api, DEADLINE, Mode, Person, Port, Record, Service, ServiceSpec, Stack, TcpProxy, World, create_topic, eventually,
    skipped,
};

/// An answer that waits for nothing that is away.
const PROMPT: Duration = Duration::from_secs(3);

/// What was left behind is found within a moment; hashes cost nothing.
fn eager(spec: ServiceSpec) -> ServiceSpec {
    let spec = spec.set("RELAY__SWEEP_INTERVAL", "100ms").set("RELAY__SWEEP_MIN_AGE", "100ms");
    spec.set("RELAY__LEASE", "2s").set("HASHING__MEMORY_KIB", "64").set("HASHING__ITERATIONS", "1")
}

async fn users(world: &World) -> Collection<Document> {
    world.user_database().await.collection("users")
}

async fn with_pending(world: &World) -> u64 {
    let pending = doc! { "pendingEvents.0": { "$exists": true } };
    users(world).await.count_documents(pending).await.expect("users can be counted")
}

async fn until_nothing_is_pending(world: &World) {
    eventually(DEADLINE, "every event to be off its list", async || (with_pending(world).await == 0).then_some(()))
        .await;
}

/// The sequences of each user's events, in the order of the topic, duplicates left out.
fn sequences(records: &[Record]) -> BTreeMap<String, Vec<u64>> {
    let mut sequences: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in first_occurrences(records) {
        sequences.entry(record.key_text()).or_default().push(record.sequence());
    }
    sequences
}

#[tokio::test]
async fn sign_ups_do_not_wait_for_kafka_and_their_events_come_after_it() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "nokafka").await;
    let nobody = Port::free().expect("there is a free port");
    let nowhere = format!("127.0.0.1:{}", nobody.number());
    let mut service = eager(world.user_service()).set("KAFKA__BROKERS", nowhere).start().await;
    let (status, readiness) = service.readiness().await.expect("it answers");
    assert_eq!(
        (status, &readiness["status"], &readiness["checks"]["kafka"]),
        (200, &json!("degraded"), &json!("degraded"))
    );
    let api = service.api();
    let mut ids = BTreeSet::new();
    for n in 0..6 {
        let person = world.person(&format!("p{n}"));
        let started = Instant::now();
        ids.insert(api.register(&person).await.expect(201).string("id"));
        let me = api.with_token(&api.login(&person).await.access);
        let _ = me.patch("/api/users/me", &json!({ "displayName": "While it was away" })).await.expect(200);
        assert!(started.elapsed() < PROMPT, "{:?}", started.elapsed());
    }
    assert_eq!(with_pending(&world).await, 6);
    let asked = Instant::now();
    assert_eq!(service.terminate().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(25), "{:?}", asked.elapsed());

    service.restart_with(|spec| spec.set("KAFKA__BROKERS", world.brokers())).await;
    let mut topic = world.topic_reader();
    topic.read_type("user.profile_updated.v1", 6).await;
    until_nothing_is_pending(&world).await;
    let firsts = sequences(topic.read_all().await);
    assert_eq!(firsts.keys().cloned().collect::<BTreeSet<_>>(), ids);
    assert!(firsts.values().all(|sequences| *sequences == [1, 2, 3]), "{firsts:?}");
    assert_eq!(topic.records().len(), 18, "each event once");
    assert_eq!(service.check("kafka").await, "ok");
    let audit = world.user_database().await.collection::<Document>("audit");
    assert_eq!(audit.count_documents(doc! {}).await.expect("audit can be counted"), 18);
}

#[tokio::test]
async fn a_missing_topic_is_made_with_its_partitions_and_retention() {
    let stack = Stack::from_env();
    if stack.is_embedded() {
        skipped("a_missing_topic_is_made_with_its_partitions_and_retention", "the embedded broker makes no topics");
        return;
    }
    let world = World::without_topic(&stack, "newtopic");
    let service = eager(world.user_service()).start().await;
    let _ = service.api().register(&world.person("ada")).await.expect(201);
    let mut topic = world.topic_reader();
    topic.read_type("user.registered.v1", 1).await;
    assert_eq!(partitions(&world).await, 12);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", world.brokers()).create().expect("these settings are valid");
    let resource = ResourceSpecifier::Topic(world.topic());
    let mut described =
        admin.describe_configs([&resource], &AdminOptions::new()).await.expect("the broker describes its topics");
    let config = described.remove(0).expect("the topic is there");
    assert_eq!(config.get("retention.ms").and_then(|entry| entry.value.clone()).as_deref(), Some("604800000"));
}

async fn partitions(world: &World) -> usize {
    let (brokers, topic) = (world.brokers().to_owned(), world.topic().to_owned());
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", brokers).create().expect("these settings are valid");
        let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(10)).expect("the broker answers");
        metadata.topics()[0].partitions().len()
    })
    .await
    .expect("asking does not panic")
}

#[tokio::test]
async fn nothing_is_published_to_a_topic_with_another_number_of_partitions() {
    let stack = Stack::from_env();
    let world = World::without_topic(&stack, "three");
    create_topic(world.brokers(), world.kind(), world.topic(), 3).await;
    let mut service = eager(world.user_service()).start().await;
    eventually(DEADLINE, "the word about the partitions", async || {
        service.log().contains("another number of partitions").then_some(())
    })
    .await;
    assert_eq!(service.check("kafka").await, "degraded");
    let id = service.api().register(&world.person("ada")).await.expect(201).string("id");
    // At its end it publishes all that it may.
    assert_eq!(service.terminate().await.code(), Some(0));
    let mut topic = world.topic_reader();
    assert!(topic.read_all().await.is_empty(), "{:?}", topic.records());
    assert_eq!(with_pending(&world).await, 1);

    service.restart_with(|spec| spec.set("KAFKA__PARTITIONS", "3")).await;
    let record = topic.read_type("user.registered.v1", 1).await.remove(0);
    assert_eq!(record.partition, events::topic::partition_of(id.as_bytes(), 3));
}

#[tokio::test]
async fn two_replicas_keep_the_order_and_double_nothing_under_another_id() {
    const PEOPLE: usize = 12;
    const CHANGES: u64 = 8;
    let stack = Stack::from_env();
    let world = World::new(&stack, "replicas").await;
    let first = eager(world.user_service()).set("RELAY__SWEEP_MIN_AGE", "0s");
    let second = first.replica();
    let (first, second) = tokio::join!(first.start(), second.start());
    let apis = [first.api(), second.api()];
    let live = async |n: usize| -> String {
        let person = world.person(&format!("p{n}"));
        let id = apis[n % 2].register(&person).await.expect(201).string("id");
        let token = apis[(n + 1) % 2].login(&person).await.access;
        for change in 0..CHANGES {
            let me = apis[(n + usize::from(change % 2 == 0)) % 2].with_token(&token);
            let _ = me.patch("/api/users/me", &json!({ "displayName": format!("Change {change}") })).await.expect(200);
        }
        id
    };
    let ids: BTreeSet<String> = join_all((0..PEOPLE).map(live)).await.into_iter().collect();
    until_nothing_is_pending(&world).await;
    let mut topic = world.topic_reader();
    let firsts = sequences(topic.read_all().await);
    assert_eq!(firsts.keys().cloned().collect::<BTreeSet<_>>(), ids);
    let all: Vec<u64> = (1..=CHANGES + 2).collect();
    assert!(firsts.values().all(|sequences| *sequences == all), "{firsts:?}");
}

#[tokio::test]
async fn an_event_that_the_broker_refuses_parks_its_user_only() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "parked").await;
    let service = eager(world.user_service()).start().await;
    let api = service.api();
    let (ada, bob) = (world.person("ada"), world.person("bob"));
    let id = api.register(&ada).await.expect(201).string("id");
    let bobs_id = api.register(&bob).await.expect(201).string("id");
    let (as_ada, as_bob) = (signed_in(&api, &ada).await, signed_in(&api, &bob).await);
    until_nothing_is_pending(&world).await;
    let large = smuggle_a_large_event(&world, &id).await;
    until_parked(&world, &id, 1).await;

    let change = json!({ "displayName": "Later" });
    let _ = as_ada.patch("/api/users/me", &change).await.expect(200);
    let _ = as_bob.patch("/api/users/me", &change).await.expect(200);
    let mut topic = world.topic_reader();
    let updates = topic.read_type("user.profile_updated.v1", 1).await;
    assert_eq!(updates[0].key_text(), bobs_id);

    let spec = service.spec();
    let waiting = listed(spec).await;
    let events: Vec<(&str, bool, &str)> = waiting
        .iter()
        .map(|line| {
            let text = |member: &str| line[member].as_str().unwrap_or_default();
            (text("userId"), line["parkedUntil"].is_string(), text("eventId"))
        })
        .collect();
    assert_eq!(events.len(), 2, "{waiting:?}");
    assert_eq!(events[0], (id.as_str(), true, large.as_str()));
    assert!(!waiting[0]["error"].as_str().unwrap_or_default().is_empty());
    let table = spec.command(&["events", "list"]).await;
    assert_eq!(table.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&table.stdout).contains("parked: "));

    assert_eq!(spec.command(&["events", "retry", &bobs_id]).await.status.code(), Some(1));
    assert_eq!(spec.command(&["events", "retry", "no-id"]).await.status.code(), Some(2));
    assert_eq!(spec.command(&["events", "retry", &id]).await.status.code(), Some(0));
    until_parked(&world, &id, 1).await;
    assert!(service.metric("user_service_relay_parked_total", "").await >= 2.0);
    assert_eq!(spec.command(&["events", "skip", &id, &bobs_id]).await.status.code(), Some(1));
    assert_eq!(spec.command(&["events", "skip", &id, &large]).await.status.code(), Some(0));
    let updates = topic.read_type("user.profile_updated.v1", 2).await;
    assert_eq!(updates[1].key_text(), id);
    until_nothing_is_pending(&world).await;
    assert!(listed(spec).await.is_empty());
    assert!(topic.read_all().await.iter().all(|record| record.id() != large));
}

#[tokio::test]
async fn a_tombstone_goes_with_its_last_event_also_when_that_is_skipped() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "skipped").await;
    let service = eager(world.user_service()).start().await;
    let api = service.api();
    let ada = world.person("ada");
    let id = api.register(&ada).await.expect(201).string("id");
    let me = signed_in(&api, &ada).await;
    until_nothing_is_pending(&world).await;
    let large = smuggle_a_large_event(&world, &id).await;
    until_parked(&world, &id, 1).await;
    let _ = me.delete("/api/users/me", Some(&json!({ "password": ada.password }))).await.expect(204);
    let spec = service.spec();
    // The tombstone is not parked any more, so the broker is asked again, and refuses again.
    until_parked(&world, &id, 1).await;
    let waiting = listed(spec).await;
    let farewell = waiting.iter().find(|line| line["type"] == "user.deleted.v1").expect("the farewell waits");
    for event in [farewell["eventId"].as_str().unwrap_or_default(), &large] {
        let skip = spec.command(&["events", "skip", &id, event]).await;
        assert_eq!(skip.status.code(), Some(0), "{}", String::from_utf8_lossy(&skip.stderr));
    }
    let database = world.user_database().await;
    for collection in ["users", "sessions", "audit"] {
        let left = database.collection::<Document>(collection).count_documents(doc! {}).await;
        assert_eq!(left.expect("it can be counted"), 0, "{collection}");
    }
}

async fn signed_in(api: &Api, person: &Person) -> Api {
    api.with_token(&api.login(person).await.access)
}

async fn listed(spec: &ServiceSpec) -> Vec<Value> {
    let list = spec.command(&["events", "list", "--json"]).await;
    assert_eq!(list.status.code(), Some(0), "{}", String::from_utf8_lossy(&list.stderr));
    let text = String::from_utf8(list.stdout).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

/// No request can cause an event of 2 MB; a later version with larger events might.
async fn smuggle_a_large_event(world: &World, user: &str) -> String {
    let event = Uuid::new();
    let user = Uuid::parse_str(user).expect("an id is a UUID");
    let users = users(world).await;
    let found = users.find_one(doc! { "_id": user }).await.expect("users can be read").expect("the user is there");
    let sequence = found.get_i64("version").expect("a user has a version") + 1;
    let data = json!({ "userId": user.to_string(), "changed": ["x".repeat(2 * 1024 * 1024)] }).to_string();
    let entry = doc! {
        "id": event, "type": "user.profile_updated.v1", "sequence": sequence, "at": DateTime::from_millis(0),
        "data": data, "audit": { "actor": "self" },
    };
    let update = doc! { "$push": { "pendingEvents": entry }, "$inc": { "version": 1_i64 } };
    let _ = users.update_one(doc! { "_id": user }, update).await.expect("the user can be changed");
    event.to_string()
}

async fn until_parked(world: &World, user: &str, attempts: i32) {
    let user = Uuid::parse_str(user).expect("an id is a UUID");
    let users = users(world).await;
    eventually(DEADLINE, "the user to be parked", async || {
        let filter = doc! { "_id": user, "parked.attempts": { "$gte": attempts } };
        users.find_one(filter).await.expect("users can be read")
    })
    .await;
}

#[tokio::test]
async fn a_full_list_of_pending_events_refuses_changes_but_no_login_and_no_farewell() {
    const BOUND: u64 = 10;
    let stack = Stack::from_env();
    let world = World::new(&stack, "bound").await;
    let nobody = Port::free().expect("there is a free port");
    let spec = eager(world.user_service()).set("RELAY__MAX_PENDING_PER_USER", BOUND.to_string());
    let mut service = spec.set("KAFKA__BROKERS", format!("127.0.0.1:{}", nobody.number())).start().await;
    let api = service.api();
    let ada = world.person("ada");
    let id = api.register(&ada).await.expect(201).string("id");
    let me = signed_in(&api, &ada).await;
    for n in 2..BOUND {
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
    let _ = me.delete("/api/users/me", Some(&json!({ "password": ada.password }))).await.expect(204);
    let _ = api.register(&ada).await.expect(201);

    let _ = service.terminate().await;
    service.restart_with(|spec| spec.set("KAFKA__BROKERS", world.brokers())).await;
    let mut topic = world.topic_reader();
    topic.read_type("user.deleted.v1", 1).await;
    topic.read_type("user.registered.v1", 2).await;
    until_nothing_is_pending(&world).await;
    let firsts = sequences(topic.read_all().await);
    assert_eq!(firsts[&id].len() as u64, BOUND + 1, "all that was written, and the farewell: {firsts:?}");
}

#[tokio::test]
async fn sigterm_under_load_ends_in_time_and_loses_nothing() {
    const CLIENTS: usize = 8;
    let stack = Stack::from_env();
    let world = World::new(&stack, "sigterm").await;
    let mut service = eager(world.user_service()).start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> =
        (0..CLIENTS).map(|n| tokio::spawn(client(service.api(), world.clone(), n, Arc::clone(&stop)))).collect();
    let users = users(&world).await;
    eventually(DEADLINE, "some load", async || {
        (users.count_documents(doc! {}).await.expect("users can be counted") >= 40).then_some(())
    })
    .await;
    let asked = Instant::now();
    let ended = service.terminate().await;
    let took = asked.elapsed();
    stop.store(true, Ordering::Relaxed);
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");

    let mut answered: BTreeMap<String, u64> = BTreeMap::new();
    for client in clients {
        answered.extend(client.await.expect("a client does not panic"));
    }
    service.restart().await;
    until_nothing_is_pending(&world).await;
    let mut topic = world.topic_reader();
    let firsts = sequences(topic.read_all().await);
    assert!(answered.len() >= CLIENTS);
    for (id, version) in answered {
        let published = firsts.get(&id).and_then(|sequences| sequences.last().copied()).unwrap_or(0);
        assert!(published >= version, "{id} was told version {version}, the topic ends at {published}");
    }
}

/// Registers and changes people until the service is gone; returns the last version that each was told.
async fn client(api: Api, world: World, client: usize, stop: Arc<AtomicBool>) -> Vec<(String, u64)> {
    let mut told = Vec::new();
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let person = world.person(&format!("c{client}n{n}"));
        let request = api.request(reqwest::Method::POST, "/api/users").json(&person.registration());
        let Ok(answer) = api.try_send(request).await else { break };
        if answer.status != 201 {
            break;
        }
        told.push((answer.string("id"), answer.json()["version"].as_u64().unwrap_or(0)));
        let body = json!({ "identifier": person.email, "password": person.password });
        let request = api.request(reqwest::Method::POST, "/api/auth/login").json(&body);
        let Ok(answer) = api.try_send(request).await else { break };
        let me = api.with_token(&answer.string("accessToken"));
        let request = me.request(reqwest::Method::PATCH, "/api/users/me").json(&json!({ "displayName": "Busy" }));
        let Ok(answer) = me.try_send(request).await else { break };
        if let (200, Some(version), Some(last)) = (answer.status, answer.json()["version"].as_u64(), told.last_mut()) {
            last.1 = version;
        }
    }
    told
}

#[tokio::test]
async fn a_start_without_mongodb_says_so_and_heals_by_itself() {
    let stack = Stack::from_env();
    let upstream = stack.mongodb_uri().trim_start_matches("mongodb://").split(['/', '?']).next().unwrap_or_default();
    let proxy = TcpProxy::start(upstream).await.expect("a proxy can be had");
    proxy.set(Mode::Refuse);
    let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
    let world = World::new(&stack, "nomongo").await.on_mongodb(uri);
    let mut service = eager(world.user_service()).start_unready().await;
    let api = service.api();
    let ada = world.person("ada");
    assert_is_without_mongodb(&service, &api, &ada).await;

    proxy.set(Mode::Pass);
    service.until_ready().await;
    let _ = api.register(&ada).await.expect(201);
    let me = signed_in(&api, &ada).await;
    let mut topic = world.topic_reader();
    topic.read_type("user.logged_in.v1", 1).await;

    // The same while it runs.
    proxy.set(Mode::Refuse);
    eventually(DEADLINE, "the outage to be seen", async || (service.check("mongodb").await == "down").then_some(()))
        .await;
    assert_is_without_mongodb(&service, &api, &ada).await;
    let started = Instant::now();
    let _ = me.get("/api/users/me").await.expect_problem(503, "unavailable");
    assert!(started.elapsed() < PROMPT, "{:?}", started.elapsed());
    proxy.set(Mode::Pass);
    service.until_ready().await;
    let _ = me.get("/api/users/me").await.expect(200);
    // The driver has to find its server again; nobody restarts anything.
    eventually(DEADLINE, "a change after the outage", async || {
        (me.patch("/api/users/me", &json!({ "displayName": "Healed" })).await.status == 200).then_some(())
    })
    .await;
    topic.read_type("user.profile_updated.v1", 1).await;
    assert_eq!(service.terminate().await.code(), Some(0));
}

async fn assert_is_without_mongodb(service: &Service, api: &Api, person: &Person) {
    let (status, readiness) = service.readiness().await.expect("it answers");
    assert_eq!((status, &readiness["status"]), (503, &json!("unavailable")));
    assert_eq!(readiness["checks"]["mongodb"], "down");
    let login = json!({ "identifier": person.email, "password": person.password });
    for (path, body) in [("/api/users", person.registration()), ("/api/auth/login", login)] {
        let started = Instant::now();
        let refused = api.post(path, &body).await.expect_problem(503, "unavailable");
        assert!(started.elapsed() < PROMPT, "{path}: {:?}", started.elapsed());
        assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds >= 1), "{path}");
    }
    let resend = json!({ "email": person.email });
    let _ = api.post("/api/auth/email-verification/resend", &resend).await.expect(202);
}
