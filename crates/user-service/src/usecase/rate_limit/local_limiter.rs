//! The cheap line before the database: a flood from one network is turned away in this
//! process. It lets through twice what the shared row allows, so that row decides.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use tokio_util::sync::CancellationToken;

use crate::domain::IpPrefix;

/// Networks are put into so many places, by a hash that nobody outside can compute. So
/// the memory is bounded (8 MiB) whatever comes; two networks that share a place share
/// its quota.
const BUCKETS: u64 = 1 << 18;
const EVICTION_INTERVAL: Duration = Duration::from_secs(60);

/// Who has asked how often lately, in this process.
pub(super) struct LocalLimiter {
    limiter: DefaultKeyedRateLimiter<u64>,
    bucket_hasher: RandomState,
}

impl LocalLimiter {
    /// `per_minute` requests of one network, and as many at once.
    #[must_use]
    pub(super) fn new(per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        Self { limiter: RateLimiter::keyed(Quota::per_minute(quota)), bucket_hasher: RandomState::new() }
    }

    /// Lets one request pass.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn check(&self, network: IpPrefix) -> Result<(), Duration> {
        let bucket = self.bucket_hasher.hash_one(network) % BUCKETS;
        self.limiter.check_key(&bucket).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    /// Forgets who has not come for a while, every minute, until `stop`.
    pub(super) async fn evict_idle(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVICTION_INTERVAL) => {}
            }
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> IpPrefix {
        IpPrefix::throttled(text.parse().unwrap())
    }

    #[test]
    fn a_flood_from_one_network_is_refused_and_does_not_affect_others() {
        let limiter = LocalLimiter::new(3);
        let passed = (0..10).filter(|_| limiter.check(network("203.0.113.7")).is_ok()).count();
        assert_eq!(passed, 3);
        let wait = limiter.check(network("203.0.113.7")).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(20), "{wait:?}");
        assert_eq!(limiter.check(network("203.0.113.8")), Ok(()));
    }

    #[test]
    fn the_number_of_counters_is_bounded() {
        let limiter = LocalLimiter::new(1);
        for i in 0..u32::try_from(2 * BUCKETS).unwrap() {
            let _ = limiter.check(network(&std::net::Ipv4Addr::from(i).to_string()));
        }
        assert!(limiter.limiter.len() <= usize::try_from(BUCKETS).unwrap());
    }
}
