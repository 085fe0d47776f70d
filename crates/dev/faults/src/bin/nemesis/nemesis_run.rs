//! One nemesis run: load and faults, healing, checking, reporting.

use std::{fs, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use faults::checker::{History, Report};
use faults::{collect_history, try_wait_until_idle};
use futures_util::future::join_all;
use service_kit::Ids;
use test_support::Stack;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    Arguments,
    deployment::Deployment,
    fault_injection::{heal, inject},
    load, process_samples, report_table,
    schedule::{PlannedFault, schedule},
    summary::Summary,
};

/// How long the run waits after healing until the system is idle.
const IDLE_DEADLINE: Duration = Duration::from_secs(300);

/// Runs the nemesis. Returns whether every promise was kept.
///
/// # Errors
/// Returns an error when the run cannot be carried out or reported.
pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    let seed = arguments.seed.unwrap_or_else(random_seed);
    println!("seed {seed}, {} minute(s)", arguments.minutes);
    let length = Duration::from_secs(60 * u64::from(arguments.minutes));
    let stack = Stack::from_env();
    let deployment = Arc::new(Deployment::start(&stack).await?);
    let stop = CancellationToken::new();
    let samples = tokio::spawn(process_samples::sample_processes(Arc::clone(&deployment), stop.clone()));
    let load = load::start(&deployment, seed, &stop);
    let done = inject_schedule(&deployment, schedule(seed, length), Instant::now(), length).await;

    println!("healing");
    heal(&deployment).await;
    stop.cancel();
    load.join_all().await;
    let began = Instant::now();
    let not_idle = try_wait_until_idle(&deployment.run, IDLE_DEADLINE).await.err();
    println!("idle after {:.1} s", began.elapsed().as_secs_f64());
    let mut history = collect_history(&deployment.run).await;
    history.samples = samples.await.context("sampling")?;

    let report = faults::checker::check(&history);
    let summary = Summary::new(seed, arguments.minutes, &history, &done, &report);
    println!("{summary}\n{report}");
    let clean = report.is_clean() && not_idle.is_none();
    if let Some(not_idle) = not_idle {
        println!("{not_idle}");
    }
    if !clean {
        save_history(&stack, &history, &report)?;
    }
    if let Some(path) = &arguments.report {
        report_table::update(path, &summary)?;
    }
    Ok(clean)
}

/// Returns a random seed that is short enough to be typed.
fn random_seed() -> u64 {
    Ids::random().v4().as_u64_pair().0 >> 32
}

/// Injects every planned fault at its time. Returns those that this machine could inject.
async fn inject_schedule(
    deployment: &Deployment,
    planned: Vec<PlannedFault>,
    began: Instant,
    length: Duration,
) -> Vec<PlannedFault> {
    let faults = planned.into_iter().enumerate().map(|(nth, planned)| async move {
        sleep_until(began + planned.at).await;
        println!("{planned}");
        inject(deployment, &planned, nth).await.then_some(planned)
    });
    let (done, ()) = tokio::join!(join_all(faults), sleep_until(began + length));
    done.into_iter().flatten().collect()
}

/// Saves the history and the report next to the logs, for `--judge`.
fn save_history(stack: &Stack, history: &History, report: &Report) -> Result<()> {
    let directory = stack.directory().join("logs");
    fs::create_dir_all(&directory)?;
    let path = directory.join("history.json");
    fs::write(&path, serde_json::to_vec(history)?).with_context(|| format!("cannot write {}", path.display()))?;
    fs::write(directory.join("report.txt"), report.to_string())?;
    println!("the history was saved: scripts/faults --judge {}", path.display());
    Ok(())
}
