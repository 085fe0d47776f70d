//! The audit log of an account, as its user reads it: ordered, complete and bounded.

use std::collections::BTreeSet;

use bson::doc;
use e2e::{
    accounts::{register, register_and_log_in, wait_until_all_published, with_cheap_hashes},
    start::start_user_service,
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use test_support::{Api, DEADLINE, Stack, TestUser, World, count, wait_for};

const GUESSER: &str = "Guesser/1.0";

async fn wrong_login(api: &Api, user: &TestUser) {
    let wrong = json!({ "identifier": user.email, "password": "not the password" });
    let request = api.request(Method::POST, "/api/auth/login").header(header::USER_AGENT, GUESSER);
    let _ = api.send(request.json(&wrong)).await.expect_problem(401, "invalid-credentials");
}

fn items(page: &Value) -> Vec<Value> {
    page["items"].as_array().cloned().expect("a page has items")
}

fn types(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["type"].as_str().expect("an entry has its type")).collect()
}

/// Reads the whole log in pages of `limit` entries.
async fn read_all_pages(me: &Api, limit: usize) -> Vec<Value> {
    let (mut path, mut all) = (format!("/api/users/me/audit?limit={limit}"), Vec::new());
    loop {
        let page = me.get(&path).await.expect(200);
        let more = items(&page.json());
        assert!(more.len() <= limit);
        all.extend(more);
        let Some(cursor) = page.json()["nextCursor"].as_str().map(str::to_owned) else {
            assert_eq!(page.header("link"), "");
            return all;
        };
        path = format!("/api/users/me/audit?limit={limit}&cursor={cursor}");
        assert_eq!(page.header("link"), format!("<{path}>; rel=\"next\""));
    }
}

/// Waits until there are at least `count` entries. Entries without an event are written after the response.
async fn wait_for_entries(me: &Api, count: usize) -> Vec<Value> {
    wait_for(DEADLINE, &format!("{count} audit entries"), async || {
        let all = read_all_pages(me, 100).await;
        (all.len() >= count).then_some(all)
    })
    .await
}

#[tokio::test]
async fn a_user_reads_their_own_audit_log() {
    let (world, _service, api) = start_user_service("audit").await;
    let _ = api.get("/api/users/me/audit").await.expect_problem(401, "unauthorized");
    let (ada, eve) = (register(&world, &api, "ada").await, register(&world, &api, "eve").await);
    let me = api.logged_in_as(&ada).await;
    let eve_client = api.logged_in_as(&eve).await;
    wrong_login(&api, &ada).await;
    wait_for_entries(&me, 3).await;
    let _ = me.patch("/api/users/me", &json!({ "displayName": "Ada" })).await.expect(200);
    let _ = me.delete("/api/users/me", Some(&json!({ "password": "not the password" }))).await.expect(403);
    let all = wait_for_entries(&me, 5).await;

    let happened =
        ["password_refused", "user.profile_updated.v1", "login_failed", "user.logged_in.v1", "user.registered.v1"];
    assert_eq!(types(&all), happened);
    let members: BTreeSet<&str> =
        all[0].as_object().expect("the value is an object").keys().map(String::as_str).collect();
    let expected = ["id", "at", "type", "actor", "actorId", "address", "client", "reason", "targetId"];
    assert_eq!(members, BTreeSet::from(expected));
    for entry in &all {
        assert_eq!(
            (&entry["actor"], &entry["actorId"], &entry["targetId"]),
            (&json!("self"), &Value::Null, &Value::Null)
        );
        assert_eq!(entry["address"], "127.0.0.1");
    }
    assert_eq!(all[2]["client"], GUESSER);
    assert_eq!(types(&read_all_pages(&eve_client, 100).await), ["user.logged_in.v1", "user.registered.v1"]);
    for limit in [1, 2, 3, 5] {
        assert_eq!(read_all_pages(&me, limit).await, all, "limit {limit}");
    }
    for wrong in ["limit=0", "limit=101", "cursor=AAAA", "user=x"] {
        let _ = me.get(&format!("/api/users/me/audit?{wrong}")).await.expect_problem(422, "validation-failed");
    }
    // The log is the same when everything is published and the account has no pending events.
    wait_until_all_published(&world).await;
    assert_eq!(read_all_pages(&me, 2).await, all);
}

#[tokio::test]
async fn unpublished_events_appear_once_and_in_order_in_the_audit_log() {
    let world = World::new(&Stack::from_env(), "auditpending").await;
    // Nothing listens on this port.
    let mut service = with_cheap_hashes(world.user_service()).set("KAFKA__BROKERS", "127.0.0.1:9").start().await;
    let api = service.api();
    let (ada, me) = register_and_log_in(&world, &api, "ada").await;
    for (round, name) in ["one", "two", "three"].iter().enumerate() {
        wrong_login(&api, &ada).await;
        wait_for_entries(&me, 2 * round + 3).await;
        let _ = me.patch("/api/users/me", &json!({ "displayName": name })).await.expect(200);
    }
    let waiting = read_all_pages(&me, 100).await;
    let mut expected = ["user.profile_updated.v1", "login_failed"].repeat(3);
    expected.extend(["user.logged_in.v1", "user.registered.v1"]);
    assert_eq!(types(&waiting), expected);
    for limit in 1..=8 {
        assert_eq!(read_all_pages(&me, limit).await, waiting, "limit {limit}");
    }
    let rows = world.user_collection("audit").await;
    assert_eq!(count(&rows, doc! {}).await, 3);

    assert_eq!(service.terminate().await.code(), Some(0));
    service.restart_with(|spec| spec.set("KAFKA__BROKERS", world.brokers())).await;
    // While the relay moves the entries from the account to the log, none is missing and none appears twice.
    wait_for(DEADLINE, "all events to be published", async || {
        assert_eq!(read_all_pages(&me, 3).await, waiting);
        (count(&rows, doc! {}).await == 8).then_some(())
    })
    .await;
    assert_eq!(read_all_pages(&me, 3).await, waiting);
}

#[tokio::test]
async fn failed_logins_add_at_most_twenty_entries_an_hour_and_hide_no_other_entry() {
    let (world, service, api) = start_user_service("guesses").await;
    let ada = register(&world, &api, "ada").await;
    for _ in 0..25 {
        wrong_login(&api, &ada).await;
    }
    wait_for(DEADLINE, "five entries left out", async || {
        (service.metric("user_service_audit_dropped_total", "").await >= 5.0).then_some(())
    })
    .await;
    let me = api.logged_in_as(&ada).await;
    let all = read_all_pages(&me, 100).await;
    assert_eq!(types(&all).into_iter().filter(|kind| *kind == "login_failed").count(), 20);
    // An entry with an event is never left out.
    assert_eq!(types(&all)[0], "user.logged_in.v1");
    // Each type of entry has its own bound.
    let _ = me.delete("/api/users/me", Some(&json!({ "password": "not the password" }))).await.expect(403);
    let _ = api.post("/api/auth/logout", &json!({ "refreshToken": api.login(&ada).await.refresh })).await.expect(204);
    wait_for(DEADLINE, "the other types in the log", async || {
        let all = read_all_pages(&me, 100).await;
        let has = |kind| types(&all).contains(&kind);
        (has("password_refused") && has("logged_out")).then_some(())
    })
    .await;
}
