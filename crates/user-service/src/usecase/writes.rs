//! Runs writes to completion even if the client goes away.

use std::sync::Arc;

use service_kit::{mongo::RequestBudget, panics};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::{
    failure::Failure,
    rate_limit::status::{report, with_rate_limit_status},
};

/// Writes under way. They outlive their clients, whose number would bound them otherwise.
const MAX_WRITES: usize = 4096;

/// Runs writes to their end even if the client goes away: a handler may be dropped at
/// any await.
#[derive(Clone)]
pub struct Writes {
    runtime: tokio::runtime::Handle,
    tasks: TaskTracker,
    permits: Arc<Semaphore>,
}

impl Writes {
    /// Writes run on the runtime in which this is called.
    #[must_use]
    pub fn on_current_runtime() -> Self {
        let permits = Arc::new(Semaphore::new(MAX_WRITES));
        Self { runtime: tokio::runtime::Handle::current(), tasks: TaskTracker::new(), permits }
    }

    /// Waits until none is under way; no new ones may come then.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// A panic of the write is a failure of who asked for it; what it has written by then stays.
    ///
    /// The write has the deadlines of its operations. The client waits no longer than its
    /// request may wait for the store (`mongo::with_request_budget`): then it is told
    /// "unavailable", and the write goes on.
    pub(in crate::usecase) async fn run_to_completion<T, E>(
        &self,
        write: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        let Some(budget) = RequestBudget::of_this_request() else { return self.run(write).await };
        tokio::select! {
            biased;
            result = self.run(budget.clone().count(write)) => result,
            () = budget.used_up() => Err(Failure::unavailable("the write is still under way").into()),
        }
    }

    async fn run<T, E>(&self, write: impl Future<Output = Result<T, E>> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Failure> + Send + 'static,
    {
        // Not for long: each write has the deadlines of its operations. Who goes away here has
        // written nothing.
        let waiting = RequestBudget::of_this_request().map(|budget| budget.wait());
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        drop(waiting);
        let write = async move {
            let _permit = permit.expect("the semaphore is never closed");
            panics::catch_future("write", with_rate_limit_status(write)).await
        };
        let task = self.tasks.spawn_on(write.in_current_span(), &self.runtime);
        // The other error of a task is that its runtime ends.
        let written = task.await.map_err(|_| Failure::unavailable("shutting down"))?;
        let (output, status) = written.map_err(|panicked| Failure::Internal(panicked.into()))?;
        status.into_iter().for_each(report);
        output
    }
}
