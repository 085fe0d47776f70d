//! The user service's processor time per request, by purpose.

mod profile;
mod stack_purposes;

use std::time::Duration;

use anyhow::Result;
use hyper::StatusCode;
use mongodb::Database;
use test_support::Service;

use super::registered_users::{RegisteredUser, register_users, saturating_logins};
use crate::{
    database,
    environment::{Environment, user_service},
    http_client::ApiRequest,
    load::Load,
    processes::{HASH_THREADS, processor_seconds, thread_seconds},
    report::{Findings, Goal, Row},
    sampling::Sample,
};

const ROUNDS: usize = 3;
const ROUND_DURATION: Duration = Duration::from_secs(4);
const PROFILE_DURATION: Duration = Duration::from_secs(5);
const USERS: usize = 32;
const SHOWN_SHARES: usize = 5;

/// A kind of request that is profiled.
#[derive(Clone, Copy)]
enum ProfiledRequest {
    Reads,
    Logins,
}

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let world = environment.world("processor").await;
    let service = user_service(&world).start().await;
    let users = register_users(&service.base_url(), &world, USERS).await?;
    let database = world.user_database().await;
    let mut rows = Vec::new();
    for kind in [ProfiledRequest::Reads, ProfiledRequest::Logins] {
        let (mut micros, mut counts) = (Vec::new(), Vec::new());
        for _ in 0..environment.rounds().min(ROUNDS) {
            let before = ServiceTotals::read(&service, &database).await?;
            kind.send_load(environment, &service, &users, ROUND_DURATION).await?;
            let after = ServiceTotals::read(&service, &database).await?;
            let requests = after.requests - before.requests;
            micros.push((after.seconds - before.seconds) * 1e6 / requests);
            counts.push((after.commands - before.commands) / requests);
        }
        let row = Row::value(kind.measure(), "µs", Sample::from_rounds(&micros), Goal::None);
        let shares = shares(environment, kind, &service, &users).await?;
        rows.push(row.note(format!("{shares}; {:.1} commands to MongoDB", Sample::from_rounds(&counts).median)));
    }
    Ok(rows.into())
}

impl ProfiledRequest {
    fn measure(self) -> &'static str {
        match self {
            Self::Reads => "processor time of a GET me",
            Self::Logins => "processor time of a login outside the hash",
        }
    }

    /// Returns the name of the file with its folded stacks, without the extension.
    fn file(self) -> &'static str {
        match self {
            Self::Reads => "get-me",
            Self::Logins => "login",
        }
    }

    async fn send_load(
        self,
        environment: &Environment,
        service: &Service,
        users: &[RegisteredUser],
        length: Duration,
    ) -> Result<()> {
        let (length, base_url) = (environment.duration(length), service.base_url());
        let tally = match self {
            Self::Logins => saturating_logins(environment, &base_url, users, length).await?,
            Self::Reads => {
                let requests: Vec<ApiRequest> = users.iter().map(RegisteredUser::get_me).collect();
                let load = Load::saturating(users.len(), length);
                load.run(&base_url, move |connection, _| requests[connection].clone()).await?
            }
        };
        tally.require_statuses(&[StatusCode::OK])?;
        Ok(())
    }
}

/// The totals of the service so far.
struct ServiceTotals {
    /// Successful responses, including those that the client no longer waited for.
    requests: f64,
    /// Seconds of processor time, with the relay but without hashing.
    seconds: f64,
    /// Commands that mongod has executed for any client; no other client sends commands meanwhile.
    commands: f64,
}

impl ServiceTotals {
    async fn read(service: &Service, database: &Database) -> Result<Self> {
        Ok(Self {
            requests: service.metric("http_requests_total", r#"status="2xx""#).await,
            seconds: processor_seconds(service.pid())? - thread_seconds(service.pid(), HASH_THREADS)?,
            commands: database::document_commands(database).await?,
        })
    }
}

/// Returns the largest shares of the processor time, or the reason why `perf` does not work.
async fn shares(
    environment: &Environment,
    kind: ProfiledRequest,
    service: &Service,
    users: &[RegisteredUser],
) -> Result<String> {
    let profile = profile::record(service.pid(), environment.duration(PROFILE_DURATION));
    let (recorded, pressed) = tokio::join!(profile, kind.send_load(environment, service, users, PROFILE_DURATION));
    pressed?;
    let printed = match recorded {
        Ok(printed) => printed,
        Err(error) => return Ok(format!("no profile: {error:#}")),
    };
    let stacks: Vec<_> =
        stack_purposes::parse(&printed).filter(|stack| !stack.thread.starts_with(HASH_THREADS)).collect();
    profile::write_folded(kind.file(), &stack_purposes::folded(&stacks))?;
    let shares = stack_purposes::shares(&stacks).into_iter().take(SHOWN_SHARES);
    let texts = shares.map(|(purpose, share)| format!("{purpose} {:.0} %", share * 100.0));
    Ok(texts.collect::<Vec<_>>().join(", "))
}
