//! `findAndModify` without the driver's retryable writes, for updates whose repetition does no harm.
//!
//! For a retryable write, MongoDB also writes to `config.transactions`, and for a `findAndModify` it stores a copy of
//! the document in `config.image_collection`. `docs/adr/0021-repeatable-writes.md` has what this costs.

use mongodb::{
    Collection,
    bson::{self, Bson, Document, RawDocumentBuf, doc},
    error::{Error, ErrorKind, Result, WriteConcernError, WriteFailure},
};

use super::StoreError;

/// Updates one document by a pipeline, and returns it as it is after the update, or `None` if no document matches.
///
/// The update must be repeatable: if MongoDB was unavailable, it is sent once more at once, as the driver does with a
/// retryable write, but it may then take effect twice.
///
/// # Errors
/// Returns the error of the last attempt.
pub async fn find_and_update_repeatable(
    collection: &Collection<Document>,
    filter: Document,
    pipeline: Vec<Document>,
    upsert: bool,
) -> Result<Option<Document>> {
    let mut command = doc! {
        "findAndModify": collection.name(),
        "query": filter,
        "update": pipeline,
        "upsert": upsert,
        "new": true,
    };
    if let Some(concern) = collection.write_concern() {
        command.insert("writeConcern", bson::serialize_to_bson(concern)?);
    }
    let command = RawDocumentBuf::try_from(&command)?;
    match run(collection, command.clone()).await {
        Err(error) if may_succeed_at_once(&error) => run(collection, command).await,
        result => result,
    }
}

async fn run(collection: &Collection<Document>, command: RawDocumentBuf) -> Result<Option<Document>> {
    let database = collection.client().database(&collection.namespace().db);
    let mut answer = database.run_raw_command(command).await?;
    if let Some(Bson::Document(concern)) = answer.remove("writeConcernError") {
        let error: WriteConcernError = bson::deserialize_from_document(concern)?;
        return Err(ErrorKind::Write(WriteFailure::WriteConcernError(error)).into());
    }
    match answer.remove("value") {
        Some(Bson::Document(document)) => Ok(Some(document)),
        _ => Ok(None),
    }
}

/// Returns whether another attempt may succeed at once. The selection of a server has waited for one already.
fn may_succeed_at_once(error: &Error) -> bool {
    !matches!(*error.kind, ErrorKind::ServerSelection { .. }) && StoreError::from(error.clone()).is_unavailable()
}
