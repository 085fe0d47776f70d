//! One run: load and faults, peace, judgement, report.

use std::{fs, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use faults::checker::{History, Report};
use faults::{collect, try_settle};
use futures_util::future::join_all;
use service_kit::Ids;
use test_support::Stack;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    Arguments,
    cast::Cast,
    faults::{heal, inflict},
    load, samples,
    schedule::{Planned, schedule},
    summary::Summary,
    table,
};

/// For everything that was begun to come to its end.
const REST: Duration = Duration::from_secs(300);

/// Runs, and says whether every promise was kept.
///
/// # Errors
/// When it could not be run or reported.
pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    let seed = arguments.seed.unwrap_or_else(any_seed);
    println!("seed {seed}, {} minute(s)", arguments.minutes);
    let length = Duration::from_secs(60 * u64::from(arguments.minutes));
    let stack = Stack::from_env();
    let cast = Arc::new(Cast::start(&stack).await?);
    let stop = CancellationToken::new();
    let samples = tokio::spawn(samples::collect(Arc::clone(&cast), stop.clone()));
    let load = load::start(&cast, seed, &stop);
    let done = harm(&cast, schedule(seed, length), Instant::now(), length).await;

    println!("healing");
    heal(&cast).await;
    stop.cancel();
    load.join_all().await;
    let began = Instant::now();
    let unsettled = try_settle(&cast.run, REST).await.err();
    println!("at rest after {:.1} s", began.elapsed().as_secs_f64());
    let mut history = collect(&cast.run).await;
    history.samples = samples.await.context("sampling")?;

    let report = faults::checker::check(&history);
    let summary = Summary::of(seed, arguments.minutes, &history, &done, &report);
    println!("{summary}\n{report}");
    let clean = report.is_clean() && unsettled.is_none();
    if let Some(unsettled) = unsettled {
        println!("{unsettled}");
    }
    if !clean {
        keep(&stack, &history, &report)?;
    }
    if let Some(path) = &arguments.report {
        table::update(path, &summary)?;
    }
    Ok(clean)
}

/// Another one each time, short enough to be typed again.
fn any_seed() -> u64 {
    Ids::random().v4().as_u64_pair().0 >> 32
}

/// Every fault at its time; returns those that this machine could do.
async fn harm(cast: &Cast, planned: Vec<Planned>, began: Instant, length: Duration) -> Vec<Planned> {
    let faults = planned.into_iter().enumerate().map(|(nth, planned)| async move {
        sleep_until(began + planned.at).await;
        println!("{planned}");
        inflict(cast, &planned, nth).await.then_some(planned)
    });
    let (done, ()) = tokio::join!(join_all(faults), sleep_until(began + length));
    done.into_iter().flatten().collect()
}

/// Beside the logs, for `--judge`.
fn keep(stack: &Stack, history: &History, report: &Report) -> Result<()> {
    let directory = stack.directory().join("logs");
    fs::create_dir_all(&directory)?;
    let path = directory.join("history.json");
    fs::write(&path, serde_json::to_vec(history)?).with_context(|| format!("cannot write {}", path.display()))?;
    fs::write(directory.join("report.txt"), report.to_string())?;
    println!("the history is kept: scripts/faults --judge {}", path.display());
    Ok(())
}
