//! What a request costs the user service in processor time, and what it is spent on.

mod profile;
mod stacks;

use std::time::Duration;

use anyhow::Result;
use hyper::StatusCode;
use mongodb::Database;
use test_support::Service;

use super::members::{Member, saturating_logins, sign_up};
use crate::{
    commands,
    context::{Context, user_service},
    http_client::Ask,
    load::Load,
    processes::{HASH_THREADS, processor_seconds, thread_seconds},
    report::{Findings, Goal, Row},
    sampling::Sample,
};

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);
const PROFILED: Duration = Duration::from_secs(5);
const MEMBERS: usize = 32;
const SHARES: usize = 5;

/// What is asked for.
#[derive(Clone, Copy)]
enum Kind {
    Reads,
    Logins,
}

pub(super) async fn measure(context: &Context) -> Result<Findings> {
    let world = context.world("processor").await;
    let service = user_service(&world).start().await;
    let members = sign_up(&service.base_url(), &world, MEMBERS).await?;
    let database = world.user_database().await;
    let mut rows = Vec::new();
    for kind in [Kind::Reads, Kind::Logins] {
        let (mut micros, mut counts) = (Vec::new(), Vec::new());
        for _ in 0..context.rounds().min(ROUNDS) {
            let before = Spent::by(&service, &database).await?;
            kind.press(context, &service, &members, ROUND).await?;
            let after = Spent::by(&service, &database).await?;
            let requests = after.requests - before.requests;
            micros.push((after.seconds - before.seconds) * 1e6 / requests);
            counts.push((after.commands - before.commands) / requests);
        }
        let row = Row::value(kind.measure(), "µs", Sample::of(&micros), Goal::None);
        let shares = shares(context, kind, &service, &members).await?;
        rows.push(row.note(format!("{shares}; {:.1} commands to MongoDB", Sample::of(&counts).median)));
    }
    Ok(rows.into())
}

impl Kind {
    fn measure(self) -> &'static str {
        match self {
            Self::Reads => "processor time of a GET me",
            Self::Logins => "processor time of a login outside the hash",
        }
    }

    /// The file of its folded stacks, without the ending.
    fn file(self) -> &'static str {
        match self {
            Self::Reads => "get-me",
            Self::Logins => "login",
        }
    }

    async fn press(self, context: &Context, service: &Service, members: &[Member], length: Duration) -> Result<()> {
        let (length, base_url) = (context.length(length), service.base_url());
        let tally = match self {
            Self::Logins => saturating_logins(context, &base_url, members, length).await?,
            Self::Reads => {
                let asks: Vec<Ask> = members.iter().map(Member::get_me).collect();
                let load = Load::saturating(members.len(), length);
                load.run(&base_url, move |connection, _| asks[connection].clone()).await?
            }
        };
        tally.only(&[StatusCode::OK])?;
        Ok(())
    }
}

/// What the service has done so far.
struct Spent {
    /// Answered, also those that nobody waited for.
    requests: f64,
    /// Of processor time, with its relay but without its hashes.
    seconds: f64,
    /// Of mongod, for whomever; nobody else asks meanwhile.
    commands: f64,
}

impl Spent {
    async fn by(service: &Service, database: &Database) -> Result<Self> {
        Ok(Self {
            requests: service.metric("http_requests_total", r#"status="2xx""#).await,
            seconds: processor_seconds(service.pid())? - thread_seconds(service.pid(), HASH_THREADS)?,
            commands: commands::carried_out(database).await?,
        })
    }
}

/// The largest shares of the processor time; why there are none, where `perf` does not work.
async fn shares(context: &Context, kind: Kind, service: &Service, members: &[Member]) -> Result<String> {
    let profile = profile::record(service.pid(), context.length(PROFILED));
    let (recorded, pressed) = tokio::join!(profile, kind.press(context, service, members, PROFILED));
    pressed?;
    let printed = match recorded {
        Ok(printed) => printed,
        Err(error) => return Ok(format!("no profile: {error:#}")),
    };
    let stacks: Vec<_> = stacks::parse(&printed).filter(|stack| !stack.thread.starts_with(HASH_THREADS)).collect();
    profile::write_folded(kind.file(), &stacks::folded(&stacks))?;
    let shares = stacks::shares(&stacks).into_iter().take(SHARES);
    let texts = shares.map(|(purpose, share)| format!("{purpose} {:.0} %", share * 100.0));
    Ok(texts.collect::<Vec<_>>().join(", "))
}
