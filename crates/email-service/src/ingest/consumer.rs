//! Reads the topic, on a thread of its own: librdkafka's client must be polled whatever
//! else happens, or the group takes its partitions away.
//!
//! While one batch is being written the next one is read and decoded, and no more than that:
//! if the write takes longer than a moment (MongoDB away) the thread goes on polling with its
//! partitions paused, so memory stays bounded. Offsets are stored, and later committed by
//! librdkafka, only after the write, and in the order of the batches.

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
    CheckState, Clock, Health,
    backoff::{exponential, random_fraction},
    fail_point, panics,
};
use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Batch, Writer},
    client::{CHECK, Context, close},
    lag::Lag,
    offsets::{Assignments, Progress},
    record::Reader,
};
use crate::{ledger::Record, metrics::Metrics};

const POLL: Duration = Duration::from_millis(100);
/// A batch is written in milliseconds; only if it is not are the partitions paused, since
/// that throws away what was fetched ahead.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);
const MAX_RECORDS: usize = 500;
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Headers of one record whose names cannot be read; what follows them is left out too.
const MAX_UNREADABLE: u32 = 4;
/// After a stop, a batch that is being written is given this long.
const LAST_CHANCE: Duration = Duration::from_secs(5);
/// The brokers are asked once whether they are there, and have so long for the answer.
const FIRST_WORD: Duration = Duration::from_millis(500);
/// A new client after a fatal error.
const RECREATE_FIRST: Duration = Duration::from_secs(1);
const RECREATE_LAST: Duration = Duration::from_secs(30);
/// Everything that reading needs.
pub struct Consumer {
    config: ClientConfig,
    topic: String,
    reader: Reader,
    writer: Writer,
    clock: Clock,
    health: Health,
    metrics: Metrics,
    runtime: Handle,
    stop: CancellationToken,
}

/// What one client's callbacks and the reading of it share.
struct Shared {
    assignments: Arc<Mutex<Assignments>>,
    lag: Arc<Mutex<Lag>>,
}

/// Why reading with one client ended.
enum Ended {
    Stopped,
    /// The client is of no more use.
    Fatal(KafkaError),
}

impl Consumer {
    #[must_use]
    pub fn new(
        config: ClientConfig,
        topic: String,
        reader: Reader,
        writer: Writer,
        health: Health,
        runtime: Handle,
        stop: CancellationToken,
    ) -> Self {
        let (clock, metrics) = (writer.clock.clone(), writer.metrics.clone());
        Self { config, topic, reader, writer, clock, health, metrics, runtime, stop }
    }

    /// Starts the thread. The receiver tells when it has ended, after `stop`.
    ///
    /// # Errors
    /// If the operating system gives no thread.
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
            match self.read_with_a_new_client() {
                Ok(Ended::Stopped) => return,
                Ok(Ended::Fatal(error)) | Err(error) => {
                    if started.elapsed() > RECREATE_LAST {
                        failures = 0;
                    }
                    failures += 1;
                    self.health.set(CHECK, CheckState::Down);
                    self.metrics.consumer_error("fatal");
                    tracing::error!(%error, "the Kafka client is of no more use: making another");
                    self.rest(exponential(failures, RECREATE_FIRST, RECREATE_LAST, random_fraction()));
                }
            }
        }
    }

    fn read_with_a_new_client(&self) -> Result<Ended, KafkaError> {
        let context = Context {
            assignments: Arc::default(),
            lag: Arc::default(),
            clock: self.clock.clone(),
            health: self.health.clone(),
            metrics: self.metrics.clone(),
        };
        let shared = Shared { assignments: Arc::clone(&context.assignments), lag: Arc::clone(&context.lag) };
        let client: BaseConsumer<Context> = self.config.create_with_context(context)?;
        client.subscribe(&[&self.topic])?;
        // The first statistics, which say so from then on, come after a second.
        if client.fetch_metadata(Some(&self.topic), FIRST_WORD).is_ok() {
            self.health.set(CHECK, CheckState::Ok);
        }
        let ended = self.read(&client, &shared);
        close(client);
        Ok(ended)
    }

    fn read(&self, client: &BaseConsumer<Context>, shared: &Shared) -> Ended {
        let (mut read_ahead, mut under_way) = (Vec::new(), None);
        loop {
            // While a batch is being written the next one is read, but not waited for.
            let wait = if under_way.is_none() { POLL } else { Duration::ZERO };
            let taken = match self.gather(client, shared, &mut read_ahead, wait) {
                Ok(taken) => taken,
                Err(fatal) => return Ended::Fatal(fatal),
            };
            if let Some(write) = under_way.take()
                && let Some(ended) = self.finish(client, shared, write, &mut read_ahead)
            {
                return ended;
            }
            if taken.records > 0 {
                under_way = Some(self.begin(taken, shared));
            } else if self.stop.is_cancelled() {
                return Ended::Stopped;
            }
        }
    }

    /// What is there to be read, up to a batch. Waits so long for the first record.
    fn gather(
        &self,
        client: &BaseConsumer<Context>,
        shared: &Shared,
        read_ahead: &mut Vec<Record>,
        mut wait: Duration,
    ) -> Result<Taken, KafkaError> {
        let mut taken = Taken::default();
        let mut records = Vec::new();
        if self.stop.is_cancelled() {
            return Ok(taken);
        }
        for record in read_ahead.drain(..) {
            records.push(self.take(record, &mut taken, shared));
            wait = Duration::ZERO;
        }
        while let Some(polled) = client.poll(wait) {
            wait = Duration::ZERO;
            match polled {
                Ok(message) => records.push(self.take(record_of(&message), &mut taken, shared)),
                Err(error) => self.not_read(client, &error)?,
            }
            if taken.is_full() || self.stop.is_cancelled() {
                break;
            }
        }
        taken.batch = Batch::of(records, &self.reader, self.clock.now());
        Ok(taken)
    }

    /// Counts a record in.
    fn take(&self, record: Record, taken: &mut Taken, shared: &Shared) -> Record {
        // On a topic without timestamps: when it came to us.
        let written = record.timestamp.and_then(|millis| Timestamp::from_millisecond(millis).ok());
        shared.lag.lock().read(&record.topic, record.partition, written.unwrap_or_else(|| self.clock.now()));
        taken.records += 1;
        taken.bytes += record.size();
        taken.progress.read(&record.topic, record.partition, record.offset, &shared.assignments.lock());
        record
    }

    /// Hands a batch over.
    fn begin(&self, taken: Taken, shared: &Shared) -> UnderWay {
        shared.lag.lock().handed_over();
        let (done, written) = mpsc::channel();
        let give_up = CancellationToken::new();
        let (writer, token, batch) = (self.writer.clone(), give_up.clone(), taken.batch);
        self.runtime.spawn(async move {
            let _ = done.send(writer.write(batch, &token).await);
        });
        UnderWay { progress: taken.progress, begun: Instant::now(), written, give_up }
    }

    /// Keeps polling until a batch is written, and stores its offsets.
    fn finish(
        &self,
        client: &BaseConsumer<Context>,
        shared: &Shared,
        write: UnderWay,
        read_ahead: &mut Vec<Record>,
    ) -> Option<Ended> {
        let UnderWay { progress, begun, written, give_up } = write;
        let mut result = written.recv_timeout(WRITE_PATIENCE.saturating_sub(begun.elapsed()));
        if result.is_err() {
            tracing::warn!("the ledger is slow or away: reading pauses");
            pause(client);
            let mut stopped_at = None;
            while result == Err(mpsc::RecvTimeoutError::Timeout) {
                match client.poll(POLL) {
                    // Of a partition that was given to us just now.
                    Some(Ok(message)) => {
                        read_ahead.push(record_of(&message));
                        pause(client);
                    }
                    Some(Err(error)) => {
                        if let Err(fatal) = self.not_read(client, &error) {
                            give_up.cancel();
                            return Some(Ended::Fatal(fatal));
                        }
                    }
                    None => {}
                }
                if self.stop.is_cancelled() && stopped_at.get_or_insert_with(Instant::now).elapsed() > LAST_CHANCE {
                    give_up.cancel();
                    return Some(Ended::Stopped);
                }
                result = written.recv_timeout(Duration::ZERO);
            }
            resume(client);
        }
        if result != Ok(true) {
            // Only if the process ends: the runtime has dropped the write.
            return Some(Ended::Stopped);
        }
        shared.lag.lock().safe();
        fail_point!("ingest.after_ledger_write");
        let stored =
            progress.next_offsets(&shared.assignments.lock()).and_then(|offsets| client.store_offsets(&offsets));
        if let Err(error) = stored {
            // Of a partition that went away this moment: its records are read again, and
            // are known then.
            tracing::debug!(%error, "offsets were not stored");
        }
        None
    }

    /// An error instead of a record. Most pass by themselves.
    ///
    /// # Errors
    /// What makes the client of no more use.
    fn not_read(&self, client: &BaseConsumer<Context>, error: &KafkaError) -> Result<(), KafkaError> {
        let code = error.rdkafka_error_code();
        if let Some((code, reason)) = client.client().fatal_error() {
            return Err(KafkaError::ClientCreation(format!("{code}: {reason}")));
        }
        match code {
            // The topic is made by the user service, perhaps later than this.
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                self.metrics.consumer_error("no_topic");
                tracing::info!(topic = self.topic, "the topic does not exist yet: waiting for it");
            }
            Some(RDKafkaErrorCode::PollExceeded) => {
                self.metrics.consumer_error("poll_exceeded");
                tracing::warn!("this process stood still for too long and lost its partitions: joining again");
            }
            Some(RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure) => {
                self.metrics.consumer_error("brokers");
                tracing::debug!(%error, "brokers cannot be reached");
            }
            _ => {
                self.metrics.consumer_error("other");
                tracing::warn!(%error, "the Kafka client reports an error: going on");
            }
        }
        Ok(())
    }

    /// Sleeps, but not past a stop.
    fn rest(&self, duration: Duration) {
        let until = Instant::now() + duration;
        while Instant::now() < until && !self.stop.is_cancelled() {
            thread::sleep(POLL);
        }
    }
}

/// A batch that is being written.
struct UnderWay {
    progress: Progress,
    begun: Instant,
    /// Whether all of it is safe.
    written: mpsc::Receiver<bool>,
    give_up: CancellationToken,
}

/// The records of a batch, and how far they go.
#[derive(Default)]
struct Taken {
    batch: Batch,
    progress: Progress,
    records: usize,
    bytes: usize,
}

impl Taken {
    fn is_full(&self) -> bool {
        self.records >= MAX_RECORDS || self.bytes >= MAX_BYTES
    }
}

fn record_of(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map(headers_of);
    Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        value: message.payload().map(<[u8]>::to_vec),
    }
}

/// A header whose name is not UTF-8 is left out: rdkafka panics at it, and none of ours has such a name.
fn headers_of(headers: &BorrowedHeaders) -> Vec<(String, Option<Vec<u8>>)> {
    let (mut read, mut unreadable) = (Vec::new(), 0);
    for index in 0..headers.count() {
        match panics::catch("record", || headers.try_get(index)) {
            Ok(header) => read.extend(header.map(|it| (it.key.to_owned(), it.value.map(<[u8]>::to_vec)))),
            Err(_) => unreadable += 1,
        }
        // Each costs a backtrace: a record made of them is not to hold up its neighbours.
        if unreadable == MAX_UNREADABLE {
            break;
        }
    }
    read
}

/// Pauses whatever is assigned now. An error means that it is not assigned any more.
fn pause(client: &BaseConsumer<Context>) {
    if let Err(error) = client.assignment().and_then(|partitions| client.pause(&partitions)) {
        tracing::debug!(%error, "partitions were not paused");
    }
}

fn resume(client: &BaseConsumer<Context>) {
    if let Err(error) = client.assignment().and_then(|partitions| client.resume(&partitions)) {
        tracing::debug!(%error, "partitions were not resumed");
    }
}
