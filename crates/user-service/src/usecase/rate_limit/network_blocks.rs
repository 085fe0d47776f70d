//! Counts the requests of networks in blocks: most of them need no command to the database.

use std::{num::NonZeroUsize, time::Instant};

use lru::LruCache;
use parking_lot::Mutex;
use service_kit::mongo::StoreError;

use super::{
    limits::RateLimitPolicy,
    local_budget::{Answer, Ask, Budget, Decision, LocalBudget, Verdict},
    status::RateLimitStatus,
};
use crate::store::{ThrottleKey, ThrottleStore};

/// The maximum number of networks that a replica remembers, by policy. They take at most 11 MiB.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(1 << 16).expect("not zero");

/// The networks that have sent requests to this replica in the last window. It evicts the one whose last request is the
/// oldest.
pub(super) struct NetworkBlocks(Mutex<LruCache<[u8; 16], Network>>);

struct Network {
    budget: Budget,
    local: LocalBudget,
}

/// A request that was counted, or refused.
pub(super) struct Counted {
    pub(super) refused: bool,
    pub(super) status: RateLimitStatus,
}

impl NetworkBlocks {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LruCache::sparse(CAPACITY)))
    }

    /// Counts one request of a network with this budget.
    pub(super) async fn count(
        &self,
        store: &ThrottleStore,
        policy: &RateLimitPolicy,
        budget: Budget,
        key: ThrottleKey,
    ) -> Result<Counted, StoreError> {
        let verdict = match self.decide(budget, key) {
            Decision::Judged(verdict) => verdict,
            Decision::Ask(ask) => {
                let pending = PendingAsk { blocks: self, key, unanswered: Some(ask) };
                let (granted, row) = store.charge_up_to(key, policy.rule, ask.wanted).await?;
                pending.settle(budget, ask, Answer { granted, level: row.level, wait: row.wait })
            }
        };
        let (refused, level, wait) = match verdict {
            Verdict::Accepted { level } => (false, level, budget.wait(level)),
            Verdict::Refused { wait } => (true, f64::from(policy.rule.quota()), wait),
        };
        Ok(Counted { refused, status: RateLimitStatus::from_level(policy, level, wait) })
    }

    fn decide(&self, budget: Budget, key: ThrottleKey) -> Decision {
        let now = Instant::now();
        let mut networks = self.0.lock();
        let new = || Network { budget, local: LocalBudget::new(now) };
        networks.get_or_insert_mut(key.subject, new).local.decide(budget, now)
    }

    /// Takes back one request of a network whose requests are counted in blocks. Returns whether this replica has done
    /// it; if not, the shared row must do it.
    pub(super) fn refund(&self, key: ThrottleKey) -> bool {
        self.0.lock().peek_mut(&key.subject).is_some_and(|network| network.local.refund(network.budget))
    }

    /// Forgets networks that have sent nothing for a window.
    pub(super) fn evict_idle(&self) {
        let now = Instant::now();
        self.0.lock().retain(|_, network| !network.local.is_idle(network.budget, now));
    }
}

/// A charge in progress. If it is dropped before its answer, what it granted is lost: the limit stays.
struct PendingAsk<'a> {
    blocks: &'a NetworkBlocks,
    key: ThrottleKey,
    unanswered: Option<Ask>,
}

impl PendingAsk<'_> {
    fn settle(mut self, budget: Budget, ask: Ask, answer: Answer) -> Verdict {
        self.unanswered = None;
        let now = Instant::now();
        let mut networks = self.blocks.0.lock();
        // The network may have been evicted meanwhile. Then only the current request uses the answer.
        match networks.peek_mut(&self.key.subject) {
            Some(network) => network.local.settle(budget, now, ask, answer),
            None => LocalBudget::new(now).settle(budget, now, ask, answer),
        }
    }
}

impl Drop for PendingAsk<'_> {
    fn drop(&mut self) {
        if let Some(ask) = self.unanswered
            && let Some(network) = self.blocks.0.lock().peek_mut(&self.key.subject)
        {
            network.local.lose(ask);
        }
    }
}
