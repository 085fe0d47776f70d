//! How many events a second come from the topic into the ledger, next to bulk inserts of the
//! same rows: new ones, and all of them again.

mod limit;

use std::{ops::Range, time::Duration};

use anyhow::Result;
use test_support::{Port, Service, World};

use self::limit::Rows;
use crate::{
    context::Context,
    database,
    kafka::{Producer, Record},
    people::{People, mix},
    report::{Findings, Goal, Row},
    sampling::Pair,
    turns::{Counter, Turns},
};

const EVENTS: usize = 100_000;
const TURN: Duration = Duration::from_secs(2);
const READ: Counter = Counter { metric: "email_records_total", labels: "" };
/// Made and produced together.
const BLOCK: usize = 10_000;

/// One way to read the topic: pairs of events a second, and what an event costs.
#[derive(Default)]
struct Reading {
    rounds: Vec<(f64, f64)>,
    cost: String,
}

pub(super) async fn measure(context: &Context) -> Result<Findings> {
    // Nobody answers there, so the senders wait.
    let nobody = Port::free()?;
    let world = context.world("ingest").await.on_smtp(format!("smtp://127.0.0.1:{}?tls=none", nobody.number()));
    let client = database::client(world.stack().mongodb_uri()).await?;
    let ours = client.database(world.email_database().await.name());
    let equal = client.database(&format!("equal-{}", world.tag()));
    let mut service = world.email_service().start().await;
    let mut rows = Rows::new(&ours, &equal).await?;
    // Its partitions are its own when it has read one.
    produce(&world, 0..1).await?;
    READ.until(&service, 1.0).await;
    service.pause();
    let events = context.count(EVENTS);
    for block in (1..events).step_by(BLOCK) {
        produce(&world, block..events.min(block + BLOCK)).await?;
    }

    let turns = Turns {
        counter: READ,
        all: events as f64,
        length: context.length(TURN),
        processes: context.parts(),
        client: &client,
    };
    let new = read_new(&turns, &mut service, &mut rows).await?;
    service.resume();
    READ.until(&service, turns.all).await;
    rows.catch_up().await?;
    service.terminate().await;

    let again = world.email_service().set("KAFKA__GROUP", format!("{}-again", world.group()));
    let known = read_known(&turns, &mut again.start().await, &rows).await?;
    let mix = format!("{events} events, {}; no mail server answers meanwhile", mix());
    Ok(vec![row_of("new", &new, &mix), row_of("all known", &known, "another group, from offset 0")].into())
}

fn row_of(name: &str, reading: &Reading, remark: &str) -> Row {
    let measure = format!("events into the ledger, {name} / bulk inserts of its rows");
    let row = Row::pair(measure, "1/s", &Pair::of(&reading.rounds), Goal::Ratio(0.8));
    row.note(format!("{remark}; {}", reading.cost))
}

/// After each turn the limit inserts the rows of that turn.
async fn read_new(turns: &Turns<'_>, service: &mut Service, rows: &mut Rows) -> Result<Reading> {
    let mut reading = Reading::default();
    loop {
        let turn = turns.take(service).await?;
        let limit = rows.catch_up().await?;
        if !turn.finished || reading.rounds.is_empty() {
            reading.rounds.push((turn.rate, limit));
            reading.cost = turn.cost;
        }
        if turn.finished {
            return Ok(reading);
        }
    }
}

async fn read_known(turns: &Turns<'_>, service: &mut Service, rows: &Rows) -> Result<Reading> {
    let mut reading = Reading::default();
    loop {
        let turn = turns.take(service).await?;
        let limit = rows.insert_again(turns.length).await?;
        if !turn.finished || reading.rounds.is_empty() {
            reading.rounds.push((turn.rate, limit));
            reading.cost = turn.cost;
        }
        if turn.finished {
            service.resume();
            return Ok(reading);
        }
    }
}

async fn produce(world: &World, numbers: Range<usize>) -> Result<()> {
    let people = People::new(&world.keys())?;
    let records: Vec<Record> = numbers.map(|number| Record::of(&people.event_of_a_day(number))).collect();
    Producer::new(world.brokers())?.send_all(world.topic(), &records).await
}
