//! Reads the topic, on a thread of its own: librdkafka's client must be polled all the time, or the
//! group revokes its partitions.
//!
//! While one batch is being written, one more is read and decoded. If the write takes long (MongoDB
//! is unreachable), the thread goes on polling with its partitions paused, so memory stays bounded.
//! The offsets are stored, and later committed by librdkafka, only after the write, in the order of
//! the batches.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use parking_lot::Mutex;
use rdkafka::{
    ClientConfig, Message as _,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedHeaders, BorrowedMessage, Headers as _},
};
use service_kit::{
    Check, CheckState, Clock,
    backoff::{exponential, random_fraction},
    fail_point, panics,
};
use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Batch, BatchWriter},
    client::{ConsumerCallbacks, close},
    decision::RecordDecider,
    lag::LagTracker,
    offsets::{AssignmentCounts, BatchOffsets},
};
use crate::{ledger::ConsumedRecord, metrics::Metrics};

const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Partitions are paused only if a write takes longer than this: pausing discards the records that
/// were fetched ahead.
const WRITE_WAIT: Duration = Duration::from_secs(1);
const MAX_RECORDS: usize = 500;
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The number of unreadable header names after which the rest of the headers is left out.
const MAX_UNREADABLE_HEADERS: u32 = 4;
/// The time that a batch that is being written has after a stop.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// The timeout of the first metadata request, which shows whether the brokers are reachable.
const METADATA_TIMEOUT: Duration = Duration::from_millis(500);
/// The pauses before a new client after a fatal error.
const FIRST_RECREATE_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_RECREATE_PAUSE: Duration = Duration::from_secs(30);
/// Reads the topic and hands over the batches.
pub struct Consumer {
    config: ClientConfig,
    topic: String,
    decider: RecordDecider,
    writer: BatchWriter,
    clock: Clock,
    check: Check,
    metrics: Metrics,
    runtime: Handle,
    stop: CancellationToken,
}

/// The state that the callbacks of one client share with its reader.
struct ClientState {
    assignments: Arc<Mutex<AssignmentCounts>>,
    lag: Arc<Mutex<LagTracker>>,
}

/// Why reading with one client ended.
enum ReadingEnd {
    Stopped,
    /// The client is not usable any more.
    Fatal(KafkaError),
}

impl Consumer {
    #[must_use]
    pub fn new(
        config: ClientConfig,
        topic: String,
        decider: RecordDecider,
        writer: BatchWriter,
        check: Check,
        runtime: Handle,
        stop: CancellationToken,
    ) -> Self {
        let (clock, metrics) = (writer.clock.clone(), writer.metrics.clone());
        Self { config, topic, decider, writer, clock, check, metrics, runtime, stop }
    }

    /// Starts the thread. The receiver completes when the thread has ended, after `stop`.
    ///
    /// # Errors
    /// Returns an error if the operating system gives no thread.
    pub fn start(self) -> std::io::Result<oneshot::Receiver<()>> {
        let (done, ended) = oneshot::channel();
        thread::Builder::new().name("kafka-consumer".to_owned()).spawn(move || {
            self.run();
            let _ = done.send(());
        })?;
        Ok(ended)
    }

    fn run(&self) {
        let mut failures = 0;
        while !self.stop.is_cancelled() {
            let started = Instant::now();
            match self.read_with_new_client() {
                Ok(ReadingEnd::Stopped) => return,
                Ok(ReadingEnd::Fatal(error)) | Err(error) => {
                    if started.elapsed() > LONGEST_RECREATE_PAUSE {
                        failures = 0;
                    }
                    failures += 1;
                    self.check.set(CheckState::Down);
                    self.metrics.count_consumer_error("fatal");
                    tracing::error!(%error, "the Kafka client has failed: creating a new one");
                    self.sleep_unless_stopped(exponential(
                        failures,
                        FIRST_RECREATE_PAUSE,
                        LONGEST_RECREATE_PAUSE,
                        random_fraction(),
                    ));
                }
            }
        }
    }

    fn read_with_new_client(&self) -> Result<ReadingEnd, KafkaError> {
        let context = ConsumerCallbacks {
            assignments: Arc::default(),
            lag: Arc::default(),
            clock: self.clock.clone(),
            check: self.check.clone(),
            metrics: self.metrics.clone(),
        };
        let state = ClientState { assignments: Arc::clone(&context.assignments), lag: Arc::clone(&context.lag) };
        let client: BaseConsumer<ConsumerCallbacks> = self.config.create_with_context(context)?;
        client.subscribe(&[&self.topic])?;
        // The statistics, which report the brokers from then on, first come after a second.
        if client.fetch_metadata(Some(&self.topic), METADATA_TIMEOUT).is_ok() {
            self.check.set(CheckState::Ok);
        }
        let ended = self.read(&client, &state);
        close(client);
        Ok(ended)
    }

    fn read(&self, client: &BaseConsumer<ConsumerCallbacks>, state: &ClientState) -> ReadingEnd {
        let (mut read_ahead, mut pending) = (Vec::new(), None);
        loop {
            // During a write the next batch is read, but the thread does not wait for records.
            let wait = if pending.is_none() { POLL_INTERVAL } else { Duration::ZERO };
            let gathered = match self.gather(client, state, &mut read_ahead, wait) {
                Ok(gathered) => gathered,
                Err(fatal) => return ReadingEnd::Fatal(fatal),
            };
            if let Some(write) = pending.take()
                && let Some(ended) = self.finish_write(client, state, write, &mut read_ahead)
            {
                return ended;
            }
            if gathered.records > 0 {
                pending = Some(self.start_write(gathered, state));
            } else if self.stop.is_cancelled() {
                return ReadingEnd::Stopped;
            }
        }
    }

    /// Reads at most one batch. Waits at most `wait` for the first record.
    fn gather(
        &self,
        client: &BaseConsumer<ConsumerCallbacks>,
        state: &ClientState,
        read_ahead: &mut Vec<ConsumedRecord>,
        mut wait: Duration,
    ) -> Result<GatheredBatch, KafkaError> {
        let mut gathered = GatheredBatch::default();
        let mut records = Vec::new();
        if self.stop.is_cancelled() {
            return Ok(gathered);
        }
        for record in read_ahead.drain(..) {
            records.push(self.count_in(record, &mut gathered, state));
            wait = Duration::ZERO;
        }
        while let Some(polled) = client.poll(wait) {
            wait = Duration::ZERO;
            match polled {
                Ok(message) => records.push(self.count_in(consumed_record(&message), &mut gathered, state)),
                Err(error) => self.handle_poll_error(client, &error)?,
            }
            if gathered.is_full() || self.stop.is_cancelled() {
                break;
            }
        }
        gathered.batch = Batch::from_records(records, &self.decider, self.clock.now());
        Ok(gathered)
    }

    /// Adds a record to the counts and the offsets of the batch.
    fn count_in(&self, record: ConsumedRecord, gathered: &mut GatheredBatch, state: &ClientState) -> ConsumedRecord {
        // On a topic without timestamps the time of arrival is used.
        let written = record.timestamp.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        state.lag.lock().record_read(&record.topic, record.partition, written.unwrap_or_else(|| self.clock.now()));
        gathered.records += 1;
        gathered.bytes += record.size();
        gathered.offsets.add(&record.topic, record.partition, record.offset, &state.assignments.lock());
        record
    }

    /// Starts writing a batch.
    fn start_write(&self, gathered: GatheredBatch, state: &ClientState) -> PendingWrite {
        state.lag.lock().write_started();
        let (done, written) = mpsc::channel();
        let cancel_write = CancellationToken::new();
        let (writer, token, batch) = (self.writer.clone(), cancel_write.clone(), gathered.batch);
        #[expect(clippy::disallowed_methods, reason = "the thread waits for each write, and the stage for the thread")]
        self.runtime.spawn(async move {
            let _ = done.send(writer.write(batch, &token).await);
        });
        PendingWrite { offsets: gathered.offsets, started_at: Instant::now(), written, cancel_write }
    }

    /// Keeps polling until a batch is written, and stores its offsets.
    fn finish_write(
        &self,
        client: &BaseConsumer<ConsumerCallbacks>,
        state: &ClientState,
        write: PendingWrite,
        read_ahead: &mut Vec<ConsumedRecord>,
    ) -> Option<ReadingEnd> {
        let PendingWrite { offsets, started_at, written, cancel_write } = write;
        let mut result = written.recv_timeout(WRITE_WAIT.saturating_sub(started_at.elapsed()));
        if result.is_err() {
            tracing::warn!("the ledger is slow or unreachable: reading pauses");
            pause(client);
            let mut stopped_at = None;
            while result == Err(mpsc::RecvTimeoutError::Timeout) {
                match client.poll(POLL_INTERVAL) {
                    // From a partition that was assigned just now.
                    Some(Ok(message)) => {
                        read_ahead.push(consumed_record(&message));
                        pause(client);
                    }
                    Some(Err(error)) => {
                        if let Err(fatal) = self.handle_poll_error(client, &error) {
                            cancel_write.cancel();
                            return Some(ReadingEnd::Fatal(fatal));
                        }
                    }
                    None => {}
                }
                if self.stop.is_cancelled() && stopped_at.get_or_insert_with(Instant::now).elapsed() > STOP_GRACE {
                    cancel_write.cancel();
                    return Some(ReadingEnd::Stopped);
                }
                result = written.recv_timeout(Duration::ZERO);
            }
            resume(client);
        }
        if result != Ok(true) {
            // Only when the process ends: the runtime has dropped the write.
            return Some(ReadingEnd::Stopped);
        }
        state.lag.lock().write_finished();
        fail_point!("ingest.after_ledger_write");
        let stored = offsets.next_offsets(&state.assignments.lock()).and_then(|offsets| client.store_offsets(&offsets));
        if let Err(error) = stored {
            // Its partition was revoked just now: the records are read again, and their mails exist
            // then.
            tracing::debug!(%error, "offsets were not stored");
        }
        None
    }

    /// Handles an error instead of a record. Most errors are temporary.
    ///
    /// # Errors
    /// Returns a fatal error, after which the client is not usable.
    fn handle_poll_error(
        &self,
        client: &BaseConsumer<ConsumerCallbacks>,
        error: &KafkaError,
    ) -> Result<(), KafkaError> {
        let code = error.rdkafka_error_code();
        if let Some((code, reason)) = client.client().fatal_error() {
            return Err(KafkaError::ClientCreation(format!("{code}: {reason}")));
        }
        match code {
            // The user service creates the topic, perhaps later than this.
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                self.metrics.count_consumer_error("no_topic");
                tracing::info!(topic = self.topic, "the topic does not exist yet: waiting for it");
            }
            Some(RDKafkaErrorCode::PollExceeded) => {
                self.metrics.count_consumer_error("poll_exceeded");
                tracing::warn!("this process did not poll for too long and lost its partitions: joining again");
            }
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {
                self.metrics.count_consumer_error("brokers");
                tracing::debug!(%error, "brokers cannot be reached");
            }
            _ => {
                self.metrics.count_consumer_error("other");
                tracing::warn!(%error, "the Kafka client reports an error: continuing");
            }
        }
        Ok(())
    }

    /// Sleeps for `duration`, or until a stop.
    fn sleep_unless_stopped(&self, duration: Duration) {
        let until = Instant::now() + duration;
        while Instant::now() < until && !self.stop.is_cancelled() {
            thread::sleep(POLL_INTERVAL);
        }
    }
}

/// A batch that is being written.
struct PendingWrite {
    offsets: BatchOffsets,
    started_at: Instant,
    /// True if the whole batch is safe.
    written: mpsc::Receiver<bool>,
    cancel_write: CancellationToken,
}

/// The records of a batch, and their offsets.
#[derive(Default)]
struct GatheredBatch {
    batch: Batch,
    offsets: BatchOffsets,
    records: usize,
    bytes: usize,
}

impl GatheredBatch {
    fn is_full(&self) -> bool {
        self.records >= MAX_RECORDS || self.bytes >= MAX_BYTES
    }
}

fn consumed_record(message: &BorrowedMessage<'_>) -> ConsumedRecord {
    let headers = message.headers().map(consumed_headers);
    ConsumedRecord {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        value: message.payload().map(<[u8]>::to_vec),
    }
}

/// Reads the headers. A header whose name is not UTF-8 is left out: rdkafka panics at it, and no
/// event has such a name.
fn consumed_headers(headers: &BorrowedHeaders) -> Vec<(String, Option<Vec<u8>>)> {
    let (mut read, mut unreadable) = (Vec::new(), 0);
    for index in 0..headers.count() {
        match panics::catch("record", || headers.try_get(index)) {
            Ok(header) => read.extend(header.map(|it| (it.key.to_owned(), it.value.map(<[u8]>::to_vec)))),
            Err(_) => unreadable += 1,
        }
        // Each panic costs a backtrace: a record with many such headers must not delay other
        // records.
        if unreadable == MAX_UNREADABLE_HEADERS {
            break;
        }
    }
    read
}

/// Pauses all assigned partitions. An error means that one is not assigned any more.
fn pause(client: &BaseConsumer<ConsumerCallbacks>) {
    if let Err(error) = client.assignment().and_then(|partitions| client.pause(&partitions)) {
        tracing::debug!(%error, "partitions were not paused");
    }
}

fn resume(client: &BaseConsumer<ConsumerCallbacks>) {
    if let Err(error) = client.assignment().and_then(|partitions| client.resume(&partitions)) {
        tracing::debug!(%error, "partitions were not resumed");
    }
}
