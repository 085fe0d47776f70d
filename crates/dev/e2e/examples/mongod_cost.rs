//! Measures mongod's processor time for the kinds of commands that a login consists of (docs/adr/0021), on a replica
//! set of one.
//!
//! ```sh
//! cargo run -p e2e --example mongod_cost
//! ```
//!
//! It runs the commands of one kind one after the other with pauses, as at few logins a second, and then with eight
//! clients without pauses; five interleaved rounds of each, and prints the medians. The client may be a debug build.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use e2e::measured_mongod::{MeasuredMongod, cpu_seconds};
use mongodb::{
    Client, Collection,
    options::{Acknowledgment, ClientOptions, CollectionOptions, ReturnDocument, WriteConcern},
};
use service_kit::mongo::{self, RepeatableUpdate};
use tokio::{task::JoinSet, time::sleep};

const ROUNDS: usize = 5;
const DOCUMENTS: usize = 400;

/// A number of commands and how they are sent.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    clients: usize,
    commands: usize,
    pause: Duration,
}

const LOADS: [Load; 2] = [
    Load { name: "one by one, every 10 ms", clients: 1, commands: 150, pause: Duration::from_millis(10) },
    Load { name: "8 clients", clients: 8, commands: 1_600, pause: Duration::ZERO },
];

/// A kind of command.
#[derive(Clone, Copy)]
enum Kind {
    Find,
    Insert,
    InsertMajority,
    Charge,
    ChargeRepeatable,
    Login,
    LoginWithoutRetry,
}

const KINDS: [(Kind, &str); 7] = [
    (Kind::Find, "find by id"),
    (Kind::Insert, "insert of a row, w:1"),
    (Kind::InsertMajority, "insert of a row, majority, journal"),
    (Kind::Charge, "update of a row by a pipeline, w:1, the driver's retry"),
    (Kind::ChargeRepeatable, "the same, repeatable"),
    (Kind::Login, "update of a user, majority, journal, the driver's retry"),
    (Kind::LoginWithoutRetry, "the same, retryWrites=false"),
];

struct Store {
    users: Collection<Document>,
    users_without_retry: Collection<Document>,
    rows: Collection<Document>,
    majority_rows: Collection<Document>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut mongod = MeasuredMongod::start("mongod-cost").await?;
    // The replica set has just elected its primary; let it settle.
    sleep(Duration::from_secs(2)).await;
    let (uri, pid) = (mongod.uri(), mongod.pid());
    let measured = measure(&uri, pid).await;
    mongod.stop().await;
    measured
}

async fn measure(uri: &str, pid: u32) -> Result<()> {
    let store = Arc::new(Store::open(uri).await?);
    println!("mongod's processor time for each command in µs (median, lowest-highest of the rounds)");
    for load in LOADS {
        let mut samples = vec![Vec::new(); KINDS.len()];
        // The first round is a warm-up.
        for round in 0..=ROUNDS {
            let idle = cpu_seconds(pid);
            sleep(Duration::from_secs(1)).await;
            let idle = cpu_seconds(pid) - idle;
            for (samples, (kind, _)) in samples.iter_mut().zip(KINDS) {
                let (before, started) = (cpu_seconds(pid), std::time::Instant::now());
                store.run(kind, load).await?;
                let used = cpu_seconds(pid) - before - idle * started.elapsed().as_secs_f64();
                if round > 0 {
                    samples.push(used * 1e6 / load.commands as f64);
                }
            }
        }
        println!("{}", load.name);
        for (samples, (_, name)) in samples.iter_mut().zip(KINDS) {
            samples.sort_by(f64::total_cmp);
            let (low, high) = samples.first().zip(samples.last()).context("there are rounds")?;
            println!("  {name:<58} {:>6.0}  {low:>5.0}-{high:.0}", samples[samples.len() / 2]);
        }
    }
    Ok(())
}

impl Store {
    async fn open(uri: &str) -> Result<Self> {
        let majority = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
        let single = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
        let mut options = ClientOptions::parse(uri).await?;
        options.write_concern = Some(majority);
        let mut without_retry = options.clone();
        without_retry.retry_writes = Some(false);
        let database = Client::with_options(options)?.database("mongod_cost");
        let unacknowledged = CollectionOptions::builder().write_concern(single).build();
        let store = Self {
            users: database.collection("users"),
            users_without_retry: Client::with_options(without_retry)?.database("mongod_cost").collection("users"),
            rows: database.collection_with_options("rows", unacknowledged),
            majority_rows: database.collection("rows"),
        };
        let numbered = |mut document: Document, n: usize| {
            document.insert("_id", i64::try_from(n).unwrap_or_default());
            document
        };
        store.users.insert_many((0..DOCUMENTS).map(|n| numbered(user(), n))).await?;
        store.rows.insert_many((0..DOCUMENTS).map(|n| numbered(doc! { "level": 0.0 }, n))).await?;
        Ok(store)
    }

    /// Sends the commands of a load.
    async fn run(self: &Arc<Self>, kind: Kind, load: Load) -> Result<()> {
        let mut clients = JoinSet::new();
        for client in 0..load.clients {
            let store = Arc::clone(self);
            clients.spawn(async move {
                for n in (client..load.commands).step_by(load.clients) {
                    store.send(kind, n).await?;
                    if !load.pause.is_zero() {
                        sleep(load.pause).await;
                    }
                }
                anyhow::Ok(())
            });
        }
        while let Some(client) = clients.join_next().await {
            client??;
        }
        Ok(())
    }

    async fn send(&self, kind: Kind, n: usize) -> Result<()> {
        let id = doc! { "_id": i64::try_from(n % DOCUMENTS)? };
        match kind {
            Kind::Find => drop(self.users.find_one(id).await?),
            Kind::Insert => drop(self.rows.insert_one(session()).await?),
            Kind::InsertMajority => drop(self.majority_rows.insert_one(session()).await?),
            Kind::Charge => {
                let update = self.rows.find_one_and_update(id, charge()).upsert(true);
                drop(update.return_document(ReturnDocument::After).await?);
            }
            Kind::ChargeRepeatable => {
                let pipeline = mongo::stages(&charge())?;
                let update = RepeatableUpdate { filter: id, pipeline, upsert: true, ..Default::default() };
                drop(update.run(&self.rows).await?);
            }
            Kind::Login => drop(self.users.find_one_and_update(id, login()).await?),
            Kind::LoginWithoutRetry => drop(self.users_without_retry.find_one_and_update(id, login()).await?),
        }
        Ok(())
    }
}

/// Returns an account, about as large as a real one.
fn user() -> Document {
    doc! {
        "username": "ada",
        "email": "ada@example.org",
        "passwordHash": "$argon2id$v=19$m=19456,t=2,p=1$".to_owned() + &"A".repeat(66),
        "profile": "x".repeat(900),
        "pendingEvents": [],
    }
}

fn session() -> Document {
    doc! { "userId": bson::Uuid::new(), "n": 0_i64, "device": "Firefox on Linux", "createdAt": bson::DateTime::now() }
}

/// Returns an update that decays and raises a level, as a charge does.
fn charge() -> Vec<Document> {
    let elapsed = doc! { "$max": [0, { "$subtract": ["$$NOW", { "$ifNull": ["$at", "$$NOW"] }] }] };
    let decayed = doc! { "$subtract": [{ "$ifNull": ["$level", 0.0] }, { "$divide": [elapsed, 1_000.0] }] };
    vec![
        doc! { "$set": { "level": { "$add": [{ "$max": [0.0, decayed] }, 1.0] }, "at": "$$NOW" } },
        doc! { "$set": { "expiresAt": { "$add": ["$$NOW", { "$multiply": ["$level", 1_000.0] }] } } },
    ]
}

/// Returns an update that stores a login with its event. The list of events does not grow.
fn login() -> Vec<Document> {
    let event = doc! { "id": bson::Uuid::new(), "type": "user.logged_in.v1", "data": "x".repeat(180) };
    let events = doc! { "$slice": [{ "$concatArrays": ["$pendingEvents", [{ "$literal": event }]] }, -1] };
    vec![doc! { "$set": { "lastLoginAt": "$$NOW", "pendingEvents": events } }]
}
