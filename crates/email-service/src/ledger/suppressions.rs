//! Addresses that refused mail for good. They get none for a month.

use std::{collections::HashSet, time::Duration};

use bson::{Document, doc};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::{Collection, Database};
use serde::Deserialize;
use service_kit::mongo::{StoreError, within};

use super::{SCHEMA_VERSION, mail_job::bson_time};

/// The collection.
pub const COLLECTION: &str = "suppressions";

/// How long an address is left alone.
pub const DURATION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// An address that is left alone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Suppression {
    /// In the form in which addresses are compared.
    #[serde(rename = "_id")]
    pub address: String,
    /// What the server said.
    pub reply: String,
    /// The mail that it said it to.
    pub mail: String,
    #[serde(with = "bson_time")]
    pub at: Timestamp,
    #[serde(with = "bson_time")]
    pub until: Timestamp,
}

/// Handle to the suppressions.
#[derive(Clone)]
pub struct Suppressions {
    documents: Collection<Document>,
    deadline: Duration,
}

impl Suppressions {
    #[must_use]
    pub fn new(database: &Database, deadline: Duration) -> Self {
        Self { documents: database.collection(COLLECTION), deadline }
    }

    /// Leaves `address` alone from now on.
    ///
    /// # Errors
    /// [`StoreError`]: trying again is safe.
    pub async fn add(&self, address: &str, reply: &str, mail: &str) -> Result<(), StoreError> {
        let months = i64::try_from(DURATION.as_millis()).unwrap_or(i64::MAX);
        let update = vec![doc! { "$set": {
            "schemaVersion": SCHEMA_VERSION,
            "reply": { "$literal": reply },
            "mail": { "$literal": mail },
            "at": "$$NOW",
            "until": { "$add": ["$$NOW", months] },
        } }];
        let filter = doc! { "_id": key(address) };
        match within(self.deadline, self.documents.update_one(filter, update).upsert(true)).await {
            // Two upserts at once: the other one has done it.
            Ok(_) | Err(StoreError::DuplicateKey { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Which of `addresses` are to be left alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn among<'a>(&self, addresses: &[&'a str]) -> Result<HashSet<&'a str>, StoreError> {
        if addresses.is_empty() {
            return Ok(HashSet::new());
        }
        let keys: Vec<String> = addresses.iter().map(|address| key(address)).collect();
        let filter = doc! { "_id": { "$in": keys }, "$expr": { "$gt": ["$until", "$$NOW"] } };
        let find =
            async { self.documents.find(filter).projection(doc! { "_id": 1 }).await?.try_collect::<Vec<_>>().await };
        let found: HashSet<String> = within(self.deadline, find)
            .await?
            .iter()
            .filter_map(|document| document.get_str("_id").ok().map(str::to_owned))
            .collect();
        Ok(addresses.iter().copied().filter(|address| found.contains(&key(address))).collect())
    }

    /// Those that hold, the longest first; of `address` alone where it is given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, address: Option<&str>, limit: i64) -> Result<Vec<Suppression>, StoreError> {
        let mut filter = doc! { "$expr": { "$gt": ["$until", "$$NOW"] } };
        if let Some(address) = address {
            filter.insert("_id", key(address));
        }
        let rows = self.documents.clone_with_type::<Suppression>();
        let find = async { rows.find(filter).sort(doc! { "until": -1 }).limit(limit).await?.try_collect().await };
        within(self.deadline, find).await
    }

    /// Lets `address` have mail again. False: it was not left alone.
    ///
    /// # Errors
    /// [`StoreError`]: it may be done.
    pub async fn remove(&self, address: &str) -> Result<bool, StoreError> {
        let delete = self.documents.delete_one(doc! { "_id": key(address) });
        Ok(within(self.deadline, delete).await?.deleted_count == 1)
    }
}

/// One key for all ways to write an address that reach the same mailbox in practice: lower
/// case, the domain as A-label.
fn key(address: &str) -> String {
    let address = address.trim();
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let domain = match url::Host::parse(domain) {
        Ok(host) => host.to_string(),
        Err(_) => domain.to_lowercase(),
    };
    format!("{}@{domain}", local.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_mailbox_share_a_key() {
        assert_eq!(key("Ada@Example.COM"), "ada@example.com");
        assert_eq!(key(" ada@example.com\n"), "ada@example.com");
        assert_eq!(key("ada@bücher.example"), key("ada@xn--bcher-kva.example"));
        assert_eq!(key("\"a@b\"@example.com"), "\"a@b\"@example.com");
        assert_ne!(key("ada+x@example.com"), key("ada@example.com"));
    }
}
