//! Promise S1 in the life of one account with debug logs: no log, topic, ledger or collection contains any of its
//! secrets. The test `nothing_leaked` checks the same for the whole run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use bson::{RawDocumentBuf, doc};
use e2e::{
    accounts::{verify_email, wait_until_all_published},
    administrators::create_admin,
};
use futures_util::TryStreamExt as _;
use mongodb::Database;
use serde_json::{Value, json};
use test_support::{Leak, Producer, Record, Service, Stack, Tokens, World, find_leaks, remember_secret};

type Secrets = BTreeMap<String, String>;

/// Returns every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("the directory exists").flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Searches the logs, the topic and the collections of one world.
async fn search(world: &World, secrets: &Secrets) -> BTreeSet<Leak> {
    let mut leaks = BTreeSet::new();
    for path in files(&world.logs()) {
        let bytes = fs::read(&path).expect("a log can be read");
        assert!(!bytes.is_empty(), "{} is empty: nothing was searched", path.display());
        leaks.extend(find_leaks("log", &bytes, secrets));
    }
    let mut reader = world.topic_reader();
    for record in reader.read_all().await {
        leaks.extend(find_leaks("topic", &bytes_of(record), secrets));
    }
    for database in [world.user_database().await, world.email_database().await] {
        leaks.extend(find_in_collections(&database, secrets).await);
    }
    leaks
}

fn bytes_of(record: &Record) -> Vec<u8> {
    let headers = record.headers.iter().flat_map(|(name, value)| [Some(name.clone().into_bytes()), value.clone()]);
    headers.chain([record.key.clone(), record.value.clone()]).flatten().flatten().collect()
}

async fn find_in_collections(database: &Database, secrets: &Secrets) -> BTreeSet<Leak> {
    let mut leaks = BTreeSet::new();
    for name in database.list_collection_names().await.expect("MongoDB responds") {
        let collection = database.collection::<RawDocumentBuf>(&name);
        let mut documents = collection.find(doc! {}).await.expect("MongoDB responds");
        while let Some(document) = documents.try_next().await.expect("MongoDB responds") {
            leaks.extend(find_leaks(&name, document.as_bytes(), secrets));
        }
    }
    leaks
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_an_account_is_in_a_log_the_topic_the_ledger_or_a_collection() {
    let world = World::new(&Stack::from_env(), "secrets").await;
    let (users, emails) = tokio::join!(
        world.user_service().set("LOG__LEVEL", "debug").start(),
        world.email_service().set("LOG__LEVEL", "debug").start()
    );
    let (api, user) = (users.api(), world.test_user("ada"));
    let mut secrets: Secrets =
        ["encryption.key", "sealing.private"].map(|name| (world.read_key(name), name.to_owned())).into();
    let mut remember = |what: &str, value: &str| {
        remember_secret(what, value);
        secrets.insert(value.to_owned(), what.to_owned());
    };
    remember("password", &user.password);
    let registered = api.register(&user).await.expect(201);
    assert!(!registered.text.contains(&user.password));
    let token = world.mailbox(&user.email).wait_for_token("/verify-email", 1).await;
    remember("verification token", &token);
    let _ = api.get(&format!("/verify-email?token={token}")).await.expect(200);
    let _ = verify_email(&api, &token).await.expect(204);
    let _ = verify_email(&api, &token).await.expect_problem(400, "token-invalid");
    let mut tokens = api.login(&user).await;
    remember("access token", &tokens.access);
    remember("refresh token", &tokens.refresh);
    tokens = Tokens::from_response(&api.refresh(&tokens.refresh).await.expect(200));
    remember("access token", &tokens.access);
    remember("refresh token", &tokens.refresh);

    invite_and_accept(&world, &users, &mut remember).await;

    // Clients put secrets into the wrong places.
    let misplaced = "misplaced passphrase of a test";
    remember("misplaced password", misplaced);
    let wrong: [(&str, Value); 5] = [
        ("/api/auth/login", json!({ "identifier": user.email, "password": misplaced })),
        ("/api/auth/login", json!({ "identifier": misplaced, "password": misplaced })),
        ("/api/users", json!({ "username": misplaced, "email": misplaced, "password": misplaced })),
        ("/api/users", json!({ "username": "eve", "email": user.email, "password": misplaced, "pasword": misplaced })),
        ("/api/auth/refresh", json!({ "refreshToken": misplaced })),
    ];
    for (path, body) in wrong {
        let answer = api.post(path, &body).await;
        assert!(answer.status >= 400 && !answer.text.contains(misplaced), "{path}: {}", answer.text);
    }
    let malformed = format!("{{\"identifier\": \"x\", \"password\": \"{misplaced}\"");
    let request = api.request(reqwest::Method::POST, "/api/auth/login").header("content-type", "application/json");
    let answer = api.send(request.body(malformed)).await.expect(400);
    assert!(!answer.text.contains(misplaced), "{}", answer.text);
    let _ = api.with_token(misplaced.replace(' ', "-").as_str()).get("/api/users/me").await.expect(401);

    let changed = format!("{} and another", user.password);
    remember("password", &changed);
    let mine = api.with_token(&tokens.access);
    let body = json!({ "currentPassword": user.password, "newPassword": changed });
    let _ = mine.put("/api/users/me/password", &body).await.expect(204);
    world.mailbox(&user.email).wait_for_mails(2).await;

    // Only the user's own document contains a hash.
    let hashes: Secrets = [("$argon2id$v=19".to_owned(), "hash".to_owned())].into();
    wait_until_all_published(&world).await;
    assert!(secrets.len() >= 11, "{secrets:?}");
    let leaks = search(&world, &secrets).await;
    assert!(leaks.is_empty(), "{leaks:#?}");
    let places: BTreeSet<String> = search(&world, &hashes).await.into_iter().map(|leak| leak.place).collect();
    assert_eq!(places, BTreeSet::from(["users".to_owned()]));
    // The searched places are not empty.
    assert!(users.log().contains("/api/auth/login") && emails.log().len() > 1_000);
}

/// Invites a person, and accepts the invitation with its link.
async fn invite_and_accept(world: &World, users: &Service, remember: &mut impl FnMut(&str, &str)) {
    let root = create_admin(world, users, "root").await;
    let (api, invited) = (users.api(), world.test_user("invited"));
    remember("password", &invited.password);
    let body = json!({ "email": invited.email, "invite": true });
    let _ = root.api.post("/api/admin/users", &body).await.expect(201);
    let token = world.mailbox(&invited.email).wait_for_token("/accept-invitation", 1).await;
    remember("invitation token", &token);
    let _ = api.get(&format!("/accept-invitation?token={token}")).await.expect(200);
    let acceptance = json!({ "token": token, "username": "x", "password": invited.password });
    let _ = api.post("/api/auth/accept-invitation", &acceptance).await.expect_problem(422, "validation-failed");
    let fields = [("token", token.as_str()), ("chosenUsername", &invited.username), ("newPassword", &invited.password)];
    for status in [200, 400] {
        let _ = api.submit("/accept-invitation", &fields).await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_search_finds_a_secret_in_each_of_the_places() {
    // The secret is not remembered for the run, because the last test of the run expects to find none.
    let planted = "planted-where-it-should-not-be";
    let secrets: Secrets = [(planted.to_owned(), "planted".to_owned())].into();
    let world = World::new(&Stack::from_env(), "planted").await;
    fs::create_dir_all(world.logs()).expect("the run's directory can be written");
    fs::write(world.logs().join("user-service-0.log"), format!("{{\"message\":\"{planted}\"}}\n"))
        .expect("the run's directory can be written");
    let value = format!("{{\"note\":\"{planted}\"}}");
    let producer = Producer::new(world.brokers());
    let written = producer.try_produce(world.topic(), Some(3), None, Some(value.as_bytes()), &[]).await;
    let _ = written.expect("the broker acknowledges the record");
    for (database, collection) in [(world.user_database().await, "users"), (world.email_database().await, "mailJobs")] {
        let row = doc! { "deep": [{ "note": format!("x{planted}y") }] };
        let _ = database.collection(collection).insert_one(row).await.expect("MongoDB responds");
    }
    let places: BTreeSet<String> = search(&world, &secrets).await.into_iter().map(|leak| leak.place).collect();
    assert_eq!(places, BTreeSet::from(["log", "mailJobs", "topic", "users"].map(str::to_owned)));
}
