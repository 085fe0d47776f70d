//! How a process ends: signals, the phases of a shutdown, background tasks.
//!
//! 1. The first SIGTERM or SIGINT cancels [`Lifecycle::stopping`]: intake ends
//!    (listeners, consumers), what is under way goes on.
//! 2. When intake has ended, the application cancels [`Lifecycle::drained`]:
//!    background workers finish what is queued and return.
//! 3. [`Lifecycle::finish`] waits for them, up to the grace.
//!
//! A second signal ends the process at once. A panic in one of the tasks does too: see [`crate::panics`].

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

/// The phases of a shutdown, and the tasks that it waits for. Clones share it.
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
    /// A process that runs and has no tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled by the first signal: take no new work. The application may cancel
    /// it itself, to stop for another reason.
    pub fn stopping(&self) -> CancellationToken {
        self.0.stopping.clone()
    }

    /// Cancelled by the application once intake has ended, so nothing more will be
    /// queued: finish the queue and return.
    pub fn drained(&self) -> CancellationToken {
        self.0.drained.clone()
    }

    /// Starts a task that [`Lifecycle::finish`] waits for; `name` is how the log
    /// calls it should it not end in time.
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

    /// Listens for SIGTERM and SIGINT from now on. A second one ends the process
    /// at once, with 128 plus the number of the signal: 143 or 130.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
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
                    tracing::warn!(signal = name, "second signal: ending at once");
                    process::exit(code);
                }
                seen = true;
                tracing::info!(signal = name, "stopping; a second signal ends at once");
                stopping.cancel();
            }
        });
        Ok(())
    }

    /// Cancels both tokens, if that has not been done, and waits until every task
    /// has returned, at most for `grace`. False if some were left; they are named
    /// in the log.
    pub async fn finish(&self, grace: Duration) -> bool {
        self.0.stopping.cancel();
        self.0.drained.cancel();
        self.0.tasks.close();
        if timeout(grace, self.0.tasks.wait()).await.is_ok() {
            return true;
        }
        let left = self.0.names();
        tracing::warn!(tasks = ?left, ?grace, "tasks did not end within the grace");
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

/// A task's entry among the running ones, for as long as its future lives.
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
