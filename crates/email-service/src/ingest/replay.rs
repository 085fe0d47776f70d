//! A dead letter through the door again: the same decision and the same writes as for a
//! record that is read from the topic.

use service_kit::mongo::StoreError;

use super::{
    batch::{Batch, Fate, Writer},
    record::Reader,
};
use crate::{
    ledger::{DeadLetter, LetterState, Record, dead_letters::Decided},
    metrics::RecordOutcome,
};

/// What the record of a letter turns out to be this time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Again {
    /// Its mails, by id, are in the ledger; some may have been there already.
    Mails(Vec<(String, Fate)>),
    /// An event that causes no mail.
    NoMail,
    /// It cannot be processed, for this reason.
    Dead { reason: String, detail: String },
}

impl Again {
    /// Where the letter then stands.
    #[must_use]
    pub fn leads_to(&self, seen: LetterState) -> LetterState {
        match self {
            Again::Mails(_) | Again::NoMail => LetterState::Replayed,
            Again::Dead { .. } => seen,
        }
    }
}

/// An older service reads on over what it does not know; a letter of such an event waits for
/// a newer one.
const UNKNOWN_TYPE: (&str, &str) = ("unknown-type", "this version does not know the type of the event");

impl Writer {
    /// What would become of `record`. Writes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn foresee(&self, record: Record, reader: &Reader) -> Result<Again, StoreError> {
        let batch = self.one(record, reader);
        if let Some(settled) = without_mails(&batch) {
            return Ok(settled);
        }
        let addresses: Vec<&str> = batch.mails.iter().map(|(mail, _)| mail.to()).collect();
        let suppressed = self.suppressions.among(&addresses).await?;
        let mut mails = Vec::new();
        for (mail, _) in &batch.mails {
            let mut mail = mail.clone();
            if suppressed.contains(mail.to()) {
                mail.suppress(self.clock.now());
            }
            let known = self.ledger.find(mail.id()).await?.is_some();
            mails.push((mail.id().to_owned(), if known { Fate::Known } else { Fate::New(mail.state()) }));
        }
        Ok(Again::Mails(mails))
    }

    /// Lets the record of a letter in: its mails first, then what the letter says. False: by
    /// now somebody else has decided it; its mails, if any, are in the ledger all the same, and
    /// no mail is there twice.
    ///
    /// # Errors
    /// [`StoreError`]: replay it again.
    pub async fn replay(
        &self,
        letter: &DeadLetter,
        record: Record,
        reader: &Reader,
        note: Option<&str>,
    ) -> Result<(Again, bool), StoreError> {
        let mut batch = self.one(record, reader);
        let again = match without_mails(&batch) {
            Some(again) => again,
            None => {
                let admitted = self.admit(&mut batch).await?;
                match admitted.refused.into_iter().next() {
                    Some(DeadLetter { reason, detail, .. }) => Again::Dead { reason, detail },
                    None => {
                        let ids = batch.mails.iter().map(|(mail, _)| mail.id().to_owned());
                        Again::Mails(ids.zip(admitted.fates).collect())
                    }
                }
            }
        };
        let reason = match &again {
            Again::Dead { reason, detail } => Some((reason.as_str(), detail.as_str())),
            Again::Mails(_) | Again::NoMail => None,
        };
        let (seen, to) = (letter.state, again.leads_to(letter.state));
        let decided = Decided { id: &letter.id, seen, to, reason, by: reader.instance(), note };
        let written = self.letters.decide(&decided).await?;
        Ok((again, written))
    }

    fn one(&self, record: Record, reader: &Reader) -> Batch {
        Batch::of(vec![record], reader, self.clock.now())
    }
}

/// What a batch of one record is, unless it asks for mails.
fn without_mails(batch: &Batch) -> Option<Again> {
    let dead = |reason: &str, detail: &str| Again::Dead { reason: reason.to_owned(), detail: detail.to_owned() };
    match (batch.letters.first(), batch.outcomes.first()) {
        (Some(letter), _) => Some(dead(&letter.reason, &letter.detail)),
        (None, Some(RecordOutcome::UnknownType)) => Some(dead(UNKNOWN_TYPE.0, UNKNOWN_TYPE.1)),
        (None, _) if batch.mails.is_empty() => Some(Again::NoMail),
        (None, _) => None,
    }
}
