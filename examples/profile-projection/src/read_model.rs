//! The copy of the users: one document for each, in a collection of MongoDB.

use std::time::Duration;

use bson::{Document, RawArrayBuf, RawDocumentBuf, doc, rawdoc};
use event_consumer::{DeadLetters, DeadRecord, Decided, Handler, Rejection};
use events::StateRecord;
use jiff::Timestamp;
use mongodb::{Database, error::Error};
use service_kit::mongo::{IndexSpec, StoreError, with_deadline};

const DEADLINE: Duration = Duration::from_secs(5);
/// How long the version of a deleted user is kept: a late repeat of an older state would bring the user back if it
/// were not known. Repeats are at most as old as the tombstone in the topic, which is kept for 7 days; the eighth day
/// is a margin.
const DELETED_KEPT_FOR: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// The collection. Clones share the connections.
#[derive(Clone)]
pub(crate) struct ReadModel {
    pub(crate) database: Database,
    pub(crate) collection: &'static str,
}

impl ReadModel {
    pub(crate) fn index(&self) -> IndexSpec {
        IndexSpec::new(self.collection, "deleted", doc! { "deletedAt": 1 }).expire_after(DELETED_KEPT_FOR)
    }

    /// Returns these members of the user that matches.
    pub(crate) async fn find(&self, filter: Document, members: Document) -> Result<Option<Document>, StoreError> {
        let users = self.database.collection(self.collection);
        with_deadline(DEADLINE, users.find_one(filter).projection(members)).await
    }

    /// Runs all updates in one command. Every one may be repeated.
    async fn update(&self, collection: &str, updates: RawArrayBuf) -> Result<(), StoreError> {
        let write_concern = rawdoc! { "w": "majority", "j": true };
        let command = rawdoc! { "update": collection, "updates": updates, "writeConcern": write_concern };
        let answer = with_deadline(DEADLINE, self.database.run_raw_command(command)).await?;
        match ["writeErrors", "writeConcernError"].into_iter().find(|errors| answer.contains_key(errors)) {
            Some(errors) => Err(Error::custom(errors).into()),
            None => Ok(()),
        }
    }
}

impl Handler for ReadModel {
    type Record = StateRecord;
    type Decision = RawDocumentBuf;
    type Error = StoreError;

    const STORE: &'static str = "the read model";

    /// Makes the update of the user's document, which has an effect only if the document is not newer.
    fn decide(&self, record: StateRecord, now: Timestamp) -> Result<RawDocumentBuf, Rejection> {
        let id = record.user.to_string();
        let mut user = doc! { "_id": &id, "version": i64::try_from(record.version).unwrap_or(i64::MAX) };
        let refused = |_| Rejection { reason: "not-bson", detail: "MongoDB cannot store the state".to_owned() };
        match record.state {
            Some(state) => user.extend(bson::serialize_to_document(&state).map_err(refused)?),
            None => user.extend(doc! { "deleted": true, "deletedAt": now }),
        }
        user.remove("id");
        let newer = doc! { "$gt": ["$version", &user.get("version")] };
        let change = doc! { "$replaceWith": { "$cond": [newer, "$$ROOT", { "$literal": user }] } };
        (&doc! { "q": { "_id": id }, "u": [change], "upsert": true }).try_into().map_err(refused)
    }

    async fn apply(&self, batch: &mut [Decided<RawDocumentBuf>]) -> Result<(), StoreError> {
        self.update(self.collection, batch.iter().map(|record| record.decision.clone()).collect()).await?;
        tracing::info!("applied {}", batch.len());
        Ok(())
    }
}

impl DeadLetters for ReadModel {
    type Error = StoreError;

    /// Stores where each record is and why it was refused, and not its data: those stay in the topic only, where the
    /// next state or the tombstone of the user removes them.
    async fn store(&self, letters: &[DeadRecord]) -> Result<(), StoreError> {
        let updates = letters.iter().map(|DeadRecord { record, rejection, at }| {
            let id = format!("{}/{}/{}", record.topic, record.partition, record.offset);
            let key = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let (at, detail) = (bson::DateTime::from(*at), &*rejection.detail);
            let letter = rawdoc! { "reason": rejection.reason, "detail": detail, "key": &*key, "at": at };
            rawdoc! { "q": { "_id": id }, "u": { "$set": letter }, "upsert": true }
        });
        self.update(&format!("{}_dead_letters", self.collection), updates.collect()).await
    }
}
