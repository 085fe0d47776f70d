//! A deleted account leaves nothing behind, even if something is written about it during the deletion.

use std::time::{Duration, Instant};

use bson::{RawDocumentBuf, Uuid, doc};
use e2e::{
    accounts::{
        change_password, delete_account, fail_login, log_in_with_agent, parse_uuid, register_with_key, request_reset,
        request_verification, try_login, verify_email, with_cheap_hashes,
    },
    start::start_user_service,
};
use futures_util::TryStreamExt as _;
use reqwest::{Method, header};
use serde_json::json;
use test_support::{Api, ApiResponse, DEADLINE, Stack, TestUser, World, count, wait_for, wait_for_count};

async fn register(api: &Api, user: &TestUser) -> Uuid {
    parse_uuid(&api.register(user).await.expect(201).string("id"))
}

async fn wait_until_tombstone_removed(world: &World, id: Uuid) {
    wait_for_count(&world.user_collection("users").await, doc! { "_id": id }, 0).await;
}

async fn count_audit_rows(world: &World, id: Uuid) -> u64 {
    count(&world.user_collection("audit").await, doc! { "userId": id }).await
}

/// Returns which of the needles occur in which collections of the user service.
async fn find_traces(world: &World, of: &[(&str, &[u8])]) -> Vec<String> {
    let database = world.user_database().await;
    let mut found = Vec::new();
    for name in database.list_collection_names().await.expect("MongoDB responds") {
        let collection = database.collection::<RawDocumentBuf>(&name);
        let mut documents = collection.find(doc! {}).await.expect("the collection can be read");
        while let Some(document) = documents.try_next().await.expect("the collection can be read") {
            let has = |needle: &[u8]| document.as_bytes().windows(needle.len()).any(|window| window == needle);
            found.extend(of.iter().filter(|(_, needle)| has(needle)).map(|(what, _)| format!("{what} in {name}")));
        }
    }
    found
}

/// Creates an account with data in every place, and returns its client and its user with the final password.
async fn create_full_account(world: &World, api: &Api, ada: &TestUser) -> (Api, TestUser) {
    let mut body = ada.registration();
    body["displayName"] = json!("Augusta Ada King");
    body["attributes"] = json!({ "team": "analytical-engine" });
    let _ = register_with_key(api, "a-rich-life", &body).await.expect(201);
    let token = world.mailbox(&ada.email).wait_for_token("/verify-email", 1).await;
    fail_login(api, ada).await;
    let first = log_in_with_agent(api, ada, "Difference-Engine/2").await;
    request_verification(api, &ada.email).await;
    world.mailbox(&ada.email).wait_for_mails(2).await;
    let _ = verify_email(api, &token).await.expect(204);
    let _ = api.refresh(&first.refresh).await.expect(200);
    let me = api.with_token(&first.access);
    let _ = me.patch("/api/users/me", &json!({ "timezone": "Europe/London" })).await.expect(200);
    let out = api.login(ada).await;
    let _ = api.post("/api/auth/logout", &json!({ "refreshToken": out.refresh })).await.expect(204);
    api.login(ada).await;
    let _ = me.delete("/api/users/me/sessions", None).await.expect(204);
    let renewed = change_password(&me, ada, "renewed").await;
    request_reset(api, &ada.email).await;
    api.login(&renewed).await;
    (me, renewed)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_deleted_account_is_left_once_its_last_event_is_published() {
    let world = World::new(&Stack::from_env(), "deletion").await;
    let (_users, _emails, api) = world.start_both_with(with_cheap_hashes(world.user_service())).await;
    let (ada, eve) = (world.test_user("ada"), world.test_user("eve"));
    let eve_id = register(&api, &eve).await;
    api.login(&eve).await;
    let (me, ada) = create_full_account(&world, &api, &ada).await;
    let as_text = me.get("/api/users/me").await.expect(200).string("id");
    let id = parse_uuid(&as_text);
    let ada_needles: [(&str, &[u8]); 8] = [
        ("the id", &id.bytes()),
        ("the id", as_text.as_bytes()),
        ("the address", ada.email.as_bytes()),
        ("the username", ada.username.as_bytes()),
        ("the display name", b"Augusta Ada King"),
        ("an attribute", b"analytical-engine"),
        ("a user agent", b"Difference-Engine/2"),
        ("the idempotency key", b"a-rich-life"),
    ];
    let before = find_traces(&world, &ada_needles).await;
    for place in ["users", "sessions", "audit"] {
        assert!(before.contains(&format!("the id in {place}")), "{before:?}");
    }
    assert!(before.contains(&"a user agent in audit".to_owned()), "{before:?}");

    // The last audit row about the user is still being written during the deletion.
    fail_login(&api, &ada).await;
    delete_account(&me, &ada).await;
    let deleted = world.topic_reader().read_type("user.deleted.v1", 1).await.remove(0);
    assert_eq!(deleted.key_text(), as_text);
    wait_until_tombstone_removed(&world, id).await;
    wait_for(DEADLINE, "the last trace to be removed", async || {
        find_traces(&world, &ada_needles).await.is_empty().then_some(())
    })
    .await;
    // The search finds a user who was not deleted.
    let eve_traces = find_traces(&world, &[("eve", &eve_id.bytes())]).await;
    for place in ["users", "sessions", "audit"] {
        assert!(eve_traces.contains(&format!("eve in {place}")), "{eve_traces:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_privacy_page_names_every_collection() {
    let world = World::new(&Stack::from_env(), "privacy-page").await;
    let (_users, _emails, api) = world.start_both().await;
    register(&api, &world.test_user("ada")).await;
    let page = include_str!("../../../../docs/PRIVACY.md");
    for database in [world.user_database().await, world.email_database().await] {
        let names = database.list_collection_names().await.expect("MongoDB responds");
        assert!(names.len() > 2, "{names:?}");
        let missing: Vec<&String> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "docs/PRIVACY.md does not name {missing:?}");
    }
}

/// The action of the fail point that delays a replica. The delayed replica may fail its own requests meanwhile,
/// because a thread is blocked.
const DELAY_ACTION: &str = "1*sleep(8000)";

const DELAY: Duration = Duration::from_secs(8);

#[tokio::test]
async fn an_account_can_be_deleted_by_post_for_proxies_that_drop_the_body_of_a_delete() {
    let (world, _service, api) = start_user_service("postdelete").await;
    let ada = world.test_user("ada");
    let id = register(&api, &ada).await;
    let me = api.logged_in_as(&ada).await;
    let confirmed = json!({ "password": ada.password });
    // A proxy that drops the body forwards this request.
    let _ = me.delete("/api/users/me", None).await.expect_problem(400, "malformed-body");
    let seen = me.get("/api/users/me").await.expect(200).header("etag");
    let with_tag = |tag: &str| {
        let request = me.request(Method::POST, "/api/users/me/delete").header(header::IF_MATCH, tag);
        me.send(request.json(&confirmed))
    };
    let _ = with_tag("\"0\"").await.expect_problem(412, "precondition-failed");
    let _ = with_tag(&seen).await.expect(204);
    let _ = me.get("/api/users/me").await.expect_problem(401, "unauthorized");
    let deleted = world.topic_reader().read_type("user.deleted.v1", 1).await.remove(0);
    assert_eq!((deleted.key_text(), deleted.json()["by"].as_str()), (id.to_string(), Some("self")));
    wait_until_tombstone_removed(&world, id).await;
}

/// Repeats a request until its response has the status.
async fn repeat_until_status(status: u16, mut ask: impl AsyncFnMut() -> ApiResponse) {
    let answered = async || (ask().await.status == status).then_some(());
    wait_for(DEADLINE, &format!("a response with {status}"), answered).await;
}

#[tokio::test]
async fn an_audit_row_that_is_written_after_the_deletion_is_removed_too() {
    let world = World::new(&Stack::from_env(), "latenote").await;
    let fast = with_cheap_hashes(world.user_service());
    // Stops before it writes the first audit rows.
    let delayed = fast.replica().fail_points(&format!("audit.before_write={DELAY_ACTION}"));
    let (fast, delayed) = tokio::join!(fast.start(), delayed.start());
    let api = fast.api();
    let (ada, eve) = (world.test_user("ada"), world.test_user("eve"));
    let id = register(&api, &ada).await;
    let eve_id = register(&api, &eve).await;
    let me = api.logged_in_as(&ada).await;
    let noted = Instant::now();
    fail_login(&delayed.api(), &ada).await;
    delete_account(&me, &ada).await;
    wait_until_tombstone_removed(&world, id).await;
    assert_eq!(count_audit_rows(&world, id).await, 0);
    assert!(noted.elapsed() < DELAY, "the audit row was not late enough for this test");

    // Batches of audit rows are written one after the other.
    let delayed = delayed.api();
    repeat_until_status(401, async || try_login(&delayed, &eve.email, "not the password").await).await;
    let failed = doc! { "userId": eve_id, "type": "login_failed" };
    let audit = world.user_collection("audit").await;
    wait_for(DEADLINE, "the next audit row", async || (count(&audit, failed.clone()).await > 0).then_some(())).await;
    assert_eq!(count_audit_rows(&world, id).await, 0);
}

#[tokio::test]
async fn a_replica_that_acknowledges_after_the_deletion_leaves_no_audit_row() {
    let world = World::new(&Stack::from_env(), "latesettler").await;
    // The sweep would do the work of the delayed replica.
    let fast = with_cheap_hashes(world.user_service()).set("RELAY__SWEEP_MIN_AGE", "60s");
    // Stops between the broker's acknowledgement of Ada's registration and its audit row.
    let delayed = fast.replica().fail_points(&format!("relay.after_ack={DELAY_ACTION}"));
    let (fast, delayed) = tokio::join!(fast.start(), delayed.start());
    // Nothing is published before the connection, and no sweep makes up for it here.
    for replica in [&fast, &delayed] {
        let connected = async || (replica.check("kafka").await == "ok").then_some(());
        wait_for(DEADLINE, "the connection to Kafka", connected).await;
    }
    let (ada, eve) = (world.test_user("ada"), world.test_user("eve"));
    let published = Instant::now();
    let id = register(&delayed.api(), &ada).await;
    world.topic_reader().read_type("user.registered.v1", 1).await;
    let me = fast.api().with_token(&fast.api().login(&ada).await.access);
    delete_account(&me, &ada).await;
    wait_until_tombstone_removed(&world, id).await;
    assert!(published.elapsed() < DELAY, "the replica was not late enough for this test");

    let delayed = delayed.api();
    let registration = eve.registration();
    repeat_until_status(201, async || register_with_key(&delayed, "eve", &registration).await).await;
    let published = doc! { "email": &eve.email, "pendingEvents.0": { "$exists": false } };
    wait_for_count(&world.user_collection("users").await, published, 1).await;
    wait_for_count(&world.user_collection("audit").await, doc! { "userId": id }, 0).await;
}
