//! Charges counters and refunds them.

use futures_util::future::join_all;
use service_kit::mongo::StoreError;

use super::{
    limiter::RateLimiter,
    limits::RateLimitPolicy,
    network_blocks::Counted,
    status::{RateLimitStatus, report},
};
use crate::{
    problem::Problem,
    store::{ThrottleKey, ThrottleStore},
};

/// The counters that a request was charged to before its work. If the request does nothing, they are refunded.
#[must_use]
#[derive(Default)]
pub struct Charges {
    /// The counter of the mailbox that a mail is sent to.
    pub(super) mail_key: Option<ThrottleKey>,
    pub(super) keys: Vec<ThrottleKey>,
}

impl RateLimiter {
    /// Counts one request: in blocks if the subject is a network with a large quota, otherwise in the shared row.
    pub(super) async fn count(&self, policy: &RateLimitPolicy, key: ThrottleKey) -> Result<Counted, StoreError> {
        match policy.network_budget() {
            Some(budget) => self.blocks.count(&self.store, policy, budget, key).await,
            None => {
                let row = self.store.charge(key, policy.rule).await?;
                Ok(Counted { refused: row.refused, status: RateLimitStatus::new(policy, &row) })
            }
        }
    }

    /// Takes back requests that this replica has counted in blocks, and returns the keys of the others.
    pub(super) fn refund_in_blocks(&self, keys: impl IntoIterator<Item = ThrottleKey>) -> Vec<ThrottleKey> {
        keys.into_iter().filter(|key| !self.blocks.refund(*key)).collect()
    }

    pub(super) async fn charge(&self, policy: &RateLimitPolicy, key: ThrottleKey) -> Result<(), Problem> {
        let counted = self.count(policy, key).await?;
        if counted.refused {
            return Err(self.reject(policy, counted.status));
        }
        report(counted.status);
        Ok(())
    }

    /// Charges all of these counters concurrently. If one of them is exhausted, the others are refunded, except the
    /// first one, which counts requests.
    pub(super) async fn charge_all(&self, rows: &[(RateLimitPolicy, ThrottleKey)]) -> Result<Charges, Problem> {
        let answers = join_all(rows.iter().map(|(policy, key)| self.count(policy, *key))).await;
        let (mut charges, mut refused, mut failed) = (Charges::default(), None, None);
        for ((policy, key), answer) in rows.iter().zip(answers) {
            match answer {
                Ok(counted) if counted.refused => {
                    refused.get_or_insert((policy, counted.status));
                }
                Ok(counted) => {
                    charges.keys.push(*key);
                    report(counted.status);
                }
                Err(error) => failed = Some(error),
            }
        }
        let failure = match (failed, refused) {
            (None, None) => return Ok(charges),
            (Some(error), _) => error.into(),
            (None, Some((policy, status))) => self.reject(policy, status),
        };
        charges.keys.retain(|key| *key != rows[0].1);
        self.refund(&charges).await;
        Err(failure)
    }

    pub(super) fn reject(&self, policy: &RateLimitPolicy, status: RateLimitStatus) -> Problem {
        self.metrics.throttled.with_label_values(&[policy.scope]).inc();
        report(status);
        Problem::RateLimited(status.reset)
    }

    /// Refunds the charges of a request that did nothing.
    pub async fn refund(&self, charges: &Charges) {
        self.refund_all(charges.keys.iter().copied()).await;
    }

    /// Refunds the counter of the mailbox, because no mail is sent. The other charges stay.
    pub async fn refund_mail(&self, charges: &Charges) {
        self.refund_all(charges.mail_key).await;
    }

    /// Returns the result. If it is an error, refunds the charges.
    pub async fn refund_on_error<T>(&self, charges: &Charges, result: Result<T, Problem>) -> Result<T, Problem> {
        if result.is_err() {
            self.refund(charges).await;
        }
        result
    }

    /// Returns the result of `proof`, which writes nothing. Refunds the charges if it is an error, or if the client
    /// disconnects meanwhile.
    pub async fn refund_unless_verified<T>(
        &self,
        charges: Charges,
        proof: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let mut guard = RefundOnDrop { limiter: self, charges };
        let result = proof.await;
        if result.is_err() {
            self.refund(&guard.charges).await;
        }
        guard.charges = Charges::default();
        result
    }

    pub(super) async fn refund_all(&self, keys: impl IntoIterator<Item = ThrottleKey>) {
        refund_all(&self.store, self.refund_in_blocks(keys)).await;
    }
}

/// The charges of a change whose proof is not verified yet. They are refunded on drop.
struct RefundOnDrop<'a> {
    limiter: &'a RateLimiter,
    charges: Charges,
}

impl Drop for RefundOnDrop<'_> {
    fn drop(&mut self) {
        let keys = self.limiter.refund_in_blocks(std::mem::take(&mut self.charges.keys));
        // The client has disconnected. Without the refund, a stolen session could use up its owner's quota with aborted
        // requests.
        if !keys.is_empty() {
            let RateLimiter { store, refunds, runtime, .. } = self.limiter;
            let store = store.clone();
            refunds.spawn_on(async move { refund_all(&store, keys).await }, runtime);
        }
    }
}

async fn refund_all(store: &ThrottleStore, keys: impl IntoIterator<Item = ThrottleKey>) {
    for taken in join_all(keys.into_iter().map(|key| store.refund(key))).await {
        if let Err(error) = taken {
            tracing::debug!(%error, "a charge was not refunded");
        }
    }
}
