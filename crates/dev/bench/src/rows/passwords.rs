//! Registrations and logins: the complete work of a service, most of which is hashing.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use hyper::StatusCode;
use test_support::World;

use super::{
    hashing::hashes_per_second,
    registered_users::{CONNECTIONS_PER_CORE, RegisteredUser, new_user, register_users, registration_request},
};
use crate::{
    database::document_commands,
    environment::{Environment, user_service},
    http_client::ApiRequest,
    load::{Load, ResponseTimes},
    processes::{HASH_THREADS, Processes, thread_seconds},
    report::{Findings, Goal, Row},
    sampling::{Comparison, Sample, millis},
};

const ROUND_DURATION: Duration = Duration::from_secs(8);
const HASH_DURATION: Duration = Duration::from_secs(2);
/// The number of users that log in one after the other.
const USERS: usize = 256;
/// The user service's processor time outside its hash threads.
const USER_SERVICE_REST: &str = "user-service without hashing";
const OVERLOAD_FACTOR: f64 = 4.0;
/// Longer than an accepted request waits (`hashing.max_wait`) and works: so the overload has enough connections to send
/// its rate, however many of them wait.
const OVERLOADED_RESPONSE_TIME: Duration = Duration::from_millis(2_500);

/// A request that hashes a password.
#[derive(Clone, Copy)]
enum PasswordRequest {
    Registrations,
    Logins,
}

impl PasswordRequest {
    fn name(self) -> &'static str {
        match self {
            Self::Registrations => "registrations",
            Self::Logins => "logins",
        }
    }

    fn accepted(self) -> StatusCode {
        match self {
            Self::Registrations => StatusCode::CREATED,
            Self::Logins => StatusCode::OK,
        }
    }

    /// Returns a function that creates the next request of a connection.
    fn generator(
        self,
        world: &World,
        users: &[RegisteredUser],
    ) -> impl Fn(usize, usize) -> ApiRequest + Send + Sync + 'static {
        let (world, users) = (world.clone(), users.to_vec());
        move |connection, turn| match self {
            Self::Registrations => registration_request(&new_user(&world)),
            Self::Logins => users[(connection + turn) % users.len()].login.clone(),
        }
    }
}

/// The results of one round: throughput, and processor time by process.
struct Round {
    rate: f64,
    hash_limit: f64,
    cores: f64,
    /// The share of all cores that mongod, Kafka, the mail server and the load client took.
    others: f64,
    /// Milliseconds of processor time per successful request.
    spent: BTreeMap<&'static str, f64>,
    /// Commands to MongoDB per successful request.
    commands: f64,
    overloaded_rate: f64,
    refused_rate: f64,
    refused_p95: Duration,
}

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let (world, sink) = environment.world_with_sink("passwords").await?;
    let (service, emails) = tokio::join!(user_service(&world).start(), world.email_service().start());
    let processes = WatchedProcesses {
        service: service.pid(),
        ours: Processes::default().with(USER_SERVICE_REST, service.pid()).with("email-service", emails.pid()),
        others: environment
            .dependency_processes()
            .with("mail server", sink.pid()?)
            .with("load client", std::process::id()),
    };
    let users = register_users(&service.base_url(), &world, USERS).await?;

    let mut rows = Vec::new();
    for request in [PasswordRequest::Registrations, PasswordRequest::Logins] {
        let mut rounds = Vec::new();
        for _ in 0..environment.rounds() {
            rounds.push(round(environment, &service.base_url(), request, &world, &users, &processes).await?);
        }
        rows.extend(rows_of(request, &rounds));
    }
    Ok(rows.into())
}

async fn round(
    environment: &Environment,
    base_url: &str,
    request: PasswordRequest,
    world: &World,
    users: &[RegisteredUser],
    processes: &WatchedProcesses,
) -> Result<Round> {
    let length = environment.duration(ROUND_DURATION);
    let hash_limit = hashes_per_second(environment.cores(), environment.duration(HASH_DURATION));
    let saturating = Load::saturating(CONNECTIONS_PER_CORE * environment.cores(), length);
    let (ours, others) = (processes.ours.watch()?, processes.others.watch()?);
    let hashing = thread_seconds(processes.service, HASH_THREADS)?;
    let database = world.user_database().await;
    let commands = document_commands(&database).await?;
    let saturated =
        saturating.run(base_url, request.generator(world, users)).await?.require_statuses(&[request.accepted()])?;
    let commands = document_commands(&database).await? - commands;
    let mut spent = ours.seconds()?;
    spent.extend(others.seconds()?);
    let hashing = thread_seconds(processes.service, HASH_THREADS)? - hashing;
    spent.entry(USER_SERVICE_REST).and_modify(|all| *all -= hashing);
    spent.insert("hash", hashing);
    let others = others.shares(environment.cores())?.values().sum();
    let rate = saturated.rate(request.accepted());
    let done = rate * length.as_secs_f64();
    spent.values_mut().for_each(|seconds| *seconds *= 1e3 / done);
    let overload_rate = OVERLOAD_FACTOR * rate;
    let connections = (overload_rate * OVERLOADED_RESPONSE_TIME.as_secs_f64()).ceil() as usize;
    let overload = Load::at_rate(connections, overload_rate, length);
    let overloaded: ResponseTimes = overload.run(base_url, request.generator(world, users)).await?;
    let overloaded = overloaded.require_statuses(&[request.accepted(), StatusCode::SERVICE_UNAVAILABLE])?;
    Ok(Round {
        rate,
        hash_limit,
        cores: environment.cores() as f64,
        others,
        spent,
        commands: commands / done,
        overloaded_rate: overloaded.rate(request.accepted()),
        refused_rate: overloaded.rate(StatusCode::SERVICE_UNAVAILABLE),
        refused_p95: overloaded.percentile(StatusCode::SERVICE_UNAVAILABLE, 95.0),
    })
}

fn rows_of(request: PasswordRequest, rounds: &[Round]) -> Vec<Row> {
    let name = request.name();
    let pair = |limit: fn(&Round) -> f64, ours: fn(&Round) -> f64| {
        Comparison::from_rounds(&rounds.iter().map(|round| (ours(round), limit(round))).collect::<Vec<_>>())
    };
    let refused: Vec<f64> = rounds.iter().map(|round| millis(round.refused_p95)).collect();
    let refused_rate = Sample::from_rounds(&rounds.iter().map(|round| round.refused_rate).collect::<Vec<_>>());
    let others = Sample::from_rounds(&rounds.iter().map(|round| round.others).collect::<Vec<_>>());
    let commands = Sample::from_rounds(&rounds.iter().map(|round| round.commands).collect::<Vec<_>>());
    let (of_rest, raw, max_commands) = match request {
        // With those of the mail.
        PasswordRequest::Registrations => (0.75, 0.50, Goal::None),
        PasswordRequest::Logins => (0.85, 0.60, Goal::AtMost(4.3)),
    };
    vec![
        Row::comparison(
            format!("{name}, saturated / hash limit of what others leave"),
            "1/s",
            &pair(|round| round.hash_limit * (1.0 - round.others), |round| round.rate),
            Goal::Ratio(of_rest),
        )
        .note(format!(
            "mongod, Kafka, the mail server and the load client took {:.0} %; {}",
            others.median * 100.0,
            time_per_request(rounds)
        )),
        Row::comparison(
            format!("{name}, saturated / hash limit"),
            "1/s",
            &pair(|round| round.hash_limit, |round| round.rate),
            Goal::Ratio(raw),
        )
        .note("for what takes the rest see the row above"),
        Row::value(format!("{name}, saturated: commands to MongoDB for each"), "", commands, max_commands),
        Row::comparison(
            format!("{name} at 4 times the load / saturated"),
            "1/s",
            &pair(|round| round.rate, |round| round.overloaded_rate),
            Goal::Ratio(1.0),
        )
        .note(format!(
            "{:.0} others per second are refused, and their responses take processor time too",
            refused_rate.median
        )),
        Row::value(
            format!("{name} at 4 times the load: refused in, p95"),
            "ms",
            Sample::from_rounds(&refused),
            Goal::AtMost(50.0),
        ),
    ]
}

/// The processes whose processor time is counted.
struct WatchedProcesses {
    service: u32,
    ours: Processes,
    others: Processes,
}

/// Returns the medians over the rounds, the largest first: `hash 10.2 (alone 9.8), mongod 3.1`.
fn time_per_request(rounds: &[Round]) -> String {
    let median = |of: &dyn Fn(&Round) -> f64| Sample::from_rounds(&rounds.iter().map(of).collect::<Vec<_>>()).median;
    let names = rounds.first().into_iter().flat_map(|round| round.spent.keys());
    let mut spent: Vec<_> = names.map(|name| (*name, median(&|round| round.spent[name]))).collect();
    spent.sort_by(|a, b| b.1.total_cmp(&a.1));
    let alone = median(&|round| 1e3 * round.cores / round.hash_limit);
    let texts = spent.iter().map(|(name, millis)| match *name {
        "hash" => format!("hash {millis:.1} (alone {alone:.1})"),
        name => format!("{name} {millis:.2}"),
    });
    format!("processor time of each, in ms: {}", texts.collect::<Vec<_>>().join(", "))
}
