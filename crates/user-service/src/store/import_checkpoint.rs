//! The progress of an import of accounts: one document for each file.

use bson::{DateTime, Document, doc};
use mongodb::options::ReturnDocument;
use serde::{Deserialize, Serialize};
use service_kit::mongo::{StoreError, with_deadline};

use super::{
    bulk::{BulkStore, DEADLINE},
    collection::{SCHEMA_VERSION, bson_error},
};

/// The progress of the import of one file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportCheckpoint {
    /// The first half of the file's SHA-256, in hexadecimal digits.
    #[serde(rename = "_id")]
    pub id: String,
    pub schema_version: i32,
    /// The size of the file in bytes.
    pub size: i64,
    /// Whether the imported users get a welcome mail.
    pub welcome: bool,
    /// Whether the imported users without a password get an invitation. Release 0.1.0 does not know it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub invite: bool,
    /// The number of lines that are decided, from the beginning of the file.
    pub lines: i64,
    /// The number of bytes of these lines.
    pub bytes: i64,
    /// The number of these lines that are accounts now.
    pub imported: i64,
    /// The number of these lines that were refused.
    pub refused: i64,
    pub started_at: DateTime,
    pub updated_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime>,
}

impl ImportCheckpoint {
    /// Creates the progress of an import that has not started. The mails are those of [`Self::welcome`] and
    /// [`Self::invite`].
    #[must_use]
    pub fn new(id: String, size: i64, (welcome, invite): (bool, bool), now: jiff::Timestamp) -> Self {
        Self {
            id,
            schema_version: SCHEMA_VERSION,
            size,
            welcome,
            invite,
            lines: 0,
            bytes: 0,
            imported: 0,
            refused: 0,
            started_at: now.into(),
            updated_at: now.into(),
            finished_at: None,
        }
    }
}

impl BulkStore {
    /// Returns the progress of the import of this file, if it was ever started.
    pub async fn find_import(&self, id: &str) -> Result<Option<ImportCheckpoint>, StoreError> {
        let found = with_deadline(DEADLINE, self.imports.collection.find_one(doc! { "_id": id })).await?;
        found.map(|found| bson::deserialize_from_document(found).map_err(bson_error)).transpose()
    }

    /// Stores `record` if the import of this file was never started. Returns what is stored afterwards.
    pub async fn begin_import(&self, record: &ImportCheckpoint) -> Result<ImportCheckpoint, StoreError> {
        let new = bson::serialize_to_document(record).map_err(bson_error)?;
        let written = with_deadline(DEADLINE, async {
            self.imports
                .collection
                .find_one_and_update(doc! { "_id": &record.id }, doc! { "$setOnInsert": new })
                .upsert(true)
                .return_document(ReturnDocument::After)
                .await
        })
        .await?;
        bson::deserialize_from_document(written.unwrap_or_default()).map_err(bson_error)
    }

    /// Stores the progress of an import.
    pub async fn save_import(&self, record: &ImportCheckpoint) -> Result<(), StoreError> {
        let new: Document = bson::serialize_to_document(record).map_err(bson_error)?;
        with_deadline(DEADLINE, self.imports.collection.replace_one(doc! { "_id": &record.id }, new).upsert(true))
            .await?;
        Ok(())
    }
}
