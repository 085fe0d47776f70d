//! The sessions of a user: the list, ending one, and ending all others.

use std::collections::BTreeSet;

use bson::{Binary, doc, spec::BinarySubtype};
use e2e::{
    accounts::{log_in_with_agent, register, register_with_id, try_login, user_document, with_cheap_hashes},
    administrators::create_admin,
    start::{start_user_service, start_user_service_with},
};
use serde_json::{Value, json};
use test_support::{Api, DEADLINE, Stack, Tokens, World, count, wait_for, wait_for_count};
use uuid::Uuid;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";

async fn list_sessions(me: &Api) -> Vec<Value> {
    let answer = me.get("/api/users/me/sessions").await.expect(200);
    answer.json()["items"].as_array().cloned().expect("a page has items")
}

fn session_ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().expect("a session has an id").to_owned()).collect()
}

/// Parses a time. Texts cannot be compared, because they omit zeros at the end of the fraction.
fn parse_time(value: &Value) -> jiff::Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).expect("the time is valid")
}

fn current_ids(items: &[Value]) -> Vec<String> {
    session_ids(&items.iter().filter(|item| item["current"] == true).cloned().collect::<Vec<_>>())
}

#[tokio::test]
async fn an_access_token_does_not_outlive_its_session() {
    let (world, _service, api) = start_user_service_with("longest", &[("AUTH__SESSION_MAX", "5m")]).await;
    let ada = register(&world, &api, "ada").await;
    let login = try_login(&api, &ada.email, &ada.password).await.expect(200);
    let refreshed = api.refresh(&login.string("refreshToken")).await.expect(200);
    for answer in [login, refreshed] {
        let expires_in = answer.json()["expiresIn"].as_u64().expect("the value is a number of seconds");
        assert!((200..=300).contains(&expires_in), "{expires_in} s of a session of 300 s");
    }
}

#[tokio::test]
async fn a_user_lists_their_sessions_and_ends_one_of_them() {
    let (world, _service, api) = start_user_service("sessions").await;
    let (ada, eve) = (register(&world, &api, "ada").await, register(&world, &api, "eve").await);
    let _ = api.get("/api/users/me/sessions").await.expect_problem(401, "unauthorized");
    let laptop = log_in_with_agent(&api, &ada, FIREFOX).await;
    let phone = log_in_with_agent(&api, &ada, SAFARI).await;
    let unknown_device = log_in_with_agent(&api, &ada, "-").await;
    let eve_tokens = api.login(&eve).await;
    let me = api.with_token(&laptop.access);

    let items = list_sessions(&me).await;
    let devices: Vec<&Value> = items.iter().map(|item| &item["device"]).collect();
    assert_eq!(devices, [&Value::Null, &json!("Safari on iPhone"), &json!("Firefox on Linux")]);
    assert_eq!(current_ids(&items), [session_ids(&items)[2].clone()]);
    let members: BTreeSet<&str> =
        items[0].as_object().expect("the value is an object").keys().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(["id", "device", "address", "createdAt", "lastUsedAt", "current"]));
    assert!(items.iter().all(|item| item["address"] == "127.0.0.1" && item["createdAt"] == item["lastUsedAt"]));
    assert_eq!(current_ids(&list_sessions(&api.with_token(&phone.access)).await), [session_ids(&items)[1].clone()]);

    // A refresh counts as a use.
    let phone = Tokens::from_response(&api.refresh(&phone.refresh).await.expect(200));
    let used = list_sessions(&me).await[1].clone();
    assert!(parse_time(&used["lastUsedAt"]) > parse_time(&used["createdAt"]), "{used}");

    // Sessions of other users, unknown ids and invalid ids give the same response.
    let eve_session_id = session_ids(&list_sessions(&api.with_token(&eve_tokens.access)).await).remove(0);
    for other in [eve_session_id, Uuid::nil().to_string(), "me".to_owned(), "%2e".to_owned()] {
        let _ = me.delete(&format!("/api/users/me/sessions/{other}"), None).await.expect_problem(404, "not-found");
    }
    let _ = api.refresh(&eve_tokens.refresh).await.expect(200);

    let path = format!("/api/users/me/sessions/{}", session_ids(&items)[1]);
    let _ = me.delete(&path, None).await.expect(204);
    let _ = me.delete(&path, None).await.expect_problem(404, "not-found");
    let _ = api.refresh(&phone.refresh).await.expect_problem(401, "unauthorized");
    assert_eq!(
        session_ids(&list_sessions(&me).await),
        [session_ids(&items)[0].clone(), session_ids(&items)[2].clone()]
    );
    let _ = api.refresh(&unknown_device.refresh).await.expect(200);

    // A user can end the current session too: it leaves the list, and its access token is valid until it expires.
    let own = format!("/api/users/me/sessions/{}", session_ids(&items)[2]);
    let _ = me.delete(&own, None).await.expect(204);
    let _ = api.refresh(&laptop.refresh).await.expect_problem(401, "unauthorized");
    assert_eq!(session_ids(&list_sessions(&me).await), [session_ids(&items)[0].clone()]);

    let ended = doc! { "type": "session_ended", "actor": "self" };
    wait_for_count(&world.user_collection("audit").await, ended, 2).await;
    let ended = world.topic_reader().read_all_of_type("user.sessions_ended.v1").await;
    assert!(ended.is_empty(), "{ended:?}");
}

#[tokio::test]
async fn ending_all_other_sessions_voids_their_access_tokens_at_once_and_keeps_the_current_session() {
    let (world, _service, api) = start_user_service("others").await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let (own, other) = (api.login(&ada).await, api.login(&ada).await);
    let me = api.with_token(&own.access);
    let version = me.get("/api/users/me").await.json()["version"].as_u64();

    let _ = me.delete("/api/users/me/sessions", None).await.expect(204);
    let _ = api.with_token(&other.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let _ = api.refresh(&other.refresh).await.expect_problem(401, "unauthorized");
    let items = list_sessions(&me).await;
    assert_eq!(current_ids(&items), session_ids(&items));
    let own = Tokens::from_response(&api.refresh(&own.refresh).await.expect(200));
    let me = api.with_token(&own.access);
    assert_eq!(me.get("/api/users/me").await.json()["version"].as_u64(), version.map(|version| version + 1));

    let ended = world.topic_reader().read_type("user.sessions_ended.v1", 1).await.remove(0);
    assert_eq!(ended.key_text(), id);
    assert_eq!(ended.json(), json!({ "userId": id, "reason": "user" }));
    // The rows of the other sessions, with their addresses, are removed before they expire.
    assert_eq!(count(&world.user_collection("sessions").await, doc! {}).await, 1);

    // The kept session does it again and is still kept. A later session can end it in turn.
    let _ = me.delete("/api/users/me/sessions", None).await.expect(204);
    let _ = me.get("/api/users/me").await.expect(200);
    let later = api.login(&ada).await;
    assert_eq!(list_sessions(&api.with_token(&later.access)).await.len(), 2);
    let _ = api.with_token(&later.access).delete("/api/users/me/sessions", None).await.expect(204);
    let _ = me.get("/api/users/me").await.expect_problem(401, "unauthorized");
    let _ = me.delete("/api/users/me/sessions", None).await.expect_problem(401, "unauthorized");
    assert_eq!(list_sessions(&api.with_token(&later.access)).await.len(), 1);
}

#[tokio::test]
async fn nothing_is_written_when_there_is_no_session_to_end() {
    let world = World::new(&Stack::from_env(), "noothers").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let (api, root) = (service.api(), create_admin(&world, &service, "root").await);
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let logout_by_admin = async || {
        let path = format!("/api/admin/users/{id}/logout");
        let _ = root.api.post(&path, &json!({})).await.expect(204);
    };
    let version = async || user_document(&world, &ada.email).await.get_i64("version").expect("a user has a version");
    let registered = version().await;
    logout_by_admin().await;
    assert_eq!(version().await, registered);

    let own = api.login(&ada).await;
    let me = api.with_token(&own.access);
    let before = version().await;
    for _ in 0..3 {
        let _ = me.delete("/api/users/me/sessions", None).await.expect(204);
    }
    assert_eq!(version().await, before);

    // A session that was logged out is not listed, but its access token is still valid: ending all others voids it.
    let other = api.login(&ada).await;
    let _ = api.post("/api/auth/logout", &json!({ "refreshToken": other.refresh })).await.expect(204);
    let _ = api.with_token(&other.access).get("/api/users/me").await.expect(200);
    let before = version().await;
    for _ in 0..2 {
        let _ = me.delete("/api/users/me/sessions", None).await.expect(204);
        assert_eq!(version().await, before + 1, "once");
    }
    let _ = api.with_token(&other.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let _ = me.get("/api/users/me").await.expect(200);
    // The same holds for the kept session after it was logged out.
    let _ = api.post("/api/auth/logout", &json!({ "refreshToken": own.refresh })).await.expect(204);
    logout_by_admin().await;
    let _ = me.get("/api/users/me").await.expect_problem(401, "unauthorized");
    logout_by_admin().await;
    assert_eq!(version().await, before + 2);

    let mut topic = world.topic_reader();
    topic.read_type("user.sessions_ended.v1", 2).await;
    // This event comes later, so nothing else was published before it.
    api.login(&ada).await;
    topic.read_type("user.logged_in.v1", 4).await;
    assert_eq!(topic.read_all_of_type("user.sessions_ended.v1").await.len(), 2);
}

#[tokio::test]
async fn a_long_list_of_sessions_is_paged_and_the_current_session_is_on_the_first_page() {
    let (world, _service, api) = start_user_service("manysessions").await;
    let ada = register(&world, &api, "ada").await;
    let oldest = api.login(&ada).await;
    for _ in 0..24 {
        api.login(&ada).await;
    }
    let newest = api.login(&ada).await;
    for (tokens, limit) in [(&oldest, 7), (&newest, 7), (&oldest, 1), (&oldest, 26), (&oldest, 25), (&newest, 100)] {
        let me = api.with_token(&tokens.access);
        let (mut path, mut all, mut pages) = (format!("/api/users/me/sessions?limit={limit}"), Vec::new(), 0);
        loop {
            let page = me.get(&path).await.expect(200);
            let items = page.json()["items"].as_array().cloned().expect("a page has items");
            assert!(items.len() <= limit && (pages > 0 || current_ids(&items).len() == 1), "{items:#?}");
            assert!(items.is_sorted_by_key(|item| std::cmp::Reverse(parse_time(&item["createdAt"]))));
            all.extend(items);
            pages += 1;
            let Some(cursor) = page.json()["nextCursor"].as_str().map(str::to_owned) else {
                assert_eq!(page.header("link"), "");
                break;
            };
            path = format!("/api/users/me/sessions?limit={limit}&cursor={cursor}");
            assert_eq!(page.header("link"), format!("<{path}>; rel=\"next\""));
        }
        assert_eq!(all.len(), 26, "limit {limit}");
        assert_eq!(session_ids(&all).into_iter().collect::<BTreeSet<_>>().len(), 26, "limit {limit}");
        assert_eq!(current_ids(&all).len(), 1, "limit {limit}");
    }
    let me = api.with_token(&oldest.access);
    let first = me.get("/api/users/me/sessions").await.expect(200).json();
    assert_eq!(first["items"].as_array().map(Vec::len), Some(20));
    for wrong in ["limit=0", "limit=101", "cursor=x", "page=2", "limit=1&limit=2"] {
        let _ = me.get(&format!("/api/users/me/sessions?{wrong}")).await.expect_problem(422, "validation-failed");
    }
}

#[tokio::test]
async fn expired_sessions_are_not_listed() {
    let (world, _service, api) = start_user_service_with("idle", &[("AUTH__SESSION_IDLE", "3s")]).await;
    let ada = register(&world, &api, "ada").await;
    let first = api.login(&ada).await;
    let me = api.with_token(&first.access);
    wait_for(DEADLINE, "another session to be listed, and to expire", async || {
        api.login(&ada).await;
        (list_sessions(&me).await.len() > 3).then_some(())
    })
    .await;
    // The row may remain for up to a minute, until the database removes expired rows.
    wait_for(DEADLINE, "only the current session", async || {
        let items = list_sessions(&me).await;
        (items.len() <= 1 && current_ids(&items) == session_ids(&items)).then_some(())
    })
    .await;
}

/// The salts of 0.1.0 are random. For a replica that has read another secret, those of the other replicas are too.
#[tokio::test]
async fn a_session_whose_salt_cannot_be_derived_is_refreshed_and_ended_by_its_stored_salt() {
    let (world, service, api) = start_user_service("salts").await;
    let ada = register(&world, &api, "ada").await;
    let (refreshed, ended) = (api.login(&ada).await, api.login(&ada).await);
    let keys = world.user_collection("keys").await;
    let secret = Binary { subtype: BinarySubtype::Generic, bytes: vec![7; 32] };
    let replaced = keys.update_one(doc! { "_id": "session-salts" }, doc! { "$set": { "secret": secret } }).await;
    assert_eq!(replaced.expect("MongoDB answers").modified_count, 1);
    let replica = service.spec().replica().start().await;
    let other = replica.api();

    let refreshed = Tokens::from_response(&other.refresh(&refreshed.refresh).await.expect(200));
    let _ = api.refresh(&refreshed.refresh).await.expect(200);
    let of_other = other.login(&ada).await;
    let _ = api.refresh(&of_other.refresh).await.expect(200);
    let _ = other.post("/api/auth/logout", &json!({ "refreshToken": ended.refresh })).await.expect(204);
    let _ = api.refresh(&ended.refresh).await.expect_problem(401, "unauthorized");
}
