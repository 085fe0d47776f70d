//! Invalid requests to the OAuth endpoints: each one gets its error of RFC 6749, or its problem, and changes nothing.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use e2e::{
    accounts::wait_until_all_published,
    administrators::create_admin,
    clients::{TestClient, expect_oauth_error},
    start::start_user_service,
};
use reqwest::{Method, RequestBuilder, header::AUTHORIZATION};
use test_support::Api;

use crate::refusals::dump;

const FORM: &str = "application/x-www-form-urlencoded";
const TOKEN: &str = "/oauth/token";
const GRANT: &str = "grant_type=client_credentials";
const UNKNOWN: &str = "0190e1b0-0000-7000-8000-000000000000";

/// Returns a POST with a body as it is.
fn raw(api: &Api, path: &str, body: impl Into<Vec<u8>>) -> RequestBuilder {
    api.request(Method::POST, path).header("content-type", FORM).body(body.into())
}

#[tokio::test]
async fn each_invalid_oauth_request_gets_its_error_and_changes_nothing() {
    let (world, service, api) = start_user_service("badoauth").await;
    let admin = create_admin(&world, &service, "admin").await;
    let client = TestClient::create(&admin, &["users:read", "tokens:introspect"]).await;
    let token = client.token(&api).await;
    wait_until_all_published(&world).await;
    let before = dump(&world).await;

    let with_secret = |path: &str, body: &str| {
        let credentials = format!("client_id={}&client_secret={}", client.id, client.secret);
        raw(&api, path, format!("{credentials}&{body}"))
    };
    let basic = |pair: &str| {
        let header = format!("Basic {}", BASE64_STANDARD.encode(pair));
        raw(&api, TOKEN, GRANT).header(AUTHORIZATION, header)
    };
    let (id, secret) = (client.id.as_str(), client.secret.as_str());
    let mut cases: Vec<(String, RequestBuilder, u16, &str)> = Vec::new();
    // Malformed, repeated and missing parameters.
    for path in [TOKEN, "/oauth/introspect", "/oauth/revoke"] {
        for body in ["a=1&a=2", "a=%", "a=%zz", "a=%ff", "token=x&token=y", "grant_type=x&grant_type=x"] {
            cases.push((format!("{path} {body}"), with_secret(path, body), 400, "invalid_request"));
        }
        for body in ["", "x=y", "grant_type=&token=", "grant_type&token", "Grant_Type=x&Token=x"] {
            cases.push((format!("{path} {body:?}"), with_secret(path, body), 400, "invalid_request"));
        }
        let bytes = raw(&api, path, [b"a=".as_slice(), &[0xff, 0xfe]].concat());
        cases.push((format!("{path} no UTF-8"), bytes, 400, "invalid_request"));
        let both = with_secret(path, "").basic_auth(id, Some(secret));
        cases.push((format!("{path} two ways"), both, 400, "invalid_request"));
        let other_id = raw(&api, path, format!("client_id={UNKNOWN}")).basic_auth(id, Some(secret));
        cases.push((format!("{path} two ids"), other_id, 400, "invalid_request"));
        let two_headers = raw(&api, path, "").basic_auth(id, Some(secret)).basic_auth(id, Some(secret));
        cases.push((format!("{path} two headers"), two_headers, 400, "invalid_request"));
        // No credentials, and wrong ones.
        let body = format!("{GRANT}&token=x");
        for wrong in [
            String::new(),
            format!("client_id={id}&"),
            format!("client_secret={secret}&"),
            format!("client_id={id}&client_secret=&"),
            format!("client_id={id}&client_secret=wrong&"),
            format!("client_id={id}&client_secret={}&", secret.replace("uscs_", "uscs%5F%00")),
            format!("client_id={UNKNOWN}&client_secret={secret}&"),
            format!("client_id=client:{id}&client_secret={secret}&"),
            format!("client_id={}&client_secret={secret}&", id.replace('-', "")),
            format!("client_id={}&client_secret=x&", "A".repeat(5000)),
        ] {
            let request = raw(&api, path, format!("{wrong}{body}"));
            cases.push((format!("{path} {wrong:.60}"), request, 401, "invalid_client"));
        }
        for authorization in ["Bearer abc", "Basic", "Basic !!!", "Basic YWI=", "Digest x", "", "Basic \u{e4}"] {
            let request = raw(&api, path, body.clone()).header(AUTHORIZATION, authorization.as_bytes());
            cases.push((format!("{path} {authorization:?}"), request, 401, "invalid_client"));
        }
        for bearer in [&admin.tokens.access, &token] {
            let request = raw(&api, path, body.clone()).bearer_auth(bearer);
            cases.push((format!("{path} with an access token"), request, 401, "invalid_client"));
        }
    }
    for pair in [
        ":".to_owned(),
        format!("{id}:"),
        format!(":{secret}"),
        format!("{id}:{secret} "),
        format!("{id}:{secret}%0"),
        format!("{id}:%ff"),
        format!("{secret}:{id}"),
        format!("{id} :{secret}"),
    ] {
        cases.push((format!("Basic {pair:.50}"), basic(&pair), 401, "invalid_client"));
    }
    for grant in ["password", "authorization_code", "CLIENT_CREDENTIALS", "client_credentials%20", "%00"] {
        let request = with_secret(TOKEN, &format!("grant_type={grant}"));
        cases.push((format!("grant {grant}"), request, 400, "unsupported_grant_type"));
    }
    for scope in ["users:write", "users:read+users:write", "+", "users:read+", "%00", &"users:read+".repeat(500), "*"] {
        let request = with_secret(TOKEN, &format!("{GRANT}&scope={scope}"));
        cases.push((format!("scope {scope:.30}"), request, 400, "invalid_scope"));
    }
    assert!(cases.len() > 100, "{}", cases.len());
    for (what, request, status, error) in cases {
        let response = api.send(request).await;
        assert_eq!((response.status, response.string("error").as_str()), (status, error), "{what}: {}", response.text);
        expect_oauth_error(&response, status, error);
        assert!(!response.text.contains(secret), "{what}: {}", response.text);
        assert!(!response.header("x-request-id").is_empty(), "{what}");
    }

    // What RFC 6749 does not name is a problem, as everywhere.
    for path in [TOKEN, "/oauth/introspect", "/oauth/revoke"] {
        let json = api.request(Method::POST, path).json(&serde_json::json!({ "grant_type": "client_credentials" }));
        let refused = api.send(json).await.expect_problem(415, "unsupported-media-type");
        assert!(refused.string("detail").contains("application/x-www-form-urlencoded"), "{}", refused.text);
        let latin = raw(&api, path, GRANT).header("content-type", "text/plain");
        let _ = api.send(latin).await.expect_problem(415, "unsupported-media-type");
        let packed = raw(&api, path, GRANT).header("content-encoding", "gzip");
        let _ = api.send(packed).await.expect_problem(415, "unsupported-media-type");
        let large = raw(&api, path, format!("a={}", "x".repeat(64 * 1024)));
        let _ = api.send(large).await.expect_problem(413, "body-too-large");
    }
    assert_eq!(dump(&world).await, before);
    let _ = client.request_token(&api).await.expect(200);
}
