//! What becomes of a record: decoding, the handler's decision, and panics in it. Pure: no I/O.

use std::{num::NonZero, thread};

use events::{Decoded, Record};
use jiff::Timestamp;
use service_kit::panics;
use uuid::Uuid;

use crate::{
    handler::{Handler, Rejection},
    record::ConsumedRecord,
};

/// The reason of a dead letter at which the code panicked: a defect of the program, not of the
/// record.
const PROCESSING_FAILED: &str = "processing-failed";
/// The minimum number of records for which an additional thread is started.
const MIN_RECORDS_PER_THREAD: usize = 64;

/// What becomes of a record.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<D> {
    /// The handler has decided.
    Decided {
        /// The user that the record is about.
        user: Uuid,
        /// The value of `ce_sequence`.
        sequence: u64,
        /// The decision.
        decision: D,
    },
    /// The type, with this name, is not known to this version: the record is skipped, and counted.
    UnknownType(String),
    /// The record cannot be processed, and becomes a dead letter.
    Dead(Rejection),
}

/// Decodes `record` and lets `handler` decide on it. A panic makes this record a dead letter, and
/// affects no other. The consumer does this with each record; call it to process a dead letter
/// again.
pub fn decide<H: Handler>(handler: &H, record: &ConsumedRecord, now: Timestamp) -> Outcome<H::Decision> {
    let outcome = panics::catch("record", || {
        let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        match H::Record::decode(headers, record.key.as_deref(), record.value.as_deref()) {
            Ok(Decoded::Event(decoded)) => {
                let (user, sequence) = (decoded.user(), decoded.sequence());
                match handler.decide(*decoded, now) {
                    Ok(decision) => Outcome::Decided { user, sequence, decision },
                    Err(rejection) => Outcome::Dead(rejection),
                }
            }
            Ok(Decoded::UnknownType(name)) => Outcome::UnknownType(name),
            Err(error) => Outcome::Dead(Rejection { reason: error.reason(), detail: error.to_string() }),
        }
    });
    outcome
        .unwrap_or_else(|panicked| Outcome::Dead(Rejection { reason: PROCESSING_FAILED, detail: panicked.to_string() }))
}

/// Returns the outcomes of `records` in their order. Large batches are decided on all processors.
pub(crate) fn decide_all<H: Handler>(
    handler: &H,
    records: &[ConsumedRecord],
    now: Timestamp,
) -> Vec<Outcome<H::Decision>> {
    let decide_part = |part: &[ConsumedRecord]| -> Vec<Outcome<H::Decision>> {
        part.iter().map(|record| decide(handler, record, now)).collect()
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(records.len() / MIN_RECORDS_PER_THREAD).max(1);
    let mut parts = records.chunks(records.len().div_ceil(threads).max(1));
    let own = parts.next().unwrap_or_default();
    let decide_part = &decide_part;
    thread::scope(|scope| {
        let begin = |part| {
            (part, thread::Builder::new().name("decisions".to_owned()).spawn_scoped(scope, move || decide_part(part)))
        };
        let others: Vec<_> = parts.map(begin).collect();
        let mut outcomes = decide_part(own);
        for (part, thread) in others {
            outcomes.extend(match thread {
                // A panic outside of one record's decision has ended the process.
                Ok(thread) => thread.join().unwrap_or_else(|_| decide_part(part)),
                // The operating system gives no thread.
                Err(_) => decide_part(part),
            });
        }
        outcomes
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::convert::Infallible;

    use events::{Event, Payload, UserEmailVerified, header};

    use super::*;
    use crate::handler::Decided;

    /// Rejects events with odd sequences, and panics at those that end in 00.
    pub(crate) struct EvenOnly;

    impl Handler for EvenOnly {
        type Record = Event;
        type Decision = u64;
        type Error = Infallible;

        const STORE: &'static str = "the store of this test";

        fn decide(&self, event: Event, _: Timestamp) -> Result<u64, Rejection> {
            let sequence = event.sequence();
            assert!(!sequence.is_multiple_of(100), "the number {sequence}");
            let odd = || Rejection { reason: "odd", detail: "the number is odd".into() };
            sequence.is_multiple_of(2).then_some(sequence).ok_or_else(odd)
        }

        async fn apply(&self, _: &mut [Decided<u64>]) -> Result<(), Infallible> {
            Ok(())
        }
    }

    /// Returns the record of an event of `user`.
    pub(crate) fn event_record(user: u128, sequence: u64) -> ConsumedRecord {
        let payload: Payload =
            UserEmailVerified { user_id: Uuid::from_u128(user), email: "a@example.com".into() }.into();
        let event = Event::new(Uuid::from_u128(7), Timestamp::UNIX_EPOCH, sequence, None, payload);
        let headers = event.envelope.headers();
        ConsumedRecord {
            offset: i64::try_from(sequence).unwrap(),
            key: Some(event.envelope.key().into_bytes()),
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), Some(value.into_bytes()))).collect(),
            value: Some(event.payload.to_json().into_bytes()),
            ..ConsumedRecord::default()
        }
    }

    fn decided(record: &ConsumedRecord) -> Outcome<u64> {
        decide(&EvenOnly, record, Timestamp::UNIX_EPOCH)
    }

    fn reason(record: &ConsumedRecord) -> &'static str {
        match decided(record) {
            Outcome::Dead(Rejection { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_decoded_record_gets_the_handlers_decision_with_its_user_and_sequence() {
        let user = Uuid::from_u128(5);
        assert_eq!(decided(&event_record(5, 4)), Outcome::Decided { user, sequence: 4, decision: 4 });
        assert_eq!(reason(&event_record(5, 3)), "odd");
    }

    fn event_of_type(name: &str) -> ConsumedRecord {
        let mut record = event_record(5, 4);
        let header = record.headers.iter_mut().find(|(key, _)| key == header::TYPE).unwrap();
        header.1 = Some(name.as_bytes().to_vec());
        record
    }

    #[test]
    fn a_record_of_an_unknown_type_is_skipped() {
        assert_eq!(decided(&event_of_type("order.placed.v1")), Outcome::UnknownType("order.placed.v1".into()));
    }

    #[test]
    fn an_undecodable_record_is_dead_and_quotes_no_data() {
        let poison = ConsumedRecord { value: Some(b"{\"secret\": \"hunter2\"".to_vec()), ..event_record(5, 4) };
        let Outcome::Dead(Rejection { reason, detail }) = decided(&poison) else { panic!("decoded") };
        assert_eq!(reason, "not-json");
        assert!(!detail.contains("hunter2"));
        assert_eq!(self::reason(&event_of_type("user.email_verified.v9")), "unsupported-version");
        assert_eq!(self::reason(&ConsumedRecord::default()), "null-value");
    }

    #[test]
    fn a_panic_in_a_decision_makes_only_its_record_dead_and_quotes_no_data() {
        let outcomes = decide_all(&EvenOnly, &[event_record(5, 98), event_record(5, 100), event_record(5, 102)], now());
        let Outcome::Dead(Rejection { reason, detail }) = &outcomes[1] else { panic!("{outcomes:?}") };
        assert_eq!(*reason, PROCESSING_FAILED);
        assert!(!detail.contains("number"), "{detail}");
        assert!([0, 2].iter().all(|at| matches!(outcomes[*at], Outcome::Decided { .. })));
    }

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    #[test]
    fn each_record_gets_its_own_decision_whatever_the_number_of_threads() {
        for count in [0, 1, MIN_RECORDS_PER_THREAD, 2 * MIN_RECORDS_PER_THREAD + 1, 500] {
            // This pattern does not align with any division into chunks.
            let empty = |n: usize| n % 3 == 1 || n % 7 == 1;
            let record = |n: usize| {
                let value = (!empty(n)).then(|| b"no JSON".to_vec());
                ConsumedRecord { value, ..ConsumedRecord::default() }
            };
            let records: Vec<_> = (0..count).map(record).collect();
            let found: Vec<_> = decide_all(&EvenOnly, &records, now())
                .into_iter()
                .map(|outcome| match outcome {
                    Outcome::Dead(rejection) => rejection.reason == "null-value",
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(found, (0..count).map(empty).collect::<Vec<_>>());
        }
    }
}
