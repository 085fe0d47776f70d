//! The command line: one file for each command except `serve`.

mod change_report;
mod cli;
pub mod dead_letters;
pub mod keygen;
pub mod mail;
mod operator_change;
pub mod preview;
mod stores;
pub mod suppressions;

use std::io::{self, Write as _};

pub use cli::{Cli, run};
use jiff::Timestamp;
use serde::Serialize;
use service_kit::cli::print_line;
use stores::Stores;

/// The selection of rows to list.
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs<F: clap::Args> {
    #[command(flatten)]
    filter: F,
    /// The maximum number of rows, the newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Writes rows: as JSON, one object per line, or as a table.
fn print_rows<'a, T, J: Serialize, const N: usize>(
    rows: &'a [T],
    json: bool,
    to_json: impl Fn(&'a T) -> J,
    header: [&str; N],
    cells: impl Fn(&T) -> [String; N],
) -> io::Result<()> {
    if !json {
        return print_table(header, rows, cells);
    }
    for row in rows {
        print_line(serde_json::to_string(&to_json(row))?)?;
    }
    Ok(())
}

/// Writes a table whose columns are as wide as their longest cell.
fn print_table<T, const N: usize>(header: [&str; N], rows: &[T], cells: impl Fn(&T) -> [String; N]) -> io::Result<()> {
    let rows: Vec<[String; N]> = rows.iter().map(cells).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = io::stdout().lock();
    for row in std::iter::once(&header.map(str::to_owned)).chain(&rows) {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(())
}

fn to_the_second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
