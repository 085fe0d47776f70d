//! Faults 1 and 2. The user service is killed at critical moments: no acknowledged change loses its event, and an
//! event that is published twice is mailed once.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bson::{Document, doc};
use e2e::{
    accounts::mark_email_verified,
    totp::{Authenticator, recovery_codes},
};
use faults::checker::{Action, History};
use faults::{FaultRun, assert_promises_kept};
use futures_util::TryStreamExt as _;
use reqwest::Method;
use serde_json::json;
use test_support::{DEADLINE, World, report_skipped, wait_for};

use crate::setup::*;

async fn documents(world: &World, collection: &str, filter: Document) -> Vec<Document> {
    let found = world.user_database().await.collection(collection).find(filter).await.expect("MongoDB answers");
    found.try_collect().await.expect("MongoDB answers")
}

/// Checks I1 and I2 in one comparison: the users in the topic are the users in the database.
fn assert_all_and_only_accounts_are_published(history: &History) {
    let text = |key: &Option<Vec<u8>>| String::from_utf8_lossy(key.as_deref().unwrap_or_default()).into_owned();
    let published: BTreeSet<String> = history.records.iter().map(|record| text(&record.key)).collect();
    let committed: BTreeSet<String> = history.users.iter().map(|user| user.id.to_string()).collect();
    assert_eq!(published, committed, "I1 and I2");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_01_a_user_service_killed_between_write_and_publish_publishes_the_event_after_its_restart() {
    let run = run("unpublished").await;
    let (mut service, _emails) = start(&run).await;
    let mut people = Vec::new();
    for point in ["register.after_insert", "relay.before_publish"] {
        restart_with_fail_points(&mut service, &format!("{point}=return")).await;
        let person = run.world.test_user(if people.is_empty() { "inserted" } else { "offered" });
        let mut client = client(&run, &service);
        let answered = client.register(&person, Some(&person.username)).await;
        assert!(matches!(status(&answered), None | Some(201)), "{point}: {answered:?}");
        wait_for_kill_then_restart(&mut service).await;
        // I1 also holds for clients that retry because they got no response.
        assert_status(&client.register(&person, Some(&person.username)).await, 201);
        people.push(person);
        // The next kill must not fall between an acknowledgement and its removal from the list.
        wait_until_nothing_is_pending(&run.world).await;
    }
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert_eq!(history.records.len(), 2, "{:#?}", history.records);
    assert_all_and_only_accounts_are_published(&history);
    assert_eq!(history.mails.len(), 2);
    for person in &people {
        assert_eq!(mails_to(&run, &person.email), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_01_the_event_of_a_killed_service_whose_clock_was_ahead_does_not_wait_for_that_time() {
    let run = run("clock-ahead").await;
    let (mut service, _emails) = start(&run).await;
    let right = service.spec().clone();
    let ahead = match right.clone().shift_clock(600) {
        Ok(ahead) => ahead,
        Err(reason) => return report_skipped("fault_01 with a clock that is ahead", &reason),
    };
    service.kill().await;
    service.restart_with(|_| ahead.fail_points("relay.before_publish=return")).await;
    let person = run.world.test_user("early");
    let answered = client(&run, &service).register(&person, None).await;
    assert!(matches!(status(&answered), None | Some(201)), "{answered:?}");
    service.wait_for_exit(DEADLINE).await;
    service.restart_with(|_| right).await;
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert_all_and_only_accounts_are_published(&history);
    assert_eq!(mails_to(&run, &person.email), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_01_a_user_service_killed_under_load_has_an_event_for_every_account_and_none_for_others() {
    const CLIENTS: usize = 8;
    const EACH: usize = 12;
    let run = run_without_mails("under-load").await;
    let mut service = with_short_intervals(run.world.user_service()).start().await;
    let answered = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let (mut client, world, answered) = (client(&run, &service), run.world.clone(), Arc::clone(&answered));
        clients.spawn(async move {
            let mut accepted = Vec::new();
            for n in 0..EACH {
                let person = world.test_user(&format!("p{number}x{n}"));
                let outcome = client.register(&person, Some(&person.username)).await;
                match status(&outcome) {
                    Some(201) => accepted.push(person.username),
                    // After the kill, the outcome is unknown.
                    None => continue,
                    Some(_) => panic!("{outcome:?}"),
                }
                answered.fetch_add(1, Ordering::Relaxed);
            }
            accepted
        });
    }
    wait_for(DEADLINE, "a third of the answers", async || {
        (answered.load(Ordering::Relaxed) >= CLIENTS * EACH / 3).then_some(())
    })
    .await;
    service.kill().await;
    let accepted: Vec<String> = clients.join_all().await.into_iter().flatten().collect();
    service.restart().await;

    let history = assert_promises_kept(&run, DEADLINE).await;
    let there = documents(&run.world, "users", doc! {}).await;
    let names: BTreeSet<&str> = there.iter().filter_map(|user| user.get_str("username").ok()).collect();
    for name in &accepted {
        assert!(names.contains(name.as_str()), "{name} was answered with 201 but does not exist");
    }
    assert_all_and_only_accounts_are_published(&history);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_02_a_user_service_killed_after_the_ack_publishes_at_most_the_same_event_again_and_mails_once() {
    let run = run("unsettled").await;
    let (mut service, _emails) = start(&run).await;
    let (mut client, mut person) = (client(&run, &service), run.world.test_user("acked"));
    restart_with_fail_points(&mut service, "relay.after_ack=return").await;
    client.register(&person, Some(&person.username)).await;
    wait_for_kill_then_restart(&mut service).await;
    wait_until_nothing_is_pending(&run.world).await;

    // The same between later events of the same user.
    assert_status(&client.login(&person).await, 200);
    wait_until_nothing_is_pending(&run.world).await;
    restart_with_fail_points(&mut service, "relay.after_ack=return").await;
    client.update_profile("Ada").await;
    wait_for_kill_then_restart(&mut service).await;
    let new = format!("{} again", person.password);
    assert_status(&client.change_password(&mut person, &new).await, 204);

    let history = assert_promises_kept(&run, DEADLINE).await;
    assert_eq!(history.mails.len(), 2, "{:#?}", history.mails);
    assert_eq!(mails_to(&run, &person.email), 2, "welcome mail and notice");
    let types = ["user.registered.v1", "user.logged_in.v1", "user.profile_updated.v1", "user.password_changed.v1"];
    assert_eq!(types_of(&history, client.user().expect("it is signed in")), types, "I3");
    assert_eq!(count_repeats(&history), 2, "each kill repeats exactly the acknowledged event: {history:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_02_a_tombstone_whose_relay_was_killed_is_still_removed_and_causes_one_goodbye_mail() {
    let run = run("tombstone").await;
    let (mut service, _emails) = start(&run).await;
    let mut ids = Vec::new();
    for (point, name) in [("relay.before_publish", "buried"), ("relay.after_ack", "told")] {
        let (mut leaving, person) = logged_in_client(&run, &service, name).await;
        wait_until_nothing_is_pending(&run.world).await;
        let id = leaving.user().expect("it is signed in");
        ids.push((point, id));
        restart_with_fail_points(&mut service, &format!("{point}=return")).await;
        leaving.delete(&person).await;
        wait_for_kill_then_restart(&mut service).await;
        wait_until_gone(&run, id).await;
        // The username and the email address are free again.
        assert_status(&client(&run, &service).register(&person, None).await, 201);
    }
    let history = assert_promises_kept(&run, DEADLINE).await;
    for (point, id) in ids {
        let types = ["user.registered.v1", "user.logged_in.v1", "user.deleted.v1"];
        assert_eq!(types_of(&history, id), types, "{point}");
        let key = Some(id.to_string().into_bytes());
        let records_of_user = history.records.iter().filter(|record| record.key == key);
        let deletions = records_of_user.filter(|record| event_type(record) == "user.deleted.v1").count();
        assert_eq!(deletions, if point == "relay.after_ack" { 2 } else { 1 }, "{point}");
    }
    for name in ["buried", "told"] {
        let mails = mails_to(&run, &run.world.test_user(name).email);
        assert_eq!(mails, 3, "{name}: welcome, goodbye, and the welcome of the next user");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_01_a_user_service_killed_within_a_reauthentication_has_used_the_code_and_proved_nothing() {
    let run = run("stepup").await;
    let (mut service, _emails) = start(&run).await;
    let (mut ada, person) = logged_in_client(&run, &service, "steps").await;
    mark_email_verified(&run.world, &person).await;
    let request = ada.request(Method::POST, "/api/users/me/totp").json(&json!({ "password": person.password }));
    assert_status(&ada.send(Action::StartTotp, None, request).await, 200);
    let authenticator = Authenticator::from_setup(ada.last_response().expect("there is a response"));
    let request =
        ada.request(Method::POST, "/api/users/me/totp/confirm").json(&json!({ "code": authenticator.code() }));
    assert_status(&ada.send(Action::EnableTotp, None, request).await, 200);
    let codes = recovery_codes(ada.last_response().expect("there is a response"));
    let sessions = run.world.user_collection("sessions").await;
    let long_ago = doc! { "$set": { "createdAt": { "$subtract": ["$createdAt", 3_600_000] } } };
    let _ = sessions.update_many(doc! {}, vec![long_ago]).await.expect("MongoDB answers");

    restart_with_fail_points(&mut service, "reauthenticate.before_session=return").await;
    let outcome = ada.reauthenticate(&person, Some(&codes[0])).await;
    assert_eq!(status(&outcome), None, "{outcome:?}");
    wait_for_kill_then_restart(&mut service).await;
    let export = ada.request(Method::GET, "/api/users/me/export");
    assert_problem(&ada.send(Action::Read, None, export).await, 403, "reauthentication-required");
    assert_problem(&ada.reauthenticate(&person, Some(&codes[0])).await, 403, "wrong-code");
    assert_status(&ada.reauthenticate(&person, Some(&codes[1])).await, 204);
    let export = ada.request(Method::GET, "/api/users/me/export");
    assert_status(&ada.send(Action::Read, None, export).await, 200);

    let history = assert_promises_kept(&run, DEADLINE).await;
    let id = ada.user().expect("the client knows its account");
    let used = types_of(&history, id).iter().filter(|it| *it == "user.recovery_code_used.v1").count();
    assert_eq!(used, 2, "each used code has its event");
}

async fn wait_until_gone(run: &FaultRun, id: uuid::Uuid) {
    let user = bson::Uuid::from(id);
    wait_for(DEADLINE, "the tombstone to be removed", async || {
        documents(&run.world, "users", doc! { "_id": user }).await.is_empty().then_some(())
    })
    .await;
    for collection in ["sessions", "audit"] {
        let left = documents(&run.world, collection, doc! { "userId": user }).await;
        assert!(left.is_empty(), "{collection} are left: {left:#?}");
    }
}
