//! Test accounts: registration and login, changed credentials, and the stored document.

use bson::{Document, doc};
use serde_json::json;
use test_support::{Api, ApiResponse, ServiceSpec, TestUser, World, remember_secret};

/// Makes password hashing cheap, for tests that do not test the hash.
#[must_use]
pub fn with_cheap_hashes(spec: ServiceSpec) -> ServiceSpec {
    spec.set("HASHING__MEMORY_KIB", "64").set("HASHING__ITERATIONS", "1")
}

/// Registers a user and logs them in.
///
/// # Panics
/// Panics if a request is refused.
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
    let users = world.user_database().await.collection::<Document>("users");
    users.find_one(doc! { "email": email }).await.expect("users can be read").expect("the user exists")
}

/// Applies an update to the stored document of an account.
///
/// # Panics
/// Panics if the account does not exist.
pub async fn update_user(world: &World, email: &str, change: Document) {
    let users = world.user_database().await.collection::<Document>("users");
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
