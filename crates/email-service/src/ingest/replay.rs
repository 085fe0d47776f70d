//! The replay of a dead letter: the same decision and the same writes as for a record of the topic.

use service_kit::mongo::StoreError;

use super::{
    batch::{Batch, BatchWriter, MailOutcome},
    decision::RecordDecider,
};
use crate::{
    ledger::{ConsumedRecord, DeadLetter, DeadLetterState, dead_letter_store::DeadLetterDecision},
    metrics::RecordOutcome,
};

/// The result of replaying a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayOutcome {
    /// Its mails are in the ledger, by id; some may have been there already.
    Mails(Vec<(String, MailOutcome)>),
    /// An event that causes no mail.
    NoMail,
    /// It cannot be processed, for this reason.
    Dead { reason: String, detail: String },
}

impl ReplayOutcome {
    /// Returns the state of the dead letter after the replay.
    #[must_use]
    pub fn resulting_state(&self, current: DeadLetterState) -> DeadLetterState {
        match self {
            ReplayOutcome::Mails(_) | ReplayOutcome::NoMail => DeadLetterState::Replayed,
            ReplayOutcome::Dead { .. } => current,
        }
    }
}

/// The consumer skips event types that it does not know; the dead letter of such an event waits for
/// a newer version.
const UNKNOWN_TYPE: (&str, &str) = ("unknown-type", "this version does not know the type of the event");

impl BatchWriter {
    /// Returns what a replay of `record` would do. Writes nothing.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn preview_replay(
        &self,
        record: ConsumedRecord,
        decider: &RecordDecider,
    ) -> Result<ReplayOutcome, StoreError> {
        let mut batch = self.batch_of_one(record, decider);
        if let Some(outcome) = outcome_without_mails(&batch) {
            return Ok(outcome);
        }
        self.mark_suppressed(&mut batch).await?;
        let mut mails = Vec::new();
        for (mail, _) in &batch.mails {
            let exists = self.ledger.find(mail.id()).await?.is_some();
            let outcome = if exists { MailOutcome::Existing } else { MailOutcome::New(mail.state()) };
            mails.push((mail.id().to_owned(), outcome));
        }
        Ok(ReplayOutcome::Mails(mails))
    }

    /// Replays a dead letter: stores its mails first, then updates the letter. Returns false if
    /// another operator has decided it meanwhile; its mails are in the ledger all the same, and no
    /// mail is stored twice.
    ///
    /// # Errors
    /// Returns [`StoreError`]: replay it again.
    pub async fn replay(
        &self,
        letter: &DeadLetter,
        record: ConsumedRecord,
        decider: &RecordDecider,
        note: Option<&str>,
    ) -> Result<(ReplayOutcome, bool), StoreError> {
        let mut batch = self.batch_of_one(record, decider);
        let outcome = match outcome_without_mails(&batch) {
            Some(outcome) => outcome,
            None => {
                let admitted = self.store_mails(&mut batch).await?;
                match admitted.refused.into_iter().next() {
                    Some(DeadLetter { reason, detail, .. }) => ReplayOutcome::Dead { reason, detail },
                    None => {
                        let ids = batch.mails.iter().map(|(mail, _)| mail.id().to_owned());
                        ReplayOutcome::Mails(ids.zip(admitted.outcomes).collect())
                    }
                }
            }
        };
        let reason = match &outcome {
            ReplayOutcome::Dead { reason, detail } => Some((reason.as_str(), detail.as_str())),
            ReplayOutcome::Mails(_) | ReplayOutcome::NoMail => None,
        };
        let to = outcome.resulting_state(letter.state);
        let decision =
            DeadLetterDecision { id: &letter.id, expected: letter.state, to, reason, by: decider.instance(), note };
        let written = self.letters.decide(&decision).await?;
        Ok((outcome, written))
    }

    fn batch_of_one(&self, record: ConsumedRecord, decider: &RecordDecider) -> Batch {
        Batch::from_records(vec![record], decider, self.clock.now())
    }
}

/// Returns the outcome of a batch of one record, unless it asks for mails.
fn outcome_without_mails(batch: &Batch) -> Option<ReplayOutcome> {
    let dead =
        |reason: &str, detail: &str| ReplayOutcome::Dead { reason: reason.to_owned(), detail: detail.to_owned() };
    match (batch.letters.first(), batch.outcomes.first()) {
        (Some(letter), _) => Some(dead(&letter.reason, &letter.detail)),
        (None, Some(RecordOutcome::UnknownType)) => Some(dead(UNKNOWN_TYPE.0, UNKNOWN_TYPE.1)),
        (None, _) if batch.mails.is_empty() => Some(ReplayOutcome::NoMail),
        (None, _) => None,
    }
}
