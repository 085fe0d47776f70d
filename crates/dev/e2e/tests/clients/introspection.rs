//! Introspection (RFC 7662): what is active now.

use e2e::{
    accounts::{register_and_log_in, register_with_id},
    administrators::{Admin, create_admin},
    clients::{TestClient, expect_oauth_error},
    start::start_user_service,
};
use serde_json::json;

const INTROSPECT: &str = "/oauth/introspect";

#[tokio::test]
async fn a_token_of_a_user_is_active_until_its_session_ends_or_its_account_is_disabled() {
    let (world, service, api) = start_user_service("introspect").await;
    let admin = create_admin(&world, &service, "admin").await;
    let client = TestClient::create(&admin, &["tokens:introspect"]).await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    assert_eq!(admin.set_roles(&id, &["writer"]).await, 200);
    let (first, second) = (api.login(&ada).await, api.login(&ada).await);

    let found = client.introspect(&api, &first.access).await;
    assert_eq!((&found["active"], &found["sub"], &found["token_type"]), (&json!(true), &json!(id), &json!("Bearer")));
    assert_eq!((&found["username"], &found["roles"]), (&json!(ada.username), &json!(["writer"])));
    assert_eq!((&found["iss"], &found["aud"]), (&json!("http://localhost:3000"), &json!("user-service")));
    assert_eq!(found["exp"].as_i64().expect("exp") - found["iat"].as_i64().expect("iat"), 900);
    assert!(found["sid"].is_string() && found["jti"].is_string() && found.get("scope").is_none(), "{found}");
    // The roles are those that the account has now.
    assert_eq!(admin.set_roles(&id, &[]).await, 200);
    assert_eq!(client.introspect(&api, &first.access).await["roles"], json!([]));

    let _ = api.post("/api/auth/logout", &json!({ "refreshToken": first.refresh })).await.expect(204);
    assert_eq!(client.introspect(&api, &first.access).await, json!({ "active": false }));
    assert_eq!(client.introspect(&api, &second.access).await["active"], true);
    let _ = admin.api.post(&Admin::user_path(&id, "/disable"), &json!({})).await.expect(204);
    assert_eq!(client.introspect(&api, &second.access).await, json!({ "active": false }));
}

#[tokio::test]
async fn what_is_not_an_access_token_of_this_service_is_not_active() {
    let (world, service, api) = start_user_service("introspectnone").await;
    let admin = create_admin(&world, &service, "admin").await;
    let client = TestClient::create(&admin, &["tokens:introspect"]).await;
    let token = admin.tokens.access.as_str();
    let changed = format!("{}A{}", &token[..token.len() - 2], &token[token.len() - 1..]);
    for other in ["x", "..", &admin.tokens.refresh, &client.secret, &changed, &"A".repeat(20_000)] {
        assert_eq!(client.introspect(&api, other).await, json!({ "active": false }), "{other}");
    }
    let missing = client.post(&api, INTROSPECT, &[("token_type_hint", "access_token")]).await;
    expect_oauth_error(&missing, 400, "invalid_request");
}

#[tokio::test]
async fn a_token_of_a_client_is_active_until_the_client_is_disabled() {
    let (world, service, api) = start_user_service("introspectclient").await;
    let admin = create_admin(&world, &service, "admin").await;
    let client = TestClient::create(&admin, &["tokens:introspect"]).await;
    let other = TestClient::create(&admin, &["users:read", "users:write"]).await;
    let token = other.token(&api).await;
    let found = client.introspect(&api, &token).await;
    assert_eq!((&found["active"], &found["sub"]), (&json!(true), &json!(format!("client:{}", other.id))));
    assert_eq!((&found["client_id"], &found["scope"]), (&json!(other.id), &json!("users:read users:write")));
    for member in ["username", "roles", "sid"] {
        assert!(found.get(member).is_none(), "{found}");
    }
    let _ = admin.api.post(&other.path("/disable"), &json!({})).await.expect(200);
    assert_eq!(client.introspect(&api, &token).await, json!({ "active": false }));
}

#[tokio::test]
async fn only_a_client_with_the_scope_introspects() {
    let (world, service, api) = start_user_service("introspectscope").await;
    let admin = create_admin(&world, &service, "admin").await;
    let (_, me) = register_and_log_in(&world, &api, "ada").await;
    let client = TestClient::create(&admin, &["users:read"]).await;
    let fields = [("token", admin.tokens.access.as_str())];
    expect_oauth_error(&client.post(&api, INTROSPECT, &fields).await, 400, "unauthorized_client");
    // Neither an access token nor nothing authenticates a client.
    for caller in [&me, &admin.api, &api] {
        expect_oauth_error(&caller.submit(INTROSPECT, &fields).await, 401, "invalid_client");
    }
}
