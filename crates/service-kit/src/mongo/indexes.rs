//! Creates the indexes of a list that are missing, and updates their expiry.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use mongodb::{
    Database, IndexModel,
    bson::{Document, doc},
    options::{Collation, IndexOptions},
};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{StoreError, with_deadline};
use crate::backoff::{exponential, random_fraction};

/// The deadline of one attempt to create an index. On a large collection the build takes minutes: the
/// server continues after the deadline, and the next attempt waits for the same build. A longer deadline
/// would let a start wait for a primary that was cut off from its majority, until that one is back.
const BUILD_DEADLINE: Duration = Duration::from_secs(5);
/// The deadline for changing the expiry of an index.
const CHANGE_DEADLINE: Duration = Duration::from_secs(10);
/// The pauses before another attempt to create the indexes.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Without the unique indexes a service refuses registrations, so an outage must not last longer for it.
const LONGEST_PAUSE_IN_OUTAGE: Duration = Duration::from_millis(500);
/// The codes `IndexOptionsConflict` and `IndexKeySpecsConflict`.
const CONFLICT_CODES: [i32; 2] = [85, 86];

/// The specification of an index.
#[derive(Clone, Debug)]
pub struct IndexSpec {
    /// The collection's name.
    pub collection: &'static str,
    /// The name of the index, as in [`StoreError::DuplicateKey`].
    pub name: &'static str,
    /// The indexed fields and their sort order.
    pub keys: Document,
    /// Whether two documents may not have the same key.
    pub unique: bool,
    /// The filter that documents in the index match; all documents if absent.
    pub partial: Option<Document>,
    /// How long after the time in the (only) indexed field a document expires.
    pub expire_after: Option<Duration>,
    /// How strings are compared. A query uses the index only if it has the same collation.
    pub collation: Option<Collation>,
}

impl IndexSpec {
    /// Creates the specification of a plain index.
    pub fn new(collection: &'static str, name: &'static str, keys: Document) -> Self {
        Self { collection, name, keys, unique: false, partial: None, expire_after: None, collation: None }
    }

    /// Makes the index unique: a second document with the same key is refused.
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// Makes the index partial: it contains only documents that match `filter`.
    pub fn partial(mut self, filter: Document) -> Self {
        self.partial = Some(filter);
        self
    }

    /// Lets documents expire `after` the time in the indexed field, in whole seconds.
    pub fn expire_after(mut self, after: Duration) -> Self {
        self.expire_after = Some(after);
        self
    }

    /// Sets the collation, instead of comparing strings byte by byte.
    pub fn collation(mut self, collation: Collation) -> Self {
        self.collation = Some(collation);
        self
    }

    fn model(&self) -> IndexModel {
        let options = IndexOptions::builder()
            .name(self.name.to_owned())
            .unique(self.unique.then_some(true))
            .partial_filter_expression(self.partial.clone())
            .expire_after(self.expire_after)
            .collation(self.collation.clone())
            .build();
        IndexModel::builder().keys(self.keys.clone()).options(options).build()
    }
}

/// An index cannot be created or changed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The operation failed.
    #[error("index {collection}.{name}: {source}")]
    Store {
        /// The collection's name.
        collection: &'static str,
        /// The index's name.
        name: &'static str,
        /// The reason.
        source: StoreError,
    },
    /// An index with this name or these keys exists and differs in more than its expiry. The
    /// operator has to drop it.
    #[error("index {collection}.{name} exists with other keys or options; drop it first")]
    Conflict {
        /// The collection's name.
        collection: &'static str,
        /// The index's name.
        name: &'static str,
    },
}

impl IndexError {
    /// Returns whether to try again later, because the store was unavailable.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store { source, .. } if source.is_unavailable())
    }
}

/// Creates the missing indexes one after the other, and updates the expiry of those whose
/// `expire_after` has changed. Never drops an index.
///
/// # Errors
/// Returns the first error. The indexes before it exist then.
pub async fn ensure_indexes(database: &Database, specs: &[IndexSpec]) -> Result<(), IndexError> {
    for spec in specs {
        ensure(database, spec).await?;
    }
    Ok(())
}

/// Creates the indexes like [`ensure_indexes`], and tries again until they exist. Returns false if
/// `stop` came first.
pub async fn create_indexes(database: &Database, specs: &[IndexSpec], stop: &CancellationToken) -> bool {
    let created = async {
        let mut failures = 0;
        while let Err(error) = ensure_indexes(database, specs).await {
            failures += 1;
            let longest = if error.is_transient() {
                tracing::debug!(%error, "the indexes cannot be created yet");
                LONGEST_PAUSE_IN_OUTAGE
            } else {
                tracing::error!(%error, "an index cannot be created");
                LONGEST_PAUSE
            };
            sleep(exponential(failures, FIRST_PAUSE, longest, random_fraction())).await;
        }
    };
    stop.run_until_cancelled(created).await.is_some()
}

async fn ensure(database: &Database, spec: &IndexSpec) -> Result<(), IndexError> {
    let collection = database.collection::<Document>(spec.collection);
    let failed = |source| IndexError::Store { collection: spec.collection, name: spec.name, source };
    match with_deadline(BUILD_DEADLINE, collection.create_index(spec.model())).await {
        Ok(_) => Ok(()),
        Err(StoreError::Other(cause)) if cause.code().is_some_and(|c| CONFLICT_CODES.contains(&c)) => {
            let existing = async { collection.list_indexes().await?.try_collect().await };
            let existing: Vec<IndexModel> = with_deadline(CHANGE_DEADLINE, existing).await.map_err(failed)?;
            let Some(seconds) = new_expiry(&existing, spec) else {
                return Err(IndexError::Conflict { collection: spec.collection, name: spec.name });
            };
            let change = doc! {
                "collMod": spec.collection,
                "index": { "name": spec.name, "expireAfterSeconds": seconds },
            };
            with_deadline(CHANGE_DEADLINE, database.run_command(change)).await.map_err(failed)?;
            tracing::info!(collection = spec.collection, index = spec.name, seconds, "expiry of an index changed");
            Ok(())
        }
        Err(error) => Err(failed(error)),
    }
}

/// Returns the expiry to set, if the existing index of this name differs in nothing else.
fn new_expiry(existing: &[IndexModel], spec: &IndexSpec) -> Option<i64> {
    let wanted = spec.expire_after?;
    let same = existing.iter().any(|index| {
        let Some(options) = &index.options else {
            return false;
        };
        options.name.as_deref() == Some(spec.name)
            && index.keys == spec.keys
            && options.unique.unwrap_or(false) == spec.unique
            && options.partial_filter_expression == spec.partial
            && options.expire_after.is_some()
    });
    same.then(|| i64::try_from(wanted.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MongoConfig;

    #[tokio::test]
    async fn the_creation_of_indexes_that_cannot_succeed_is_stopped() {
        let operation_timeout = Duration::from_millis(20);
        let config = MongoConfig { uri: "mongodb://127.0.0.1:9".into(), database: "users".into(), operation_timeout };
        let client = crate::mongo::client(&config, "user-service").await.unwrap();
        let (database, stop) = (client.database(&config.database), CancellationToken::new());
        let stopping = async {
            // Longer than the first attempts and pauses.
            sleep(Duration::from_millis(500)).await;
            stop.cancel();
        };
        let specs = [spec(1)];
        let (created, ()) = tokio::join!(create_indexes(&database, &specs, &stop), stopping);
        assert!(!created);
    }

    fn spec(days: u64) -> IndexSpec {
        IndexSpec::new("audit", "expiry", doc! { "at": 1 }).expire_after(Duration::from_secs(days * 86_400))
    }

    #[test]
    fn an_index_that_differs_only_in_its_expiry_is_changed() {
        assert_eq!(new_expiry(&[spec(1).model()], &spec(2)), Some(172_800));
    }

    #[test]
    fn an_index_with_other_differences_is_not_changed() {
        let other_keys = IndexSpec { keys: doc! { "since": 1 }, ..spec(1) };
        let without_expiry = IndexSpec { expire_after: None, ..spec(1) };
        for existing in [other_keys, spec(1).unique(), without_expiry] {
            assert_eq!(new_expiry(&[existing.model()], &spec(2)), None);
        }
        assert_eq!(new_expiry(&[], &spec(2)), None);
        let wanted = spec(2).partial(doc! { "state": "sent" });
        assert_eq!(new_expiry(&[spec(1).model()], &wanted), None);
    }
}
