//! A collection with a deadline, and how documents are converted, for all stores.

use std::time::Duration;

use bson::{Binary, DateTime, Document, Uuid, doc, spec::BinarySubtype};
use service_kit::mongo::{StoreError, WorkerCollection};

use crate::domain::Cursor;

/// The schema version in every document.
pub const SCHEMA_VERSION: i32 = 1;

/// A collection and the deadline of its operations.
#[derive(Clone)]
pub(super) struct CollectionHandle {
    pub(super) collection: WorkerCollection<Document>,
    pub(super) deadline: Duration,
}

/// Converts a BSON error. A document that does not match its type is a bug, or was written by another program.
pub(super) fn bson_error(error: bson::error::Error) -> StoreError {
    mongodb::error::Error::from(error).into()
}

/// Returns the filter for the rows after `cursor` in a list that is sorted by the field `time` and then by id,
/// newest first.
pub(super) fn after_cursor(cursor: Cursor, time: &str) -> Document {
    let at = DateTime::from_millis(cursor.at);
    doc! { "$or": [{ time: { "$lt": at } }, { time: at, "_id": { "$lt": Uuid::from(cursor.id) } }] }
}

/// Converts bytes to a BSON binary of the generic subtype.
pub(crate) fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}
