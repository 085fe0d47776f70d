//! `events snapshot`: the states of users that existed before the topic of states was switched on.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt as _, process::Output, time::Duration};

use bson::{DateTime, Document, Uuid, doc};
use e2e::{
    accounts::{delete_account, register_with_id, user_document_by_id, wait_until_all_published, with_cheap_hashes},
    commands::{json_lines, stdout_of},
    oversized_event::{insert_oversized_event, wait_until_parked},
};
use rustix::process::Signal;
use serde_json::{Value, json};
use test_support::{DEADLINE, Port, ProxyMode, Record, ServiceSpec, Stack, World, count, wait_for, wait_for_count};

const STATE: &str = "user.state.v1";

/// Returns a world with a topic of states.
async fn world(name: &str) -> World {
    let world = World::without_topic(&Stack::from_env(), name).with_states();
    world.create_topic().await;
    world
}

/// Returns a user service whose sweep runs often.
fn service(world: &World) -> ServiceSpec {
    let spec = world.user_service().set("RELAY__SWEEP_INTERVAL", "100ms").set("RELAY__SWEEP_MIN_AGE", "100ms");
    with_cheap_hashes(spec.set("RELAY__LEASE", "2s"))
}

fn without_states(spec: ServiceSpec) -> ServiceSpec {
    spec.set("KAFKA__STATE_TOPIC", "")
}

fn without_kafka(spec: ServiceSpec, port: &Port) -> ServiceSpec {
    spec.set("KAFKA__BROKERS", format!("127.0.0.1:{}", port.number()))
}

fn closed_port() -> Port {
    Port::free().expect("there is a free port")
}

async fn snapshot(spec: &ServiceSpec, arguments: &[&str]) -> Output {
    spec.command(&[&["events", "snapshot", "--json"], arguments].concat()).await
}

fn result_of(output: &Output, code: i32) -> Value {
    json_lines(&stdout_of(output, code)).pop().expect("the command prints its result")
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Returns the last record of each user in the topic of states.
async fn last_states(world: &World) -> BTreeMap<String, Record> {
    let mut reader = world.state_reader().expect("the world has a topic of states");
    reader.read_all().await.iter().map(|record| (record.key_text(), record.clone())).collect()
}

async fn count_requests(world: &World) -> u64 {
    count(&world.user_collection("users").await, requested()).await
}

async fn wait_for_requests(world: &World, expected: u64) {
    wait_for_count(&world.user_collection("users").await, requested(), expected).await;
}

fn requested() -> Document {
    doc! { "pendingEvents.type": STATE }
}

/// Registers users with these names, and returns their ids.
async fn register_all(world: &World, api: &test_support::Api, names: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for name in names {
        ids.push(register_with_id(world, api, name).await.1);
    }
    ids
}

#[tokio::test]
async fn users_that_existed_before_the_topic_was_switched_on_are_in_it_after_a_snapshot() {
    let world = world("late").await;
    let directory = tempfile::tempdir().expect("a directory can be created");
    let schema = directory.path().join("attributes.json");
    std::fs::write(&schema, r#"{"properties": {"team": {"x-public": true}}}"#).expect("a file can be written");
    let spec = service(&world).set("ATTRIBUTES__SCHEMA_FILE", schema.display().to_string());
    let mut running = without_states(spec.clone()).start().await;
    let api = running.api();
    let (ada, ada_id) = register_with_id(&world, &api, "ada").await;
    let (bob, bob_id) = register_with_id(&world, &api, "bob").await;
    let (carol, carol_id) = register_with_id(&world, &api, "carol").await;
    let attributes = json!({ "team": "engines", "secret": 1 });
    let profile = json!({ "displayName": "Ada Lovelace", "locale": "en-GB", "attributes": attributes });
    let me = api.logged_in_as(&ada).await;
    let _ = me.patch("/api/users/me", &profile).await.expect(200);
    let account = me.get("/api/users/me").await.expect(200).json();
    delete_account(&api.logged_in_as(&carol).await, &carol).await;
    wait_until_all_published(&world).await;
    let _ = running.terminate().await;

    running.restart_with(|_| spec.clone()).await;
    assert!(last_states(&world).await.is_empty(), "nothing is published before the snapshot");
    let result = result_of(&snapshot(running.spec(), &[]).await, 0);
    assert_eq!(result, json!({ "users": 2, "published": 2, "parked": 0 }));

    let states = last_states(&world).await;
    assert_eq!(states.keys().collect::<Vec<_>>(), [&ada_id, &bob_id], "{carol_id} is deleted");
    let record = &states[&ada_id];
    let state = record.json();
    assert_eq!((record.event_type().as_str(), state["username"].as_str()), (STATE, Some(ada.username.as_str())));
    for member in
        ["id", "username", "email", "emailVerified", "displayName", "locale", "roles", "createdAt", "updatedAt"]
    {
        assert_eq!(state[member], account[member], "{member}: {state}");
    }
    assert_eq!(state["attributes"], json!({ "team": "engines" }), "only what is marked as public");
    assert!(states[&bob_id].json().get("attributes").is_none());
    let version = user_document_by_id(&world, &ada_id).await.get_i64("version").expect("a user has a version");
    assert_eq!((record.sequence(), state["version"].as_u64()), (version.unsigned_abs(), Some(version.unsigned_abs())));
    assert_eq!(states[&bob_id].json()["email"], json!(bob.email));
    // Nothing is left behind, and the users have nothing more in the other topic.
    assert_eq!(count(&world.user_collection("snapshots").await, doc! {}).await, 0);
    assert_eq!(stdout_of(&running.spec().command(&["events", "list", "--json"]).await, 0), "");
    let mut events = world.topic_reader();
    assert!(events.read_all().await.iter().all(|record| record.event_type() != STATE));
}

#[tokio::test]
async fn a_user_who_is_deleted_during_a_snapshot_is_not_resurrected() {
    let world = world("deleted").await;
    let port = closed_port();
    let mut running = service(&world).start().await;
    let api = running.api();
    let (ada, ada_id) = register_with_id(&world, &api, "ada").await;
    let bob_id = register_with_id(&world, &api, "bob").await.1;
    let me = api.logged_in_as(&ada).await;
    wait_until_all_published(&world).await;
    let _ = running.terminate().await;

    running.restart_with(|spec| without_kafka(spec, &port)).await;
    let mut command = running.spec().launch_command(&["events", "snapshot"]);
    wait_for_requests(&world, 2).await;
    delete_account(&me, &ada).await;
    let _ = running.terminate().await;
    assert!(command.is_running(), "the command waits for the relay: {}", command.log());
    running.restart_with(|_| service(&world)).await;
    assert_eq!(command.wait_for_exit(DEADLINE).await.code(), Some(0), "{}", command.log());
    wait_until_all_published(&world).await;
    let states = last_states(&world).await;
    assert_eq!((&states[&ada_id].value, states[&bob_id].value.is_some()), (&None, true));

    // A further snapshot, of the one user who is left.
    assert_eq!(result_of(&snapshot(running.spec(), &[]).await, 0)["users"], 1);
    assert_eq!(last_states(&world).await[&ada_id].value, None);
    let users = world.user_collection("users").await;
    assert_eq!(count(&users, doc! {}).await, 1, "a request creates no document");
}

#[tokio::test]
async fn an_interrupted_snapshot_continues_where_it_was() {
    const NAMES: [&str; 5] = ["u0", "u1", "u2", "u3", "u4"];
    let world = world("interrupted").await;
    let mut running = without_states(service(&world)).start().await;
    let ids = register_all(&world, &running.api(), &NAMES).await;
    wait_until_all_published(&world).await;
    let _ = running.terminate().await;

    // Two users a second, so two in each page. The command is killed after the second page.
    let spec = service(&world);
    let killed = snapshot(&spec.clone().fail_points("snapshot.after_page=1*off->return"), &["--rate", "2"]).await;
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    let progress = world.user_collection("snapshots").await.find_one(doc! {}).await.expect("it can be read");
    let progress = progress.expect("the progress is stored");
    assert_eq!((progress.get_str("_id").ok(), progress.get_i64("users").ok()), (world.state_topic(), Some(2)));
    assert_eq!(count_requests(&world).await, 4);

    running.restart_with(|_| spec.clone()).await;
    wait_for_requests(&world, 0).await;
    assert_eq!(last_states(&world).await.len(), 4);
    let resumed = snapshot(&spec, &["--rate", "2"]).await;
    assert_eq!(result_of(&resumed, 0)["users"], 5);
    assert!(error_of(&resumed).contains("after 2 users"), "{}", error_of(&resumed));
    assert_eq!(last_states(&world).await.into_keys().collect::<Vec<_>>(), sorted(&ids));
}

#[tokio::test]
async fn a_snapshot_begins_anew_if_it_is_told_to_or_was_interrupted_a_day_ago() {
    let world = world("anew").await;
    let running = service(&world).start().await;
    let ids = register_all(&world, &running.api(), &["ada", "bob"]).await;
    wait_until_all_published(&world).await;
    let last = ids.iter().max().expect("there are users");
    let snapshots = world.user_collection("snapshots").await;
    let interrupted = async |hours: i64| {
        let at = DateTime::from_millis(DateTime::now().timestamp_millis() - hours * 60 * 60 * 1000);
        let topic = world.state_topic().expect("the world has a topic of states");
        let progress = doc! {
            "_id": topic, "schemaVersion": 1, "after": Uuid::parse_str(last).expect("a UUID"), "users": 2_i64,
            "startedAt": at, "updatedAt": at,
        };
        let _ = snapshots.delete_many(doc! {}).await.expect("it can be written");
        let _ = snapshots.insert_one(progress).await.expect("it can be written");
    };
    let published = async || count_states(&world).await;
    let before = published().await;
    interrupted(23).await;
    let _ = result_of(&snapshot(running.spec(), &[]).await, 0);
    assert_eq!(published().await, before, "there is no user after the last one");
    interrupted(23).await;
    let _ = result_of(&snapshot(running.spec(), &["--restart"]).await, 0);
    assert_eq!(published().await, before + 2);
    interrupted(25).await;
    let _ = result_of(&snapshot(running.spec(), &[]).await, 0);
    assert_eq!(published().await, before + 4);
    // The command before has finished.
    let _ = result_of(&snapshot(running.spec(), &[]).await, 0);
    assert_eq!(published().await, before + 6);
}

/// Returns the number of all records in the topic of states.
async fn count_states(world: &World) -> usize {
    world.state_reader().expect("the world has a topic of states").read_all().await.len()
}

#[tokio::test]
async fn a_signal_interrupts_the_command_and_names_what_the_next_one_does() {
    let world = world("signalled").await;
    let mut running = without_states(service(&world)).start().await;
    let _ = register_all(&world, &running.api(), &["ada", "bob", "carol"]).await;
    wait_until_all_published(&world).await;
    let _ = running.terminate().await;

    let spec = service(&world);
    let mut command = spec.launch_command(&["events", "snapshot", "--rate", "1"]);
    // The progress is stored after the first page. Its removal says below that all users are asked for.
    wait_for_count(&world.user_collection("snapshots").await, doc! {}, 1).await;
    command.signal(Signal::INT);
    assert_eq!(command.wait_for_exit(DEADLINE).await.code(), Some(1), "{}", command.log());
    assert!(command.log().contains("the same command continues there"), "{}", command.log());

    let mut command = spec.launch_command(&["events", "snapshot"]);
    wait_for_requests(&world, 3).await;
    wait_for_count(&world.user_collection("snapshots").await, doc! {}, 0).await;
    // The sweep would publish a batch of equal times again and again.
    let times =
        world.user_collection("users").await.distinct("pendingEvents.at", doc! {}).await.expect("it can be read");
    assert_eq!(times.len(), 3, "{times:?}");
    command.signal(Signal::TERM);
    assert_eq!(command.wait_for_exit(DEADLINE).await.code(), Some(1), "{}", command.log());
    assert!(command.log().contains("all 3 users are asked for"), "{}", command.log());
    running.restart_with(|_| spec.clone()).await;
    wait_for_requests(&world, 0).await;
    assert_eq!(last_states(&world).await.len(), 3);
}

/// A rollback waits for this, because release 0.1.0 does not know the requests.
#[tokio::test]
async fn requests_that_wait_when_the_topic_is_switched_off_are_removed_without_a_record() {
    let world = world("switched-off").await;
    let mut running = service(&world).start().await;
    let _ = register_all(&world, &running.api(), &["ada", "bob"]).await;
    wait_until_all_published(&world).await;
    let _ = running.terminate().await;
    let before = count_states(&world).await;
    let mut command = running.spec().launch_command(&["events", "snapshot"]);
    wait_for_requests(&world, 2).await;
    running.restart_with(without_states).await;
    wait_until_all_published(&world).await;
    assert_eq!(command.wait_for_exit(DEADLINE).await.code(), Some(0), "{}", command.log());
    assert_eq!(count_states(&world).await, before);
    assert_eq!(count(&world.user_collection("users").await, doc! { "parked": { "$exists": true } }).await, 0);
}

#[tokio::test]
async fn a_snapshot_outlasts_an_outage_of_the_database() {
    let world = world("outage").await;
    let running = service(&world).start().await;
    let _ = register_all(&world, &running.api(), &["u0", "u1", "u2", "u3"]).await;
    wait_until_all_published(&world).await;
    let (proxy, uri) = world.stack().mongodb_proxy().await;
    let spec = running.spec().clone().set("MONGODB__URI", uri);
    let mut command = spec.launch_command(&["events", "snapshot", "--json", "--rate", "1"]);
    wait_for_count(&world.user_collection("snapshots").await, doc! {}, 1).await;
    proxy.set_mode(ProxyMode::Refuse);
    proxy.cut();
    wait_for(DEADLINE, "the command to see the outage", async || command.log().contains("trying again").then_some(()))
        .await;
    proxy.set_mode(ProxyMode::Pass);
    assert_eq!(command.wait_for_exit(DEADLINE).await.code(), Some(0), "{}", command.log());
    let result = json!({ "users": 4, "published": 4, "parked": 0 });
    assert!(command.log().contains(&result.to_string()), "{}", command.log());
}

#[tokio::test]
async fn a_snapshot_is_refused_without_a_topic_of_states() {
    let world = World::without_topic(&Stack::from_env(), "off");
    let spec = service(&world);
    let refused = snapshot(&spec, &[]).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(error_of(&refused).contains("kafka.state_topic is not set"), "{}", error_of(&refused));
    for rate in ["0", "10001", "many"] {
        assert_eq!(snapshot(&spec, &["--rate", rate]).await.status.code(), Some(2), "{rate}");
    }
}

#[tokio::test]
async fn a_user_with_a_full_list_and_one_whose_request_is_skipped_lose_nothing_but_that() {
    const MAX_PENDING: usize = 4;
    let world = world("full").await;
    let port = closed_port();
    let spec = service(&world).set("RELAY__MAX_PENDING_PER_USER", MAX_PENDING.to_string());
    let mut running = without_kafka(without_states(spec.clone()), &port).start().await;
    let api = running.api();
    let (ada, ada_id) = register_with_id(&world, &api, "ada").await;
    let me = api.logged_in_as(&ada).await;
    let mut change = 0;
    loop {
        change += 1;
        let answer = me.patch("/api/users/me", &json!({ "displayName": format!("Change {change}") })).await;
        if answer.status == 503 {
            break;
        }
        let _ = answer.expect(200);
    }
    let bob_id = register_with_id(&world, &api, "bob").await.1;
    let _ = running.terminate().await;

    let mut command = spec.launch_command(&["events", "snapshot"]);
    wait_for_requests(&world, 2).await;
    let listed = json_lines(&stdout_of(&spec.command(&["events", "list", "--json"]).await, 0));
    let requests: Vec<&Value> = listed.iter().filter(|line| line["type"] == STATE).collect();
    assert_eq!((requests.len(), listed.len()), (2, MAX_PENDING + 3), "{listed:?}");
    let request = requests.iter().find(|line| line["userId"] == json!(bob_id)).expect("there is a request for bob");
    assert!(request["sequence"].as_i64() == Some(1) && request["since"].is_string(), "{request}");
    let event = request["eventId"].as_str().expect("a request has an id");
    let _ = stdout_of(&spec.command(&["events", "skip", &bob_id, event]).await, 0);
    assert_eq!(count_requests(&world).await, 1);

    running.restart_with(|_| spec.clone()).await;
    assert_eq!(command.wait_for_exit(DEADLINE).await.code(), Some(0), "{}", command.log());
    wait_until_all_published(&world).await;
    let mut events = world.topic_reader();
    let of_ada = events.read_all().await.iter().filter(|record| record.key_text() == ada_id).count();
    assert!(of_ada >= MAX_PENDING, "every event is published");
    let states = last_states(&world).await;
    assert_eq!(states[&ada_id].json()["displayName"], json!(format!("Change {}", change - 1)));
    // His registration was waiting, and its publication ends with his state.
    assert_eq!(states[&bob_id].sequence(), 1);
}

#[tokio::test]
async fn a_parked_user_is_reported_and_the_others_are_published() {
    let world = world("parked").await;
    let running = service(&world).start().await;
    let ids = register_all(&world, &running.api(), &["ada", "bob"]).await;
    wait_until_all_published(&world).await;
    let large = insert_oversized_event(&world, &ids[0]).await;
    wait_until_parked(&world, &ids[0], 1).await;
    let reported = snapshot(running.spec(), &[]).await;
    assert_eq!(result_of(&reported, 1), json!({ "users": 2, "published": 1, "parked": 1 }));
    assert!(error_of(&reported).contains("events list"), "{}", error_of(&reported));
    let _ = stdout_of(&running.spec().command(&["events", "skip", &ids[0], &large]).await, 0);
    wait_until_all_published(&world).await;
    let version = user_document_by_id(&world, &ids[0]).await.get_i64("version").expect("a user has a version");
    assert_eq!(last_states(&world).await[&ids[0]].sequence(), version.unsigned_abs());
}

#[tokio::test]
async fn a_snapshot_asks_for_nobody_while_too_many_users_wait() {
    let world = world("crowded").await;
    let running = service(&world).start().await;
    let _ = register_all(&world, &running.api(), &["ada"]).await;
    wait_until_all_published(&world).await;
    let users = world.user_collection("users").await;
    let far = DateTime::from_millis(i64::from(u32::MAX) * 1000);
    let waiting = |_| {
        doc! {
            "_id": Uuid::new(), "deletedAt": far, "parked": { "until": far, "attempts": 1, "error": "a test" },
            "pendingEvents": [{ "at": DateTime::now() }],
        }
    };
    let _ = users.insert_many((0..10_001).map(waiting)).await.expect("users can be written");
    let mut command = running.spec().launch_command(&["events", "snapshot", "--rate", "10000"]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(count_requests(&world).await, 0);
    assert!(command.is_running(), "{}", command.log());
    let _ = users.delete_many(doc! { "deletedAt": far }).await.expect("users can be written");
    assert_eq!(command.wait_for_exit(DEADLINE).await.code(), Some(0), "{}", command.log());
    assert!(command.log().contains("the states of 1 of 1 users are published"), "{}", command.log());
}

fn sorted(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}
