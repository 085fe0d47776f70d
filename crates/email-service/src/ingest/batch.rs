//! Records that were read together, and how they become durable: all of them, or none
//! counts as read.

use std::{sync::Arc, time::Duration};

use service_kit::{Clock, mongo::StoreError};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use super::record::{Decision, Reader};
use crate::{
    ledger::{DeadLetter, DeadLetters, Ledger, NewMail, Record, State, Suppressions},
    metrics::{Metrics, RecordOutcome},
    pause::{chance, doubling},
};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// What the records of a batch ask for.
#[derive(Default)]
pub struct Batch {
    /// Each with the record it comes from.
    pub(super) mails: Vec<(NewMail, Arc<Record>)>,
    pub(super) letters: Vec<DeadLetter>,
    pub(super) outcomes: Vec<RecordOutcome>,
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
                self.letters.push(DeadLetter::new(record, reason, detail, reader.instance(), now));
            }
        }
    }
}

/// What became of a mail that a record asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is in the ledger now, in this state.
    New(State),
    /// It was there already, and stays as it is.
    Known,
    /// The ledger refuses it for itself.
    Refused,
}

impl Fate {
    /// The name in metrics; none for a mail that is not in the ledger.
    fn as_str(self) -> Option<&'static str> {
        match self {
            Fate::New(state) => Some(state.as_str()),
            Fate::Known => Some("known"),
            Fate::Refused => None,
        }
    }
}

/// What the ledger said to the mails of a batch.
pub(super) struct Admitted {
    /// One for each mail, in their order.
    pub(super) fates: Vec<Fate>,
    /// The records whose mails were refused.
    pub(super) refused: Vec<DeadLetter>,
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
    pub async fn write(&self, batch: Batch, stop: &CancellationToken) -> bool {
        let mut failures = 0;
        let refused = loop {
            match self.try_write(&batch).await {
                Ok(refused) => break refused,
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
        };
        for outcome in &batch.outcomes {
            self.metrics.record(*outcome);
        }
        for letter in batch.letters.iter().chain(&refused) {
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

    /// One try; safe to repeat, because ids follow from the records alone. Returns the letters
    /// of those records whose mails the ledger refuses.
    async fn try_write(&self, batch: &Batch) -> Result<Vec<DeadLetter>, StoreError> {
        let Admitted { fates, refused } = self.admit(batch).await?;
        self.letters.keep(&batch.letters).await?;
        self.letters.keep(&refused).await?;

        // From here on the batch is safe.
        let known = fates.iter().filter(|fate| **fate == Fate::Known).count();
        if known > 0 {
            tracing::info!(known, "records read again: their mails are in the ledger already");
        }
        for ((mail, _), fate) in batch.mails.iter().zip(&fates) {
            if let Some(name) = fate.as_str() {
                self.metrics.row(mail.template(), name);
            }
        }
        if fates.contains(&Fate::New(State::Queued)) {
            self.wake.notify_one();
        }
        Ok(refused)
    }

    /// The one door to the ledger, for records that are read and for letters that are replayed.
    /// A mail has the id that follows from its event, so none gets in twice.
    pub(super) async fn admit(&self, batch: &Batch) -> Result<Admitted, StoreError> {
        let addresses: Vec<&str> = batch.mails.iter().map(|(mail, _)| mail.to()).collect();
        let suppressed = self.suppressions.among(&addresses).await?;
        let mut rows: Vec<NewMail> = batch.mails.iter().map(|(mail, _)| mail.clone()).collect();
        let now = self.clock.now();
        for row in rows.iter_mut().filter(|row| suppressed.contains(row.to())) {
            row.suppress(now);
        }
        let inserted = self.ledger.insert(&rows).await?;

        let mut fates: Vec<Fate> = rows.iter().map(|row| Fate::New(row.state())).collect();
        for index in &inserted.known {
            fates[*index] = Fate::Known;
        }
        let mut refused = Vec::new();
        for (index, code) in &inserted.refused {
            let (mail, record) = &batch.mails[*index];
            fates[*index] = Fate::Refused;
            let detail = format!("the ledger refuses the mail {} (error {code})", mail.template());
            let letter = DeadLetter::new((**record).clone(), "ledger-refused", detail, self.ledger.instance(), now);
            refused.push(letter);
        }
        Ok(Admitted { fates, refused })
    }
}
