//! Interleaved rounds (A B A B), their medians and their spread.

use std::time::Duration;

use anyhow::Result;

/// The median, minimum and maximum of several rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Sample {
    /// Creates a sample from the values of its rounds.
    ///
    /// # Panics
    /// Panics without any round.
    pub(crate) fn from_rounds(rounds: &[f64]) -> Self {
        let mut sorted = rounds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(&low), Some(&high)) = (sorted.first(), sorted.last()) else { panic!("no round was measured") };
        let middle = sorted.len() / 2;
        let median =
            if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
        Self { median, low, high }
    }

    /// Returns the range of the rounds relative to the median.
    pub(crate) fn spread(&self) -> f64 {
        (self.high - self.low) / self.median
    }
}

/// Our value and its limit, measured alternately. The ratio is that of adjacent rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comparison {
    pub(crate) ours: Sample,
    pub(crate) limit: Sample,
    pub(crate) ratio: Sample,
}

impl Comparison {
    /// Creates a comparison from rounds of (ours, limit).
    pub(crate) fn from_rounds(rounds: &[(f64, f64)]) -> Self {
        let of = |value: fn(&(f64, f64)) -> f64| Sample::from_rounds(&rounds.iter().map(value).collect::<Vec<_>>());
        Self { ours: of(|round| round.0), limit: of(|round| round.1), ratio: of(|round| round.0 / round.1) }
    }
}

/// Measures both alternately for the given number of rounds. Each measurement returns a rate or a time.
pub(crate) async fn interleaved(
    rounds: usize,
    mut ours: impl AsyncFnMut() -> Result<f64>,
    mut limit: impl AsyncFnMut() -> Result<f64>,
) -> Result<Comparison> {
    let mut taken = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        taken.push((ours().await?, limit().await?));
    }
    Ok(Comparison::from_rounds(&taken))
}

/// Returns the percentile `percent` of unsorted durations.
pub(crate) fn percentile(durations: &[Duration], percent: f64) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    let index = (sorted.len() as f64 * percent / 100.0) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_median_and_the_spread_of_its_rounds() {
        let sample = Sample::from_rounds(&[3.0, 1.0, 2.0]);
        assert_eq!(sample, Sample { median: 2.0, low: 1.0, high: 3.0 });
        assert_eq!(sample.spread(), 1.0);
        assert_eq!(Sample::from_rounds(&[1.0, 2.0]).median, 1.5);
    }

    #[test]
    fn the_ratio_is_the_median_of_the_ratios_of_each_round() {
        // The machine became half as fast, while ours stayed at half of the limit.
        let pair = Comparison::from_rounds(&[(50.0, 100.0), (25.0, 50.0), (25.0, 50.0)]);
        assert_eq!(pair.ratio, Sample { median: 0.5, low: 0.5, high: 0.5 });
        assert_eq!((pair.ours.median, pair.limit.median), (25.0, 50.0));
    }

    #[test]
    fn a_percentile_is_one_of_the_durations() {
        let durations: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&durations, 50.0), Duration::from_millis(51));
        assert_eq!(percentile(&durations, 99.0), Duration::from_millis(100));
        assert_eq!(percentile(&durations, 100.0), Duration::from_millis(100));
        assert_eq!(percentile(&[], 50.0), Duration::ZERO);
    }
}
