//! Registrations and logins: all of a service's work, of which the hash is the most.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::Result;
use hyper::StatusCode;
use serde_json::json;
use test_support::{Person, World};

use super::hashing::hashes_per_second;
use crate::{
    context::{Context, user_service},
    http_client::{Ask, Connection},
    load::{Load, Tally},
    processes::Processes,
    report::{Findings, Goal, Row},
    sampling::{Pair, Sample, millis},
    smtp_sink::SmtpSink,
};

const ROUND: Duration = Duration::from_secs(8);
const HASH_ROUND: Duration = Duration::from_secs(2);
/// Enough to keep every hash thread busy, and few enough that nobody is refused.
pub(super) const CONNECTIONS_PER_CORE: usize = 8;
const OVERLOADED_CONNECTIONS: usize = 200;
const OVERLOAD: f64 = 4.0;

/// What is asked for.
#[derive(Clone, Copy)]
enum Kind {
    Registrations,
    Logins,
}

impl Kind {
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

    /// What a connection sends next.
    fn asks(self, world: &World, member: &Person) -> impl Fn(usize, usize) -> Ask + Send + Sync + 'static {
        let (world, login) = (world.clone(), login_of(member));
        move |_, _| match self {
            Self::Registrations => registration_of(&newcomer(&world)),
            Self::Logins => login.clone(),
        }
    }
}

/// One round: what came through, and who took the processor meanwhile.
struct Round {
    rate: f64,
    hash_limit: f64,
    /// Of mongod, Kafka, the mail server and the load client: of all cores.
    others: f64,
    overloaded_rate: f64,
    refused_p95: Duration,
}

pub(super) async fn measure(context: &Context) -> Result<Findings> {
    let sink = SmtpSink::start().await?;
    let world = context.world("passwords").await.on_smtp(sink.url());
    let (service, _emails) = tokio::join!(user_service(&world).start(), world.email_service().start());
    let others = context.parts().with("mail server", sink.pid()?).with("load client", std::process::id());
    let member = world.person("member");
    Connection::open(&service.base_url()).await?.expect(&registration_of(&member), StatusCode::CREATED).await?;

    let mut rows = Vec::new();
    for kind in [Kind::Registrations, Kind::Logins] {
        let mut rounds = Vec::new();
        for _ in 0..context.rounds() {
            rounds.push(round(context, &service.base_url(), kind, &world, &member, &others).await?);
        }
        rows.extend(rows_of(kind, &rounds));
    }
    Ok(rows.into())
}

async fn round(
    context: &Context,
    base_url: &str,
    kind: Kind,
    world: &World,
    member: &Person,
    others: &Processes,
) -> Result<Round> {
    let length = context.length(ROUND);
    let hash_limit = hashes_per_second(context.cores(), context.length(HASH_ROUND));
    let saturating = Load::saturating(CONNECTIONS_PER_CORE * context.cores(), length);
    let watch = others.watch()?;
    let saturated = saturating.run(base_url, kind.asks(world, member)).await?.only(&[kind.accepted()])?;
    let others = watch.shares(context.cores())?.values().sum();
    let rate = saturated.rate(kind.accepted());
    let overload = Load::at_rate(OVERLOADED_CONNECTIONS, OVERLOAD * rate, length);
    let overloaded: Tally = overload.run(base_url, kind.asks(world, member)).await?;
    let overloaded = overloaded.only(&[kind.accepted(), StatusCode::SERVICE_UNAVAILABLE])?;
    Ok(Round {
        rate,
        hash_limit,
        others,
        overloaded_rate: overloaded.rate(kind.accepted()),
        refused_p95: overloaded.percentile(StatusCode::SERVICE_UNAVAILABLE, 95.0),
    })
}

fn rows_of(kind: Kind, rounds: &[Round]) -> Vec<Row> {
    let name = kind.name();
    let pair = |limit: fn(&Round) -> f64, ours: fn(&Round) -> f64| {
        Pair::of(&rounds.iter().map(|round| (ours(round), limit(round))).collect::<Vec<_>>())
    };
    let refused: Vec<f64> = rounds.iter().map(|round| millis(round.refused_p95)).collect();
    let others = Sample::of(&rounds.iter().map(|round| round.others).collect::<Vec<_>>());
    let raw = match kind {
        Kind::Registrations => 0.70,
        Kind::Logins => 0.80,
    };
    vec![
        Row::pair(
            format!("{name}, saturated / hash limit of what others leave"),
            "1/s",
            &pair(|round| round.hash_limit * (1.0 - round.others), |round| round.rate),
            Goal::Ratio(0.95),
        )
        .note(format!("mongod, Kafka, the mail server and the load client took {:.0} %", others.median * 100.0)),
        Row::pair(
            format!("{name}, saturated / hash limit"),
            "1/s",
            &pair(|round| round.hash_limit, |round| round.rate),
            Goal::Ratio(raw),
        ),
        Row::pair(
            format!("{name} at 4 times the load / saturated"),
            "1/s",
            &pair(|round| round.rate, |round| round.overloaded_rate),
            Goal::Ratio(1.0),
        ),
        Row::value(
            format!("{name} at 4 times the load: refused in, p95"),
            "ms",
            Sample::of(&refused),
            Goal::AtMost(50.0),
        ),
    ]
}

pub(super) fn login_of(person: &Person) -> Ask {
    Ask::post("/api/auth/login", &json!({ "identifier": person.email, "password": person.password }))
}

pub(super) fn registration_of(person: &Person) -> Ask {
    let body = json!({ "username": person.username, "email": person.email, "password": person.password });
    Ask::post("/api/users", &body)
}

pub(super) fn newcomer(world: &World) -> Person {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    world.person(&format!("new{}", COUNT.fetch_add(1, Ordering::Relaxed)))
}
