//! Steps that the tests of invitations share.

use bson::{DateTime, Document, doc};
use e2e::{accounts::update_user, administrators::Admin};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, Record, World, remember_secret};

pub(crate) const USERS: &str = "/api/admin/users";
pub(crate) const PAGE: &str = "/accept-invitation";
pub(crate) const INVITED: &str = "user.invited.v1";
pub(crate) const ACCEPTED: &str = "user.invitation_accepted.v1";

/// Invites an address, and returns the id of the account.
pub(crate) async fn invite(root: &Admin, email: &str, username: Option<&str>) -> String {
    let mut body = json!({ "email": email, "invite": true });
    if let Some(username) = username {
        body["username"] = json!(username);
    }
    root.api.post(USERS, &body).await.expect(201).string("id")
}

/// Sends a request to create an account with an `Idempotency-Key`.
pub(crate) async fn create_with_key(api: &Api, key: &str, body: &Value) -> ApiResponse {
    api.send(api.request(Method::POST, USERS).header("idempotency-key", key).json(body)).await
}

/// Accepts an invitation, and returns the response, whatever its status.
pub(crate) async fn accept(api: &Api, token: &str, username: Option<&str>, password: &str) -> ApiResponse {
    remember_secret("password", password);
    let mut body = json!({ "token": token, "password": password });
    if let Some(username) = username {
        body["username"] = json!(username);
    }
    api.post("/api/auth/accept-invitation", &body).await
}

pub(crate) async fn resend(root: &Admin, id: &str) -> ApiResponse {
    root.api.post(&Admin::user_path(id, "/resend-invitation"), &Value::Null).await
}

/// Makes the link of an invitation expire.
pub(crate) async fn expire_link(world: &World, email: &str) {
    update_user(world, email, doc! { "$set": { "invitation.expiresAt": DateTime::from_millis(0) } }).await;
}

/// Returns the account as an administrator sees it.
pub(crate) async fn read(root: &Admin, id: &str) -> Value {
    root.api.get(&Admin::user_path(id, "")).await.expect(200).json()
}

/// Returns the types of a user's events in the topic, in order.
pub(crate) async fn event_types(world: &World, id: &str) -> Vec<String> {
    let records = world.topic_reader().read_all().await.to_vec();
    records.iter().filter(|record| record.key_text() == id).map(Record::event_type).collect()
}

pub(crate) fn heading(page: &ApiResponse) -> &str {
    let text = page.text.split_once("<h1>").and_then(|(_, rest)| rest.split_once("</h1>"));
    text.map(|(heading, _)| heading).unwrap_or_default()
}

/// Returns the invitation in a stored account.
pub(crate) fn invitation(user: &Document) -> Option<&Document> {
    user.get_document("invitation").ok()
}
