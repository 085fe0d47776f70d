//! `POST /api/admin/users`: accounts with a password, invitations, and what is refused.

use std::fs;

use bson::doc;
use e2e::{
    accounts::{
        register_with_key, try_login, user_document, user_document_by_id, verify_email, wait_until_all_published,
        with_cheap_hashes,
    },
    administrators::{Admin, create_admin},
    start::{start_both_services, start_user_service, start_user_service_with},
};
use serde_json::{Value, json};
use test_support::{Record, Stack, World, count};

use crate::steps::{INVITED, USERS, create_with_key, event_types, invitation, invite, read};

#[tokio::test]
async fn an_account_with_a_password_exists_at_once_and_its_user_is_welcomed() {
    let (world, service, _emails, api) = start_both_services("createuser").await;
    let root = create_admin(&world, &service, "root").await;
    let ada = world.test_user("ada");
    let mut body = ada.registration();
    (body["displayName"], body["locale"], body["attributes"]) = (json!("Ada"), json!("de"), json!({ "team": "x" }));
    let created = create_with_key(&root.api, "key-of-root", &body).await.expect(201);
    let user = created.json();
    let id = created.string("id");
    assert_eq!(created.header("location"), Admin::user_path(&id, ""));
    assert_eq!(created.header("etag"), "\"1\"");
    assert_eq!(user, read(&root, &id).await);
    let expected = json!({ "emailVerified": false, "invited": false, "roles": [], "status": "active", "locale": "de" });
    for (member, value) in expected.as_object().expect("an object") {
        assert_eq!(&user[member], value, "{member}");
    }
    let _ = try_login(&api, &ada.username, &ada.password).await.expect(200);
    let welcome = world.mailbox(&ada.email).wait_for_links("/verify-email", 1).await.remove(0);
    assert!(welcome.subject.starts_with("Willkommen bei "), "{}", welcome.subject);
    let _ = verify_email(&api, &welcome.token("/verify-email")).await.expect(204);

    // A retry gets the same account and sends no second mail; the key is none of a client without a token.
    assert_eq!(create_with_key(&root.api, "key-of-root", &body).await.expect(201).string("id"), id);
    body["displayName"] = json!("Eve");
    let _ = create_with_key(&root.api, "key-of-root", &body).await.expect_problem(422, "idempotency-key-reused");
    body["displayName"] = json!("Ada");
    let _ = register_with_key(&api, "key-of-root", &body).await.expect_problem(409, "email-taken");
    wait_until_all_published(&world).await;
    let registered = event_types(&world, &id).await.iter().filter(|it| *it == "user.registered.v1").count();
    assert_eq!(registered, 1);

    // The administrator is the actor in the log of the account, and the account is the target in that of the
    // administrator, who alone sees the network.
    let log = root.api.get(&Admin::user_path(&id, "/audit?limit=100")).await.expect(200).json();
    let entries = log["items"].as_array().cloned().unwrap_or_default();
    let entry = entries.iter().find(|entry| entry["type"] == "user.registered.v1").expect("the entry exists");
    assert_eq!((&entry["actor"], &entry["address"]), (&json!("admin"), &Value::Null));
    let log = root.api.get("/api/users/me/audit?limit=100").await.expect(200).json();
    let entries = log["items"].as_array().cloned().unwrap_or_default();
    assert!(entries.iter().any(|it| it["type"] == "user.registered.v1" && it["targetId"] == json!(id)), "{log}");
}

#[tokio::test]
async fn an_administrator_writes_the_attributes_that_users_cannot_write() {
    let schema = json!({
        "type": "object", "additionalProperties": false,
        "properties": { "team": { "type": "string" }, "plan": { "enum": ["free", "pro"], "x-admin-only": true } },
    });
    let directory = tempfile::tempdir().expect("a directory can be created");
    let file = directory.path().join("attributes.json");
    fs::write(&file, schema.to_string()).expect("the schema can be written");
    let file = file.display().to_string();
    let (world, service, api) = start_user_service_with("createattrs", &[("ATTRIBUTES__SCHEMA_FILE", &file)]).await;
    let root = create_admin(&world, &service, "root").await;
    let with_plan = |name: &str| world.test_user(name).registration_with("attributes", json!({ "plan": "pro" }));
    let _ = api.post("/api/users", &with_plan("ada")).await.expect_problem(422, "validation-failed");
    let created = root.api.post(USERS, &with_plan("ada")).await.expect(201).json();
    assert_eq!(created["attributes"], json!({ "plan": "pro" }));
    let mut invited = json!({ "email": world.address("bob"), "invite": true, "attributes": { "plan": "pro" } });
    let _ = root.api.post(USERS, &invited).await.expect(201);
    invited["email"] = json!(world.address("eve"));
    invited["attributes"] = json!({ "plan": "all" });
    let refused = root.api.post(USERS, &invited).await.expect_problem(422, "validation-failed");
    assert_eq!(refused.errors(), [("#/attributes/plan".to_owned(), "invalid".to_owned())]);
}

#[tokio::test]
async fn an_administrator_learns_that_an_address_or_username_is_taken_also_in_hidden_mode() {
    let world = World::new(&Stack::from_env(), "createhidden").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let root = create_admin(&world, &service, "root").await;
    let hidden = with_cheap_hashes(world.user_service()).set("AUTH__REGISTRATION", "hidden").start().await;
    let api = hidden.api();
    let root = Admin { api: api.with_token(&root.tokens.access), ..root };
    let ada = world.test_user("ada");
    let _ = root.api.post(USERS, &ada.registration()).await.expect(201);
    let _ = try_login(&api, &ada.email, &ada.password).await.expect(200);
    let bob = invite(&root, &world.address("bob"), Some("bob-the-first")).await;
    assert!(!user_document_by_id(&world, &bob).await.contains_key("unclaimed"));
    for (email, username, slug) in [
        (ada.email.to_uppercase(), None, "email-taken"),
        (world.address("bob"), None, "email-taken"),
        (world.address("eve"), Some(ada.username.clone()), "username-taken"),
        (world.address("eve"), Some("BOB-THE-FIRST".to_owned()), "username-taken"),
    ] {
        let mut invited = json!({ "email": email, "invite": true });
        let mut created = json!({ "email": email, "password": ada.password, "username": "someone-else" });
        if let Some(username) = username {
            invited["username"] = json!(username);
            created["username"] = json!(username);
        }
        for body in [invited, created] {
            let _ = root.api.post(USERS, &body).await.expect_problem(409, slug);
        }
    }
    assert_eq!(count(&world.user_collection("users").await, doc! {}).await, 3);
}

/// The stored form is one that 0.1.0 reads: a valid username, an ordinary hash, and no token of a purpose that it does
/// not know.
#[tokio::test]
async fn an_invited_account_cannot_be_signed_in_to_and_is_stored_as_the_release_before_reads_it() {
    let (world, service, api) = start_user_service("invitedstored").await;
    let root = create_admin(&world, &service, "root").await;
    let (open, fixed) = (world.address("open"), world.address("fixed"));
    let body = json!({ "email": open, "invite": true, "displayName": "Ada" });
    let created = create_with_key(&root.api, "invite-key", &body).await.expect(201);
    let id = created.string("id");
    invite(&root, &fixed, Some("ada-lovelace")).await;
    assert_eq!(created.header("location"), Admin::user_path(&id, ""));
    assert_eq!((&created.json()["invited"], &created.json()["emailVerified"]), (&json!(true), &json!(false)));
    assert_eq!(create_with_key(&root.api, "invite-key", &body).await.expect(201).string("id"), id);
    let other = json!({ "email": open, "invite": true, "displayName": "Eve" });
    let _ = create_with_key(&root.api, "invite-key", &other).await.expect_problem(422, "idempotency-key-reused");

    let stored = user_document(&world, &open).await;
    let username = stored.get_str("username").expect("a username").to_owned();
    assert!(username.starts_with("invited-") && username.len() == 20, "{username}");
    assert_eq!(stored.get_array("usernameKeys").map(Vec::len).ok(), Some(1));
    assert_eq!(stored.get_array("tokens").map(Vec::len).ok(), Some(0), "0.1.0 decodes the purposes of tokens");
    assert_eq!(invitation(&stored).and_then(|it| it.get_str("placeholder").ok()), Some(username.as_str()));
    let stored = user_document(&world, &fixed).await;
    assert!(invitation(&stored).is_some_and(|it| !it.contains_key("placeholder")), "{stored}");
    for identifier in [open.as_str(), username.as_str(), fixed.as_str(), "ada-lovelace"] {
        for password in ["", "invited", "correct horse battery"] {
            let _ = try_login(&api, identifier, password).await.expect_problem(401, "invalid-credentials");
        }
    }

    wait_until_all_published(&world).await;
    let invited = world.topic_reader().read_type(INVITED, 2).await;
    assert_eq!(invited.len(), 2);
    // Events of two accounts have no order.
    let of = |email: &str| {
        let found = invited.iter().map(Record::json).find(|value| value["recipient"]["email"] == email);
        found.expect("the invitation is in the topic")
    };
    let (first, second) = (of(&open), of(&fixed));
    assert_eq!((&first["username"], &second["username"]), (&Value::Null, &json!("ada-lovelace")));
    // The name of the invited person may be any text, and the mailbox may be that of a stranger.
    assert_eq!((&first["recipient"], &first["inviter"]), (&json!({ "email": open }), &Value::Null));
}
