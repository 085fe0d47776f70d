//! After an outage of Kafka: how fast what waits in MongoDB comes into the topic, next to the
//! same reads and writes of MongoDB alone.

mod limit;
mod waiting;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use mongodb::{Collection, Database};
use test_support::Service;

use self::waiting::Waiting;
use crate::{
    context::{Context, user_service},
    database,
    kafka::{PARTITIONS, Producer},
    processes::Processes,
    report::{Findings, Goal, Row},
    sampling::{Pair, Sample},
    turns::{Counter, cost_of_each},
};

/// Of each round.
const EVENTS: usize = 25_000;
/// Of each kind of list.
const ROUNDS: usize = 2;
/// How many events each user has waiting.
const LISTS: [usize; 2] = [1, 5];
/// How often it is asked at the end whether anything waits still.
const LOOK: Duration = Duration::from_millis(5);
const PUBLISHED: Counter = Counter { metric: "user_service_relay_published_total", labels: "" };

/// What a round measured, in events a second.
struct Round {
    ours: f64,
    limit: f64,
    produced: f64,
    cost: String,
}

/// The service with its database, another one with equal data, and another topic.
struct Bench {
    service: Service,
    processes: Processes,
    ours: Database,
    equal: Database,
    producer: Producer,
    bare_topic: String,
}

pub(super) async fn measure(context: &Context) -> Result<Findings> {
    let world = context.world("relay").await;
    let waiting = Waiting::of_an_outage(&world).await?;
    let client = database::client(world.stack().mongodb_uri()).await?;
    let service = user_service(&world).start().await;
    let mut bench = Bench {
        processes: context.parts().with("user-service", service.pid()),
        service,
        ours: client.database(world.user_database().await.name()),
        equal: client.database(&format!("equal-{}", world.tag())),
        producer: Producer::new(world.brokers())?,
        bare_topic: format!("{}.bare", world.topic()),
    };
    test_support::create_topic(world.brokers(), world.broker_kind(), &bench.bare_topic, PARTITIONS).await;
    for collection in ["users", "audit"] {
        database::index_like(&bench.equal.collection(collection), &bench.ours.collection(collection)).await?;
    }

    let (mut rows, mut produced) = (Vec::new(), Vec::new());
    for each in LISTS {
        let mut rounds = Vec::new();
        for _ in 0..if context.quick() { 1 } else { ROUNDS } {
            rounds.push(bench.round(&waiting.people(context.count(EVENTS) / each, each)?).await?);
        }
        produced.extend(rounds.iter().map(|round| round.produced));
        rows.push(row_of(each, &rounds)?);
    }
    let bare = Row::value("the same events, bare librdkafka, acks=all", "1/s", Sample::of(&produced), Goal::None);
    rows.push(bare.note("one producer, as many under way as it takes"));
    Ok(rows.into())
}

fn row_of(each: usize, rounds: &[Round]) -> Result<Row> {
    let pair = Pair::of(&rounds.iter().map(|round| (round.ours, round.limit)).collect::<Vec<_>>());
    let last = rounds.last().context("no round was measured")?;
    let name = if each == 1 { "one event a user".to_owned() } else { format!("{each} events a user") };
    let row = Row::pair(format!("relay after an outage, {name} / its MongoDB"), "1/s", &pair, Goal::Ratio(0.8));
    Ok(row.note(format!("{EVENTS} events waiting in each of {} rounds; {}", rounds.len(), last.cost)))
}

impl Bench {
    async fn round(&mut self, people: &[Document]) -> Result<Round> {
        let records = waiting::records(people)?;
        let events = records.len() as f64;
        let published = PUBLISHED.read(&self.service).await;
        // It stands still until all of it is there.
        self.service.pause();
        for database in [&self.ours, &self.equal] {
            database::fill(&database.collection("users"), people.iter().cloned()).await?;
        }

        let commands = database::commands(self.ours.client()).await?;
        let (watch, begun) = (self.processes.watch()?, Instant::now());
        self.service.resume();
        // MongoDB is asked only towards the end.
        PUBLISHED.until(&self.service, published + events * 0.95).await;
        self.until_none_waits().await?;
        let ours = events / begun.elapsed().as_secs_f64();
        let seconds = watch.seconds()?;
        self.service.pause();
        let commands = database::commands_of_each(&commands, &database::commands(self.ours.client()).await?, events);

        let begun = Instant::now();
        limit::drain(&self.equal).await?;
        let limit = events / begun.elapsed().as_secs_f64();

        let begun = Instant::now();
        self.producer.send_all(&self.bare_topic, &records).await?;
        let produced = events / begun.elapsed().as_secs_f64();
        self.service.resume();
        Ok(Round { ours, limit, produced, cost: cost_of_each(&seconds, &commands, events) })
    }

    async fn until_none_waits(&self) -> Result<()> {
        let users: Collection<Document> = self.ours.collection("users");
        let waits = doc! { "pendingEvents.0.at": { "$exists": true } };
        while users.find_one(waits.clone()).projection(doc! { "_id": 1 }).await?.is_some() {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}
