//! The checker's report: how many times each promise was broken, and the first violation with its evidence.

use std::fmt;

use crate::checker::Promise;

/// The maximum number of evidence items to print for a violation.
const SHOWN: usize = 40;

/// One way in which a history breaks a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong, in one sentence.
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
    verdicts: Vec<PromiseResult>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct PromiseResult {
    promise: Promise,
    count: usize,
    first: Option<Violation>,
}

impl Report {
    pub(crate) fn of(judged: impl Iterator<Item = (Promise, Vec<Violation>)>) -> Self {
        let verdict = |(promise, violations): (Promise, Vec<Violation>)| PromiseResult {
            promise,
            count: violations.len(),
            first: violations.into_iter().next(),
        };
        Self { verdicts: judged.map(verdict).collect() }
    }

    /// Returns whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.broken().is_empty()
    }

    /// Returns the promises that were broken.
    #[must_use]
    pub fn broken(&self) -> Vec<Promise> {
        self.verdicts.iter().filter(|verdict| verdict.count > 0).map(|verdict| verdict.promise).collect()
    }

    /// Returns how many times a promise was broken.
    #[must_use]
    pub fn count(&self, promise: Promise) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.promise == promise).map(|verdict| verdict.count).sum()
    }

    /// Returns the first violation of a promise.
    #[must_use]
    pub fn first(&self, promise: Promise) -> Option<&Violation> {
        self.verdicts.iter().find(|verdict| verdict.promise == promise)?.first.as_ref()
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
        for PromiseResult { promise, count, first } in &self.verdicts {
            let Some(first) = first else {
                writeln!(f, "{promise}  kept: {}", promise.sentence())?;
                continue;
            };
            writeln!(f, "{promise}  BROKEN {count} ×: {}", promise.sentence())?;
            writeln!(f, "      first: {}", first.what)?;
            for line in first.evidence.iter().take(SHOWN).flat_map(|item| item.lines()) {
                writeln!(f, "        {line}")?;
            }
            if first.evidence.len() > SHOWN {
                writeln!(f, "        and {} more", first.evidence.len() - SHOWN)?;
            }
        }
        Ok(())
    }
}
