//! Why a text is not a value of the domain.

/// A refused value. Both parts are safe to show: neither repeats what was typed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Invalid {
    /// Stable and kebab-case, for programs: `too-short`, `not-an-address`, …
    pub code: &'static str,
    /// One sentence, for people.
    pub detail: String,
}

impl Invalid {
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}
