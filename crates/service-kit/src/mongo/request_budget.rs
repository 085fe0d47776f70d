//! How long one request may wait for the store: all its operations together, not each of them.
//!
//! The budget is charged while at least one operation of the request is running. Waiting for
//! anything else (a hash, the client's body) is not charged.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// The minimum time between two checks of the remaining time, which does not change while no
/// operation is running.
const MIN_RECHECK_INTERVAL: Duration = Duration::from_millis(20);

tokio::task_local! {
    static CURRENT: CurrentRequest;
}

#[derive(Clone)]
struct CurrentRequest {
    budget: RequestBudget,
    /// Whether operations end when the budget is exhausted.
    limits_operations: bool,
}

/// The time that a request may wait for the store. Clones share it.
#[derive(Clone, Debug)]
pub struct RequestBudget(Arc<SharedBudget>);

#[derive(Debug)]
struct SharedBudget {
    limit: Duration,
    waited: Mutex<WaitTime>,
}

#[derive(Debug, Default)]
struct WaitTime {
    /// The time of finished waits.
    finished: Duration,
    /// The number of running operations.
    running: usize,
    /// Since when at least one operation has been running.
    since: Option<Instant>,
}

/// Runs a request whose operations together may wait for the store for at most `limit`.
pub async fn with_request_budget<F: Future>(limit: Duration, request: F) -> F::Output {
    let budget = RequestBudget(Arc::new(SharedBudget { limit, waited: Mutex::default() }));
    CURRENT.scope(CurrentRequest { budget, limits_operations: true }, request).await
}

impl RequestBudget {
    /// Returns the budget of the request that this task serves, or `None` outside a request.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|current| current.budget.clone()).ok()
    }

    /// Runs a part of the request that another task completes even if the request is abandoned. Its
    /// operations are charged to the budget, but each keeps its own deadline.
    pub async fn charge<F: Future>(self, part: F) -> F::Output {
        CURRENT.scope(CurrentRequest { budget: self, limits_operations: false }, part).await
    }

    /// Charges the budget until the returned guard is dropped.
    pub fn start_wait(&self) -> WaitGuard {
        let mut waited = self.waited();
        waited.running += 1;
        waited.since.get_or_insert_with(Instant::now);
        drop(waited);
        WaitGuard(self.clone())
    }

    /// Gives the current request its full budget again: its operations were answered, but it has to
    /// start over because another writer was first.
    pub fn restart() {
        if let Some(budget) = Self::current() {
            let mut waited = budget.waited();
            waited.finished = Duration::ZERO;
            if waited.since.is_some() {
                waited.since = Some(Instant::now());
            }
        }
    }

    /// Waits until the budget is exhausted.
    pub async fn exhausted(&self) {
        loop {
            let remaining = self.remaining();
            if remaining.is_zero() {
                return;
            }
            sleep(remaining.max(MIN_RECHECK_INTERVAL)).await;
        }
    }

    fn remaining(&self) -> Duration {
        let waited = self.waited();
        let now = waited.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.0.limit.saturating_sub(waited.finished + now)
    }

    fn waited(&self) -> MutexGuard<'_, WaitTime> {
        self.0.waited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guard for a running operation of a request. Dropping it ends the charge.
#[derive(Debug)]
pub struct WaitGuard(RequestBudget);

impl Drop for WaitGuard {
    fn drop(&mut self) {
        let mut waited = self.0.waited();
        waited.running -= 1;
        if waited.running == 0
            && let Some(since) = waited.since.take()
        {
            waited.finished += since.elapsed();
        }
    }
}

/// Returns the deadline of an operation that starts now and the guard that charges it, or `None`
/// if its request has no time left.
pub(super) fn start_operation(deadline: Duration) -> Option<(Duration, Option<WaitGuard>)> {
    let Ok(current) = CURRENT.try_with(Clone::clone) else { return Some((deadline, None)) };
    let deadline = if current.limits_operations { deadline.min(current.budget.remaining()) } else { deadline };
    (!deadline.is_zero()).then(|| (deadline, Some(current.budget.start_wait())))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::mongo::{StoreError, with_deadline};

    const LIMIT: Duration = Duration::from_millis(300);
    /// The extra time that a busy machine may need.
    const TOLERANCE: Duration = Duration::from_millis(250);

    async fn answered_after(wait: Duration) -> Result<(), StoreError> {
        with_deadline(LIMIT * 10, async {
            sleep(wait).await;
            Ok(())
        })
        .await
    }

    #[tokio::test]
    async fn the_operations_of_a_request_share_one_deadline() {
        let started = Instant::now();
        with_request_budget(LIMIT, async {
            answered_after(LIMIT * 2 / 3).await.unwrap();
            let silent = with_deadline(LIMIT, pending::<mongodb::error::Result<()>>()).await;
            assert!(matches!(silent, Err(StoreError::Timeout)));
            // Without time left, no operation is started.
            let refused = answered_after(Duration::ZERO).await.unwrap_err();
            assert!(matches!(refused, StoreError::Unavailable(_)) && !refused.outcome_unknown(), "{refused}");
        })
        .await;
        let took = started.elapsed();
        assert!(took >= LIMIT && took < LIMIT + TOLERANCE, "{took:?}");
        // There is no budget outside a request.
        answered_after(LIMIT * 2).await.unwrap();
    }

    #[tokio::test]
    async fn time_not_spent_waiting_for_the_store_is_not_charged() {
        with_request_budget(LIMIT, async {
            answered_after(Duration::from_millis(20)).await.unwrap();
            sleep(LIMIT * 2).await;
            answered_after(Duration::from_millis(20)).await.unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn a_request_that_lost_to_another_writer_gets_its_full_budget_again() {
        with_request_budget(LIMIT, async {
            for _ in 0..4 {
                answered_after(LIMIT * 2 / 3).await.unwrap();
                RequestBudget::restart();
            }
        })
        .await;
        RequestBudget::restart();
    }

    #[tokio::test]
    async fn concurrent_operations_are_charged_once() {
        with_request_budget(LIMIT, async {
            let all = (0..20).map(|_| answered_after(Duration::from_millis(50)));
            for result in futures_util::future::join_all(all).await {
                result.unwrap();
            }
            answered_after(Duration::from_millis(20)).await.unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn a_detached_task_is_charged_and_keeps_its_own_deadlines() {
        with_request_budget(LIMIT, async {
            let started = Instant::now();
            let budget = RequestBudget::current().unwrap();
            #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
            let part = tokio::spawn(budget.clone().charge(async {
                answered_after(LIMIT / 3).await.unwrap();
                sleep(LIMIT).await;
                answered_after(LIMIT * 3).await
            }));
            budget.exhausted().await;
            let took = started.elapsed();
            assert!(took >= LIMIT * 2 && took < LIMIT * 2 + TOLERANCE, "{took:?}");
            assert!(!part.is_finished());
            part.await.unwrap().unwrap();
        })
        .await;
    }
}
