//! The parts that all changing commands share: the selection of rows, the confirmation and the
//! report.

use std::io::{self, BufRead, IsTerminal as _, Write};

use anyhow::bail;
use serde::Serialize;
use service_kit::cli::UsageError;

use super::{print_line, print_table};

const MAX_NOTE_CHARS: usize = 500;

/// The options of a changing command.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ChangeArgs {
    /// Say what would happen, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// The reason, for the history: at most 500 characters
    #[arg(long, value_parser = parse_note)]
    pub note: Option<String>,
}

fn parse_note(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("must be one line of text".to_owned());
    }
    if text.chars().count() > MAX_NOTE_CHARS {
        return Err(format!("at most {MAX_NOTE_CHARS} characters"));
    }
    Ok(text.to_owned())
}

impl ChangeArgs {
    /// Requests a confirmation before a change of several rows that a filter has found. `summary`
    /// says what would happen.
    ///
    /// # Errors
    /// Returns a [`UsageError`] without a terminal, another error if the answer is no.
    pub fn confirm(&self, by_filter: bool, rows: usize, summary: &str) -> anyhow::Result<()> {
        let mut terminal = None;
        if io::stdin().is_terminal() && io::stderr().is_terminal() {
            terminal = Some((io::stdin().lock(), io::stderr().lock()));
        }
        self.confirm_on(terminal, by_filter, rows, summary)
    }

    fn confirm_on(
        &self,
        terminal: Option<(impl BufRead, impl Write)>,
        by_filter: bool,
        rows: usize,
        summary: &str,
    ) -> anyhow::Result<()> {
        if !by_filter || rows < 2 || self.yes || self.dry_run {
            return Ok(());
        }
        let Some((mut input, mut output)) = terminal else {
            let text = format!("{summary}: without a terminal use --yes to confirm, or --dry-run to look first");
            return Err(UsageError(text).into());
        };
        write!(output, "{summary}. Go on? [y/N] ")?;
        output.flush()?;
        let mut answer = String::new();
        input.read_line(&mut answer)?;
        if !matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
            bail!("nothing was changed");
        }
        Ok(())
    }
}

/// Returns whether the rows are selected by filters, and not by ids.
///
/// # Errors
/// Returns a [`UsageError`] for both, and for neither: a change of all rows needs a filter.
pub fn is_by_filter(ids: &[String], filters: bool, example: &str) -> Result<bool, UsageError> {
    match (ids.is_empty(), filters) {
        (false, false) => Ok(false),
        (true, true) => Ok(true),
        (false, true) => Err(UsageError("use either ids or filters, not both".to_owned())),
        (true, false) => Err(UsageError(format!("name ids, or use filters such as {example}"))),
    }
}

/// The results for the selected rows.
#[derive(Debug, Default)]
pub struct ChangeReport {
    rows: Vec<ReportRow>,
    /// The number of rows that match the filter beyond `--limit`.
    pub more: u64,
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
    pub fn done(
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
    pub fn unchanged(&mut self, id: &str, state: Option<&'static str>, why: &str) {
        let detail = Some(why.to_string());
        self.rows.push(ReportRow {
            id: id.to_owned(),
            outcome: ChangeOutcome::Unchanged,
            from: state,
            to: None,
            detail,
        });
    }

    /// Prints the report.
    ///
    /// # Errors
    /// Returns an error if a row was not changed, or the report cannot be printed.
    pub fn print(self, json: bool) -> anyhow::Result<()> {
        if json {
            for row in &self.rows {
                print_line(serde_json::to_string(row)?)?;
            }
        } else if !self.rows.is_empty() {
            let or_none = |text: Option<&str>| text.unwrap_or("-").to_owned();
            let row = |row: &ReportRow| {
                let ReportRow { id, outcome, from, to, detail } = row;
                let detail = detail.clone().unwrap_or_default();
                [outcome.as_str().to_owned(), or_none(*from), or_none(*to), id.clone(), detail]
            };
            let rows: Vec<_> = self.rows.iter().map(row).collect();
            print_table(["OUTCOME", "FROM", "TO", "ID", ""], &rows)?;
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
    use super::*;

    fn confirm_with_answer(
        args: &ChangeArgs,
        answer: &str,
        by_filter: bool,
        rows: usize,
    ) -> (anyhow::Result<()>, String) {
        let mut output = Vec::new();
        let result = args.confirm_on(Some((answer.as_bytes(), &mut output)), by_filter, rows, "3 mails");
        (result, String::from_utf8(output).unwrap())
    }

    #[test]
    fn several_rows_of_a_filter_need_a_confirmation() {
        let args = ChangeArgs::default();
        for (answer, goes_on) in [("y\n", true), ("YES\n", true), ("\n", false), ("", false), ("no\n", false)] {
            let (result, prompt) = confirm_with_answer(&args, answer, true, 3);
            assert_eq!(result.is_ok(), goes_on, "{answer:?}");
            assert_eq!(prompt, "3 mails. Go on? [y/N] ");
        }
    }

    #[test]
    fn ids_one_row_a_dry_run_and_yes_need_no_confirmation() {
        let default = ChangeArgs::default();
        let dry_run = ChangeArgs { dry_run: true, ..ChangeArgs::default() };
        let yes = ChangeArgs { yes: true, ..ChangeArgs::default() };
        for (args, by_filter, rows) in [(&default, false, 3), (&default, true, 1), (&dry_run, true, 3), (&yes, true, 3)]
        {
            let (result, prompt) = confirm_with_answer(args, "", by_filter, rows);
            assert!(result.is_ok() && prompt.is_empty());
        }
    }

    #[test]
    fn without_a_terminal_a_confirmation_is_a_usage_error() {
        let no_terminal: Option<(&[u8], Vec<u8>)> = None;
        let error = ChangeArgs::default().confirm_on(no_terminal, true, 2, "2 mails").unwrap_err();
        assert!(error.is::<UsageError>() && error.to_string().contains("--yes"), "{error}");
    }

    #[test]
    fn a_change_selects_rows_by_ids_or_by_filters() {
        let ids = ["a".to_owned()];
        assert!(!is_by_filter(&ids, false, "").unwrap());
        assert!(is_by_filter(&[], true, "").unwrap());
        assert!(is_by_filter(&ids, true, "").is_err());
        assert!(is_by_filter(&[], false, "--state failed").unwrap_err().to_string().contains("--state failed"));
    }

    #[test]
    fn a_note_is_one_short_line() {
        assert!(parse_note("as agreed with Grace").is_ok());
        assert!(parse_note("two\nlines").is_err() && parse_note(&"x".repeat(501)).is_err());
    }

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
