//! Delays between retries with jitter: exponential, or from a list. The caller provides the numbers.

use std::time::Duration;

/// The random share of a delay, so that operations which failed together are not retried together.
const JITTER: f64 = 0.2;

/// Returns the delay after `failures` (counted from 1) failures in a row: `first`, doubled with
/// each failure up to `longest`, and up to a fifth more by `random` (0 to 1).
#[must_use]
pub fn exponential(failures: u32, first: Duration, longest: Duration, random: f64) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    added(first.saturating_mul(factor).min(longest), random)
}

/// Waits for an [`exponential`] delay.
pub async fn pause(failures: u32, first: Duration, longest: Duration) {
    tokio::time::sleep(exponential(failures, first, longest, random_fraction())).await;
}

/// Returns a random delay from 0.75 to 1.25 times `interval`, so that replicas do not act at the same time.
#[must_use]
pub fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.75 + 0.5 * random_fraction())
}

/// Returns a random number, uniform in 0..1, from the operating system.
#[must_use]
pub fn random_fraction() -> f64 {
    let bits = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

/// The delays after the first, second, … attempt; the last one repeats.
#[derive(Debug, Clone)]
pub struct Backoff {
    steps: Vec<Duration>,
}

impl Backoff {
    /// Creates a backoff from its delays.
    ///
    /// # Errors
    /// Returns what the list must contain if it is empty or contains zero.
    pub fn new(steps: Vec<Duration>) -> Result<Self, &'static str> {
        if steps.is_empty() {
            return Err("at least one wait");
        }
        if steps.iter().any(Duration::is_zero) {
            return Err("waits longer than zero");
        }
        Ok(Self { steps })
    }

    /// Returns the delay after `attempts` (counted from 1) attempts: 0.8 to 1.2 times the step,
    /// by `random` (0 to 1), but not less than `at_least`.
    #[must_use]
    pub fn delay_after(&self, attempts: u32, at_least: Option<Duration>, random: f64) -> Duration {
        let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
        let step = self.steps[index.min(self.steps.len() - 1)];
        let delay = step.mul_f64(1.0 - JITTER + 2.0 * JITTER * random.clamp(0.0, 1.0));
        match at_least {
            // The jitter of a minimum is only added, never subtracted.
            Some(minimum) => delay.max(added(minimum, random)),
            None => delay,
        }
    }
}

/// Returns `delay` plus up to a fifth of it.
fn added(delay: Duration, random: f64) -> Duration {
    delay.mul_f64(1.0 + JITTER * random.clamp(0.0, 1.0))
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
    fn doubling_stops_at_the_longest_delay() {
        let delay = |failures| exponential(failures, seconds(1), seconds(10), 0.0);
        for (failures, expected) in [(1, 1), (3, 4), (5, 10), (u32::MAX, 10)] {
            assert_eq!(delay(failures), seconds(expected), "{failures}");
        }
    }

    #[test]
    fn a_jittered_interval_differs_by_at_most_a_quarter() {
        for _ in 0..100 {
            assert!((Duration::from_millis(750)..=Duration::from_millis(1250)).contains(&jittered(seconds(1))));
        }
    }

    #[test]
    fn the_steps_are_taken_in_order_and_the_last_repeats() {
        let middle = |attempts| backoff().delay_after(attempts, None, 0.5);
        for (attempts, expected) in [(1, 10), (2, 30), (3, 120), (50, 120), (u32::MAX, 120)] {
            assert_eq!(middle(attempts), seconds(expected), "{attempts}");
        }
    }

    #[test]
    fn jitter_changes_a_delay_by_at_most_a_fifth() {
        assert_eq!(backoff().delay_after(1, None, 0.0), seconds(8));
        assert!(backoff().delay_after(1, None, 1.0) <= seconds(12));
    }

    #[test]
    fn a_delay_is_never_below_the_minimum() {
        let minimum = seconds(300);
        for random in [0.0, 0.5, 1.0] {
            assert!(backoff().delay_after(1, Some(minimum), random) >= minimum);
        }
        assert_eq!(backoff().delay_after(3, Some(seconds(1)), 0.5), seconds(120));
    }

    #[test]
    fn an_empty_list_and_a_zero_delay_are_refused() {
        assert!(Backoff::new(Vec::new()).is_err());
        assert!(Backoff::new(vec![seconds(1), Duration::ZERO]).is_err());
    }
}
