//! Registrations and logins: all of a service's work, of which the hash is the most.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    net::Ipv4Addr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::Result;
use hyper::StatusCode;
use serde_json::json;
use test_support::{TestUser, World};

use super::{
    hashing::hashes_per_second,
    members::{Member, sign_up},
};
use crate::{
    context::{Context, user_service},
    http_client::Ask,
    load::{Load, Tally},
    processes::{HASH_THREADS, Processes, thread_seconds},
    report::{Findings, Goal, Row},
    sampling::{Pair, Sample, millis},
    smtp_sink::SmtpSink,
};

const ROUND: Duration = Duration::from_secs(8);
const HASH_ROUND: Duration = Duration::from_secs(2);
/// Enough to keep every hash thread busy, and few enough that nobody is refused.
pub(super) const CONNECTIONS_PER_CORE: usize = 8;
/// They log in one after the other.
const MEMBERS: usize = 256;
/// What newcomers choose, with a number behind it.
const PASSPHRASE: &str = "otter kiosk gravel";
/// The user service's time that is not its hash threads'.
const BESIDES: &str = "user-service besides";
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
    fn asks(self, world: &World, members: &[Member]) -> impl Fn(usize, usize) -> Ask + Send + Sync + 'static {
        let (world, members) = (world.clone(), members.to_vec());
        move |connection, turn| match self {
            Self::Registrations => registration_of(&newcomer(&world)),
            Self::Logins => members[(connection + turn) % members.len()].login.clone(),
        }
    }
}

/// One round: what came through, and who took the processor meanwhile.
struct Round {
    rate: f64,
    hash_limit: f64,
    cores: f64,
    /// Of mongod, Kafka, the mail server and the load client: of all cores.
    others: f64,
    /// Milliseconds of processor time for each that came through.
    spent: BTreeMap<&'static str, f64>,
    overloaded_rate: f64,
    refused_rate: f64,
    refused_p95: Duration,
}

pub(super) async fn measure(context: &Context) -> Result<Findings> {
    let sink = SmtpSink::start().await?;
    let world = context.world("passwords").await.on_smtp(sink.url());
    let (service, emails) = tokio::join!(user_service(&world).start(), world.email_service().start());
    let processes = Taking {
        service: service.pid(),
        ours: Processes::default().with(BESIDES, service.pid()).with("email-service", emails.pid()),
        others: context.parts().with("mail server", sink.pid()?).with("load client", std::process::id()),
    };
    let members = sign_up(&service.base_url(), &world, MEMBERS).await?;

    let mut rows = Vec::new();
    for kind in [Kind::Registrations, Kind::Logins] {
        let mut rounds = Vec::new();
        for _ in 0..context.rounds() {
            rounds.push(round(context, &service.base_url(), kind, &world, &members, &processes).await?);
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
    members: &[Member],
    processes: &Taking,
) -> Result<Round> {
    let length = context.length(ROUND);
    let hash_limit = hashes_per_second(context.cores(), context.length(HASH_ROUND));
    let saturating = Load::saturating(CONNECTIONS_PER_CORE * context.cores(), length);
    let (ours, others) = (processes.ours.watch()?, processes.others.watch()?);
    let hashing = thread_seconds(processes.service, HASH_THREADS)?;
    let saturated = saturating.run(base_url, kind.asks(world, members)).await?.only(&[kind.accepted()])?;
    let mut spent = ours.seconds()?;
    spent.extend(others.seconds()?);
    let hashing = thread_seconds(processes.service, HASH_THREADS)? - hashing;
    spent.entry(BESIDES).and_modify(|all| *all -= hashing);
    spent.insert("hash", hashing);
    let others = others.shares(context.cores())?.values().sum();
    let rate = saturated.rate(kind.accepted());
    let done = rate * length.as_secs_f64();
    spent.values_mut().for_each(|seconds| *seconds *= 1e3 / done);
    let overload = Load::at_rate(OVERLOADED_CONNECTIONS, OVERLOAD * rate, length);
    let overloaded: Tally = overload.run(base_url, kind.asks(world, members)).await?;
    let overloaded = overloaded.only(&[kind.accepted(), StatusCode::SERVICE_UNAVAILABLE])?;
    Ok(Round {
        rate,
        hash_limit,
        cores: context.cores() as f64,
        others,
        spent,
        overloaded_rate: overloaded.rate(kind.accepted()),
        refused_rate: overloaded.rate(StatusCode::SERVICE_UNAVAILABLE),
        refused_p95: overloaded.percentile(StatusCode::SERVICE_UNAVAILABLE, 95.0),
    })
}

fn rows_of(kind: Kind, rounds: &[Round]) -> Vec<Row> {
    let name = kind.name();
    let pair = |limit: fn(&Round) -> f64, ours: fn(&Round) -> f64| {
        Pair::of(&rounds.iter().map(|round| (ours(round), limit(round))).collect::<Vec<_>>())
    };
    let refused: Vec<f64> = rounds.iter().map(|round| millis(round.refused_p95)).collect();
    let refused_rate = Sample::of(&rounds.iter().map(|round| round.refused_rate).collect::<Vec<_>>());
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
        .note(format!(
            "mongod, Kafka, the mail server and the load client took {:.0} %; {}",
            others.median * 100.0,
            spent_on_each(rounds)
        )),
        Row::pair(
            format!("{name}, saturated / hash limit"),
            "1/s",
            &pair(|round| round.hash_limit, |round| round.rate),
            Goal::Ratio(raw),
        )
        .note("who takes the rest: the row above"),
        Row::pair(
            format!("{name} at 4 times the load / saturated"),
            "1/s",
            &pair(|round| round.rate, |round| round.overloaded_rate),
            Goal::Ratio(1.0),
        )
        .note(format!(
            "{:.0} others a second are refused, and their answers take processor time too",
            refused_rate.median
        )),
        Row::value(
            format!("{name} at 4 times the load: refused in, p95"),
            "ms",
            Sample::of(&refused),
            Goal::AtMost(50.0),
        ),
    ]
}

/// Who takes processor time.
struct Taking {
    service: u32,
    ours: Processes,
    others: Processes,
}

/// `hash 10.2 (alone 9.8), mongod 3.1`: medians over the rounds, the largest first.
fn spent_on_each(rounds: &[Round]) -> String {
    let median = |of: &dyn Fn(&Round) -> f64| Sample::of(&rounds.iter().map(of).collect::<Vec<_>>()).median;
    let names = rounds.first().into_iter().flat_map(|round| round.spent.keys());
    let mut spent: Vec<_> = names.map(|name| (*name, median(&|round| round.spent[name]))).collect();
    spent.sort_by(|a, b| b.1.total_cmp(&a.1));
    let alone = median(&|round| 1e3 * round.cores / round.hash_limit);
    let texts = spent.iter().map(|(name, millis)| match *name {
        "hash" => format!("hash {millis:.1} (alone {alone:.1})"),
        name => format!("{name} {millis:.2}"),
    });
    format!("each takes of the processors, in ms: {}", texts.collect::<Vec<_>>().join(", "))
}

pub(super) fn login_of(person: &TestUser) -> Ask {
    let body = json!({ "identifier": person.email, "password": person.password });
    Ask::post("/api/auth/login", &body).from(address_of(person))
}

pub(super) fn registration_of(person: &TestUser) -> Ask {
    let body = json!({ "username": person.username, "email": person.email, "password": person.password });
    Ask::post("/api/users", &body).from(address_of(person))
}

/// Always the same, and nearly always another one than other people's.
fn address_of(person: &TestUser) -> Ipv4Addr {
    let mut hasher = DefaultHasher::new();
    person.username.hash(&mut hasher);
    let [_, b, c, d, ..] = hasher.finish().to_be_bytes();
    Ipv4Addr::new(10, b, c, d)
}

pub(super) fn newcomer(world: &World) -> TestUser {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    // The tests' passwords name the world they belong to, and are twice as long as people's:
    // what judging one costs grows with the square of that.
    let password = format!("{PASSPHRASE} {number}");
    TestUser { password, ..world.test_user(&format!("new{number}")) }
}
