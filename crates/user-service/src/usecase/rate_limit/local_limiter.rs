//! A limiter in front of the database: refuses a flood from one network within this process. Its quota is a multiple of
//! the shared quota, so normally the shared counter decides.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};

use crate::domain::IpPrefix;

/// The number of buckets. Networks are distributed over them by a hash that no client can compute. So the memory is
/// bounded (8 MiB); two networks in the same bucket share its quota.
const BUCKETS: u64 = 1 << 18;

/// The recent requests of each network to this process.
pub(super) struct LocalLimiter {
    limiter: DefaultKeyedRateLimiter<u64>,
    bucket_hasher: RandomState,
}

impl LocalLimiter {
    /// Creates a limiter for `per_minute` requests of each network, all of which may arrive at once.
    #[must_use]
    pub(super) fn new(per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        Self { limiter: RateLimiter::keyed(Quota::per_minute(quota)), bucket_hasher: RandomState::new() }
    }

    /// Counts one request of this network.
    ///
    /// # Errors
    /// Returns the time to wait.
    pub(super) fn check(&self, network: IpPrefix) -> Result<(), Duration> {
        let bucket = self.bucket_hasher.hash_one(network) % BUCKETS;
        self.limiter.check_key(&bucket).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    /// Evicts idle buckets.
    pub(super) fn evict_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> IpPrefix {
        IpPrefix::for_rate_limit(text.parse().unwrap())
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
