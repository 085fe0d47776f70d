//! The ledger updates of a mail without the mail: claimed, fenced, sent.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use bson::Document;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::limits::ledger::Ledger;

/// Lets each of the workers claim for itself. Returns mails per second.
pub(super) async fn each_claims(ledger: &Ledger, workers: usize, length: Duration) -> Result<f64> {
    let begun = Instant::now();
    let mut working = JoinSet::new();
    for _ in 0..workers {
        let ledger = ledger.clone();
        working.spawn(async move {
            let mut sent = 0;
            while begun.elapsed() < length {
                let Some(row) = ledger.claim().await? else { break };
                deliver(&ledger, row).await?;
                sent += 1;
            }
            anyhow::Ok(sent)
        });
    }
    rate(working, begun).await
}

/// Lets one task claim for all workers, with at most `workers` mails in progress. Returns mails per second.
pub(super) async fn one_claims(ledger: &Ledger, workers: usize, length: Duration) -> Result<f64> {
    let (begun, free) = (Instant::now(), Arc::new(Semaphore::new(workers)));
    let mut working = JoinSet::new();
    while begun.elapsed() < length {
        let place = Arc::clone(&free).acquire_owned().await?;
        let Some(row) = ledger.claim().await? else { break };
        let ledger = ledger.clone();
        working.spawn(async move {
            deliver(&ledger, row).await?;
            drop(place);
            anyhow::Ok(1)
        });
    }
    rate(working, begun).await
}

async fn deliver(ledger: &Ledger, row: Document) -> Result<()> {
    ledger.fence(&row).await?;
    ledger.mark_sent(&row).await
}

async fn rate(mut working: JoinSet<Result<usize>>, begun: Instant) -> Result<f64> {
    let mut sent = 0;
    while let Some(worker) = working.join_next().await {
        sent += worker??;
    }
    Ok(sent as f64 / begun.elapsed().as_secs_f64())
}
