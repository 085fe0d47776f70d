//! Imports that invite users who have no password.

use bson::doc;
use e2e::accounts::{register, try_login, user_document, wait_until_all_published};
use serde_json::json;
use test_support::{Record, Stack, World, count, remember_secret};

use crate::{
    files::{Files, PASSWORD, run_users_command, summary, test_user, user_line, with_frequent_sweep, with_member},
    hashes::HASHES,
};

#[tokio::test(flavor = "multi_thread")]
async fn users_without_a_hash_are_invited_once_and_accept() {
    let world = World::new(&Stack::from_env(), "import-invites").await;
    let files = Files::new();
    let (service, _emails, api) = world.start_both_with(with_frequent_sweep(world.user_service())).await;
    let with_hash = with_member(user_line(&world, "hashed"), "passwordHash", json!(HASHES[0].1));
    let unsupported = with_member(user_line(&world, "unsupported"), "passwordHash", json!("{SMD5}AAAA"));
    let verified = with_member(user_line(&world, "verified"), "emailVerified", json!(true));
    let disabled = with_member(user_line(&world, "disabled"), "status", json!("disabled"));
    let file = files.write("users.ndjson", &[with_hash, unsupported, verified, user_line(&world, "plain"), disabled]);
    let arguments = ["import", &file, "--invite", "--welcome", "--json"];
    let done = summary(&run_users_command(service.spec(), &arguments, 0).await);
    assert_eq!(
        (&done["imported"], &done["invited"], &done["withoutPassword"]),
        (&json!(5), &json!(3), &json!(1)),
        "{done}"
    );

    for name in ["unsupported", "verified", "plain"] {
        let user = user_document(&world, &world.address(name)).await;
        assert_eq!(
            (user.get_bool("emailVerified").ok(), user.get_i64("version").ok()),
            (Some(false), Some(2)),
            "{name}"
        );
        let token = world.mailbox(&world.address(name)).wait_for_token("/accept-invitation", 1).await;
        let password = format!("{PASSWORD} {name}");
        remember_secret("password", &password);
        let body = json!({ "token": token, "password": password });
        let _ = api.post("/api/auth/accept-invitation", &body).await.expect(204);
        let _ = try_login(&api, &world.address(name), &password).await.expect(200);
        let user = user_document(&world, &world.address(name)).await;
        assert_eq!((user.get_bool("emailVerified").ok(), user.get_str("username").ok()), (Some(true), Some(name)));
    }
    let mails = world.mailbox(&world.address("hashed")).wait_for_mails(1).await;
    assert!(mails[0].subject.starts_with("Welcome to "), "{}", mails[0].subject);
    api.login(&test_user(&world, "hashed", PASSWORD)).await;
    let _ = try_login(&api, &world.address("disabled"), PASSWORD).await.expect_problem(401, "invalid-credentials");

    // Each event comes once and in order, and no further run mails again.
    let again = summary(&run_users_command(service.spec(), &[&arguments[..], &["--again"]].concat(), 0).await);
    assert_eq!((&again["imported"], &again["alreadyImported"], &again["invited"]), (&json!(0), &json!(5), &json!(0)));
    // Without `--invite` the unsupported hash is an error.
    let refused = run_users_command(service.spec(), &["import", &file, "--welcome", "--again", "--json"], 1).await;
    assert_eq!(summary(&refused)["alreadyImported"], 4, "{refused}");
    wait_until_all_published(&world).await;
    let records = world.topic_reader().read_all().await.to_vec();
    let id = user_document(&world, &world.address("plain")).await.get("_id").cloned().expect("a user has an id");
    let id: bson::Uuid = bson::deserialize_from_bson(id).expect("an id is a UUID");
    let types: Vec<String> =
        records.iter().filter(|record| record.key_text() == id.to_string()).map(Record::event_type).collect();
    assert_eq!(types[..2], ["user.imported.v1", "user.invited.v1"]);
    assert_eq!(types.iter().filter(|kind| *kind == "user.invited.v1").count(), 1);
    // A mail of a later event is sent after the email service has read all earlier events.
    let last = register(&world, &api, "last").await;
    world.mailbox(&last.email).wait_for_mails(1).await;
    for (name, mails) in [("hashed", 1), ("unsupported", 1), ("verified", 1), ("plain", 1), ("disabled", 1)] {
        assert_eq!(world.mailbox(&world.address(name)).mails().await.len(), mails, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_with_invitations_is_continued_with_invitations() {
    let world = World::new(&Stack::from_env(), "invites-killed").await;
    let files = Files::new();
    let lines: Vec<_> = (0..2_500).map(|n| user_line(&world, &format!("user{n}"))).collect();
    let file = files.write("users.ndjson", &lines);
    let spec = world.user_service();
    let killed = spec.clone().fail_points("import.after_batch=1*off->return");
    let killed = killed.command(&["users", "import", &file, "--invite"]).await;
    assert!(killed.status.code().is_none(), "{killed:?}");
    let other = spec.command(&["users", "import", &file]).await;
    let error = String::from_utf8_lossy(&other.stderr);
    assert!(other.status.code() == Some(1) && error.contains("with --invite"), "{error}");
    let done = summary(&run_users_command(&spec, &["import", &file, "--invite", "--json"], 0).await);
    assert_eq!((&done["continuedAfterLine"], &done["refused"]), (&json!(1_000), &json!(0)), "{done}");
    let users = world.user_collection("users").await;
    let invited = doc! { "invitation": { "$exists": true }, "pendingEvents": { "$size": 2 } };
    assert_eq!(count(&users, invited).await, 2_500);
}
