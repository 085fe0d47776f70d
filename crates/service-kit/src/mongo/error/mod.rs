//! Errors of the store, in the categories that callers decide on. Neither `Display` nor `Debug`
//! shows data of users or documents; the server's own messages quote the duplicate value.

use std::fmt;

use mongodb::error::{Error, ErrorKind, NO_WRITES_PERFORMED, WriteFailure};

const DUPLICATE_KEY: i32 = 11000;
/// The codes of temporary errors: network, elections, shutdown, time limits (the server's
/// `error_codes.yml`).
const UNAVAILABLE: &[i32] =
    &[6, 7, 50, 64, 89, 91, 100, 112, 134, 189, 262, 365, 462, 9001, 10058, 10107, 11600, 11601, 11602, 13435, 13436];

/// The reason why an operation failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// There was no answer within the deadline. The operation may have taken effect.
    #[error("no answer from the store in time")]
    Timeout,
    /// The store cannot be reached or cannot serve requests now: try later.
    #[error("the store is unavailable: {0}")]
    Unavailable(Cause),
    /// A unique index refused the write.
    #[error("a document with this key exists already (index {index})")]
    DuplicateKey {
        /// The name of the index, as in its [`super::IndexSpec`].
        index: String,
    },
    /// Any other error: a bug, or a document that does not fit its type.
    #[error("the store refused the operation: {0}")]
    Other(Cause),
}

impl StoreError {
    /// Returns the error of an operation that was not started because its request's budget is
    /// exhausted.
    pub(super) fn budget_exhausted() -> Self {
        Self::Unavailable(Cause::new("the request has no time left").without_effect())
    }

    /// Returns whether a later attempt may succeed.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Timeout | Self::Unavailable(_))
    }

    /// Returns whether a write may have taken effect in spite of the error. False only if it is
    /// certain that it has not.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Timeout => true,
            Self::Unavailable(cause) => !cause.without_effect,
            Self::DuplicateKey { .. } | Self::Other(_) => false,
        }
    }
}

/// The parts of a driver's error that are safe to show.
#[derive(Clone, Debug)]
pub struct Cause {
    kind: &'static str,
    code: Option<i32>,
    /// Text of the driver or the operating system, never of the server.
    detail: Option<String>,
    without_effect: bool,
}

impl Cause {
    /// Returns the server's error code, if the server answered.
    pub fn code(&self) -> Option<i32> {
        self.code
    }

    fn new(kind: &'static str) -> Self {
        Self { kind, code: None, detail: None, without_effect: false }
    }

    fn with_code(kind: &'static str, code: i32) -> Self {
        Self { code: Some(code), ..Self::new(kind) }
    }

    fn detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    fn without_effect(mut self) -> Self {
        self.without_effect = true;
        self
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        if let Some(code) = self.code {
            write!(f, " {code}")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, " ({detail})")?;
        }
        Ok(())
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        let nothing_written = error.contains_label(NO_WRITES_PERFORMED);
        match classify(&error) {
            Self::Unavailable(cause) if nothing_written => Self::Unavailable(cause.without_effect()),
            other => other,
        }
    }
}

fn classify(error: &Error) -> StoreError {
    use StoreError::{Other, Unavailable};
    match error.kind.as_ref() {
        ErrorKind::Command(command) => from_code("command", command.code, &command.message),
        ErrorKind::Write(WriteFailure::WriteError(write)) => from_code("write", write.code, &write.message),
        // The write happened, but perhaps not on a majority.
        ErrorKind::Write(WriteFailure::WriteConcernError(concern)) => {
            Unavailable(Cause::with_code("write concern", concern.code))
        }
        ErrorKind::InsertMany(many) => {
            let writes = many.write_errors.as_deref().unwrap_or_default();
            let writes = writes.iter().map(|e| (e.code, e.message.as_str()));
            let concern = many.write_concern_error.as_ref().map(|e| e.code);
            from_batch(writes, concern)
        }
        ErrorKind::BulkWrite(bulk) => {
            let mut writes: Vec<_> = bulk.write_errors.iter().collect();
            writes.sort_by_key(|(position, _)| **position);
            let writes = writes.iter().map(|(_, e)| (e.code, e.message.as_str()));
            let concern = bulk.write_concern_errors.first().map(|e| e.code);
            from_batch(writes, concern)
        }
        ErrorKind::ServerSelection { .. } => Unavailable(Cause::new("no suitable server").without_effect()),
        ErrorKind::Io(error) => Unavailable(Cause::new("network").detail(error.kind())),
        ErrorKind::ConnectionPoolCleared { .. } => Unavailable(Cause::new("connections were closed")),
        ErrorKind::Authentication { .. } => Unavailable(Cause::new("authentication failed").without_effect()),
        ErrorKind::DnsResolve { .. } => Unavailable(Cause::new("DNS").without_effect()),
        ErrorKind::InvalidTlsConfig { .. } => Unavailable(Cause::new("TLS").without_effect()),
        ErrorKind::Shutdown => Unavailable(Cause::new("client shut down").without_effect()),
        ErrorKind::IncompatibleServer { message, .. } => Other(Cause::new("incompatible server").detail(message)),
        ErrorKind::InvalidArgument { message, .. } => Other(Cause::new("invalid argument").detail(message)),
        ErrorKind::Bson(error) => {
            let path = error.key.as_deref().unwrap_or("unknown place");
            Other(Cause::new("document does not fit its type").detail(path))
        }
        _ => Other(Cause::new("driver")),
    }
}

fn from_code(kind: &'static str, code: i32, message: &str) -> StoreError {
    match code {
        DUPLICATE_KEY => StoreError::DuplicateKey { index: duplicate_index(message).unwrap_or_default().to_owned() },
        code if UNAVAILABLE.contains(&code) => StoreError::Unavailable(Cause::with_code(kind, code)),
        code => StoreError::Other(Cause::with_code(kind, code)),
    }
}

/// Classifies the errors of several writes in one command. They are a duplicate key only if all
/// failures are; then the first one names the index.
fn from_batch<'a>(mut writes: impl Iterator<Item = (i32, &'a str)>, concern: Option<i32>) -> StoreError {
    let Some((code, message)) = writes.next() else {
        return match concern {
            Some(code) => StoreError::Unavailable(Cause::with_code("write concern", code)),
            None => StoreError::Other(Cause::new("write")),
        };
    };
    let first = from_code("write", code, message);
    match writes.find(|(other, _)| *other != code) {
        Some((other, _)) if code == DUPLICATE_KEY => from_code("write", other, ""),
        _ => first,
    }
}

/// Returns the positions of the documents of an unordered `insert_many` that were refused as
/// duplicates, if there was no other error. All other documents are written.
pub fn duplicate_positions(error: &Error) -> Option<Vec<usize>> {
    let ErrorKind::InsertMany(many) = error.kind.as_ref() else { return None };
    let writes = many.write_errors.as_deref().unwrap_or_default();
    let only = many.write_concern_error.is_none() && writes.iter().all(|write| write.code == DUPLICATE_KEY);
    only.then(|| writes.iter().map(|write| write.index).collect())
}

/// Returns the index that an E11000 message names: `… index: NAME dup key: { … }`, with
/// ` collation: …` before `dup key` if the index has a collation. Data of users comes after it, so
/// the first match is the server's own.
fn duplicate_index(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once(" index: ")?;
    rest.split_whitespace().next()
}

#[cfg(test)]
mod tests;
