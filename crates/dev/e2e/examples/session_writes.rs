//! Measures the two writes of a login, the row of its session and the change of its account, one after the other and in
//! other orders (docs/adr/0020).
//!
//! ```sh
//! cargo run -p e2e --example session_writes              # starts a replica set of one
//! cargo run -p e2e --example session_writes mongodb://…  # or uses an existing one
//! ```
//!
//! It interleaves the ways in several rounds, at each concurrency, and prints the medians. The client may be a debug
//! build, because mongod does the work; its own processor time is printed beside that of mongod.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use anyhow::{Context as _, Result};
use bson::{DateTime, Document, doc, spec::BinarySubtype};
use e2e::measured_mongod::{MeasuredMongod, cpu_seconds, own_cpu_seconds};
use mongodb::{
    Client, Collection, IndexModel,
    options::{Acknowledgment, ClientOptions, IndexOptions, ReturnDocument, WriteConcern},
};

const USERS: usize = 2_000;
const ROUNDS: usize = 5;
/// The concurrencies, with the number of logins of a round.
const LOADS: [(usize, usize); 3] = [(1, 200), (8, 1_000), (32, 2_000)];
const WAYS: [(Way, &str); 3] = [
    (Way::Sequence, "one after the other"),
    (Way::Concurrent, "at the same time"),
    (Way::ImpliedMajority, "row on the primary, then the account"),
];

/// A way to make the two writes.
#[derive(Clone, Copy)]
enum Way {
    /// The row by a journaled majority, then the account.
    Sequence,
    /// Both at once.
    Concurrent,
    /// The row acknowledged by the primary alone, then the account by a journaled majority. The majority of a write
    /// includes every earlier write of the same primary.
    ImpliedMajority,
}

/// The result of one round.
#[derive(Clone, Copy)]
struct Sample {
    rate: f64,
    /// The median time of a login in milliseconds.
    latency: f64,
    /// The processor time of mongod per login in milliseconds.
    mongod: Option<f64>,
    /// The processor time of this process per login in milliseconds.
    client: f64,
}

#[derive(Clone)]
struct Store {
    users: Collection<Document>,
    sessions: Collection<Document>,
    ids: Arc<Vec<bson::Uuid>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let given = env::args().nth(1);
    let mut own = if given.is_none() { Some(MeasuredMongod::start("session-writes").await?) } else { None };
    let uri = given.or_else(|| own.as_ref().map(MeasuredMongod::uri)).context("no server")?;
    let pid = own.as_mut().map(MeasuredMongod::pid);
    let measured = measure(&uri, pid).await;
    if let Some(server) = own {
        server.stop().await;
    }
    measured
}

async fn measure(uri: &str, pid: Option<u32>) -> Result<()> {
    let store = Store::open(uri).await?;
    println!("writes of a login                      at once  logins/s  latency  mongod    client   (medians)");
    for (concurrency, logins) in LOADS {
        let mut samples = vec![Vec::new(); WAYS.len()];
        for round in 0..=ROUNDS {
            for (index, (way, _)) in WAYS.iter().enumerate() {
                let sample = store.round(*way, concurrency, logins, pid).await?;
                // The first round is a warm-up.
                if round > 0 {
                    samples[index].push(sample);
                }
            }
        }
        for ((_, name), samples) in WAYS.iter().zip(&samples) {
            let median = |value: fn(&Sample) -> f64| median(samples.iter().map(value).collect());
            let mongod = samples.iter().all(|sample| sample.mongod.is_some());
            let mongod = mongod.then(|| median(|sample| sample.mongod.unwrap_or_default()));
            let mongod = mongod.map_or("-".to_owned(), |cpu| format!("{cpu:.2} ms"));
            let (rate, latency, client) = (median(|s| s.rate), median(|s| s.latency), median(|s| s.client));
            println!("{name:<38} {concurrency:>7} {rate:>9.0} {latency:>5.2} ms {mongod:>8} {client:>6.2} ms");
        }
    }
    store.users.client().database("session_writes").drop().await?;
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl Store {
    async fn open(uri: &str) -> Result<Self> {
        let mut options = ClientOptions::parse(uri).await?;
        options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
        options.max_pool_size = Some(64);
        let database = Client::with_options(options)?.database("session_writes");
        database.drop().await?;
        let (users, sessions) = (database.collection("users"), database.collection("sessions"));
        for key in ["emailKeys", "usernameKey", "pendingEvents.0.at", "statusId"] {
            let partial = IndexOptions::builder().partial_filter_expression(doc! { key: { "$exists": true } }).build();
            users.create_index(IndexModel::builder().keys(doc! { key: 1 }).options(partial).build()).await?;
        }
        for keys in [doc! { "expiresAt": 1 }, doc! { "userId": 1, "createdAt": -1, "_id": -1 }] {
            sessions.create_index(IndexModel::builder().keys(keys).build()).await?;
        }
        let ids: Vec<bson::Uuid> = (0..USERS).map(|_| bson::Uuid::new()).collect();
        users.insert_many(ids.iter().map(|id| user(*id))).await?;
        Ok(Self { users, sessions, ids: Arc::new(ids) })
    }

    async fn round(&self, way: Way, concurrency: usize, logins: usize, pid: Option<u32>) -> Result<Sample> {
        self.sessions.delete_many(doc! {}).await?;
        let (mongod, client, started) = (pid.map(cpu_seconds), own_cpu_seconds(), Instant::now());
        let next = Arc::new(AtomicUsize::new(0));
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..concurrency {
            let (store, next) = (self.clone(), Arc::clone(&next));
            clients.spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= logins {
                        return anyhow::Ok(latencies);
                    }
                    let started = Instant::now();
                    store.log_in(way, store.ids[number % store.ids.len()]).await?;
                    latencies.push(started.elapsed().as_secs_f64() * 1000.0);
                }
            });
        }
        let mut latencies = Vec::with_capacity(logins);
        while let Some(client) = clients.join_next().await {
            latencies.extend(client??);
        }
        let rate = logins as f64 / started.elapsed().as_secs_f64();
        let per_login = |seconds: f64| seconds * 1000.0 / logins as f64;
        let mongod = pid.map(cpu_seconds).zip(mongod).map(|(after, before)| per_login(after - before));
        Ok(Sample { rate, latency: median(latencies), mongod, client: per_login(own_cpu_seconds() - client) })
    }

    async fn log_in(&self, way: Way, user: bson::Uuid) -> Result<()> {
        let row = session(user);
        match way {
            Way::Sequence => {
                self.sessions.insert_one(row).await?;
                self.change_account(user).await
            }
            Way::Concurrent => {
                let (inserted, changed) =
                    tokio::join!(self.sessions.insert_one(row).into_future(), self.change_account(user));
                inserted?;
                changed
            }
            Way::ImpliedMajority => {
                let by_primary = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
                self.sessions.insert_one(row).write_concern(by_primary).await?;
                self.change_account(user).await
            }
        }
    }

    /// Makes a write as that of a login from a known place: two lists that move an entry to the front, a time, the
    /// version, and an event. The relay's removal of the event is part of it, so that the list does not grow.
    async fn change_account(&self, id: bson::Uuid) -> Result<()> {
        let filter = doc! { "_id": id, "status": "active", "sessions.epoch": 1_i64, "totp": { "$exists": false } };
        let seen = |list: &str, entry: Document| {
            let others = doc! { "$filter": { "input": list, "cond": { "$ne": ["$$this.key", "same"] } } };
            doc! { "$slice": [{ "$concatArrays": [[{ "$literal": entry }], others] }, 8] }
        };
        let change = doc! { "$set": {
            "version": { "$add": ["$version", 1_i64] },
            "lastLoginAt": "$$NOW",
            "knownNetworks": seen("$knownNetworks", doc! { "key": "same", "lastSeen": DateTime::now() }),
            "signInPlaces": seen("$signInPlaces", doc! { "key": "same", "lastSeen": DateTime::now() }),
            "pendingEvents": [{ "$mergeObjects": [{ "$literal": event() }, { "sequence": "$version" }] }],
        } };
        let changed = self.users.find_one_and_update(filter, vec![change]).return_document(ReturnDocument::After);
        changed.await?.context("the account exists")?;
        Ok(())
    }
}

/// Returns a new session, about as large as a real one.
fn session(user: bson::Uuid) -> Document {
    let now = DateTime::now();
    doc! {
        "_id": bson::Uuid::new(),
        "schemaVersion": 1,
        "userId": user,
        "epoch": 1_i64,
        "salt": bson::Binary { subtype: BinarySubtype::Generic, bytes: vec![7; 16] },
        "n": 1_i64,
        "createdAt": now,
        "lastUsedAt": now,
        "rotatedAt": now,
        "expiresAt": now,
        "device": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "address": "203.0.113.7",
    }
}

/// Returns an account, about as large as a real one.
fn user(id: bson::Uuid) -> Document {
    let email = format!("{id}@example.org");
    doc! {
        "_id": id,
        "schemaVersion": 1,
        "version": 1_i64,
        "username": id.to_string(),
        "usernameKey": id.to_string(),
        "email": &email,
        "emailKeys": [&email],
        "emailVerified": true,
        "displayName": "Ada Lovelace",
        "locale": "en-GB",
        "roles": [],
        "status": "active",
        "passwordHash": "$argon2id$v=19$m=19456,t=2,p=1$".to_owned() + &"A".repeat(66),
        "sessions": { "epoch": 1_i64 },
        "knownNetworks": [],
        "signInPlaces": [],
        "pendingEvents": [],
        "createdAt": DateTime::from_millis(0),
        "updatedAt": DateTime::from_millis(0),
    }
}

/// Returns a `user.logged_in.v1` event that waits to be published.
fn event() -> Document {
    doc! {
        "id": bson::Uuid::new(),
        "type": "user.logged_in.v1",
        "at": DateTime::now(),
        "data": "x".repeat(180),
        "traceParent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "audit": { "actor": "self", "address": "203.0.113.7", "client": "Firefox" },
    }
}
