//! How far an import of accounts has come: one document for each file.

use bson::{DateTime, Document, doc};
use mongodb::options::ReturnDocument;
use serde::{Deserialize, Serialize};
use service_kit::mongo::{StoreError, within};

use super::{
    SCHEMA_VERSION, bson_error,
    bulk::{BulkStore, DEADLINE},
};

/// How far an import has come: one document for each file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportProgress {
    /// The first half of the file's SHA-256, in hexadecimal digits.
    #[serde(rename = "_id")]
    pub id: String,
    pub schema_version: i32,
    /// Of the file, in bytes.
    pub size: i64,
    /// Whether those who are imported get a welcome mail.
    pub welcome: bool,
    /// Everything up to this line, and this byte, is decided.
    pub lines: i64,
    pub bytes: i64,
    /// Of those lines: how many are accounts now, and how many were refused.
    pub imported: i64,
    pub refused: i64,
    pub started_at: DateTime,
    pub updated_at: DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<DateTime>,
}

impl ImportProgress {
    /// An import that has not begun.
    #[must_use]
    pub fn new(id: String, size: i64, welcome: bool, now: jiff::Timestamp) -> Self {
        Self {
            id,
            schema_version: SCHEMA_VERSION,
            size,
            welcome,
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
    /// The import of this file, if it was ever begun.
    pub async fn find_import(&self, id: &str) -> Result<Option<ImportProgress>, StoreError> {
        let found = within(DEADLINE, self.imports.collection.find_one(doc! { "_id": id })).await?;
        found.map(|found| bson::deserialize_from_document(found).map_err(bson_error)).transpose()
    }

    /// Notes a beginning: `record` if the file was never begun, what is there otherwise.
    pub async fn begin_import(&self, record: &ImportProgress) -> Result<ImportProgress, StoreError> {
        let new = bson::serialize_to_document(record).map_err(bson_error)?;
        let written = within(DEADLINE, async {
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

    /// Notes how far it has come.
    pub async fn save_import(&self, record: &ImportProgress) -> Result<(), StoreError> {
        let new: Document = bson::serialize_to_document(record).map_err(bson_error)?;
        within(DEADLINE, self.imports.collection.replace_one(doc! { "_id": &record.id }, new).upsert(true)).await?;
        Ok(())
    }
}
