//! Loses the reply to one chosen request.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::watch;

use super::mode::ProxyMode;

/// Waits for a request with chosen bytes, and counts the lost replies.
#[derive(Debug, Default)]
pub(super) struct ReplyLoss {
    /// The bytes of the request whose reply is lost; `None` when no request is awaited.
    request: Mutex<Option<Vec<u8>>>,
    /// Senders that make the proxy refuse connections and cut existing ones after the loss.
    then_refuse: Mutex<Option<(watch::Sender<ProxyMode>, watch::Sender<()>)>>,
    lost: AtomicUsize,
}

impl ReplyLoss {
    /// Loses the reply to the next request that contains these bytes.
    pub(super) fn arm(&self, request: Vec<u8>) {
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
    }

    /// Loses the reply to the next request that contains these bytes, then makes the proxy refuse connections.
    pub(super) fn arm_and_refuse(&self, request: Vec<u8>, mode: watch::Sender<ProxyMode>, cuts: watch::Sender<()>) {
        *self.then_refuse.lock().unwrap_or_else(PoisonError::into_inner) = Some((mode, cuts));
        self.arm(request);
    }

    /// Counts a lost reply, and makes the proxy refuse connections if that was requested.
    pub(super) fn record_lost_reply(&self) {
        if let Some((mode, cuts)) = self.then_refuse.lock().unwrap_or_else(PoisonError::into_inner).take() {
            mode.send_replace(ProxyMode::Refuse);
            cuts.send_replace(());
        }
        self.lost.fetch_add(1, Ordering::Release);
    }

    /// Returns the number of lost replies.
    pub(super) fn lost_replies(&self) -> usize {
        self.lost.load(Ordering::Acquire)
    }

    /// Returns whether this chunk completes the awaited bytes; then no request is awaited any more. `earlier` holds
    /// the end of the earlier chunks of the same connection.
    pub(super) fn matches(&self, earlier: &mut Vec<u8>, chunk: &[u8]) -> bool {
        let mut pending = self.request.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(request) = pending.as_ref().filter(|request| !request.is_empty()) else {
            earlier.clear();
            return false;
        };
        earlier.extend_from_slice(chunk);
        let matched = earlier.windows(request.len()).any(|window| window == request);
        earlier.drain(..earlier.len().saturating_sub(request.len() - 1));
        if matched {
            *pending = None;
        }
        matched
    }
}
