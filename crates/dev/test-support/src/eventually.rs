//! Waiting until something holds, with a deadline and a sentence.

use std::time::Duration;

use local_stack::until::until;

/// Long enough for everything that has to happen by itself, on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Probes until it answers `Some`; panics with `what` after the deadline.
pub async fn eventually<T>(deadline: Duration, what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    match until(what, deadline, async || Ok(probe().await)).await {
        Ok(value) => value,
        Err(error) => panic!("{error:#}"),
    }
}
