//! Waits for a condition: polls it until a deadline, and names the condition in the error.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The first pause between two calls of the probe. The pause doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A deadline that is long enough, even on a busy machine, for everything that happens without a further action.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Calls `probe` until it returns `Some`, and panics after `deadline`. `what` names the condition in the message. For
/// tests.
///
/// # Panics
/// Panics if `probe` did not return `Some` within `deadline`.
pub async fn wait_for<T>(deadline: Duration, what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    match try_wait_for(deadline, what, async || Ok(probe().await)).await {
        Ok(value) => value,
        Err(error) => panic!("{error:#}"),
    }
}

/// Calls `probe` until it returns `Some`. `what` names the condition in the error.
///
/// # Errors
/// Returns the error of the probe immediately, or an error if `probe` did not return `Some` within `deadline`.
pub async fn try_wait_for<T>(
    deadline: Duration,
    what: &str,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + deadline;
    let mut pause = FIRST_PAUSE;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, probe()).await {
            Ok(result) => {
                if let Some(value) = result.with_context(|| format!("while waiting for {what}"))? {
                    return Ok(value);
                }
            }
            Err(_elapsed) => bail!("{what}: not within {deadline:?}"),
        }
        if Instant::now() + pause >= end {
            bail!("{what}: not within {deadline:?}");
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
