//! Fault 8. Oversized data: the API refuses it. An event that the broker refuses is parked, and only its user's
//! events wait.

use e2e::oversized_event::{insert_oversized_event, wait_until_parked};
use faults::assert_promises_kept;
use faults::checker::Action;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{DEADLINE, ServiceSpec};

use crate::setup::*;

#[tokio::test]
async fn fault_08_an_attribute_that_is_too_large_is_refused_and_changes_nothing() {
    let run = run_without_mails("large").await;
    let service = with_short_intervals(run.world.user_service()).start().await;
    let (mut ada, _) = logged_in_client(&run, &service, "ada").await;
    for (size, status, problem) in [
        (2 * 1024 * 1024, 413, "body-too-large"),
        (65_000, 422, "validation-failed"),
        (17_000, 422, "validation-failed"),
    ] {
        let body = json!({ "attributes": { "large": "x".repeat(size) } });
        let request = ada.request(Method::PATCH, "/api/users/me").json(&body);
        assert_problem(&ada.send(Action::Invalid, None, request).await, status, problem);
        let mut registration = run.world.test_user("eve").registration();
        registration["attributes"] = body["attributes"].clone();
        let request = service.api().request(Method::POST, "/api/users").json(&registration);
        assert_problem(&client(&run, &service).send(Action::Invalid, None, request).await, status, problem);
    }
    assert_status(&ada.read_me().await, 200);
    assert_eq!(ada.last_response().expect("a response").json()["attributes"], Value::Null);
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert_eq!((history.users.len(), history.records.len()), (1, 2));
}

#[tokio::test]
async fn fault_08_an_event_that_the_broker_refuses_parks_its_user_only() {
    let run = run_without_mails("parked").await;
    let service = with_short_intervals(run.world.user_service()).start().await;
    let ((mut ada, _), (mut bob, _)) =
        (logged_in_client(&run, &service, "ada").await, logged_in_client(&run, &service, "bob").await);
    let id = ada.user().expect("she is signed in").to_string();
    let bobs_id = bob.user().expect("he is signed in").to_string();
    wait_until_nothing_is_pending(&run.world).await;
    let large = insert_oversized_event(&run.world, &id).await;
    wait_until_parked(&run.world, &id, 1).await;

    assert_status(&ada.update_profile("Later").await, 200);
    assert_status(&bob.update_profile("Later").await, 200);
    let mut topic = run.world.topic_reader();
    let updates = topic.read_type("user.profile_updated.v1", 1).await;
    assert_eq!(updates[0].key_text(), bobs_id);

    let spec = service.spec();
    let mut waiting = listed(spec).await;
    // The sweep has asked for the state before it tried to publish the events.
    waiting.retain(|line| line["type"] != events::StateRecord::TYPE);
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
    wait_until_parked(&run.world, &id, 1).await;
    assert!(service.metric("user_service_relay_parked_total", "").await >= 2.0);
    assert_eq!(spec.command(&["events", "skip", &id, &bobs_id]).await.status.code(), Some(1));
    assert_eq!(spec.command(&["events", "skip", &id, &large]).await.status.code(), Some(0));
    let updates = topic.read_type("user.profile_updated.v1", 2).await;
    assert_eq!(updates[1].key_text(), id);
    assert_promises_kept(&run, DEADLINE).await;
    assert!(listed(spec).await.is_empty());
    assert!(topic.read_all().await.iter().all(|record| record.id() != large));
}

async fn listed(spec: &ServiceSpec) -> Vec<Value> {
    let list = spec.command(&["events", "list", "--json"]).await;
    assert_eq!(list.status.code(), Some(0), "{}", String::from_utf8_lossy(&list.stderr));
    let text = String::from_utf8(list.stdout).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}
