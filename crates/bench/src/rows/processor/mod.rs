//! What a request costs the user service in processor time, and what it is spent on.

mod profile;
mod stacks;

use std::time::Duration;

use anyhow::Result;
use hyper::StatusCode;
use test_support::Service;

use super::members::{Member, saturating_logins, sign_up};
use crate::{
    context::{Context, user_service},
    http_client::Ask,
    load::Load,
    processes::{processor_seconds, thread_seconds},
    report::{Findings, Goal, Row},
    sampling::Sample,
};

const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);
const PROFILED: Duration = Duration::from_secs(5);
const MEMBERS: usize = 32;
/// The service's hash threads; their time is the hashes'.
const HASH_THREADS: &str = "hash-";
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
    let mut rows = Vec::new();
    for kind in [Kind::Reads, Kind::Logins] {
        let mut micros = Vec::new();
        for _ in 0..context.rounds().min(ROUNDS) {
            let before = (answered(&service).await, outside_the_hashes(service.pid())?);
            kind.press(context, &service, &members, ROUND).await?;
            let took = outside_the_hashes(service.pid())? - before.1;
            micros.push(took * 1e6 / (answered(&service).await - before.0));
        }
        let row = Row::value(kind.measure(), "µs", Sample::of(&micros), Goal::None);
        rows.push(row.note(shares(context, kind, &service, &members).await?));
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

/// Requests that the service has answered so far, also those that nobody waited for.
async fn answered(service: &Service) -> f64 {
    service.metric("http_requests_total", r#"status="2xx""#).await
}

/// Seconds of processor time of the service so far, with its relay but without its hashes.
fn outside_the_hashes(pid: u32) -> Result<f64> {
    Ok(processor_seconds(pid)? - thread_seconds(pid, HASH_THREADS)?)
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
