//! The versions of an account that a change may be based on (`If-Match`, RFC 9110, section 13.1.1).

/// The versions that a request permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedVersion {
    Any,
    OneOf(Vec<i64>),
}

impl ExpectedVersion {
    #[must_use]
    pub fn permits(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}
