//! What a consumer provides: its decisions, their effect, a place for dead letters, and what it
//! wants to observe.

use std::fmt;

use events::Record;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{lag::ConsumerLag, record::ConsumedRecord};

/// What a consumer does with the records of its topic.
pub trait Handler: Send + Sync + 'static {
    /// The records of the topic: [`events::Event`] or [`events::StateRecord`].
    type Record: Record;
    /// The decision on one record, which [`apply`](Self::apply) makes durable.
    type Decision: Send + 'static;
    /// The reason why a batch was not applied. It is written to the log, so it must quote no
    /// secrets.
    type Error: fmt::Display + Send + Sync + 'static;

    /// The name of the place to which decisions are written, with its article. The log uses it:
    /// "the ledger" gives "the ledger is slow or unreachable".
    const STORE: &'static str;

    /// Decides on one record at `now`. It does no I/O: large batches are decided on all
    /// processors. A panic makes only this record a dead letter.
    ///
    /// # Errors
    /// Returns a [`Rejection`] if the record cannot be processed. It becomes a dead letter.
    fn decide(&self, record: Self::Record, now: Timestamp) -> Result<Self::Decision, Rejection>;

    /// Makes the decisions of a batch durable, in the order of the topic for each user. Offsets are
    /// stored after `Ok`, so everything must be safe then. A record that the store refuses
    /// permanently is marked with [`Decided::refuse`] and becomes a dead letter.
    ///
    /// Repeats are normal. After an error the same batch is applied again; after a crash or a
    /// rebalance its records are read again, perhaps by another process, and while this one is
    /// still writing. So the effect must be idempotent by [`Decided::user`] and
    /// [`Decided::sequence`]: a conditional write, or [`Record::is_repeat`] in a transaction. A panic
    /// here ends the process.
    ///
    /// # Errors
    /// Returns an error if the batch must be applied again, after a pause. Reading pauses meanwhile.
    fn apply(&self, batch: &mut [Decided<Self::Decision>]) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// A place for the records that cannot be processed.
pub trait DeadLetters: Send + Sync + 'static {
    /// The reason why dead letters were not stored. It is written to the log, so it must quote no
    /// secrets.
    type Error: fmt::Display + Send + Sync + 'static;

    /// Stores dead letters durably. The same ones may come again, so a letter's id must follow from
    /// its record.
    ///
    /// # Errors
    /// Returns an error if the letters must be stored again, after a pause. Reading pauses
    /// meanwhile.
    fn store(&self, letters: &[DeadRecord]) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Stores no dead letters. They are in the log only, with reason and position, as all are.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogOnly;

impl DeadLetters for LogOnly {
    type Error = std::convert::Infallible;

    async fn store(&self, _: &[DeadRecord]) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// What a consumer may want to observe, for its metrics. Every method may be left out.
pub trait Observer: Send + Sync + 'static {
    /// Reports the lag, each second.
    fn lag(&self, _lag: ConsumerLag) {}

    /// Reports an error of the Kafka client. The client recovers from all but fatal ones, after
    /// which a new one is created.
    fn client_error(&self, _kind: ClientErrorKind) {}

    /// Reports a record of a type that this version does not know, once its batch is safe.
    fn unknown_type(&self) {}

    /// Reports a dead letter with this reason, once its batch is safe.
    fn dead_letter(&self, _reason: &str) {}

    /// Reports that a batch is safe, before its offsets are stored.
    fn batch_applied(&self) {}
}

/// Observes nothing.
impl Observer for () {}

/// A kind of error of the Kafka client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientErrorKind {
    /// The client is not usable any more, and a new one is created.
    Fatal,
    /// The topic does not exist yet.
    NoTopic,
    /// The process stood still, and lost its partitions.
    PollExceeded,
    /// Brokers cannot be reached.
    Brokers,
    /// Another error.
    Other,
}

impl ClientErrorKind {
    /// Returns the name for a metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ClientErrorKind::Fatal => "fatal",
            ClientErrorKind::NoTopic => "no_topic",
            ClientErrorKind::PollExceeded => "poll_exceeded",
            ClientErrorKind::Brokers => "brokers",
            ClientErrorKind::Other => "other",
        }
    }
}

/// A record with the decision on it.
#[derive(Debug)]
pub struct Decided<D> {
    /// The user that the record is about.
    pub user: Uuid,
    /// The value of `ce_sequence`.
    pub sequence: u64,
    /// What the handler has decided.
    pub decision: D,
    pub(crate) record: ConsumedRecord,
    pub(crate) refused: Option<Rejection>,
}

impl<D> Decided<D> {
    /// Marks the record as one that cannot be processed after all. It becomes a dead letter if this
    /// [`apply`](Handler::apply) succeeds. `reason` and `detail` are those of a [`Rejection`].
    pub fn refuse(&mut self, reason: &'static str, detail: impl Into<String>) {
        self.refused = Some(Rejection { reason, detail: detail.into() });
    }

    /// Returns whether the record was refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.refused.is_some()
    }
}

/// The reason why a record cannot be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// A stable slug, for metrics and for operators.
    pub reason: &'static str,
    /// A sentence that quotes none of the record's data.
    pub detail: String,
}

/// A record that cannot be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRecord {
    /// The record as it was read.
    pub record: ConsumedRecord,
    /// The reason.
    pub rejection: Rejection,
    /// When this was found out.
    pub at: Timestamp,
}
