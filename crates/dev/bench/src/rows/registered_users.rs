//! Users who are registered and logged in, and the requests of new users.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, TryStreamExt as _};
use hyper::StatusCode;
use serde_json::{Value, json};
use test_support::{TestUser, World};

use crate::{
    environment::Environment,
    http_client::{ApiRequest, Connection},
    load::{Load, ResponseTimes},
};

/// The number of connections per core that keeps every hash thread busy without any refusals.
pub(super) const CONNECTIONS_PER_CORE: usize = 8;
/// The passphrase of new users, which is followed by a number.
const PASSPHRASE: &str = "otter kiosk gravel";
/// The number of concurrent registrations, small enough that none is refused.
const CONCURRENT_REGISTRATIONS: usize = 16;

/// A user with an account and a session.
#[derive(Debug, Clone)]
pub(super) struct RegisteredUser {
    pub(super) id: String,
    pub(super) login: ApiRequest,
    pub(super) access_token: String,
    pub(super) refresh_token: String,
}

impl RegisteredUser {
    /// Returns the request `GET /api/users/me`.
    pub(super) fn get_me(&self) -> ApiRequest {
        ApiRequest::get("/api/users/me").with_token(&self.access_token)
    }
}

/// Registers `count` users at the service with this base URL.
pub(super) async fn register_users(base_url: &str, world: &World, count: usize) -> Result<Vec<RegisteredUser>> {
    let users = (0..count).map(|_| register_user(base_url, new_user(world)));
    futures_util::stream::iter(users).buffer_unordered(CONCURRENT_REGISTRATIONS).try_collect().await
}

async fn register_user(base_url: &str, person: TestUser) -> Result<RegisteredUser> {
    let mut connection = Connection::open(base_url).await?;
    connection.send_expecting(&registration_request(&person), StatusCode::CREATED).await?;
    let login = login_request(&person);
    let response = connection.send_expecting(&login, StatusCode::OK).await?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("the login response lacks a member");
    Ok(RegisteredUser {
        id: text(&response["user"]["id"])?,
        access_token: text(&response["accessToken"])?,
        refresh_token: text(&response["refreshToken"])?,
        login,
    })
}

/// Lets these users log in again and again, over enough connections to keep every hash thread busy.
pub(super) async fn saturating_logins(
    environment: &Environment,
    base_url: &str,
    users: &[RegisteredUser],
    length: Duration,
) -> Result<ResponseTimes> {
    let requests: Vec<ApiRequest> = users.iter().map(|user| user.login.clone()).collect();
    let load = Load::saturating(CONNECTIONS_PER_CORE * environment.cores(), length);
    load.run(base_url, move |connection, turn| requests[(connection + turn) % requests.len()].clone()).await
}

fn login_request(person: &TestUser) -> ApiRequest {
    let body = json!({ "identifier": person.email, "password": person.password });
    ApiRequest::post("/api/auth/login", &body).from(client_address(person))
}

pub(super) fn registration_request(person: &TestUser) -> ApiRequest {
    let body = json!({ "username": person.username, "email": person.email, "password": person.password });
    ApiRequest::post("/api/users", &body).from(client_address(person))
}

/// Returns the user's client address, which is always the same and with high probability unique.
fn client_address(person: &TestUser) -> Ipv4Addr {
    let mut hasher = DefaultHasher::new();
    person.username.hash(&mut hasher);
    let [_, b, c, d, ..] = hasher.finish().to_be_bytes();
    Ipv4Addr::new(10, b, c, d)
}

pub(super) fn new_user(world: &World) -> TestUser {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    // The test users' default passwords contain the name of their world and are twice as long as usual ones, and the
    // cost of the strength estimate grows with the square of the length.
    let password = format!("{PASSPHRASE} {number}");
    TestUser { password, ..world.test_user(&format!("new{number}")) }
}
