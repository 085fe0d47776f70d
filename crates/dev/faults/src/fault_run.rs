//! One fault run: its world, clients and mail server, and waiting until it is idle.

use std::time::Duration;

use bson::{Document, doc};
use e2e::offsets;
use futures_util::TryStreamExt as _;
use local_stack::wait_for::try_wait_for;
use mongodb::Database;
use test_support::{ScriptedSmtp, World};

use crate::{checker::Limits, recorder::Recorder};

/// The parts of one fault run.
pub struct FaultRun {
    /// Its own topic, databases, keys and logs.
    pub world: World,
    /// Records the requests of its clients.
    pub recorder: Recorder,
    /// The mail server to which its services send.
    pub smtp: ScriptedSmtp,
    /// The limits that it must stay within.
    pub limits: Limits,
}

/// Waits until no event is pending in `users`, the consumer group has read the topic to its end, and every mail
/// is in a terminal state. Work of a service that is not part of the run is not waited for.
///
/// # Panics
/// Panics at the deadline, with a description of the unfinished work.
pub async fn wait_until_idle(run: &FaultRun, within: Duration) {
    if let Err(why) = try_wait_until_idle(run, within).await {
        panic!("{why}");
    }
}

/// Like [`wait_until_idle`], but returns an error.
///
/// # Errors
/// Returns a description of the unfinished work at the deadline.
pub async fn try_wait_until_idle(run: &FaultRun, within: Duration) -> Result<(), String> {
    let (users, emails) = (run.world.user_database().await, run.world.email_database().await);
    let mut unfinished = String::new();
    let waited = try_wait_for(within, "the run to be idle", async || {
        unfinished = match unfinished_work(run, &users, &emails).await {
            Ok(unfinished) => unfinished.unwrap_or_default(),
            Err(error) => format!("MongoDB does not respond: {error}"),
        };
        Ok(unfinished.is_empty().then_some(()))
    });
    let waited = waited.await;
    waited.map_err(|_| format!("not idle within {within:?}: {unfinished}"))
}

/// Returns a description of the first unfinished work on an event's path, if there is any.
async fn unfinished_work(
    run: &FaultRun,
    users: &Database,
    emails: &Database,
) -> Result<Option<String>, mongodb::error::Error> {
    if !run.limits.no_user_service {
        let users = users.collection::<Document>("users");
        let pending = users.count_documents(doc! { "pendingEvents.0": { "$exists": true } }).await?;
        if pending > 0 {
            return Ok(Some(format!("{pending} account(s) have unpublished events")));
        }
    }
    if run.limits.no_email_service {
        return Ok(None);
    }
    if let Some(behind) = offsets::describe_lag(&run.world).await {
        return Ok(Some(behind));
    }
    let mails = emails.collection::<Document>("mailJobs");
    let open = doc! { "terminalAt": { "$exists": false } };
    let states: Vec<Document> = mails.find(open).projection(doc! { "state": 1 }).await?.try_collect().await?;
    if states.is_empty() {
        return Ok(None);
    }
    let shown: Vec<String> = states.iter().take(5).map(ToString::to_string).collect();
    Ok(Some(format!("{} mail(s) are not in a terminal state: {}", states.len(), shown.join(", "))))
}
