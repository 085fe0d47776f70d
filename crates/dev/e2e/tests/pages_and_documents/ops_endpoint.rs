//! The ops endpoint and the health check.

use e2e::{accounts::register, start::start_user_service};
use reqwest::Method;
use serde_json::json;
use test_support::{Api, Service};

#[tokio::test]
async fn the_ops_endpoint_reports_health_and_metrics() {
    let (world, mut service, api) = start_user_service("ops").await;
    let ops = Api::new(format!("http://127.0.0.1:{}", service.ops_port()));
    assert_eq!(ops.get("/livez").await.expect(200).json(), json!({ "status": "alive" }));
    test_support::wait_for(test_support::DEADLINE, "Kafka to be seen", async || {
        (service.check("kafka").await == "ok").then_some(())
    })
    .await;
    let ready = ops.get("/readyz").await.expect(200).json();
    // The details follow as soon as they are known; the test `topology` has them.
    assert_eq!((&ready["status"], &ready["checks"]), (&json!("ready"), &json!({ "mongodb": "ok", "kafka": "ok" })));
    // The ops endpoint is not public: neither port serves the paths of the other.
    for path in ["/livez", "/readyz", "/metrics"] {
        let _ = api.get(path).await.expect_problem(404, "not-found");
    }
    let _ = ops.get("/api/openapi.json").await.expect(404);

    let sane = api.request(Method::GET, "/api/users/me").header("x-request-id", "my-own.id_1");
    assert_eq!(api.send(sane).await.header("x-request-id"), "my-own.id_1");
    let odd = api.request(Method::GET, "/api/users/me").header("x-request-id", "not so sane");
    assert_ne!(api.send(odd).await.header("x-request-id"), "not so sane");
    let ada = register(&world, &api, "ada").await;
    api.login(&ada).await;
    let metrics = ops.get("/metrics").await.expect(200);
    assert!(metrics.header("content-type").starts_with("text/plain"));
    for name in ["user_service_registrations_total 1", "user_service_logins_total", "process_resident_memory_bytes"] {
        assert!(metrics.text.contains(name), "{name} in\n{}", metrics.text);
    }
    for line in metrics.text.lines() {
        assert!(!line.contains(&ada.email) && !line.contains(&ada.username), "{line}");
    }
    assert_healthcheck(&mut service).await;
}

async fn assert_healthcheck(service: &mut Service) {
    let spec = service.spec().clone();
    // A service that listens on all addresses is checked on the loopback address.
    let unspecified = spec.clone().set("OPS__HOST", "0.0.0.0");
    assert_eq!(unspecified.command(&["healthcheck"]).await.status.code(), Some(0));
    // The health check reads no other configuration, so other broken settings do not matter.
    let elsewhere = spec.clone().set("MONGODB__URI", "nonsense").set("KEYS__ENCRYPTION_KEY_FILE", "/nowhere");
    assert_eq!(elsewhere.command(&["healthcheck"]).await.status.code(), Some(0));
    service.pause();
    let started = std::time::Instant::now();
    let hanging = spec.command(&["healthcheck"]).await;
    assert_eq!(hanging.status.code(), Some(1));
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    service.resume();
    assert_eq!(service.terminate().await.code(), Some(0));
    let stopped = spec.command(&["healthcheck"]).await;
    assert_eq!(stopped.status.code(), Some(1));
    assert!(!stopped.stderr.is_empty());
}
