//! The copy of the users: one document for each, in a collection of MongoDB.

use std::time::Duration;

use bson::{Document, doc, serialize_to_raw_document_buf};
use event_consumer::{DeadLetters, DeadRecord, Decided, Handler, Rejection};
use events::StateRecord;
use jiff::Timestamp;
use mongodb::{Database, error::Error};
use service_kit::mongo::{IndexSpec, StoreError, round_large_integers, with_deadline};

/// The deadline of one operation.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// How long the version of a deleted user is kept. A repeat of an older state may come after the deletion and would
/// bring the user back if the version were not known. The topic keeps the record of the deletion for 7 days, so that
/// every consumer sees it; the eighth day is a margin.
const DELETED_USERS_KEPT_FOR: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// The collection.
#[derive(Clone)]
pub(crate) struct ReadModel {
    pub(crate) database: Database,
    pub(crate) collection: &'static str,
}

impl ReadModel {
    /// Returns the index that removes what is left of deleted users.
    pub(crate) fn expiry(&self) -> IndexSpec {
        IndexSpec::new(self.collection, "deleted", doc! { "deletedAt": 1 }).expire_after(DELETED_USERS_KEPT_FOR)
    }

    /// Runs all updates in one command, in their order. Each is an upsert that may be repeated.
    async fn update(&self, collection: &str, updates: Vec<Document>) -> Result<(), StoreError> {
        let command = doc! { "update": collection, "updates": updates, "writeConcern": { "w": "majority", "j": true } };
        let answer = with_deadline(DEADLINE, self.database.run_command(command)).await?;
        let failed = ["writeErrors", "writeConcernError"].iter().any(|name| answer.contains_key(name));
        if failed { Err(Error::custom("not all updates succeeded").into()) } else { Ok(()) }
    }
}

impl Handler for ReadModel {
    type Record = StateRecord;
    type Decision = Document;
    type Error = StoreError;
    const STORE: &'static str = "the read model";

    /// Returns the update of the user's document. It changes nothing if the document has a higher version.
    fn decide(&self, mut record: StateRecord, now: Timestamp) -> Result<Document, Rejection> {
        let refused = |_| Rejection { reason: "not-bson", detail: "MongoDB cannot store this state".to_owned() };
        let (id, version) = (record.user.to_string(), record.version.cast_signed());
        record.state.iter_mut().filter_map(|state| state.attributes.as_mut()).for_each(round_large_integers);
        let mut user = match record.state {
            Some(state) => serialize_to_raw_document_buf(&state).and_then(Document::try_from).map_err(refused)?,
            None => doc! { "version": version, "deleted": true, "deletedAt": now },
        };
        user.remove("id");
        user.insert("_id", &id);
        let newest = doc! { "$cond": [{ "$gt": ["$version", version] }, "$$ROOT", { "$literal": user }] };
        Ok(doc! { "q": { "_id": id }, "u": [{ "$replaceWith": newest }], "upsert": true })
    }

    /// Writes a batch. Of two updates of the same document the later one in the batch comes second.
    async fn apply(&self, batch: &mut [Decided<Document>]) -> Result<(), StoreError> {
        self.update(self.collection, batch.iter().map(|record| record.decision.clone()).collect()).await?;
        tracing::info!("applied {}", batch.len());
        Ok(())
    }
}

impl DeadLetters for ReadModel {
    type Error = StoreError;

    /// Stores where each record is and why it was refused, but not its data: they stay only in the topic, where the
    /// next state or the deletion of the user removes them.
    async fn store(&self, letters: &[DeadRecord]) -> Result<(), StoreError> {
        let updates = letters.iter().map(|DeadRecord { record, rejection, at }| {
            let id = format!("{}/{}/{}", record.topic, record.partition, record.offset);
            let user = record.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let letter = doc! { "user": &*user, "reason": rejection.reason, "detail": &rejection.detail, "at": *at };
            doc! { "q": { "_id": id }, "u": { "$set": letter }, "upsert": true }
        });
        self.update(&format!("{}_dead_letters", self.collection), updates.collect()).await
    }
}
