//! A lane of a schedule: faults of which one is injected at a time. It deals them like cards: every fault occurs once
//! before one occurs again.

use std::{ops::Range, time::Duration};

use rand::{Rng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use crate::schedule::{Fault, PlannedFault};

/// Durations of faults, in milliseconds.
pub(crate) const SHORT: Range<u64> = 800..4_000;
pub(crate) const LONG: Range<u64> = 800..7_000;

/// Chooses a fault and its possible durations, in milliseconds.
pub(crate) type Card = fn(&mut ChaCha8Rng) -> (Fault, Range<u64>);

/// A sequence of faults that do not overlap.
pub(crate) struct Lane {
    /// The time before the first fault, in milliseconds.
    pub(crate) lead_ms: u64,
    /// The time between the end of a fault and the next one, in milliseconds.
    pub(crate) gap_ms: Range<u64>,
    /// The faults that are dealt.
    pub(crate) cards: &'static [Card],
}

impl Lane {
    /// Returns the faults of a run of this length, in milliseconds. All end within the run.
    pub(crate) fn deal(&self, random: &mut ChaCha8Rng, length: u64) -> Vec<PlannedFault> {
        let mut planned = Vec::new();
        let mut at = self.lead_ms;
        loop {
            let mut cards = self.cards.to_vec();
            cards.shuffle(random);
            for card in cards {
                at += random.random_range(self.gap_ms.clone());
                let (fault, durations) = card(random);
                let duration = random.random_range(durations);
                let healing = if let Fault::Cluster(fault) = &fault { fault.healing_ms() } else { 0 };
                if at + duration + healing > length {
                    return planned;
                }
                let (start, duration) = (Duration::from_millis(at), Duration::from_millis(duration));
                planned.push(PlannedFault { at: start, duration, fault });
                at += u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) + healing;
            }
        }
    }
}
