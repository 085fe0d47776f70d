//! The nemesis: several replicas of both services, steady load of all flows, faults at
//! random; then everything heals, comes to rest, and is judged. The schedule of the faults
//! follows from the seed alone.

mod cluster;
mod fault_injection;
mod load;
mod nemesis_run;
mod poison_records;
mod process_samples;
mod report_table;
mod schedule;
mod summary;

use std::{fs, path::PathBuf, process::ExitCode};

use ::faults::checker::History;
use clap::Parser;

/// Random faults at steady load, and the judgement on what was recorded.
#[derive(Parser)]
#[command(name = "scripts/faults")]
pub(crate) struct Arguments {
    /// For how long faults are injected, in minutes.
    #[arg(long, default_value_t = 1)]
    minutes: u32,
    /// What the schedule of the faults follows from; another one each time if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Writes a row of figures into the table of this Markdown file, between the markers
    /// `<!-- faults:begin -->` and `<!-- faults:end -->`.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Judges the `history.json` of an earlier run again, and runs nothing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["minutes", "seed", "report"])]
    judge: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let promises_kept = match &arguments.judge {
        Some(path) => check_saved_history(path),
        None => nemesis_run::run(&arguments).await,
    };
    match promises_kept {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check_saved_history(path: &PathBuf) -> anyhow::Result<bool> {
    let history: History = serde_json::from_slice(&fs::read(path)?)?;
    let report = ::faults::checker::check(&history);
    print!("{report}");
    Ok(report.is_clean())
}
