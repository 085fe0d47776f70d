//! How many mails a second come from the ledger to the mail server, next to the same claims and
//! updates of the ledger alone.

mod limit;

use std::time::Duration;

use anyhow::Result;
use bson::{Document, doc};
use mongodb::{Collection, Database};
use test_support::{Port, ServiceSpec, World};

use crate::{
    context::Context,
    database,
    kafka::{Producer, Record},
    limits::ledger::Ledger,
    people::People,
    report::{Findings, Goal, Row},
    sampling::{Pair, Sample},
    smtp_sink::SmtpSink,
    turns::{Counter, Turns},
};

/// In the ledger when it begins.
const MAILS: usize = 24_000;
/// `sender.concurrency`, and as many workers of the limit.
const SENDERS: usize = 64;
const TURN: Duration = Duration::from_secs(2);
const READ: Counter = Counter { metric: "email_records_total", labels: "" };
const SENT: Counter = Counter { metric: "email_send_outcomes_total", labels: "outcome=\"sent\"" };

/// Mails a second, of each round.
#[derive(Default)]
struct Rounds {
    /// Ours, and the limit: each worker claims a mail for itself.
    pairs: Vec<(f64, f64)>,
    /// The limit if one claims for all workers, as the service does.
    one_claims: Vec<f64>,
    cost: String,
}

pub(super) async fn measure(context: &Context) -> Result<Findings> {
    let sink = SmtpSink::start().await?;
    let world = context.world("sending").await.on_smtp(sink.url());
    let client = database::client(world.stack().mongodb_uri()).await?;
    let ours = client.database(world.email_database().await.name());
    let mails = context.count(MAILS);
    queue(&world, &ours, mails).await?;
    let [each_claims, one_claims] = ["each", "one"].map(|name| client.database(&format!("{name}-{}", world.tag())));
    for equal in [&each_claims, &one_claims] {
        copy(&ours, equal).await?;
    }

    let mut service = senders(&world).start().await;
    service.pause();
    let turns = Turns {
        counter: SENT,
        all: mails as f64 * 0.99,
        length: context.length(TURN),
        processes: context.parts().with("mail server", sink.pid()?),
        client: &client,
    };
    let mut rounds = Rounds::default();
    for _ in 0..context.rounds() {
        let turn = turns.take(&mut service).await?;
        let limit = limit::each_claims(&Ledger::new(&each_claims), SENDERS, turns.length).await?;
        if turn.finished && !rounds.pairs.is_empty() {
            break;
        }
        rounds.pairs.push((turn.rate, limit));
        rounds.one_claims.push(limit::one_claims(&Ledger::new(&one_claims), SENDERS, turns.length).await?);
        rounds.cost = turn.cost;
    }
    service.resume();
    let one_claims = Sample::of(&rounds.one_claims).median;
    let row = Row::pair("mails from the ledger / its MongoDB", "1/s", &Pair::of(&rounds.pairs), Goal::Ratio(0.8));
    let row = row.note(format!(
        "sender.concurrency = {SENDERS}, {mails} mails waiting; if one worker of the limit claims for all, as in the \
         service, it has {one_claims:.0} 1/s; {}",
        rounds.cost
    ));
    Ok(vec![row].into())
}

fn senders(world: &World) -> ServiceSpec {
    world.email_service().set("SENDER__CONCURRENCY", SENDERS.to_string())
}

/// Registrations come in while no mail server is there.
async fn queue(world: &World, ours: &Database, mails: usize) -> Result<()> {
    let people = People::new(&world.keys())?;
    let records: Vec<Record> = (0..mails).map(|number| Record::of(&people.registration(number))).collect();
    Producer::new(world.brokers())?.send_all(world.topic(), &records).await?;
    let nobody = Port::free()?;
    let cut_off = world.clone().on_smtp(format!("smtp://127.0.0.1:{}?tls=none", nobody.number()));
    let mut service = senders(&cut_off).start().await;
    let rows: Collection<Document> = ours.collection("mailJobs");
    database::until_indexed(&rows, "retention").await?;
    READ.until(&service, mails as f64).await;
    service.terminate().await;
    // Those with which the server was tried are not as ingest writes them.
    rows.delete_many(doc! { "epoch": { "$ne": 0_i64 } }).await?;
    Ok(())
}

async fn copy(from: &Database, to: &Database) -> Result<()> {
    let (from, to): (Collection<Document>, Collection<Document>) =
        (from.collection("mailJobs"), to.collection("mailJobs"));
    database::index_like(&to, &from).await?;
    let out = doc! { "$out": { "db": to.namespace().db, "coll": to.name() } };
    from.aggregate([out]).await?;
    Ok(())
}
