//! Measures what an event costs MongoDB: an insert alone, with the event embedded, and with the event in its own
//! collection within a transaction (docs/adr/0001).
//!
//! ```sh
//! cargo run -p e2e --example outbox_cost              # starts a replica set of one
//! cargo run -p e2e --example outbox_cost mongodb://…  # or uses an existing server
//! ```
//!
//! It uses 32 writers, write concern majority with journal, and five interleaved rounds, and prints the medians. The
//! client may be a debug build, because mongod does the work.

use std::{
    env,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use e2e::measured_mongod::{MeasuredMongod, cpu_seconds};
use mongodb::{
    Client, Collection, IndexModel,
    options::{Acknowledgment, ClientOptions, IndexOptions, WriteConcern},
};
use uuid::Uuid;

const WRITERS: usize = 32;
const WRITES: usize = 4_000;
const ROUNDS: usize = 5;
const WAYS: [(Way, &str); 3] = [
    (Way::Alone, "insert alone"),
    (Way::Embedded, "insert with the event embedded"),
    (Way::Transaction, "transaction over users and outbox"),
];

/// A way to write a user and its event.
#[derive(Clone, Copy)]
enum Way {
    Alone,
    Embedded,
    Transaction,
}

#[derive(Clone)]
struct Store {
    client: Client,
    users: Collection<Document>,
    outbox: Collection<Document>,
}

/// The result of one round: writes per second, and mongod's processor time per write in milliseconds.
#[derive(Clone, Copy)]
struct Sample {
    rate: f64,
    cpu_ms: Option<f64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let given = env::args().nth(1).or_else(|| env::var("TEST_MONGODB_URI").ok());
    let mut own = if given.is_none() { Some(start_mongod().await?) } else { None };
    let uri = given.or_else(|| own.as_ref().map(MeasuredMongod::uri)).context("no server")?;
    let pid = own.as_mut().map(MeasuredMongod::pid);
    let measured = measure(&uri, pid).await;
    if let Some(server) = own {
        server.stop().await;
    }
    report(&measured?);
    Ok(())
}

async fn start_mongod() -> Result<MeasuredMongod> {
    let mongod = MeasuredMongod::start("outbox-cost").await?;
    // The replica set has just elected its primary; let it settle.
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(mongod)
}

async fn measure(uri: &str, pid: Option<u32>) -> Result<Vec<Vec<Sample>>> {
    let store = Store::open(uri).await?;
    let transactions = store.has_transactions().await;
    let mut samples = vec![Vec::new(); WAYS.len()];
    for round in 0..=ROUNDS {
        for (index, (way, _)) in WAYS.iter().enumerate() {
            if matches!(way, Way::Transaction) && !transactions {
                continue;
            }
            store.empty().await?;
            let sample = store.round(*way, pid).await?;
            // The first round is a warm-up.
            if round > 0 {
                samples[index].push(sample);
            }
        }
    }
    store.users.client().database("outbox_cost").drop().await?;
    Ok(samples)
}

fn report(samples: &[Vec<Sample>]) {
    let mut out = String::from("writes/s (median, lowest-highest of the rounds), mongod CPU per write\n");
    for ((_, name), samples) in WAYS.iter().zip(samples) {
        let mut rates: Vec<f64> = samples.iter().map(|sample| sample.rate).collect();
        let mut cpu: Vec<f64> = samples.iter().filter_map(|sample| sample.cpu_ms).collect();
        rates.sort_by(f64::total_cmp);
        cpu.sort_by(f64::total_cmp);
        let (Some(low), Some(median), Some(high)) = (rates.first(), rates.get(rates.len() / 2), rates.last()) else {
            out += &format!("{name:<36} needs a replica set\n");
            continue;
        };
        let cpu = cpu.get(cpu.len() / 2).map_or("-".to_owned(), |cpu| format!("{cpu:.2} ms"));
        out += &format!("{name:<36} {median:>6.0}  {low:>6.0}-{high:<6.0}  {cpu}\n");
    }
    print!("{out}");
}

impl Store {
    async fn open(uri: &str) -> Result<Self> {
        let mut options = ClientOptions::parse(uri).await?;
        options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
        options.max_pool_size = Some(64);
        let client = Client::with_options(options)?;
        let database = client.database("outbox_cost");
        let store = Self { users: database.collection("users"), outbox: database.collection("outbox"), client };
        store.index(&store.users, doc! { "emailKeys": 1 }, true).await?;
        store.index(&store.users, doc! { "usernameKey": 1 }, true).await?;
        // The sweep needs these indexes in either design.
        store.index(&store.users, doc! { "pendingEvents.0.at": 1 }, false).await?;
        store.index(&store.outbox, doc! { "at": 1 }, false).await?;
        Ok(store)
    }

    async fn index(&self, collection: &Collection<Document>, keys: Document, unique: bool) -> Result<()> {
        let field = keys.keys().next().cloned().unwrap_or_default();
        let partial = doc! { field: { "$exists": true } };
        let options = IndexOptions::builder().unique(unique).partial_filter_expression(partial).build();
        collection.create_index(IndexModel::builder().keys(keys).options(options).build()).await?;
        Ok(())
    }

    async fn has_transactions(&self) -> bool {
        let hello = self.client.database("admin").run_command(doc! { "hello": 1 }).await;
        hello.is_ok_and(|hello| hello.contains_key("setName"))
    }

    async fn empty(&self) -> Result<()> {
        self.users.delete_many(doc! {}).await?;
        self.outbox.delete_many(doc! {}).await?;
        Ok(())
    }

    async fn round(&self, way: Way, pid: Option<u32>) -> Result<Sample> {
        let cpu_before = pid.map(cpu_seconds);
        let started = Instant::now();
        let store = self.clone();
        in_parallel(move || {
            let store = store.clone();
            async move { store.write(way).await }
        })
        .await?;
        let seconds = started.elapsed().as_secs_f64();
        let cpu = pid.map(cpu_seconds).zip(cpu_before).map(|(after, before)| after - before);
        let writes = WRITES as f64;
        Ok(Sample { rate: writes / seconds, cpu_ms: cpu.map(|cpu| cpu * 1000.0 / writes) })
    }

    async fn write(&self, way: Way) -> Result<()> {
        let id = Uuid::from_bytes(bson::Uuid::new().bytes());
        match way {
            Way::Alone => drop(self.users.insert_one(user(id)).await?),
            Way::Embedded => {
                let mut user = user(id);
                user.insert("pendingEvents", vec![event()]);
                self.users.insert_one(user).await?;
            }
            Way::Transaction => {
                let mut session = self.client.start_session().await?;
                session.start_transaction().await?;
                self.users.insert_one(user(id)).session(&mut session).await?;
                self.outbox.insert_one(event()).session(&mut session).await?;
                session.commit_transaction().await?;
            }
        }
        Ok(())
    }
}

/// Makes [`WRITES`] writes in [`WRITERS`] tasks.
async fn in_parallel<F>(write: impl Fn() -> F + Clone + Send + 'static) -> Result<()>
where
    F: Future<Output = Result<()>> + Send,
{
    let left = Arc::new(AtomicUsize::new(WRITES));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let (left, write) = (Arc::clone(&left), write.clone());
        writers.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                write().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    Ok(())
}

/// Returns a new account, about as large as a real one.
fn user(id: Uuid) -> Document {
    doc! {
        "_id": bson::Uuid::from(id),
        "schemaVersion": 1,
        "version": 1_i64,
        "username": id.to_string(),
        "usernameKey": id.to_string(),
        "email": format!("{id}@example.org"),
        "emailKeys": [format!("{id}@example.org")],
        "emailVerified": false,
        "displayName": "Ada Lovelace",
        "locale": "en-GB",
        "roles": [],
        "status": "active",
        "passwordHash": "$argon2id$v=19$m=19456,t=2,p=1$".to_owned() + &"A".repeat(66),
        "sessions": { "epoch": 1_i64 },
        "tokens": [{ "hash": "A".repeat(32), "purpose": "email-verification", "to": format!("{id}@example.org") }],
        "createdAt": bson::DateTime::from_millis(0),
        "updatedAt": bson::DateTime::from_millis(0),
    }
}

/// Returns a `user.registered.v1` event that waits to be published, with a sealed token of realistic length.
fn event() -> Document {
    doc! {
        "id": bson::Uuid::new(),
        "type": "user.registered.v1",
        "sequence": 1_i64,
        "at": bson::DateTime::from_millis(0),
        "data": "x".repeat(620),
        "traceParent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "audit": { "actor": "self", "address": "127.0.0.1", "client": "curl/7.88.1" },
    }
}
