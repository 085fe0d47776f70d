//! Requests with `If-Match` and `If-None-Match`.

use e2e::{
    accounts::{register_and_log_in, with_new_password},
    start::start_user_service,
};
use reqwest::{
    Method,
    header::{IF_MATCH, IF_NONE_MATCH},
};
use serde_json::{Value, json};
use test_support::{Api, ApiResponse};

async fn send_conditional(
    api: &Api,
    method: Method,
    path: &str,
    condition: (&str, &str),
    body: Option<&Value>,
) -> ApiResponse {
    let request = api.request(method, path).header(condition.0, condition.1);
    api.send(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

#[tokio::test]
async fn a_conditional_change_applies_only_to_the_named_version() {
    let (world, _service, api) = start_user_service("ifmatch").await;
    let ada = world.test_user("ada");
    let stale = api.register(&ada).await.expect(201).header("etag");
    let me = api.logged_in_as(&ada).await;
    let seen = me.get("/api/users/me").await.expect(200).header("etag");
    assert_ne!(seen, stale, "the login is a new version");

    let renewed = with_new_password(&ada, "renewed");
    let change = json!({ "currentPassword": ada.password, "newPassword": renewed.password });
    let weak = format!("W/{seen}");
    for tag in [stale.as_str(), &weak, "\"0\", \"x\""] {
        let path = "/api/users/me/password";
        let refused = send_conditional(&me, Method::PUT, path, (IF_MATCH.as_str(), tag), Some(&change)).await;
        let _ = refused.expect_problem(412, "precondition-failed");
    }
    let broken =
        send_conditional(&me, Method::PUT, "/api/users/me/password", (IF_MATCH.as_str(), "7"), Some(&change)).await;
    let broken = broken.expect_problem(422, "validation-failed").json();
    assert_eq!(broken["errors"][0]["header"], "If-Match");
    api.login(&ada).await;

    let seen = me.get("/api/users/me").await.expect(200).header("etag");
    let right =
        send_conditional(&me, Method::PUT, "/api/users/me/password", (IF_MATCH.as_str(), &seen), Some(&change)).await;
    let _ = right.expect(204);
    let any = json!({ "currentPassword": renewed.password, "newPassword": renewed.password });
    let _ = send_conditional(&me, Method::PUT, "/api/users/me/password", (IF_MATCH.as_str(), "*"), Some(&any))
        .await
        .expect(204);

    let confirmed = json!({ "password": renewed.password });
    let late =
        send_conditional(&me, Method::DELETE, "/api/users/me", (IF_MATCH.as_str(), &seen), Some(&confirmed)).await;
    let _ = late.expect_problem(412, "precondition-failed");
    let now = me.get("/api/users/me").await.expect(200).header("etag");
    let gone =
        send_conditional(&me, Method::DELETE, "/api/users/me", (IF_MATCH.as_str(), &now), Some(&confirmed)).await;
    let _ = gone.expect(204);
    // The token of a deleted account is invalid, whatever version the request names.
    for condition in [(IF_MATCH.as_str(), now.as_str()), (IF_MATCH.as_str(), "*")] {
        let patch = json!({ "displayName": "Ada" });
        let late = send_conditional(&me, Method::PATCH, "/api/users/me", condition, Some(&patch)).await;
        let _ = late.expect_problem(401, "unauthorized");
    }
}

#[tokio::test]
async fn a_representation_that_the_client_already_has_is_not_sent_again() {
    let (world, _service, api) = start_user_service("ifnone").await;
    let (_, me) = register_and_log_in(&world, &api, "ada").await;
    for (client, path) in [
        (&me, "/api/users/me"),
        (&api, "/.well-known/jwks.json"),
        (&api, "/.well-known/openid-configuration"),
        (&api, "/.well-known/oauth-authorization-server"),
    ] {
        let first = client.get(path).await.expect(200);
        let tag = first.header("etag");
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{path}: {tag}");
        let list = format!("\"other\", W/{tag}");
        for method in [Method::GET, Method::HEAD] {
            for condition in [tag.as_str(), &list, "*"] {
                let same = send_conditional(client, method.clone(), path, (IF_NONE_MATCH.as_str(), condition), None)
                    .await
                    .expect(304);
                assert_eq!(same.header("etag"), tag, "{path}");
                assert_eq!(same.header("cache-control"), first.header("cache-control"), "{path}");
                assert!(same.text.is_empty(), "{path}");
            }
            let other = send_conditional(client, method.clone(), path, (IF_NONE_MATCH.as_str(), "\"other\""), None)
                .await
                .expect(200);
            assert_eq!(other.header("etag"), tag, "{path}");
            assert_eq!(other.text.is_empty(), method == Method::HEAD, "{path}");
        }
    }
}
