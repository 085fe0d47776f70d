//! How a request stands with the throttle that judged it, for the answer's headers. The
//! use case says it, whoever serves the request asks for it: no use case has to carry
//! it through its result.

use std::{cell::Cell, time::Duration};

use super::Policy;
use crate::store::ThrottleState;

tokio::task_local! {
    static STANDING: Cell<Option<RateLimitStatus>>;
}

/// A quota and what is left of it, as the draft "RateLimit header fields for HTTP" has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    pub policy: &'static str,
    pub quota: u32,
    /// The time in which the whole quota comes back.
    pub window: Duration,
    pub remaining: u32,
    /// If nothing remains: until the next request is let in. Else until all is forgotten.
    pub reset: Duration,
}

impl RateLimitStatus {
    pub(super) fn new(policy: &Policy, row: &ThrottleState) -> Self {
        let quota = policy.rule.quota();
        let unit = policy.rule.decay_interval();
        let left = (f64::from(quota) - row.level).max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a u32")]
        let left = if row.refused || row.wait > Duration::ZERO { 0 } else { left as u32 };
        let reset = if row.wait > Duration::ZERO { row.wait } else { unit.mul_f64(row.level) };
        Self { policy: policy.name, quota, window: unit * quota, remaining: left, reset }
    }

    pub(super) fn untouched(policy: &Policy) -> Self {
        let (quota, unit) = (policy.rule.quota(), policy.rule.decay_interval());
        Self { policy: policy.name, quota, window: unit * quota, remaining: quota, reset: Duration::ZERO }
    }
}

/// Runs a request, and tells how it stood at the end.
pub async fn with_rate_limit_status<F: Future>(request: F) -> (F::Output, Option<RateLimitStatus>) {
    let observed = async {
        let output = request.await;
        (output, STANDING.with(Cell::get))
    };
    STANDING.scope(Cell::new(None), observed).await
}

/// The last word counts. Outside of a request nobody listens.
pub(in crate::usecase) fn tell(standing: RateLimitStatus) {
    let _ = STANDING.try_with(|cell| cell.set(Some(standing)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ThrottleRule;

    const LOGIN: Policy = Policy {
        name: "login",
        scope: "login",
        rule: ThrottleRule::Backoff { free: 5, first: Duration::from_secs(1), longest: Duration::from_secs(900) },
    };

    fn row(level: f64, wait: u64, held: bool) -> ThrottleState {
        ThrottleState { refused: held, level, wait: Duration::from_secs(wait), now: jiff::Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn what_remains_is_rounded_down() {
        let standing = RateLimitStatus::new(&LOGIN, &row(1.5, 0, false));
        assert_eq!((standing.remaining, standing.reset), (3, Duration::from_secs(1350)));
        assert_eq!((standing.quota, standing.window), (5, Duration::from_secs(4500)));
    }

    #[test]
    fn while_one_has_to_wait_nothing_remains() {
        for held in [true, false] {
            let standing = RateLimitStatus::new(&LOGIN, &row(3.0, 7, held));
            assert_eq!((standing.remaining, standing.reset), (0, Duration::from_secs(7)));
        }
    }

    #[tokio::test]
    async fn the_last_word_counts_and_nobody_hears_another_request() {
        let ((), heard) = with_rate_limit_status(async {
            tell(RateLimitStatus::untouched(&LOGIN));
            tell(RateLimitStatus::new(&LOGIN, &row(1.0, 0, false)));
            let ((), inner) = with_rate_limit_status(async {}).await;
            assert_eq!(inner, None);
        })
        .await;
        assert_eq!(heard.map(|standing| standing.remaining), Some(4));
        tell(RateLimitStatus::untouched(&LOGIN));
    }
}
