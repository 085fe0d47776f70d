//! The export of all users, and its import elsewhere.

use std::{fs, os::unix::fs::PermissionsExt as _};

use e2e::{accounts::try_login, commands::json_lines};
use serde_json::{Value, json};
use test_support::{Stack, World};

use crate::{
    files::{Files, run_users_command, summary, user_line},
    hashes::HASHES,
};

#[tokio::test(flavor = "multi_thread")]
async fn an_export_can_be_imported_elsewhere() {
    let stack = Stack::from_env();
    let (source, target) = (World::new(&stack, "here").await, World::new(&stack, "there").await);
    let files = Files::new();
    let service = source.user_service().start().await;
    let api = service.api();
    let ada = source.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    let me = api.logged_in_as(&ada).await;
    let profile =
        json!({ "displayName": "Ada", "locale": "en-GB", "timezone": "Europe/London", "attributes": { "a": [1] } });
    let _ = me.patch("/api/users/me", &profile).await.expect(200);
    let deleted_user = source.test_user("gone");
    let _ = api.register(&deleted_user).await.expect(201);
    let deleted_client = api.logged_in_as(&deleted_user).await;
    let _ =
        deleted_client.delete("/api/users/me", Some(&json!({ "password": deleted_user.password }))).await.expect(204);
    let mut lines: Vec<Value> = (0..1_200).map(|n| user_line(&source, &format!("user{n}"))).collect();
    let id = "018f2f3e-7c4b-4f5a-8d3e-000000000001";
    lines[7] = json!({
        "id": id, "username": "user7", "email": source.address("user7"), "emailVerified": true, "roles": ["writer"],
        "status": "disabled", "createdAt": "2020-02-29T12:00:00Z", "lastLoginAt": "2021-01-01T00:00:00Z",
        "passwordHash": HASHES[0].1,
    });
    let file = files.write("users.ndjson", &lines);
    let _ = run_users_command(service.spec(), &["import", &file], 0).await;

    let out = files.path("export.ndjson").display().to_string();
    let summary_line = summary(&run_users_command(service.spec(), &["export", "--out", &out, "--json"], 0).await);
    assert_eq!((&summary_line["users"], &summary_line["hashes"]), (&json!(1_201), &json!(true)));
    let mode = fs::metadata(&out).expect("the file exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The export never overwrites a file.
    let _ = run_users_command(service.spec(), &["export", "--out", &out], 1).await;
    let exported = files.read("export.ndjson");
    assert!(exported.is_sorted_by_key(|user| user["id"].as_str().map(str::to_owned)));
    let user =
        |name: &str| exported.iter().find(|user| user["username"] == name).expect("the user is exported").clone();
    let exported_ada = user(&ada.username);
    for member in ["displayName", "locale", "timezone", "attributes"] {
        assert_eq!(exported_ada[member], profile[member]);
    }
    assert!(exported_ada["passwordHash"].as_str().is_some_and(|hash| hash.starts_with("$argon2id$")));
    assert!(exported_ada["lastLoginAt"].is_string());
    assert_eq!((&user("user7")["id"], &user("user7")["createdAt"]), (&json!(id), &json!("2020-02-29T12:00:00Z")));

    let elsewhere = target.user_service();
    let done = summary(&run_users_command(&elsewhere, &["import", &out, "--json"], 0).await);
    assert_eq!(done["imported"], 1_201);
    let again = run_users_command(&elsewhere, &["export"], 0).await;
    assert_eq!(json_lines(&again), exported);
    let elsewhere_service = elsewhere.start().await;
    elsewhere_service.api().login(&ada).await;

    // Without the hashes no user can log in, and the response does not reveal why.
    let third = World::new(&stack, "third").await;
    let bare = run_users_command(elsewhere_service.spec(), &["export", "--without-hashes"], 0).await;
    assert!(!bare.contains("passwordHash"));
    let bare = files.write_text("bare.ndjson", bare);
    let spec = third.user_service();
    let _ = run_users_command(&spec, &["import", &bare], 0).await;
    let third = spec.start().await;
    let _ = try_login(&third.api(), &ada.email, &ada.password).await.expect_problem(401, "invalid-credentials");

    // An import of the own export refuses every line, because all users exist, and changes nothing.
    let output = service.spec().command(&["users", "import", &out, "--json"]).await;
    assert_eq!(summary(&String::from_utf8_lossy(&output.stdout))["refused"], 1_201);
    assert_eq!(output.status.code(), Some(1));
}
