//! How a process ends: signals, the phases of a shutdown, background tasks.
//!
//! 1. The first SIGTERM or SIGINT cancels [`Lifecycle::stopping`]: listeners and consumers stop
//!    taking new work; work in progress continues.
//! 2. When they have stopped, the application cancels [`Lifecycle::drained`]: background workers
//!    finish their queues and return.
//! 3. [`Lifecycle::finish`] waits for the background tasks, at most for the grace period.
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

/// The phases of a shutdown and the tasks that it waits for. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle(Arc<LifecycleState>);

#[derive(Debug, Default)]
struct LifecycleState {
    stopping: CancellationToken,
    drained: CancellationToken,
    tasks: TaskTracker,
    running: Mutex<BTreeMap<u64, &'static str>>,
    next: AtomicU64,
}

impl Lifecycle {
    /// Creates the lifecycle of a running process without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the token that the first signal cancels: take no new work. The application may
    /// cancel it too, to stop for another reason.
    pub fn stopping(&self) -> CancellationToken {
        self.0.stopping.clone()
    }

    /// Returns the token that the application cancels once nothing more is queued: finish the
    /// queue and return.
    pub fn drained(&self) -> CancellationToken {
        self.0.drained.clone()
    }

    /// Starts a task that [`Lifecycle::finish`] waits for. The log uses `name` if the task does
    /// not end in time.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = RunningTask::register(self.0.clone(), name);
        let task = async move {
            let _running = running;
            task.await;
        };
        self.0.tasks.spawn(task.instrument(tracing::info_span!("task", task = name)));
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

    /// Cancels both tokens if necessary, and waits at most for `grace` until all tasks have
    /// returned. Returns false if some have not; the log names them.
    pub async fn finish(&self, grace: Duration) -> bool {
        self.0.stopping.cancel();
        self.0.drained.cancel();
        self.0.tasks.close();
        if timeout(grace, self.0.tasks.wait()).await.is_ok() {
            return true;
        }
        let left = self.0.names();
        tracing::warn!(tasks = ?left, ?grace, "tasks did not end within the grace period");
        false
    }
}

impl LifecycleState {
    fn names(&self) -> Vec<&'static str> {
        self.running().values().copied().collect()
    }

    fn running(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, &'static str>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The entry of a running task. It is removed when the task's future is dropped.
struct RunningTask {
    inner: Arc<LifecycleState>,
    id: u64,
}

impl RunningTask {
    fn register(inner: Arc<LifecycleState>, name: &'static str) -> Self {
        let id = inner.next.fetch_add(1, Ordering::Relaxed);
        inner.running().insert(id, name);
        Self { inner, id }
    }
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        self.inner.running().remove(&self.id);
    }
}

#[cfg(test)]
mod tests;
