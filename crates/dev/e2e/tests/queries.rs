//! Every query of the service uses an index, as the database's profiler shows over the whole life of an account.

use std::collections::BTreeSet;

use bson::{Bson, DateTime, Document, doc};
use e2e::{accounts::with_new_password, administrators::create_admin};
use futures_util::TryStreamExt as _;
use mongodb::{Collection, Database};
use reqwest::Method;
use serde_json::json;
use test_support::{Api, DEADLINE, ServiceSpec, Stack, TestUser, Tokens, World, wait_for};

/// The expected plans: collection and the profiler's summary.
const EXPECTED: &[(&str, &str)] = &[
    ("users", "IXSCAN { _id: 1 }"),
    ("users", "IXSCAN { emailKeys: 1 }"),
    ("users", "IXSCAN { usernameKey: 1 }"),
    ("users", "IXSCAN { reservedUsernames.until: 1 }"),
    ("users", "IXSCAN { idempotency.key: 1 }"),
    ("users", "IXSCAN { idempotency.until: 1 }"),
    ("users", "IXSCAN { reserved.until: 1 }"),
    ("users", "IXSCAN { tokens.hash: 1 }"),
    ("users", "IXSCAN { undoTokens.hash: 1 }"),
    ("users", "IXSCAN { usedTokens.hash: 1 }"),
    ("users", "IXSCAN { pendingEvents.0.at: 1 }"),
    ("users", "IXSCAN { status: 1, _id: -1 }"),
    ("users", "IXSCAN { status: 1, emailKeys.0: 1 }"),
    ("users", "IXSCAN { status: 1, usernameKey: 1 }"),
    ("throttles", "IDHACK"),
    ("throttles", "IXSCAN { _id: 1 }"),
    ("sessions", "IXSCAN { userId: 1, createdAt: -1, _id: -1 }"),
    ("audit", "IXSCAN { userId: 1, at: -1, _id: -1 }"),
];

#[tokio::test]
async fn every_query_in_the_life_of_an_account_uses_an_index() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "plans").await;
    let spec = world.user_service().set("RELAY__SWEEP_MIN_AGE", "0s").set("RELAY__SWEEP_INTERVAL", "100ms");
    let mut service = spec.set("LIMITS__ENABLED", "true").start().await;
    let database = world.user_database().await;
    wait_for_all_indexes(&database).await;
    let root = create_admin(&world, &service, "root").await;
    enable_profiler(&database).await;

    use_every_feature(&world, &service.api(), &root.api, &database).await;
    import_and_export(&world, service.spec()).await;
    // Housekeeping runs soon after a start.
    assert_eq!(service.terminate().await.code(), Some(0));
    service.restart().await;
    let seen = wait_for(DEADLINE, "every kind of query", async || {
        let seen = plans(&database).await;
        let missing = EXPECTED.iter().any(|(collection, plan)| !seen.iter().any(|it| it.is(collection, plan)));
        (!missing).then_some(seen)
    })
    .await;
    let scans: Vec<&Plan> = seen.iter().filter(|plan| plan.summary.contains("COLLSCAN")).collect();
    assert!(scans.is_empty(), "{scans:#?}");
    // A query without a plan would not have been checked.
    assert!(seen.iter().any(|plan| plan.collection == "users" && plan.summary.starts_with("IDHACK")), "{seen:#?}");
}

#[tokio::test]
async fn the_indexes_are_created_as_declared() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "indexes").await;
    let service = world.user_service().start().await;
    let database = world.user_database().await;
    wait_for_all_indexes(&database).await;
    let users: Vec<Document> = indexes(&database, "users").await;
    for name in ["emailKeys", "usernameKey", "usernameKeys", "idempotencyKey"] {
        let index = users.iter().find(|index| is_named(index, name)).expect("the index exists");
        assert!(index.get_bool("unique").is_ok_and(|unique| unique), "{name}");
        let partial = index.get_document("partialFilterExpression").expect("the index is partial");
        assert!(partial.values().all(|filter| *filter == Bson::from(doc! { "$exists": true })), "{partial}");
    }
    let expiry = |indexes: &[Document]| -> Vec<i64> {
        let seconds = |index: &Document| index.get("expireAfterSeconds").and_then(seconds_of);
        indexes.iter().filter_map(seconds).collect()
    };
    assert!(expiry(&users).is_empty(), "a user never expires");
    assert_eq!(expiry(&indexes(&database, "sessions").await), [0]);
    assert_eq!(expiry(&indexes(&database, "audit").await), [365 * 24 * 60 * 60]);

    // Another retention changes the existing index.
    let mut service = service;
    assert_eq!(service.terminate().await.code(), Some(0));
    service.restart_with(|spec| spec.set("AUDIT__RETENTION", "30d")).await;
    wait_for(DEADLINE, "the new retention", async || {
        (expiry(&indexes(&database, "audit").await) == [30 * 24 * 60 * 60]).then_some(())
    })
    .await;
}

fn seconds_of(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(seconds) => Some(i64::from(*seconds)),
        Bson::Int64(seconds) => Some(*seconds),
        Bson::Double(seconds) => Some(*seconds as i64),
        _ => None,
    }
}

async fn indexes(database: &Database, collection: &str) -> Vec<Document> {
    let answer = database.run_command(doc! { "listIndexes": collection }).await;
    let answer = answer.unwrap_or_default();
    let batch = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    batch.into_iter().flatten().filter_map(|index| index.as_document().cloned()).collect()
}

fn is_named(index: &Document, name: &str) -> bool {
    index.get_str("name").is_ok_and(|found| found == name)
}

/// Waits for the indexes that only improve speed, which are built while the service already runs.
async fn wait_for_all_indexes(database: &Database) {
    wait_for(DEADLINE, "the last index", async || {
        let audit = indexes(database, "audit").await;
        audit.iter().any(|index| is_named(index, "retention")).then_some(())
    })
    .await;
}

async fn enable_profiler(database: &Database) {
    let profile_collection = doc! { "create": "system.profile", "capped": true, "size": 64 * 1024 * 1024 };
    database.run_command(profile_collection).await.expect("a capped collection can be created");
    database.run_command(doc! { "profile": 2 }).await.expect("the profiler can be switched on");
}

/// Imports and exports all users, with a line whose address is taken.
async fn import_and_export(world: &World, service: &ServiceSpec) {
    let line = |name: &str| json!({ "username": name, "email": world.address("twice") });
    let lines = format!("{}\n{}\n", line("twice"), line("thrice"));
    for (arguments, code) in [(&["import", "-", "--dry-run"][..], 1), (&["import", "-"][..], 1), (&["export"][..], 0)] {
        let arguments: Vec<&str> = ["users"].into_iter().chain(arguments.iter().copied()).collect();
        let output = service.command_with_input(&arguments, lines.clone().into()).await;
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}

/// Uses every feature of an account.
async fn use_every_feature(world: &World, api: &Api, admin: &Api, database: &Database) {
    let ada = world.test_user("ada");
    let register =
        || api.send(api.request(Method::POST, "/api/users").header("idempotency-key", "k").json(&ada.registration()));
    let _ = register().await.expect(201);
    let _ = register().await.expect(201);
    let users = database.collection::<Document>("users");
    // An expired key is removed at its next use.
    let past = doc! { "$set": { "idempotency.until": DateTime::from_millis(0) } };
    let _ = users.update_one(doc! { "email": &ada.email }, past).await.expect("the user can be changed");
    let _ = register().await.expect_problem(409, "email-taken");

    let by_name = json!({ "identifier": ada.username, "password": ada.password });
    let _ = api.post("/api/auth/login", &by_name).await.expect(200);
    let wrong = json!({ "identifier": ada.email, "password": "not the password" });
    let _ = api.post("/api/auth/login", &wrong).await.expect(401);
    let tokens = api.login(&ada).await;
    let me = api.with_token(&tokens.access);
    let _ = me.get("/api/users/me").await.expect(200);
    let _ = me.patch("/api/users/me", &json!({ "displayName": "Ada" })).await.expect(200);
    let _ = me.patch("/api/users/me", &json!({ "username": "ada-renamed" })).await.expect(200);
    let refreshed = api.post("/api/auth/refresh", &json!({ "refreshToken": tokens.refresh })).await.expect(200);
    let _ = api.post("/api/auth/email-verification/resend", &json!({ "email": ada.email })).await.expect(202);
    let token = json!({ "token": "A".repeat(43) });
    let _ = api.post("/api/auth/email-verification", &token).await.expect_problem(400, "token-invalid");
    let _ = api.post("/api/auth/password-reset", &json!({ "email": ada.email })).await.expect(202);
    let _ = api.get(&format!("/verify-email?token={}", "A".repeat(43))).await.expect(400);
    let reset = json!({ "token": "A".repeat(43), "newPassword": "long enough, and not used" });
    let _ = api.post("/api/auth/password-reset/confirm", &reset).await.expect_problem(400, "token-invalid");
    take_released_address(world, api, &ada, &me, &users).await;
    let renewed = with_new_password(&ada, "renewed");
    let change = json!({ "currentPassword": ada.password, "newPassword": renewed.password });
    let _ = me.put("/api/users/me/password", &change).await.expect(204);
    let other = api.login(&TestUser { username: "ada-renamed".to_owned(), ..renewed.clone() }).await;
    let _ = api.post("/api/auth/logout", &json!({ "refreshToken": other.refresh })).await.expect(204);
    let _ = Tokens::from_response(&refreshed);
    let _ = me.delete("/api/users/me/sessions", None).await.expect(204);
    for query in ["", "?status=disabled", "?query=ad", "?query=ad&status=active", "?query=ada%40"] {
        let _ = admin.get(&format!("/api/admin/users{query}")).await.expect(200);
    }
    let _ = me.delete("/api/users/me", Some(&json!({ "password": renewed.password }))).await.expect(204);
    wait_for(DEADLINE, "the tombstone to be removed", async || {
        // The administrator stays.
        (users.count_documents(doc! {}).await.expect("users can be counted") == 1).then_some(())
    })
    .await;
}

/// Registers a user with an address that was released and has expired, and deletes that user again.
async fn take_released_address(world: &World, api: &Api, holder: &TestUser, me: &Api, users: &Collection<Document>) {
    let change = json!({ "newEmail": world.address("elsewhere"), "password": holder.password });
    let _ = me.put("/api/users/me/email", &change).await.expect(202);
    let late = world.test_user("late");
    let kept = doc! { "key": &late.email, "until": DateTime::from_millis(0) };
    let left =
        doc! { "$push": { "emailKeys": &late.email }, "$set": { "reserved": [kept] }, "$inc": { "version": 1_i64 } };
    let _ = users.update_one(doc! { "email": &holder.email }, left).await.expect("the user can be changed");
    let _ = api.register(&late).await.expect(201);
    let late_client = api.with_token(&api.login(&late).await.access);
    let _ = late_client.delete("/api/users/me", Some(&json!({ "password": late.password }))).await.expect(204);
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Plan {
    collection: String,
    summary: String,
    operation: String,
}

impl Plan {
    fn is(&self, collection: &str, summary: &str) -> bool {
        self.collection == collection && self.summary.starts_with(summary)
    }
}

/// Returns the plans of the service's queries so far, without the queries of this test.
async fn plans(database: &Database) -> BTreeSet<Plan> {
    let profile = database.collection::<Document>("system.profile");
    let filter = doc! { "appName": "user-service", "planSummary": { "$exists": true } };
    let rows: Vec<Document> = profile
        .find(filter)
        .await
        .expect("the profile can be read")
        .try_collect()
        .await
        .expect("the collection can be read");
    rows.iter()
        .map(|row| {
            let text = |field: &str| row.get_str(field).unwrap_or_default().to_owned();
            let collection = text("ns").split_once('.').map(|(_, name)| name.to_owned()).unwrap_or_default();
            Plan { collection, summary: text("planSummary"), operation: command_shape(row) }
        })
        .collect()
}

/// Returns the command without values: the names in its filter.
fn command_shape(row: &Document) -> String {
    let names = |document: &Document| document.keys().cloned().collect::<Vec<_>>().join(", ");
    let command = row.get_document("command").cloned().unwrap_or_default();
    let filter = ["filter", "query", "q"].into_iter().find_map(|field| command.get_document(field).ok());
    format!("{} {{{}}}", row.get_str("op").unwrap_or_default(), filter.map(names).unwrap_or_default())
}
