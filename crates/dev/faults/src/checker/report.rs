//! What the judge found: of each promise how often it was broken, and the first time with
//! everything that was involved.

use std::fmt;

use crate::checker::Promise;

/// So much of what shows a violation is printed.
const SHOWN: usize = 40;

/// One way in which a history breaks a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What is wrong, in a sentence.
    pub what: String,
    /// The operations, records, mails and transactions that evidence it, a line or more each.
    pub evidence: Vec<String>,
}

impl Violation {
    pub(crate) fn new(what: impl Into<String>, evidence: impl IntoIterator<Item = String>) -> Self {
        Self { what: what.into(), evidence: evidence.into_iter().collect() }
    }
}

/// The verdict on every promise.
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

    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.broken().is_empty()
    }

    /// The promises that were broken.
    #[must_use]
    pub fn broken(&self) -> Vec<Promise> {
        self.verdicts.iter().filter(|verdict| verdict.count > 0).map(|verdict| verdict.promise).collect()
    }

    /// How often a promise was broken.
    #[must_use]
    pub fn count(&self, promise: Promise) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.promise == promise).map(|verdict| verdict.count).sum()
    }

    /// The first time that a promise was broken.
    #[must_use]
    pub fn first(&self, promise: Promise) -> Option<&Violation> {
        self.verdicts.iter().find(|verdict| verdict.promise == promise)?.first.as_ref()
    }

    /// # Panics
    /// When a promise was broken; with the report.
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
