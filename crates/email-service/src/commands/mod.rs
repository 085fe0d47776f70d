//! The command line: one file for each command except `serve`.

mod cli;
pub mod dead_letters;
pub mod filter_args;
pub mod keygen;
pub mod mail;
pub mod operator_change;
pub mod preview;
mod stores;
pub mod suppressions;
pub mod time_arg;

use std::io::{self, Write as _};

pub use cli::{Cli, run};
use service_kit::cli::print_line;
pub use stores::Stores;

/// Writes a table whose columns are as wide as their longest cell.
///
/// # Errors
/// Returns an error if it cannot be written.
pub fn print_table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = io::stdout().lock();
    for row in std::iter::once(header.map(str::to_owned)).chain(rows.iter().cloned()) {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}
