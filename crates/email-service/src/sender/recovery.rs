//! Moves on the mails that no sender holds any more: ended leases, unknown deliveries, expired
//! mails. Every instance does it; the writes decide by the server's clock.

use std::{sync::Arc, time::Duration};

use service_kit::backoff::jittered;
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::{Ledger, claims::RecoveryCounts},
    metrics::Metrics,
};

/// The mean time between two runs.
const INTERVAL: Duration = Duration::from_secs(2);

/// Recovers until `stop`, and wakes the senders when mails became due.
pub async fn run(ledger: Ledger, wake: Arc<Notify>, metrics: Metrics, stop: CancellationToken) {
    let round = async {
        loop {
            match ledger.recover().await {
                Ok(recovered) => report(&recovered, &wake, &metrics),
                Err(error) => tracing::debug!(%error, "recovery is not possible yet"),
            }
            sleep(jittered(INTERVAL)).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = round => {}
    }
}

fn report(recovered: &RecoveryCounts, wake: &Notify, metrics: &Metrics) {
    let moved = [
        ("requeued", recovered.requeued),
        ("unknown", recovered.unknown),
        ("resent", recovered.resent),
        ("held", recovered.held),
        ("expired", recovered.expired),
    ];
    for (action, count) in moved {
        if count > 0 {
            tracing::info!(action, count, "mails that no sender held were moved on");
            metrics.count_recovered(action, count);
        }
    }
    if recovered.requeued + recovered.resent > 0 {
        wake.notify_one();
    }
}
