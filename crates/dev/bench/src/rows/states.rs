//! The cost of the topic of states: the same load without and with it, alternately, and a snapshot.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use bson::{Document, doc};
use hyper::StatusCode;
use mongodb::Collection;
use serde_json::json;
use test_support::{Service, World};

use super::{
    registered_users::{CONNECTIONS_PER_CORE, RegisteredUser, new_user, register_users, registration_request},
    relay::pending_users::PendingUserModel,
};
use crate::{
    database,
    environment::{Environment, user_service},
    http_client::ApiRequest,
    load::Load,
    processes::Processes,
    report::{Findings, Goal, Row},
    sampling::{Comparison, Sample},
};

const ROUND_DURATION: Duration = Duration::from_secs(8);
/// How often the end of the publication is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The number of users of the snapshot.
const SNAPSHOT_USERS: usize = 20_000;

/// The requests of a load.
#[derive(Clone, Copy)]
enum StateLoad {
    /// Registrations, changes of profiles and logins, in equal shares.
    Mixed,
    /// Changes of profiles only: each publishes a state, and none has a hash.
    ProfileChanges,
}

impl StateLoad {
    fn name(self) -> &'static str {
        match self {
            Self::Mixed => "registrations, profile changes and logins, saturated",
            Self::ProfileChanges => "profile changes, saturated",
        }
    }

    /// Returns a function that creates the next request of a connection. Each connection has its own user.
    fn generator(
        self,
        world: &World,
        users: &[RegisteredUser],
    ) -> impl Fn(usize, usize) -> ApiRequest + Send + Sync + 'static {
        let (world, users) = (world.clone(), users.to_vec());
        move |connection, turn| {
            let user = &users[connection];
            match (self, (connection + turn) % 3) {
                (Self::Mixed, 0) => registration_request(&new_user(&world)),
                (Self::Mixed, 1) => user.login.clone(),
                _ => {
                    let change = json!({ "displayName": format!("Name {turn}") });
                    ApiRequest::patch("/api/users/me", &change).with_token(&user.access_token)
                }
            }
        }
    }
}

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let off = Installation::start(environment, environment.world("states-off").await).await?;
    let on = Installation::start(environment, environment.world_with_states("states-on").await).await?;
    let mut rows = Vec::new();
    for load in [StateLoad::Mixed, StateLoad::ProfileChanges] {
        let mut rounds = Vec::new();
        for _ in 0..environment.rounds() {
            rounds.push((on.round(environment, load).await?, off.round(environment, load).await?));
        }
        let rates: Vec<_> = rounds.iter().map(|(on, off)| (on.rate, off.rate)).collect();
        let (costs_on, costs_off): (Vec<_>, Vec<_>) = rounds.into_iter().map(|(on, off)| (on.cost, off.cost)).unzip();
        let name = format!("{}: topic of states on / off", load.name());
        rows.push(Row::comparison(name, "1/s", &Comparison::from_rounds(&rates), Goal::None).note(format!(
            "until every event and state is published; processor time of each, in ms: on {}; off {}",
            medians(&costs_on),
            medians(&costs_off)
        )));
    }
    rows.push(on.snapshot_row(environment).await?);
    Ok(rows.into())
}

/// A user service with its own database and users.
struct Installation {
    world: World,
    service: Service,
    users: Vec<RegisteredUser>,
    processes: Processes,
}

struct Round {
    /// Answered requests per second, until everything is published.
    rate: f64,
    /// Milliseconds of processor time per request, by process.
    cost: BTreeMap<&'static str, f64>,
}

impl Installation {
    async fn start(environment: &Environment, world: World) -> Result<Self> {
        let spec = user_service(&world).set("LIMITS__PROFILE_CHANGES_PER_ACCOUNT", "1000000");
        let service = spec.start().await;
        let users = register_users(&service.base_url(), &world, CONNECTIONS_PER_CORE * environment.cores()).await?;
        let processes = environment.dependency_processes().with("user-service", service.pid());
        let installation = Self { world, service, users, processes };
        installation.wait_until_all_published().await?;
        Ok(installation)
    }

    async fn round(&self, environment: &Environment, load: StateLoad) -> Result<Round> {
        let (watch, begun) = (self.processes.watch()?, Instant::now());
        let saturating = Load::saturating(self.users.len(), environment.duration(ROUND_DURATION));
        let answers = saturating.run(&self.service.base_url(), load.generator(&self.world, &self.users)).await?;
        let answers = answers.require_statuses(&[StatusCode::OK, StatusCode::CREATED])?;
        self.wait_until_all_published().await?;
        let seconds = begun.elapsed().as_secs_f64();
        let done = [StatusCode::OK, StatusCode::CREATED].map(|status| answers.durations(status).len() as f64);
        let done: f64 = done.iter().sum();
        let cost = watch.seconds()?.into_iter().map(|(name, seconds)| (name, seconds * 1e3 / done)).collect();
        Ok(Round { rate: done / seconds, cost })
    }

    async fn wait_until_all_published(&self) -> Result<()> {
        let users: Collection<Document> = self.world.user_collection("users").await;
        let waits = doc! { "pendingEvents.0.at": { "$exists": true } };
        while users.find_one(waits.clone()).projection(doc! { "_id": 1 }).await?.is_some() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Measures a snapshot of many users, at the highest rate.
    async fn snapshot_row(&self, environment: &Environment) -> Result<Row> {
        let model_world = environment.world("states-model").await;
        let copies = PendingUserModel::from_outage(&model_world).await?.users(environment.scaled(SNAPSHOT_USERS), 0)?;
        let users: Collection<Document> = self.world.user_collection("users").await;
        database::bulk_insert(&users, copies).await?;
        let count = users.count_documents(doc! {}).await? as f64;
        let (watch, begun) = (self.processes.watch()?, Instant::now());
        let output = self.service.spec().command(&["events", "snapshot", "--rate", "10000"]).await;
        let seconds = begun.elapsed().as_secs_f64();
        ensure!(output.status.success(), "events snapshot: {}", String::from_utf8_lossy(&output.stderr));
        let cost = watch.seconds()?.into_iter().map(|(name, seconds)| (name, seconds * 1e3 / count)).collect();
        let rate = Sample::from_rounds(&[count / seconds]);
        Ok(Row::value("events snapshot at its highest rate: users", "1/s", rate, Goal::None).note(format!(
            "{count} users, one run; it lets at most 10000 users wait, and each waits for relay.sweep_min_age (5 s); \
             processor time of each, in ms, without the command: {}",
            medians(&[cost])
        )))
    }
}

/// Returns the medians over the rounds: `kafka 0.9, mongod 1.2`.
fn medians(rounds: &[BTreeMap<&'static str, f64>]) -> String {
    let names = rounds.first().into_iter().flat_map(BTreeMap::keys);
    let median = |name: &&str| Sample::from_rounds(&rounds.iter().map(|round| round[name]).collect::<Vec<_>>()).median;
    names.map(|name| format!("{name} {:.2}", median(name))).collect::<Vec<_>>().join(", ")
}
