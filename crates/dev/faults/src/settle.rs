//! Waiting until everything that was begun has come to its end.

use std::time::Duration;

use bson::{Document, doc};
use e2e::offsets;
use futures_util::TryStreamExt as _;
use local_stack::wait_for::try_wait_for;
use mongodb::Database;

use crate::Run;

/// Waits until nothing is pending in `users`, the group has read the topic to its end, and
/// every mail is over. What no service of the run would do is not waited for.
///
/// # Panics
/// When something still moves at the deadline; with what it is.
pub async fn settle(run: &Run, within: Duration) {
    if let Err(why) = try_settle(run, within).await {
        panic!("{why}");
    }
}

/// As [`settle`].
///
/// # Errors
/// A sentence that says what still moves at the deadline.
pub async fn try_settle(run: &Run, within: Duration) -> Result<(), String> {
    let (users, emails) = (run.world.user_database().await, run.world.email_database().await);
    let mut moves = String::new();
    let waited = try_wait_for(within, "everything at rest", async || {
        moves = match look(run, &users, &emails).await {
            Ok(moves) => moves.unwrap_or_default(),
            Err(error) => format!("MongoDB does not answer: {error}"),
        };
        Ok(moves.is_empty().then_some(()))
    });
    let waited = waited.await;
    waited.map_err(|_| format!("not at rest within {within:?}: {moves}"))
}

/// What still moves, in the order of the way that an event takes.
async fn look(run: &Run, users: &Database, emails: &Database) -> Result<Option<String>, mongodb::error::Error> {
    if !run.limits.no_user_service {
        let users = users.collection::<Document>("users");
        let pending = users.count_documents(doc! { "pendingEvents.0": { "$exists": true } }).await?;
        if pending > 0 {
            return Ok(Some(format!("{pending} account(s) have events that are not published")));
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
    Ok(Some(format!("{} mail(s) are not over: {}", states.len(), shown.join(", "))))
}
