//! Counts what is in the ledger, for the metrics.

use std::time::Duration;

use service_kit::{Clock, backoff::random_fraction, mongo::StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::{DeadLetters, Ledger, State},
    metrics::Metrics,
};

/// How often.
const EVERY: Duration = Duration::from_secs(15);

/// The states that ask for attention. Counting those that are over would cost more with
/// every mail ever sent; their counters tell them.
const COUNTED: &[State] = &[State::Queued, State::Preparing, State::Data, State::Unknown];

/// Counts until `stop`.
pub async fn run(ledger: Ledger, letters: DeadLetters, clock: Clock, metrics: Metrics, stop: CancellationToken) {
    let round = async {
        loop {
            if let Err(error) = count(&ledger, &letters, &clock, &metrics).await {
                tracing::debug!(%error, "the ledger could not be counted");
            }
            sleep(EVERY.mul_f64(0.75 + 0.5 * random_fraction())).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = round => {}
    }
}

async fn count(ledger: &Ledger, letters: &DeadLetters, clock: &Clock, metrics: &Metrics) -> Result<(), StoreError> {
    for state in COUNTED {
        metrics.jobs(*state, ledger.count(*state).await?);
    }
    metrics.open_dead_letters(letters.count_open().await?);
    let due_for = match ledger.longest_due().await? {
        Some(due) => clock.now().duration_since(due).as_secs_f64().max(0.0),
        None => 0.0,
    };
    metrics.longest_due(due_for);
    Ok(())
}
