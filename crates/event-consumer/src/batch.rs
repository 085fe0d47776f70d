//! A batch of records, and how it becomes durable: either all of its records count as read, or
//! none.

use std::{fmt::Display, sync::Arc, time::Duration};

use jiff::Timestamp;
use service_kit::{Clock, backoff};
use tokio_util::sync::CancellationToken;

use crate::{
    decide::{Outcome, decide_all},
    handler::{DeadLetters, DeadRecord, Decided, Handler, Observer},
    record::ConsumedRecord,
};

const FIRST_RETRY_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_RETRY_PAUSE: Duration = Duration::from_secs(5);

/// The records of a batch, by what becomes of them.
pub(crate) struct Batch<D> {
    pub(crate) decided: Vec<Decided<D>>,
    pub(crate) dead: Vec<DeadRecord>,
    pub(crate) unknown_types: usize,
}

impl<D> Batch<D> {
    /// Lets `handler` decide all `records` at `now`.
    pub(crate) fn new<H>(records: Vec<ConsumedRecord>, handler: &H, now: Timestamp) -> Self
    where
        H: Handler<Decision = D>,
        D: Send,
    {
        let mut batch = Self { decided: Vec::new(), dead: Vec::new(), unknown_types: 0 };
        let outcomes = decide_all(handler, &records, now);
        for (record, outcome) in records.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Decided { user, sequence, decision } => {
                    batch.decided.push(Decided { user, sequence, decision, record, refused: None });
                }
                Outcome::UnknownType(name) => {
                    tracing::debug!(r#type = name, "an event of a type that this version does not know is skipped");
                    batch.unknown_types += 1;
                }
                Outcome::Dead(rejection) => batch.dead.push(DeadRecord { record, rejection, at: now }),
            }
        }
        batch
    }
}

/// Makes batches durable.
pub(crate) struct BatchWriter<H, D> {
    pub(crate) handler: H,
    pub(crate) dead_letters: D,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) clock: Clock,
}

impl<H: Handler, D: DeadLetters> BatchWriter<H, D> {
    /// Tries until the whole `batch` is safe. Returns false if `stop` came first: then nothing of it
    /// may count as read.
    pub(crate) async fn write(&self, batch: Batch<H::Decision>, stop: &CancellationToken) -> bool {
        let Batch { mut decided, mut dead, unknown_types } = batch;
        let mut retry = Retry { stop, store: H::STORE, failures: 0 };
        while !decided.is_empty() {
            for record in &mut decided {
                record.refused = None;
            }
            match self.handler.apply(&mut decided).await {
                Ok(()) => break,
                Err(error) if !retry.pause_after(&error).await => return false,
                Err(_) => {}
            }
        }
        let now = self.clock.now();
        dead.extend(decided.into_iter().filter_map(|Decided { record, refused, .. }| {
            refused.map(|rejection| DeadRecord { record, rejection, at: now })
        }));
        while !dead.is_empty() {
            match self.dead_letters.store(&dead).await {
                Ok(()) => break,
                Err(error) if !retry.pause_after(&error).await => return false,
                Err(_) => {}
            }
        }
        self.report(&dead, unknown_types);
        true
    }

    fn report(&self, dead: &[DeadRecord], unknown_types: usize) {
        for _ in 0..unknown_types {
            self.observer.unknown_type();
        }
        for DeadRecord { record, rejection, .. } in dead {
            tracing::warn!(
                reason = rejection.reason,
                detail = rejection.detail,
                topic = record.topic,
                partition = record.partition,
                offset = record.offset,
                "dead letter: a record cannot be processed"
            );
            self.observer.dead_letter(rejection.reason);
        }
    }
}

/// The failures of one batch.
struct Retry<'a> {
    stop: &'a CancellationToken,
    store: &'static str,
    failures: u32,
}

impl Retry<'_> {
    /// Waits after a failure, of which only the first is logged. Returns false if `stop` came first.
    async fn pause_after(&mut self, error: &(impl Display + Sync)) -> bool {
        if self.failures == 0 {
            tracing::warn!(%error, "records cannot be written to {}: trying again", self.store);
        }
        self.failures += 1;
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = backoff::pause(self.failures, FIRST_RETRY_PAUSE, LONGEST_RETRY_PAUSE) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::{
        decide::tests::{EvenOnly, event_record},
        handler::Rejection,
    };

    /// What happened, in its order.
    type Steps = Arc<Mutex<Vec<String>>>;

    /// A store that fails some times, and refuses the decision 4.
    struct Unreliable {
        failures: Mutex<u32>,
        steps: Steps,
    }

    impl Unreliable {
        fn new(failures: u32, steps: &Steps) -> Self {
            Self { failures: Mutex::new(failures), steps: Arc::clone(steps) }
        }

        fn step(&self, what: String) -> Result<(), &'static str> {
            let mut failures = self.failures.lock();
            if *failures > 0 {
                *failures -= 1;
                self.steps.lock().push("failed".to_owned());
                return Err("unreachable");
            }
            self.steps.lock().push(what);
            Ok(())
        }
    }

    impl Handler for Unreliable {
        type Record = events::Event;
        type Decision = u64;
        type Error = &'static str;

        const STORE: &'static str = "the store of this test";

        fn decide(&self, event: events::Event, now: Timestamp) -> Result<u64, Rejection> {
            EvenOnly.decide(event, now)
        }

        async fn apply(&self, batch: &mut [Decided<u64>]) -> Result<(), &'static str> {
            // A try that fails refuses nothing.
            let refused_number = if *self.failures.lock() > 0 { 2 } else { 4 };
            for record in batch.iter_mut().filter(|record| record.decision == refused_number) {
                record.refuse("store-refused", "no");
            }
            let written: Vec<_> = batch.iter().filter(|it| !it.is_refused()).map(|it| it.decision).collect();
            self.step(format!("applied {written:?}"))
        }
    }

    impl DeadLetters for Unreliable {
        type Error = &'static str;

        async fn store(&self, letters: &[DeadRecord]) -> Result<(), &'static str> {
            let letters: Vec<_> = letters.iter().map(|it| (it.record.offset, it.rejection.reason)).collect();
            self.step(format!("letters {letters:?}"))
        }
    }

    struct Counted(Steps);

    impl Observer for Counted {
        fn dead_letter(&self, reason: &str) {
            self.0.lock().push(format!("counted {reason}"));
        }
    }

    /// Writes a batch of the events 2, 3 and 4. The stores of decisions and of letters fail at first.
    async fn write(failures: (u32, u32), stop: &CancellationToken) -> (bool, Vec<String>) {
        let steps = Steps::default();
        let writer = BatchWriter {
            handler: Unreliable::new(failures.0, &steps),
            dead_letters: Unreliable::new(failures.1, &steps),
            observer: Arc::new(Counted(Arc::clone(&steps))),
            clock: Clock::manual(),
        };
        let records = [2, 3, 4].map(|sequence| event_record(1, sequence)).to_vec();
        let batch = Batch::new(records, &writer.handler, Timestamp::UNIX_EPOCH);
        let written = writer.write(batch, stop).await;
        let steps = steps.lock().clone();
        (written, steps)
    }

    const LETTERS: &str = r#"letters [(3, "odd"), (4, "store-refused")]"#;

    #[tokio::test]
    async fn dead_letters_follow_the_effect_and_each_is_repeated_alone_until_it_succeeds() {
        let (written, steps) = write((2, 1), &CancellationToken::new()).await;
        assert!(written);
        let counted = ["counted odd", "counted store-refused"];
        assert_eq!(steps, [&["failed", "failed", "applied [2]", "failed", LETTERS][..], &counted].concat());
    }

    #[tokio::test]
    async fn a_batch_that_is_stopped_is_not_written_and_counts_nothing() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(write((u32::MAX, 0), &stop).await, (false, vec!["failed".to_owned()]));
        let steps = ["applied [2]", "failed"].map(str::to_owned).to_vec();
        assert_eq!(write((0, u32::MAX), &stop).await, (false, steps));
    }
}
