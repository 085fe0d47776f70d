//! Accounts whose address counts as verified.

use bson::{Document, doc};
use serde_json::json;
use test_support::{Api, ApiResponse, ServiceSpec, TestUser, World, remember_secret};

/// Where the hash is not what is tested.
#[must_use]
pub fn with_cheap_hashes(spec: ServiceSpec) -> ServiceSpec {
    spec.set("HASHING__MEMORY_KIB", "64").set("HASHING__ITERATIONS", "1")
}

/// Registers a user and signs them in.
///
/// # Panics
/// When one of the steps is refused.
pub async fn register_and_log_in(world: &World, api: &Api, name: &str) -> (TestUser, Api) {
    let user = world.test_user(name);
    let _ = api.register(&user).await.expect(201);
    let me = api.with_token(&api.login(&user).await.access);
    (user, me)
}

/// Sends a login and returns the response, whatever its status.
pub async fn try_login(api: &Api, identifier: &str, password: &str) -> ApiResponse {
    api.post("/api/auth/login", &json!({ "identifier": identifier, "password": password })).await
}

/// The same person with another password, which is not set yet.
#[must_use]
pub fn with_new_password(user: &TestUser, suffix: &str) -> TestUser {
    let renewed = TestUser { password: format!("{} {suffix}", user.password), ..user.clone() };
    remember_secret("password", &renewed.password);
    renewed
}

/// The same person under another address.
#[must_use]
pub fn with_email(user: &TestUser, email: &str) -> TestUser {
    TestUser { email: email.to_owned(), ..user.clone() }
}

/// What MongoDB has of an account.
///
/// # Panics
/// When there is no such account.
pub async fn user_document(world: &World, email: &str) -> Document {
    let users = world.user_database().await.collection::<Document>("users");
    users.find_one(doc! { "email": email }).await.expect("users can be read").expect("the user is there")
}

/// Changes an account in the database.
///
/// # Panics
/// When there is no such account.
pub async fn update_user(world: &World, email: &str, change: Document) {
    let users = world.user_database().await.collection::<Document>("users");
    let updated = users.update_one(doc! { "email": email }, change).await.expect("users can be written");
    assert_eq!(updated.matched_count, 1);
}

/// As if the person had followed the verification link, for tests of what needs a verified address.
///
/// # Panics
/// When there is no such account.
pub async fn mark_email_verified(world: &World, user: &TestUser) {
    update_user(world, &user.email, doc! { "$set": { "emailVerified": true } }).await;
}
