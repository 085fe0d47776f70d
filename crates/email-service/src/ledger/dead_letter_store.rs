//! The operations on `deadLetters`.

use std::time::Duration;

use bson::doc;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::{Collection, Database};
use service_kit::mongo::{StoreError, with_deadline};

use super::{
    DeadLetter, DeadLetterFilter, DeadLetterState,
    transition::{dead_letter_history, history_entry, literal},
};

/// The name of the collection.
pub const COLLECTION: &str = "deadLetters";

/// A handle to the dead letters.
#[derive(Clone)]
pub struct DeadLetterStore {
    documents: Collection<DeadLetter>,
    deadline: Duration,
}

/// A decision on a dead letter that was read in the state `expected`.
#[derive(Debug, Clone)]
pub struct DeadLetterDecision<'a> {
    pub id: &'a str,
    /// The state that was read. Nothing is written if the state has changed since.
    pub expected: DeadLetterState,
    pub to: DeadLetterState,
    /// The reason and the detail if its record could not be processed this time.
    pub reason: Option<(&'a str, &'a str)>,
    pub by: &'a str,
    pub note: Option<&'a str>,
}

impl DeadLetterStore {
    #[must_use]
    pub fn new(database: &Database, deadline: Duration) -> Self {
        Self { documents: database.collection(COLLECTION), deadline }
    }

    /// Stores the dead letters that are new; existing ones are not changed.
    ///
    /// # Errors
    /// Returns [`StoreError`]: some may be stored. Trying again is safe.
    pub async fn insert_new(&self, letters: &[DeadLetter]) -> Result<(), StoreError> {
        for letter in letters {
            let mut document = bson::serialize_to_document(letter).map_err(mongodb::error::Error::from)?;
            document.remove("_id");
            let update = doc! { "$setOnInsert": document };
            let upsert = self.documents.update_one(doc! { "_id": &letter.id }, update).upsert(true);
            match with_deadline(self.deadline, upsert).await {
                // Two instances inserted it at once, and the other one was first.
                Ok(_) | Err(StoreError::DuplicateKey { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes a decision to the state, the reason and the history, if the state is still the
    /// expected one. Returns false if it is not.
    ///
    /// # Errors
    /// Returns [`StoreError`]: the decision may be written.
    pub async fn decide(&self, decision: &DeadLetterDecision<'_>) -> Result<bool, StoreError> {
        let mut entry = history_entry(decision.by, decision.to.as_str(), decision.note);
        let mut set = doc! { "state": decision.to.as_str() };
        if let Some((reason, detail)) = decision.reason {
            entry.insert("reason", literal(reason));
            set.insert("reason", literal(reason));
            set.insert("detail", literal(detail));
        }
        set.insert("history", dead_letter_history(entry));
        if decision.to != decision.expected {
            set.insert("settledAt", "$$NOW");
        }
        let filter = doc! { "_id": decision.id, "state": decision.expected.as_str() };
        let update = self.documents.update_one(filter, vec![doc! { "$set": set }]);
        Ok(with_deadline(self.deadline, update).await?.matched_count == 1)
    }

    /// Returns one dead letter.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn find(&self, id: &str) -> Result<Option<DeadLetter>, StoreError> {
        with_deadline(self.deadline, self.documents.find_one(doc! { "_id": id })).await
    }

    /// Returns dead letters without their contents, ordered by the time at which they were first
    /// seen; all of them if `limit` is 0.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn list(
        &self,
        filter: &DeadLetterFilter,
        now: Timestamp,
        newest_first: bool,
        limit: i64,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let list = async {
            let contents = doc! { "key": 0, "headers": 0, "value": 0 };
            self.documents
                .find(filter.document(now))
                .projection(contents)
                .sort(doc! { "firstSeenAt": if newest_first { -1 } else { 1 } })
                .limit(limit)
                .await?
                .try_collect()
                .await
        };
        with_deadline(self.deadline, list).await
    }

    /// Counts the dead letters that match `filter`.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn count(&self, filter: &DeadLetterFilter, now: Timestamp) -> Result<u64, StoreError> {
        with_deadline(self.deadline, self.documents.count_documents(filter.document(now))).await
    }

    /// Counts the open dead letters.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn count_open(&self) -> Result<u64, StoreError> {
        let open = doc! { "state": DeadLetterState::Open.as_str() };
        with_deadline(self.deadline, self.documents.count_documents(open)).await
    }
}
