//! The consumer of the email service: decisions become mails in the ledger, and records that cannot
//! be processed become documents of `deadLetters`.

use event_consumer::{ClientErrorKind, ConsumerLag, DeadLetters, DeadRecord, Decided, Handler, Observer, Rejection};
use events::Event;
use jiff::Timestamp;
use service_kit::{fail_point, mongo::StoreError};

use super::{
    decision::MailDecider,
    mail_writer::{MailOutcome, MailWriter},
};
use crate::{
    ledger::{DeadLetter, NewMail},
    metrics::{Metrics, RecordOutcome},
};

/// Decides which mails records ask for, and stores them.
pub struct MailHandler {
    pub decider: MailDecider,
    pub writer: MailWriter,
}

impl Handler for MailHandler {
    type Record = Event;
    /// The mails that the event asks for, perhaps none.
    type Decision = Vec<NewMail>;
    type Error = StoreError;

    const STORE: &'static str = "the ledger";

    fn decide(&self, event: Event, now: Timestamp) -> Result<Vec<NewMail>, Rejection> {
        fail_point!("ingest.decide");
        self.decider.decide(&event, now)
    }

    async fn apply(&self, batch: &mut [Decided<Vec<NewMail>>]) -> Result<(), StoreError> {
        let mut mails: Vec<&mut NewMail> = batch.iter_mut().flat_map(|record| &mut record.decision).collect();
        let outcomes = self.writer.store_mails(&mut mails).await?;
        self.writer.report(&mails, &outcomes);
        let mut rest = &outcomes[..];
        for record in batch {
            let (outcomes, others) = rest.split_at(record.decision.len());
            rest = others;
            match first_refusal(&record.decision, outcomes) {
                Some(Rejection { reason, detail }) => record.refuse(reason, detail),
                None if outcomes.is_empty() => self.writer.metrics.count_record(RecordOutcome::NoMail),
                None => self.writer.metrics.count_record(RecordOutcome::Mail),
            }
        }
        Ok(())
    }
}

/// Returns why a record cannot be processed if the ledger has refused one of its mails.
pub(super) fn first_refusal(mails: &[NewMail], outcomes: &[MailOutcome]) -> Option<Rejection> {
    mails.iter().zip(outcomes).find_map(|(mail, outcome)| {
        let MailOutcome::Refused(code) = outcome else { return None };
        let detail = format!("the ledger refuses the mail {} (error {code})", mail.template());
        Some(Rejection { reason: "ledger-refused", detail })
    })
}

impl DeadLetters for MailWriter {
    type Error = StoreError;

    async fn store(&self, letters: &[DeadRecord]) -> Result<(), StoreError> {
        let by = self.ledger.instance();
        let letter = |DeadRecord { record, rejection, at }: &DeadRecord| {
            DeadLetter::new(record.clone(), rejection.reason, rejection.detail.clone(), by, *at)
        };
        self.letters.insert_new(&letters.iter().map(letter).collect::<Vec<_>>()).await
    }
}

/// Counts what the consumer reports.
pub struct IngestMetrics(pub Metrics);

impl Observer for IngestMetrics {
    fn lag(&self, ConsumerLag { records, seconds }: ConsumerLag) {
        self.0.set_lag(records, seconds);
    }

    fn client_error(&self, kind: ClientErrorKind) {
        self.0.count_consumer_error(kind.as_str());
    }

    fn unknown_type(&self) {
        self.0.count_record(RecordOutcome::UnknownType);
    }

    fn dead_letter(&self, reason: &str) {
        self.0.count_record(RecordOutcome::DeadLetter);
        self.0.count_dead_letter(reason);
    }

    fn batch_applied(&self) {
        fail_point!("ingest.after_ledger_write");
    }
}
