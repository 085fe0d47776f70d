//! The calls to MongoDB of a request, its event and its mail, as counted by the database's profiler. A change that
//! adds a call has to change this test.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bson::{Document, doc};
use e2e::{
    accounts::{fail_login, log_in_with_agent, register, update_user, wait_until_all_published},
    clients::TestClient,
    profiler,
    rate_limits::{log_in_from, register_from, with_limits},
};
use futures_util::future::join_all;
use mongodb::Database;
use serde_json::json;
use test_support::{IsolatedMongod, Stack, TestUser, Tokens, World, find_all, wait_for_count};

/// The collections that background tasks use.
const BACKGROUND: [&str; 4] = ["leases", "keys", "readiness", "suppressions"];

#[tokio::test]
async fn each_request_makes_only_the_expected_calls_to_mongodb() {
    let world = World::new(&Stack::from_env(), "roundtrips").await;
    let spec = world.user_service().set("LIMITS__ENABLED", "true").set("RELAY__SWEEP_INTERVAL", "10m");
    let service = spec.set("HASHING__MEMORY_KIB", "8").set("HASHING__ITERATIONS", "1").start().await;
    let api = service.api();
    profiler::start(&world.user_database().await).await;

    let mut seen = Vec::new();
    let ada = register(&world, &api, "ada").await;
    seen.push(("registration", commands_until_published(&world).await));
    let tokens = api.login(&ada).await;
    seen.push(("first login", commands_until_published(&world).await));
    let _ = api.login(&ada).await;
    seen.push(("login from a known network", commands_until_published(&world).await));
    log_in_with_agent(&api, &ada, "okhttp/4.12.0").await;
    seen.push(("login from a new device", commands_until_published(&world).await));
    let me = api.with_token(&tokens.access);
    let _ = me.get("/api/users/me").await.expect(200);
    seen.push(("profile", commands_until_published(&world).await));
    let _ = me.get("/api/auth/verify").await.expect(204);
    seen.push(("verification for a gateway", commands_until_published(&world).await));
    let _ = me.patch("/api/users/me", &json!({ "displayName": "Ada" })).await.expect(200);
    seen.push(("change of the profile", commands_until_published(&world).await));
    update_user(&world, &ada.email, doc! { "$set": { "emailVerified": true } }).await;
    let _ = commands_until_published(&world).await;
    let body = json!({ "password": ada.password });
    let _ = me.post("/api/auth/reauthenticate", &body).await.expect(204);
    seen.push(("reauthentication", commands_until_published(&world).await));
    let _ = me.post("/api/users/me/totp", &json!({})).await.expect(200);
    seen.push(("guarded change, by the session", commands_until_published(&world).await));
    let _ = me.post("/api/users/me/totp", &body).await.expect(200);
    seen.push(("guarded change, with the password", commands_until_published(&world).await));
    let _ = api.refresh(&tokens.refresh).await.expect(200);
    seen.push(("refresh", commands_until_published(&world).await));
    let ended = api.login(&ada).await.refresh;
    let _ = api.post("/api/auth/logout", &json!({ "refreshToken": ended })).await.expect(204);
    wait_for_audit_rows(&world, "logged_out").await;
    let _ = commands_until_published(&world).await;
    let _ = api.refresh(&ended).await.expect_problem(401, "unauthorized");
    seen.push(("refresh with a token of an ended session", commands_until_published(&world).await));
    let _ = api.refresh(&forged(&tokens.refresh)).await.expect_problem(401, "unauthorized");
    seen.push(("refresh with a forged token", commands_until_published(&world).await));
    fail_login(&api, &ada).await;
    wait_for_audit_rows(&world, "login_failed").await;
    seen.push(("login with a wrong password", commands_until_published(&world).await));
    update_user(&world, &ada.email, doc! { "$set": { "roles": ["admin"] } }).await;
    let body = json!({ "name": "program", "scopes": ["users:read", "tokens:introspect"] });
    let client = TestClient::from_response(&me.post("/api/admin/clients", &body).await.expect(201));
    let _ = commands_until_published(&world).await;
    let program = client.token(&api).await;
    seen.push(("token of a client", commands_until_published(&world).await));
    let id = me.get("/api/users/me").await.expect(200).string("id");
    let _ = commands_until_published(&world).await;
    let _ = api.with_token(&program).get(&format!("/api/admin/users/{id}")).await.expect(200);
    seen.push(("request of a client", commands_until_published(&world).await));
    let _ = client.introspect(&api, &tokens.access).await;
    seen.push(("introspection of a user's token", commands_until_published(&world).await));
    // The commands are sorted by name; `audit insert` and `users update` belong to the relay.
    let expected = [
        // The limits of the mailbox and of the network's registrations are checked concurrently. The first requests of a
        // network in a window are counted in memory.
        ("registration", "audit insert, throttles findAndModify, throttles findAndModify, users insert, users update"),
        (
            "first login",
            "audit insert, sessions insert, throttles findAndModify, throttles update, users find, users findAndModify, \
             users update",
        ),
        (
            "login from a known network",
            "audit insert, sessions insert, throttles findAndModify, throttles update, users find, users findAndModify, \
             users update",
        ),
        // The account is read with its undo links, and both events have an entry in the audit log.
        (
            "login from a new device",
            "audit insert, sessions insert, throttles findAndModify, throttles update, users find, \
             users find, users findAndModify, users update",
        ),
        ("profile", "users find"),
        ("verification for a gateway", "sessions find, users find"),
        (
            "change of the profile",
            "audit insert, throttles findAndModify, users find, users findAndModify, users update",
        ),
        // The row is read before the password is verified, so that a session that has ended uses up no code.
        ("reauthentication", "sessions find, sessions update, throttles findAndModify, throttles update, users find"),
        ("guarded change, by the session", "sessions find, throttles findAndModify, users find, users findAndModify"),
        // The row of the session is not read.
        (
            "guarded change, with the password",
            "throttles findAndModify, throttles findAndModify, throttles update, users find, users findAndModify",
        ),
        ("refresh", "sessions findAndModify, users find"),
        // The session has ended. The row is not read for a genuine token.
        ("refresh with a token of an ended session", "sessions findAndModify"),
        ("refresh with a forged token", "sessions find"),
        // The audit row is written after the response, if there is room for it and the account exists.
        (
            "login with a wrong password",
            "audit aggregate, audit insert, throttles findAndModify, users find, users find",
        ),
        ("token of a client", "clients find"),
        ("request of a client", "clients find, users find"),
        ("introspection of a user's token", "clients find, sessions find, users find"),
    ];
    let seen: Vec<_> = seen.iter().map(|(what, commands)| (*what, commands.join(", "))).collect();
    let seen: Vec<_> = seen.iter().map(|(what, commands)| (*what, commands.as_str())).collect();
    assert_eq!(seen, expected);
}

const USERS: usize = 40;
/// The number of logins and of refreshes of each user.
const EACH: usize = 8;
const REQUESTS: f64 = (USERS * EACH) as f64;
/// The commands that a login waits for: the read of the account, its charge, the row of the session, and the write of the
/// account.
const CALLS_OF_LOGIN: Calls = Calls { find: 1.0, find_and_modify: 2.0, delete: 0.0, insert: 1.0 };
/// A refresh advances the session and reads the account.
const CALLS_OF_REFRESH: Calls = Calls { find: 1.0, find_and_modify: 1.0, delete: 0.0, insert: 0.0 };
/// The kinds of writes behind the answers: the audit rows of events, the removal of those events, and refunds.
const KINDS_BEHIND_ANSWER: f64 = 3.0;
/// The time that such writes gather.
const GATHER_TIME: Duration = Duration::from_millis(50);
/// The calls of each kind that belong to no request: leases, the probe of the readiness, the removal of expired rows.
const OF_NO_REQUEST: f64 = 10.0;

#[tokio::test(flavor = "multi_thread")]
async fn many_logins_at_once_share_the_writes_behind_their_answers() {
    let stack = Stack::from_env();
    // The counts are those of a whole server. A replica set would add its own commands for retryable writes.
    let mongod = IsolatedMongod::start(&stack, "manycalls").await;
    let world = World::new(&stack, "manycalls").await.on_mongodb(mongod.uri());
    let service = with_limits(&world, &[]).set("RELAY__SWEEP_INTERVAL", "10m").start().await;
    let api = service.api();
    let database = world.user_database().await;
    profiler::wait_for_last_index(&database).await;
    let network = |number: usize| format!("198.51.100.{number}");
    let login = async |(number, user): (usize, &TestUser)| {
        Tokens::from_response(&log_in_from(&api, &network(number), user).await.expect(200))
    };
    let mut users = Vec::new();
    for number in 0..USERS {
        let user = register_from(&world, &api, &network(number), &format!("user{number}")).await;
        // The measured logins are from a known network.
        login((number, &user)).await;
        users.push(user);
    }

    let logins = count_calls(&database, async {
        let log_in = async |(number, user)| {
            for _ in 1..EACH {
                login((number, user)).await;
            }
            login((number, user)).await
        };
        join_all(users.iter().enumerate().map(log_in)).await
    });
    let (sessions, logins) = logins.await;
    let refreshes = count_calls(&database, async {
        let refresh = async |mut session: Tokens| {
            for _ in 0..EACH {
                session = Tokens::from_response(&api.refresh(&session.refresh).await.expect(200));
            }
        };
        join_all(sessions.into_iter().map(refresh)).await
    });
    let (_, refreshes) = refreshes.await;
    println!("{:.2} commands per login: {logins:?}", logins.per_request());
    println!("{:.2} commands per refresh: {refreshes:?}", refreshes.per_request());
    logins.assert_at_most(CALLS_OF_LOGIN, KINDS_BEHIND_ANSWER);
    refreshes.assert_at_most(CALLS_OF_REFRESH, 0.0);
}

/// The commands that one request waits for, by name.
#[derive(Debug, Clone, Copy)]
struct Calls {
    find: f64,
    find_and_modify: f64,
    delete: f64,
    insert: f64,
}

/// The commands of many requests, by name.
#[derive(Debug)]
struct Counted {
    calls: BTreeMap<&'static str, i64>,
    /// The time until the last answer.
    duration: Duration,
}

impl Counted {
    fn per_request(&self) -> f64 {
        self.calls.values().sum::<i64>() as f64 / REQUESTS
    }

    /// Checks the commands that the requests waited for, and that the writes behind the answers, which are `insert` and
    /// `update` commands, were shared by all requests.
    fn assert_at_most(&self, expected: Calls, kinds_behind_answer: f64) {
        let count = |name: &str| self.calls[name] as f64;
        let Calls { find, find_and_modify, delete, insert } = expected;
        for (name, expected) in [("find", find), ("findAndModify", find_and_modify), ("delete", delete)] {
            assert!(count(name) <= expected * REQUESTS + OF_NO_REQUEST, "{name}: {self:?}");
        }
        // One more batch follows the last answer.
        let batches = (self.duration.as_secs_f64() / GATHER_TIME.as_secs_f64()).ceil() + 2.0;
        let behind_answer = count("insert") + count("update") - insert * REQUESTS;
        assert!(
            behind_answer <= kinds_behind_answer * batches + OF_NO_REQUEST,
            "{behind_answer} in {batches}: {self:?}"
        );
    }
}

/// Returns the result of the requests, and the server's commands for them, until no more follow.
async fn count_calls<T>(database: &Database, requests: impl Future<Output = T>) -> (T, Counted) {
    let (before, began) = (settled_counts(database).await, Instant::now());
    let result = requests.await;
    let duration = began.elapsed();
    let mut calls = settled_counts(database).await;
    for (name, count) in &mut calls {
        *count -= before[name];
    }
    (result, Counted { calls, duration })
}

/// Returns the counts when they no longer grow.
async fn settled_counts(database: &Database) -> BTreeMap<&'static str, i64> {
    let mut counts = command_counts(database).await;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = command_counts(database).await;
        let before = std::mem::replace(&mut counts, now);
        // One may be the probe of the readiness.
        if counts.values().sum::<i64>() - before.values().sum::<i64>() <= 1 {
            return counts;
        }
    }
}

/// Returns the number of commands about documents since the start of the server, by name.
async fn command_counts(database: &Database) -> BTreeMap<&'static str, i64> {
    let status = database.run_command(doc! { "serverStatus": 1 }).await.expect("the server has a status");
    let commands = status.get_document("metrics").and_then(|metrics| metrics.get_document("commands"));
    let commands = commands.expect("the status counts commands");
    let total = |name| commands.get_document(name).and_then(|command| command.get_i64("total")).expect("a count");
    let names = ["aggregate", "delete", "find", "findAndModify", "insert", "update"];
    names.into_iter().map(|name| (name, total(name))).collect()
}

async fn wait_for_audit_rows(world: &World, kind: &str) {
    wait_for_count(&world.user_collection("audit").await, doc! { "type": kind }, 1).await;
    // The account is read after its row was written.
    tokio::time::sleep(Duration::from_millis(300)).await;
}

/// Returns the token with another first letter of its authentication code, which is its last 43 letters.
fn forged(token: &str) -> String {
    let at = token.len() - 43;
    let other = if token.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &token[..at], &token[at + 1..])
}

/// Waits until no event is pending, and returns the names of the service's commands since the last call.
async fn commands_until_published(world: &World) -> Vec<String> {
    wait_until_all_published(world).await;
    let database = world.user_database().await;
    profiler::set_level(&database, 0).await;
    let profile = database.collection::<Document>("system.profile");
    let rows = find_all(&profile, doc! { "appName": "user-service" }).await;
    profile.drop().await.expect("the profile can be dropped");
    profiler::set_level(&database, 2).await;
    let mut commands: Vec<_> = rows.iter().filter_map(command).collect();
    commands.sort();
    commands
}

/// Returns a command as `users find`, or `None` if it belongs to a background task.
fn command(row: &Document) -> Option<String> {
    let collection = row.get_str("ns").ok()?.split_once('.')?.1;
    let name = match row.get_str("op").ok()? {
        "query" => "find",
        "command" => row.get_document("command").ok()?.keys().next()?,
        other => other,
    };
    (!BACKGROUND.contains(&collection)).then(|| format!("{collection} {name}"))
}
