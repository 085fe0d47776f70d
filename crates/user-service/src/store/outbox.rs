//! The outbox as the relay uses it: reads the pending events of users, and removes those that the broker has
//! acknowledged.

use std::{collections::BTreeSet, time::Duration};

use bson::{Bson, DateTime, Document, Uuid, doc};
use futures_util::TryStreamExt;
use mongodb::options::ReadConcern;
use serde::Deserialize;
use service_kit::{
    Ids,
    mongo::{StoreError, with_deadline},
};

use super::{
    collection::{CollectionHandle, SCHEMA_VERSION, bson_error},
    user_document::{AuditDetails, Parked, PendingEvent},
};

/// The unpublished events of a user, oldest first.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backlog {
    #[serde(rename = "_id")]
    pub user: Uuid,
    /// Set if the account is a tombstone.
    #[serde(default)]
    pub deleted_at: Option<DateTime>,
    #[serde(default)]
    pub pending_events: Vec<PendingEvent>,
    #[serde(default)]
    pub parked: Option<Parked>,
}

impl Backlog {
    /// Returns when the oldest pending event was written.
    #[must_use]
    pub fn oldest_at(&self) -> Option<DateTime> {
        self.pending_events.first().map(|event| event.at)
    }
}

/// Entries of one user's list that are in the topics.
pub struct AcknowledgedEvents {
    pub user: uuid::Uuid,
    pub events: Vec<PendingEvent>,
    /// Whether the account is a tombstone and no other event is pending.
    pub last_of_tombstone: bool,
    pub state: StatePublication,
}

/// What is known about the state that was published with acknowledged events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StatePublication {
    /// None was published.
    None,
    /// It was published, and no other process can have published an older one at the same time, unless an entry
    /// is gone when it is to be removed.
    Sole,
    /// Another process may have published an older one at the same time, and its record may come later. It must be
    /// published once more.
    Contested,
}

impl AcknowledgedEvents {
    /// Returns the entries that are events.
    fn published(&self) -> impl Iterator<Item = &PendingEvent> {
        self.events.iter().filter(|entry| !entry.is_snapshot())
    }
}

/// The pending lists of users, the sessions of tombstones, and the audit rows that are written from the lists.
#[derive(Clone)]
pub struct OutboxStore {
    pub(super) users: CollectionHandle,
    sessions: CollectionHandle,
    audit: CollectionHandle,
    pub(super) ids: Ids,
}

impl OutboxStore {
    pub(super) fn new(users: CollectionHandle, sessions: CollectionHandle, audit: CollectionHandle) -> Self {
        Self { users, sessions, audit, ids: Ids::random() }
    }

    /// Returns the backlogs of users who are not parked and whose oldest pending event is older than `min_age`
    /// at `now`, but not older than `from`; oldest first. An event that is more than `min_age` in the future
    /// counts as old, because the clock of the replica that wrote it is ahead: it would wait until `now` has
    /// reached that time. While a clock is off by more than `min_age`, events in flight count as old too, so
    /// they may be published twice, which I3 of `docs/GUARANTEES.md` permits. It is a majority read, because an
    /// event that could be rolled back must not be published.
    pub async fn backlogs_older_than(
        &self,
        now: jiff::Timestamp,
        min_age: Duration,
        from: DateTime,
        limit: i64,
    ) -> Result<Vec<Backlog>, StoreError> {
        let before = now.saturating_sub(min_age).unwrap_or(jiff::Timestamp::MIN);
        let after = now.saturating_add(min_age).unwrap_or(jiff::Timestamp::MAX);
        // MongoDB may scan the index by any condition on `at` outside the `$or`, and would then read every recent
        // event: so there is none, not even the `$exists` of the partial index, which both ranges imply. A second
        // `$or`, for `parked`, would have the documents read twice.
        let filter = doc! {
            "$or": [
                { "pendingEvents.0.at": { "$gte": from, "$lt": DateTime::from(before) } },
                { "pendingEvents.0.at": { "$gte": from, "$gt": DateTime::from(after) } },
            ],
            "parked.until": { "$not": { "$gt": DateTime::from(now) } },
        };
        self.find(filter, limit).await
    }

    /// Returns all backlogs, or that of `user`, for the command `events list`.
    pub async fn list(&self, user: Option<uuid::Uuid>, limit: i64) -> Result<Vec<Backlog>, StoreError> {
        let mut filter = doc! { "pendingEvents.0.at": { "$exists": true } };
        if let Some(user) = user {
            filter.insert("_id", Uuid::from(user));
        }
        self.find(filter, limit).await
    }

    async fn find(&self, filter: Document, limit: i64) -> Result<Vec<Backlog>, StoreError> {
        with_deadline(self.users.deadline, async {
            let cursor = self
                .users
                .collection
                .find(filter)
                .projection(doc! { "deletedAt": 1, "pendingEvents": 1, "parked": 1 })
                .sort(doc! { "pendingEvents.0.at": 1 })
                .limit(limit)
                .read_concern(ReadConcern::majority())
                .await?;
            cursor.with_type::<Backlog>().try_collect().await
        })
        .await
    }

    /// Writes the audit rows of acknowledged events, removes the entries from their lists, and removes the
    /// tombstones whose last entry is among them. Asks for another publication of each state that may not be the
    /// last record of its user. Returns the users among them who have no document any more: their tombstones must be
    /// published again. May be repeated.
    pub async fn remove_acknowledged(
        &self,
        acknowledged: &[&AcknowledgedEvents],
    ) -> Result<Vec<uuid::Uuid>, StoreError> {
        let (tombstones, others): (Vec<&AcknowledgedEvents>, Vec<&AcknowledgedEvents>) = acknowledged
            .iter()
            .copied()
            .partition(|ack| ack.last_of_tombstone && ack.state != StatePublication::Contested);
        // For a tombstone, only the entries in the logs of acting admins are kept.
        self.write_audit_of_acting_admins(acknowledged).await?;
        self.write_audit(&others).await?;
        // Before the removal, because a crash between the two would lose the request.
        let contested = users(&others, StatePublication::Contested);
        self.request_snapshots(&contested).await?;
        let mut gone = Vec::new();
        if !self.remove_from_lists(&others).await? {
            self.delete_audit_of_deleted_users(&others).await?;
            // Another process has published the same entries, perhaps with an older state that came later.
            gone = self.request_snapshots_or_find_gone(&others).await?;
        }
        for tombstone in tombstones {
            self.remove_tombstone(tombstone).await?;
        }
        Ok(gone)
    }

    async fn request_snapshots_or_find_gone(
        &self,
        acknowledged: &[&AcknowledgedEvents],
    ) -> Result<Vec<uuid::Uuid>, StoreError> {
        let mut affected = users(acknowledged, StatePublication::Sole);
        affected.extend(users(acknowledged, StatePublication::Contested));
        let matched = self.request_snapshots(&affected).await?;
        if usize::try_from(matched).is_ok_and(|matched| matched == affected.len()) {
            return Ok(Vec::new());
        }
        let ids: BTreeSet<uuid::Uuid> = affected.iter().copied().collect();
        let existing = self.find_ids(ids, doc! {}).await?;
        affected.retain(|user| !existing.contains(user));
        Ok(affected)
    }

    async fn write_audit(&self, acknowledged: &[&AcknowledgedEvents]) -> Result<(), StoreError> {
        let rows = acknowledged.iter().flat_map(|ack| {
            let row = |event: &PendingEvent| audit_row(event.id, ack.user, event, &event.audit_details_for(ack.user));
            ack.published().map(row)
        });
        insert_missing(&self.audit, rows.collect()).await
    }

    /// Writes the action of an admin to the log of the admin too, with the id of the other account.
    async fn write_audit_of_acting_admins(&self, acknowledged: &[&AcknowledgedEvents]) -> Result<(), StoreError> {
        let events = acknowledged.iter().flat_map(|ack| ack.published().map(|event| (ack.user, event)));
        let actions: Vec<_> =
            events.filter_map(|(user, event)| Some((event.acting_admin(user)?, user, event))).collect();
        if actions.is_empty() {
            return Ok(());
        }
        // The rows are written first and the admins are looked up afterwards. If an admin has been deleted, the
        // log may have been deleted before these rows were written, so they are deleted again.
        let admins = actions.iter().map(|(admin, ..)| *admin).collect();
        let rows = actions.iter().map(|(admin, target, event)| acting_admin_row(*admin, *target, event)).collect();
        insert_missing(&self.audit, rows).await?;
        let existing = self.existing_accounts(admins).await?;
        let gone = actions.iter().filter(|(admin, ..)| !existing.contains(admin));
        self.delete_audit_rows(gone.map(|(.., event)| acting_admin_row_id(event).into()).collect()).await
    }

    async fn delete_audit_rows(&self, rows: Vec<Bson>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let these = doc! { "_id": { "$in": rows } };
        with_deadline(self.audit.deadline, self.audit.collection.delete_many(these)).await?;
        Ok(())
    }

    /// Returns which of the ids are those of accounts. A tombstone is not an account.
    pub async fn existing_accounts(&self, users: BTreeSet<uuid::Uuid>) -> Result<BTreeSet<uuid::Uuid>, StoreError> {
        self.find_ids(users, doc! { "deletedAt": { "$exists": false } }).await
    }

    async fn find_ids(
        &self,
        users: BTreeSet<uuid::Uuid>,
        mut filter: Document,
    ) -> Result<BTreeSet<uuid::Uuid>, StoreError> {
        let ids: Vec<Bson> = users.into_iter().map(|id| Bson::from(Uuid::from(id))).collect();
        filter.insert("_id", doc! { "$in": ids });
        let found: Vec<Backlog> = with_deadline(self.users.deadline, async {
            let cursor = self.users.collection.find(filter).projection(doc! { "_id": 1 }).await?;
            cursor.with_type::<Backlog>().try_collect().await
        })
        .await?;
        Ok(found.into_iter().map(|user| user.user.into()).collect())
    }

    /// Removes the entries from their lists, each list in one update, and returns whether all documents were there. If
    /// states were published, each entry is removed by an update of its own, which matches only if that entry is there.
    async fn remove_from_lists(&self, acknowledged: &[&AcknowledgedEvents]) -> Result<bool, StoreError> {
        let mut updates = Vec::with_capacity(acknowledged.len());
        for ack in acknowledged {
            let user = Uuid::from(ack.user);
            let removal = |filter: Document, ids: Vec<Bson>| {
                let pull = doc! { "$pull": { "pendingEvents": { "id": { "$in": ids } } }, "$unset": { "parked": "" } };
                doc! { "q": filter, "u": pull }
            };
            if ack.state == StatePublication::None {
                // MongoDB finds a document faster by its id alone.
                updates.push(removal(doc! { "_id": user }, ids(&ack.events)));
            } else {
                let by_entry = |id: Bson| removal(doc! { "_id": user, "pendingEvents.id": &id }, vec![id]);
                updates.extend(ids(&ack.events).into_iter().map(by_entry));
            }
        }
        let expected = updates.len();
        let matched = run_updates(&self.users, updates).await?;
        Ok(usize::try_from(matched).is_ok_and(|matched| matched == expected))
    }

    /// Deletes the audit rows of users who were deleted while their events were published. Another replica has
    /// published their last event and removed the tombstone, so these rows were written too late.
    async fn delete_audit_of_deleted_users(&self, acknowledged: &[&AcknowledgedEvents]) -> Result<(), StoreError> {
        let existing = self.existing_accounts(acknowledged.iter().map(|ack| ack.user).collect()).await?;
        let gone = acknowledged.iter().filter(|ack| !existing.contains(&ack.user));
        self.delete_audit_rows(gone.flat_map(|ack| ids(&ack.events)).collect()).await
    }

    /// Deletes the sessions and audit rows of a tombstone, and then the document if no other event is pending.
    /// A crash between the two leaves the tombstone, and its last event is published again.
    ///
    /// The sessions and audit rows are deleted once more after the document, because a process that read the
    /// document before may have written some. A process that writes later finds no document and removes its row
    /// itself.
    async fn remove_tombstone(&self, ack: &AcknowledgedEvents) -> Result<(), StoreError> {
        let user = Uuid::from(ack.user);
        self.delete_sessions_and_audit(user).await?;
        let others = doc! { "$elemMatch": { "id": { "$nin": ids(&ack.events) } } };
        let filter = doc! { "_id": user, "deletedAt": { "$exists": true }, "pendingEvents": { "$not": others } };
        with_deadline(self.users.deadline, self.users.collection.delete_one(filter)).await?;
        self.delete_sessions_and_audit(user).await
    }

    async fn delete_sessions_and_audit(&self, user: Uuid) -> Result<(), StoreError> {
        let of_user = || doc! { "userId": user };
        with_deadline(self.sessions.deadline, self.sessions.collection.delete_many(of_user())).await?;
        with_deadline(self.audit.deadline, self.audit.collection.delete_many(of_user())).await?;
        Ok(())
    }

    /// Parks a user: the broker has refused an event because of the event itself, so no event of this user is
    /// published before `until`.
    pub async fn park(&self, user: uuid::Uuid, parked: &Parked) -> Result<(), StoreError> {
        let parked = bson::serialize_to_bson(parked).map_err(bson_error)?;
        self.update(user, doc! { "$set": { "parked": parked } }).await.map(|_| ())
    }

    /// Makes the events of a parked user available to the relay at once. Returns false if the user is not
    /// parked.
    pub async fn unpark(&self, user: uuid::Uuid) -> Result<bool, StoreError> {
        self.update(user, doc! { "$unset": { "parked": "" } }).await
    }

    /// Removes one event from its list as if it had been published: its audit row is written, and a tombstone
    /// is removed with its last event. If `publishes_state`, the relay is asked for the state of the user. Returns
    /// false and changes nothing if the event is not in the list.
    pub async fn skip(&self, user: uuid::Uuid, event: uuid::Uuid, publishes_state: bool) -> Result<bool, StoreError> {
        let waiting = doc! { "_id": Uuid::from(user), "pendingEvents.id": Uuid::from(event) };
        let Some(backlog) = self.find(waiting, 1).await?.pop() else { return Ok(false) };
        let last_of_tombstone = backlog.deleted_at.is_some() && backlog.pending_events.len() == 1;
        let skipped = |entry: &PendingEvent| uuid::Uuid::from(entry.id) == event;
        let events: Vec<_> = backlog.pending_events.into_iter().filter(skipped).collect();
        let is_snapshot = events.iter().any(PendingEvent::is_snapshot);
        let state = if publishes_state && !is_snapshot { StatePublication::Contested } else { StatePublication::None };
        self.remove_acknowledged(&[&AcknowledgedEvents { user, events, last_of_tombstone, state }]).await?;
        Ok(true)
    }

    async fn update(&self, user: uuid::Uuid, update: Document) -> Result<bool, StoreError> {
        let result = with_deadline(self.users.deadline, async {
            self.users.collection.update_one(doc! { "_id": Uuid::from(user) }, update).await
        })
        .await?;
        Ok(result.modified_count == 1)
    }
}

fn users(acknowledged: &[&AcknowledgedEvents], state: StatePublication) -> Vec<uuid::Uuid> {
    acknowledged.iter().filter(|ack| ack.state == state).map(|ack| ack.user).collect()
}

fn ids(events: &[PendingEvent]) -> Vec<Bson> {
    events.iter().map(|event| Bson::from(event.id)).collect()
}

/// Returns the row in the log of the admin. Its id is derived from the id of the event, so the row is written only once.
fn acting_admin_row(admin: uuid::Uuid, target: uuid::Uuid, event: &PendingEvent) -> Document {
    let details = AuditDetails { actor: "self".to_owned(), ..event.audit.clone() };
    let mut row = audit_row(acting_admin_row_id(event), admin, event, &details);
    row.insert("target", Uuid::from(target));
    row
}

fn acting_admin_row_id(event: &PendingEvent) -> Uuid {
    uuid::Uuid::new_v5(&event.id.into(), b"admin").into()
}

fn audit_row(id: Uuid, user: uuid::Uuid, event: &PendingEvent, details: &AuditDetails) -> Document {
    let mut row = doc! {
        "_id": id,
        "schemaVersion": SCHEMA_VERSION,
        "userId": Uuid::from(user),
        "at": event.at,
        "type": &event.event_type,
        "actor": &details.actor,
    };
    let optional = [("address", &details.address), ("client", &details.client), ("reason", &details.reason)];
    for (field, value) in optional {
        if let Some(value) = value {
            row.insert(field, value);
        }
    }
    row
}

/// Runs many independent updates in one command, and returns how many of them matched a document. The bulk write of the
/// driver would need MongoDB 8.
pub(super) async fn run_updates(handle: &CollectionHandle, updates: Vec<Document>) -> Result<u64, StoreError> {
    run_batch(handle, "update", "updates", updates).await
}

/// Inserts the rows whose `_id` is not there yet, in one command. MongoDB writes neighbouring rows together, unlike
/// upserts.
async fn insert_missing(handle: &CollectionHandle, rows: Vec<Document>) -> Result<(), StoreError> {
    run_batch(handle, "insert", "documents", rows).await.map(drop)
}

async fn run_batch(
    handle: &CollectionHandle,
    command: &str,
    array: &str,
    statements: Vec<Document>,
) -> Result<u64, StoreError> {
    if statements.is_empty() {
        return Ok(0);
    }
    let command = doc! {
        command: handle.collection.name(),
        array: statements,
        "ordered": false,
        "writeConcern": { "w": "majority", "j": true },
    };
    let database = handle.collection.client().database(&handle.collection.namespace().db);
    let answer = with_deadline(handle.deadline, database.run_command(command)).await?;
    // A row that exists was written before, perhaps at this moment by another replica.
    let failed = answer.get_array("writeErrors").into_iter().flatten().filter(|error| !is_duplicate(error)).count();
    if failed > 0 {
        return Err(mongodb::error::Error::custom(format!("{failed} writes of a batch failed")).into());
    }
    if answer.contains_key("writeConcernError") {
        return Err(StoreError::Timeout);
    }
    Ok(answer.get_i32("n").ok().and_then(|matched| u64::try_from(matched).ok()).unwrap_or(0))
}

fn is_duplicate(error: &Bson) -> bool {
    error.as_document().and_then(|error| error.get_i32("code").ok()) == Some(11000)
}
