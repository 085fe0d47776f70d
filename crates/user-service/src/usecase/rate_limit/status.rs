//! The rate limit status of a request, for the headers of its response. The use case sets it and the middleware reads
//! it, through a task-local.

use std::{cell::Cell, time::Duration};

use super::limits::RateLimitPolicy;
use crate::store::ThrottleState;

tokio::task_local! {
    static STATUS: Cell<Option<RateLimitStatus>>;
}

/// A quota and its remaining part, as in the draft "RateLimit header fields for HTTP".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    pub policy: &'static str,
    pub quota: u32,
    /// The time in which an exhausted quota is restored completely.
    pub window: Duration,
    pub remaining: u32,
    /// If nothing remains, the time until the next request is allowed; otherwise the time until the quota is restored
    /// completely.
    pub reset: Duration,
}

impl RateLimitStatus {
    pub(super) fn new(policy: &RateLimitPolicy, row: &ThrottleState) -> Self {
        Self::from_level(policy, row.level, row.wait)
    }

    /// Returns the status at a level. `wait` is the time until the next request is allowed; zero if it is allowed now.
    pub(super) fn from_level(policy: &RateLimitPolicy, level: f64, wait: Duration) -> Self {
        let quota = policy.rule.quota();
        let unit = policy.rule.decay_interval();
        let remaining = (f64::from(quota) - level).max(0.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a u32")]
        let remaining = if wait > Duration::ZERO { 0 } else { remaining as u32 };
        let reset = if wait > Duration::ZERO { wait } else { unit.mul_f64(level) };
        Self { policy: policy.name, quota, window: unit * quota, remaining, reset }
    }

    pub(super) fn full_quota(policy: &RateLimitPolicy) -> Self {
        let (quota, unit) = (policy.rule.quota(), policy.rule.decay_interval());
        Self { policy: policy.name, quota, window: unit * quota, remaining: quota, reset: Duration::ZERO }
    }
}

/// Runs a request, and returns its output and its last status.
pub async fn with_rate_limit_status<F: Future>(request: F) -> (F::Output, Option<RateLimitStatus>) {
    let observed = async {
        let output = request.await;
        (output, STATUS.with(Cell::get))
    };
    STATUS.scope(Cell::new(None), observed).await
}

/// Sets the status of the current request. The last call counts; outside of a request it has no effect.
pub(in crate::usecase) fn report(status: RateLimitStatus) {
    let _ = STATUS.try_with(|cell| cell.set(Some(status)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Backoff, ThrottleRule};

    const LOGIN: RateLimitPolicy = RateLimitPolicy {
        name: "login",
        scope: "login",
        rule: ThrottleRule::Backoff(Backoff {
            free: 5,
            first: Duration::from_secs(1),
            longest: Duration::from_secs(900),
        }),
    };

    fn row(level: f64, wait: u64, refused: bool) -> ThrottleState {
        ThrottleState { refused, level, wait: Duration::from_secs(wait), now: jiff::Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn the_remaining_quota_is_rounded_down() {
        let status = RateLimitStatus::new(&LOGIN, &row(1.5, 0, false));
        assert_eq!((status.remaining, status.reset), (3, Duration::from_secs(1350)));
        assert_eq!((status.quota, status.window), (5, Duration::from_secs(4500)));
    }

    #[test]
    fn nothing_remains_during_a_wait() {
        for refused in [true, false] {
            let status = RateLimitStatus::new(&LOGIN, &row(3.0, 7, refused));
            assert_eq!((status.remaining, status.reset), (0, Duration::from_secs(7)));
        }
    }

    #[tokio::test]
    async fn the_last_report_counts_and_requests_do_not_see_each_others_reports() {
        let ((), reported) = with_rate_limit_status(async {
            report(RateLimitStatus::full_quota(&LOGIN));
            report(RateLimitStatus::new(&LOGIN, &row(1.0, 0, false)));
            let ((), inner) = with_rate_limit_status(async {}).await;
            assert_eq!(inner, None);
        })
        .await;
        assert_eq!(reported.map(|status| status.remaining), Some(4));
        report(RateLimitStatus::full_quota(&LOGIN));
    }
}
