//! Every query of the service uses an index, as the database's profiler shows over the whole life of an account.

use std::collections::BTreeSet;

use bson::{Bson, DateTime, Document, doc};
use e2e::{
    accounts::{
        change_password, confirm_reset, delete_account, register_with_key, request_reset, request_verification,
        try_login, update_user, verify_email,
    },
    administrators::create_admin,
    profiler,
};
use mongodb::Database;
use serde_json::json;
use test_support::{Api, DEADLINE, ServiceSpec, Stack, TestUser, Tokens, World, find_all, wait_for, wait_for_count};

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
    ("users", "IXSCAN { invitation.hash: 1 }"),
    ("users", "IXSCAN { pendingEvents.0.at: 1 }"),
    ("users", "IXSCAN { status: 1, _id: -1 }"),
    ("users", "IXSCAN { status: 1, emailKeys.0: 1 }"),
    ("users", "IXSCAN { status: 1, usernameKey: 1 }"),
    ("throttles", "IDHACK"),
    ("throttles", "IXSCAN { _id: 1 }"),
    ("sessions", "IXSCAN { _id: 1 }"),
    ("sessions", "IXSCAN { userId: 1, createdAt: -1, _id: -1 }"),
    ("audit", "IXSCAN { userId: 1, at: -1, _id: -1 }"),
];

#[tokio::test]
async fn every_query_in_the_life_of_an_account_uses_an_index() {
    let world = World::new(&Stack::from_env(), "plans").await;
    let spec = world.user_service().set("RELAY__SWEEP_MIN_AGE", "0s").set("RELAY__SWEEP_INTERVAL", "100ms");
    let mut service = spec.set("LIMITS__ENABLED", "true").start().await;
    let database = world.user_database().await;
    profiler::wait_for_last_index(&database).await;
    let root = create_admin(&world, &service, "root").await;
    profiler::start(&database).await;

    use_every_feature(&world, &service.api(), &root.api).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_examines_only_events_that_it_publishes() {
    const OLD: usize = 400;
    const RECENT: usize = 1_000;
    let world = World::new(&Stack::from_env(), "sweep-cost").await;
    let spec = world.user_service().set("RELAY__SWEEP_MIN_AGE", "10m").set("RELAY__SWEEP_INTERVAL", "100ms");
    let mut service = spec.start().await;
    let database = world.user_database().await;
    profiler::wait_for_last_index(&database).await;
    assert_eq!(service.terminate().await.code(), Some(0));
    let line = |name: String| format!("{}\n", json!({ "username": name, "email": world.address(&name) }));
    let lines: String = (0..OLD + RECENT).map(|n| line(format!("user{n}"))).collect();
    let output = service.spec().command_with_input(&["users", "import", "-"], lines.into()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let users = world.user_collection("users").await;
    let an_hour_ago = DateTime::from_millis(DateTime::now().timestamp_millis() - 3_600_000);
    let old: Vec<String> = (0..OLD).map(|n| format!("user{n}")).collect();
    let older = doc! { "$set": { "pendingEvents.0.at": an_hour_ago } };
    let updated = users.update_many(doc! { "username": { "$in": old } }, older).await.expect("users can be written");
    assert_eq!(updated.modified_count, OLD as u64);

    profiler::start(&database).await;
    service.restart().await;
    wait_for_count(&users, doc! { "pendingEvents.0.at": { "$exists": true } }, RECENT as u64).await;
    let filter = doc! { "appName": "user-service", "planSummary": { "$regex": "pendingEvents" } };
    let rows = find_all(&database.collection::<Document>("system.profile"), filter).await;
    let mut returned_in_all = 0;
    for row in &rows {
        let number = |field: &str| row.get(field).and_then(integer).unwrap_or_default();
        let returned = number("nreturned");
        // Each of the two ranges of the index may end with one more key.
        assert!(number("keysExamined") <= returned + 2, "{row}");
        assert!(number("docsExamined") <= returned, "{row}");
        returned_in_all += returned;
    }
    assert!(returned_in_all >= OLD as i64, "{returned_in_all} of {rows:?}");
}

#[tokio::test]
async fn the_indexes_are_created_as_declared() {
    let world = World::new(&Stack::from_env(), "indexes").await;
    let service = world.user_service().start().await;
    let database = world.user_database().await;
    profiler::wait_for_last_index(&database).await;
    let users: Vec<Document> = indexes(&database, "users").await;
    for name in ["emailKeys", "usernameKey", "usernameKeys", "idempotencyKey"] {
        let index = users
            .iter()
            .find(|index| index.get_str("name").is_ok_and(|found| found == name))
            .expect("the index exists");
        assert!(index.get_bool("unique").is_ok_and(|unique| unique), "{name}");
        let partial = index.get_document("partialFilterExpression").expect("the index is partial");
        assert!(partial.values().all(|filter| *filter == Bson::from(doc! { "$exists": true })), "{partial}");
    }
    let expiry = |indexes: &[Document]| -> Vec<i64> {
        let seconds = |index: &Document| index.get("expireAfterSeconds").and_then(integer);
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

fn integer(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        Bson::Double(number) => Some(*number as i64),
        _ => None,
    }
}

async fn indexes(database: &Database, collection: &str) -> Vec<Document> {
    let answer = database.run_command(doc! { "listIndexes": collection }).await;
    let answer = answer.unwrap_or_default();
    let batch = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
    batch.into_iter().flatten().filter_map(|index| index.as_document().cloned()).collect()
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
async fn use_every_feature(world: &World, api: &Api, admin: &Api) {
    let ada = world.test_user("ada");
    let registration = ada.registration();
    for _ in 0..2 {
        let _ = register_with_key(api, "k", &registration).await.expect(201);
    }
    // An expired key is removed at its next use.
    update_user(world, &ada.email, doc! { "$set": { "idempotency.until": DateTime::from_millis(0) } }).await;
    let _ = register_with_key(api, "k", &registration).await.expect_problem(409, "email-taken");

    let _ = try_login(api, &ada.username, &ada.password).await.expect(200);
    let _ = try_login(api, &ada.email, "not the password").await.expect(401);
    let tokens = api.login(&ada).await;
    let me = api.with_token(&tokens.access);
    let _ = me.get("/api/users/me").await.expect(200);
    let _ = me.get("/api/auth/verify").await.expect(204);
    let _ = me.patch("/api/users/me", &json!({ "displayName": "Ada" })).await.expect(200);
    let _ = me.patch("/api/users/me", &json!({ "username": "ada-renamed" })).await.expect(200);
    let refreshed = api.refresh(&tokens.refresh).await.expect(200);
    request_verification(api, &ada.email).await;
    let unknown = "A".repeat(43);
    let _ = verify_email(api, &unknown).await.expect_problem(400, "token-invalid");
    request_reset(api, &ada.email).await;
    let _ = api.get(&format!("/verify-email?token={unknown}")).await.expect(400);
    let reset = confirm_reset(api, &unknown, "long enough, and not used").await;
    let _ = reset.expect_problem(400, "token-invalid");
    take_released_address(world, api, &ada, &me).await;
    let renewed = change_password(&me, &ada, "renewed").await;
    let other = api.login(&TestUser { username: "ada-renamed".to_owned(), ..renewed.clone() }).await;
    let _ = api.post("/api/auth/logout", &json!({ "refreshToken": other.refresh })).await.expect(204);
    let _ = Tokens::from_response(&refreshed);
    let _ = me.delete("/api/users/me/sessions", None).await.expect(204);
    let ids = format!("?ids={0},{1}", me.get("/api/users/me").await.expect(200).string("id"), bson::Uuid::new());
    let email = format!("?email={}", ada.email);
    for query in
        ["", "?status=disabled", "?query=ad", "?query=ad&status=active", "?query=ada%40", "?username=ada", &ids, &email]
    {
        let _ = admin.get(&format!("/api/admin/users{query}")).await.expect(200);
    }
    delete_account(&me, &renewed).await;
    // The tombstone is removed, and the administrator stays.
    wait_for_count(&world.user_collection("users").await, doc! {}, 1).await;
}

/// Registers a user with an address that was released and has expired, and deletes that user again.
async fn take_released_address(world: &World, api: &Api, holder: &TestUser, me: &Api) {
    let change = json!({ "newEmail": world.address("elsewhere"), "password": holder.password });
    let _ = me.put("/api/users/me/email", &change).await.expect(202);
    let late = world.test_user("late");
    let kept = doc! { "key": &late.email, "until": DateTime::from_millis(0) };
    let left =
        doc! { "$push": { "emailKeys": &late.email }, "$set": { "reserved": [kept] }, "$inc": { "version": 1_i64 } };
    update_user(world, &holder.email, left).await;
    let _ = api.register(&late).await.expect(201);
    let late_client = api.logged_in_as(&late).await;
    delete_account(&late_client, &late).await;
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
    let rows = find_all(&profile, filter).await;
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
