//! The loss of the reply to one chosen request.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::watch;

use super::mode::ProxyMode;

/// Waits for one request, whose reply is to be lost.
#[derive(Debug, Default)]
pub(super) struct ReplyLoss {
    request: Mutex<Option<Vec<u8>>>,
    /// Tells that the proxy listens no more from then on, and that all connections are cut.
    then_refuse: Mutex<Option<(watch::Sender<ProxyMode>, watch::Sender<()>)>>,
    lost: AtomicUsize,
}

impl ReplyLoss {
    pub(super) fn arm(&self, request: Vec<u8>) {
        *self.request.lock().unwrap_or_else(PoisonError::into_inner) = Some(request);
    }

    pub(super) fn arm_and_refuse(&self, request: Vec<u8>, mode: watch::Sender<ProxyMode>, cuts: watch::Sender<()>) {
        *self.then_refuse.lock().unwrap_or_else(PoisonError::into_inner) = Some((mode, cuts));
        self.arm(request);
    }

    pub(super) fn record_lost_reply(&self) {
        if let Some((mode, cuts)) = self.then_refuse.lock().unwrap_or_else(PoisonError::into_inner).take() {
            mode.send_replace(ProxyMode::Refuse);
            cuts.send_replace(());
        }
        self.lost.fetch_add(1, Ordering::Release);
    }

    pub(super) fn lost_replies(&self) -> usize {
        self.lost.load(Ordering::Acquire)
    }

    /// Whether this chunk completes the bytes that are waited for; then nobody waits any more. `before` is the
    /// end of what the same connection has sent.
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
