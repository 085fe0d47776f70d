//! The relay's reads and writes of MongoDB alone: sweeps in sequence, whose findings are acknowledged at once.

use anyhow::{Context as _, Result};
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt as _;
use mongodb::{
    Collection, Database,
    options::{Acknowledgment, ReturnDocument, WriteConcern},
};
use service_kit::Clock;

use crate::database::bulk_update;

/// The number of users in one sweep, as in the service. `ACKNOWLEDGED_TOGETHER` is the number of lists that are
/// acknowledged together.
const SWEEP_SIZE: i64 = 500;
const ACKNOWLEDGED_TOGETHER: usize = 256;
const LEASE_MILLIS: i64 = 15_000;

/// Sweeps until no event is pending.
pub(super) async fn drain(database: &Database) -> Result<()> {
    let (users, audit) = (database.collection("users"), database.collection("audit"));
    loop {
        hold_lease(&database.collection("leases")).await?;
        let found = find_pending(&users).await?;
        for lists in found.chunks(ACKNOWLEDGED_TOGETHER) {
            acknowledge(&users, &audit, lists).await?;
        }
        if found.is_empty() {
            return Ok(());
        }
    }
}

async fn hold_lease(leases: &Collection<Document>) -> Result<()> {
    let holder = "limit";
    let free = doc! { "$or": [{ "$eq": ["$holder", holder] }, { "$not": [{ "$gt": ["$until", "$$NOW"] }] }] };
    let until = doc! { "$add": ["$$NOW", LEASE_MILLIS] };
    let update = vec![doc! { "$set": {
        "schemaVersion": 1,
        "holder": { "$cond": [&free, holder, "$holder"] },
        "until": { "$cond": [&free, until, "$until"] },
    } }];
    let hold = leases.find_one_and_update(doc! { "_id": "relay.sweep" }, update);
    hold.upsert(true).return_document(ReturnDocument::After).await?;
    Ok(())
}

async fn find_pending(users: &Collection<Document>) -> Result<Vec<Document>> {
    let now = Clock::system().now();
    let filter = doc! {
        "pendingEvents.0.at": { "$exists": true, "$lt": bson::DateTime::from(now) },
        "$or": [{ "parked": { "$exists": false } }, { "parked.until": { "$lte": bson::DateTime::from(now) } }],
    };
    let find = users.find(filter).projection(doc! { "deletedAt": 1, "pendingEvents": 1, "parked": 1 });
    Ok(find.sort(doc! { "pendingEvents.0.at": 1 }).limit(SWEEP_SIZE).await?.try_collect().await?)
}

/// Writes the audit rows first, and then removes the events from the lists.
async fn acknowledge(users: &Collection<Document>, audit: &Collection<Document>, lists: &[Document]) -> Result<()> {
    let (mut rows, mut pulls) = (Vec::new(), Vec::new());
    for list in lists {
        let user = list.get("_id").context("an id")?;
        let events = list.get_array("pendingEvents")?.iter().filter_map(Bson::as_document);
        let mut ids = Vec::new();
        for event in events {
            let id = event.get("id").context("an id")?;
            rows.push(audit_row(id, user, event)?);
            ids.push(id.clone());
        }
        let pull = doc! { "$pull": { "pendingEvents": { "id": { "$in": ids } } }, "$unset": { "parked": "" } };
        pulls.push(doc! { "q": { "_id": user }, "u": pull });
    }
    let concern = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
    if !rows.is_empty() {
        audit.insert_many(rows).ordered(false).write_concern(concern).await?;
    }
    bulk_update(users, pulls).await
}

fn audit_row(id: &Bson, user: &Bson, event: &Document) -> Result<Document> {
    let part = event.get_document("audit")?;
    let mut row = doc! {
        "_id": id,
        "schemaVersion": 1,
        "userId": user,
        "at": event.get("at"),
        "type": event.get("type"),
        "actor": part.get("actor"),
    };
    for field in ["address", "client"] {
        if let Some(value) = part.get(field) {
            row.insert(field, value);
        }
    }
    Ok(row)
}
