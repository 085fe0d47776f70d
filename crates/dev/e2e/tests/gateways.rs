//! `GET /api/auth/verify`, and the gateways that ask it.

use std::collections::BTreeMap;

use bson::doc;
use e2e::{
    accounts::{change_password, register, register_verified, register_with_id, with_cheap_hashes},
    administrators::{Admin, create_admin},
    gateways::{Gateway, GatewayProgram, ReceivedHeaders, Upstream},
    start::{start_user_service, start_user_service_with, start_with_limits},
};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use test_support::{
    Api, ApiResponse, DEADLINE, ProxyMode, Stack, TestUser, Tokens, World, find_all, report_skipped, wait_for,
};

const VERIFY: &str = "/api/auth/verify";

/// Names of headers that an upstream may read as one of `X-User-*`, as CGI and WSGI do with underscores.
const FORGED: [&str; 12] = [
    "X-User-Id",
    "x-user-id",
    "X_User_Id",
    "X-User_Id",
    "X_USER-ID",
    "X-User-Roles",
    "X_User_Roles",
    "X-User-Email",
    "x_user_email",
    "X-User-Email-Verified",
    "X_User_Email_Verified",
    "X-User-Email_Verified",
];

/// Returns the identity that a response to [`VERIFY`] states: id, roles, email address, and whether it is verified.
fn identity(answer: &ApiResponse) -> [String; 4] {
    ["x-user-id", "x-user-roles", "x-user-email", "x-user-email-verified"].map(|name| {
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name}: {:?}", answer.headers);
        answer.header(name)
    })
}

#[tokio::test]
async fn a_valid_token_is_204_with_the_identity_of_its_user() {
    let (world, service, api) = start_user_service("verify").await;
    let root = create_admin(&world, &service, "root").await;
    let ada = TestUser { email: world.address("zoë+a&b"), ..world.test_user("ada") };
    let id = api.register(&ada).await.expect(201).string("id");
    let me = api.logged_in_as(&ada).await;
    let address = format!("zo%C3%AB%2Ba%26b-{}%40example.org", world.tag());

    let answer = me.get(VERIFY).await.expect(204);
    assert_eq!(identity(&answer), [&*id, "", &*address, "false"]);
    assert_eq!((answer.text.as_str(), answer.header("cache-control").as_str()), ("", "no-store"));
    let head = me.send(me.request(Method::HEAD, VERIFY)).await.expect(204);
    assert_eq!((identity(&head), head.header("cache-control").as_str()), (identity(&answer), "no-store"));

    // The headers state the account as it is now, not as it was when the token was issued.
    assert_eq!(root.set_roles(&id, &["support", "editor"]).await, 200);
    let roles = identity(&me.get(VERIFY).await.expect(204))[1].clone();
    assert!(roles == "editor,support" || roles == "support,editor", "{roles}");
    let (_, verified) = register_verified(&world, &api, "eve").await;
    assert_eq!(identity(&verified.get(VERIFY).await.expect(204))[3], "true");

    let refused = api.get(VERIFY).await.expect_problem(401, "unauthorized");
    assert!(refused.header("www-authenticate").starts_with("Bearer"), "{:?}", refused.headers);
    assert_eq!((refused.header("cache-control").as_str(), refused.header("x-user-id").as_str()), ("no-store", ""));
    let refused = api.send(api.request(Method::HEAD, VERIFY)).await.expect(401);
    assert!(refused.header("www-authenticate").starts_with("Bearer"), "{:?}", refused.headers);
    let _ = me.post(VERIFY, &json!({})).await.expect_problem(405, "method-not-allowed");
}

#[tokio::test]
async fn every_end_of_a_session_is_seen_at_once() {
    let (world, service, api) = start_user_service("verifyend").await;
    let root = create_admin(&world, &service, "root").await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let verified = async |tokens: &Tokens| api.with_token(&tokens.access).get(VERIFY).await.status;
    let keep = api.login(&ada).await;
    let me = api.with_token(&keep.access);

    // The other endpoints accept the access tokens of the first two until they expire.
    let other = api.login(&ada).await;
    let session = newest_session(&me).await;
    let _ = me.delete(&format!("/api/users/me/sessions/{session}"), None).await.expect(204);
    assert_eq!((verified(&other).await, verified(&keep).await), (401, 204));
    let other = api.login(&ada).await;
    let _ = api.post("/api/auth/logout", &json!({ "refreshToken": other.refresh })).await.expect(204);
    assert_eq!((verified(&other).await, verified(&keep).await), (401, 204));

    let other = api.login(&ada).await;
    let ada = change_password(&me, &ada, "changed").await;
    assert_eq!((verified(&other).await, verified(&keep).await), (401, 204));
    let _ = me.delete("/api/users/me/sessions", None).await.expect(204);
    assert_eq!(verified(&keep).await, 204);
    let _ = root.api.post(&Admin::user_path(&id, "/logout"), &json!({})).await.expect(204);
    assert_eq!(verified(&keep).await, 401);
    let tokens = api.login(&ada).await;
    let _ = root.api.post(&Admin::user_path(&id, "/disable"), &json!({})).await.expect(204);
    assert_eq!(verified(&tokens).await, 401);
    let _ = root.api.post(&Admin::user_path(&id, "/enable"), &json!({})).await.expect(204);
    assert_eq!(verified(&tokens).await, 401);
    let tokens = api.login(&ada).await;
    let _ = root.api.delete(&Admin::user_path(&id, ""), None).await.expect(204);
    assert_eq!(verified(&tokens).await, 401);
}

#[tokio::test]
async fn a_session_that_was_not_used_for_too_long_has_ended() {
    let settings = [("AUTH__SESSION_IDLE", "3s"), ("AUTH__REFRESH_GRACE", "0s")];
    let (world, _service, api) = start_user_service_with("verifyidle", &settings).await;
    let ada = register(&world, &api, "ada").await;
    let me = api.logged_in_as(&ada).await;
    let _ = me.get(VERIFY).await.expect(204);
    wait_for(DEADLINE, "the end of the session", async || (me.get(VERIFY).await.status == 401).then_some(())).await;
    // The access token itself has not expired.
    let _ = me.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn a_reused_refresh_token_ends_the_session_for_gateways_too() {
    let settings = [("AUTH__REFRESH_GRACE", "0s"), ("AUTH__REFRESH_RETRY", "0s")];
    let (world, _service, api) = start_user_service_with("verifyreuse", &settings).await;
    let ada = register(&world, &api, "ada").await;
    let stolen = api.login(&ada).await;
    let refreshed = Tokens::from_response(&api.refresh(&stolen.refresh).await.expect(200));
    let me = api.with_token(&refreshed.access);
    let _ = me.get(VERIFY).await.expect(204);
    let _ = api.refresh(&stolen.refresh).await.expect(401);
    let _ = me.get(VERIFY).await.expect_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_gateway_that_sends_all_requests_from_one_address_is_never_rate_limited() {
    let (world, _service, api) = start_with_limits("verifylimit", &[("REQUESTS_PER_NETWORK", "3")]).await;
    let ada = register(&world, &api, "ada").await;
    let me = api.logged_in_as(&ada).await;
    let counters = async || find_all(&world.user_collection("throttles").await, doc! {}).await;
    let before = counters().await;
    for _ in 0..30 {
        let _ = me.get(VERIFY).await.expect(204);
        let _ = api.with_token("forged").get(VERIFY).await.expect(401);
    }
    assert_eq!(counters().await, before);
    // The quota is low enough: other requests use it up.
    let reset = async || api.post("/api/auth/password-reset", &json!({ "email": ada.email })).await.status;
    assert_eq!([reset().await, reset().await, reset().await].last(), Some(&429));
    let _ = me.get(VERIFY).await.expect(204);
}

#[tokio::test]
async fn nginx_passes_only_identities_that_the_user_service_states() {
    assert_gateway_protects(GatewayProgram::Nginx, "nginx").await;
}

#[tokio::test]
async fn caddy_passes_only_identities_that_the_user_service_states() {
    assert_gateway_protects(GatewayProgram::Caddy, "caddy").await;
}

/// Sends genuine and forged identities through a gateway, and ends sessions behind it.
async fn assert_gateway_protects(program: GatewayProgram, name: &str) {
    let (proxy, uri) = Stack::from_env().mongodb_proxy().await;
    let world = World::new(&Stack::from_env(), name).await;
    let mut service = with_cheap_hashes(world.clone().on_mongodb(uri).user_service()).start().await;
    let upstream = Upstream::start();
    let log = world.logs().join(format!("{name}.log"));
    let Some(gateway) = Gateway::start(program, &service, &upstream, &log).await else {
        return report_skipped(name, "it is not installed; scripts/gateways fetches it");
    };
    let (api, outside) = (service.api(), gateway.api());
    let root = create_admin(&world, &service, "root").await;
    let ada = TestUser { email: world.address("zoë+a&b"), ..world.test_user("ada") };
    let id = api.register(&ada).await.expect(201).string("id");
    assert_eq!(root.set_roles(&id, &["editor", "support"]).await, 200);
    let tokens = api.login(&ada).await;
    let inside = outside.with_token(&tokens.access);
    let address = format!("zo%C3%AB%2Ba%26b-{}%40example.org", world.tag());
    let expected = [("id", &*id), ("roles", "editor,support"), ("email", &*address), ("email-verified", "false")];

    // Without forged headers, and with each of them, alone and all together.
    let mut forgeries: Vec<Vec<&str>> = vec![vec![], FORGED.to_vec()];
    forgeries.extend(FORGED.iter().map(|name| vec![*name]));
    for forged in &forgeries {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let mut request = forge(inside.request(method.clone(), "/me"), forged);
            if method == Method::POST {
                request = request.json(&json!({ "text": "for the upstream" }));
            }
            let answer = inside.send(request).await.expect(200);
            if method != Method::HEAD {
                assert_eq!(answer.json(), json!({ "sub": id, "roles": ["editor", "support"] }), "{forged:?}");
            }
            assert_eq!(
                received_identity(&upstream),
                expected.map(|(name, value)| (name.to_owned(), value.to_owned())),
                "{forged:?}"
            );
        }
        for client in
            [outside.clone(), outside.with_token("forged"), outside.with_token(&format!("{}x", tokens.access))]
        {
            let refused = client.send(forge(client.request(Method::GET, "/me"), forged)).await.expect(401);
            assert!(refused.header("www-authenticate").starts_with("Bearer"), "{:?}", refused.headers);
        }
    }
    // A client can declare headers as those of one connection, so that a proxy removes them: the upstream gets the whole
    // identity, or no request.
    for dropped in ["close, X-User-Id, X_User_Id", "X-User-Roles", "close, x-user-email-verified"] {
        let request = forge(inside.request(Method::GET, "/me"), &FORGED).header("connection", dropped);
        if inside.send(request).await.status == 200 {
            assert_eq!(received_identity(&upstream)[0].1, id, "{dropped}");
        }
        assert_eq!(upstream.take_received(), Vec::<ReceivedHeaders>::new(), "{dropped}");
    }
    // A request for a WebSocket is verified like any other.
    let upgrade = inside.request(Method::GET, "/me").header("connection", "upgrade").header("upgrade", "websocket");
    let _ = inside.send(upgrade).await.expect(200);
    assert_eq!(received_identity(&upstream)[0].1, id);
    // An account without roles.
    assert_eq!(root.set_roles(&id, &[]).await, 200);
    let answer = inside.send(forge(inside.request(Method::GET, "/me"), &FORGED)).await.expect(200);
    assert_eq!(answer.json(), json!({ "sub": id, "roles": [] }));
    let _ = upstream.take_received();

    // Each end of a session is seen by the next request.
    let status = async |tokens: &Tokens| outside.with_token(&tokens.access).get("/me").await.status;
    let other = api.login(&ada).await;
    assert_eq!(status(&other).await, 200);
    let me = api.with_token(&tokens.access);
    let session = newest_session(&me).await;
    let _ = me.delete(&format!("/api/users/me/sessions/{session}"), None).await.expect(204);
    assert_eq!((status(&other).await, status(&tokens).await), (401, 200));
    let other = api.login(&ada).await;
    assert_eq!(status(&other).await, 200);
    let _ = api.post("/api/auth/logout", &json!({ "refreshToken": other.refresh })).await.expect(204);
    assert_eq!((status(&other).await, status(&tokens).await), (401, 200));
    let _ = root.api.post(&Admin::user_path(&id, "/disable"), &json!({})).await.expect(204);
    assert_eq!(status(&tokens).await, 401);
    let _ = root.api.post(&Admin::user_path(&id, "/enable"), &json!({})).await.expect(204);
    let tokens = api.login(&ada).await;
    assert_eq!(status(&tokens).await, 200);

    // What cannot be verified is refused.
    let _ = upstream.take_received();
    proxy.set_mode(ProxyMode::Refuse);
    proxy.cut();
    let without_mongodb = if program == GatewayProgram::Nginx { 500 } else { 503 };
    assert_eq!(status(&tokens).await, without_mongodb);
    proxy.set_mode(ProxyMode::Pass);
    wait_for(DEADLINE, "MongoDB again", async || (status(&tokens).await == 200).then_some(())).await;
    let _ = upstream.take_received();
    assert_eq!(service.terminate().await.code(), Some(0));
    assert_eq!(status(&tokens).await, if program == GatewayProgram::Nginx { 500 } else { 502 });
    assert_eq!(upstream.take_received(), Vec::<ReceivedHeaders>::new());
}

/// Adds headers with another user's identity to a request.
fn forge(request: RequestBuilder, names: &[&str]) -> RequestBuilder {
    names.iter().fold(request, |request, name| request.header(*name, "forged"))
}

/// Returns the id of the newest session.
async fn newest_session(me: &Api) -> String {
    let sessions = me.get("/api/users/me/sessions").await.expect(200).json();
    sessions["items"][0]["id"].as_str().expect("a session has an id").to_owned()
}

/// Returns the identity that the only request to the upstream had, in the order id, roles, email address, whether it is
/// verified. All names are read with `-` for `_`, as some upstreams do.
///
/// # Panics
/// Panics if the upstream got no request or several, or a header of the identity twice, or another `X-User-*`.
fn received_identity(upstream: &Upstream) -> [(String, String); 4] {
    let received = upstream.take_received();
    let [headers] = &received[..] else { panic!("{} requests: {received:?}", received.len()) };
    let mut found = BTreeMap::new();
    for (name, value) in headers {
        let name = name.to_lowercase().replace('_', "-");
        if let Some(name) = name.strip_prefix("x-user-") {
            assert_eq!(found.insert(name.to_owned(), value.clone()), None, "{headers:?}");
        }
    }
    let identity = ["id", "roles", "email", "email-verified"]
        .map(|name| (name.to_owned(), found.remove(name).unwrap_or_else(|| panic!("no {name}: {headers:?}"))));
    assert!(found.is_empty(), "{headers:?}");
    identity
}
