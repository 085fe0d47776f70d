//! Addresses that refused mail permanently. They get none for 30 days.
//!
//! The domain of a suppressed address matches in any spelling. The local part matches only as it
//! was sent, because only its server knows whether another case is another mailbox (RFC 5321, 2.4):
//! a refusal of `VICTIM@…`, which any client can cause, must not stop mail to `victim@…`. Rows
//! without `caseSensitive` are of an earlier release, which stored the local part in lower case:
//! they match in any case until they end.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bson::{Document, doc};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::{
    Collection, Database,
    action::{Action as _, Find},
};
use serde::Deserialize;
use serde_with::serde_as;
use service_kit::{
    backoff::jittered,
    mongo::{StoreError, with_deadline},
    panics,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    SCHEMA_VERSION,
    filter::case_insensitive,
    suppression_filter::{self, SuppressionFilter},
};
use crate::bson_date::BsonDate;

/// The name of the collection.
pub const COLLECTION: &str = "suppressions";

/// Marks rows that have the local part as it was sent.
const CASE_SENSITIVE: &str = "caseSensitive";

/// How long an address gets no mail.
const DURATION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// An address that gets no mail.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Suppression {
    /// The address, its domain as A-label in lower case.
    #[serde(rename = "_id")]
    pub address: String,
    /// The server's reply.
    pub reply: String,
    /// The id of the mail that was refused.
    pub mail: String,
    #[serde_as(as = "BsonDate")]
    pub at: Timestamp,
    #[serde_as(as = "BsonDate")]
    pub until: Timestamp,
}

/// A handle to the suppressions.
#[derive(Clone)]
pub struct Suppressions {
    documents: Collection<Document>,
    deadline: Duration,
    filter: Arc<SuppressionFilter>,
}

impl Suppressions {
    #[must_use]
    pub fn new(database: &Database, deadline: Duration) -> Self {
        Self { documents: database.collection(COLLECTION), deadline, filter: Arc::default() }
    }

    /// Keeps hashes of all suppressed addresses in memory until `stop`, so that [`are_suppressed`](Self::are_suppressed)
    /// asks the database only about addresses that probably are. Without it, and while the database does not answer, it
    /// asks about all.
    pub async fn keep_in_memory(self, stop: CancellationToken) {
        let round = async {
            loop {
                if let Err(error) = self.refresh().await {
                    tracing::debug!(%error, "the suppressions could not be read");
                }
                sleep(jittered(suppression_filter::REFRESH_INTERVAL)).await;
            }
        };
        stop.run_until_cancelled(round).await;
    }

    /// Reads the suppressions that the filter does not know yet.
    async fn refresh(&self) -> Result<(), StoreError> {
        let started = Instant::now();
        let Some(mut refresh) = self.filter.next_refresh(started) else { return Ok(()) };
        // The condition on `until` makes the query use its index.
        let find = self.documents.find(doc! { "until": { "$gt": refresh.since() } });
        let find = find.projection(doc! { "_id": 1, "until": 1 }).limit(suppression_filter::MAX_ROWS);
        let read = async {
            let mut rows = find.await?;
            while let Some(row) = rows.try_next().await? {
                if let (Ok(key), Ok(until)) = (row.get_str("_id"), row.get_datetime("until")) {
                    refresh.push(self.filter.hash(key), *until);
                }
            }
            Ok(refresh)
        };
        let refresh = with_deadline(suppression_filter::READ_DEADLINE, read).await?;
        self.filter.apply(refresh, started);
        Ok(())
    }

    /// Suppresses `address` from now on.
    ///
    /// # Errors
    /// Returns [`StoreError`]: trying again is safe.
    pub async fn add(&self, address: &str, reply: &str, mail: &str) -> Result<(), StoreError> {
        let months = i64::try_from(DURATION.as_millis()).unwrap_or(i64::MAX);
        let update = vec![doc! { "$set": {
            "schemaVersion": SCHEMA_VERSION,
            CASE_SENSITIVE: true,
            "reply": { "$literal": reply },
            "mail": { "$literal": mail },
            "at": "$$NOW",
            "until": { "$add": ["$$NOW", months] },
        } }];
        let filter = doc! { "_id": key(address) };
        match with_deadline(self.deadline, self.documents.update_one(filter, update).upsert(true)).await {
            // Two upserts at once: the other one has written the row.
            Ok(_) | Err(StoreError::DuplicateKey { .. }) => {
                self.filter.add(&key(address));
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Returns for each of `addresses` whether it is suppressed. A suppression of the last seconds by another process
    /// may be missed.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn are_suppressed(&self, addresses: &[&str]) -> Result<Vec<bool>, StoreError> {
        let now = Instant::now();
        let may_be_suppressed = |key: &String| self.filter.may_contain(key, now);
        let keys = addresses.iter().map(|address| (key(address), folded_key(address)));
        let candidates = keys.filter(|(key, folded)| may_be_suppressed(key) || may_be_suppressed(folded));
        let (keys, folded): (Vec<String>, Vec<String>) = candidates.unzip();
        if keys.is_empty() {
            return Ok(vec![false; addresses.len()]);
        }
        let filter = doc! {
            "$or": [{ "_id": { "$in": keys } }, { "_id": { "$in": folded }, CASE_SENSITIVE: { "$exists": false } }],
            "$expr": { "$gt": ["$until", "$$NOW"] },
        };
        let projection = doc! { "_id": 1, CASE_SENSITIVE: 1 };
        let find = async { self.documents.find(filter).projection(projection).await?.try_collect::<Vec<_>>().await };
        let (mut exact, mut in_any_case) = (HashSet::new(), HashSet::new());
        for row in with_deadline(self.deadline, find).await? {
            let set = if row.contains_key(CASE_SENSITIVE) { &mut exact } else { &mut in_any_case };
            set.extend(row.get_str("_id").ok().map(str::to_owned));
        }
        let is_suppressed = |address: &str| exact.contains(&key(address)) || in_any_case.contains(&folded_key(address));
        Ok(addresses.iter().map(|address| is_suppressed(address)).collect())
    }

    /// Returns the suppressions in effect, the longest first. With `address` only those of this
    /// address, in upper or lower case.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn list(&self, address: Option<&str>, limit: i64) -> Result<Vec<Suppression>, StoreError> {
        let mut filter = doc! { "$expr": { "$gt": ["$until", "$$NOW"] } };
        if let Some(address) = address {
            filter.insert("_id", key(address));
        }
        let rows = self.documents.clone_with_type::<Suppression>();
        let find = rows.find(filter).sort(doc! { "until": -1 }).limit(limit);
        let find = find.optional(address.map(|_| case_insensitive()), Find::collation);
        let find = async { find.await?.try_collect().await };
        with_deadline(self.deadline, find).await
    }

    /// Removes the suppressions of `address`, in upper or lower case. Returns false if there is
    /// none.
    ///
    /// # Errors
    /// Returns [`StoreError`]: they may be removed.
    pub async fn remove(&self, address: &str) -> Result<bool, StoreError> {
        let delete = self.documents.delete_many(doc! { "_id": key(address) }).collation(case_insensitive());
        Ok(with_deadline(self.deadline, delete).await?.deleted_count > 0)
    }
}

/// Returns the address as it was sent, its domain as A-label in lower case.
fn key(address: &str) -> String {
    let address = address.trim();
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    // The ingest calls this outside of the panic boundary around a record's decision.
    let domain = match panics::catch("record", || url::Host::parse(domain)) {
        Ok(Ok(host)) => host.to_string(),
        Ok(Err(_)) | Err(_) => domain.to_lowercase(),
    };
    format!("{local}@{domain}")
}

/// Returns the key of an earlier release: with the local part in lower case.
fn folded_key(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    key(&format!("{}@{domain}", local.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_the_exact_local_part_and_a_normalized_domain() {
        assert_eq!(key("Ada@Example.COM"), "Ada@example.com");
        assert_eq!(key(" ada@example.com\n"), "ada@example.com");
        assert_eq!(key("ada@Bücher.example"), key("ada@xn--bcher-kva.example"));
        assert_eq!(key("\"a@B\"@example.com"), "\"a@B\"@example.com");
        for other in ["ADA@example.com", "ada+x@example.com", "a.da@example.com"] {
            assert_ne!(key(other), key("ada@example.com"));
        }
        assert_eq!(folded_key("\"a@B\"@Example.com"), "\"a@b\"@example.com");
    }
}
