//! The report of a changing command: one line for each selected row.

use anyhow::bail;
use serde::Serialize;

use super::print_rows;

/// The results for the selected rows.
#[derive(Debug, Default)]
pub(super) struct ChangeReport {
    rows: Vec<ReportRow>,
    /// The number of rows that match the filter beyond `--limit`.
    pub(super) more: u64,
}

#[derive(Debug, Serialize)]
struct ReportRow {
    id: String,
    outcome: ChangeOutcome,
    from: Option<&'static str>,
    to: Option<&'static str>,
    detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum ChangeOutcome {
    Done,
    WouldBeDone,
    #[serde(rename = "left")]
    Unchanged,
}

impl ChangeOutcome {
    fn as_str(self) -> &'static str {
        match self {
            ChangeOutcome::Done => "done",
            ChangeOutcome::WouldBeDone => "would be done",
            ChangeOutcome::Unchanged => "left",
        }
    }
}

impl ChangeReport {
    /// Adds a row that was changed, or with `dry_run` would be.
    pub(super) fn done(
        &mut self,
        dry_run: bool,
        id: &str,
        (from, to): (Option<&'static str>, Option<&'static str>),
        detail: Option<String>,
    ) {
        let outcome = if dry_run { ChangeOutcome::WouldBeDone } else { ChangeOutcome::Done };
        self.rows.push(ReportRow { id: id.to_owned(), outcome, from, to, detail });
    }

    /// Adds a row that was not changed.
    pub(super) fn unchanged(&mut self, id: &str, state: Option<&'static str>, why: &str) {
        let detail = Some(why.to_owned());
        let (id, outcome) = (id.to_owned(), ChangeOutcome::Unchanged);
        self.rows.push(ReportRow { id, outcome, from: state, to: None, detail });
    }

    /// Prints the report.
    ///
    /// # Errors
    /// Returns an error if a row was not changed, or the report cannot be printed.
    pub(super) fn print(self, json: bool) -> anyhow::Result<()> {
        let or_none = |text: Option<&str>| text.unwrap_or("-").to_owned();
        if json || !self.rows.is_empty() {
            print_rows(
                &self.rows,
                json,
                |row| row,
                ["OUTCOME", "FROM", "TO", "ID", ""],
                |row| {
                    let ReportRow { id, outcome, from, to, detail } = row;
                    let detail = detail.clone().unwrap_or_default();
                    [outcome.as_str().to_owned(), or_none(*from), or_none(*to), id.clone(), detail]
                },
            )?;
        }
        if self.more > 0 {
            eprintln!("{} more match: run it again, or raise --limit", self.more);
        }
        let left = self.rows.iter().filter(|line| line.outcome == ChangeOutcome::Unchanged).count();
        match (left, self.rows.len()) {
            (0, 0) => eprintln!("nothing matches"),
            (0, _) => {}
            (left, all) => bail!("{left} of {all} were not changed"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use service_kit::cli::UsageError;

    use super::*;

    #[test]
    fn an_unchanged_row_is_a_failure_but_no_usage_error() {
        let mut report = ChangeReport::default();
        report.done(false, "a", (Some("failed"), Some("queued")), None);
        report.unchanged("b", Some("sent"), "because");
        let error = report.print(true).unwrap_err();
        assert_eq!(error.to_string(), "1 of 2 were not changed");
        assert!(!error.is::<UsageError>());
    }
}
