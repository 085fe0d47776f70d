//! Publishing after an outage of Kafka: events per second from MongoDB into the topic, next to the same reads and
//! writes of MongoDB alone.

mod limit;
pub(super) mod pending_users;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use mongodb::{Collection, Database};
use test_support::Service;

use self::pending_users::PendingUserModel;

use crate::{
    alternating_runs::{MetricCounter, cost_per_item},
    database,
    environment::{Environment, user_service},
    kafka::{PARTITIONS, Producer},
    processes::Processes,
    report::{Findings, Goal, Row},
    sampling::{Comparison, Sample},
};

/// The number of events in each round.
const EVENTS: usize = 25_000;
/// The number of rounds for each list length.
const ROUNDS: usize = 2;
/// The number of pending events per user.
const EVENTS_PER_USER: [usize; 2] = [1, 5];
/// How often the end of the backlog is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
const PUBLISHED: MetricCounter = MetricCounter { metric: "user_service_relay_published_total", labels: "" };

/// The results of a round, in events per second.
struct Round {
    ours: f64,
    limit: f64,
    produced: f64,
    cost: String,
}

/// The service with its database, another database with equal data, and another topic.
struct RelayBench {
    service: Service,
    processes: Processes,
    ours: Database,
    equal: Database,
    producer: Producer,
    bare_topic: String,
}

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let world = environment.world("relay").await;
    let model = PendingUserModel::from_outage(&world).await?;
    let client = database::client(world.stack().mongodb_uri()).await?;
    let service = user_service(&world).start().await;
    let mut bench = RelayBench {
        processes: environment.dependency_processes().with("user-service", service.pid()),
        service,
        ours: client.database(world.user_database().await.name()),
        equal: client.database(&format!("equal-{}", world.tag())),
        producer: Producer::new(world.brokers())?,
        bare_topic: format!("{}.bare", world.topic()),
    };
    test_support::create_topic(world.brokers(), world.broker_kind(), &bench.bare_topic, PARTITIONS).await;
    for collection in ["users", "audit"] {
        database::copy_indexes(&bench.equal.collection(collection), &bench.ours.collection(collection)).await?;
    }

    let (mut rows, mut produced) = (Vec::new(), Vec::new());
    for each in EVENTS_PER_USER {
        let mut rounds = Vec::new();
        for _ in 0..if environment.is_quick() { 1 } else { ROUNDS } {
            rounds.push(bench.round(&model.users(environment.scaled(EVENTS) / each, each)?).await?);
        }
        produced.extend(rounds.iter().map(|round| round.produced));
        rows.push(row_of(each, &rounds)?);
    }
    let bare =
        Row::value("the same events, bare librdkafka, acks=all", "1/s", Sample::from_rounds(&produced), Goal::None);
    rows.push(bare.note("one producer, with as many records in flight as it permits"));
    Ok(rows.into())
}

fn row_of(each: usize, rounds: &[Round]) -> Result<Row> {
    let pair = Comparison::from_rounds(&rounds.iter().map(|round| (round.ours, round.limit)).collect::<Vec<_>>());
    let last = rounds.last().context("no round was measured")?;
    let name = if each == 1 { "one event a user".to_owned() } else { format!("{each} events a user") };
    let row = Row::comparison(format!("relay after an outage, {name} / its MongoDB"), "1/s", &pair, Goal::Ratio(0.8));
    Ok(row.note(format!("{EVENTS} events waiting in each of {} rounds; {}", rounds.len(), last.cost)))
}

impl RelayBench {
    async fn round(&mut self, users: &[Document]) -> Result<Round> {
        let records = pending_users::records(users)?;
        let events = records.len() as f64;
        let published = PUBLISHED.read(&self.service).await;
        // The service is paused until all events are inserted.
        self.service.pause();
        for database in [&self.ours, &self.equal] {
            database::bulk_insert(&database.collection("users"), users.iter().cloned()).await?;
        }

        let commands = database::command_counts(self.ours.client()).await?;
        let (watch, begun) = (self.processes.watch()?, Instant::now());
        self.service.resume();
        // MongoDB is polled only towards the end.
        PUBLISHED.wait_until(&self.service, published + events * 0.95).await;
        self.wait_until_none_pending().await?;
        let ours = events / begun.elapsed().as_secs_f64();
        let seconds = watch.seconds()?;
        self.service.pause();
        let commands =
            database::commands_per_item(&commands, &database::command_counts(self.ours.client()).await?, events);

        let begun = Instant::now();
        limit::drain(&self.equal).await?;
        let limit = events / begun.elapsed().as_secs_f64();

        let begun = Instant::now();
        self.producer.send_all(&self.bare_topic, &records).await?;
        let produced = events / begun.elapsed().as_secs_f64();
        self.service.resume();
        Ok(Round { ours, limit, produced, cost: cost_per_item(&seconds, &commands, events) })
    }

    async fn wait_until_none_pending(&self) -> Result<()> {
        let users: Collection<Document> = self.ours.collection("users");
        let waits = doc! { "pendingEvents.0.at": { "$exists": true } };
        while users.find_one(waits.clone()).projection(doc! { "_id": 1 }).await?.is_some() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }
}
