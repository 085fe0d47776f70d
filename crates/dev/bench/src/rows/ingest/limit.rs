//! Bulk inserts of the rows that the service has written, with the service's batch size.

use std::time::{Duration, Instant};

use anyhow::Result;
use bson::{Document, doc};
use futures_util::TryStreamExt as _;
use mongodb::{Collection, Database};

use crate::{
    database,
    limits::ledger::{Ledger, reset_row},
    test_users::MAILS_PER_EVENT,
};

/// The number of records in one batch of the service.
const BATCH_SIZE: f64 = 500.0;

/// The service's rows, and their copies in another database.
pub(super) struct LedgerCopy {
    ours: Collection<Document>,
    equal: Ledger,
    copied: u64,
}

impl LedgerCopy {
    /// Waits until the service has its indexes, and creates the same ones for the copies.
    pub(super) async fn new(ours: &Database, equal: &Database) -> Result<Self> {
        let (ours, equal) = (ours.collection("mailJobs"), Ledger::new(equal));
        database::wait_for_index(&ours, "retention").await?;
        database::copy_indexes(equal.rows(), &ours).await?;
        Ok(Self { ours, equal, copied: 0 })
    }

    /// Inserts the rows that the service has written since the last call. Returns events per second.
    pub(super) async fn insert_new_rows(&mut self) -> Result<f64> {
        let find = self.ours.find(doc! {}).hint(mongodb::options::Hint::Keys(doc! { "$natural": 1 }));
        let rows: Vec<Document> = find.skip(self.copied).await?.try_collect().await?;
        let rows = rows.into_iter().map(reset_row).collect::<Result<Vec<_>>>()?;
        self.copied += rows.len() as u64;
        let begun = Instant::now();
        for batch in rows.chunks(batch()) {
            self.equal.insert(batch).await?;
        }
        Ok(rows.len() as f64 / MAILS_PER_EVENT / begun.elapsed().as_secs_f64())
    }

    /// Inserts existing rows for the given time. Returns events per second.
    pub(super) async fn reinsert_rows(&self, length: Duration) -> Result<f64> {
        let rows: Vec<Document> = self.ours.find(doc! {}).await?.try_collect().await?;
        let rows = rows.into_iter().map(reset_row).collect::<Result<Vec<_>>>()?;
        let (begun, mut done) = (Instant::now(), 0);
        for batch in rows.chunks(batch()).cycle() {
            self.equal.insert(batch).await?;
            done += batch.len();
            if begun.elapsed() >= length {
                break;
            }
        }
        Ok(done as f64 / MAILS_PER_EVENT / begun.elapsed().as_secs_f64())
    }
}

fn batch() -> usize {
    (BATCH_SIZE * MAILS_PER_EVENT) as usize
}
