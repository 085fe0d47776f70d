//! Waiting for a condition: polled, with a deadline, and saying what was waited for.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How long the first pause between two probes is; it grows to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Probes until it answers `Some`.
///
/// # Errors
/// The probe's own error at once (what is awaited cannot happen any more), or that `what` did not happen
/// within `deadline`.
pub async fn until<T>(what: &str, deadline: Duration, mut probe: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
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
