//! The modes of a proxy, and how much of a chunk passes in each.

use std::{num::NonZeroU32, time::Duration};

/// How often a throttled direction gets its share of a second.
const TICK: Duration = Duration::from_millis(20);

/// What happens to connections and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyMode {
    /// Both directions flow.
    Pass,
    /// Nothing flows, nothing is lost: bytes wait until another mode is set.
    Hold,
    /// Every chunk waits this long first.
    Slow(Duration),
    /// So many bytes a second in each direction of each connection.
    Throttle(NonZeroU32),
    /// What is sent in either direction vanishes; connections stay open.
    Discard,
    /// Requests arrive upstream, the replies vanish.
    DiscardReplies,
    /// Nobody listens: a connection attempt is refused; existing connections are cut.
    Refuse,
}

impl ProxyMode {
    /// Returns how many of the `remaining` bytes are written next, and the pause before the write. `None` means that
    /// the bytes are discarded. `are_replies` is true for bytes from the upstream server to the client.
    pub(super) fn next_write(self, remaining: usize, are_replies: bool) -> Option<(usize, Duration)> {
        match self {
            Self::Discard => None,
            Self::DiscardReplies if are_replies => None,
            Self::Hold => Some((0, Duration::MAX)),
            Self::Slow(delay) => Some((remaining, delay)),
            Self::Throttle(rate) => Some(throttled_write(rate, remaining)),
            Self::Pass | Self::DiscardReplies | Self::Refuse => Some((remaining, Duration::ZERO)),
        }
    }
}

/// How many of `length` bytes may go after how long, at so many bytes a second.
fn throttled_write(rate: NonZeroU32, length: usize) -> (usize, Duration) {
    let tick = TICK.as_secs_f64();
    let bytes = ((f64::from(rate.get()) * tick) as usize).clamp(1, length);
    (bytes, Duration::from_secs_f64(bytes as f64 / f64::from(rate.get())))
}
