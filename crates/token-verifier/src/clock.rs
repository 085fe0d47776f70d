//! The time, which tests choose.

use std::time::{Instant, SystemTime};

/// The time. The default is the system's.
pub trait Clock: Send + Sync + 'static {
    /// Returns the present time, with which `exp` and `nbf` are compared.
    fn now(&self) -> SystemTime;

    /// Returns the time of a clock that is never set, for the age of the keys.
    fn monotonic(&self) -> Instant;
}

pub(crate) struct SystemClock;

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}
