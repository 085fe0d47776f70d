//! A batch of records, and how it becomes durable: either all of its records count as read, or
//! none.

use std::{num::NonZero, sync::Arc, thread, time::Duration};

use jiff::Timestamp;
use service_kit::{Clock, backoff, mongo::StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::decision::{RecordDecider, RecordDecision};
use crate::{
    ledger::{ConsumedRecord, DeadLetter, DeadLetterStore, Ledger, NewMail, State, Suppressions},
    metrics::{Metrics, RecordOutcome},
};

const FIRST_RETRY_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_RETRY_PAUSE: Duration = Duration::from_secs(5);
/// The minimum number of records for which an additional thread is started.
const MIN_RECORDS_PER_THREAD: usize = 64;

/// The results of the records of a batch.
#[derive(Default)]
pub struct Batch {
    /// Each mail with its record.
    pub(super) mails: Vec<(NewMail, Arc<ConsumedRecord>)>,
    pub(super) letters: Vec<DeadLetter>,
    pub(super) outcomes: Vec<RecordOutcome>,
}

impl Batch {
    /// Decides all `records` at `now`. Large batches are decided on all processors: most of the
    /// work is opening sealed tokens.
    #[must_use]
    pub fn from_records(records: Vec<ConsumedRecord>, decider: &RecordDecider, now: Timestamp) -> Self {
        let mut batch = Self::default();
        let decisions = decisions(&records, decider, now);
        for (record, decision) in records.into_iter().zip(decisions) {
            batch.add(record, decision, decider.instance(), now);
        }
        batch
    }

    fn add(&mut self, record: ConsumedRecord, decision: RecordDecision, instance: &str, now: Timestamp) {
        match decision {
            RecordDecision::Mails(mails) => {
                self.outcomes.push(RecordOutcome::Mail);
                let record = Arc::new(record);
                self.mails.extend(mails.into_iter().map(|mail| (mail, Arc::clone(&record))));
            }
            RecordDecision::NoMail => self.outcomes.push(RecordOutcome::NoMail),
            RecordDecision::UnknownType(name) => {
                tracing::debug!(r#type = name, "an event of a type that this version does not know is skipped");
                self.outcomes.push(RecordOutcome::UnknownType);
            }
            RecordDecision::Dead { reason, detail } => {
                self.outcomes.push(RecordOutcome::DeadLetter);
                self.letters.push(DeadLetter::new(record, reason, detail, instance, now));
            }
        }
    }
}

/// Returns the decisions in the order of the records.
fn decisions(records: &[ConsumedRecord], decider: &RecordDecider, now: Timestamp) -> Vec<RecordDecision> {
    let decide = |part: &[ConsumedRecord]| -> Vec<RecordDecision> {
        part.iter().map(|record| decider.decide(record, now)).collect()
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(records.len() / MIN_RECORDS_PER_THREAD).max(1);
    let mut parts = records.chunks(records.len().div_ceil(threads).max(1));
    let own = parts.next().unwrap_or_default();
    let decide = &decide;
    thread::scope(|scope| {
        let begin = |part| {
            (part, thread::Builder::new().name("decisions".to_owned()).spawn_scoped(scope, move || decide(part)))
        };
        let others: Vec<_> = parts.map(begin).collect();
        let mut decisions = decide(own);
        for (part, thread) in others {
            decisions.extend(match thread {
                // A panic outside of one record's decision has ended the process.
                Ok(thread) => thread.join().unwrap_or_else(|_| decide(part)),
                // The operating system gives no thread.
                Err(_) => decide(part),
            });
        }
        decisions
    })
}

/// The outcome of a mail that a record asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailOutcome {
    /// It is in the ledger now, in this state.
    New(State),
    /// It was in the ledger already, and is not changed.
    Existing,
    /// The ledger refuses it permanently.
    Refused,
}

impl MailOutcome {
    /// Returns the name in metrics, or `None` for a mail that is not in the ledger.
    fn as_str(self) -> Option<&'static str> {
        match self {
            MailOutcome::New(state) => Some(state.as_str()),
            MailOutcome::Existing => Some("known"),
            MailOutcome::Refused => None,
        }
    }
}

/// The result of storing the mails of a batch.
pub(super) struct StoredMails {
    /// One outcome for each mail, in their order.
    pub(super) outcomes: Vec<MailOutcome>,
    /// The records whose mails were refused.
    pub(super) refused: Vec<DeadLetter>,
}

/// Writes batches. Clones share the connections.
#[derive(Clone)]
pub struct BatchWriter {
    pub ledger: Ledger,
    pub letters: DeadLetterStore,
    pub suppressions: Suppressions,
    pub clock: Clock,
    pub metrics: Metrics,
    /// Wakes the senders.
    pub wake: Arc<Notify>,
}

impl BatchWriter {
    /// Writes until the whole `batch` is on a majority of the servers. Returns false if `stop` came
    /// first: then nothing of it may count as read.
    pub async fn write(&self, mut batch: Batch, stop: &CancellationToken) -> bool {
        let mut failures = 0;
        let refused = loop {
            match self.try_write(&mut batch).await {
                Ok(refused) => break refused,
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(%error, "records cannot be written to the ledger: trying again");
                    }
                    failures += 1;
                }
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = backoff::pause(failures, FIRST_RETRY_PAUSE, LONGEST_RETRY_PAUSE) => {}
            }
        };
        for outcome in &batch.outcomes {
            self.metrics.count_record(*outcome);
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
            self.metrics.count_dead_letter(reason);
        }
        true
    }

    /// Tries once to write the batch. It is safe to repeat, because ids follow from the records
    /// alone. Returns the dead letters of records whose mails the ledger refuses.
    async fn try_write(&self, batch: &mut Batch) -> Result<Vec<DeadLetter>, StoreError> {
        let StoredMails { outcomes, refused } = self.store_mails(batch).await?;
        self.letters.insert_new(&batch.letters).await?;
        self.letters.insert_new(&refused).await?;

        // From here on the batch is safe.
        let known = outcomes.iter().filter(|outcome| **outcome == MailOutcome::Existing).count();
        if known > 0 {
            tracing::info!(known, "records were read again: their mails are in the ledger already");
        }
        for ((mail, _), outcome) in batch.mails.iter().zip(&outcomes) {
            if let Some(name) = outcome.as_str() {
                self.metrics.count_ledger_row(mail.template(), name);
            }
        }
        if outcomes.contains(&MailOutcome::New(State::Queued)) {
            self.wake.notify_one();
        }
        Ok(refused)
    }

    /// Stores the mails of a batch: the only way into the ledger, for records from the topic and
    /// for replayed dead letters. The id of a mail follows from its event, so no mail is stored
    /// twice.
    pub(super) async fn store_mails(&self, batch: &mut Batch) -> Result<StoredMails, StoreError> {
        self.mark_suppressed(batch).await?;
        let inserted = self.ledger.insert(batch.mails.iter().map(|(mail, _)| mail)).await?;

        let mut outcomes: Vec<MailOutcome> =
            batch.mails.iter().map(|(mail, _)| MailOutcome::New(mail.state())).collect();
        for index in &inserted.existing {
            outcomes[*index] = MailOutcome::Existing;
        }
        let mut refused = Vec::new();
        for (index, code) in &inserted.refused {
            let (mail, record) = &batch.mails[*index];
            outcomes[*index] = MailOutcome::Refused;
            let detail = format!("the ledger refuses the mail {} (error {code})", mail.template());
            let letter =
                DeadLetter::new((**record).clone(), "ledger-refused", detail, self.ledger.instance(), self.clock.now());
            refused.push(letter);
        }
        Ok(StoredMails { outcomes, refused })
    }

    /// Marks the mails to suppressed addresses: they are stored, and not sent.
    pub(super) async fn mark_suppressed(&self, batch: &mut Batch) -> Result<(), StoreError> {
        let addresses: Vec<&str> = batch.mails.iter().map(|(mail, _)| mail.to()).collect();
        let suppressed = self.suppressions.are_suppressed(&addresses).await?;
        let now = self.clock.now();
        for ((mail, _), _) in batch.mails.iter_mut().zip(suppressed).filter(|(_, suppressed)| *suppressed) {
            mail.suppress(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use events::sealing::{KeyRing, PrivateKey};
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn each_record_gets_its_own_decision_whatever_the_number_of_threads() {
        let keys = Arc::new(KeyRing::new(vec![PrivateKey::generate().0]).unwrap());
        let decider = RecordDecider::new(keys, SignedDuration::from_hours(1), "example.org".into(), "here".into());
        for count in [0, 1, MIN_RECORDS_PER_THREAD, 2 * MIN_RECORDS_PER_THREAD + 1, 500] {
            // This pattern does not align with any division into chunks.
            let empty = |n: usize| n % 3 == 1 || n % 7 == 1;
            let record = |n: usize| {
                let value = (!empty(n)).then(|| b"no JSON".to_vec());
                ConsumedRecord { offset: i64::try_from(n).unwrap(), value, ..ConsumedRecord::default() }
            };
            let batch = Batch::from_records((0..count).map(record).collect(), &decider, Timestamp::UNIX_EPOCH);
            let found: Vec<_> =
                batch.letters.iter().map(|letter| (letter.offset, letter.reason == "null-value")).collect();
            let expected: Vec<_> = (0..count).map(|n| (i64::try_from(n).unwrap(), empty(n))).collect();
            assert_eq!(found, expected);
        }
    }
}
