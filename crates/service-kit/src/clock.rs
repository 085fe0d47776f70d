//! Time and identifiers as arguments, so that tests can choose them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use uuid::Uuid;

/// A source of the current time. Clones share it.
#[derive(Clone, Debug)]
pub struct Clock(TimeSource);

#[derive(Clone, Debug)]
enum TimeSource {
    System,
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// Returns the clock of the host.
    pub fn system() -> Self {
        Self(TimeSource::System)
    }

    /// Returns a clock for tests that stands still at `now` until it is advanced.
    pub fn fixed(now: Timestamp) -> Self {
        Self(TimeSource::Manual(Arc::new(Mutex::new(now))))
    }

    /// Returns a clock for tests that starts at 2030-01-01T00:00:00Z and moves only by [`Clock::advance`].
    pub fn manual() -> Self {
        const START: i64 = 1_893_456_000;
        Self::fixed(Timestamp::from_second(START).expect("the year 2030 is within jiff's range"))
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            TimeSource::System => Timestamp::now(),
            TimeSource::Manual(now) => *now.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Advances this clock and its clones, in tests.
    ///
    /// # Panics
    /// Panics on the system clock.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            TimeSource::System => panic!("only a manual clock can be advanced"),
            TimeSource::Manual(now) => {
                *now.lock().unwrap_or_else(PoisonError::into_inner) += by;
            }
        }
    }
}

/// A source of identifiers. Clones share it.
#[derive(Clone, Debug)]
pub struct Ids(RandomSource);

#[derive(Clone, Debug)]
enum RandomSource {
    System,
    Sequence(Arc<AtomicU64>),
}

impl Ids {
    /// Returns a source of identifiers that cannot be guessed.
    pub fn random() -> Self {
        Self(RandomSource::System)
    }

    /// Returns a source for tests: the same seed gives the same identifiers in the same order.
    pub fn sequence(seed: u64) -> Self {
        Self(RandomSource::Sequence(Arc::new(AtomicU64::new(seed))))
    }

    /// Returns a UUIDv7 (RFC 9562), which sorts by `now` in milliseconds.
    pub fn v7(&self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// Returns a UUIDv4 (RFC 9562) with 122 random bits.
    pub fn v4(&self) -> Uuid {
        let mut random = [0; 16];
        self.fill(&mut random);
        uuid::Builder::from_random_bytes(random).into_uuid()
    }

    fn fill(&self, bytes: &mut [u8]) {
        match &self.0 {
            RandomSource::System => getrandom::fill(bytes).expect("the kernel provides random bytes"),
            RandomSource::Sequence(state) => {
                for chunk in bytes.chunks_mut(8) {
                    let word = split_mix(state).to_be_bytes();
                    chunk.copy_from_slice(&word[..chunk.len()]);
                }
            }
        }
    }
}

/// Returns the next number of the SplitMix64 generator: well mixed and reproducible, but not secret.
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
            let (seconds, _) = id.get_timestamp().expect("a UUIDv7 contains a time").to_unix();
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
