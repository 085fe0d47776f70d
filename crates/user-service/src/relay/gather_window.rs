//! Decides how long events that cause no mail wait, so that several are published at the same moment: the broker answers
//! one fetch of each consumer for all of them, instead of one for each.

use std::time::Duration;

use tokio::time::Instant;

/// The longest time that an event waits.
const GATHER_TIME: Duration = Duration::from_millis(25);

/// The present window. Under load, one window follows the other.
#[derive(Default)]
pub(super) struct GatherWindow {
    end: Option<Instant>,
    /// Whether events wait for its end.
    is_used: bool,
}

impl GatherWindow {
    /// Returns until when an event that is offered at `now` waits. The first one after a pause does not wait, but opens
    /// a window, in which the next ones wait for its end.
    pub(super) fn wait_until(&mut self, now: Instant) -> Option<Instant> {
        let end = self.end.filter(|end| now < *end || self.is_used && now < *end + GATHER_TIME);
        self.is_used = end.is_some();
        let end = match end {
            Some(end) if now < end => end,
            Some(end) => end + GATHER_TIME,
            None => now + GATHER_TIME,
        };
        self.end = Some(end);
        self.is_used.then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how long the events wait that are offered at these milliseconds.
    fn waits(offered: &[u64]) -> Vec<Option<u64>> {
        let (begin, mut window) = (Instant::now(), GatherWindow::default());
        let wait = |at: &u64| {
            let now = begin + Duration::from_millis(*at);
            window.wait_until(now).map(|until| u64::try_from((until - now).as_millis()).unwrap())
        };
        offered.iter().map(wait).collect()
    }

    #[test]
    fn an_event_after_a_pause_does_not_wait() {
        assert_eq!(waits(&[0, 25, 100, 1_000]), [None; 4]);
        // The events at 10 have waited until 25, so a pause begins at 50.
        assert_eq!(waits(&[0, 10, 50]), [None, Some(15), None]);
    }

    #[test]
    fn under_load_the_events_of_a_window_wait_for_the_same_moment() {
        assert_eq!(waits(&[0, 1, 20, 24]), [None, Some(24), Some(5), Some(1)]);
        assert_eq!(waits(&[0, 20, 25, 49, 50, 74]), [None, Some(5), Some(25), Some(1), Some(25), Some(1)]);
    }
}
