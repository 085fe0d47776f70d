//! Events per second from the topic into the ledger, next to bulk inserts of the same rows: new events, and all
//! events again.

mod limit;

use std::{ops::Range, time::Duration};

use anyhow::Result;
use test_support::{Port, Service, World};

use self::limit::LedgerCopy;

use crate::{
    alternating_runs::{AlternatingRuns, MetricCounter},
    database,
    environment::Environment,
    kafka::{Producer, ProducerRecord},
    report::{Findings, Goal, Row},
    sampling::Comparison,
    test_users::{TestUserEvents, mix_remark},
};

const EVENTS: usize = 100_000;
const RUN_DURATION: Duration = Duration::from_secs(2);
const READ: MetricCounter = MetricCounter { metric: "email_records_total", labels: "" };
/// The number of events that are created and produced together.
const BLOCK_SIZE: usize = 10_000;

/// One way to read the topic: pairs of events per second, and the cost of an event.
#[derive(Default)]
struct ReadingRounds {
    rounds: Vec<(f64, f64)>,
    cost: String,
}

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    // No server listens on the port, so the senders wait.
    let closed_port = Port::free()?;
    let world =
        environment.world("ingest").await.on_smtp(format!("smtp://127.0.0.1:{}?tls=none", closed_port.number()));
    let client = database::client(world.stack().mongodb_uri()).await?;
    let ours = client.database(world.email_database().await.name());
    let equal = client.database(&format!("equal-{}", world.tag()));
    let mut service = world.email_service().start().await;
    let mut rows = LedgerCopy::new(&ours, &equal).await?;
    // After one record has been read, the partitions are assigned.
    produce(&world, 0..1).await?;
    READ.wait_until(&service, 1.0).await;
    service.pause();
    let events = environment.scaled(EVENTS);
    for block in (1..events).step_by(BLOCK_SIZE) {
        produce(&world, block..events.min(block + BLOCK_SIZE)).await?;
    }

    let runs = AlternatingRuns {
        counter: READ,
        total: events as f64,
        length: environment.duration(RUN_DURATION),
        processes: environment.dependency_processes(),
        client: &client,
    };
    let new = read_new(&runs, &mut service, &mut rows).await?;
    service.resume();
    READ.wait_until(&service, runs.total).await;
    rows.insert_new_rows().await?;
    service.terminate().await;

    let again = world.email_service().set("KAFKA__GROUP", format!("{}-again", world.group()));
    let known = read_known(&runs, &mut again.start().await, &rows).await?;
    let mix = format!("{events} events, {}; no mail server answers meanwhile", mix_remark());
    Ok(vec![row_of("new", &new, &mix), row_of("all known", &known, "another group, from offset 0")].into())
}

fn row_of(name: &str, reading: &ReadingRounds, remark: &str) -> Row {
    let measure = format!("events into the ledger, {name} / bulk inserts of its rows");
    let row = Row::comparison(measure, "1/s", &Comparison::from_rounds(&reading.rounds), Goal::Ratio(0.8));
    row.note(format!("{remark}; {}", reading.cost))
}

/// Measures new events. After each run the limit inserts the rows of that run.
async fn read_new(runs: &AlternatingRuns<'_>, service: &mut Service, rows: &mut LedgerCopy) -> Result<ReadingRounds> {
    let mut reading = ReadingRounds::default();
    loop {
        let run = runs.measure(service).await?;
        let limit = rows.insert_new_rows().await?;
        if !run.finished || reading.rounds.is_empty() {
            reading.rounds.push((run.rate, limit));
            reading.cost = run.cost;
        }
        if run.finished {
            return Ok(reading);
        }
    }
}

async fn read_known(runs: &AlternatingRuns<'_>, service: &mut Service, rows: &LedgerCopy) -> Result<ReadingRounds> {
    let mut reading = ReadingRounds::default();
    loop {
        let run = runs.measure(service).await?;
        let limit = rows.reinsert_rows(runs.length).await?;
        if !run.finished || reading.rounds.is_empty() {
            reading.rounds.push((run.rate, limit));
            reading.cost = run.cost;
        }
        if run.finished {
            service.resume();
            return Ok(reading);
        }
    }
}

async fn produce(world: &World, numbers: Range<usize>) -> Result<()> {
    let test_users = TestUserEvents::new(&world.keys())?;
    let records: Vec<ProducerRecord> =
        numbers.map(|number| ProducerRecord::from_event(&test_users.mixed_event(number))).collect();
    Producer::new(world.brokers())?.send_all(world.topic(), &records).await
}
