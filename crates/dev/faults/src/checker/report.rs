//! The checker's report: how many times each promise was broken, and the first violation with its evidence.

use std::fmt;

use crate::checker::Promise;

/// The maximum number of evidence items to print for a violation.
const MAX_EVIDENCE: usize = 40;

/// One way in which a history breaks a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The violation in one sentence.
    pub what: String,
    /// The operations, records, mails and transactions that show the violation, one or more lines each.
    pub evidence: Vec<String>,
}

impl Violation {
    pub(crate) fn new(what: impl Into<String>, evidence: impl IntoIterator<Item = String>) -> Self {
        Self { what: what.into(), evidence: evidence.into_iter().collect() }
    }
}

/// The results for all promises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    results: Vec<PromiseResult>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PromiseResult {
    promise: Promise,
    count: usize,
    first: Option<Violation>,
}

impl Report {
    pub(crate) fn from_violations(judged: impl Iterator<Item = (Promise, Vec<Violation>)>) -> Self {
        let result = |(promise, violations): (Promise, Vec<Violation>)| PromiseResult {
            promise,
            count: violations.len(),
            first: violations.into_iter().next(),
        };
        Self { results: judged.map(result).collect() }
    }

    /// Returns whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.broken().is_empty()
    }

    /// Returns the promises that were broken.
    #[must_use]
    pub fn broken(&self) -> Vec<Promise> {
        self.results.iter().filter(|result| result.count > 0).map(|result| result.promise).collect()
    }

    /// Returns how many times a promise was broken.
    #[must_use]
    pub fn count(&self, promise: Promise) -> usize {
        self.results.iter().filter(|result| result.promise == promise).map(|result| result.count).sum()
    }

    /// Returns the first violation of a promise.
    #[must_use]
    pub fn first(&self, promise: Promise) -> Option<&Violation> {
        self.results.iter().find(|result| result.promise == promise)?.first.as_ref()
    }

    /// Checks that every promise was kept.
    ///
    /// # Panics
    /// Panics with the report when a promise was broken.
    #[track_caller]
    pub fn assert(&self) {
        assert!(self.is_clean(), "the history breaks promises\n{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for PromiseResult { promise, count, first } in &self.results {
            let Some(first) = first else {
                writeln!(f, "{promise}  kept: {}", promise.sentence())?;
                continue;
            };
            writeln!(f, "{promise}  BROKEN {count} ×: {}", promise.sentence())?;
            writeln!(f, "      first: {}", first.what)?;
            for line in first.evidence.iter().take(MAX_EVIDENCE).flat_map(|item| item.lines()) {
                writeln!(f, "        {line}")?;
            }
            if first.evidence.len() > MAX_EVIDENCE {
                writeln!(f, "        and {} more", first.evidence.len() - MAX_EVIDENCE)?;
            }
        }
        Ok(())
    }
}
