//! How a process ends: signals, the stages of a shutdown, and the tasks of each stage.
//!
//! Every task belongs to a [`Stage`]. The first SIGTERM or SIGINT stops the tasks of the first stage.
//! Each later stage is stopped when all tasks of the stage before it have returned, so that a task can
//! use the later stages until its own end. All stages together have the grace period.
//!
//! A second signal ends the process at once. So does a panic in one of the tasks: see [`crate::panics`].

use std::{
    collections::BTreeMap,
    future::Future,
    io, process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use crate::ops::Health;

/// The stages of a shutdown, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Takes new work, such as requests, records and due mails. When it is stopped, it takes no more and
    /// finishes the work in progress.
    Intake,
    /// Works off the queues that the intake has filled.
    Queues,
    /// Serves the stages before it: publishes their events, refreshes keys, watches servers.
    Support,
    /// Answers `/livez`, `/readyz` and `/metrics` until everything else has ended.
    Ops,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Intake, Self::Queues, Self::Support, Self::Ops];
}

/// The stages of a shutdown and their tasks. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle(Arc<LifecycleState>);

#[derive(Debug, Default)]
struct LifecycleState {
    stages: [StageState; Stage::ALL.len()],
    running: Mutex<BTreeMap<u64, &'static str>>,
    next: AtomicU64,
    failure: Mutex<Option<anyhow::Error>>,
}

#[derive(Debug, Default)]
struct StageState {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Lifecycle {
    /// Creates the lifecycle of a running process without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the stop signal of [`Stage::Intake`], which the first signal cancels. The application may
    /// cancel it too, to stop for another reason.
    pub fn stopping(&self) -> CancellationToken {
        self.0.stage(Stage::Intake).stop.clone()
    }

    /// Starts a task of `stage`; `task` gets the stop signal of the stage. The log uses `name` if the
    /// task does not end in time.
    pub fn spawn<F>(&self, stage: Stage, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stage = self.0.stage(stage);
        let running = RunningTask::register(Arc::clone(&self.0), name);
        let task = task(stage.stop.clone());
        let task = async move {
            let _running = running;
            task.await;
        };
        stage.tasks.spawn(task.instrument(tracing::info_span!("task", task = name)));
    }

    /// Stops the process because a task cannot continue. [`Lifecycle::run`] returns the first failure.
    pub fn fail(&self, error: anyhow::Error) {
        lock(&self.0.failure).get_or_insert(error);
        self.stopping().cancel();
    }

    /// Starts to listen for SIGTERM and SIGINT. A second signal ends the process at once, with
    /// exit code 128 plus the signal's number: 143 or 130.
    ///
    /// # Errors
    /// Returns an error if the signal handlers cannot be installed.
    ///
    /// # Panics
    /// Panics outside a Tokio runtime.
    pub fn watch_signals(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stopping = self.stopping();
        #[expect(clippy::disallowed_methods, reason = "it waits for a second signal until the process ends")]
        tokio::spawn(async move {
            let mut seen = false;
            loop {
                let (name, code) = tokio::select! {
                    _ = terminate.recv() => ("SIGTERM", 143),
                    _ = interrupt.recv() => ("SIGINT", 130),
                };
                if seen {
                    tracing::warn!(signal = name, "second signal: the process ends at once");
                    process::exit(code);
                }
                seen = true;
                tracing::info!(signal = name, "stopping; a second signal ends the process at once");
                stopping.cancel();
            }
        });
        Ok(())
    }

    /// Waits for the first signal or failure, reports in `health` that the process stops, and stops the
    /// stages within the grace period.
    ///
    /// # Errors
    /// Returns the first failure.
    pub async fn run(&self, health: &Health, grace: Duration) -> anyhow::Result<()> {
        self.stopping().cancelled().await;
        health.stop();
        self.finish(grace).await;
        tracing::info!("stopped");
        lock(&self.0.failure).take().map_or(Ok(()), Err)
    }

    /// Stops the stages one after the other, and waits at most for `grace` until all tasks have
    /// returned. Returns false if some have not; the log names them.
    pub async fn finish(&self, grace: Duration) -> bool {
        let stop_in_order = async {
            for stage in &self.0.stages {
                stage.stop.cancel();
                stage.tasks.close();
                stage.tasks.wait().await;
            }
        };
        if timeout(grace, stop_in_order).await.is_ok() {
            return true;
        }
        let left = self.0.names();
        tracing::warn!(tasks = ?left, ?grace, "tasks did not end within the grace period");
        false
    }
}

impl LifecycleState {
    fn stage(&self, stage: Stage) -> &StageState {
        &self.stages[stage as usize]
    }

    fn names(&self) -> Vec<&'static str> {
        lock(&self.running).values().copied().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The entry of a running task. It is removed when the task's future is dropped.
struct RunningTask {
    inner: Arc<LifecycleState>,
    id: u64,
}

impl RunningTask {
    fn register(inner: Arc<LifecycleState>, name: &'static str) -> Self {
        let id = inner.next.fetch_add(1, Ordering::Relaxed);
        lock(&inner.running).insert(id, name);
        Self { inner, id }
    }
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        lock(&self.inner.running).remove(&self.id);
    }
}

#[cfg(test)]
mod tests;
