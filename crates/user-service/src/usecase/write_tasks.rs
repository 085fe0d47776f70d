//! Runs writes to completion even if the client disconnects.

use std::sync::Arc;

use service_kit::{mongo::RequestBudget, panics};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::rate_limit::status::{report, with_rate_limit_status};
use crate::problem::Problem;

/// The maximum number of writes in progress. They outlive their requests, so the number of clients does not bound them.
const MAX_WRITES: usize = 4096;
/// The maximum number of use cases in progress that are run to completion as a whole. Their writes have permits of their
/// own, so none of them waits for a permit that another one holds.
const MAX_USE_CASES: usize = 4096;

/// Runs writes to completion even if the client disconnects: a handler may be dropped at any await.
#[derive(Clone)]
pub struct Writes {
    runtime: tokio::runtime::Handle,
    tasks: TaskTracker,
    permits: Arc<Semaphore>,
    use_case_permits: Arc<Semaphore>,
}

impl Writes {
    /// Creates an instance that runs writes on the current runtime.
    #[must_use]
    pub fn on_current_runtime() -> Self {
        let [permits, use_case_permits] = [MAX_WRITES, MAX_USE_CASES].map(|max| Arc::new(Semaphore::new(max)));
        Self { runtime: tokio::runtime::Handle::current(), tasks: TaskTracker::new(), permits, use_case_permits }
    }

    /// Waits until no write is in progress. The caller makes sure that no new write begins.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Runs the write in a task of its own and returns its result. A panic becomes [`Problem::Internal`]; what the
    /// write has stored before the panic stays.
    ///
    /// The write has the deadlines of its operations. The client waits no longer than its request may wait for the
    /// store (`mongo::with_request_budget`); then it gets "unavailable", and the write continues.
    pub(in crate::usecase) async fn run_to_completion<T: Send + 'static>(
        &self,
        write: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        self.run_with_budget(&self.permits, write).await
    }

    /// Runs a whole use case, with the writes in it, to completion: for one after whose write something must follow.
    pub(in crate::usecase) async fn run_use_case_to_completion<T: Send + 'static>(
        &self,
        use_case: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        self.run_with_budget(&self.use_case_permits, use_case).await
    }

    async fn run_with_budget<T: Send + 'static>(
        &self,
        permits: &Arc<Semaphore>,
        write: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        // The future of a write is large, and each wrapper below would move it: without the box, an unoptimized build
        // runs out of stack on a request thread.
        let write = Box::pin(write);
        let Some(budget) = RequestBudget::current() else { return self.run(permits, write).await };
        tokio::select! {
            biased;
            result = self.run(permits, budget.clone().charge(write)) => result,
            () = budget.exhausted() => Err(Problem::unavailable("the write is still in progress")),
        }
    }

    async fn run<T: Send + 'static>(
        &self,
        permits: &Arc<Semaphore>,
        write: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        // This wait is short, because each write has the deadlines of its operations. A client that disconnects here
        // has written nothing.
        let waiting = RequestBudget::current().map(|budget| budget.start_wait());
        let permit = Arc::clone(permits).acquire_owned().await;
        drop(waiting);
        let write = async move {
            let _permit = permit.expect("the semaphore is never closed");
            panics::catch_future("write", with_rate_limit_status(write)).await
        };
        let task = self.tasks.spawn_on(write.in_current_span(), &self.runtime);
        // The only other error of the task is that its runtime ends.
        let written = task.await.map_err(|_| Problem::unavailable("shutting down"))?;
        let (output, status) = written?;
        status.into_iter().for_each(report);
        output
    }
}
