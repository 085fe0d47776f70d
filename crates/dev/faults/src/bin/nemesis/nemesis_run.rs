//! A nemesis run: load and faults, healing, checking, reporting.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use faults::checker::{History, InjectedFault, ProcessSample, RecoveryReport, Report, measure_recovery};
use faults::{collect_history, try_wait_until_idle};
use futures_util::future::join_all;
use service_kit::Ids;
use test_support::Stack;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Arguments,
    cluster_schedule::cluster_schedule,
    consumer_schedule::consumer_schedule,
    consumers, copies,
    deployment::{Deployment, Options},
    each_fault,
    fault_injection::{Injection, heal, inject},
    load,
    midway::Midway,
    observers::Observers,
    process_samples, report_table,
    run_end::RunEnd,
    schedule::{PlannedFault, schedule},
    summary::Summary,
};

/// How long the run waits after healing until the system is idle.
const IDLE_DEADLINE: Duration = Duration::from_secs(300);

/// Runs the nemesis. Returns whether every promise was kept and, on clusters, every goal was reached.
///
/// # Errors
/// Returns an error when the run cannot be carried out or reported.
pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    let seed = arguments.seed.unwrap_or_else(random_seed);
    println!("seed {seed}");
    let run = NemesisRun::start(seed, arguments).await?;
    if arguments.each || !arguments.faults.is_empty() {
        return each_fault::run(run, &arguments.faults, arguments.report.as_deref()).await;
    }
    run_schedule(run, arguments).await
}

/// Injects the faults of the seed's schedule.
async fn run_schedule(mut run: NemesisRun, arguments: &Arguments) -> Result<bool> {
    println!("{} minute(s)", arguments.minutes);
    let length = Duration::from_secs(60 * u64::from(arguments.minutes));
    let mut planned = if arguments.cluster { cluster_schedule(run.seed, length) } else { schedule(run.seed, length) };
    planned.extend(consumer_schedule(run.seed, length, run.deployment.consumers.running.len(), !arguments.cluster));
    planned.sort_by_key(|planned| planned.at);
    let midway = if arguments.late_states { Midway::SwitchOnAndSnapshot } else { Midway::Snapshot };
    let mut end = run.run_round(planned, length, midway).await;
    let (history, report) = run.judge_all().await?;
    let copies = if arguments.consumers { Some(copies::compare(&run.deployment, &history).await) } else { None };
    if let Some(copies) = &copies {
        end.failed.extend(copies.differences());
        end.skipped.extend(copies.not_proved());
        end.skipped.extend(run.deployment.consumers.skipped.clone());
    }
    let recovery = arguments.cluster.then(|| measure_recovery(&history));
    let summary = Summary::new(run.seed, arguments.minutes, &history, &report, recovery.as_ref());
    println!("{summary}\n{report}");
    let late = if arguments.late_states { "; topic switched on late" } else { "" };
    copies.iter().for_each(|copies| println!("{copies}{late}; seed {}", run.seed));
    if let Some(recovery) = &recovery {
        println!("{recovery}");
    }
    run.conclude(&end, &history, &report, recovery.as_ref())?;
    publish(&end, &report, recovery.as_ref(), arguments.report.as_deref(), |path| {
        report_table::update_runs(path, &summary)
    })
}

/// A run whose processes have been started.
pub(crate) struct NemesisRun {
    pub(crate) seed: u64,
    stack: Stack,
    deployment: Arc<Deployment>,
    observers: Observers,
    /// Starts consumers again. It ends when this value is dropped.
    _supervisor: JoinSet<()>,
    stop_samples: CancellationToken,
    samples: Option<JoinHandle<Vec<ProcessSample>>>,
    /// The number of finished rounds of load.
    rounds: u64,
    injected: Vec<InjectedFault>,
}

impl NemesisRun {
    async fn start(seed: u64, arguments: &Arguments) -> Result<Self> {
        let stack = Stack::from_env();
        let options = Options { consumers: arguments.consumers, states_later: arguments.late_states };
        let deployment = if arguments.cluster {
            Deployment::start_on_clusters(&stack, options).await?
        } else {
            Deployment::start(&stack, options).await?
        };
        let (deployment, stop_samples) = (Arc::new(deployment), CancellationToken::new());
        let samples = process_samples::sample_processes(Arc::clone(&deployment), stop_samples.clone());
        let mut supervisor = JoinSet::new();
        supervisor.spawn(consumers::supervise(Arc::clone(&deployment)));
        Ok(Self {
            seed,
            stack,
            observers: Observers::start(&deployment).await?,
            _supervisor: supervisor,
            stop_samples,
            samples: Some(tokio::spawn(samples)),
            deployment,
            rounds: 0,
            injected: Vec::new(),
        })
    }

    /// Runs load for this length with these faults, heals everything, and waits until the system is idle.
    pub(crate) async fn run_round(&mut self, planned: Vec<PlannedFault>, length: Duration, midway: Midway) -> RunEnd {
        let stop = CancellationToken::new();
        let load = load::start(&self.deployment, self.seed, self.rounds, &stop);
        self.rounds += 1;
        let mut end = self.inject_schedule(planned, Instant::now(), length, midway).await;
        println!("healing");
        end.failed.extend(heal(&self.deployment).await);
        stop.cancel();
        load.join_all().await;
        let began = Instant::now();
        end.not_idle = try_wait_until_idle(&self.deployment.run, IDLE_DEADLINE).await.err();
        println!("idle after {:.1} s", began.elapsed().as_secs_f64());
        end
    }

    /// Injects every planned fault at its time. Returns those that were skipped and those that failed.
    async fn inject_schedule(
        &mut self,
        planned: Vec<PlannedFault>,
        began: Instant,
        length: Duration,
        midway: Midway,
    ) -> RunEnd {
        let deployment = &self.deployment;
        let faults = planned.into_iter().enumerate().map(|(nth, planned)| async move {
            sleep_until(began + planned.at).await;
            println!("{planned}");
            (planned.fault.kind(), inject(deployment, &planned, nth).await)
        });
        let midway = async {
            sleep_until(began + length / 2).await;
            midway.run(deployment).await
        };
        let (done, (), failed) = tokio::join!(join_all(faults), sleep_until(began + length), midway);
        let mut end = RunEnd { failed, ..RunEnd::default() };
        for (kind, injection) in done {
            match injection {
                Injection::Done(fault) => self.injected.push(fault),
                Injection::Failed(fault, why) => {
                    self.injected.push(fault);
                    end.failed.push(why);
                }
                Injection::Skipped(why) => {
                    end.skipped.insert(format!("{kind}: {why}"));
                }
            }
        }
        self.injected.sort_by_key(|fault| fault.began);
        end
    }

    /// Collects the history so far, without the samples of the processes, and checks it.
    pub(crate) async fn judge(&self) -> (History, Report) {
        let mut history = collect_history(&self.deployment.run).await;
        history.faults.clone_from(&self.injected);
        self.observers.add_to(&mut history);
        let report = faults::checker::check(&history);
        (history, report)
    }

    /// Ends the run, collects its whole history and checks it.
    ///
    /// # Errors
    /// Returns an error if the processes could not be sampled.
    pub(crate) async fn judge_all(&mut self) -> Result<(History, Report)> {
        let (mut history, _) = self.judge().await;
        self.stop_samples.cancel();
        if let Some(samples) = self.samples.take() {
            history.samples = samples.await.context("sampling")?;
        }
        let report = faults::checker::check(&history);
        Ok((history, report))
    }

    /// Prints what failed. If the run was not clean, the history and the report are saved beside the logs, for
    /// `--judge`.
    ///
    /// # Errors
    /// Returns an error if they cannot be saved.
    pub(crate) fn conclude(
        &self,
        end: &RunEnd,
        history: &History,
        report: &Report,
        recovery: Option<&RecoveryReport>,
    ) -> Result<()> {
        end.failed.iter().chain(&end.not_idle).for_each(|problem| println!("{problem}"));
        if end.is_clean(report, recovery) {
            return Ok(());
        }
        save_history(&self.stack, history, report)
    }
}

/// Writes the figures of a clean and complete run into `report_file`, or prints why not. The last line that it prints
/// names the faults that were skipped. Returns whether the run was clean.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub(crate) fn publish(
    end: &RunEnd,
    report: &Report,
    recovery: Option<&RecoveryReport>,
    report_file: Option<&Path>,
    write: impl FnOnce(&Path) -> Result<()>,
) -> Result<bool> {
    if let Some(path) = report_file {
        match end.why_no_row(report, recovery) {
            None => write(path)?,
            Some(why) => println!("{} was not changed: {why}", path.display()),
        }
    }
    if let Some(skipped) = end.skipped_line() {
        println!("{skipped}");
    }
    Ok(end.is_clean(report, recovery))
}

/// Returns a random seed that is short enough to be typed.
fn random_seed() -> u64 {
    Ids::random().v4().as_u64_pair().0 >> 32
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
