//! The user service killed at the worst moments: no answered change loses its event, and what is published
//! twice is the same event again (I1, I2, I3), which is mailed once (I5).

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bson::{Document, doc};
use futures_util::TryStreamExt as _;
use journeys::{
    ledger::Ledger,
    topic_order::{first_occurrences, types_of},
};
use reqwest::Method;
use serde_json::json;
use test_support::{Api, DEADLINE, Person, Service, ServiceSpec, Stack, World, eventually};

/// A sweep that looks soon, and a lease that a killed process does not hold for long.
fn brisk(spec: ServiceSpec) -> ServiceSpec {
    spec.set("RELAY__SWEEP_INTERVAL", "200ms").set("RELAY__SWEEP_MIN_AGE", "500ms").set("RELAY__LEASE", "1s")
}

/// Kills it, and starts it again so that it ends by itself at `points`.
async fn restart_with_fail_points(service: &mut Service, points: &str) {
    service.kill9().await;
    service.restart_with(|spec| spec.fail_points(points)).await;
}

async fn until_killed_then_restart(service: &mut Service) {
    service.until_end(DEADLINE).await;
    service.restart_with(ServiceSpec::without_fail_points).await;
}

/// Registers with an idempotency key. The answer, if the service lived to give one.
async fn register_once(api: &Api, person: &Person) -> Option<u16> {
    let request = api.request(Method::POST, "/api/users").json(&person.registration());
    let answer = api.try_send(request.header("Idempotency-Key", &person.username)).await.ok()?;
    Some(answer.status)
}

async fn documents(world: &World, collection: &str, filter: Document) -> Vec<Document> {
    let found = world.user_database().await.collection(collection).find(filter).await.expect("MongoDB answers");
    found.try_collect().await.expect("MongoDB answers")
}

async fn users(world: &World, filter: Document) -> Vec<String> {
    let id = |user: Document| match user.get("_id") {
        Some(bson::Bson::Binary(binary)) => binary.to_uuid().expect("the id is a UUID").to_string(),
        other => panic!("the id is {other:?}"),
    };
    documents(world, "users", filter).await.into_iter().map(id).collect()
}

/// Everything published and taken off its list.
async fn until_settled(world: &World) {
    eventually(DEADLINE, "no pending events", async || {
        documents(world, "users", doc! { "pendingEvents.0": { "$exists": true } }).await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_service_killed_between_write_and_publish_publishes_the_event_when_it_is_back() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "unpublished").await;
    let (mut service, _emails) = tokio::join!(brisk(world.user_service()).start(), world.email_service().start());
    let api = service.api();
    let mut people = Vec::new();
    for point in ["register.after_insert", "relay.before_publish"] {
        restart_with_fail_points(&mut service, &format!("{point}=return")).await;
        let person = world.person(if people.is_empty() { "inserted" } else { "offered" });
        let answered = register_once(&api, &person).await;
        assert!(matches!(answered, None | Some(201)), "{point}: {answered:?}");
        until_killed_then_restart(&mut service).await;
        // I1, also for those who try again because they had no answer.
        assert_eq!(register_once(&api, &person).await, Some(201), "{point}");
        people.push(person);
    }
    world.topic_reader().read_type("user.registered.v1", 2).await;
    until_settled(&world).await;
    for person in &people {
        world.mailbox(&person.email).until(1).await;
    }
    assert_eq!(Ledger::of(&world).await.until_quiet(DEADLINE).await.len(), 2);
    let mut reader = world.topic_reader();
    let records = reader.read_all().await;
    assert_eq!(records.len(), 2, "{records:#?}");
    let published: BTreeSet<String> = records.iter().map(test_support::Record::key_text).collect();
    let committed: BTreeSet<String> = users(&world, doc! {}).await.into_iter().collect();
    assert_eq!(published, committed, "I1 and I2");
    for person in &people {
        assert_eq!(world.mailbox(&person.email).mails().await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_service_killed_after_the_ack_publishes_at_most_the_same_event_again_and_mails_once() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "unsettled").await;
    let (mut service, _emails) = tokio::join!(brisk(world.user_service()).start(), world.email_service().start());
    let (api, person) = (service.api(), world.person("acked"));
    restart_with_fail_points(&mut service, "relay.after_ack=return").await;
    register_once(&api, &person).await;
    until_killed_then_restart(&mut service).await;
    until_settled(&world).await;

    // The same between later events of the same user.
    let tokens = api.login(&person).await;
    until_settled(&world).await;
    restart_with_fail_points(&mut service, "relay.after_ack=return").await;
    let patch = api.with_token(&tokens.access).request(Method::PATCH, "/api/users/me");
    let _ = api.try_send(patch.json(&json!({ "displayName": "Ada" }))).await;
    until_killed_then_restart(&mut service).await;
    let change = json!({ "currentPassword": person.password, "newPassword": format!("{} again", person.password) });
    let _ = api.with_token(&tokens.access).put("/api/users/me/password", &change).await.expect(204);
    until_settled(&world).await;

    let mails = Ledger::of(&world).await.until_quiet(DEADLINE).await;
    assert_eq!(mails.len(), 2, "{mails:#?}");
    assert_eq!(world.mailbox(&person.email).mails().await.len(), 2, "the welcome and the notice");
    let mut reader = world.topic_reader();
    let records = reader.read_all().await;
    let types = ["user.registered.v1", "user.logged_in.v1", "user.profile_updated.v1", "user.password_changed.v1"];
    assert_eq!(types_of(&records[0].key_text(), records), types, "I3");
    let again = records.len() - first_occurrences(records).len();
    assert_eq!(again, 2, "each kill doubles the one event whose ack it followed: {records:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_whose_relay_was_killed_still_goes_and_says_goodbye_once() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "tombstone").await;
    let (mut service, _emails) = tokio::join!(brisk(world.user_service()).start(), world.email_service().start());
    let api = service.api();
    for (point, name) in [("relay.before_publish", "buried"), ("relay.after_ack", "told")] {
        let person = world.person(name);
        let _ = api.register(&person).await.expect(201);
        let tokens = api.login(&person).await;
        until_settled(&world).await;
        let [id] = users(&world, doc! { "username": &person.username }).await.try_into().expect("one user");
        restart_with_fail_points(&mut service, &format!("{point}=return")).await;
        let delete = api.with_token(&tokens.access).request(Method::DELETE, "/api/users/me");
        let _ = api.try_send(delete.json(&json!({ "password": person.password }))).await;
        until_killed_then_restart(&mut service).await;

        let user = bson::Uuid::parse_str(&id).expect("an id is a UUID");
        eventually(DEADLINE, "the end of the tombstone", async || {
            documents(&world, "users", doc! { "_id": user }).await.is_empty().then_some(())
        })
        .await;
        for collection in ["sessions", "audit"] {
            let left = documents(&world, collection, doc! { "userId": user }).await;
            assert!(left.is_empty(), "{point}: {collection} are left: {left:#?}");
        }
        Ledger::of(&world).await.until_quiet(DEADLINE).await;
        let mails = world.mailbox(&person.email).until(2).await;
        assert_eq!(mails.len(), 2, "{point}: the welcome and the goodbye");
        let mut reader = world.topic_reader();
        let records = reader.read_all().await;
        let types = ["user.registered.v1", "user.logged_in.v1", "user.deleted.v1"];
        assert_eq!(types_of(&id, records), types, "{point}");
        let told = records.iter().filter(|r| r.key_text() == id && r.event_type() == "user.deleted.v1").count();
        assert_eq!(told, if point == "relay.after_ack" { 2 } else { 1 }, "{point}");
        // Name and address are free again.
        let _ = api.register(&person).await.expect(201);
        until_settled(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_service_killed_under_load_has_an_event_for_every_account_and_none_for_others() {
    const CLIENTS: usize = 8;
    const EACH: usize = 12;
    let stack = Stack::from_env();
    let world = World::new(&stack, "under-load").await;
    let cheap = |spec: ServiceSpec| spec.set("HASHING__MEMORY_KIB", "1024").set("HASHING__ITERATIONS", "1");
    let mut service = cheap(brisk(world.user_service())).start().await;
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let (api, world, answered) = (service.api(), world.clone(), Arc::clone(&answered));
        clients.spawn(async move {
            let mut accepted = Vec::new();
            for number in 0..EACH {
                let person = world.person(&format!("p{client}x{number}"));
                match register_once(&api, &person).await {
                    Some(201) => accepted.push(person.username),
                    // After the kill: what became of it nobody was told.
                    None => continue,
                    Some(other) => panic!("{other}"),
                }
                answered.fetch_add(1, Ordering::Relaxed);
            }
            accepted
        });
    }
    eventually(DEADLINE, "a third of the answers", async || {
        (answered.load(Ordering::Relaxed) >= CLIENTS * EACH / 3).then_some(())
    })
    .await;
    service.kill9().await;
    let accepted: Vec<String> = clients.join_all().await.into_iter().flatten().collect();
    service.restart().await;
    until_settled(&world).await;

    let there = documents(&world, "users", doc! {}).await;
    let names: BTreeSet<&str> = there.iter().filter_map(|user| user.get_str("username").ok()).collect();
    for name in &accepted {
        assert!(names.contains(name.as_str()), "{name} was answered 201 and is not there");
    }
    let mut reader = world.topic_reader();
    let records = reader.read_all().await;
    let published: BTreeSet<String> = first_occurrences(records).iter().map(test_support::Record::key_text).collect();
    let committed: BTreeSet<String> = users(&world, doc! {}).await.into_iter().collect();
    assert_eq!(published, committed, "I1 and I2");
}
