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
const PLACES: u64 = 1 << 18;
const EVERY: Duration = Duration::from_secs(60);

/// Who has asked how often lately, in this process.
pub(super) struct LocalLimiter {
    limiter: DefaultKeyedRateLimiter<u64>,
    places: RandomState,
}

impl LocalLimiter {
    /// `per_minute` requests of one network, and as many at once.
    #[must_use]
    pub(super) fn new(per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        Self { limiter: RateLimiter::keyed(Quota::per_minute(quota)), places: RandomState::new() }
    }

    /// Lets one request pass.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn pass(&self, network: IpPrefix) -> Result<(), Duration> {
        let place = self.places.hash_one(network) % PLACES;
        self.limiter.check_key(&place).map_err(|until| until.wait_time_from(DefaultClock::default().now()))
    }

    /// Forgets who has not come for a while, every minute, until `stop`.
    pub(super) async fn forget_idle(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
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
        IpPrefix::for_rate_limit(text.parse().unwrap())
    }

    #[test]
    fn a_flood_ends_here_and_does_not_touch_others() {
        let line = LocalLimiter::new(3);
        let passed = (0..10).filter(|_| line.pass(network("203.0.113.7")).is_ok()).count();
        assert_eq!(passed, 3);
        let wait = line.pass(network("203.0.113.7")).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(20), "{wait:?}");
        assert_eq!(line.pass(network("203.0.113.8")), Ok(()));
    }

    #[test]
    fn the_memory_is_bounded_whoever_comes() {
        let line = LocalLimiter::new(1);
        for i in 0..u32::try_from(2 * PLACES).unwrap() {
            let _ = line.pass(network(&std::net::Ipv4Addr::from(i).to_string()));
        }
        assert!(line.limiter.len() <= usize::try_from(PLACES).unwrap());
    }
}
