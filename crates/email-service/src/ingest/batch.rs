//! Records that were read together, and how they become durable: all of them, or none
//! counts as read.

use std::{collections::HashSet, sync::Arc, time::Duration};

use service_kit::{Clock, mongo::StoreError};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use super::record::{Decision, Reader};
use crate::{
    ledger::{DeadLetter, DeadLetters, Inserted, Ledger, NewMail, Suppressions, dead_letters::Record},
    mailer::backoff::{chance, doubling},
    metrics::{Metrics, RecordOutcome},
};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// What the records of a batch ask for.
#[derive(Default)]
pub struct Batch {
    /// Each with the record it comes from.
    mails: Vec<(NewMail, Arc<Record>)>,
    letters: Vec<DeadLetter>,
    outcomes: Vec<RecordOutcome>,
}

impl Batch {
    /// Adds a record.
    pub fn add(&mut self, record: Record, reader: &Reader, clock: &Clock) {
        let now = clock.now();
        match reader.decide(&record, now) {
            Decision::Mails(mails) => {
                self.outcomes.push(RecordOutcome::Mail);
                let record = Arc::new(record);
                self.mails.extend(mails.into_iter().map(|mail| (mail, Arc::clone(&record))));
            }
            Decision::NoMail => self.outcomes.push(RecordOutcome::NoMail),
            Decision::UnknownType(name) => {
                tracing::debug!(r#type = name, "an event of a type that this version does not know is skipped");
                self.outcomes.push(RecordOutcome::UnknownType);
            }
            Decision::Dead { reason, detail } => {
                self.outcomes.push(RecordOutcome::DeadLetter);
                self.letters.push(DeadLetter::new(record, reason, detail, now));
            }
        }
    }
}

/// Writes batches. Clones share the connections.
#[derive(Clone)]
pub struct Writer {
    pub ledger: Ledger,
    pub letters: DeadLetters,
    pub suppressions: Suppressions,
    pub clock: Clock,
    pub metrics: Metrics,
    /// Tells the senders that there is work.
    pub wake: Arc<Notify>,
}

impl Writer {
    /// Writes until everything of `batch` is on a majority of the servers. False: `stop` came
    /// first, and nothing of it may count as read.
    pub async fn write(&self, mut batch: Batch, stop: &CancellationToken) -> bool {
        let mut failures = 0;
        loop {
            match self.try_write(&mut batch).await {
                Ok(()) => break,
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(%error, "records cannot be written down: trying on");
                    }
                    failures += 1;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = sleep(doubling(failures, FIRST_RETRY, LAST_RETRY, chance())) => {}
            }
        }
        for outcome in &batch.outcomes {
            self.metrics.record(*outcome);
        }
        for letter in &batch.letters {
            let (reason, detail) = (&letter.reason, &letter.detail);
            tracing::warn!(
                reason,
                detail,
                topic = letter.topic,
                partition = letter.partition,
                offset = letter.offset,
                "dead letter: a record cannot be processed"
            );
            self.metrics.dead_letter(reason);
        }
        true
    }

    /// One try; safe to repeat, because ids follow from the records alone.
    async fn try_write(&self, batch: &mut Batch) -> Result<(), StoreError> {
        let addresses: Vec<&str> = batch.mails.iter().map(|(mail, _)| mail.to()).collect();
        let suppressed = self.suppressions.among(&addresses).await?;
        let mut rows: Vec<NewMail> = batch.mails.iter().map(|(mail, _)| mail.clone()).collect();
        let now = self.clock.now();
        for row in rows.iter_mut().filter(|row| suppressed.contains(row.to())) {
            row.suppress(now);
        }
        let inserted = self.ledger.insert(&rows).await?;
        for (index, code) in &inserted.refused {
            let Some((mail, record)) = batch.mails.get(*index) else { continue };
            let detail = format!("the ledger refuses the mail {} (error {code})", mail.template());
            batch.letters.push(DeadLetter::new((**record).clone(), "ledger-refused", detail, now));
        }
        self.letters.keep(&batch.letters).await?;

        // From here on the batch is safe.
        if !inserted.known.is_empty() {
            tracing::info!(known = inserted.known.len(), "records read again: their mails are in the ledger already");
        }
        self.count(&rows, &inserted);
        if inserted.new > 0 {
            self.wake.notify_one();
        }
        Ok(())
    }

    fn count(&self, rows: &[NewMail], inserted: &Inserted) {
        let known: HashSet<usize> = inserted.known.iter().copied().collect();
        let refused: HashSet<usize> = inserted.refused.iter().map(|(index, _)| *index).collect();
        for (index, row) in rows.iter().enumerate() {
            if known.contains(&index) {
                self.metrics.row(row.template(), "known");
            } else if !refused.contains(&index) {
                self.metrics.row(row.template(), row.state().as_str());
            }
        }
    }
}
