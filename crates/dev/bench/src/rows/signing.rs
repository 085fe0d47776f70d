//! Logins with each signing algorithm of access tokens, alternately.

use std::time::Duration;

use anyhow::Result;
use hyper::StatusCode;
use test_support::Service;

use super::registered_users::{RegisteredUser, register_users, saturating_logins};
use crate::{
    environment::{Environment, user_service},
    report::{Findings, Goal, Row},
    sampling::Comparison,
};

const ROUND_DURATION: Duration = Duration::from_secs(8);
/// The number of users that log in one after the other.
const USERS: usize = 64;
/// The algorithm of release 0.1.0, with which the others are compared.
const BASELINE: &str = "EdDSA";

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let baseline = Installation::start(environment, BASELINE).await?;
    let mut rows = Vec::new();
    for (algorithm, goal) in [("ES256", Goal::Ratio(0.95)), ("RS256", Goal::None)] {
        let installation = Installation::start(environment, algorithm).await?;
        let mut rounds = Vec::new();
        for _ in 0..environment.rounds() {
            let ours = installation.logins_per_second(environment).await?;
            rounds.push((ours, baseline.logins_per_second(environment).await?));
        }
        let name = format!("logins, saturated: {algorithm} / {BASELINE}");
        rows.push(Row::comparison(name, "1/s", &Comparison::from_rounds(&rounds), goal));
    }
    Ok(rows.into())
}

/// A user service that signs with one algorithm, with its own database and users.
struct Installation {
    service: Service,
    users: Vec<RegisteredUser>,
}

impl Installation {
    async fn start(environment: &Environment, algorithm: &str) -> Result<Self> {
        let world = environment.world(&format!("signing-{}", algorithm.to_ascii_lowercase())).await;
        let service = user_service(&world).set("AUTH__SIGNING_ALGORITHM", algorithm).start().await;
        let users = register_users(&service.base_url(), &world, USERS).await?;
        Ok(Self { service, users })
    }

    async fn logins_per_second(&self, environment: &Environment) -> Result<f64> {
        let length = environment.duration(ROUND_DURATION);
        let responses = saturating_logins(environment, &self.service.base_url(), &self.users, length).await?;
        Ok(responses.require_statuses(&[StatusCode::OK])?.rate(StatusCode::OK))
    }
}
