//! Decides how long events that cause no mail wait, so that several are published at the same moment: the broker answers
//! one fetch of each consumer for all of them, instead of one for each.

use std::time::Duration;

use tokio::time::Instant;

/// The longest time that an event waits, and the shortest pause after which one does not wait.
const GATHER_TIME: Duration = Duration::from_millis(25);

/// The last moment at which events are published together; it may be in the future.
#[derive(Default)]
pub(super) struct GatherWindow(Option<Instant>);

impl GatherWindow {
    /// Returns until when an event that is offered at `now` waits: not at all after a pause, otherwise until the next
    /// moment.
    pub(super) fn wait_until(&mut self, now: Instant) -> Option<Instant> {
        let (moment, waits) = match self.0 {
            Some(moment) if now < moment => (moment, true),
            Some(moment) if now < moment + GATHER_TIME => (now + GATHER_TIME, true),
            _ => (now, false),
        };
        self.0 = Some(moment);
        waits.then_some(moment)
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
        // The event at 10 is published at 35, so the pause ends at 60.
        assert_eq!(waits(&[0, 10, 60, 85]), [None, Some(25), None, None]);
    }

    #[test]
    fn under_load_the_events_wait_for_the_same_moment() {
        assert_eq!(waits(&[0, 1, 20, 25]), [None, Some(25), Some(6), Some(1)]);
        assert_eq!(waits(&[0, 20, 45, 69, 70]), [None, Some(25), Some(25), Some(1), Some(25)]);
    }
}
