//! People who are registered and signed in.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::{StreamExt as _, TryStreamExt as _};
use hyper::StatusCode;
use serde_json::Value;
use test_support::{TestUser, World};

use super::passwords::{CONNECTIONS_PER_CORE, login_of, newcomer, registration_of};
use crate::{
    context::Context,
    http_client::{Ask, Connection},
    load::{Load, Tally},
};

/// Registrations at the same time: nobody has to be refused.
const AT_ONCE: usize = 16;

/// Somebody with an account and a session.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) login: Ask,
    pub(super) access_token: String,
    pub(super) refresh_token: String,
}

impl Member {
    /// `GET /api/users/me`.
    pub(super) fn get_me(&self) -> Ask {
        Ask::get("/api/users/me").with_token(&self.access_token)
    }
}

/// So many of them, at the service with this address.
pub(super) async fn sign_up(base_url: &str, world: &World, count: usize) -> Result<Vec<Member>> {
    let members = (0..count).map(|_| sign_up_one(base_url, newcomer(world)));
    futures_util::stream::iter(members).buffer_unordered(AT_ONCE).try_collect().await
}

async fn sign_up_one(base_url: &str, person: TestUser) -> Result<Member> {
    let mut connection = Connection::open(base_url).await?;
    connection.expect(&registration_of(&person), StatusCode::CREATED).await?;
    let login = login_of(&person);
    let answer = connection.expect(&login, StatusCode::OK).await?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a login's answer lacks a member");
    Ok(Member {
        id: text(&answer["user"]["id"])?,
        access_token: text(&answer["accessToken"])?,
        refresh_token: text(&answer["refreshToken"])?,
        login,
    })
}

/// These people log in again and again, so many at a time that every hash thread is busy.
pub(super) async fn saturating_logins(
    context: &Context,
    base_url: &str,
    members: &[Member],
    length: Duration,
) -> Result<Tally> {
    let asks: Vec<Ask> = members.iter().map(|member| member.login.clone()).collect();
    let load = Load::saturating(CONNECTIONS_PER_CORE * context.cores(), length);
    load.run(base_url, move |connection, turn| asks[(connection + turn) % asks.len()].clone()).await
}
