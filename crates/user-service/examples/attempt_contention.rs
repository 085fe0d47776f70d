//! Measures how long a login of the owner waits for its row of attempts while 500 attackers a second guess at the same
//! account (docs/adr/0007).
//!
//! ```sh
//! cargo run -p user-service --example attempt_contention mongodb://…
//! ```
//!
//! Each guess comes from another network. The owner signs in with the right password, 20 times a second from a known
//! network and 20 times from an unknown one. The client may be a debug build: compare the rows with the first one.

use std::{cell::Cell, env, time::Duration};

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use futures_util::future::{join, join_all};
use mongodb::{Client, Database};
use service_kit::random_bytes;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use user_service::store::{
    AttemptCharge, AttemptRefund, Backoff, ChargeId, Forget, Store, ThrottleKey, ThrottleStore, non_unique_indexes,
};

const TIME: Duration = Duration::from_secs(8);
/// Each guesses ten times a second.
const ATTACKERS: u32 = 50;
const SUBJECT: [u8; 16] = [1; 16];
const KNOWN: ThrottleKey = ThrottleKey { subject: SUBJECT, part: [2; 16] };
const NETWORK_OF_OWNER: [u8; 16] = [3; 16];
const SOURCE: Backoff = Backoff { free: 5, first: Duration::from_secs(1), longest: Duration::from_secs(900) };

/// Counters of mongod.
struct Counters {
    cpu_ms: f64,
    conflicts: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let uri = env::args().nth(1).context("the argument is the connection string of MongoDB")?;
    let database = Client::with_uri_str(uri).await?.database("attempt-contention");
    println!(
        "| attack | owner, known network: p50, p99 | unknown network: p50, p99 | refused | guesses/s | \
         for each charge: mongod, ms | conflicts |"
    );
    for (attack, attackers, free) in [
        ("none", 0, 20),
        ("500/s, the account refuses", ATTACKERS, 20),
        ("none", 0, 20),
        ("500/s, the account never refuses", ATTACKERS, 1_000_000),
    ] {
        database.drop().await?;
        service_kit::mongo::ensure_indexes(&database, &non_unique_indexes(Duration::from_secs(3600))).await?;
        println!("| {attack} {}", measure(&database, attackers, free).await?);
    }
    Ok(database.drop().await?)
}

async fn measure(database: &Database, attackers: u32, free: u32) -> Result<String> {
    let store = Store::new(database, Duration::from_secs(5), 100).throttles;
    let account = Backoff { free, first: Duration::from_secs(225), longest: Duration::from_secs(900) };
    let refused = Cell::new(0);
    let from_unknown = |network| {
        let id = ChargeId::random();
        AttemptCharge { id, key: ThrottleKey::of_subject(SUBJECT), rule: account, network: Some((network, SOURCE)) }
    };
    let guess = async || {
        store.charge_attempt(&from_unknown(random_bytes()), &[]).await?;
        Ok(Duration::ZERO)
    };
    let attack = join_all((0..attackers).map(|attacker| {
        // They do not all begin at the same time.
        repeat(Duration::from_millis(100), Duration::from_millis(100) * attacker / ATTACKERS, guess)
    }));
    let login = async |charge: AttemptCharge, row| {
        let network = charge.network.map(|(network, _)| (network, Forget::Through));
        let refund = AttemptRefund { id: charge.id, row, network };
        charge_and_refund(&store, &charge, refund, &refused).await
    };
    let known = async || {
        let charge = AttemptCharge { id: ChargeId::random(), key: KNOWN, rule: SOURCE, network: None };
        login(charge, Forget::Through).await
    };
    let unknown = async || login(from_unknown(NETWORK_OF_OWNER), Forget::Own).await;
    let every = Duration::from_millis(50);
    let before = Counters::read(database).await?;
    let owner = join(repeat(every, every / 3, known), repeat(every, every * 2 / 3, unknown));
    let ((known, unknown), attack) = join(owner, attack).await;
    let after = Counters::read(database).await?;
    let guesses = attack.into_iter().collect::<Result<Vec<_>>>()?.iter().map(Vec::len).sum::<usize>();
    let (known, unknown) = (known?, unknown?);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (guesses, charges) = (guesses as f64, (guesses + known.len() + unknown.len()) as f64);
    Ok(format!(
        "| {} | {} | {} | {:.0} | {:.2} | {:.3} |",
        percentiles(known),
        percentiles(unknown),
        refused.get(),
        guesses / TIME.as_secs_f64(),
        (after.cpu_ms - before.cpu_ms) / charges,
        (after.conflicts - before.conflicts) / charges,
    ))
}

/// Charges an attempt of the owner, and writes its refund if it was accepted. Returns the time of the charge.
async fn charge_and_refund(
    store: &ThrottleStore,
    charge: &AttemptCharge,
    refund: AttemptRefund,
    refused: &Cell<u32>,
) -> Result<Duration> {
    let began = Instant::now();
    let state = store.charge_attempt(charge, &[]).await?;
    let time = began.elapsed();
    if state.is_refused() {
        refused.set(refused.get() + 1);
    } else {
        store.refund_attempts(&[(charge.key, vec![refund])]).await?;
    }
    Ok(time)
}

/// Repeats the work, and returns the times that it returned.
async fn repeat(every: Duration, delay: Duration, work: impl AsyncFn() -> Result<Duration>) -> Result<Vec<Duration>> {
    let began = Instant::now();
    let mut ticks = interval_at(began + delay, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut times = Vec::new();
    while ticks.tick().await < began + TIME {
        times.push(work().await?);
    }
    Ok(times)
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at =
        |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default().as_secs_f64() * 1000.0;
    format!("{:.1}, {:.1} ms", at(50), at(99))
}

impl Counters {
    async fn read(database: &Database) -> Result<Self> {
        let status = database.run_command(doc! { "serverStatus": 1 }).await?;
        let operation = status.get_document("metrics")?.get_document("operation")?;
        let process = status.get_document("extra_info")?;
        Ok(Self {
            cpu_ms: (number(process, "user_time_us") + number(process, "system_time_us")) / 1000.0,
            conflicts: number(operation, "writeConflicts"),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "differences of counters are small")]
fn number(document: &Document, field: &str) -> f64 {
    let value = document.get(field);
    value
        .and_then(|value| value.as_f64().or(value.as_i64().or(value.as_i32().map(i64::from)).map(|n| n as f64)))
        .unwrap_or(0.0)
}
