//! The only way into the ledger, for records from the topic and for replayed dead letters.

use std::sync::Arc;

use service_kit::{Clock, fail_point, mongo::StoreError};
use tokio::sync::Notify;

use crate::{
    ledger::{DeadLetterStore, InsertResult, Ledger, NewMail, State, Suppressions},
    metrics::Metrics,
    sender::send_tasks::{Reservation, SendTasks},
};

/// The outcome of a mail that a record asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailOutcome {
    /// It is in the ledger now, in this state.
    New(State),
    /// It is in the ledger now, and a sender of this process has it.
    Claimed,
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
            // Every new mail that is due counts the same, whether its first sender takes it from the ledger or not.
            MailOutcome::Claimed => Some(State::Queued.as_str()),
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
    /// Wakes the dispatcher.
    pub wake: Arc<Notify>,
    /// The senders of this process, if it has any.
    pub sends: Option<SendTasks>,
}

impl MailWriter {
    /// Stores mails, and returns one outcome for each. It is safe to repeat: the id of a mail follows
    /// from its event, so no mail is stored twice.
    ///
    /// If senders are free, the first mails are written as claimed, and sent without a look into the ledger. The others
    /// are written as `queued`, and claimed by the dispatcher of any process.
    pub(super) async fn store_mails(&self, mails: &mut [&mut NewMail]) -> Result<Vec<MailOutcome>, StoreError> {
        self.mark_suppressed(mails).await?;
        let mails: Vec<&NewMail> = mails.iter().map(|mail| &**mail).collect();
        let queued = mails.iter().enumerate().filter(|(_, mail)| mail.state() == State::Queued);
        let reservation = self.sends.as_ref().and_then(|sends| sends.reserve(queued.map(|(at, mail)| (at, mail.id()))));
        let mut outcomes: Vec<MailOutcome> = mails.iter().map(|mail| MailOutcome::New(mail.state())).collect();
        let Some(reservation) = reservation else {
            let inserted = self.ledger.insert(mails.iter().copied()).await?;
            apply_result(&mut outcomes, &inserted, |index| index);
            return Ok(outcomes);
        };
        let claimed: Vec<usize> = reservation.positions().collect();
        let rest: Vec<usize> = (0..mails.len()).filter(|at| claimed.binary_search(at).is_err()).collect();
        let (direct, inserted) = tokio::join!(
            self.insert_claimed(claimed.iter().map(|at| mails[*at]).collect(), reservation),
            self.ledger.insert(rest.iter().map(|at| mails[*at]))
        );
        claimed.iter().for_each(|at| outcomes[*at] = MailOutcome::Claimed);
        apply_result(&mut outcomes, &direct?, |index| claimed[index]);
        apply_result(&mut outcomes, &inserted?, |index| rest[index]);
        Ok(outcomes)
    }

    /// Writes mails as claimed, and starts their sends.
    async fn insert_claimed(&self, mails: Vec<&NewMail>, reservation: Reservation) -> Result<InsertResult, StoreError> {
        let inserted = match self.ledger.insert_claimed(&mails, reservation.lease()).await {
            Ok(inserted) => inserted,
            Err(error) => {
                if !error.outcome_unknown() {
                    reservation.cancel();
                }
                return Err(error);
            }
        };
        fail_point!("ingest.after_claimed_write");
        let is_new = |index: &usize| {
            !inserted.existing.contains(index) && !inserted.refused.iter().any(|(refused, _)| refused == index)
        };
        let new = (0..mails.len()).filter(is_new);
        reservation.start(new.map(|index| mails[index].as_claimed()).collect());
        Ok(inserted)
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

    /// Counts the mails of a batch that are stored, and wakes the dispatcher if one is to be claimed.
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

/// Sets the outcomes of the mails that were not written. `position` returns the position of a mail of the result.
fn apply_result(outcomes: &mut [MailOutcome], inserted: &InsertResult, position: impl Fn(usize) -> usize) {
    for index in &inserted.existing {
        outcomes[position(*index)] = MailOutcome::Existing;
    }
    for (index, code) in &inserted.refused {
        outcomes[position(*index)] = MailOutcome::Refused(*code);
    }
}
