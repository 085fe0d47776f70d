//! How long to wait before what failed is tried again: a connection, a write, a client.

use std::time::Duration;

/// How much of a wait is left to chance: up to a fifth more, so that what failed together
/// does not come back together.
const JITTER: f64 = 0.2;

/// Doubles from `first` to `most` with each failure in a row (counted from 1), plus up to
/// a fifth by `chance`: for what is tried again until it works, such as a connection.
#[must_use]
pub fn doubling(failures: u32, first: Duration, most: Duration, chance: f64) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(most).mul_f64(1.0 + JITTER * chance.clamp(0.0, 1.0))
}

/// Uniform in 0..1, from the operating system: nothing here needs reproducible chance.
#[must_use]
pub fn chance() -> f64 {
    let bits = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn doubling_stops_at_its_bound() {
        let wait = |failures| doubling(failures, seconds(1), seconds(10), 0.0);
        assert_eq!(wait(1), seconds(1));
        assert_eq!(wait(3), seconds(4));
        assert_eq!(wait(5), seconds(10));
        assert_eq!(wait(u32::MAX), seconds(10));
    }
}
