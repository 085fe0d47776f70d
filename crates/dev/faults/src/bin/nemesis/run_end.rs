//! How a run ended, apart from its history, and whether its figures may be written into a document.

use std::collections::BTreeSet;

use faults::checker::{Promise, RecoveryReport, Report};

/// How a run, or a round of it, ended.
#[derive(Debug, Default)]
pub(crate) struct RunEnd {
    /// The faults that this machine cannot inject, each with the reason.
    pub(crate) skipped: BTreeSet<String>,
    /// What failed during injection and healing, for example because a cluster did not recover.
    pub(crate) failed: Vec<String>,
    /// The work that was unfinished at the deadline, if there was any.
    pub(crate) not_idle: Option<String>,
}

impl RunEnd {
    /// Adds the end of a later round.
    pub(crate) fn add(&mut self, later: Self) {
        self.skipped.extend(later.skipped);
        self.failed.extend(later.failed);
        self.not_idle = self.not_idle.take().or(later.not_idle);
    }

    /// Returns whether nothing failed, every promise was kept, every goal was reached, and the run became idle.
    pub(crate) fn is_clean(&self, report: &Report, recovery: Option<&RecoveryReport>) -> bool {
        self.problems(report, recovery).is_empty()
    }

    /// Returns why the figures of the run are not written into a document. Returns `None` if the run was clean and
    /// complete.
    pub(crate) fn why_no_row(&self, report: &Report, recovery: Option<&RecoveryReport>) -> Option<String> {
        let mut reasons = self.problems(report, recovery);
        reasons.extend(self.skipped_line());
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// Returns the line that names the faults that were skipped.
    pub(crate) fn skipped_line(&self) -> Option<String> {
        let skipped: Vec<&str> = self.skipped.iter().map(String::as_str).collect();
        (!skipped.is_empty()).then(|| format!("skipped: {}", skipped.join("; ")))
    }

    fn problems(&self, report: &Report, recovery: Option<&RecoveryReport>) -> Vec<String> {
        let mut problems: Vec<String> =
            report.broken().iter().map(|promise: &Promise| format!("{promise} was broken")).collect();
        let missed = recovery.map(RecoveryReport::missed).unwrap_or_default();
        problems.extend(missed.iter().map(|goal| format!("a goal was missed: {}", goal.sentence())));
        problems.extend(self.failed.clone());
        problems.extend(self.not_idle.clone());
        problems
    }
}

#[cfg(test)]
mod tests {
    use faults::checker::{
        Action, History, KnownSecret, Operation, Outcome, RecordedResponse, SearchedText, check, measure_recovery,
    };
    use jiff::Timestamp;

    use super::*;

    fn kept() -> Report {
        check(&History::default())
    }

    fn broken() -> Report {
        check(&History {
            secrets: vec![KnownSecret { what: "a password".to_owned(), value: "correct-horse-battery".to_owned() }],
            texts: vec![SearchedText { place: "a log".to_owned(), text: "correct-horse-battery".to_owned() }],
            ..History::default()
        })
    }

    fn missed() -> RecoveryReport {
        measure_recovery(&History {
            operations: vec![Operation {
                id: 0,
                client: 1,
                action: Action::Read,
                user: None,
                invoked: Timestamp::UNIX_EPOCH,
                completed: Timestamp::UNIX_EPOCH,
                outcome: Outcome::Answered(RecordedResponse { status: 500, ..RecordedResponse::default() }),
                comparison_group: None,
                server: String::new(),
                network: None,
            }],
            ..History::default()
        })
    }

    fn reached() -> RecoveryReport {
        measure_recovery(&History::default())
    }

    #[test]
    fn a_clean_and_complete_run_gets_a_row() {
        let end = RunEnd::default();
        assert!(end.is_clean(&kept(), Some(&reached())));
        assert_eq!(end.why_no_row(&kept(), Some(&reached())), None);
        assert_eq!((end.why_no_row(&kept(), None), end.skipped_line()), (None, None));
    }

    #[test]
    fn a_run_that_was_not_clean_gets_no_row() {
        let assert_refused = |end: RunEnd, report: Report, recovery: RecoveryReport, why: &str| {
            assert!(!end.is_clean(&report, Some(&recovery)), "{why}");
            assert_eq!(end.why_no_row(&report, Some(&recovery)).as_deref(), Some(why));
        };
        assert_refused(RunEnd::default(), broken(), reached(), "S1 was broken");
        let goal = "a goal was missed: a refusal is 503 with Retry-After";
        assert_refused(RunEnd::default(), kept(), missed(), goal);
        let not_idle = RunEnd { not_idle: Some("not idle".to_owned()), ..RunEnd::default() };
        assert_refused(not_idle, kept(), reached(), "not idle");
        let failed = RunEnd { failed: vec!["fault 29: no primary".to_owned()], ..RunEnd::default() };
        assert_refused(failed, kept(), reached(), "fault 29: no primary");
    }

    #[test]
    fn a_run_that_skipped_a_fault_is_clean_and_gets_no_row() {
        let skipped = |what: &str| RunEnd { skipped: BTreeSet::from([what.to_owned()]), ..RunEnd::default() };
        let mut end = RunEnd::default();
        for what in ["one: no rights", "two: no compiler", "one: no rights"] {
            end.add(skipped(what));
        }
        assert!(end.is_clean(&kept(), Some(&reached())));
        let line = "skipped: one: no rights; two: no compiler";
        assert_eq!(end.skipped_line().as_deref(), Some(line));
        assert_eq!(end.why_no_row(&kept(), Some(&reached())).as_deref(), Some(line));
    }

    #[test]
    fn what_failed_in_any_round_is_kept() {
        let mut end = RunEnd { not_idle: Some("first".to_owned()), ..RunEnd::default() };
        end.add(RunEnd { failed: vec!["a".to_owned()], not_idle: Some("second".to_owned()), ..RunEnd::default() });
        end.add(RunEnd { failed: vec!["b".to_owned()], ..RunEnd::default() });
        assert_eq!((end.failed, end.not_idle.as_deref()), (vec!["a".to_owned(), "b".to_owned()], Some("first")));
    }
}
