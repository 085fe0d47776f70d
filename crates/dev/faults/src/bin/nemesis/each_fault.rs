//! Injects the faults of clusters one after the other, each alone, and prints one line for each.

use std::{collections::BTreeMap, fmt, fs, path::Path, time::Duration};

use anyhow::Result;
use faults::checker::{Goal, History, Operation, Outcome, Promise, Recovery, RecoveryReport, Report, measure_recovery};

use crate::{
    cluster_schedule::{ClusterFault, one_fault},
    midway::Midway,
    nemesis_run::{NemesisRun, publish},
    report_table,
    run_end::RunEnd,
};

/// The length of the load without faults that precedes all faults, for comparison.
const BASELINE: Duration = Duration::from_secs(15);

/// Injects these faults, or all if there are none. Returns whether every promise was kept and every goal was reached.
///
/// # Errors
/// Returns an error when the run cannot be carried out or reported.
pub(crate) async fn run(mut run: NemesisRun, numbers: &[u32], report_file: Option<&Path>) -> Result<bool> {
    let numbers: Vec<u32> = if numbers.is_empty() { ClusterFault::NUMBERS.collect() } else { numbers.to_vec() };
    let (line, mut end) = baseline(&mut run).await;
    let mut lines = vec![line];
    println!("{}", lines[0]);
    let mut before = Counts::default();
    for number in numbers {
        let (planned, length) = one_fault(number);
        let Some(first) = planned.first().cloned() else { continue };
        let round = run.run_round(planned, length, Midway::Nothing).await;
        let (history, report) = run.judge().await;
        let recovery = measure_recovery(&history);
        let now = Counts::new(&report, &recovery);
        let result = result(&round, &before, &now);
        let line = FaultLine {
            number: Some(number),
            name: first.fault.kind().to_owned(),
            recovery: recovery.worst(number),
            result,
        };
        println!("{line}");
        lines.push(line);
        before = now;
        end.add(round);
    }
    let (history, report) = run.judge_all().await?;
    let recovery = measure_recovery(&history);
    println!("\n{report}\n{recovery}");
    lines.iter().for_each(|line| println!("{line}"));
    run.conclude(&end, &history, &report, Some(&recovery))?;
    publish(&end, &report, Some(&recovery), report_file, |path| report_table::update_faults(path, &lines))
}

/// Runs the load without faults.
async fn baseline(run: &mut NemesisRun) -> (FaultLine, RunEnd) {
    let before = ProcessorTime::now();
    let end = run.run_round(Vec::new(), BASELINE, Midway::Nothing).await;
    let idle = ProcessorTime::now().idle_share_since(&before);
    let (history, report) = run.judge().await;
    let mut times: Vec<i64> = history.operations.iter().map(milliseconds).collect();
    times.sort_unstable();
    let percentile = |percent: usize| times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0);
    println!(
        "without faults: {} requests, median {} ms, p95 {} ms, longest {} ms, processors idle {idle} %",
        times.len(),
        percentile(50),
        percentile(95),
        percentile(100)
    );
    let recovery = measure_recovery(&history);
    let result = result(&end, &Counts::default(), &Counts::new(&report, &recovery));
    let line = FaultLine { number: None, name: "none".to_owned(), recovery: Some(undisturbed(&history)), result };
    (line, end)
}

/// Returns the figures of a history without faults.
fn undisturbed(history: &History) -> Recovery {
    let refused = |operation: &&Operation| matches!(&operation.outcome, Outcome::Answered(it) if it.status == 503);
    Recovery {
        number: 0,
        name: String::new(),
        first_write: None,
        elections: 0,
        election_to_write: None,
        election_to_majority: None,
        heal_to_ready: None,
        slowest: history.operations.iter().map(milliseconds).max().unwrap_or(0),
        operations: history.operations.len(),
        refused: history.operations.iter().filter(refused).count(),
        unanswered: history.operations.iter().filter(|it| matches!(it.outcome, Outcome::Unknown { .. })).count(),
    }
}

fn milliseconds(operation: &Operation) -> i64 {
    operation.completed.as_millisecond() - operation.invoked.as_millisecond()
}

/// The line of one fault in the report.
pub(crate) struct FaultLine {
    /// `None` for the load without faults.
    pub(crate) number: Option<u32>,
    pub(crate) name: String,
    /// `None` if the fault was not injected.
    pub(crate) recovery: Option<Recovery>,
    pub(crate) result: String,
}

impl fmt::Display for FaultLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number.map_or_else(|| "–".to_owned(), |number| number.to_string());
        write!(f, "{number:>2} {:<34} {}", self.name, self.result)?;
        match &self.recovery {
            Some(recovery) => write!(f, "; {}", recovery.figures()),
            None => Ok(()),
        }
    }
}

/// How many times each promise was broken and each goal was missed.
#[derive(Default)]
struct Counts {
    broken: BTreeMap<Promise, usize>,
    missed: BTreeMap<Goal, usize>,
}

impl Counts {
    fn new(report: &Report, recovery: &RecoveryReport) -> Self {
        Self {
            broken: report.broken().into_iter().map(|promise| (promise, report.count(promise))).collect(),
            missed: recovery.missed().into_iter().map(|goal| (goal, recovery.count(goal))).collect(),
        }
    }
}

/// Returns what a round adds to the counts before it.
fn result(end: &RunEnd, before: &Counts, now: &Counts) -> String {
    let mut parts = Vec::new();
    parts.extend(end.skipped_line());
    parts.extend(end.failed.clone());
    for (promise, count) in &now.broken {
        let added = count.saturating_sub(before.broken.get(promise).copied().unwrap_or(0));
        parts.extend((added > 0).then(|| format!("{promise} broken {added} ×")));
    }
    for (goal, count) in &now.missed {
        let added = count.saturating_sub(before.missed.get(goal).copied().unwrap_or(0));
        parts.extend((added > 0).then(|| format!("missed {added} ×: {}", goal.sentence())));
    }
    parts.extend(end.not_idle.clone());
    if parts.is_empty() { "kept".to_owned() } else { parts.join("; ") }
}

/// The time of all processors since the start of the machine, in ticks.
struct ProcessorTime {
    idle: u64,
    total: u64,
}

impl ProcessorTime {
    fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|ticks| ticks.parse().ok()).collect();
        // user, nice, system, idle, iowait, …
        Self { idle: ticks.iter().skip(3).take(2).sum(), total: ticks.iter().take(8).sum() }
    }

    /// Returns the idle share since an earlier time, in percent.
    fn idle_share_since(&self, earlier: &Self) -> u64 {
        (self.idle - earlier.idle) * 100 / (self.total - earlier.total).max(1)
    }
}
