//! Writes the table into a Markdown file, between its markers.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::Row;
use crate::machine::Machine;

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// Replaces the table between the markers.
///
/// # Errors
/// Returns an error when the file cannot be read or written, or lacks the markers.
pub(super) fn write(path: &Path, machine: &Machine, rows: &[Row]) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let updated = replaced(&text, &table(machine, rows));
    let updated = updated.with_context(|| format!("{} has no {BEGIN} and {END}", path.display()))?;
    fs::write(path, updated).with_context(|| format!("cannot write {}", path.display()))
}

fn replaced(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}

fn table(machine: &Machine, rows: &[Row]) -> String {
    let mut text = format!("{}; commit {}.\n\n", machine.machine, machine.commit);
    text += "| measure | ours | limit | ratio | goal | | remark |\n|---|---:|---:|---:|---|---|---|\n";
    for row in rows {
        text += &format!("| {} | {} |\n", row.cells().join(" | "), row.remark());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_replaced_and_the_text_around_it_stays() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        assert_eq!(replaced(&text, "new\n").unwrap(), format!("before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"));
        assert_eq!(replaced("text", "new"), None);
    }
}
