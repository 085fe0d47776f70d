//! Indexes from one list: made where missing, their expiry changed where it differs.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use mongodb::{
    Database, IndexModel,
    bson::{Document, doc},
    options::{Collation, IndexOptions},
};

use super::{StoreError, with_deadline};

/// Building on a large collection takes minutes; the server goes on if we give up.
const BUILD_DEADLINE: Duration = Duration::from_secs(300);
const CHANGE_DEADLINE: Duration = Duration::from_secs(10);
/// `IndexOptionsConflict` and `IndexKeySpecsConflict`.
const CONFLICT_CODES: [i32; 2] = [85, 86];

/// One index.
#[derive(Clone, Debug)]
pub struct IndexSpec {
    /// The collection's name.
    pub collection: &'static str,
    /// The index's name: what [`StoreError::DuplicateKey`] tells.
    pub name: &'static str,
    /// The fields and their order.
    pub keys: Document,
    /// Whether two documents may not have the same key.
    pub unique: bool,
    /// Only documents that match are in the index.
    pub partial: Option<Document>,
    /// A document goes this long after the time in the (one) indexed field.
    pub expire_after: Option<Duration>,
    /// How texts in it are compared; a query that is to use it has to say the same.
    pub collation: Option<Collation>,
}

impl IndexSpec {
    /// A plain index.
    pub fn new(collection: &'static str, name: &'static str, keys: Document) -> Self {
        Self { collection, name, keys, unique: false, partial: None, expire_after: None, collation: None }
    }

    /// Refuses a second document with the same key.
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// Holds only documents that match `filter`.
    pub fn partial(mut self, filter: Document) -> Self {
        self.partial = Some(filter);
        self
    }

    /// Lets documents expire `after` the time in the indexed field, in whole seconds.
    pub fn expire_after(mut self, after: Duration) -> Self {
        self.expire_after = Some(after);
        self
    }

    /// Compares texts in another way than byte by byte.
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

/// An index cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The store did not do it.
    #[error("index {collection}.{name}: {source}")]
    Store {
        /// The collection.
        collection: &'static str,
        /// The index.
        name: &'static str,
        /// Why not.
        source: StoreError,
    },
    /// There is one of this name or these keys that differs in more than its expiry;
    /// somebody has to drop it.
    #[error("index {collection}.{name} exists with other keys or options; drop it first")]
    Conflict {
        /// The collection.
        collection: &'static str,
        /// The index.
        name: &'static str,
    },
}

impl IndexError {
    /// Whether to try again later: the store was away.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Store { source: StoreError::Timeout | StoreError::Unavailable(_), .. })
    }
}

/// Makes the indexes that are missing, one after the other; changes the expiry of
/// one whose `expire_after` has changed. Never drops one.
///
/// # Errors
/// At the first that cannot be had; those before it are there.
pub async fn ensure_indexes(database: &Database, specs: &[IndexSpec]) -> Result<(), IndexError> {
    for spec in specs {
        ensure(database, spec).await?;
    }
    Ok(())
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

/// The expiry to set, if the index of that name differs in nothing else.
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
