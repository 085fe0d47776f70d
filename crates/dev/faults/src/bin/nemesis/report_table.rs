//! The tables of runs in a Markdown file. Each row begins with its key: the seed of a run, or the number of a fault.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use faults::checker::seconds;

use crate::{each_fault::FaultLine, summary::Summary};

/// A table between two markers.
struct Table {
    begin: &'static str,
    end: &'static str,
    head: &'static str,
}

/// The runs on single nodes.
const RUNS: Table = Table {
    begin: "<!-- faults:begin -->",
    end: "<!-- faults:end -->",
    head: "\
| seed | minutes | operations | without answer | faults | events | published again | mails | sent again | dead letters | lost | doubled |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
",
};

/// The runs on clusters.
const CLUSTER_RUNS: Table = Table {
    begin: "<!-- cluster:begin -->",
    end: "<!-- cluster:end -->",
    head: "\
| seed | minutes | operations | without answer | faults | events | published again | mails | sent again | dead letters | lost | doubled | slowest request | fault to write | election to write | heal to ready |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
",
};

/// The faults of clusters, each alone.
const CLUSTER_FAULTS: Table = Table {
    begin: "<!-- cluster-faults:begin -->",
    end: "<!-- cluster-faults:end -->",
    head: "\
| # | fault | operations | refused | without answer | slowest request | fault to write | elections | election to write | of it MongoDB | heal to ready | result |
|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|
",
};

/// Writes the row of a run. It replaces the row with the same seed; other rows stay.
///
/// # Errors
/// Returns an error when the file cannot be read or written, or lacks the markers.
pub(crate) fn update_runs(path: &Path, summary: &Summary) -> Result<()> {
    let table = if summary.recovery.is_some() { &CLUSTER_RUNS } else { &RUNS };
    table.update(path, &[(summary.seed, run_row(summary))])
}

/// Writes the rows of faults that were injected alone. They replace the rows of the same faults; other rows stay.
///
/// # Errors
/// Returns an error when the file cannot be read or written, or lacks the markers.
pub(crate) fn update_faults(path: &Path, lines: &[FaultLine]) -> Result<()> {
    let rows: Vec<_> = lines.iter().map(|line| (line.number.unwrap_or(0).into(), fault_row(line))).collect();
    CLUSTER_FAULTS.update(path, &rows)
}

fn run_row(summary: &Summary) -> String {
    let figures = [
        summary.minutes as usize,
        summary.operations(),
        summary.unknown(),
        summary.faults(),
        summary.events,
        summary.duplicates,
        summary.mails(),
        summary.resent,
        summary.dead_letters(),
        summary.lost,
        summary.doubled,
    ];
    let mut cells: Vec<String> =
        std::iter::once(summary.seed.to_string()).chain(figures.iter().map(ToString::to_string)).collect();
    if let Some(recovery) = &summary.recovery {
        let worst = recovery.worst.as_ref();
        cells.extend([
            seconds(Some(recovery.slowest)),
            seconds(worst.and_then(|worst| worst.first_write)),
            seconds(worst.and_then(|worst| worst.election_to_write)),
            seconds(worst.and_then(|worst| worst.heal_to_ready)),
        ]);
    }
    row(&cells)
}

fn fault_row(line: &FaultLine) -> String {
    let count = |count: fn(&faults::checker::Recovery) -> usize| {
        line.recovery.as_ref().map_or_else(|| "–".to_owned(), |recovery| count(recovery).to_string())
    };
    let recovery = line.recovery.as_ref();
    row(&[
        line.number.unwrap_or(0).to_string(),
        line.name.clone(),
        count(|recovery| recovery.operations),
        count(|recovery| recovery.refused),
        count(|recovery| recovery.unanswered),
        seconds(recovery.map(|recovery| recovery.slowest)),
        seconds(recovery.and_then(|recovery| recovery.first_write)),
        count(|recovery| recovery.elections),
        seconds(recovery.and_then(|recovery| recovery.election_to_write)),
        seconds(recovery.and_then(|recovery| recovery.election_to_majority)),
        seconds(recovery.and_then(|recovery| recovery.heal_to_ready)),
        line.result.clone(),
    ])
}

fn row(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

impl Table {
    fn update(&self, path: &Path, rows: &[(u64, String)]) -> Result<()> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let updated = self.with_rows(&text, rows);
        let updated = updated.with_context(|| format!("{} has no {} and {}", path.display(), self.begin, self.end))?;
        fs::write(path, updated).with_context(|| format!("cannot write {}", path.display()))
    }

    fn with_rows(&self, text: &str, new: &[(u64, String)]) -> Option<String> {
        let Self { begin, end, head } = self;
        let (before, rest) = text.split_once(begin)?;
        let (table, after) = rest.split_once(end)?;
        let key = |line: &str| line.split('|').nth(1)?.trim().parse::<u64>().ok();
        let mut rows: BTreeMap<u64, &str> = table.lines().filter_map(|line| Some((key(line)?, line))).collect();
        rows.extend(new.iter().map(|(key, row)| (*key, row.as_str())));
        let rows: Vec<&str> = rows.into_values().collect();
        Some(format!("{before}{begin}\n\n{head}{}\n\n{end}{after}", rows.join("\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn updated(text: &str, key: u64, row: &str) -> Option<String> {
        RUNS.with_rows(text, &[(key, row.to_owned())])
    }

    #[test]
    fn rows_are_sorted_by_seed_and_the_surrounding_text_is_kept() {
        let Table { begin, end, head } = RUNS;
        let empty = format!("before\n{begin}\n{end}\nafter\n");
        let one = updated(&empty, 7, "| 7 | old |").unwrap();
        let two = updated(&one, 3, "| 3 | x |").unwrap();
        let three = updated(&two, 7, "| 7 | new |").unwrap();
        assert_eq!(three, format!("before\n{begin}\n\n{head}| 3 | x |\n| 7 | new |\n\n{end}\nafter\n"));
    }

    #[test]
    fn each_table_has_its_own_place() {
        let tables = [&RUNS, &CLUSTER_RUNS, &CLUSTER_FAULTS];
        let text: String = tables.iter().map(|table| format!("{}\n{}\n", table.begin, table.end)).collect();
        for table in tables {
            let updated = table.with_rows(&text, &[(1, "| 1 | x |".to_owned())]).unwrap();
            let (before, rest) = updated.split_once(table.begin).unwrap();
            let (inside, after) = rest.split_once(table.end).unwrap();
            assert!(inside.contains("| 1 | x |") && !before.contains("| 1 |") && !after.contains("| 1 |"));
        }
    }

    #[test]
    fn a_row_has_as_many_cells_as_its_head() {
        let line = FaultLine { number: Some(27), name: "x".to_owned(), recovery: None, result: "skipped".to_owned() };
        let cells = |text: &str| text.lines().next().unwrap().matches('|').count();
        assert_eq!(cells(&fault_row(&line)), cells(CLUSTER_FAULTS.head));
    }

    #[test]
    fn a_file_without_markers_is_left_alone() {
        assert_eq!(updated("text", 1, "| 1 |"), None);
    }
}
