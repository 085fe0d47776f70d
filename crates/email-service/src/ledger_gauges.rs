//! The gauges of the ledger: mails by state, open dead letters, and the longest wait.

use std::time::Duration;

use service_kit::{Clock, backoff::jittered, mongo::StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::{DeadLetterStore, Ledger, State},
    metrics::Metrics,
};

/// The mean time between two counts.
const INTERVAL: Duration = Duration::from_secs(15);

/// The states that may need attention. Counting the terminal ones would cost more with every mail
/// ever sent; counters cover them.
const COUNTED_STATES: &[State] = &[State::Queued, State::Preparing, State::Data, State::Unknown];

/// Updates the gauges until `stop`.
pub async fn run(ledger: Ledger, letters: DeadLetterStore, clock: Clock, metrics: Metrics, stop: CancellationToken) {
    let round = async {
        loop {
            if let Err(error) = update_gauges(&ledger, &letters, &clock, &metrics).await {
                tracing::debug!(%error, "the ledger could not be counted");
            }
            sleep(jittered(INTERVAL)).await;
        }
    };
    stop.run_until_cancelled(round).await;
}

async fn update_gauges(
    ledger: &Ledger,
    letters: &DeadLetterStore,
    clock: &Clock,
    metrics: &Metrics,
) -> Result<(), StoreError> {
    for state in COUNTED_STATES {
        metrics.set_mails_in_state(*state, ledger.count(*state).await?);
    }
    metrics.set_open_dead_letters(letters.count_open().await?);
    let due_for = match ledger.oldest_due().await? {
        Some(due) => clock.now().duration_since(due).as_secs_f64().max(0.0),
        None => 0.0,
    };
    metrics.set_longest_due(due_for);
    Ok(())
}
