//! The replay of a dead letter: the same decision and the same writes as for a record of the topic.

use event_consumer::{ConsumedRecord, Outcome};
use service_kit::mongo::StoreError;

use super::{
    handler::{MailHandler, first_refusal},
    mail_writer::MailOutcome,
};
use crate::ledger::{DeadLetter, DeadLetterState, NewMail, dead_letter_store::DeadLetterDecision};

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
    fn dead(reason: &str, detail: &str) -> Self {
        ReplayOutcome::Dead { reason: reason.to_owned(), detail: detail.to_owned() }
    }

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

impl MailHandler {
    /// Returns what a replay of `record` would do. Writes nothing.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn preview_replay(&self, record: &ConsumedRecord) -> Result<ReplayOutcome, StoreError> {
        let mut mails = match self.mails_of(record) {
            Ok(mails) => mails,
            Err(outcome) => return Ok(outcome),
        };
        self.writer.mark_suppressed(&mut mails.iter_mut().collect::<Vec<_>>()).await?;
        let mut outcomes = Vec::new();
        for mail in &mails {
            let exists = self.writer.ledger.find(mail.id()).await?.is_some();
            let outcome = if exists { MailOutcome::Existing } else { MailOutcome::New(mail.state()) };
            outcomes.push((mail.id().to_owned(), outcome));
        }
        Ok(ReplayOutcome::Mails(outcomes))
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
        record: &ConsumedRecord,
        note: Option<&str>,
    ) -> Result<(ReplayOutcome, bool), StoreError> {
        let outcome = match self.mails_of(record) {
            Ok(mut mails) => {
                let outcomes = self.writer.store_mails(&mut mails.iter_mut().collect::<Vec<_>>()).await?;
                match first_refusal(&mails, &outcomes) {
                    Some(rejection) => ReplayOutcome::dead(rejection.reason, &rejection.detail),
                    None => ReplayOutcome::Mails(mails.iter().map(|mail| mail.id().to_owned()).zip(outcomes).collect()),
                }
            }
            Err(outcome) => outcome,
        };
        let reason = match &outcome {
            ReplayOutcome::Dead { reason, detail } => Some((reason.as_str(), detail.as_str())),
            ReplayOutcome::Mails(_) | ReplayOutcome::NoMail => None,
        };
        let to = outcome.resulting_state(letter.state);
        let by = self.decider.instance();
        let decision = DeadLetterDecision { id: &letter.id, expected: letter.state, to, reason, by, note };
        let written = self.writer.letters.decide(&decision).await?;
        Ok((outcome, written))
    }

    /// Returns the mails that `record` asks for, at least one.
    ///
    /// # Errors
    /// Returns the outcome of a replay without mails.
    fn mails_of(&self, record: &ConsumedRecord) -> Result<Vec<NewMail>, ReplayOutcome> {
        match event_consumer::decide(self, record, self.writer.clock.now()) {
            Outcome::Decided { decision: mails, .. } if mails.is_empty() => Err(ReplayOutcome::NoMail),
            Outcome::Decided { decision: mails, .. } => Ok(mails),
            Outcome::UnknownType(_) => Err(ReplayOutcome::dead(UNKNOWN_TYPE.0, UNKNOWN_TYPE.1)),
            Outcome::Dead(rejection) => Err(ReplayOutcome::dead(rejection.reason, &rejection.detail)),
        }
    }
}
