//! The modes of a proxy, and how much of a chunk is written in each mode.

use std::{num::NonZeroU32, time::Duration};

/// The interval between two writes in a throttled direction.
const TICK: Duration = Duration::from_millis(20);

/// The treatment of connections and their bytes by the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyMode {
    /// Forwards both directions.
    Pass,
    /// Forwards nothing and loses nothing: bytes wait until another mode is set.
    Hold,
    /// Delays each chunk.
    Slow(Duration),
    /// Limits each direction of each connection to this number of bytes per second.
    Throttle(NonZeroU32),
    /// Discards the bytes in both directions. Connections stay open.
    Discard,
    /// Forwards requests and discards replies.
    DiscardReplies,
    /// Stops listening, so that new connections are refused, and cuts existing ones.
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

/// Returns how many of `length` bytes are written next at a rate in bytes per second, and the pause before the write.
fn throttled_write(rate: NonZeroU32, length: usize) -> (usize, Duration) {
    let tick = TICK.as_secs_f64();
    let bytes = ((f64::from(rate.get()) * tick) as usize).clamp(1, length);
    (bytes, Duration::from_secs_f64(bytes as f64 / f64::from(rate.get())))
}
