//! Tokens of clients: how they are issued, what is in them, and who gets none.

use e2e::{
    administrators::create_admin,
    clients::{TestClient, expect_oauth_error},
    published_key_set,
    rate_limits::with_limits,
    start::{start_two_replicas, start_user_service},
};
use test_support::{DEADLINE, Stack, World, remember_secret, wait_for};

const TOKEN: &str = "/oauth/token";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

#[tokio::test]
async fn a_client_gets_a_token_with_its_credentials_in_the_header_or_in_the_form() {
    let (world, service, api) = start_user_service("clienttoken").await;
    let admin = create_admin(&world, &service, "admin").await;
    let client = TestClient::create(&admin, &["users:read", "sessions:end"]).await;
    let by_header = client.request_token(&api).await.expect(200);
    let fields = [GRANT, ("client_id", &*client.id), ("client_secret", &*client.secret), ("unknown", "is ignored")];
    let by_form = api.submit(TOKEN, &fields).await.expect(200);
    let keys = api.get("/.well-known/jwks.json").await.expect(200).json();
    for response in [by_header, by_form] {
        let body = response.json();
        assert_eq!((body["token_type"].as_str(), body["expires_in"].as_u64()), (Some("Bearer"), Some(300)));
        assert_eq!(body["scope"], "users:read sessions:end");
        assert_eq!(response.header("cache-control"), "no-store");
        let token = response.string("access_token");
        remember_secret("access token", &token);
        let (_, claims) = published_key_set::verify(&token, &keys).expect("a published key has signed the token");
        assert_eq!(claims["sub"], format!("client:{}", client.id));
        assert_eq!(claims["client_id"], client.id);
        assert_eq!(claims["scope"], body["scope"]);
        assert_eq!(
            (claims["iss"].as_str(), claims["aud"].as_str()),
            (Some("http://localhost:3000"), Some("user-service"))
        );
        assert_eq!(claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat"), 300);
        for member in ["roles", "sid", "epoch", "email"] {
            assert!(claims.get(member).is_none(), "{claims}");
        }
        let _ = api.with_token(&token).get("/api/admin/users").await.expect(200);
    }
}

#[tokio::test]
async fn a_token_has_the_requested_scopes_and_no_other() {
    let (world, service, api) = start_user_service("clientscope").await;
    let admin = create_admin(&world, &service, "admin").await;
    let client = TestClient::create(&admin, &["users:read", "sessions:end"]).await;
    let request = async |scope: &str| client.post(&api, TOKEN, &[GRANT, ("scope", scope)]).await;
    for (scope, granted) in [
        ("users:read", "users:read"),
        ("sessions:end users:read", "users:read sessions:end"),
        // A parameter without a value counts as omitted.
        ("", "users:read sessions:end"),
    ] {
        assert_eq!(request(scope).await.expect(200).string("scope"), granted);
    }
    for scope in
        ["users:write", "users:read users:write", "users:read  sessions:end", "nothing", "users:read,sessions:end"]
    {
        expect_oauth_error(&request(scope).await, 400, "invalid_scope");
    }
    let reader = request("users:read").await.expect(200).string("access_token");
    let path = format!("/api/admin/users/{}/logout", admin.id);
    let refused = api.with_token(&reader).post(&path, &serde_json::json!({})).await;
    let _ = refused.expect_problem(403, "insufficient-scope");
}

#[tokio::test]
async fn failures_are_limited_for_their_network_and_never_for_the_client() {
    let world = World::new(&Stack::from_env(), "clientlimits").await;
    let service = with_limits(&world, &[("REQUESTS_PER_NETWORK", "7")]).start().await;
    let (api, admin) = (service.api(), create_admin(&world, &service, "admin").await);
    let client = TestClient::create(&admin, &["users:read"]).await;
    let wrong = TestClient { secret: client.secret.replace("uscs_", "uscs-"), ..client.clone() };
    let request = async |client: &TestClient, address: &str| {
        api.send(client.form(&api, TOKEN, &[GRANT]).header("x-forwarded-for", address)).await
    };
    for _ in 0..7 {
        expect_oauth_error(&request(&wrong, "198.51.100.1").await, 401, "invalid_client");
    }
    let refused = request(&wrong, "198.51.100.1").await.expect_problem(429, "rate-limited");
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|wait| wait >= 1), "{refused:?}");
    assert!(refused.header("ratelimit-policy").starts_with("\"client\""), "{refused:?}");
    // The client itself gets tokens from the same network, and another network may fail.
    for _ in 0..10 {
        let _ = request(&client, "198.51.100.1").await.expect(200);
    }
    expect_oauth_error(&request(&wrong, "198.51.100.2").await, 401, "invalid_client");
}

#[tokio::test]
async fn a_disabled_client_is_refused_at_once_by_every_replica() {
    let (world, first, second) = start_two_replicas("clientdisabled").await;
    let admin = create_admin(&world, &first, "admin").await;
    let client = TestClient::create(&admin, &["users:read"]).await;
    let token = client.token(&first.api()).await;
    for service in [&first, &second] {
        let _ = service.api().with_token(&token).get("/api/admin/users").await.expect(200);
    }
    let disabled = admin.api.post(&client.path("/disable"), &serde_json::json!({})).await.expect(200);
    assert_eq!(disabled.string("status"), "disabled");
    for service in [&first, &second] {
        let api = service.api();
        let _ = api.with_token(&token).get("/api/admin/users").await.expect_problem(401, "unauthorized");
        expect_oauth_error(&client.request_token(&api).await, 401, "invalid_client");
    }
    let _ = admin.api.post(&client.path("/enable"), &serde_json::json!({})).await.expect(200);
    // Tokens of the two seconds after the revocation of all are refused, too.
    wait_for(DEADLINE, "a token that is accepted", async || {
        let api = client.with_token(&second.api()).await;
        (api.get("/api/admin/users").await.status == 200).then_some(())
    })
    .await;
    let old = first.api().with_token(&token);
    let _ = old.get("/api/admin/users").await.expect_problem(401, "unauthorized");
}

#[tokio::test]
async fn two_secrets_are_valid_during_a_rotation() {
    let (world, service, api) = start_user_service("clientrotation").await;
    let admin = create_admin(&world, &service, "admin").await;
    let first = TestClient::create(&admin, &["users:read"]).await;
    let rotate = async || {
        let response = admin.api.post(&first.path("/rotate-secret"), &serde_json::json!({})).await.expect(200);
        (TestClient::from_response(&response), response.json()["client"]["secrets"].as_array().map(Vec::len))
    };
    let (second, valid) = rotate().await;
    assert_eq!((valid, &second.id), (Some(2), &first.id));
    for client in [&first, &second] {
        let _ = client.request_token(&api).await.expect(200);
    }
    // A third secret drops the first one.
    let (third, valid) = rotate().await;
    assert_eq!(valid, Some(2));
    expect_oauth_error(&first.request_token(&api).await, 401, "invalid_client");
    let _ = second.request_token(&api).await.expect(200);
    for _ in 0..2 {
        let dropped = admin.api.post(&first.path("/drop-old-secret"), &serde_json::json!({})).await.expect(200);
        assert_eq!(dropped.json()["secrets"].as_array().map(Vec::len), Some(1));
    }
    expect_oauth_error(&second.request_token(&api).await, 401, "invalid_client");
    let _ = third.request_token(&api).await.expect(200);
}
