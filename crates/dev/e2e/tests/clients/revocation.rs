//! Revocation (RFC 7009).

use bson::doc;
use e2e::{
    accounts::register,
    administrators::create_admin,
    clients::{TestClient, expect_oauth_error},
    start::{start_two_replicas, start_user_service},
};
use serde_json::json;
use test_support::{Api, DEADLINE, find_all, wait_for};

const REVOKE: &str = "/oauth/revoke";

async fn status_with(api: &Api, token: &str) -> u16 {
    api.with_token(token).get("/api/admin/users").await.status
}

#[tokio::test]
async fn a_client_revokes_its_own_token_and_no_other() {
    let (world, first, second) = start_two_replicas("revoke").await;
    let admin = create_admin(&world, &first, "admin").await;
    let (api, elsewhere) = (first.api(), second.api());
    let client = TestClient::create(&admin, &["users:read"]).await;
    let other = TestClient::create(&admin, &["users:read"]).await;
    let (revoked, kept) = (client.token(&api).await, client.token(&api).await);
    let foreign = other.token(&api).await;

    expect_oauth_error(&client.post(&api, REVOKE, &[("token", &foreign)]).await, 400, "invalid_grant");
    for _ in 0..2 {
        assert_eq!(client.post(&api, REVOKE, &[("token", &revoked)]).await.expect(200).text, "");
    }
    assert_eq!(status_with(&elsewhere, &revoked).await, 401);
    for token in [&kept, &foreign] {
        assert_eq!(status_with(&elsewhere, token).await, 200);
    }
    for unknown in ["x", "..", &"A".repeat(5000), &client.secret] {
        let _ =
            client.post(&api, REVOKE, &[("token", unknown), ("token_type_hint", "refresh_token")]).await.expect(200);
    }
    expect_oauth_error(&client.post(&api, REVOKE, &[]).await, 400, "invalid_request");
    let wrong = TestClient { secret: other.secret, ..client };
    expect_oauth_error(&wrong.post(&api, REVOKE, &[("token", &kept)]).await, 401, "invalid_client");
    assert_eq!(status_with(&api, &kept).await, 200);
}

#[tokio::test]
async fn a_refresh_token_ends_its_session_and_an_access_token_of_a_user_is_refused() {
    let (world, service, api) = start_user_service("revokerefresh").await;
    let admin = create_admin(&world, &service, "admin").await;
    let client = TestClient::create(&admin, &["users:read"]).await;
    let ada = register(&world, &api, "ada").await;
    let tokens = api.login(&ada).await;
    let refused = client.post(&api, REVOKE, &[("token", &tokens.access)]).await;
    expect_oauth_error(&refused, 400, "unsupported_token_type");
    let _ = api.with_token(&tokens.access).get("/api/users/me").await.expect(200);
    let _ = client.post(&api, REVOKE, &[("token", &tokens.refresh)]).await.expect(200);
    let _ = api.refresh(&tokens.refresh).await.expect_problem(401, "unauthorized");
    let me = api.logged_in_as(&ada).await;
    wait_for(DEADLINE, "the entry in the audit log", async || {
        let log = me.get("/api/users/me/audit").await.expect(200).json();
        let entries = log["items"].as_array().cloned().unwrap_or_default();
        let entry = entries.into_iter().find(|entry| entry["type"] == "logged_out")?;
        assert_eq!((&entry["actor"], &entry["actorId"]), (&json!("client"), &json!(client.id)));
        Some(())
    })
    .await;
}

#[tokio::test]
async fn so_many_revoked_tokens_that_the_list_is_full_revoke_all_tokens_of_the_client() {
    let (world, service, api) = start_user_service("revokefull").await;
    let admin = create_admin(&world, &service, "admin").await;
    let client = TestClient::create(&admin, &["users:read"]).await;
    let stored = async || {
        let id = e2e::accounts::parse_uuid(&client.id);
        let found = find_all(&world.user_collection("clients").await, doc! { "_id": id }).await;
        found[0].get_array("revokedTokens").expect("the list exists").len()
    };
    let bystander = client.token(&api).await;
    for _ in 0..100 {
        let token = client.token(&api).await;
        let _ = client.post(&api, REVOKE, &[("token", &token)]).await.expect(200);
    }
    assert_eq!((stored().await, status_with(&api, &bystander).await), (100, 200));
    let last = client.token(&api).await;
    let _ = client.post(&api, REVOKE, &[("token", &last)]).await.expect(200);
    assert_eq!(stored().await, 0);
    assert_eq!((status_with(&api, &bystander).await, status_with(&api, &last).await), (401, 401));
    // Two seconds later, the client works as before.
    wait_for(DEADLINE, "a token that is accepted", async || {
        (status_with(&api, &client.token(&api).await).await == 200).then_some(())
    })
    .await;
}
