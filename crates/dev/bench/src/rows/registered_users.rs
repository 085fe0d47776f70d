//! TestUserEvents who are registered and signed in.

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

/// Enough to keep every hash thread busy, and few enough that nobody is refused.
pub(super) const CONNECTIONS_PER_CORE: usize = 8;
/// What newcomers choose, with a number behind it.
const PASSPHRASE: &str = "otter kiosk gravel";
/// Registrations at the same time: nobody has to be refused.
const CONCURRENT_REGISTRATIONS: usize = 16;

/// Somebody with an account and a session.
#[derive(Debug, Clone)]
pub(super) struct RegisteredUser {
    pub(super) id: String,
    pub(super) login: ApiRequest,
    pub(super) access_token: String,
    pub(super) refresh_token: String,
}

impl RegisteredUser {
    /// `GET /api/users/me`.
    pub(super) fn get_me(&self) -> ApiRequest {
        ApiRequest::get("/api/users/me").with_token(&self.access_token)
    }
}

/// So many of them, at the service with this address.
pub(super) async fn register_users(base_url: &str, world: &World, count: usize) -> Result<Vec<RegisteredUser>> {
    let users = (0..count).map(|_| register_user(base_url, new_user(world)));
    futures_util::stream::iter(users).buffer_unordered(CONCURRENT_REGISTRATIONS).try_collect().await
}

async fn register_user(base_url: &str, person: TestUser) -> Result<RegisteredUser> {
    let mut connection = Connection::open(base_url).await?;
    connection.send_expecting(&registration_request(&person), StatusCode::CREATED).await?;
    let login = login_request(&person);
    let answer = connection.send_expecting(&login, StatusCode::OK).await?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a login's answer lacks a member");
    Ok(RegisteredUser {
        id: text(&answer["user"]["id"])?,
        access_token: text(&answer["accessToken"])?,
        refresh_token: text(&answer["refreshToken"])?,
        login,
    })
}

/// These people log in again and again, so many at a time that every hash thread is busy.
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

/// Always the same, and nearly always another one than other people's.
fn client_address(person: &TestUser) -> Ipv4Addr {
    let mut hasher = DefaultHasher::new();
    person.username.hash(&mut hasher);
    let [_, b, c, d, ..] = hasher.finish().to_be_bytes();
    Ipv4Addr::new(10, b, c, d)
}

pub(super) fn new_user(world: &World) -> TestUser {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    // The tests' passwords name the world they belong to, and are twice as long as people's:
    // what judging one costs grows with the square of that.
    let password = format!("{PASSPHRASE} {number}");
    TestUser { password, ..world.test_user(&format!("new{number}")) }
}
