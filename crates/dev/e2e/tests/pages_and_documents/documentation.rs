//! The OpenAPI document and the page that shows it.

use std::{collections::BTreeSet, fs, path::Path};

use e2e::start::{start_user_service, start_user_service_with};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn the_api_documentation_is_served_by_the_binary() {
    let (world, _service, api) = start_user_service("docs").await;
    assert_eq!(api.get("/docs").await.expect(308).header("location"), "/docs/");
    let index = api.get("/docs/").await.expect(200);
    assert!(index.header("content-type").starts_with("text/html"));
    let mut files = assets(&index.text);
    files.push(String::new());
    for asset in files {
        let found = api.get(&format!("/docs/{asset}")).await.expect(200);
        assert!(!found.text.is_empty(), "{asset}");
        assert!(asset.is_empty() || !index.text.contains(&format!("//{asset}")), "{asset} comes from another host");
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
    // The page contains nothing that its policy would block.
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
    assert_eq!(serde_json::from_slice::<Value>(&printed.stdout).expect("the command prints JSON"), document);
    let checked_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/openapi.json");
    if let Ok(text) = fs::read_to_string(checked_in) {
        assert_eq!(serde_json::from_str::<Value>(&text).expect("the text is JSON"), document, "run scripts/generate");
    }
    assert_operations_documented(&document);
    assert_references_resolve(&document, &document);
}

#[tokio::test]
async fn the_api_documentation_can_be_turned_off() {
    let (_world, _service, api) = start_user_service_with("nodocs", &[("HTTP__DOCS", "false")]).await;
    for path in ["/docs", "/docs/", "/docs/swagger-ui-bundle.js"] {
        let _ = api.get(path).await.expect_problem(404, "not-found");
    }
    let _ = api.get("/api/openapi.json").await.expect(200);
    let _ = api.get("/problems/not-found").await.expect(200);
}

/// Returns the scripts and styles that a page loads.
fn assets(html: &str) -> Vec<String> {
    let marks = html.split(['"', '\'']);
    let files = marks.filter(|part| part.ends_with(".js") || part.ends_with(".css"));
    let files: Vec<String> = files.map(|part| part.trim_start_matches("./").to_owned()).collect();
    assert!(files.len() >= 3, "{html}");
    files
}

fn assert_operations_documented(document: &Value) {
    let members = |value: &Value| value.as_object().expect("an object").clone();
    let operations = members(&document["paths"]).into_iter().flat_map(|(path, item)| {
        members(&item).into_iter().map(move |(method, operation)| (method, path.clone(), operation))
    });
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations {
        assert!(names.insert(operation["operationId"].to_string()), "{method} {path}: {}", operation["operationId"]);
        assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{method} {path}");
        let responses = operation["responses"].as_object().expect("there are responses");
        assert!(responses.keys().any(|status| status.starts_with('2')), "{method} {path}");
        let refusals = responses.iter().filter(|(status, _)| status.starts_with(['4', '5']));
        let is_oauth = path.starts_with("/oauth/");
        for (status, response) in refusals {
            // RFC 6749, section 5.2, has errors of its own.
            let has_own_error = is_oauth && ["400", "401"].contains(&status.as_str());
            let content_type = if has_own_error { "application/json" } else { "application/problem+json" };
            assert!(response["content"][content_type].is_object(), "{method} {path} {status}");
        }
        let needs_token = is_oauth
            || ["/api/users/me", "/api/admin/", "/api/auth/verify", "/api/auth/reauthenticate"]
                .iter()
                .any(|prefix| path.starts_with(prefix));
        assert_eq!(operation.get("security").is_some(), needs_token, "{method} {path}");
        let logs_in = path.starts_with("/api/auth/login") || path.ends_with("refresh");
        assert_eq!(responses.contains_key("401"), needs_token || logs_in, "{method} {path}");
    }
    assert!(!names.is_empty(), "the document has no operation");
}

fn assert_references_resolve(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
                assert!(target.is_some(), "{reference}");
            }
            members.values().for_each(|member| assert_references_resolve(document, member));
        }
        Value::Array(items) => items.iter().for_each(|item| assert_references_resolve(document, item)),
        _ => {}
    }
}
