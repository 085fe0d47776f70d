//! The parts that all changes of mails and dead letters share: the selection of rows, the
//! confirmation, and the change of each row.

use std::{
    collections::{HashMap, HashSet},
    io::{self, BufRead, IsTerminal as _, Write},
};

use anyhow::bail;
use futures_util::future::join_all;
use jiff::Timestamp;
use service_kit::{cli::UsageError, mongo::StoreError};

use super::{Stores, change_report::ChangeReport};

const MAX_NOTE_CHARS: usize = 500;

/// The rows that a command changes, and the options of the change.
#[derive(Debug, Clone, clap::Args)]
pub struct ChangeArgs<F: clap::Args> {
    /// The ids of the rows; or use filters
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    pub(super) filter: F,
    /// The maximum number of rows that match a filter, the oldest first
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    options: ChangeOptions,
}

/// The options of a changing command.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ChangeOptions {
    /// Say what would happen, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask for confirmation
    #[arg(long, short = 'y')]
    yes: bool,
    /// The reason, for the history: at most 500 characters
    #[arg(long, value_parser = parse_note)]
    pub(super) note: Option<String>,
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

impl ChangeOptions {
    /// Requests a confirmation before a change of several rows that a filter has found. `summary`
    /// says what would happen.
    ///
    /// # Errors
    /// Returns a [`UsageError`] without a terminal, another error if the answer is no.
    fn confirm(&self, by_filter: bool, rows: usize, summary: &str) -> anyhow::Result<()> {
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

/// A row that operators change.
pub(super) trait Row: Sized {
    type Filter: clap::Args + Default + PartialEq;

    const UNKNOWN_ID: &'static str;
    /// For the error of a command without ids and filters.
    const FILTER_EXAMPLE: &'static str;

    /// Returns a filter that matches the rows with these ids.
    fn filter_by_ids(ids: &[String]) -> Self::Filter;

    /// Returns the rows that match, the oldest first; all of them if `limit` is 0.
    async fn find(stores: &Stores, filter: &Self::Filter, now: Timestamp, limit: i64) -> Result<Vec<Self>, StoreError>;

    async fn count(stores: &Stores, filter: &Self::Filter, now: Timestamp) -> Result<u64, StoreError>;

    fn id(&self) -> &str;

    /// Returns the name of its state.
    fn state(&self) -> &'static str;
}

/// A change of rows by an operator.
pub(super) trait Change {
    type Row: Row;

    /// The number of rows that are changed at the same time.
    const CONCURRENCY: usize;
    /// What an operator does about a row whose outcome is unknown.
    const IF_UNKNOWN: &'static str;

    /// Checks whether the row can be changed.
    ///
    /// # Errors
    /// Returns the reason why not.
    fn check(&self, row: &Self::Row) -> Result<(), String>;

    /// Returns the text of the confirmation.
    fn summary(&self, rows: &[Self::Row]) -> String;

    /// Changes the row, or only says what would happen if `options.dry_run`.
    async fn apply(&self, stores: &Stores, row: &Self::Row, options: &ChangeOptions) -> Result<RowOutcome, StoreError>;
}

/// The outcome of a change of one row.
pub(super) enum RowOutcome {
    Done { to: &'static str, detail: Option<String> },
    Unchanged(String),
}

/// Applies the change to the selected rows, and prints a report. After a store error the remaining
/// rows are not tried.
///
/// # Errors
/// Returns an error if one of the rows is not changed.
pub(super) async fn run<C: Change>(
    stores: &Stores,
    change: &C,
    args: &ChangeArgs<<C::Row as Row>::Filter>,
    json: bool,
) -> anyhow::Result<()> {
    let mut report = ChangeReport::default();
    let mut possible = Vec::new();
    for row in select::<C::Row>(stores, args, &mut report).await? {
        match change.check(&row) {
            Ok(()) => possible.push(row),
            Err(why) => report.unchanged(row.id(), Some(row.state()), &why),
        }
    }
    args.options.confirm(args.ids.is_empty(), possible.len(), &change.summary(&possible))?;
    let mut is_reachable = true;
    for rows in possible.chunks(C::CONCURRENCY) {
        if !is_reachable {
            rows.iter().for_each(|row| report.unchanged(row.id(), Some(row.state()), "not tried"));
            continue;
        }
        let outcomes = join_all(rows.iter().map(|row| change.apply(stores, row, &args.options))).await;
        for (row, outcome) in rows.iter().zip(outcomes) {
            let from = Some(row.state());
            match outcome {
                Ok(RowOutcome::Done { to, detail }) => {
                    report.done(args.options.dry_run, row.id(), (from, Some(to)), detail);
                }
                Ok(RowOutcome::Unchanged(why)) => report.unchanged(row.id(), from, &why),
                Err(error) => {
                    is_reachable = false;
                    let why = format!("the outcome is unknown, {}: {error}", C::IF_UNKNOWN);
                    report.unchanged(row.id(), from, &why);
                }
            }
        }
    }
    report.print(json)
}

/// Returns the selected rows: those that match the filter, or those with the given ids, in their
/// order.
async fn select<R: Row>(
    stores: &Stores,
    args: &ChangeArgs<R::Filter>,
    report: &mut ChangeReport,
) -> anyhow::Result<Vec<R>> {
    let now = stores.clock.now();
    if is_by_filter(&args.ids, args.filter != R::Filter::default(), R::FILTER_EXAMPLE)? {
        let found = R::find(stores, &args.filter, now, i64::from(args.limit)).await?;
        if found.len() == usize::try_from(args.limit)? {
            report.more = R::count(stores, &args.filter, now).await?.saturating_sub(u64::from(args.limit));
        }
        return Ok(found);
    }
    let found = R::find(stores, &R::filter_by_ids(&args.ids), now, 0).await?;
    let mut found: HashMap<String, R> = found.into_iter().map(|row| (row.id().to_owned(), row)).collect();
    let mut selected = Vec::new();
    let mut seen = HashSet::new();
    for id in args.ids.iter().filter(|id| seen.insert(id.as_str())) {
        match found.remove(id) {
            Some(row) => selected.push(row),
            None => report.unchanged(id, None, R::UNKNOWN_ID),
        }
    }
    Ok(selected)
}

/// Returns whether the rows are selected by filters, and not by ids.
///
/// # Errors
/// Returns a [`UsageError`] for both, and for neither: a change of all rows needs a filter.
fn is_by_filter(ids: &[String], filters: bool, example: &str) -> Result<bool, UsageError> {
    match (ids.is_empty(), filters) {
        (false, false) => Ok(false),
        (true, true) => Ok(true),
        (false, true) => Err(UsageError("use either ids or filters, not both".to_owned())),
        (true, false) => Err(UsageError(format!("name ids, or use filters such as {example}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirm_with_answer(
        args: &ChangeOptions,
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
        let args = ChangeOptions::default();
        for (answer, goes_on) in [("y\n", true), ("YES\n", true), ("\n", false), ("", false), ("no\n", false)] {
            let (result, prompt) = confirm_with_answer(&args, answer, true, 3);
            assert_eq!(result.is_ok(), goes_on, "{answer:?}");
            assert_eq!(prompt, "3 mails. Go on? [y/N] ");
        }
    }

    #[test]
    fn ids_one_row_a_dry_run_and_yes_need_no_confirmation() {
        let default = ChangeOptions::default();
        let dry_run = ChangeOptions { dry_run: true, ..ChangeOptions::default() };
        let yes = ChangeOptions { yes: true, ..ChangeOptions::default() };
        for (args, by_filter, rows) in [(&default, false, 3), (&default, true, 1), (&dry_run, true, 3), (&yes, true, 3)]
        {
            let (result, prompt) = confirm_with_answer(args, "", by_filter, rows);
            assert!(result.is_ok() && prompt.is_empty());
        }
    }

    #[test]
    fn without_a_terminal_a_confirmation_is_a_usage_error() {
        let no_terminal: Option<(&[u8], Vec<u8>)> = None;
        let error = ChangeOptions::default().confirm_on(no_terminal, true, 2, "2 mails").unwrap_err();
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
}
