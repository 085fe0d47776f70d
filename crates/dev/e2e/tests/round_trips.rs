//! The calls to MongoDB of a request, its event and its mail, as counted by the database's profiler. A change that
//! adds a call has to change this test.

use bson::{Document, doc};
use e2e::{
    accounts::{log_in_with_agent, register, update_user, wait_until_all_published},
    clients::TestClient,
    profiler,
};
use serde_json::json;
use test_support::{Stack, World, find_all};

/// The collections that background tasks use.
const BACKGROUND: [&str; 3] = ["leases", "keys", "suppressions"];

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
    let _ = api.refresh(&tokens.refresh).await.expect(200);
    seen.push(("refresh", commands_until_published(&world).await));
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
        // The account is read with its undo links, and both events have an entry in the audit log.
        (
            "login from a new device",
            "audit update, audit update, sessions insert, throttles findAndModify, throttles findAndModify, \
             throttles findAndModify, throttles remove, users find, users find, users findAndModify, users update",
        ),
        ("profile", "users find"),
        ("verification for a gateway", "sessions find, users find"),
        (
            "change of the profile",
            "audit update, throttles findAndModify, users find, users findAndModify, users update",
        ),
        ("refresh", "sessions find, sessions findAndModify, users find"),
        ("token of a client", "clients find"),
        ("request of a client", "clients find, users find"),
        ("introspection of a user's token", "clients find, sessions find, users find"),
    ];
    let seen: Vec<_> = seen.iter().map(|(what, commands)| (*what, commands.join(", "))).collect();
    let seen: Vec<_> = seen.iter().map(|(what, commands)| (*what, commands.as_str())).collect();
    assert_eq!(seen, expected);
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
