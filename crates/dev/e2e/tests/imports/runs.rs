//! Imports that are interrupted, that send mails, or that contain administrators.

use std::{collections::BTreeSet, os::unix::process::ExitStatusExt as _};

use bson::doc;
use e2e::{
    accounts::{register, update_user, user_document, wait_until_all_published},
    commands::{json_lines, stdout_of},
    topic_order::first_occurrences,
};
use serde_json::{Value, json};
use test_support::{Record, Stack, TestUser, World, count, wait_for_count};

use crate::{
    files::{
        Files, PASSWORD, documents, run_users_command, summary, test_user, user_line, with_frequent_sweep, with_member,
    },
    hashes::HASHES,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_can_be_resumed_and_imports_no_user_twice() {
    const PEOPLE: usize = 4_500;
    let world = World::new(&Stack::from_env(), "killed").await;
    let files = Files::new();
    let mut lines: Vec<Value> = (0..PEOPLE).map(|n| user_line(&world, &format!("user{n}"))).collect();
    // One refused line is before the kill and one after it.
    lines[10] = json!({});
    lines[4_000] = json!({});
    let file = files.write("users.ndjson", &lines);
    let report = files.path("refused.ndjson").display().to_string();
    let spec = with_frequent_sweep(world.user_service());

    let armed = spec.clone().fail_points("import.after_batch=2*off->return");
    let killed = armed.command(&["users", "import", &file, "--report", &report]).await;
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    let so_far = documents(&world, "users").await.len();
    assert!(so_far >= 2_999, "{so_far}");
    let record = documents(&world, "imports").await.pop().expect("the import is recorded");
    assert_eq!((record.get_i64("lines").ok(), record.get_i64("refused").ok()), (Some(2_000), Some(1)));
    assert!(!record.contains_key("finishedAt"));

    // The second half must use the same `--welcome` option as the first.
    let other = spec.command(&["users", "import", &file, "--welcome"]).await;
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("without --welcome"), "{other:?}");

    let done = summary(&run_users_command(&spec, &["import", &file, "--report", &report, "--json"], 1).await);
    assert_eq!((&done["continuedAfterLine"], &done["lastLine"]), (&json!(2_000), &json!(PEOPLE)));
    let number = |member: &str| done[member].as_u64().expect("the value is a number");
    // The second half refuses one line and recognises the users that the killed run had inserted.
    assert_eq!(number("imported") + number("alreadyImported"), 2_499, "{done}");
    assert!(number("alreadyImported") >= 1_000, "{done}");
    let refused: Vec<u64> = files.read("refused.ndjson").iter().filter_map(|line| line["line"].as_u64()).collect();
    assert_eq!(refused, [11, 4_001]);
    let imported = documents(&world, "users").await;
    let emails: BTreeSet<&str> = imported.iter().filter_map(|user| user.get_str("email").ok()).collect();
    assert_eq!((imported.len(), emails.len()), (PEOPLE - 2, PEOPLE - 2));

    // A further run has nothing to do; with `--again` it still imports no user twice.
    let again = summary(&run_users_command(&spec, &["import", &file, "--json"], 1).await);
    assert_eq!((&again["alreadyImported"], &again["alreadyRefused"]), (&json!(PEOPLE - 2), &json!(2)));
    let again = summary(&run_users_command(&spec, &["import", &file, "--again", "--json"], 1).await);
    assert_eq!((&again["imported"], &again["alreadyImported"]), (&json!(0), &json!(PEOPLE - 2)));
    assert_eq!(documents(&world, "users").await.len(), PEOPLE - 2);

    // The relay of the running service publishes all events, each once.
    let _service = spec.start().await;
    let mut topic = world.topic_reader();
    topic.read_type("user.imported.v1", PEOPLE - 2).await;
    let records = topic.read_all().await;
    assert_eq!(first_occurrences(records).len(), PEOPLE - 2);
    let people: BTreeSet<String> = records.iter().map(Record::key_text).collect();
    assert_eq!((records.len(), people.len()), (PEOPLE - 2, PEOPLE - 2));
    wait_until_all_published(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_of_an_import_with_welcome_gets_one_mail() {
    let world = World::new(&Stack::from_env(), "welcomed").await;
    let files = Files::new();
    let spec = with_frequent_sweep(world.user_service());
    let (service, _emails, api) = world.start_both_with(spec).await;
    let text: String = ["ada", "eve", "joe"].map(|name| format!("{}\n", user_line(&world, name))).concat();
    let file = files.write_text("users.ndjson", &text);
    let done = summary(&run_users_command(service.spec(), &["import", &file, "--welcome", "--json"], 0).await);
    assert_eq!(done["imported"], 3);
    for name in ["ada", "eve", "joe"] {
        let mails = world.mailbox(&world.address(name)).wait_for_mails(1).await;
        assert!(mails[0].subject.starts_with("Welcome to "), "{}", mails[0].subject);
    }
    // An import from a pipe cannot be resumed: the users are taken.
    let output = service.spec().command_with_input(&["users", "import", "-", "--welcome", "--json"], text.into()).await;
    let lines = json_lines(&stdout_of(&output, 1));
    assert_eq!((lines.len(), &lines[3]["refused"]), (4, &json!(3)));
    let more = format!("{}\n", user_line(&world, "may"));
    let output = service.spec().command_with_input(&["users", "import", "-"], more.into()).await;
    assert!(stdout_of(&output, 0).starts_with("1 imported, 0 refused (1 lines, "));
    let mut topic = world.topic_reader();
    let records = topic.read_type("user.imported.v1", 4).await;
    assert_eq!(records.iter().filter(|record| record.json()["welcome"] == true).count(), 3);
    let ada = register(&world, &api, "after").await;
    world.mailbox(&ada.email).wait_for_mails(1).await;
    for (name, mails) in [("ada", 1), ("eve", 1), ("joe", 1), ("may", 0)] {
        assert_eq!(world.mailbox(&world.address(name)).mails().await.len(), mails, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_are_imported_only_on_request_and_imported_users_do_not_expire() {
    let world = World::new(&Stack::from_env(), "roles").await;
    let files = Files::new();
    let hash = json!(HASHES[0].1);
    let root = with_member(with_member(user_line(&world, "root"), "roles", json!(["admin"])), "passwordHash", hash);
    let old = with_member(user_line(&world, "old"), "createdAt", json!("2020-02-29T12:00:00Z"));
    let file = files.write("users.ndjson", &[root, old]);
    let spec = with_frequent_sweep(world.user_service()).set("AUTH__UNVERIFIED_EXPIRY", "1h");
    let _ = run_users_command(&spec, &["import", &file, "--dry-run"], 1).await;
    let _ = run_users_command(&spec, &["import", &file, "--admins"], 0).await;
    let mut service = spec.start().await;
    let api = service.api();
    let admin = api.with_token(&api.login(&test_user(&world, "root", PASSWORD)).await.access);
    let listed = admin.get("/api/admin/users").await.expect(200);
    assert_eq!(listed.json()["items"].as_array().map(Vec::len), Some(2));
    // The last administrator cannot be removed, so this user is in the list of administrators.
    let id = listed.json()["items"]
        .as_array()
        .expect("the value is a list")
        .iter()
        .find(|user| user["username"] == "root")
        .cloned();
    let path = format!("/api/admin/users/{}", id.expect("root is listed")["id"].as_str().expect("a user has an id"));
    let _ = admin.delete(&path, None).await.expect_problem(409, "conflict");

    // An account of the same age that was not imported expires, because a verification link was mailed to it.
    let late = register(&world, &api, "late").await;
    let all = world.user_collection("users").await;
    let older = doc! { "$set": { "createdAt": bson::DateTime::from_millis(1_582_977_600_000) } };
    update_user(&world, &late.email, older).await;
    assert_eq!(service.terminate().await.code(), Some(0));
    service.restart().await;
    wait_for_count(&all, doc! { "email": &late.email }, 0).await;
    assert_eq!(count(&all, doc! { "email": world.address("old") }).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_username_that_release_0_1_0_has_changed_is_free_for_an_import() {
    let world = World::new(&Stack::from_env(), "leftbehind").await;
    let files = Files::new();
    let service = world.user_service().start().await;
    let api = service.api();
    // Release 0.1.0 does not know `usernameKeys`.
    let rename = async |user: &TestUser, name: &str, key: &str| {
        update_user(&world, &user.email, doc! { "$set": { "username": name, "usernameKey": key } }).await;
    };
    let ada = register(&world, &api, "ada").await;
    rename(&ada, "ada-there", "ada-there").await;
    let taken = with_member(user_line(&world, "first"), "username", json!("ada-there"));
    let free = with_member(user_line(&world, "second"), "username", json!(ada.username));
    let file = files.write("users.ndjson", &[taken, free]);
    let done = summary(&run_users_command(service.spec(), &["import", &file, "--json"], 1).await);
    assert_eq!((&done["imported"], &done["refused"]), (&json!(1), &json!(1)), "{done}");
    let users = world.user_collection("users").await;
    let imported = doc! { "email": world.address("second"), "username": &ada.username };
    assert_eq!(count(&users, imported).await, 1);
    assert_eq!(count(&users, doc! { "email": &ada.email, "usernameKeys": ["ada-there"] }).await, 1);

    // The current username of `eve` is also left behind, so it cannot be claimed for her: her old one stays taken.
    let (joe, eve) = (register(&world, &api, "joe").await, register(&world, &api, "eve").await);
    let key = user_document(&world, &joe.email).await.get_str("usernameKey").expect("a user has a key").to_owned();
    rename(&joe, "joe-there", "joe-there").await;
    rename(&eve, &joe.username, &key).await;
    let line = with_member(user_line(&world, "third"), "username", json!(eve.username));
    let file = files.write("more.ndjson", &[line, user_line(&world, "fourth")]);
    let done = summary(&run_users_command(service.spec(), &["import", &file, "--json"], 1).await);
    assert_eq!((&done["imported"], &done["refused"]), (&json!(1), &json!(1)), "{done}");
}
