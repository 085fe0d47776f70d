//! Measures how long `users import` takes for 100 000 users, next to MongoDB's own limit: a program that only inserts
//! the same documents.
//!
//! ```sh
//! cargo build --release --bin user-service
//! cargo run --release -p e2e --example import_rate [USERS]
//! ```
//!
//! Both write to the same replica set of one, with the same indexes, batch size, concurrency and write concern, and
//! take turns. The program prints the medians and their ratio. The import also reads and checks the lines, builds the
//! accounts, and records its progress after each batch.

use std::{
    env, fs,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use bson::{Document, RawDocumentBuf, doc};
use e2e::measured_mongod::{MeasuredMongod, cpu_seconds, own_cpu_seconds};
use futures_util::TryStreamExt as _;
use mongodb::{
    Client, Database, IndexModel,
    options::{Acknowledgment, ClientOptions, WriteConcern},
};
use serde_json::json;

const USERS: usize = 100_000;
const ROUNDS: usize = 3;
/// The batch size of the import.
const BATCH: usize = 1_000;

/// The result of one round: elapsed seconds, and the processor seconds of the writing process and of mongod.
#[derive(Clone, Copy)]
struct Sample {
    seconds: f64,
    own_cpu: f64,
    mongod_cpu: f64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let users = env::args().nth(1).map_or(Ok(USERS), |users| users.parse()).context("how many users?")?;
    let mut mongod = MeasuredMongod::start("import-rate").await?;
    let (uri, pid, directory) = (mongod.uri(), mongod.pid(), mongod.directory());
    let measured = rounds(&uri, pid, &directory, users).await;
    mongod.stop().await;
    report(users, &measured?);
    Ok(())
}

async fn rounds(uri: &str, mongod: u32, directory: &Path, users: usize) -> Result<Vec<(Sample, Sample)>> {
    let mut options = ClientOptions::parse(uri).await?;
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    let client = Client::with_options(options)?;
    let program = service()?;
    run(Command::new(&program).args(["keygen", "--out"]).arg(directory))?;
    let mut samples = Vec::new();
    for round in 0..=ROUNDS {
        // Each round needs its own file, because a file is imported only once.
        let file = write_users(directory, round, users)?;
        let imported = client.database(&format!("imported-{round}"));
        let import = timed(mongod, async {
            let mut command = Command::new(&program);
            command.args(["users", "import", "--json"]).arg(&file);
            command.env("USER_SERVICE__MONGODB__URI", uri).env("USER_SERVICE__MONGODB__DATABASE", imported.name());
            command.env("USER_SERVICE__KEYS__ENCRYPTION_KEY_FILE", directory.join("encryption.key"));
            tokio::task::spawn_blocking(move || run(&mut command)).await?
        })
        .await?;
        let documents: Vec<RawDocumentBuf> =
            imported.collection("users").find(doc! {}).sort(doc! { "imported.line": 1 }).await?.try_collect().await?;
        ensure!(documents.len() == users, "{} of {users} were imported", documents.len());
        let bare = client.database(&format!("bare-{round}"));
        let indexes: Vec<IndexModel> =
            imported.collection::<Document>("users").list_indexes().await?.try_collect().await?;
        for index in indexes.into_iter().filter(|index| index.keys != doc! { "_id": 1 }) {
            bare.collection::<Document>("users").create_index(index).await?;
        }
        let insert = timed(mongod, insert(&bare, documents)).await?;
        imported.drop().await?;
        bare.drop().await?;
        fs::remove_file(file)?;
        // The first round is a warm-up.
        if round > 0 {
            samples.push((import, insert));
        }
    }
    Ok(samples)
}

/// Inserts the same documents in batches, with as many batches in flight as the import has: this is the limit.
async fn insert(database: &Database, documents: Vec<RawDocumentBuf>) -> Result<()> {
    let users = database.collection::<RawDocumentBuf>("users");
    let at_once = thread::available_parallelism().map_or(1, usize::from).clamp(2, 16) + 2;
    let room = Arc::new(tokio::sync::Semaphore::new(at_once));
    let mut tasks = tokio::task::JoinSet::new();
    let mut documents = documents.into_iter();
    loop {
        let batch: Vec<RawDocumentBuf> = documents.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            break;
        }
        let (place, users) = (Arc::clone(&room).acquire_owned().await?, users.clone());
        tasks.spawn(async move {
            let inserted = users.insert_many(batch).ordered(false).await;
            drop(place);
            inserted
        });
    }
    while let Some(inserted) = tasks.join_next().await {
        inserted??;
    }
    Ok(())
}

async fn timed(mongod: u32, work: impl Future<Output = Result<()>>) -> Result<Sample> {
    let (own, server, started) = (own_cpu_seconds(), cpu_seconds(mongod), Instant::now());
    work.await?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Sample { seconds, own_cpu: own_cpu_seconds() - own, mongod_cpu: cpu_seconds(mongod) - server })
}

/// Writes a file of users with a foreign hash and a profile, about 350 bytes a line.
fn write_users(directory: &Path, round: usize, users: usize) -> Result<PathBuf> {
    let path = directory.join(format!("users-{round}.ndjson"));
    let mut file = BufWriter::new(fs::File::create(&path)?);
    for n in 0..users {
        let line = json!({
            "username": format!("user-{round}-{n}"),
            "email": format!("User.{round}.{n}@Example.org"),
            "emailVerified": n % 2 == 0,
            "displayName": format!("User Number {n}"),
            "locale": "en-GB",
            "timezone": "Europe/London",
            "createdAt": "2023-04-05T06:07:08Z",
            "attributes": { "plan": "pro", "team": n % 100 },
            "passwordHash": "$2b$10$ksMzF5T1GreQtTXV/JSTrOWUcnoZY5391MQQprrPbL5mpLKkZdc2y",
        });
        writeln!(file, "{line}")?;
    }
    file.flush()?;
    Ok(path)
}

fn report(users: usize, samples: &[(Sample, Sample)]) {
    let median = |of: &dyn Fn(&(Sample, Sample)) -> f64| {
        let mut all: Vec<f64> = samples.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    println!("{users} users, medians of {} rounds in turns; seconds", samples.len());
    println!("{:<14} {:>8} {:>10} {:>12} {:>14}", "", "by clock", "own CPU", "mongod CPU", "users/s");
    for (name, of) in [("users import", 0), ("bare inserts", 1)] {
        let pick = move |pair: &(Sample, Sample)| if of == 0 { pair.0 } else { pair.1 };
        let seconds = median(&|pair| pick(pair).seconds);
        let (own, server) = (median(&|pair| pick(pair).own_cpu), median(&|pair| pick(pair).mongod_cpu));
        println!("{name:<14} {seconds:>8.2} {own:>10.2} {server:>12.2} {:>14.0}", users as f64 / seconds);
    }
    println!("ratio by clock {:.2}", median(&|(import, bare)| bare.seconds / import.seconds));
}

/// Returns the path of the service, which is next to this program in the target directory.
fn service() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let path = own.ancestors().nth(2).context("an example is two directories deep")?.join("user-service");
    ensure!(path.is_file(), "{} is not built", path.display());
    Ok(path)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
