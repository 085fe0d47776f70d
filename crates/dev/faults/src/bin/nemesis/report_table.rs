//! The table of runs in a Markdown file, one row for each seed.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};

use crate::summary::Summary;

const BEGIN: &str = "<!-- faults:begin -->";
const END: &str = "<!-- faults:end -->";
const TABLE_HEAD: &str = "\
| seed | minutes | operations | without answer | faults | events | published again | mails | sent again | dead letters | lost | doubled |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

/// Writes the row of this run. It replaces the row with the same seed; other rows stay.
///
/// # Errors
/// Returns an error when the file cannot be read or written, or lacks the markers.
pub(crate) fn update(path: &Path, summary: &Summary) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let updated = with_row(&text, summary.seed, &row(summary));
    let updated = updated.with_context(|| format!("{} has no {BEGIN} and {END}", path.display()))?;
    fs::write(path, updated).with_context(|| format!("cannot write {}", path.display()))
}

fn row(summary: &Summary) -> String {
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
    let figures: Vec<String> = figures.iter().map(ToString::to_string).collect();
    format!("| {} | {} |", summary.seed, figures.join(" | "))
}

fn with_row(text: &str, seed: u64, row: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (table, after) = rest.split_once(END)?;
    let seed_of = |line: &str| line.split('|').nth(1)?.trim().parse::<u64>().ok();
    let mut rows: BTreeMap<u64, &str> = table.lines().filter_map(|line| Some((seed_of(line)?, line))).collect();
    rows.insert(seed, row);
    let rows: Vec<&str> = rows.into_values().collect();
    Some(format!("{before}{BEGIN}\n\n{TABLE_HEAD}{}\n\n{END}{after}", rows.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_by_seed_and_the_surrounding_text_is_kept() {
        let empty = format!("before\n{BEGIN}\n{END}\nafter\n");
        let one = with_row(&empty, 7, "| 7 | old |").unwrap();
        let two = with_row(&one, 3, "| 3 | x |").unwrap();
        let three = with_row(&two, 7, "| 7 | new |").unwrap();
        assert_eq!(three, format!("before\n{BEGIN}\n\n{TABLE_HEAD}| 3 | x |\n| 7 | new |\n\n{END}\nafter\n"));
    }

    #[test]
    fn a_file_without_markers_is_left_alone() {
        assert_eq!(with_row("text", 1, "| 1 |"), None);
    }
}
