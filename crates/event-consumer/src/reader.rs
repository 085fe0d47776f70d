//! Reads the topic with one client, on a thread of its own: librdkafka's client must be polled all
//! the time, or the group revokes its partitions.
//!
//! While one batch is being written, one more is read and decided. If the write takes long (its
//! store is unreachable), the thread goes on polling with its partitions paused, so memory stays
//! bounded. The offsets are stored, and later committed by librdkafka, only after the write, in the
//! order of the batches.

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use rdkafka::{
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    batch::{Batch, BatchWriter},
    client::ConsumerCallbacks,
    handler::{ClientErrorKind, DeadLetters, Handler},
    lag::LagTracker,
    offsets::{AssignmentCounts, BatchOffsets},
    record::ConsumedRecord,
};

const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Partitions are paused only if a write takes longer than this: pausing discards the records that
/// were fetched ahead.
const WRITE_WAIT: Duration = Duration::from_secs(1);
const MAX_RECORDS: usize = 500;
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The time that a batch that is being written has after a stop.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Reads the topic with one client.
pub(crate) struct Reader<'a, H, D> {
    pub(crate) client: BaseConsumer<ConsumerCallbacks>,
    pub(crate) topic: &'a str,
    pub(crate) writer: &'a Arc<BatchWriter<H, D>>,
    /// Shared with the callbacks of the client, as `lag`.
    pub(crate) assignments: Arc<Mutex<AssignmentCounts>>,
    pub(crate) lag: Arc<Mutex<LagTracker>>,
    pub(crate) runtime: &'a Handle,
    pub(crate) stop: &'a CancellationToken,
}

/// Why reading with one client ended.
pub(crate) enum ReadingEnd {
    Stopped,
    /// The client is not usable any more.
    Fatal(KafkaError),
}

/// The records of a batch, and their offsets.
#[derive(Default)]
struct GatheredRecords {
    records: Vec<ConsumedRecord>,
    offsets: BatchOffsets,
    bytes: usize,
}

impl GatheredRecords {
    fn is_full(&self) -> bool {
        self.records.len() >= MAX_RECORDS || self.bytes >= MAX_BYTES
    }
}

/// A batch that is being written.
struct PendingWrite {
    offsets: BatchOffsets,
    started_at: Instant,
    /// True if the whole batch is safe.
    written: mpsc::Receiver<bool>,
    /// Ends the write when it is dropped.
    cancel_write: DropGuard,
}

impl<H: Handler, D: DeadLetters> Reader<'_, H, D> {
    /// Reads until a stop, or until the client fails.
    pub(crate) fn read(&self) -> ReadingEnd {
        let (mut read_ahead, mut pending) = (Vec::new(), None);
        loop {
            // During a write the next batch is read, but the thread does not wait for records.
            let wait = if pending.is_none() { POLL_INTERVAL } else { Duration::ZERO };
            let gathered = match self.gather(&mut read_ahead, wait) {
                Ok(gathered) => gathered,
                Err(fatal) => return ReadingEnd::Fatal(fatal),
            };
            let GatheredRecords { records, offsets, .. } = gathered;
            let any = !records.is_empty();
            let batch = Batch::new(records, &self.writer.handler, self.writer.clock.now());
            if let Some(write) = pending.take()
                && let Some(ended) = self.finish_write(write, &mut read_ahead)
            {
                return ended;
            }
            if any {
                pending = Some(self.start_write(batch, offsets));
            } else if self.stop.is_cancelled() {
                return ReadingEnd::Stopped;
            }
        }
    }

    /// Reads at most one batch. Waits at most `wait` for the first record.
    fn gather(&self, read_ahead: &mut Vec<ConsumedRecord>, mut wait: Duration) -> Result<GatheredRecords, KafkaError> {
        let mut gathered = GatheredRecords::default();
        if self.stop.is_cancelled() {
            return Ok(gathered);
        }
        for record in read_ahead.drain(..) {
            self.add(record, &mut gathered);
            wait = Duration::ZERO;
        }
        while let Some(polled) = self.client.poll(wait) {
            wait = Duration::ZERO;
            match polled {
                Ok(message) => self.add(ConsumedRecord::new(&message), &mut gathered),
                Err(error) => self.handle_poll_error(&error)?,
            }
            if gathered.is_full() || self.stop.is_cancelled() {
                break;
            }
        }
        Ok(gathered)
    }

    /// Adds a record to the batch.
    fn add(&self, record: ConsumedRecord, gathered: &mut GatheredRecords) {
        // On a topic without timestamps the time of arrival is used.
        let written = record.timestamp.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let written = written.unwrap_or_else(|| self.writer.clock.now());
        self.lag.lock().record_read(&record.topic, record.partition, written);
        gathered.bytes += record.size();
        gathered.offsets.add(&record.topic, record.partition, record.offset, &self.assignments.lock());
        gathered.records.push(record);
    }

    /// Starts writing a batch.
    fn start_write(&self, batch: Batch<H::Decision>, offsets: BatchOffsets) -> PendingWrite {
        self.lag.lock().write_started();
        let (done, written) = mpsc::channel();
        let cancel_write = CancellationToken::new();
        let (writer, token) = (Arc::clone(self.writer), cancel_write.clone());
        #[expect(clippy::disallowed_methods, reason = "the thread waits for each write, and the stage for the thread")]
        self.runtime.spawn(async move {
            let _ = done.send(writer.write(batch, &token).await);
        });
        PendingWrite { offsets, started_at: Instant::now(), written, cancel_write: cancel_write.drop_guard() }
    }

    /// Keeps polling until a batch is written, and stores its offsets.
    fn finish_write(&self, write: PendingWrite, read_ahead: &mut Vec<ConsumedRecord>) -> Option<ReadingEnd> {
        let PendingWrite { offsets, started_at, written, cancel_write: _until_return } = write;
        let mut result = written.recv_timeout(WRITE_WAIT.saturating_sub(started_at.elapsed()));
        if result.is_err() {
            tracing::warn!("{} is slow or unreachable: reading pauses", H::STORE);
            self.pause();
            let mut stopped_at = None;
            while result == Err(mpsc::RecvTimeoutError::Timeout) {
                match self.client.poll(POLL_INTERVAL) {
                    // From a partition that was assigned just now.
                    Some(Ok(message)) => {
                        read_ahead.push(ConsumedRecord::new(&message));
                        self.pause();
                    }
                    Some(Err(error)) => {
                        if let Err(fatal) = self.handle_poll_error(&error) {
                            return Some(ReadingEnd::Fatal(fatal));
                        }
                    }
                    None => {}
                }
                if self.stop.is_cancelled() && stopped_at.get_or_insert_with(Instant::now).elapsed() > STOP_GRACE {
                    return Some(ReadingEnd::Stopped);
                }
                result = written.recv_timeout(Duration::ZERO);
            }
            self.resume();
        }
        if result != Ok(true) {
            // The runtime has dropped the write: it panicked, or the process ends.
            return Some(ReadingEnd::Stopped);
        }
        self.lag.lock().write_finished();
        self.writer.observer.batch_applied();
        let stored =
            offsets.next_offsets(&self.assignments.lock()).and_then(|offsets| self.client.store_offsets(&offsets));
        if let Err(error) = stored {
            // Its partition was revoked just now: the records are read again, and applied again.
            tracing::debug!(%error, "offsets were not stored");
        }
        None
    }

    /// Handles an error instead of a record. Most errors are temporary.
    ///
    /// # Errors
    /// Returns a fatal error, after which the client is not usable.
    fn handle_poll_error(&self, error: &KafkaError) -> Result<(), KafkaError> {
        let code = error.rdkafka_error_code();
        if let Some((code, reason)) = self.client.client().fatal_error() {
            return Err(KafkaError::ClientCreation(format!("{code}: {reason}")));
        }
        let observer = &self.writer.observer;
        match code {
            // The user service creates the topic, perhaps later than this.
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                observer.client_error(ClientErrorKind::NoTopic);
                tracing::info!(topic = self.topic, "the topic does not exist yet: waiting for it");
            }
            Some(RDKafkaErrorCode::PollExceeded) => {
                observer.client_error(ClientErrorKind::PollExceeded);
                tracing::warn!("this process did not poll for too long and lost its partitions: joining again");
            }
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {
                observer.client_error(ClientErrorKind::Brokers);
                tracing::debug!(%error, "brokers cannot be reached");
            }
            _ => {
                observer.client_error(ClientErrorKind::Other);
                tracing::warn!(%error, "the Kafka client reports an error: continuing");
            }
        }
        Ok(())
    }

    /// Pauses all assigned partitions. An error means that one is not assigned any more.
    fn pause(&self) {
        if let Err(error) = self.client.assignment().and_then(|partitions| self.client.pause(&partitions)) {
            tracing::debug!(%error, "partitions were not paused");
        }
    }

    fn resume(&self) {
        if let Err(error) = self.client.assignment().and_then(|partitions| self.client.resume(&partitions)) {
            tracing::debug!(%error, "partitions were not resumed");
        }
    }
}
