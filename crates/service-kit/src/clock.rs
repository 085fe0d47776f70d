//! Time and identifiers as values that are passed in, so that a test can choose them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use uuid::Uuid;

/// Where the time comes from. Clones share it.
#[derive(Clone, Debug)]
pub struct Clock(TimeSource);

#[derive(Clone, Debug)]
enum TimeSource {
    System,
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// The host's clock.
    pub fn system() -> Self {
        Self(TimeSource::System)
    }

    /// For tests: stands still at `now` until it is advanced.
    pub fn fixed(now: Timestamp) -> Self {
        Self(TimeSource::Manual(Arc::new(Mutex::new(now))))
    }

    /// For tests: starts at 2030-01-01T00:00:00Z and moves only by [`Clock::advance`].
    pub fn manual() -> Self {
        const START: i64 = 1_893_456_000;
        Self::fixed(Timestamp::from_second(START).expect("2030 is within jiff's range"))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            TimeSource::System => Timestamp::now(),
            TimeSource::Manual(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// For tests: moves the time of this clock and of its clones.
    ///
    /// # Panics
    /// On the system's clock, which nobody advances.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            TimeSource::System => panic!("only a manual clock can be advanced"),
            TimeSource::Manual(now) => {
                *now.lock().unwrap_or_else(PoisonError::into_inner) += by;
            }
        }
    }
}

/// Where identifiers come from. Clones share it.
#[derive(Clone, Debug)]
pub struct Ids(RandomSource);

#[derive(Clone, Debug)]
enum RandomSource {
    System,
    Sequence(Arc<AtomicU64>),
}

impl Ids {
    /// Identifiers that nobody can guess.
    pub fn random() -> Self {
        Self(RandomSource::System)
    }

    /// For tests: the same seed gives the same identifiers in the same order.
    pub fn sequence(seed: u64) -> Self {
        Self(RandomSource::Sequence(Arc::new(AtomicU64::new(seed))))
    }

    /// A UUIDv7 (RFC 9562): sorts by `now`, in milliseconds.
    pub fn v7(&self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// A UUIDv4 (RFC 9562): 122 random bits.
    pub fn v4(&self) -> Uuid {
        let mut random = [0; 16];
        self.fill(&mut random);
        uuid::Builder::from_random_bytes(random).into_uuid()
    }

    fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            RandomSource::System => getrandom::fill(bytes).expect("the kernel gives random bytes"),
            RandomSource::Sequence(state) => {
                for chunk in bytes.chunks_mut(8) {
                    let word = split_mix(state).to_be_bytes();
                    chunk.copy_from_slice(&word[..chunk.len()]);
                }
            }
        }
    }
}

/// SplitMix64: well mixed and reproducible, not secret.
fn split_mix(state: &AtomicU64) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_move_together() {
        let clock = Clock::manual();
        let clone = clock.clone();
        let before = clone.now();
        clock.advance(Duration::from_secs(90));
        assert_eq!(clone.now().duration_since(before).as_secs(), 90);
    }

    #[test]
    fn identifiers_have_version_variant_and_time() {
        let now = Clock::manual().now();
        for ids in [Ids::random(), Ids::sequence(7)] {
            let id = ids.v7(now);
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            let (seconds, _) = id.get_timestamp().expect("v7 has a time").to_unix();
            assert_eq!(i64::try_from(seconds), Ok(now.as_second()));
            assert_eq!(ids.v4().get_version_num(), 4);
            assert_ne!(ids.v4(), ids.v4());
        }
    }

    #[test]
    fn later_identifiers_sort_later() {
        let (clock, ids) = (Clock::manual(), Ids::random());
        let first = ids.v7(clock.now());
        clock.advance(Duration::from_millis(1));
        assert!(ids.v7(clock.now()) > first);
    }

    #[test]
    fn a_sequence_repeats_with_its_seed() {
        let take = |seed| {
            let ids = Ids::sequence(seed);
            [ids.v4(), ids.v4(), ids.v4()]
        };
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
    }
}
