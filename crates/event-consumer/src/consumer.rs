//! The consumer: its thread, and the client that is made anew after a fatal error.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use rdkafka::{
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use service_kit::{
    Check, CheckState, Clock, Lifecycle, Stage,
    backoff::{exponential, random_fraction},
};
use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    batch::BatchWriter,
    client::{ConsumerCallbacks, close},
    handler::{ClientErrorKind, DeadLetters, Handler, Observer},
    reader::{Reader, ReadingEnd},
    settings::Subscription,
};

/// The timeout of the first metadata request, which shows whether the brokers are reachable.
const METADATA_TIMEOUT: Duration = Duration::from_millis(500);
/// The pauses before a new client after a fatal error.
const FIRST_RECREATE_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_RECREATE_PAUSE: Duration = Duration::from_secs(30);
/// How often a pause looks for a stop.
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// A consumer of one topic; [`start`](Self::start) runs it.
pub struct Consumer<H, D> {
    /// The topic and the group.
    pub subscription: Subscription,
    /// What happens with the records.
    pub handler: H,
    /// Where records go that cannot be processed.
    pub dead_letters: D,
    /// What is observed; `Arc::new(())` for nothing.
    pub observer: Arc<dyn Observer>,
    /// The check of `/readyz` that tells whether a broker is reachable.
    pub check: Check,
    /// The clock, for decisions and for the lag.
    pub clock: Clock,
}

impl<H: Handler, D: DeadLetters> Consumer<H, D> {
    /// Returns a consumer with the clock of the system that observes nothing.
    #[must_use]
    pub fn new(subscription: Subscription, handler: H, dead_letters: D, check: Check) -> Self {
        Self { subscription, handler, dead_letters, observer: Arc::new(()), check, clock: Clock::system() }
    }

    /// Starts the thread, and a task of [`Stage::Intake`] that waits for its end. When the stage is
    /// stopped, the batch that is being applied has 5 s to become safe; then the offsets are
    /// committed and the consumer leaves its group. Everything else is read again. If the thread
    /// ends for another reason, the process stops ([`Lifecycle::fail`]).
    ///
    /// # Errors
    /// Returns an error if the operating system gives no thread.
    ///
    /// # Panics
    /// Panics outside of a Tokio runtime.
    pub fn start(self, lifecycle: &Lifecycle) -> io::Result<()> {
        let Self { subscription, handler, dead_letters, observer, check, clock } = self;
        let writer = Arc::new(BatchWriter { handler, dead_letters, observer, clock });
        let (runtime, stop) = (Handle::current(), lifecycle.stopping());
        let thread = ConsumerThread { subscription, writer, check, runtime, stop };
        let (done, ended) = oneshot::channel();
        thread::Builder::new().name("kafka-consumer".to_owned()).spawn(move || {
            thread.run();
            let _ = done.send(());
        })?;
        let failing = lifecycle.clone();
        lifecycle.spawn(Stage::Intake, "consumer", |stop| async move {
            // An error means that the thread ended without a message, as after a panic.
            let _ = ended.await;
            if !stop.is_cancelled() {
                failing.fail(anyhow!("the consumer has ended without a stop"));
            }
        });
        Ok(())
    }
}

/// What the thread of a consumer needs.
struct ConsumerThread<H, D> {
    subscription: Subscription,
    writer: Arc<BatchWriter<H, D>>,
    check: Check,
    runtime: Handle,
    stop: CancellationToken,
}

impl<H: Handler, D: DeadLetters> ConsumerThread<H, D> {
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
                    self.writer.observer.client_error(ClientErrorKind::Fatal);
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
        let Subscription { topic, client: config } = &self.subscription;
        let callbacks = ConsumerCallbacks {
            assignments: Arc::default(),
            lag: Arc::default(),
            clock: self.writer.clock.clone(),
            check: self.check.clone(),
            observer: Arc::clone(&self.writer.observer),
        };
        let (assignments, lag) = (Arc::clone(&callbacks.assignments), Arc::clone(&callbacks.lag));
        let client: BaseConsumer<ConsumerCallbacks> = config.create_with_context(callbacks)?;
        client.subscribe(&[topic])?;
        // The statistics, which report the brokers from then on, first come after a second.
        if client.fetch_metadata(Some(topic), METADATA_TIMEOUT).is_ok() {
            self.check.set(CheckState::Ok);
        }
        let reader =
            Reader { client, topic, writer: &self.writer, assignments, lag, runtime: &self.runtime, stop: &self.stop };
        let ended = reader.read();
        close(reader.client);
        Ok(ended)
    }

    /// Sleeps for `duration`, or until a stop.
    fn sleep_unless_stopped(&self, duration: Duration) {
        let until = Instant::now() + duration;
        while Instant::now() < until && !self.stop.is_cancelled() {
            thread::sleep(STOP_INTERVAL);
        }
    }
}
