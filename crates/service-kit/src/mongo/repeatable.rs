//! `findAndModify` without the driver's retryable writes, for updates whose repetition does no harm.
//!
//! For a retryable write, MongoDB also writes to `config.transactions`, and for a `findAndModify` it stores a copy of
//! the document in `config.image_collection`. `docs/adr/0021-repeatable-writes.md` has what this costs.

use mongodb::{
    Collection,
    bson::{self, Bson, Document, RawArrayBuf, RawDocumentBuf, raw::cstr},
    error::{Error, ErrorKind, Result, WriteConcernError, WriteFailure},
};

use super::StoreError;

/// An update of one document by a pipeline that may take effect twice.
#[derive(Debug, Default)]
pub struct RepeatableUpdate {
    /// The filter of the document.
    pub filter: Document,
    /// The stages of the update ([`stages`]), which can be kept for many updates.
    pub pipeline: RawArrayBuf,
    /// The values of the variables in the pipeline and the projection.
    pub variables: Document,
    /// Whether a document is inserted if none matches.
    pub upsert: bool,
    /// The fields of the returned document; empty for all.
    pub projection: Document,
}

impl RepeatableUpdate {
    /// Updates the document, and returns it as it is after the update, or `None` if none matches. If MongoDB was
    /// unavailable, the update is sent once more at once, as the driver does with a retryable write.
    ///
    /// # Errors
    /// Returns the error of the last attempt.
    pub async fn run(&self, collection: &Collection<Document>) -> Result<Option<Document>> {
        let command = self.command(collection)?;
        match send(collection, command.clone()).await {
            Err(error) if may_succeed_at_once(&error) => send(collection, command).await,
            result => result,
        }
    }

    fn command(&self, collection: &Collection<Document>) -> Result<RawDocumentBuf> {
        let mut command = RawDocumentBuf::new();
        command.append(cstr!("findAndModify"), collection.name());
        command.append(cstr!("query"), RawDocumentBuf::try_from(&self.filter)?);
        command.append(cstr!("update"), self.pipeline.clone());
        command.append(cstr!("upsert"), self.upsert);
        command.append(cstr!("new"), true);
        if !self.variables.is_empty() {
            command.append(cstr!("let"), RawDocumentBuf::try_from(&self.variables)?);
        }
        if !self.projection.is_empty() {
            command.append(cstr!("fields"), RawDocumentBuf::try_from(&self.projection)?);
        }
        if let Some(concern) = collection.write_concern() {
            command.append(cstr!("writeConcern"), RawDocumentBuf::try_from(&bson::serialize_to_document(concern)?)?);
        }
        Ok(command)
    }
}

/// Returns the stages of an update in the form in which they are sent.
///
/// # Errors
/// Returns an error if a stage is not a valid document.
pub fn stages(pipeline: &[Document]) -> Result<RawArrayBuf> {
    let mut stages = RawArrayBuf::new();
    for stage in pipeline {
        stages.push(RawDocumentBuf::try_from(stage)?);
    }
    Ok(stages)
}

async fn send(collection: &Collection<Document>, command: RawDocumentBuf) -> Result<Option<Document>> {
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

/// Returns whether another attempt may succeed at once. If no server was found, the driver has waited for one already.
fn may_succeed_at_once(error: &Error) -> bool {
    !matches!(*error.kind, ErrorKind::ServerSelection { .. }) && StoreError::from(error.clone()).is_unavailable()
}
