//! A record of a file.

use std::sync::Arc;

/// The maximum length of a record. Attributes are at most 16 KiB, and JSON may write each of their characters as six.
pub(in crate::usecase::import) const MAX_RECORD_BYTES: usize = 128 * 1024;

/// A record that is not blank.
#[derive(Debug)]
pub(in crate::usecase::import) struct Record {
    /// The number of the record, starting at 1. Blank lines count, the header of a CSV file does not.
    pub(in crate::usecase::import) number: u64,
    pub(in crate::usecase::import) content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::usecase::import) enum Content {
    /// A line, or an element of an array.
    Json(Vec<u8>),
    Csv(Fields),
    /// The record is a line of a CSV file with text after a closing quote.
    MisplacedQuote,
    /// The record has more than [`MAX_RECORD_BYTES`].
    TooLong,
}

/// The fields of a CSV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::usecase::import) struct Fields {
    pub(in crate::usecase::import) columns: Arc<[String]>,
    pub(in crate::usecase::import) values: Vec<Vec<u8>>,
}

impl Content {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Json(text) => text.len(),
            Self::Csv(fields) => fields.values.iter().map(Vec::len).sum(),
            Self::MisplacedQuote | Self::TooLong => 0,
        }
    }
}
