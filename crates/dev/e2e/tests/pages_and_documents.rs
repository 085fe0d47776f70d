//! What people and tools read: pages, the OpenAPI document, the ops endpoint, and the commands.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::Path, process::Output};

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, Service, Stack, World};

/// What this release serves of section 4.3 of the contract.
const OPERATIONS: &[(&str, &str)] = &[
    ("get", "/.well-known/jwks.json"),
    ("post", "/api/users"),
    ("get", "/api/users/me"),
    ("patch", "/api/users/me"),
    ("delete", "/api/users/me"),
    ("post", "/api/users/me/delete"),
    ("put", "/api/users/me/password"),
    ("put", "/api/users/me/email"),
    ("get", "/api/users/me/sessions"),
    ("delete", "/api/users/me/sessions"),
    ("delete", "/api/users/me/sessions/{id}"),
    ("get", "/api/users/me/export"),
    ("get", "/api/users/me/audit"),
    ("get", "/api/users/me/totp"),
    ("post", "/api/users/me/totp"),
    ("post", "/api/users/me/totp/confirm"),
    ("delete", "/api/users/me/totp"),
    ("post", "/api/users/me/totp/remove"),
    ("post", "/api/users/me/totp/recovery-codes"),
    ("post", "/api/auth/login"),
    ("post", "/api/auth/login/totp"),
    ("post", "/api/auth/refresh"),
    ("post", "/api/auth/logout"),
    ("post", "/api/auth/email-verification"),
    ("post", "/api/auth/email-verification/resend"),
    ("post", "/api/auth/email-verification/disown"),
    ("post", "/api/auth/password-reset"),
    ("post", "/api/auth/password-reset/confirm"),
    ("post", "/api/auth/email-change/confirm"),
    ("post", "/api/auth/email-change/undo"),
    ("post", "/api/auth/undo"),
    ("get", "/api/admin/users"),
    ("get", "/api/admin/users/{id}"),
    ("patch", "/api/admin/users/{id}"),
    ("delete", "/api/admin/users/{id}"),
    ("get", "/api/admin/users/{id}/audit"),
    ("post", "/api/admin/users/{id}/disable"),
    ("post", "/api/admin/users/{id}/enable"),
    ("post", "/api/admin/users/{id}/remove-second-factor"),
    ("post", "/api/admin/users/{id}/unlock"),
    ("post", "/api/admin/users/{id}/logout"),
];

const SLUGS: &[&str] = &[
    "malformed-body",
    "validation-failed",
    "unsupported-media-type",
    "body-too-large",
    "email-taken",
    "username-taken",
    "invalid-credentials",
    "unauthorized",
    "mfa-required",
    "wrong-password",
    "wrong-code",
    "conflict",
    "token-invalid",
    "account-disabled",
    "email-not-verified",
    "forbidden",
    "not-found",
    "method-not-allowed",
    "precondition-failed",
    "idempotency-key-reused",
    "rate-limited",
    "overloaded",
    "unavailable",
    "internal",
];

#[tokio::test]
async fn the_documentation_is_served_from_the_binary() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "docs").await;
    let service = world.user_service().start().await;
    let api = service.api();
    assert_eq!(api.get("/docs").await.expect(308).header("location"), "/docs/");
    let index = api.get("/docs/").await.expect(200);
    assert!(index.header("content-type").starts_with("text/html"));
    let mut files = assets(&index.text);
    files.push(String::new());
    for asset in files {
        let found = api.get(&format!("/docs/{asset}")).await.expect(200);
        assert!(!found.text.is_empty(), "{asset}");
        assert!(asset.is_empty() || !index.text.contains(&format!("//{asset}")), "{asset} comes from elsewhere");
        assert_eq!(found.header("x-content-type-options"), "nosniff");
        assert_eq!(found.header("x-frame-options"), "DENY");
        assert_eq!(found.header("referrer-policy"), "no-referrer");
        let policy = found.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{asset}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("//"), "{asset}: {policy}");
        let head = api.send(api.request(Method::HEAD, &format!("/docs/{asset}"))).await.expect(200);
        assert_eq!((head.text.as_str(), head.header("content-type")), ("", found.header("content-type")), "{asset}");
    }
    // Nothing within the page that the policy would refuse.
    assert!(!index.text.contains("<style") && !index.text.contains("style=") && !index.text.contains("javascript:"));
    let inline = index.text.split("<script").skip(1).filter(|tag| !tag.trim_start().starts_with("src="));
    assert_eq!(inline.count(), 0, "{}", index.text);
    let _ = api.get("/docs/nothing.js").await.expect_problem(404, "not-found");
    let _ = api.post("/docs/", &json!({})).await.expect_problem(405, "method-not-allowed");
    let initializer = api.get("/docs/swagger-initializer.js").await.expect(200);
    assert!(initializer.text.contains("/api/openapi.json"), "{}", initializer.text);

    let served = api.get("/api/openapi.json").await.expect(200);
    assert_eq!(served.header("content-type"), "application/json");
    let document = served.json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")), "{}", document["openapi"]);
    let printed = world.user_service().command(&["openapi"]).await;
    assert!(printed.status.success());
    assert_eq!(serde_json::from_slice::<Value>(&printed.stdout).expect("it prints JSON"), document);
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/openapi.json");
    if let Ok(text) = fs::read_to_string(checked_in) {
        assert_eq!(serde_json::from_str::<Value>(&text).expect("it is JSON"), document, "run scripts/generate");
    }
    every_operation_is_documented(&document);
    every_reference_leads_somewhere(&document, &document);
}

#[tokio::test]
async fn the_documentation_can_be_turned_off() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "nodocs").await;
    let service = world.user_service().set("HTTP__DOCS", "false").start().await;
    let api = service.api();
    for path in ["/docs", "/docs/", "/docs/swagger-ui-bundle.js"] {
        let _ = api.get(path).await.expect_problem(404, "not-found");
    }
    let _ = api.get("/api/openapi.json").await.expect(200);
    let _ = api.get("/problems/not-found").await.expect(200);
}

/// The scripts and styles that a page loads.
fn assets(html: &str) -> Vec<String> {
    let marks = html.split(['"', '\'']);
    let files = marks.filter(|part| part.ends_with(".js") || part.ends_with(".css"));
    let files: Vec<String> = files.map(|part| part.trim_start_matches("./").to_owned()).collect();
    assert!(files.len() >= 3, "{html}");
    files
}

fn every_operation_is_documented(document: &Value) {
    let paths = document["paths"].as_object().expect("there are paths");
    let documented: BTreeSet<(&str, &str)> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .into_iter()
                .flat_map(|item| item.keys())
                .map(move |method| (method.as_str(), path.as_str()))
        })
        .collect();
    assert_eq!(documented, OPERATIONS.iter().copied().collect());
    let mut names = BTreeSet::new();
    for (method, path) in OPERATIONS {
        let operation = &document["paths"][path][method];
        assert!(names.insert(operation["operationId"].to_string()), "{method} {path}: {}", operation["operationId"]);
        assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{method} {path}");
        let responses = operation["responses"].as_object().expect("there are responses");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
        let refusals = responses.iter().filter(|(status, _)| status.starts_with(['4', '5']));
        for (status, response) in refusals {
            assert!(response["content"]["application/problem+json"].is_object(), "{method} {path} {status}");
        }
        let needs_token = path.starts_with("/api/users/me") || path.starts_with("/api/admin/");
        assert_eq!(operation.get("security").is_some(), needs_token, "{method} {path}");
        let logs_in = path.starts_with("/api/auth/login") || path.ends_with("refresh");
        assert_eq!(responses.contains_key("401"), needs_token || logs_in, "{method} {path}");
    }
}

fn every_reference_leads_somewhere(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
                assert!(target.is_some(), "{reference}");
            }
            members.values().for_each(|member| every_reference_leads_somewhere(document, member));
        }
        Value::Array(items) => items.iter().for_each(|item| every_reference_leads_somewhere(document, item)),
        _ => {}
    }
}

#[tokio::test]
async fn every_page_is_private_and_runs_no_script() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "pages").await;
    let service = world.user_service().start().await;
    let api = service.api();
    let index = api.get("/problems").await.expect(200);
    for slug in SLUGS {
        assert!(index.text.contains(&format!("/problems/{slug}\"")), "{slug} is not listed");
        let page = api.get(&format!("/problems/{slug}")).await.expect(200);
        assert!(page.text.contains(slug), "{slug}");
        assert_is_a_safe_page(&page);
    }
    assert_is_a_safe_page(&index);

    let hostile = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    for path in ["/verify-email", "/reset-password", "/confirm-email", "/undo-email-change", "/undo-change"] {
        // A link that is none is said to be none at once.
        let page = api.get(&format!("{path}?token={hostile}")).await.expect(400);
        assert!(!page.text.contains("<script"), "{}", page.text);
        assert!(page.text.contains("This link does not work any more"), "{}", page.text);
        assert_is_a_safe_page(&page);
        let nothing = api.get(path).await.expect(400);
        assert_is_a_safe_page(&nothing);
        let form = "application/x-www-form-urlencoded";
        for body in ["token=abc&newPassword=long+enough", "token=abc&confirmed=yes", "", "other=1"] {
            let request = api.request(Method::POST, path).header("content-type", form).body(body);
            assert_is_a_safe_page(&api.send(request).await.expect(400));
        }
    }
    let german = api.request(Method::GET, "/verify-email?token=abc").header("accept-language", "de-AT, en;q=0.5");
    let german = api.send(german).await.expect(400);
    assert!(german.text.contains("lang=\"de\"") && german.text.contains("E-Mail-Adresse"), "{}", german.text);
    assert_eq!(german.header("content-language"), "de");
    let arabic = api.request(Method::GET, "/reset-password?token=abc").header("accept-language", "ar-EG, en;q=0.5");
    let arabic = api.send(arabic).await.expect(400);
    assert!(arabic.text.contains("<html lang=\"ar\" dir=\"rtl\">"), "{}", arabic.text);
    assert_eq!(arabic.header("content-language"), "ar");
    assert_is_a_safe_page(&arabic);

    let post = |body: &'static str, media_type: &'static str| {
        api.send(api.request(Method::POST, "/verify-email").header("content-type", media_type).body(body))
    };
    let form = "application/x-www-form-urlencoded";
    for (body, media_type) in [("token=abc", form), ("", form), ("other=1", form), ("token=abc", "text/plain")] {
        let refused = post(body, media_type).await.expect(400);
        assert_is_a_safe_page(&refused);
    }
    let head = api.send(api.request(Method::HEAD, "/problems/not-found")).await.expect(200);
    assert!(head.text.is_empty());
    // No address of a page is in the log, only its route.
    assert!(!service.log().contains("token=abc"), "a query is in the log");
    assert!(service.log().contains("\"/verify-email\""), "the route is in the log");
}

fn assert_is_a_safe_page(page: &ApiResponse) {
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert!(!page.header("x-request-id").is_empty());
    let policy = page.header("content-security-policy");
    for part in ["default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
}

#[tokio::test]
async fn the_ops_endpoint_tells_whether_the_service_lives_and_what_it_does() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "ops").await;
    let mut service = world.user_service().start().await;
    let api = service.api();
    let ops = Api::new(format!("http://127.0.0.1:{}", service.ops_port()));
    assert_eq!(ops.get("/livez").await.expect(200).json(), json!({ "status": "alive" }));
    test_support::wait_for(test_support::DEADLINE, "Kafka to be seen", async || {
        (service.check("kafka").await == "ok").then_some(())
    })
    .await;
    let ready = json!({ "status": "ready", "checks": { "mongodb": "ok", "kafka": "ok" } });
    assert_eq!(ops.get("/readyz").await.expect(200).json(), ready);
    // Not for the public: neither is the one's served by the other.
    for path in ["/livez", "/readyz", "/metrics"] {
        let _ = api.get(path).await.expect_problem(404, "not-found");
    }
    let _ = ops.get("/api/openapi.json").await.expect(404);

    let sane = api.request(Method::GET, "/api/users/me").header("x-request-id", "my-own.id_1");
    assert_eq!(api.send(sane).await.header("x-request-id"), "my-own.id_1");
    let odd = api.request(Method::GET, "/api/users/me").header("x-request-id", "not so sane");
    assert_ne!(api.send(odd).await.header("x-request-id"), "not so sane");
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    api.login(&ada).await;
    let metrics = ops.get("/metrics").await.expect(200);
    assert!(metrics.header("content-type").starts_with("text/plain"));
    for name in ["user_service_registrations_total 1", "user_service_logins_total", "process_resident_memory_bytes"] {
        assert!(metrics.text.contains(name), "{name} in\n{}", metrics.text);
    }
    for line in metrics.text.lines() {
        assert!(!line.contains(&ada.email) && !line.contains(&ada.username), "{line}");
    }
    the_healthcheck_follows(&mut service).await;
}

async fn the_healthcheck_follows(service: &mut Service) {
    let spec = service.spec().clone();
    // Bound to all addresses it is asked on loopback.
    let unspecified = spec.clone().set("OPS__HOST", "0.0.0.0");
    assert_eq!(unspecified.command(&["healthcheck"]).await.status.code(), Some(0));
    // It reads nothing else: a broken rest of the configuration is no concern of it.
    let elsewhere = spec.clone().set("MONGODB__URI", "nonsense").set("KEYS__ENCRYPTION_KEY_FILE", "/nowhere");
    assert_eq!(elsewhere.command(&["healthcheck"]).await.status.code(), Some(0));
    service.pause();
    let started = std::time::Instant::now();
    let hanging = spec.command(&["healthcheck"]).await;
    assert_eq!(hanging.status.code(), Some(1));
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    service.resume();
    assert_eq!(service.terminate().await.code(), Some(0));
    let gone = spec.command(&["healthcheck"]).await;
    assert_eq!(gone.status.code(), Some(1));
    assert!(!gone.stderr.is_empty());
}

#[tokio::test]
async fn the_configuration_is_checked_and_shown_without_secrets() {
    let stack = Stack::from_env();
    let world = World::without_topic(&stack, "config");
    let spec = world.user_service();
    let secret_uri = "mongodb://root:hunter2hunter2@db.example.org:27017";
    let shown =
        spec.clone().set("MONGODB__URI", secret_uri).set("AUTH__RESET_TTL", "45m").command(&["check-config"]).await;
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    let (out, key) = (text(&shown.stdout), fs::read_to_string(world.keys().join("encryption.key")).expect("the key"));
    assert!(!out.contains("hunter2") && !out.contains(key.trim()), "{out}");
    assert!(out.contains("uri = \"<redacted>\"") && out.contains("reset_ttl = \"45m\""), "{out}");

    for (variable, value, expected) in [
        ("HTTP__PROT", "1", "HTTP__PORT"),
        ("RELAY__SWEEP_INTERVALL", "1s", "SWEEP_INTERVAL"),
        ("HTTP__PORT", "a lot", "HTTP__PORT"),
        ("HTTP__CLIENT_ADDRESS_HEADER", "authorization", "http.client_address_header"),
        ("HTTP__CLIENT_ADDRESS_HEADER", "x forwarded for", "http.client_address_header"),
        ("AUTH__ACCESS_TOKEN_TTL", "soon", "AUTH__ACCESS_TOKEN_TTL"),
        ("KAFKA__PROPERTIES__ENABLE_IDEMPOTENCE", "false", "enable.idempotence"),
        ("MONGODB__URI", "mongodb://root:hunter2hunter2@h/?w=1", "mongodb.uri"),
        ("KEYS__ENCRYPTION_KEY", "bm90IDMyIGJ5dGVz", "encryption_key"),
    ] {
        for command in ["check-config", "serve"] {
            let refused = spec.clone().set(variable, value).command(&[command]).await;
            let error = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(1), "{command} with {variable}={value}: {error}");
            let nearest = expected.to_lowercase();
            assert!(error.to_lowercase().contains(&nearest), "{command} with {variable}={value}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    fs::write(file.path(), "[http]\nprot = 1\n").expect("the file can be written");
    let path = file.path().to_str().expect("the path is UTF-8");
    let refused = spec.command(&["check-config", "--config", path]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains(path) && text(&refused.stderr).contains("port"),
        "{}",
        text(&refused.stderr)
    );
    fs::write(file.path(), "[audit]\nretention = \"7d\"\n").expect("the file can be written");
    let shown = spec.command(&["check-config", "--config", path]).await;
    assert!(text(&shown.stdout).contains("retention = \"7d\""), "{}", text(&shown.stdout));
}

#[tokio::test]
async fn keys_are_made_for_their_owner_and_never_overwritten() {
    let stack = Stack::from_env();
    let world = World::without_topic(&stack, "keygen");
    let directory = tempfile::tempdir().expect("a directory can be made");
    let out = directory.path().join("new").join("keys");
    let path = out.to_str().expect("the path is UTF-8");
    for (spec, files) in [
        (world.user_service(), &[("encryption.key", 0o600)][..]),
        (world.email_service(), &[("sealing.private", 0o600), ("sealing.public", 0o644)]),
    ] {
        let made = spec.command(&["keygen", "--out", path]).await;
        assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
        let contents: Vec<String> = files.iter().map(|(file, mode)| key(&out.join(file), *mode)).collect();
        for content in &contents {
            assert!(!text(&made.stdout).contains(content), "a key is printed");
        }
        let again = spec.command(&["keygen", "--out", path]).await;
        assert_eq!(again.status.code(), Some(1));
        assert!(text(&again.stderr).contains(files[0].0), "{}", text(&again.stderr));
        let after: Vec<String> = files.iter().map(|(file, mode)| key(&out.join(file), *mode)).collect();
        assert_eq!(after, contents, "a key was overwritten");
    }
    assert_eq!(fs::read_dir(&out).expect("the directory is there").count(), 3, "nothing but the keys");
}

/// 32 bytes in base64, and the file's mode.
fn key(path: &Path, mode: u32) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let metadata = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(metadata.permissions().mode() & 0o777, mode, "{}", path.display());
    let text = fs::read_to_string(path).expect("a key is text").trim().to_owned();
    assert_eq!(BASE64_STANDARD.decode(&text).map(|bytes| bytes.len()), Ok(32), "{}", path.display());
    text
}

#[tokio::test]
async fn every_command_explains_itself() {
    let stack = Stack::from_env();
    let world = World::without_topic(&stack, "help");
    let user_commands: &[&[&str]] = &[
        &[],
        &["serve"],
        &["check-config"],
        &["healthcheck"],
        &["openapi"],
        &["keygen"],
        &["events"],
        &["events", "list"],
        &["events", "retry"],
        &["events", "skip"],
    ];
    let email_commands: &[&[&str]] = &[
        &[],
        &["serve"],
        &["check-config"],
        &["healthcheck"],
        &["keygen"],
        &["mail"],
        &["mail", "list"],
        &["mail", "show"],
        &["dead-letters"],
        &["dead-letters", "list"],
        &["dead-letters", "show"],
    ];
    for (spec, commands) in [(world.user_service(), user_commands), (world.email_service(), email_commands)] {
        for command in commands {
            let help = spec.command(&[command, &["--help"][..]].concat()).await;
            assert_eq!(help.status.code(), Some(0), "{command:?}: {}", text(&help.stderr));
            assert!(text(&help.stdout).contains("Usage:"), "{command:?}");
        }
        for command in [&["nonsense"][..], &["serve", "--nonsense"], &["keygen"], &["--config"]] {
            let refused = spec.command(command).await;
            assert_eq!(refused.status.code(), Some(2), "{command:?}: {}", said(&refused));
        }
        let version = spec.command(&["--version"]).await;
        assert!(text(&version.stdout).contains(env!("CARGO_PKG_VERSION")), "{}", said(&version));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn said(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}
