//! Repeats an operation while the store is unavailable.

use std::time::Duration;

use super::StoreError;
use crate::backoff;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

/// Repeats `attempt` while the store is unavailable, at most `max_retries` times. The outcome of an attempt may be
/// unknown, so it must be repeatable.
///
/// # Errors
/// Returns the error of the last attempt, or the first error of another kind.
pub async fn retry_while_unavailable<T, F>(max_retries: u32, attempt: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    for failures in 1..=max_retries {
        match attempt().await {
            Err(error) if error.is_unavailable() => backoff::pause(failures, FIRST_PAUSE, LONGEST_PAUSE).await,
            result => return result,
        }
    }
    attempt().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Fails `failures` times with `error`, and returns the result and the number of attempts.
    async fn retried(failures: u32, error: StoreError) -> (Result<(), StoreError>, u32) {
        let attempts = Cell::new(0);
        let result = retry_while_unavailable(1, || {
            attempts.set(attempts.get() + 1);
            std::future::ready(if attempts.get() > failures { Ok(()) } else { Err(error.clone()) })
        });
        (result.await, attempts.get())
    }

    #[tokio::test]
    async fn an_attempt_is_repeated_while_the_store_is_unavailable_and_no_longer() {
        assert!(matches!(retried(1, StoreError::Timeout).await, (Ok(()), 2)));
        assert!(matches!(retried(9, StoreError::Timeout).await, (Err(StoreError::Timeout), 2)));
        let duplicate = StoreError::DuplicateKey { index: "email".to_owned() };
        assert!(matches!(retried(1, duplicate).await, (Err(StoreError::DuplicateKey { .. }), 1)));
    }
}
