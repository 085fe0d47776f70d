//! The nemesis: several replicas of both services, steady load of all flows, and random faults. Afterwards
//! everything is healed, the run waits until the system is idle, and the checker judges the recorded history. The
//! schedule of the faults depends on the seed alone. With `--cluster`, the services depend on a replica set and a
//! Kafka cluster, whose faults are injected too.

mod cluster_injection;
mod cluster_schedule;
mod consumer_schedule;
mod consumers;
mod copies;
mod deployment;
mod each_fault;
mod fault_injection;
mod group_generations;
mod lane;
mod load;
mod midway;
mod nemesis_run;
mod observers;
mod poison_records;
mod process_samples;
mod report_table;
mod run_end;
mod schedule;
mod summary;

use std::{fs, path::PathBuf, process::ExitCode};

use ::faults::checker::History;
use clap::Parser;

/// Injects random faults under steady load and judges the recorded history.
#[derive(Parser)]
#[command(name = "scripts/faults")]
pub(crate) struct Arguments {
    /// How long faults are injected, in minutes.
    #[arg(long, default_value_t = 1)]
    minutes: u32,
    /// The seed of the fault schedule. Without it, each run uses a random seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Writes a row of figures into the table of this Markdown file, between the markers `<!-- faults:begin -->` and
    /// `<!-- faults:end -->`; on clusters `cluster:begin`, with --each `cluster-faults:begin`. Only a run that kept
    /// every promise, reached every goal, became idle and skipped no fault is written.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Uses a replica set of three members, three Kafka brokers and two replicas of each service.
    #[arg(long)]
    cluster: bool,
    /// Injects the faults of clusters one after the other, each alone.
    #[arg(long, requires = "cluster", conflicts_with = "minutes")]
    each: bool,
    /// Injects only this fault of a cluster, alone; can be repeated.
    #[arg(long = "fault", value_name = "NUMBER", requires = "cluster", conflicts_with_all = ["minutes", "each"],
        value_parser = clap::value_parser!(u32).range(27..=37))]
    faults: Vec<u32>,
    /// Starts the consumers of the topic of states too, and injects their faults. At the end, each of their copies must
    /// equal the users.
    #[arg(long, conflicts_with_all = ["each", "faults"])]
    consumers: bool,
    /// Starts without the topic of states, and switches it on in the middle of the run, followed by a snapshot.
    #[arg(long, conflicts_with_all = ["each", "faults"])]
    late_states: bool,
    /// Judges the `history.json` of an earlier run again, without running anything.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["minutes", "seed", "report", "cluster",
        "consumers", "late_states"])]
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
    let is_on_clusters = !history.elections.is_empty();
    let recovery = is_on_clusters.then(|| ::faults::checker::measure_recovery(&history));
    if let Some(recovery) = &recovery {
        print!("{recovery}");
    }
    Ok(report.is_clean() && recovery.is_none_or(|recovery| recovery.is_clean()))
}
