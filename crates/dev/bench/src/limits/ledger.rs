//! The email service's reads and writes of its ledger, without the service.

use std::time::Duration;

use anyhow::{Context as _, Result};
use bson::{Document, doc};
use mongodb::{Collection, Database, options::ReturnDocument};

const INSTANCE: &str = "limit-0a1b2c3d";
const LEASE: Duration = Duration::from_secs(90);
/// The number of history entries that the service keeps.
const MAX_HISTORY: i32 = 60;

/// The mails of a database, which are read and written as by the service.
#[derive(Clone)]
pub(crate) struct Ledger {
    rows: Collection<Document>,
}

impl Ledger {
    pub(crate) fn new(database: &Database) -> Self {
        Self { rows: database.collection("mailJobs") }
    }

    pub(crate) fn rows(&self) -> &Collection<Document> {
        &self.rows
    }

    /// Inserts new mails. Existing ones stay unchanged.
    pub(crate) async fn insert(&self, rows: &[Document]) -> Result<()> {
        use mongodb::error::ErrorKind::InsertMany;
        match self.rows.insert_many(rows).ordered(false).await {
            Ok(_) => Ok(()),
            Err(error) => match error.kind.as_ref() {
                InsertMany(failure) if failure.write_concern_error.is_none() => Ok(()),
                _ => Err(error.into()),
            },
        }
    }

    /// Inserts a new mail as claimed. An existing one stays unchanged.
    pub(crate) async fn insert_claimed(&self, row: &Document) -> Result<()> {
        let entry = doc! { "at": "$$NOW", "from": "queued", "to": "preparing", "by": { "$literal": INSTANCE } };
        let claimed = doc! {
            "state": "preparing",
            "epoch": 1_i64,
            "lease": { "owner": { "$literal": INSTANCE }, "until": lease_end() },
            "history": { "$concatArrays": [{ "$literal": row.get_array("history")? }, [entry]] },
        };
        let exists = doc! { "$ne": [{ "$type": "$state" }, "missing"] };
        let new = doc! { "$mergeObjects": [{ "$literal": row }, claimed] };
        let id = row.get("_id").context("an id")?;
        let command = doc! {
            "update": self.rows.name(),
            "updates": [{
                "q": { "_id": id },
                "u": [{ "$replaceWith": { "$cond": [exists, "$$ROOT", new] } }],
                "upsert": true,
            }],
            "ordered": false,
            "writeConcern": { "w": "majority", "j": true },
        };
        let database = self.rows.client().database(&self.rows.namespace().db);
        let answer = database.run_command(command).await?;
        anyhow::ensure!(answer.contains_key("upserted"), "the mail was not inserted: {answer}");
        Ok(())
    }

    /// Claims the mail that has been due for the longest time.
    pub(crate) async fn claim(&self) -> Result<Option<Document>> {
        let claimable = doc! {
            "state": "queued",
            "$expr": { "$and": [{ "$lte": ["$nextAttemptAt", "$$NOW"] }, { "$gt": ["$expiresAt", "$$NOW"] }] },
        };
        let taken = doc! {
            "epoch": { "$add": ["$epoch", 1_i64] },
            "lease": { "owner": { "$literal": INSTANCE }, "until": lease_end() },
        };
        let claim = self.rows.find_one_and_update(claimable, transition("preparing", None, taken));
        let claim = claim.sort(doc! { "nextAttemptAt": 1 }).return_document(ReturnDocument::After);
        Ok(claim.await?)
    }

    /// Sets the fence: `preparing -> data`.
    pub(crate) async fn fence(&self, row: &Document) -> Result<()> {
        let mut filter = claimed(row, &["preparing"])?;
        filter.insert("$expr", doc! { "$gt": ["$lease.until", "$$NOW"] });
        self.update_state(filter, transition("data", None, doc! { "lease.until": lease_end() })).await
    }

    /// Records the delivery: `data -> sent`.
    pub(crate) async fn mark_sent(&self, row: &Document) -> Result<()> {
        let reply = "250 taken";
        let end = doc! {
            "terminalAt": "$$NOW",
            "lease": "$$REMOVE",
            "nextAttemptAt": "$$REMOVE",
            "attempts": { "$add": ["$attempts", 1_i64] },
            "lastReply": { "$literal": reply },
        };
        self.update_state(claimed(row, &["data", "unknown"])?, transition("sent", Some(reply), end)).await
    }

    async fn update_state(&self, filter: Document, update: Vec<Document>) -> Result<()> {
        let moved = self.rows.update_one(filter, update).await?;
        anyhow::ensure!(moved.matched_count == 1, "another sender has changed the mail");
        Ok(())
    }
}

/// Returns the row in its initial state.
pub(crate) fn reset_row(mut row: Document) -> Result<Document> {
    for field in ["terminalAt", "lease", "lastReply"] {
        row.remove(field);
    }
    let due = row.get("eventTime").cloned().context("the time of the event")?;
    row.insert("state", "queued");
    row.insert("nextAttemptAt", due);
    for counter in ["epoch", "attempts", "resends", "losses"] {
        row.insert(counter, 0_i64);
    }
    row.get_array_mut("history")?.truncate(1);
    Ok(row)
}

fn claimed(row: &Document, states: &[&str]) -> Result<Document> {
    let (id, epoch) = (row.get("_id").context("an id")?, row.get("epoch").context("an epoch")?);
    Ok(doc! { "_id": id, "epoch": epoch, "state": { "$in": states } })
}

fn lease_end() -> Document {
    doc! { "$add": ["$$NOW", LEASE.as_millis() as i64] }
}

/// Returns the update for a state transition with its history entry, as the service writes it.
fn transition(to: &str, note: Option<&str>, fields: Document) -> Vec<Document> {
    let mut entry = doc! { "at": "$$NOW", "from": "$state", "to": to, "by": { "$literal": INSTANCE } };
    if let Some(note) = note {
        entry.insert("note", doc! { "$literal": note });
    }
    let mut set = doc! { "state": to, "history": bounded_history(entry) };
    set.extend(fields);
    vec![doc! { "$set": set }]
}

fn bounded_history(entry: Document) -> Document {
    let all = doc! { "$concatArrays": ["$history", [entry]] };
    let unknown = |field: &str| doc! { "$eq": [format!("$$step.{field}"), "unknown"] };
    let older = doc! { "$slice": ["$$all", { "$subtract": [{ "$size": "$$all" }, MAX_HISTORY] }] };
    let kept = doc! { "$filter": {
        "input": older, "as": "step", "cond": { "$or": [unknown("from"), unknown("to")] },
    } };
    doc! { "$let": {
        "vars": { "all": all },
        "in": { "$cond": [
            { "$lte": [{ "$size": "$$all" }, MAX_HISTORY] },
            "$$all",
            { "$concatArrays": [kept, { "$slice": ["$$all", -MAX_HISTORY] }] },
        ] },
    } }
}
