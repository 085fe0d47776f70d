//! The error of a domain type's constructor.

/// The reason why a value is refused. Both fields are safe to show: neither repeats the input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Invalid {
    /// The stable kebab-case code for programs: `too-short`, `not-an-address`, …
    pub code: &'static str,
    /// One sentence for people.
    pub detail: String,
}

impl Invalid {
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// Checks that each of these inputs is refused with this code.
#[cfg(test)]
#[track_caller]
pub(super) fn assert_refused<I: Copy + std::fmt::Debug, T>(
    parse: impl Fn(I) -> Result<T, Invalid>,
    code: &str,
    inputs: impl IntoIterator<Item = I>,
) {
    for input in inputs {
        let refused = parse(input).err().map(|invalid| invalid.code);
        assert_eq!(refused, Some(code), "{input:?}");
    }
}
