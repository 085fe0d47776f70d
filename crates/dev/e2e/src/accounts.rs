//! Test accounts: their requests, and their stored documents.

use std::time::Duration;

use bson::{Document, Uuid, doc};
use reqwest::{Method, header::USER_AGENT};
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, ServiceSpec, TestUser, Tokens, World, count, remember_secret, wait_for_count};

/// Makes password hashing cheap, for tests that do not test the hash.
#[must_use]
pub fn with_cheap_hashes(spec: ServiceSpec) -> ServiceSpec {
    spec.set("HASHING__MEMORY_KIB", "64").set("HASHING__ITERATIONS", "1")
}

/// Registers a user.
///
/// # Panics
/// Panics if the registration is refused.
pub async fn register(world: &World, api: &Api, name: &str) -> TestUser {
    register_with_id(world, api, name).await.0
}

/// Registers a user, and returns the user with the id of the account.
///
/// # Panics
/// Panics if the registration is refused.
pub async fn register_with_id(world: &World, api: &Api, name: &str) -> (TestUser, String) {
    let user = world.test_user(name);
    let id = api.register(&user).await.expect(201).string("id");
    (user, id)
}

/// Registers a user and logs them in.
///
/// # Panics
/// Panics if a request is refused.
pub async fn register_and_log_in(world: &World, api: &Api, name: &str) -> (TestUser, Api) {
    let user = register(world, api, name).await;
    let me = api.logged_in_as(&user).await;
    (user, me)
}

/// Registers a user, verifies the email address, and logs the user in.
///
/// # Panics
/// Panics if a request is refused.
pub async fn register_verified(world: &World, api: &Api, name: &str) -> (TestUser, Api) {
    let user = register(world, api, name).await;
    mark_email_verified(world, &user).await;
    let me = api.logged_in_as(&user).await;
    (user, me)
}

/// Sends a login and returns the response, whatever its status.
pub async fn try_login(api: &Api, identifier: &str, password: &str) -> ApiResponse {
    api.post("/api/auth/login", &json!({ "identifier": identifier, "password": password })).await
}

/// Sends a login with a wrong password and checks that it is refused.
///
/// # Panics
/// Panics if the response differs.
pub async fn fail_login(api: &Api, user: &TestUser) {
    let _ = try_login(api, &user.email, "not the password").await.expect_problem(401, "invalid-credentials");
}

/// Logs a user in with a `User-Agent`.
///
/// # Panics
/// Panics if the status is not 200.
pub async fn log_in_with_agent(api: &Api, user: &TestUser, user_agent: &str) -> Tokens {
    let request = api.request(Method::POST, "/api/auth/login").header(USER_AGENT, user_agent);
    let credentials = json!({ "identifier": user.email, "password": user.password });
    Tokens::from_response(&api.send(request.json(&credentials)).await.expect(200))
}

/// Registers with an `Idempotency-Key` and returns the response, whatever its status.
pub async fn register_with_key(api: &Api, key: &str, body: &Value) -> ApiResponse {
    api.send(api.request(Method::POST, "/api/users").header("idempotency-key", key).json(body)).await
}

/// Changes the password of a logged-in user, and returns the user with the new password.
///
/// # Panics
/// Panics if the change is refused.
pub async fn change_password(me: &Api, user: &TestUser, suffix: &str) -> TestUser {
    let renewed = with_new_password(user, suffix);
    let body = json!({ "currentPassword": user.password, "newPassword": renewed.password });
    let _ = me.put("/api/users/me/password", &body).await.expect(204);
    renewed
}

/// Requests a mail with a link that resets the password.
///
/// # Panics
/// Panics if the request is refused.
pub async fn request_reset(api: &Api, email: &str) {
    let answer = api.post("/api/auth/password-reset", &json!({ "email": email })).await.expect(202);
    assert!(answer.text.is_empty(), "{}", answer.text);
}

/// Resets the password with a mailed token, and returns the response, whatever its status.
pub async fn confirm_reset(api: &Api, token: &str, password: &str) -> ApiResponse {
    let body = json!({ "token": token, "newPassword": password });
    api.post("/api/auth/password-reset/confirm", &body).await
}

/// Requests another mail with a link that verifies the email address.
///
/// # Panics
/// Panics if the request is refused.
pub async fn request_verification(api: &Api, email: &str) {
    let answer = api.post("/api/auth/email-verification/resend", &json!({ "email": email })).await.expect(202);
    assert!(answer.text.is_empty(), "{}", answer.text);
}

/// Verifies the email address with a mailed token, and returns the response, whatever its status.
pub async fn verify_email(api: &Api, token: &str) -> ApiResponse {
    api.post("/api/auth/email-verification", &json!({ "token": token })).await
}

/// Confirms a change of the email address with a mailed token, and returns the response, whatever its status.
pub async fn confirm_email_change(api: &Api, token: &str) -> ApiResponse {
    api.post("/api/auth/email-change/confirm", &json!({ "token": token })).await
}

/// Deletes the account of a logged-in user.
///
/// # Panics
/// Panics if the request is refused.
pub async fn delete_account(me: &Api, user: &TestUser) {
    let _ = me.delete("/api/users/me", Some(&json!({ "password": user.password }))).await.expect(204);
}

/// Returns the user with another password, which is not yet set at the service.
#[must_use]
pub fn with_new_password(user: &TestUser, suffix: &str) -> TestUser {
    let renewed = TestUser { password: format!("{} {suffix}", user.password), ..user.clone() };
    remember_secret("password", &renewed.password);
    renewed
}

/// Returns the user with another email address.
#[must_use]
pub fn with_email(user: &TestUser, email: &str) -> TestUser {
    TestUser { email: email.to_owned(), ..user.clone() }
}

/// Returns the stored document of an account.
///
/// # Panics
/// Panics if the account does not exist.
pub async fn user_document(world: &World, email: &str) -> Document {
    find_user(world, doc! { "email": email }).await
}

/// Returns the stored document of the account with an id.
///
/// # Panics
/// Panics if the account does not exist.
pub async fn user_document_by_id(world: &World, id: &str) -> Document {
    find_user(world, doc! { "_id": parse_uuid(id) }).await
}

async fn find_user(world: &World, filter: Document) -> Document {
    let users = world.user_collection("users").await;
    users.find_one(filter).await.expect("users can be read").expect("the user exists")
}

/// Returns the stored hash of an account's password.
///
/// # Panics
/// Panics if the account does not exist.
pub async fn stored_hash(world: &World, email: &str) -> String {
    user_document(world, email).await.get_str("passwordHash").expect("the user has a hash").to_owned()
}

/// Applies an update to the stored document of an account.
///
/// # Panics
/// Panics if the account does not exist.
pub async fn update_user(world: &World, email: &str, change: Document) {
    let users = world.user_collection("users").await;
    let updated = users.update_one(doc! { "email": email }, change).await.expect("users can be written");
    assert_eq!(updated.matched_count, 1);
}

/// Marks the email address of a user as verified in the database, for tests that need a verified address.
///
/// # Panics
/// Panics if the account does not exist.
pub async fn mark_email_verified(world: &World, user: &TestUser) {
    update_user(world, &user.email, doc! { "$set": { "emailVerified": true } }).await;
}

/// Returns the number of accounts with events that are not yet published.
pub async fn count_users_with_pending_events(world: &World) -> u64 {
    count(&world.user_collection("users").await, pending()).await
}

/// Waits until every event of every account is published.
///
/// # Panics
/// Panics if an event is pending after 30 s.
pub async fn wait_until_all_published(world: &World) {
    wait_for_count(&world.user_collection("users").await, pending(), 0).await;
}

fn pending() -> Document {
    doc! { "pendingEvents.0": { "$exists": true } }
}

/// Waits until the database has `expected` sessions.
///
/// # Panics
/// Panics if there are more or fewer after 30 s.
pub async fn wait_for_session_count(world: &World, expected: u64) {
    wait_for_count(&world.user_collection("sessions").await, doc! {}, expected).await;
}

/// Moves the sign-in of all sessions, and their last reauthentication, into the past.
///
/// # Panics
/// Panics if there is no session.
pub async fn age_sessions(world: &World, by: Duration) {
    let ago = |field: &str| doc! { "$subtract": [field, i64::try_from(by.as_millis()).expect("a test moves minutes")] };
    let moved = doc! { "$set": {
        "createdAt": ago("$createdAt"),
        "authenticatedAt": { "$cond": [{ "$gt": ["$authenticatedAt", null] }, ago("$authenticatedAt"), "$$REMOVE"] },
    } };
    let sessions = world.user_collection("sessions").await;
    let updated = sessions.update_many(doc! {}, vec![moved]).await.expect("sessions can be written");
    assert!(updated.matched_count > 0, "there is no session");
}

/// Parses an id of the API.
///
/// # Panics
/// Panics if the text is not a UUID.
#[must_use]
pub fn parse_uuid(text: &str) -> Uuid {
    Uuid::parse_str(text).expect("an id is a UUID")
}
