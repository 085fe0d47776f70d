//! Waits for a condition: polls it until a deadline, and names it in the error.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How long the first pause between two probes is; it grows to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Enough time, on a busy machine, for everything that happens by itself.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Calls `probe` until it returns `Some`, and panics with `what` after `deadline`. For tests.
///
/// # Panics
/// When `what` did not happen within `deadline`.
pub async fn wait_for<T>(deadline: Duration, what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    match try_wait_for(deadline, what, async || Ok(probe().await)).await {
        Ok(value) => value,
        Err(error) => panic!("{error:#}"),
    }
}

/// Calls `probe` until it returns `Some`.
///
/// # Errors
/// The error of the probe, at once; or, after `deadline`, that `what` did not happen in time.
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
            Ok(answer) => {
                if let Some(value) = answer.with_context(|| format!("while waiting for {what}"))? {
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
