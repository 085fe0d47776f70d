//! The calls to MongoDB of a request, its event and its mail, as counted by the database's profiler. A change that
//! adds a call has to change this test.

use bson::{Document, doc};
use futures_util::TryStreamExt as _;
use mongodb::Database;
use serde_json::json;
use test_support::{DEADLINE, Stack, World, wait_for};

/// The collections that background tasks use.
const BACKGROUND: [&str; 3] = ["leases", "keys", "suppressions"];

#[tokio::test]
async fn each_request_makes_only_the_expected_calls_to_mongodb() {
    let world = World::new(&Stack::from_env(), "roundtrips").await;
    let spec = world.user_service().set("LIMITS__ENABLED", "true").set("RELAY__SWEEP_INTERVAL", "10m");
    let service = spec.set("HASHING__MEMORY_KIB", "8").set("HASHING__ITERATIONS", "1").start().await;
    let (api, database) = (service.api(), world.user_database().await);
    let counter = CommandCounter::start(database, "user-service", ("audit", "retention")).await;

    let mut seen = Vec::new();
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    seen.push(("registration", counter.commands_until_published().await));
    let tokens = api.login(&ada).await;
    seen.push(("first login", counter.commands_until_published().await));
    let _ = api.login(&ada).await;
    seen.push(("login from a known network", counter.commands_until_published().await));
    let me = api.with_token(&tokens.access);
    let _ = me.get("/api/users/me").await.expect(200);
    seen.push(("profile", counter.commands_until_published().await));
    let _ = me.patch("/api/users/me", &json!({ "displayName": "Ada" })).await.expect(200);
    seen.push(("change of the profile", counter.commands_until_published().await));
    let _ = api.post("/api/auth/refresh", &json!({ "refreshToken": tokens.refresh })).await.expect(200);
    seen.push(("refresh", counter.commands_until_published().await));
    // The commands are sorted by name; `audit update` and `users update` belong to the relay.
    let expected = [
        // The limits of the network, the mailbox and the network's registrations are checked concurrently.
        (
            "registration",
            "audit update, throttles findAndModify, throttles findAndModify, throttles findAndModify, users insert, \
             users update",
        ),
        (
            "first login",
            "audit update, sessions insert, throttles findAndModify, throttles findAndModify, throttles findAndModify, \
             throttles remove, throttles update, users find, users findAndModify, users update",
        ),
        (
            "login from a known network",
            "audit update, sessions insert, throttles findAndModify, throttles findAndModify, throttles findAndModify, \
             throttles remove, users find, users findAndModify, users update",
        ),
        ("profile", "users find"),
        (
            "change of the profile",
            "audit update, throttles findAndModify, users find, users findAndModify, users update",
        ),
        ("refresh", "sessions find, sessions findAndModify, users find"),
    ];
    let seen: Vec<_> = seen.iter().map(|(what, commands)| (*what, commands.join(", "))).collect();
    let seen: Vec<_> = seen.iter().map(|(what, commands)| (*what, commands.as_str())).collect();
    assert_eq!(seen, expected);
}

/// Counts the commands that one service sends to its database.
struct CommandCounter {
    database: Database,
    service: &'static str,
}

impl CommandCounter {
    /// Waits for the index that is built last, so that nothing of the start is counted, and starts counting.
    async fn start(database: Database, service: &'static str, (collection, index): (&str, &str)) -> Self {
        wait_for(DEADLINE, "the last index", async || {
            let names = database.collection::<Document>(collection).list_index_names().await.unwrap_or_default();
            names.iter().any(|name| name == index).then_some(())
        })
        .await;
        let profile_collection = doc! { "create": "system.profile", "capped": true, "size": 16 * 1024 * 1024 };
        database.run_command(profile_collection).await.expect("a capped collection can be created");
        database.run_command(doc! { "profile": 2 }).await.expect("the profiler can be switched on");
        Self { database, service }
    }

    /// Waits until no event is pending, and returns the names of the commands since the last call.
    async fn commands_until_published(&self) -> Vec<String> {
        let users = self.database.collection::<Document>("users");
        wait_for(DEADLINE, "all events to be published", async || {
            let waiting = users.find_one(doc! { "pendingEvents.0": { "$exists": true } }).await;
            waiting.expect("users can be read").is_none().then_some(())
        })
        .await;
        self.database.run_command(doc! { "profile": 0 }).await.expect("the profiler can be switched off");
        let profile = self.database.collection::<Document>("system.profile");
        let rows = profile.find(doc! { "appName": self.service }).sort(doc! { "$natural": 1 });
        let rows: Vec<Document> =
            rows.await.expect("the profile can be read").try_collect().await.expect("the profile can be read");
        profile.drop().await.expect("the profile can be dropped");
        self.database.run_command(doc! { "profile": 2 }).await.expect("the profiler can be switched on");
        let mut commands: Vec<_> = rows.iter().filter_map(command).collect();
        commands.sort();
        commands
    }
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
