//! Documents of a collection: found, counted, and waited for.

use bson::{Document, doc};
use futures_util::TryStreamExt as _;
use local_stack::wait_for::{DEADLINE, wait_for};
use mongodb::Collection;

/// Returns all documents that match a filter, in the order of their ids.
///
/// # Panics
/// Panics if the collection cannot be read.
pub async fn find_all(collection: &Collection<Document>, filter: Document) -> Vec<Document> {
    let found = collection.find(filter).sort(doc! { "_id": 1 }).await;
    found.expect("the collection can be read").try_collect().await.expect("the collection can be read")
}

/// Returns the number of documents that match a filter.
///
/// # Panics
/// Panics if the collection cannot be read.
pub async fn count<T: Send + Sync>(collection: &Collection<T>, filter: Document) -> u64 {
    collection.count_documents(filter).await.expect("the collection can be read")
}

/// Waits until exactly `expected` documents match a filter.
///
/// # Panics
/// Panics if there are more or fewer after 30 s.
pub async fn wait_for_count<T: Send + Sync>(collection: &Collection<T>, filter: Document, expected: u64) {
    let what = format!("{expected} documents of {} that match {filter}", collection.name());
    wait_for(DEADLINE, &what, async || (count(collection, filter.clone()).await == expected).then_some(())).await;
}
