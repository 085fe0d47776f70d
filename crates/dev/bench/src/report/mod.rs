//! The results, rows and plots, as text, as JSON, and in the documentation.

mod markdown;
mod plot;
mod row;

use std::{fmt, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;

pub(crate) use self::{
    plot::{Plot, PlotLine},
    row::{Goal, Row},
};
use crate::machine::Machine;

/// The results of one run.
#[derive(Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    machine: Machine,
    /// Whether the run only tests the benchmark, so that the figures are not meaningful.
    quick: bool,
    rows: Vec<Row>,
    #[serde(skip)]
    plots: Vec<Plot>,
}

/// The results of one group of measurements.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) rows: Vec<Row>,
    pub(crate) plots: Vec<Plot>,
}

impl From<Vec<Row>> for Findings {
    fn from(rows: Vec<Row>) -> Self {
        Self { rows, plots: Vec::new() }
    }
}

impl Report {
    pub(crate) fn new(machine: Machine, quick: bool) -> Self {
        Self { machine, quick, rows: Vec::new(), plots: Vec::new() }
    }

    pub(crate) fn extend(&mut self, findings: Findings) {
        for row in &findings.rows {
            eprintln!("{row}");
        }
        self.rows.extend(findings.rows);
        self.plots.extend(findings.plots);
    }

    pub(crate) fn write_json(&self, path: &Path) -> Result<()> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let text = serde_json::to_string_pretty(self)?;
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the table between the markers, and the plots into `images/` beside the file.
    pub(crate) fn write_markdown(&self, path: &Path) -> Result<()> {
        markdown::write(path, &self.machine, &self.rows)?;
        let images = path.with_file_name("images");
        fs::create_dir_all(&images)?;
        self.plots.iter().try_for_each(|plot| plot.write(&images))
    }
}

/// Formats the table for a terminal.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; {}", self.machine.machine, self.machine.commit)?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))?;
        if self.quick {
            writeln!(f, "(a quick run tests the benchmark itself; its figures are not meaningful)")?;
        }
        Ok(())
    }
}
