//! Tests of the middleware around every request.

use std::time::Duration;

use actix_web::{App, http::Method, middleware::from_fn, test};
use prometheus::Registry;
use serde_json::Value;

use super::*;
use crate::http::{errors::not_found::not_found, resource::Resource};

fn scope() -> RequestScope {
    RequestScope {
        clock: Clock::manual(),
        ids: Ids::sequence(1),
        trusted_proxies: TrustedProxies::parse(["127.0.0.0/8"]).unwrap(),
        metrics: HttpMetrics::register(&Registry::new()).unwrap(),
        error_pages: |_| None,
    }
}

async fn whoami(context: RequestContext) -> String {
    format!(
        "{}|{}|{}|{}",
        context.request_id,
        context.client_address,
        context.user_agent.as_deref().unwrap_or("-"),
        context.trace_parent.trace_id()
    )
}

async fn refused() -> Result<HttpResponse, Problem> {
    Err(Problem::TokenInvalid)
}

async fn foreign_error() -> Result<HttpResponse, Error> {
    Err(actix_web::error::ErrorInternalServerError("mongodb://root:hunter2@db"))
}

async fn cached() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "max-age=300")).body("ok")
}

async fn slow() -> HttpResponse {
    tokio::time::sleep(Duration::from_secs(60)).await;
    HttpResponse::Ok().finish()
}

async fn defective() -> HttpResponse {
    let quoted = String::from("hunter2");
    panic!("{quoted}")
}

async fn guard<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    match request.path() {
        "/api/guarded" => Err(Problem::Forbidden.into()),
        "/api/defective-guard" => panic!("hunter2"),
        "/api/guarded-foreign" => Err(actix_web::error::ErrorInternalServerError("hunter2")),
        _ => next.call(request).await,
    }
}

macro_rules! app {
    ($scope:expr) => {
        test::init_service(
            App::new()
                .app_data(web::Data::new($scope))
                .wrap(from_fn(guard))
                .wrap(from_fn(request_context))
                .route("/api/whoami/{id}", web::get().to(whoami))
                .route("/api/refused", web::get().to(refused))
                .route("/api/foreign-error", web::get().to(foreign_error))
                .route("/api/cached", web::get().to(cached))
                .route("/api/slow", web::get().to(slow))
                .route("/api/defective", web::get().to(defective))
                .route("/page", web::get().to(|| async { "page" }))
                .default_service(web::to(not_found)),
        )
        .await
    };
}

/// Calls the service like `test::call_service`, and turns an error into its response, as a server does.
macro_rules! call {
    ($app:expr, $request:expr) => {
        match actix_web::dev::Service::call(&$app, $request.to_request()).await {
            Ok(response) => response.into_parts().1,
            Err(error) => error.error_response(),
        }
    };
}

async fn text(response: HttpResponse) -> String {
    String::from_utf8(actix_web::body::to_bytes(response.into_body()).await.unwrap().to_vec()).unwrap()
}

fn get(path: &str) -> test::TestRequest {
    test::TestRequest::get().uri(path).peer_addr("127.0.0.1:9".parse().unwrap())
}

#[actix_web::test]
async fn every_response_has_its_headers() {
    let app = app!(scope());
    for (path, status, cache) in [
        ("/api/whoami/1", 200, Some("no-store")),
        ("/api/cached", 200, Some("max-age=300")),
        ("/api/refused", 400, Some("no-store")),
        ("/api/foreign-error", 500, Some("no-store")),
        ("/api/guarded", 403, Some("no-store")),
        ("/api/guarded-foreign", 500, Some("no-store")),
        ("/api/defective", 500, Some("no-store")),
        ("/api/defective-guard", 500, Some("no-store")),
        ("/api/nowhere", 404, Some("no-store")),
        ("/page", 200, None),
    ] {
        let response = call!(app, get(path).insert_header(("x-request-id", "my-id.1")));
        let header = |name: &str| response.headers().get(name).map(|it| it.to_str().unwrap());
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(header("x-request-id"), Some("my-id.1"), "{path}");
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header("cache-control"), cache, "{path}");
        let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
        assert_eq!(header("content-security-policy"), Some(policy), "{path}");
    }
}

#[actix_web::test]
async fn a_problem_names_the_request() {
    let app = app!(scope());
    for path in ["/api/refused", "/api/nowhere", "/api/foreign-error"] {
        let response = call!(app, get(path).insert_header(("x-request-id", "abc")));
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(body["requestId"], "abc", "{path}");
    }
}

#[actix_web::test]
async fn a_foreign_error_becomes_a_problem_without_its_text() {
    let app = app!(scope());
    for path in ["/api/foreign-error", "/api/guarded-foreign"] {
        let response = call!(app, get(path));
        assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "application/problem+json");
        let body = text(response).await;
        assert!(body.contains("/problems/internal") && !body.contains("hunter2"), "{body}");
    }
}

#[actix_web::test]
async fn a_panic_of_a_handler_or_a_middleware_is_answered_and_counted_as_a_500() {
    let registry = Registry::new();
    let metrics = HttpMetrics::register(&registry).unwrap();
    let app = app!(RequestScope { metrics, ..scope() });
    for path in ["/api/defective", "/api/defective-guard"] {
        let response = call!(app, get(path));
        assert_eq!(response.status(), 500, "{path}");
        assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "application/problem+json");
        let body = text(response).await;
        assert!(body.contains("/problems/internal") && !body.contains("hunter2"), "{body}");
    }
    assert_eq!(call!(app, get("/page")).status(), 200);
    let report = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    let counted = r#"http_requests_total{method="GET",route="/api/defective",status="5xx"} 1"#;
    assert!(report.contains(counted), "{report}");
}

#[actix_web::test]
async fn a_panic_outside_the_request_context_is_answered_as_a_problem_too() {
    async fn defective<B: MessageBody>(_: ServiceRequest, _: Next<B>) -> Result<ServiceResponse<B>, Error> {
        panic!("hunter2")
    }
    let app = App::new().wrap(from_fn(defective)).wrap(from_fn(crate::http::catch_panics));
    let app = test::init_service(app.route("/page", web::get().to(|| async { "page" }))).await;
    let response = call!(app, get("/page"));
    assert_eq!(response.status(), 500);
    assert!(text(response).await.contains("/problems/internal"));
}

#[actix_web::test]
async fn only_a_valid_request_id_is_adopted() {
    let app = app!(scope());
    let long = "a".repeat(129);
    for (id, taken) in [
        ("a", true),
        (&long[1..], true),
        (&long[..], false),
        ("", false),
        ("a b", false),
        ("a\"b", false),
        ("é", false),
    ] {
        let response = call!(app, get("/page").insert_header(("x-request-id", id.as_bytes())));
        let returned = response.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        assert_eq!(returned == id, taken, "{id}");
        assert!(taken || uuid::Uuid::parse_str(&returned).unwrap().get_version_num() == 7);
    }
    let twice = get("/page").append_header(("x-request-id", "a")).append_header(("x-request-id", "b"));
    assert_eq!(call!(app, twice).headers().get("x-request-id").unwrap().len(), 36);
}

#[actix_web::test]
async fn handlers_see_the_context_of_their_request() {
    let app = app!(scope());
    let request = get("/api/whoami/7")
        .insert_header(("x-request-id", "r1"))
        .insert_header(("x-forwarded-for", "198.51.100.1"))
        .insert_header(("user-agent", format!(" agent\u{9b}/1 {}", "x".repeat(300))))
        .insert_header(("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    let body = text(call!(app, request)).await;
    let parts: Vec<_> = body.split('|').collect();
    assert_eq!((parts[0], parts[1], parts[3]), ("r1", "198.51.100.1", "0af7651916cd43dd8448eb211c80319c"));
    assert!(parts[2].starts_with("agent/1 xxx") && parts[2].chars().count() <= 256, "{}", parts[2]);

    let body = text(call!(app, get("/api/whoami/7").insert_header(("traceparent", "nonsense")))).await;
    let parts: Vec<_> = body.split('|').collect();
    assert_eq!((parts[1], parts[2], parts[3].len()), ("127.0.0.1", "-", 32));
}

#[actix_web::test]
async fn metrics_are_labelled_with_route_templates_and_not_with_paths() {
    let registry = Registry::new();
    let metrics = HttpMetrics::register(&registry).unwrap();
    let app = app!(RequestScope { metrics, ..scope() });
    for path in [
        "/api/whoami/1",
        "/api/whoami/2?token=hunter2",
        "/api/refused",
        "/api/whoami/1/hunter2",
        "/hunter2",
        "/api/guarded",
    ] {
        let _ = call!(app, get(path));
    }
    let given_up = tokio::time::timeout(Duration::from_millis(20), async { call!(app, get("/api/slow")) }).await;
    assert!(given_up.is_err());

    let report = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    for line in [
        r#"http_requests_total{method="GET",route="/api/whoami/{id}",status="2xx"} 2"#,
        r#"http_requests_total{method="GET",route="/api/refused",status="4xx"} 1"#,
        r#"http_requests_total{method="GET",route="unmatched",status="4xx"} 3"#,
        r#"http_requests_total{method="GET",route="/api/slow",status="aborted"} 1"#,
        r#"http_request_duration_seconds_count{method="GET",route="/api/whoami/{id}",status="2xx"} 2"#,
    ] {
        assert!(report.contains(line), "{line} is not in\n{report}");
    }
    assert!(!report.contains("hunter2"));
}

#[actix_web::test]
async fn a_head_request_gets_the_headers_of_a_get_and_no_body() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let server = actix_web::HttpServer::new(|| {
        App::new()
            .app_data(web::Data::new(scope()))
            .wrap(from_fn(request_context))
            .service(Resource::at("/page").on(Method::GET, web::to(|| async { "hello" })))
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);

    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"HEAD /page HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut response = String::new();
    tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut response)).await.unwrap().unwrap();
    assert!(response.starts_with("HTTP/1.1 200") && response.contains("content-length: 5"), "{response}");
    assert!(response.contains("x-request-id: ") && response.ends_with("\r\n\r\n"), "{response}");

    handle.stop(false).await;
    running.await.unwrap().unwrap();
}
