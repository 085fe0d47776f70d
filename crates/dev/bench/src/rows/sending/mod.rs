//! Mails per second from the ledger to the mail server, next to the same ledger updates alone.

mod limit;

use std::time::Duration;

use anyhow::Result;
use bson::{Document, doc};
use mongodb::{Collection, Database};
use test_support::{Port, ServiceSpec, World};

use crate::{
    alternating_runs::{AlternatingRuns, MetricCounter},
    database,
    environment::Environment,
    kafka::{Producer, ProducerRecord},
    limits::ledger::Ledger,
    report::{Findings, Goal, Row},
    sampling::{Comparison, Sample},
    test_users::TestUserEvents,
};

/// The number of mails in the ledger at the start.
const MAILS: usize = 24_000;
/// `sender.concurrency`, and the number of workers of the limit.
const SENDERS: usize = 64;
const RUN_DURATION: Duration = Duration::from_secs(2);
const READ: MetricCounter = MetricCounter { metric: "email_records_total", labels: "" };
const SENT: MetricCounter = MetricCounter { metric: "email_send_outcomes_total", labels: "outcome=\"sent\"" };

/// Mails per second of each round.
#[derive(Default)]
struct Rounds {
    /// Our rate, and the limit in which each worker claims for itself.
    pairs: Vec<(f64, f64)>,
    /// The limit in which one task claims for all workers, as in the service.
    one_claims: Vec<f64>,
    cost: String,
}

pub(super) async fn measure(environment: &Environment) -> Result<Findings> {
    let (world, sink) = environment.world_with_sink("sending").await?;
    let client = database::client(world.stack().mongodb_uri()).await?;
    let ours = client.database(world.email_database().await.name());
    let mails = environment.scaled(MAILS);
    queue_mails(&world, &ours, mails).await?;
    let [each_claims, one_claims] = ["each", "one"].map(|name| client.database(&format!("{name}-{}", world.tag())));
    for equal in [&each_claims, &one_claims] {
        copy(&ours, equal).await?;
    }

    let mut service = sender_service(&world).start().await;
    service.pause();
    let runs = AlternatingRuns {
        counter: SENT,
        total: mails as f64 * 0.99,
        length: environment.duration(RUN_DURATION),
        processes: environment.dependency_processes().with("mail server", sink.pid()?),
        client: &client,
    };
    let mut rounds = Rounds::default();
    for _ in 0..environment.rounds() {
        let run = runs.measure(&mut service).await?;
        let limit = limit::each_claims(&Ledger::new(&each_claims), SENDERS, runs.length).await?;
        if run.finished && !rounds.pairs.is_empty() {
            break;
        }
        rounds.pairs.push((run.rate, limit));
        rounds.one_claims.push(limit::one_claims(&Ledger::new(&one_claims), SENDERS, runs.length).await?);
        rounds.cost = run.cost;
    }
    service.resume();
    let one_claims = Sample::from_rounds(&rounds.one_claims).median;
    let row = Row::comparison(
        "mails from the ledger / its MongoDB",
        "1/s",
        &Comparison::from_rounds(&rounds.pairs),
        Goal::Ratio(0.8),
    );
    let row = row.note(format!(
        "sender.concurrency = {SENDERS}, {mails} mails waiting; if one task of the limit claims for all workers, as in the \
         service, it has {one_claims:.0} 1/s; {}",
        rounds.cost
    ));
    Ok(vec![row].into())
}

fn sender_service(world: &World) -> ServiceSpec {
    world.email_service().set("SENDER__CONCURRENCY", SENDERS.to_string())
}

/// Queues mails by publishing registrations while no mail server is reachable.
async fn queue_mails(world: &World, ours: &Database, mails: usize) -> Result<()> {
    let test_users = TestUserEvents::new(&world.keys())?;
    let records: Vec<ProducerRecord> =
        (0..mails).map(|number| ProducerRecord::from_event(&test_users.registration(number))).collect();
    Producer::new(world.brokers())?.send_all(world.topic(), &records).await?;
    let closed_port = Port::free()?;
    let cut_off = world.clone().on_smtp(format!("smtp://127.0.0.1:{}?tls=none", closed_port.number()));
    let mut service = sender_service(&cut_off).start().await;
    let rows: Collection<Document> = ours.collection("mailJobs");
    database::wait_for_index(&rows, "retention").await?;
    READ.wait_until(&service, mails as f64).await;
    service.terminate().await;
    // Mails whose sending was attempted no longer look as ingest wrote them.
    rows.delete_many(doc! { "epoch": { "$ne": 0_i64 } }).await?;
    Ok(())
}

async fn copy(from: &Database, to: &Database) -> Result<()> {
    let (from, to): (Collection<Document>, Collection<Document>) =
        (from.collection("mailJobs"), to.collection("mailJobs"));
    database::copy_indexes(&to, &from).await?;
    let out = doc! { "$out": { "db": to.namespace().db, "coll": to.name() } };
    from.aggregate([out]).await?;
    Ok(())
}
