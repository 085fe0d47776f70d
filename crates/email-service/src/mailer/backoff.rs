//! When a mail is tried again.

use std::time::Duration;

pub use crate::pause::{chance, doubling};

/// The waits after the first, second, … attempt; the last one repeats.
#[derive(Debug, Clone)]
pub struct Backoff {
    steps: Vec<Duration>,
}

/// How much of a wait is left to chance: from 0.8 to 1.2 times the step, so that what
/// failed together does not come back together.
const JITTER: f64 = 0.2;

impl Backoff {
    /// # Errors
    /// If there is no step, or one is zero.
    pub fn new(steps: Vec<Duration>) -> Result<Self, &'static str> {
        if steps.is_empty() {
            return Err("at least one wait");
        }
        if steps.iter().any(Duration::is_zero) {
            return Err("waits longer than zero");
        }
        Ok(Self { steps })
    }

    /// The wait after `attempts` (counted from 1) tries, but not less than `at_least`.
    /// `chance` is uniform in 0..1.
    #[must_use]
    pub fn after(&self, attempts: u32, at_least: Option<Duration>, chance: f64) -> Duration {
        let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let step = self.steps[index.min(self.steps.len() - 1)];
        let jittered = step.mul_f64(1.0 - JITTER + 2.0 * JITTER * chance.clamp(0.0, 1.0));
        match at_least {
            // Its jitter only adds: a greylisting server means its minutes.
            Some(floor) => jittered.max(floor.mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0))),
            None => jittered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    fn backoff() -> Backoff {
        Backoff::new([10, 30, 120].map(seconds).to_vec()).unwrap()
    }

    #[test]
    fn the_steps_are_taken_in_order_and_the_last_repeats() {
        let middle = |attempts| backoff().after(attempts, None, 0.5);
        assert_eq!(middle(1), seconds(10));
        assert_eq!(middle(2), seconds(30));
        assert_eq!(middle(3), seconds(120));
        assert_eq!(middle(50), seconds(120));
        assert_eq!(middle(u32::MAX), seconds(120));
    }

    #[test]
    fn chance_moves_a_wait_by_a_fifth_at_most() {
        assert_eq!(backoff().after(1, None, 0.0), seconds(8));
        assert!(backoff().after(1, None, 1.0) <= seconds(12));
    }

    #[test]
    fn a_floor_is_never_undercut() {
        let floor = seconds(300);
        for chance in [0.0, 0.5, 1.0] {
            assert!(backoff().after(1, Some(floor), chance) >= floor);
        }
        assert_eq!(backoff().after(3, Some(seconds(1)), 0.5), seconds(120));
    }

    #[test]
    fn no_steps_and_zero_steps_are_refused() {
        assert!(Backoff::new(Vec::new()).is_err());
        assert!(Backoff::new(vec![seconds(1), Duration::ZERO]).is_err());
    }
}
