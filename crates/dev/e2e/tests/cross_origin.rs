//! Requests from browsers on other origins, and HSTS.

use e2e::commands::assert_start_refused;
use reqwest::Method;
use serde_json::json;
use test_support::{Api, ApiResponse, Stack, World};

const APP: &str = "https://app.example.org";
const STRANGER: &str = "https://evil.example";

async fn request_from(api: &Api, origin: &str, method: Method, path: &str) -> ApiResponse {
    api.send(api.request(method, path).header("origin", origin)).await
}

async fn preflight(api: &Api, origin: &str, path: &str, method: &str, headers: &str) -> ApiResponse {
    let request = api.request(Method::OPTIONS, path).header("origin", origin);
    let request = request.header("access-control-request-method", method);
    api.send(request.header("access-control-request-headers", headers)).await
}

fn names(answer: &ApiResponse, header: &str) -> Vec<String> {
    let mut names: Vec<String> =
        answer.header(header).split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn an_allowed_origin_may_call_the_api_and_read_what_it_needs() {
    let world = World::new(&Stack::from_env(), "cors").await;
    let spec = world.user_service().set("HTTP__CORS_ALLOWED_ORIGINS", format!("http://localhost:5173,{APP}"));
    let service = spec.start().await;
    let api = service.api();

    // The browser sends the preflight without a token.
    let preflight_response =
        preflight(&api, APP, "/api/users/me", "PATCH", "authorization,content-type,if-match").await.expect(200);
    assert_eq!(preflight_response.header("access-control-allow-origin"), APP);
    assert!(
        names(&preflight_response, "access-control-allow-methods").contains(&"patch".to_owned()),
        "{:?}",
        preflight_response.headers
    );
    for header in ["authorization", "content-type", "if-match", "if-none-match", "idempotency-key"] {
        assert!(names(&preflight_response, "access-control-allow-headers").contains(&header.to_owned()), "{header}");
    }
    assert_eq!(preflight_response.header("access-control-max-age"), "3600");
    assert!(!preflight_response.header("x-request-id").is_empty());
    assert!(preflight_response.header("access-control-allow-credentials").is_empty(), "tokens are not cookies");
    // Only what sets or reads the cookie of the cookie mode may get one.
    for (path, credentials) in [
        ("/api/auth/login", "true"),
        ("/api/auth/login/totp", "true"),
        ("/api/auth/refresh", "true"),
        ("/api/auth/logout", "true"),
        ("/api/auth/login/", ""),
        ("/api/auth/reauthenticate", ""),
        ("/api/users", ""),
    ] {
        let preflight_response = preflight(&api, APP, path, "POST", "content-type").await.expect(200);
        assert_eq!(preflight_response.header("access-control-allow-origin"), APP, "{path}");
        assert_eq!(preflight_response.header("access-control-allow-credentials"), credentials, "{path}");
    }

    let ada = world.test_user("ada");
    let request = api.request(Method::POST, "/api/users").header("origin", APP).json(&ada.registration());
    let registered = api.send(request).await.expect(201);
    assert_eq!(registered.header("access-control-allow-origin"), APP);
    let readable = "etag link location ratelimit ratelimit-policy retry-after www-authenticate x-request-id";
    assert_eq!(names(&registered, "access-control-expose-headers").join(" "), readable);
    assert!(names(&registered, "vary").contains(&"origin".to_owned()));

    // Refusals have CORS headers too; otherwise the browser would hide them from the application.
    for (method, path, status) in [
        (Method::GET, "/api/users/me", 401),
        (Method::GET, "/api/nowhere", 404),
        (Method::POST, "/api/users/me", 405),
        (Method::POST, "/api/auth/login", 400),
        (Method::GET, "/.well-known/jwks.json", 200),
    ] {
        let answer = request_from(&api, APP, method, path).await.expect(status);
        assert_eq!(answer.header("access-control-allow-origin"), APP, "{path}");
    }
    let large = api.request(Method::POST, "/api/auth/login").header("origin", APP);
    let large = api.send(large.json(&json!({ "identifier": "x".repeat(70_000), "password": "" }))).await;
    assert_eq!(large.expect(413).header("access-control-allow-origin"), APP);
}

#[tokio::test]
async fn any_other_origin_gets_no_cors_headers() {
    let world = World::new(&Stack::from_env(), "cors-other").await;
    let service = world.user_service().set("HTTP__CORS_ALLOWED_ORIGINS", APP).start().await;
    let api = service.api();

    for origin in [STRANGER, "null", "https://app.example.org.evil.example", "http://app.example.org"] {
        let answer = request_from(&api, origin, Method::GET, "/.well-known/jwks.json").await.expect(200);
        assert!(answer.header("access-control-allow-origin").is_empty(), "{origin}");
        let refused = preflight(&api, origin, "/api/users/me", "GET", "authorization").await;
        let refused = refused.expect_problem(403, "forbidden");
        assert!(refused.header("access-control-allow-origin").is_empty(), "{origin}");
        let refused = preflight(&api, origin, "/api/auth/refresh", "POST", "content-type").await;
        let refused = refused.expect_problem(403, "forbidden");
        let answer = request_from(&api, origin, Method::POST, "/api/auth/refresh").await.expect(400);
        for answer in [refused, answer] {
            assert!(answer.header("access-control-allow-credentials").is_empty(), "{origin}");
        }
    }
    let odd = preflight(&api, APP, "/api/users/me", "GET", "x-anything").await.expect_problem(403, "forbidden");
    assert!(odd.header("access-control-allow-headers").is_empty());
    // Pages have no CORS headers, because no script of another origin needs to read them.
    let page = request_from(&api, APP, Method::GET, "/problems").await.expect(200);
    assert!(page.header("access-control-allow-origin").is_empty());

    let closed = world.user_service().start().await;
    let answer = request_from(&closed.api(), APP, Method::GET, "/.well-known/jwks.json").await.expect(200);
    assert!(answer.header("access-control-allow-origin").is_empty(), "no origin is allowed by default");
    let preflight_response = preflight(&closed.api(), APP, "/api/users/me", "GET", "authorization").await;
    let _ = preflight_response.expect_problem(405, "method-not-allowed");
}

#[tokio::test]
async fn an_invalid_allowed_origin_prevents_the_start() {
    let world = World::new(&Stack::from_env(), "cors-config").await;
    for origins in ["*", "https://app.example.org/", "app.example.org"] {
        let spec = world.user_service().set("HTTP__CORS_ALLOWED_ORIGINS", origins);
        assert_start_refused(&spec, &["http.cors_allowed_origins", "origin"]).await;
    }
}

#[tokio::test]
async fn behind_tls_the_response_has_strict_transport_security() {
    let world = World::new(&Stack::from_env(), "hsts").await;
    let behind_proxy = world.user_service().set("HTTP__TRUSTED_PROXIES", "127.0.0.1").start().await;
    let alone = world.user_service().start().await;
    let hsts = async |api: Api, scheme: &str| {
        let request = api.request(Method::GET, "/problems").header("x-forwarded-proto", scheme);
        api.send(request).await.expect(200).header("strict-transport-security")
    };
    assert_eq!(hsts(behind_proxy.api(), "https").await, "max-age=31536000");
    assert_eq!(hsts(behind_proxy.api(), "http").await, "");
    assert_eq!(hsts(alone.api(), "https").await, "", "any client can send that header");
}
