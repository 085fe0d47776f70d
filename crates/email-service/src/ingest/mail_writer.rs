//! The only way into the ledger, for records from the topic and for replayed dead letters.

use std::sync::Arc;

use service_kit::{Clock, mongo::StoreError};
use tokio::sync::Notify;

use crate::{
    ledger::{DeadLetterStore, Ledger, NewMail, State, Suppressions},
    metrics::Metrics,
};

/// The outcome of a mail that a record asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailOutcome {
    /// It is in the ledger now, in this state.
    New(State),
    /// It was in the ledger already, and is not changed.
    Existing,
    /// The ledger refuses it permanently, with this error code.
    Refused(i32),
}

impl MailOutcome {
    /// Returns the name in metrics, or `None` for a mail that is not in the ledger.
    fn as_str(self) -> Option<&'static str> {
        match self {
            MailOutcome::New(state) => Some(state.as_str()),
            MailOutcome::Existing => Some("known"),
            MailOutcome::Refused(_) => None,
        }
    }
}

/// Writes mails and dead letters. Clones share the connections.
#[derive(Clone)]
pub struct MailWriter {
    pub ledger: Ledger,
    pub letters: DeadLetterStore,
    pub suppressions: Suppressions,
    pub clock: Clock,
    pub metrics: Metrics,
    /// Wakes the senders.
    pub wake: Arc<Notify>,
}

impl MailWriter {
    /// Stores mails, and returns one outcome for each. It is safe to repeat: the id of a mail follows
    /// from its event, so no mail is stored twice.
    pub(super) async fn store_mails(&self, mails: &mut [&mut NewMail]) -> Result<Vec<MailOutcome>, StoreError> {
        self.mark_suppressed(mails).await?;
        let inserted = self.ledger.insert(mails.iter().map(|mail| &**mail)).await?;
        let mut outcomes: Vec<MailOutcome> = mails.iter().map(|mail| MailOutcome::New(mail.state())).collect();
        for index in &inserted.existing {
            outcomes[*index] = MailOutcome::Existing;
        }
        for (index, code) in &inserted.refused {
            outcomes[*index] = MailOutcome::Refused(*code);
        }
        Ok(outcomes)
    }

    /// Marks the mails to suppressed addresses: they are stored, and not sent.
    pub(super) async fn mark_suppressed(&self, mails: &mut [&mut NewMail]) -> Result<(), StoreError> {
        let addresses: Vec<&str> = mails.iter().map(|mail| mail.to()).collect();
        let suppressed = self.suppressions.are_suppressed(&addresses).await?;
        let now = self.clock.now();
        for (mail, _) in mails.iter_mut().zip(suppressed).filter(|(_, suppressed)| *suppressed) {
            mail.suppress(now);
        }
        Ok(())
    }

    /// Counts the mails of a batch that are stored, and wakes the senders if one can be sent.
    pub(super) fn report(&self, mails: &[&mut NewMail], outcomes: &[MailOutcome]) {
        let known = outcomes.iter().filter(|outcome| **outcome == MailOutcome::Existing).count();
        if known > 0 {
            tracing::info!(known, "records were read again: their mails are in the ledger already");
        }
        for (mail, outcome) in mails.iter().zip(outcomes) {
            if let Some(name) = outcome.as_str() {
                self.metrics.count_ledger_row(mail.template(), name);
            }
        }
        if outcomes.contains(&MailOutcome::New(State::Queued)) {
            self.wake.notify_one();
        }
    }
}
