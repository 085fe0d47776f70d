//! Exports of other systems, in `exports/`: they are written as the documentation of each system describes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use bson::Document;
use e2e::accounts::{register, stored_hash, try_login, user_document};
use serde_json::{Value, json};
use test_support::{Stack, World};

use crate::files::{Files, PASSWORD, documents, run_users_command, summary};

/// The expected result of the import of one export.
struct Expected {
    imported: u64,
    skipped: u64,
    derived: u64,
    without_password: u64,
    left_behind: Value,
    /// The refused records, with the pointers and codes of their errors.
    refused: &'static [(u64, &'static str, &'static str)],
    /// The addresses of users who sign in with their old password, and their usernames.
    users: &'static [(&'static str, &'static str)],
    /// The addresses of users who are imported and have no password.
    locked_out: &'static [&'static str],
    /// The addresses of users who are disabled.
    disabled: &'static [&'static str],
}

fn export(file: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/imports/exports", file].iter().collect();
    path.display().to_string()
}

/// Imports the export, first without writing, and signs in with the old passwords.
async fn assert_imported(world: &World, arguments: &[&str], expected: &Expected) {
    let files = Files::new();
    let spec = world.user_service();
    let code = i32::from(!expected.refused.is_empty());
    for dry_run in [true, false] {
        let report = files.path("refused.ndjson").display().to_string();
        let mut all = vec!["import"];
        all.extend(arguments);
        all.extend(["--report", &report, "--json"]);
        all.extend(dry_run.then_some("--dry-run"));
        let done = summary(&run_users_command(&spec, &all, code).await);
        let refused: Vec<(u64, String, String)> = files.read("refused.ndjson").iter().flat_map(errors_of).collect();
        let refused: Vec<(u64, &str, &str)> = refused.iter().map(|(line, at, code)| (*line, &**at, &**code)).collect();
        assert_eq!(refused, expected.refused, "{done}");
        let found =
            ["imported", "skipped", "derivedUsernames", "withoutPassword", "leftBehind"].map(|name| &done[name]);
        let Expected { imported, skipped, derived, without_password, left_behind, .. } = expected;
        assert_eq!(found, [&json!(imported), &json!(skipped), &json!(derived), &json!(without_password), left_behind]);
    }
    let service = spec.start().await;
    let api = service.api();
    for (email, username) in expected.users {
        let before = stored_hash(world, email).await;
        let _ = try_login(&api, email, "correct house").await.expect_problem(401, "invalid-credentials");
        let _ = try_login(&api, email, PASSWORD).await.expect(200);
        let user = user_document(world, email).await;
        assert_eq!(user.get_str("username").ok(), Some(*username), "{email}");
        let after = user.get_str("passwordHash").expect("a user has a hash");
        assert!(after != before && after.starts_with("$argon2id$"), "{email}: {after}");
    }
    for email in expected.locked_out {
        let _ = try_login(&api, email, PASSWORD).await.expect_problem(401, "invalid-credentials");
    }
    for email in expected.disabled {
        let _ = try_login(&api, email, PASSWORD).await.expect_problem(403, "account-disabled");
    }
    // Everything was read, so a further run has nothing to do.
    let mut all = vec!["import"];
    all.extend(arguments);
    all.push("--json");
    let again = summary(&run_users_command(service.spec(), &all, code).await);
    assert!(again["finishedAt"].is_string(), "{again}");
}

fn errors_of(line: &Value) -> Vec<(u64, String, String)> {
    let number = line["line"].as_u64().expect("a record has a number");
    let text = |error: &Value, member: &str| error[member].as_str().unwrap_or_default().to_owned();
    let errors = line["errors"].as_array().expect("there are errors");
    errors.iter().map(|error| (number, text(error, "pointer"), text(error, "code"))).collect()
}

async fn world(name: &str) -> World {
    World::new(&Stack::from_env(), name).await
}

fn text<'a>(user: &'a Document, field: &str) -> Option<&'a str> {
    user.get_str(field).ok()
}

fn created_at(user: &Document) -> String {
    user.get_datetime("createdAt").expect("a user has a time").try_to_rfc3339_string().expect("the time is valid")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_firebase_is_imported() {
    let config = export("firebase/hash_config.txt");
    let world = world("fire-json").await;
    let expected = Expected {
        imported: 4,
        skipped: 1,
        derived: 4,
        without_password: 1,
        left_behind: json!({ "socialIdentities": 2, "phoneNumbers": 1, "avatars": 1, "appMetadata": 1, "anonymousUsers": 1 }),
        refused: &[(5, "#/email", "missing")],
        users: &[("ada@example.org", "ada"), ("grace.hopper+navy@example.org", "grace.hopper")],
        locked_out: &["ada@example.com"],
        disabled: &["disabled@example.org"],
    };
    let file = export("firebase/users.json");
    let arguments = [&*file, "--format", "firebase", "--firebase-hash-config", &config];
    assert_imported(&world, &arguments, &expected).await;
    let ada = user_document(&world, "ada@example.org").await;
    assert_eq!(text(&ada, "displayName"), Some("Ada \"the Countess\" Lovelace, née Byron"));
    assert_eq!((created_at(&ada).as_str(), ada.get_bool("emailVerified").ok()), ("2020-03-03T13:44:09Z", Some(true)));
    let second = user_document(&world, "ada@example.com").await;
    let name = text(&second, "username").expect("a user has a username");
    assert!(name.starts_with("ada-") && name.len() == 8, "{name}");
    assert_eq!(text(&user_document(&world, "disabled@example.org").await, "status"), Some("disabled"));

    // The CSV file has the same users.
    let world = self::world("fire-csv").await;
    let file = export("firebase/users.csv");
    let arguments = [&*file, "--format", "firebase", "--firebase-hash-config", &config];
    assert_imported(&world, &arguments, &expected).await;
    let ada = user_document(&world, "ada@example.org").await;
    assert_eq!(text(&ada, "displayName"), Some("Lovelace, Ada"));
    assert_eq!(text(&user_document(&world, "ada@example.com").await, "username"), Some(name));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_auth0_is_imported_with_the_export_of_its_hashes() {
    let (users, hashes) = (export("auth0/users.json"), export("auth0/hashes.json"));
    let both = world("auth0-both").await;
    let expected = Expected {
        imported: 4,
        skipped: 0,
        derived: 3,
        without_password: 1,
        left_behind: json!({ "secondFactors": 1, "socialIdentities": 1, "avatars": 1, "appMetadata": 1 }),
        refused: &[(5, "#/email", "missing")],
        users: &[("ada@example.org", "ada_lovelace"), ("euclid@example.org", "euclid")],
        locked_out: &["ada@example.com"],
        disabled: &["blocked@example.org"],
    };
    assert_imported(&both, &[&users, "--format", "auth0", "--hashes", &hashes], &expected).await;
    let ada = user_document(&both, "ada@example.org").await;
    assert_eq!(
        (text(&ada, "displayName"), text(&ada, "attributes")),
        (Some("Ada Lovelace"), Some(r#"{"colour":"red","nick":"countess"}"#))
    );
    assert_eq!(text(&user_document(&both, "euclid@example.org").await, "displayName"), None);

    // The export of the hashes is enough, if the names and metadata may stay behind.
    let alone = world("auth0-alone").await;
    let expected = Expected {
        imported: 4,
        derived: 3,
        without_password: 0,
        left_behind: json!({}),
        refused: &[],
        users: &[
            ("ada@example.org", "ada_lovelace"),
            ("blocked@example.org", "blocked"),
            ("identifier@example.org", "identifier"),
        ],
        locked_out: &[],
        disabled: &[],
        ..expected
    };
    assert_imported(&alone, &[&hashes, "--format", "auth0"], &expected).await;
    assert_eq!(user_document(&alone, "identifier@example.org").await.get_bool("emailVerified").ok(), Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_keycloak_is_imported() {
    let mut found = Vec::new();
    for (name, file) in [("cloak-users", "keycloak/acme-users-0.json"), ("cloak-realm", "keycloak/acme-realm.json")] {
        let world = world(name).await;
        let expected = Expected {
            imported: 4,
            skipped: 1,
            derived: 1,
            without_password: 1,
            left_behind: json!({ "secondFactors": 1, "socialIdentities": 1, "groups": 1, "clientRoles": 1, "serviceAccounts": 1 }),
            refused: &[(6, "#/email", "missing")],
            users: &[("ada@example.org", "ada"), ("Grace@example.org", "Grace")],
            locked_out: &["federated@example.org"],
            disabled: &["edsger@example.org"],
        };
        assert_imported(&world, &[&export(file), "--format", "keycloak"], &expected).await;
        let ada = user_document(&world, "ada@example.org").await;
        assert_eq!((text(&ada, "displayName"), text(&ada, "locale")), (Some("Ada Lovelace"), Some("de")));
        assert_eq!(text(&ada, "attributes"), Some(r#"{"phone numbers":["1","2"],"team":"engines"}"#));
        assert_eq!(created_at(&ada), "2020-04-28T10:37:16.163Z");
        found.push((ada.get("_id").cloned(), ada.get("roles").cloned()));
    }
    assert_eq!(found[0], found[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_supabase_is_imported() {
    for (name, file) in [("supa-csv", "supabase/users.csv"), ("supa-json", "supabase/users.json")] {
        let world = world(name).await;
        let expected = Expected {
            imported: 4,
            skipped: 2,
            derived: 2,
            without_password: 1,
            left_behind: json!({ "socialIdentities": 1, "phoneNumbers": 1, "avatars": 1, "deletedUsers": 1, "anonymousUsers": 1 }),
            refused: &[(7, "#/email", "missing")],
            users: &[("ada@example.org", "countess"), ("grace@example.org", "grace")],
            locked_out: &["ada@example.com"],
            disabled: &["banned@example.org"],
        };
        let arguments = [&*export(file), "--format", "supabase", "--username", "/raw_user_meta_data/user_name"];
        assert_imported(&world, &arguments, &expected).await;
        let ada = user_document(&world, "ada@example.org").await;
        assert_eq!(text(&ada, "displayName"), Some("Ada \"the Countess\" Lovelace, née Byron"));
        assert_eq!(text(&ada, "attributes"), Some(r#"{"note":"two\nlines","user_name":"countess"}"#));
        assert_eq!(
            (created_at(&ada).as_str(), ada.get_bool("emailVerified").ok()),
            ("2023-04-05T06:07:08.123Z", Some(true))
        );
        assert_eq!(text(&user_document(&world, "ada@example.com").await, "username"), Some("adalovelace"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_wordpress_is_imported() {
    for (name, file) in
        [("wp-json", "wordpress/users.json"), ("wp-csv", "wordpress/users.csv"), ("wp-table", "wordpress/wp_users.csv")]
    {
        let world = world(name).await;
        let expected = Expected {
            imported: 2,
            skipped: 0,
            derived: 1,
            without_password: 0,
            left_behind: json!({ "websites": 1 }),
            refused: &[(3, "#/user_pass", "unsupported-hash"), (4, "#/user_login", "invalid-character")],
            users: &[("ada@example.org", "ada"), ("grace@example.org", "grace")],
            locked_out: &[],
            disabled: &[],
        };
        assert_imported(&world, &[&export(file), "--format", "wordpress"], &expected).await;
        let ada = user_document(&world, "ada@example.org").await;
        assert_eq!(text(&ada, "displayName"), Some("Lovelace, Ada \"the Countess\""));
        assert_eq!(created_at(&ada), "2016-06-03T04:37:00Z");
        let roles: Vec<&str> =
            ada.get_array("roles").expect("a list").iter().filter_map(|role| role.as_str()).collect();
        let expected: &[&str] = if file.ends_with("wp_users.csv") { &[] } else { &["administrator", "editor"] };
        assert_eq!(roles, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_in_another_format_is_refused_and_changes_nothing() {
    let world = world("wrong-format").await;
    let files = Files::new();
    let spec = world.user_service();
    let not_config = files.write_text("config.txt", "signer-key-of-the-project");
    let not_hashes = files.write_text("hashes.json", "{}\n");
    let (firebase, auth0) = (export("firebase/users.json"), export("auth0/users.json"));
    for (arguments, part) in [
        (vec!["--format", "keycloak", &firebase], "its first record has no member `username`; try --format firebase"),
        (vec!["--format", "firebase", &auth0], "the document has no array `users`"),
        (
            vec!["--format", "other", &firebase],
            "[possible values: ndjson, firebase, auth0, keycloak, supabase, wordpress]",
        ),
        (vec!["--firebase-hash-config", &not_config, &firebase], "--firebase-hash-config needs --format firebase"),
        (vec!["--hashes", &auth0, &firebase], "--hashes needs --format auth0"),
        (
            vec!["--format", "firebase", "--firebase-hash-config", &not_config, &firebase],
            "is not the hash configuration of Firebase",
        ),
        (vec!["--format", "auth0", "--hashes", &not_hashes, &auth0], "line 1 is no user with `_id` and `passwordHash`"),
    ] {
        let all: Vec<&str> = ["users", "import"].into_iter().chain(arguments).collect();
        let output = spec.command(&all).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && error.contains(part), "{all:?}: {error}");
        assert!(!error.contains("signer-key-of-the-project"), "{error}");
    }
    // A pipe is checked, too.
    let text = fs::read(Path::new(&auth0)).expect("the export exists");
    let output = spec.command_with_input(&["users", "import", "--format", "wordpress", "-"], text).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!((documents(&world, "users").await.len(), documents(&world, "imports").await.len()), (0, 0));
}

/// Users whose addresses have only a few local parts.
fn many_users(users: usize) -> Vec<(String, String)> {
    let name = |n: usize| format!("018f2f3e-7c4b-4f5a-8d3e-{n:012}");
    (0..users).map(|n| (name(n), format!("info{}@h{n}.example.org", n % 7))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_import_of_each_container_continues_with_the_same_usernames() {
    const USERS: usize = 3_500;
    let stack = Stack::from_env();
    let files = Files::new();
    let users = many_users(USERS);
    let json: Vec<Value> = users
        .iter()
        .map(|(id, email)| json!({ "id": id, "email": email, "encrypted_password": "", "created_at": "2023-04-05T06:07:08Z" }))
        .collect();
    let rows: String = users.iter().map(|(id, email)| format!("{id},\"{email}\",,\"two\nlines\"\n")).collect();
    let containers = [
        ("lines", files.write("lines.json", &json)),
        ("array", files.write_text("array.json", json!(json).to_string())),
        ("csv", files.write_text("users.csv", format!("id,email,encrypted_password,note\n{rows}"))),
    ];
    let mut results = BTreeMap::new();
    for (name, file) in &containers {
        let world = World::new(&stack, &format!("killed-{name}")).await;
        let spec = world.user_service();
        let arguments = ["users", "import", "--format", "supabase", file];
        let killed = spec.clone().fail_points("import.after_batch=1*off->return").command(&arguments).await;
        assert!(killed.status.code().is_none(), "{killed:?}");
        let record = documents(&world, "imports").await.pop().expect("the import is recorded");
        assert_eq!(record.get_i64("lines").ok(), Some(1_000));
        let done = summary(&run_users_command(&spec, &["import", "--format", "supabase", file, "--json"], 0).await);
        assert_eq!((&done["continuedAfterLine"], &done["lastLine"]), (&json!(1_000), &json!(USERS)), "{done}");
        let number = |member: &str| done[member].as_u64().expect("the value is a number");
        assert_eq!(number("imported") + number("alreadyImported"), USERS as u64 - 1_000, "{done}");
        let names: BTreeMap<String, String> = documents(&world, "users")
            .await
            .iter()
            .map(|user| {
                (
                    text(user, "email").unwrap_or_default().to_owned(),
                    text(user, "username").unwrap_or_default().to_owned(),
                )
            })
            .collect();
        assert_eq!(names.len(), USERS);
        results.insert(*name, names);
    }
    // An import in one run gives the same usernames.
    let whole = World::new(&stack, "whole").await;
    let spec = whole.user_service();
    let done =
        summary(&run_users_command(&spec, &["import", "--format", "supabase", &containers[0].1, "--json"], 0).await);
    assert_eq!(done["derivedUsernames"], USERS);
    let names: BTreeMap<String, String> = documents(&whole, "users")
        .await
        .iter()
        .map(|user| {
            (text(user, "email").unwrap_or_default().to_owned(), text(user, "username").unwrap_or_default().to_owned())
        })
        .collect();
    assert_eq!(names.values().collect::<BTreeSet<_>>().len(), USERS);
    for (name, result) in &results {
        assert!(*result == names, "the usernames of {name} differ");
    }
    // The first record with a name has it without a number.
    assert_eq!(names[&users[3].1], "info3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_username_from_an_address_gives_way_to_an_existing_account() {
    let world = world("derived-taken").await;
    let files = Files::new();
    let service = world.user_service().start().await;
    let holder = register(&world, &service.api(), "ada").await;
    let before = user_document(&world, &holder.email).await;
    let user = |id: u64, email: &str| json!({ "user_id": format!("auth0|{id}"), "email": email });
    let local = holder.username.clone();
    let mut named = user(3, "other@example.net");
    named["username"] = json!(holder.username);
    let file = files.write(
        "users.json",
        &[user(1, &format!("{local}@example.net")), user(2, &format!("{local}@example.com")), named],
    );
    let report = files.path("refused.ndjson").display().to_string();
    let arguments = ["import", &file, "--format", "auth0", "--report", &report, "--json"];
    let done = summary(&run_users_command(service.spec(), &arguments, 1).await);
    assert_eq!((&done["imported"], &done["derivedUsernames"]), (&json!(2), &json!(2)), "{done}");
    // The name of the export is not changed: it was given to the first record, for which it was not free.
    assert_eq!(
        errors_of(&files.read("refused.ndjson")[0]),
        [(3, "#/username".to_owned(), "duplicate-line".to_owned())]
    );
    let name = async |email: &str| {
        let user = user_document(&world, email).await;
        text(&user, "username").expect("a user has a username").to_owned()
    };
    let names = [name(&format!("{local}@example.net")).await, name(&format!("{local}@example.com")).await];
    assert!(names.iter().all(|name| name.starts_with("ada-") && *name != local) && names[0] != names[1], "{names:?}");
    let after = user_document(&world, &holder.email).await;
    assert_eq!((before.get("username"), before.get("version")), (after.get("username"), after.get("version")));

    let again = summary(
        &run_users_command(service.spec(), &["import", &file, "--format", "auth0", "--again", "--json"], 1).await,
    );
    assert_eq!((&again["imported"], &again["alreadyImported"]), (&json!(0), &json!(2)), "{again}");
    assert_eq!(name(&format!("{local}@example.net")).await, names[0]);
}
