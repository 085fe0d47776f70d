//! How long one request may wait for the store: all its operations together, not each.
//!
//! What counts is the time in which at least one operation of the request is under way, so
//! a wait for anything else (a hash, the client's body) takes nothing of it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

/// While nothing is under way the time left stands still: look again after this at the earliest.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

tokio::task_local! {
    static CURRENT: Current;
}

#[derive(Clone)]
struct Current {
    budget: RequestBudget,
    /// Whether an operation is cut short when the budget is used up.
    cuts: bool,
}

/// The time that a request may spend waiting for the store. Clones share it.
#[derive(Clone, Debug)]
pub struct RequestBudget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: Duration,
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    before: Duration,
    /// Operations under way, and since when there has been at least one.
    under_way: usize,
    since: Option<Instant>,
}

/// Runs a request whose operations together wait for the store for at most `limit`.
pub async fn with_request_budget<F: Future>(limit: Duration, request: F) -> F::Output {
    let budget = RequestBudget(Arc::new(Inner { limit, spent: Mutex::default() }));
    CURRENT.scope(Current { budget, cuts: true }, request).await
}

impl RequestBudget {
    /// The budget of the request that this task serves; none outside of a request.
    pub fn of_this_request() -> Option<Self> {
        CURRENT.try_with(|current| current.budget.clone()).ok()
    }

    /// Runs a part of the request that another task finishes even if the request is given up:
    /// its operations count, but each keeps its own deadline.
    pub async fn count<F: Future>(self, part: F) -> F::Output {
        CURRENT.scope(Current { budget: self, cuts: false }, part).await
    }

    /// Counts as waiting for the store until the result is dropped.
    pub fn wait(&self) -> Waiting {
        let mut spent = self.spent();
        spent.under_way += 1;
        spent.since.get_or_insert_with(Instant::now);
        drop(spent);
        Waiting(self.clone())
    }

    /// The request begins anew, with all of its time: what it had waited for was answered, and
    /// has to be decided again because another writer was first.
    pub fn begin_anew() {
        if let Some(budget) = Self::of_this_request() {
            let mut spent = budget.spent();
            spent.before = Duration::ZERO;
            if spent.since.is_some() {
                spent.since = Some(Instant::now());
            }
        }
    }

    /// Returns when nothing is left.
    pub async fn used_up(&self) {
        loop {
            let left = self.left();
            if left.is_zero() {
                return;
            }
            sleep(left.max(LOOK_AGAIN)).await;
        }
    }

    fn left(&self) -> Duration {
        let spent = self.spent();
        let now = spent.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.0.limit.saturating_sub(spent.before + now)
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.0.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An operation of a request that is under way.
#[derive(Debug)]
pub struct Waiting(RequestBudget);

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut spent = self.0.spent();
        spent.under_way -= 1;
        if spent.under_way == 0
            && let Some(since) = spent.since.take()
        {
            spent.before += since.elapsed();
        }
    }
}

/// The deadline of an operation that begins now, and what counts it; none if its request has
/// no time left.
pub(super) fn begin(deadline: Duration) -> Option<(Duration, Option<Waiting>)> {
    let Ok(current) = CURRENT.try_with(Clone::clone) else { return Some((deadline, None)) };
    let deadline = if current.cuts { deadline.min(current.budget.left()) } else { deadline };
    (!deadline.is_zero()).then(|| (deadline, Some(current.budget.wait())))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::mongo::{StoreError, within};

    const LIMIT: Duration = Duration::from_millis(300);
    /// Of a busy machine.
    const LATE: Duration = Duration::from_millis(250);

    async fn answered_after(wait: Duration) -> Result<(), StoreError> {
        within(LIMIT * 10, async {
            sleep(wait).await;
            Ok(())
        })
        .await
    }

    #[tokio::test]
    async fn the_operations_of_a_request_share_one_deadline() {
        let began = Instant::now();
        with_request_budget(LIMIT, async {
            answered_after(LIMIT * 2 / 3).await.unwrap();
            let silent = within(LIMIT, pending::<mongodb::error::Result<()>>()).await;
            assert!(matches!(silent, Err(StoreError::Timeout)));
            // Nothing is begun that no time is left for.
            let refused = answered_after(Duration::ZERO).await.unwrap_err();
            assert!(matches!(refused, StoreError::Unavailable(_)) && !refused.outcome_unknown(), "{refused}");
        })
        .await;
        let took = began.elapsed();
        assert!(took >= LIMIT && took < LIMIT + LATE, "{took:?}");
        // No budget outside of a request.
        answered_after(LIMIT * 2).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_not_a_wait_for_the_store_takes_nothing_of_it() {
        with_request_budget(LIMIT, async {
            answered_after(Duration::from_millis(20)).await.unwrap();
            sleep(LIMIT * 2).await;
            answered_after(Duration::from_millis(20)).await.unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn a_request_that_lost_against_another_writer_has_all_of_its_time_again() {
        with_request_budget(LIMIT, async {
            for _ in 0..4 {
                answered_after(LIMIT * 2 / 3).await.unwrap();
                RequestBudget::begin_anew();
            }
        })
        .await;
        RequestBudget::begin_anew();
    }

    #[tokio::test]
    async fn operations_at_the_same_time_count_once() {
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
    async fn a_part_in_a_task_of_its_own_counts_and_keeps_its_deadlines() {
        with_request_budget(LIMIT, async {
            let began = Instant::now();
            let budget = RequestBudget::of_this_request().unwrap();
            let part = tokio::spawn(budget.clone().count(async {
                answered_after(LIMIT / 3).await.unwrap();
                sleep(LIMIT).await;
                answered_after(LIMIT * 3).await
            }));
            budget.used_up().await;
            let waited = began.elapsed();
            assert!(waited >= LIMIT * 2 && waited < LIMIT * 2 + LATE, "{waited:?}");
            assert!(!part.is_finished());
            part.await.unwrap().unwrap();
        })
        .await;
    }
}
