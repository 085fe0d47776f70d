//! `events snapshot`: asks the relay to publish the present state of every user.
//!
//! The command publishes nothing itself. It adds a request to the pending list of each user, page by page in the order
//! of the ids, and stores its progress after each page.

use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::SignedDuration;
use serde_json::json;
use service_kit::{
    Clock,
    cli::print_result,
    fail_point,
    lifecycle::Lifecycle,
    mongo::{StoreError, retry_while_unavailable},
};
use tokio::time::{Instant, sleep, sleep_until};

use crate::store::{SnapshotProgress, Store};

/// The maximum number of users of one write.
const PAGE: u32 = 500;
/// While more users than this wait for the relay, no more are asked for.
const MAX_WAITING: u64 = 10_000;
/// How often the command looks at what waits.
const POLL: Duration = Duration::from_secs(1);
/// How often it says how far it is.
const REPORT: Duration = Duration::from_secs(10);
/// The times of the requests of a page are at most this much later than their write: see
/// [`request_snapshots`](crate::store::OutboxStore::request_snapshots).
const REQUEST_TIMES: Duration = Duration::from_secs(1);
/// An interrupted snapshot that is older begins anew: the topic may have been off in the meantime.
const MAX_PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// The arguments of `events snapshot`.
#[derive(clap::Args)]
pub(super) struct SnapshotArgs {
    /// Ask for the states of at most this number of users a second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Begin with the first user, although an earlier command was interrupted
    #[arg(long)]
    restart: bool,
}

pub(super) async fn run(store: Store, topic: Option<&str>, args: SnapshotArgs, json: bool) -> anyhow::Result<()> {
    let topic = topic.context("kafka.state_topic is not set, so there is no topic of states")?;
    let clock = Clock::system();
    let lifecycle = Lifecycle::new();
    lifecycle.watch_signals()?;
    let stopping = lifecycle.stopping();
    let found = store.bulk.find_snapshot(topic).await?;
    let is_continued =
        |found: &SnapshotProgress| !args.restart && clock.now().duration_since(found.updated_at.to_jiff()) < MAX_PAUSE;
    let progress = match found.filter(is_continued) {
        Some(found) => {
            let started = found.started_at.to_jiff();
            eprintln!("continues the snapshot of {started} after {} users; --restart begins anew", found.users);
            found
        }
        None => SnapshotProgress::new(topic.to_owned(), clock.now()),
    };
    let mut snapshot = Snapshot { store, clock, rate: args.rate, progress, reported: Instant::now() };
    match stopping.run_until_cancelled(snapshot.request_all()).await {
        Some(requested) => requested?,
        None => bail!("interrupted after {} users; the same command continues there", snapshot.progress.users),
    }
    let users = snapshot.progress.users;
    let parked = match stopping.run_until_cancelled(snapshot.wait_until_published()).await {
        Some(parked) => parked?,
        None => bail!("interrupted: all {users} users are asked for, and the relay publishes the states that wait"),
    };
    let published = users.saturating_sub_unsigned(parked);
    let result = json!({ "users": users, "published": published, "parked": parked });
    print_result(json, &result, format_args!("the states of {published} of {users} users are published"))?;
    if parked > 0 {
        bail!("the states of {parked} users wait because the users are parked: see `user-service events list`");
    }
    Ok(())
}

/// A running snapshot.
struct Snapshot {
    store: Store,
    clock: Clock,
    rate: u32,
    progress: SnapshotProgress,
    /// When the last line about the progress was printed.
    reported: Instant,
}

impl Snapshot {
    /// Adds the requests for the remaining users. It may be dropped at any time: a page whose progress was not stored
    /// is requested again, which renews its requests.
    async fn request_all(&mut self) -> Result<(), StoreError> {
        let limit = PAGE.min(self.rate);
        let mut due = Instant::now();
        loop {
            self.wait_for_room().await?;
            let (bulk, outbox, after) = (&self.store.bulk, &self.store.outbox, self.progress.after);
            let page = retried(|| bulk.user_ids(after, limit.into())).await?;
            let Some(last) = page.last() else { break };
            let requested = retried(|| outbox.request_snapshots(&page)).await?;
            fail_point!("snapshot.after_page");
            self.progress.after = Some((*last).into());
            self.progress.users = self.progress.users.saturating_add_unsigned(requested);
            self.progress.updated_at = self.clock.now().into();
            retried(|| bulk.save_snapshot(&self.progress)).await?;
            // A pause is not made up for: the rate is a maximum.
            let pages_per_second = f64::from(self.rate) / f64::from(limit);
            due = due.max(Instant::now()) + Duration::from_secs_f64(1.0 / pages_per_second);
            sleep_until(due).await;
        }
        Ok(())
    }

    /// Waits until the relay has published enough of what was asked for.
    async fn wait_for_room(&mut self) -> Result<(), StoreError> {
        loop {
            let bulk = &self.store.bulk;
            let waiting = retried(|| bulk.count_waiting_users(MAX_WAITING + 1)).await?;
            let users = self.progress.users;
            if waiting <= MAX_WAITING {
                self.report(format_args!("{users} users asked for, {waiting} users wait for the relay"));
                return Ok(());
            }
            self.report(format_args!(
                "{users} users asked for; no more while over {MAX_WAITING} users wait for the relay: is a service \
                 running, with Kafka?"
            ));
            sleep(POLL).await;
        }
    }

    /// Removes the progress, because all users are asked for. Waits until no request waits except those of parked users,
    /// and returns their number. Requests that were renewed after the last one are not counted: under load the relay may
    /// always have some.
    async fn wait_until_published(&mut self) -> Result<u64, StoreError> {
        let (bulk, topic) = (&self.store.bulk, &self.progress.topic);
        retried(|| bulk.remove_snapshot(topic)).await?;
        let last_request = retried(|| bulk.database_time()).await?.to_jiff() + REQUEST_TIMES;
        loop {
            let bulk = &self.store.bulk;
            let waiting = retried(|| bulk.count_waiting_snapshots(last_request.into())).await?;
            if waiting.users == waiting.parked {
                return Ok(waiting.parked);
            }
            let users = self.progress.users;
            self.report(format_args!("all {users} users asked for, the states of {} wait", waiting.users));
            sleep(POLL).await;
        }
    }

    fn report(&mut self, line: std::fmt::Arguments<'_>) {
        if self.reported.elapsed() >= REPORT {
            self.reported = Instant::now();
            eprintln!("{line}");
        }
    }
}

/// Repeats an operation as long as the database is unavailable, and says so after each attempt.
async fn retried<T, F>(operation: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let attempt = || async { operation().await.inspect_err(|error| eprintln!("{error}; trying again")) };
    retry_while_unavailable(u32::MAX, attempt).await
}
