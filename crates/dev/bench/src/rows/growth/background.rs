//! The work on many users at once: the export, the expiry of unverified accounts, and the sweep for events that were
//! not published.

use std::{
    fs::DirEntry,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use bson::{DateTime, Document, Uuid, doc};
use mongodb::{Client, Collection};
use service_kit::Ids;
use test_support::World;

use super::{databases::Databases, population::Population};
use crate::{
    database,
    environment::Environment,
    processes::resident_mib,
    report::{Goal, Row},
    rows::relay::pending_users::PendingUserModel,
    sampling::{Comparison, Sample},
};

const POLL_INTERVAL: Duration = Duration::from_millis(20);
const EXPORT_DEADLINE: Duration = Duration::from_secs(3600);
/// How long the work on the added users may take to begin, and to end.
const WORK_DEADLINE: Duration = Duration::from_secs(120);
/// The numbers of users to expire and of users with an event.
const EXPIRING_USERS: usize = 2_000;
const PENDING_USERS: usize = 10_000;
/// The age of the accounts that expire, and the age at which they do.
const UNVERIFIED_AGE_MILLIS: i64 = 30 * 24 * 3_600_000;
const UNVERIFIED_EXPIRY: &str = "7d";

/// Returns the row of the export of all users of a database.
pub(super) async fn export_row(environment: &Environment, databases: &Databases, which: usize) -> Result<Row> {
    let (population, world) = (&databases.populations()[which], databases.world(environment).await);
    let begun = Instant::now();
    // The users are in the log of the command, because they go to its standard output.
    let mut command = population.service(&world)?.launch_command(&["users", "export"]);
    let mut peak: f64 = 0.0;
    while command.is_running() && begun.elapsed() < EXPORT_DEADLINE {
        // The process may have ended meanwhile.
        peak = peak.max(resident_mib(command.pid()).unwrap_or(0.0));
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let status = command.wait_for_exit(POLL_INTERVAL).await;
    ensure!(status.success(), "users export failed: {status}");
    let files = std::fs::read_dir(world.logs())?.collect::<Result<Vec<_>, _>>()?;
    let is_export = |file: &DirEntry| file.file_name().to_string_lossy().ends_with("users-export.log");
    let path = files.iter().find(|file| is_export(file)).context("the export")?.path();
    let bytes = std::fs::metadata(&path)?.len();
    std::fs::remove_file(&path)?;
    let (users, rate) = (population.size(), population.size() as f64 / seconds);
    let name = format!("export of {users} users");
    Ok(Row::value(name, "1/s", Sample::from_rounds(&[rate]), Goal::None)
        .note(format!("{seconds:.0} s, {:.2} GB of JSON lines, at most {peak:.0} MB of memory", bytes as f64 / 1e9)))
}

/// Returns the row of the expiry of unverified accounts in the largest database, next to the smallest one.
pub(super) async fn expiry_row(environment: &Environment, databases: &Databases, pair: [usize; 2]) -> Result<Row> {
    let client = databases.client().await?;
    let count = environment.scaled(EXPIRING_USERS);
    let mut rates = [0.0; 2];
    for (rate, which) in rates.iter_mut().zip(pair) {
        let (population, world) = (&databases.populations()[which], databases.world(environment).await);
        let users = users(&client, population);
        let model = users.find_one(doc! { "_id": Uuid::from(population.id(0)) }).await?.unwrap_or_default();
        let added = (0..count).map(|number| unverified(population, &model, &world, number)).collect();
        let expired = doc! { "emailVerified": false, "createdAt": { "$lt": old() } };
        let work = Work { users: &users, added, waiting: expired };
        *rate = work.rate(&world, population, &[("AUTH__UNVERIFIED_EXPIRY", UNVERIFIED_EXPIRY)]).await?;
    }
    Ok(rate_row("expiry of unverified accounts", rates, databases, pair).note(format!("{count} accounts, one run")))
}

/// Returns the row of the sweep in the largest database, next to the smallest one.
pub(super) async fn sweep_row(environment: &Environment, databases: &Databases, pair: [usize; 2]) -> Result<Row> {
    let client = databases.client().await?;
    let count = environment.scaled(PENDING_USERS);
    let model = PendingUserModel::from_outage(&databases.world(environment).await).await?;
    let mut rates = [0.0; 2];
    for (rate, which) in rates.iter_mut().zip(pair) {
        let (population, world) = (&databases.populations()[which], databases.world(environment).await);
        let users = users(&client, population);
        let pending = doc! { "pendingEvents.0.at": { "$exists": true } };
        *rate = Work { users: &users, added: model.users(count, 1)?, waiting: pending }
            .rate(&world, population, &[])
            .await?;
    }
    Ok(rate_row("sweep: events of an outage", rates, databases, pair)
        .note(format!("{count} users with one event, one run")))
}

/// Users that are added to a population, and that a service then works on.
struct Work<'a> {
    users: &'a Collection<Document>,
    added: Vec<Document>,
    /// The filter for the users whose work is not done.
    waiting: Document,
}

impl Work<'_> {
    /// Returns how many users a service handles per second, from the first one on. Removes the users at the end.
    async fn rate(self, world: &World, population: &Population, settings: &[(&str, &str)]) -> Result<f64> {
        let ids: Vec<_> = self.added.iter().filter_map(|user| user.get("_id").cloned()).collect();
        let count = self.added.len();
        database::bulk_insert(self.users, self.added).await?;
        let (deadline, mut begun, mut left) = (Instant::now() + WORK_DEADLINE, None, count as u64);
        // The inserts did not wait for the majority, which the counts ask.
        while self.users.count_documents(self.waiting.clone()).await? < left {
            ensure!(Instant::now() < deadline, "not all of {count} users were inserted");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let mut service = population.service(world)?.set_all(settings).start().await;
        while left > 0 {
            ensure!(Instant::now() < deadline, "{left} of {count} users still wait");
            let waiting = self.users.count_documents(self.waiting.clone()).await?;
            if waiting < left && begun.is_none() {
                begun = Some((Instant::now(), waiting));
            }
            left = waiting;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let rate = begun.map_or(0.0, |(begun, waiting)| waiting as f64 / begun.elapsed().as_secs_f64());
        service.terminate().await;
        self.users.delete_many(doc! { "_id": { "$in": ids } }).await?;
        Ok(rate)
    }
}

fn users(client: &Client, population: &Population) -> Collection<Document> {
    client.database(population.database()).collection("users")
}

fn old() -> DateTime {
    DateTime::from_millis(DateTime::now().timestamp_millis() - UNVERIFIED_AGE_MILLIS / 2)
}

fn unverified(population: &Population, model: &Document, world: &World, number: usize) -> Document {
    let mut user = population.user(model, number);
    let name = format!("{}x{number}", world.tag());
    user.insert("_id", Uuid::from(Ids::random().v4()));
    user.insert("username", &name);
    user.insert("usernameKey", &name);
    user.insert("usernameKeys", [&name]);
    user.insert("email", format!("{name}@example.org"));
    user.insert("emailKeys", [format!("{name}@example.org")]);
    user.insert("emailVerified", false);
    user.insert("status", "active");
    user.insert("createdAt", DateTime::from_millis(DateTime::now().timestamp_millis() - UNVERIFIED_AGE_MILLIS));
    user
}

fn rate_row(name: &str, [large, small]: [f64; 2], databases: &Databases, pair: [usize; 2]) -> Row {
    let sizes = pair.map(|which| databases.populations()[which].size());
    let name = format!("{name}: {} times the users", sizes[0] / sizes[1]);
    Row::comparison(name, "1/s", &Comparison::from_rounds(&[(large, small)]), Goal::None)
}
