//! The actions of operators on mails: back to `queued`, or resolved by hand.
//!
//! An action is based on the state and the epoch that were read, and its write requires both: if
//! a sender claims the mail meanwhile, or another operator changes it, the write matches nothing. A
//! mail that a sender holds (`preparing`, `data`) is never touched.

use bson::{Document, doc};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::action::{Action as _, CountDocuments, Find};
use serde::Deserialize;
use service_kit::mongo::{StoreError, with_deadline};

use super::{
    Ledger, MailFilter, State,
    transition::{operator_requeue_fields, operator_resolve_fields, transition},
};

/// An operator's action on a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorAction {
    /// Sends it as soon as a sender is free; with `again` even if the server has accepted it.
    Requeue { again: bool },
    /// Ends an `unknown` mail, or with [`State::Discarded`] a queued one.
    Resolve(State),
}

/// The fields of a mail that an action is based on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailSnapshot {
    #[serde(rename = "_id")]
    pub id: String,
    pub to: String,
    pub state: State,
    pub epoch: i64,
    /// Whether the mail has a link.
    #[serde(rename = "link")]
    pub has_link: bool,
    /// Whether the mail has expired, by the database's clock.
    #[serde(rename = "over")]
    pub has_expired: bool,
    /// Whether the mail is due at a later time.
    #[serde(rename = "waits")]
    pub is_due_later: bool,
    /// The state before the present one.
    #[serde(rename = "cameFrom")]
    pub previous_state: Option<State>,
}

/// Why an action is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionRefusal {
    #[error("a sender holds it")]
    HeldBySender,
    #[error("it has expired: the user has to ask for a new one")]
    Expired,
    #[error("its link has expired")]
    LinkExpired,
    #[error("it has expired")]
    AlreadyExpired,
    #[error("it is already due")]
    AlreadyDue,
    #[error("the server has accepted it: --again sends it a second time")]
    AlreadySent,
    #[error("it was discarded while its delivery was unknown: --again sends it all the same")]
    MayHaveBeenSent,
    #[error("its address is suppressed: `suppressions remove` it first")]
    Suppressed,
    #[error("only unknown mails can be resolved, and queued ones discarded")]
    NotResolvable,
    #[error("a queued mail can only be discarded")]
    OnlyDiscardable,
}

/// The result of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionResult {
    Applied,
    /// Not applied: the mail now has this state, or is gone.
    Changed(Option<State>),
}

impl MailSnapshot {
    /// Returns whether the server may have accepted the mail: another attempt may deliver it twice.
    #[must_use]
    pub fn may_have_arrived(&self) -> bool {
        match self.state {
            State::Unknown | State::Sent => true,
            State::Discarded => self.previous_state == Some(State::Unknown),
            _ => false,
        }
    }
}

impl OperatorAction {
    /// Returns the state that the action leads to.
    #[must_use]
    pub fn to(self) -> State {
        match self {
            OperatorAction::Requeue { .. } => State::Queued,
            OperatorAction::Resolve(state) => state,
        }
    }

    /// Checks whether the action is possible. `suppressed`: the address gets no mail.
    ///
    /// # Errors
    /// Returns [`ActionRefusal`] with the reason.
    pub fn check(self, mail: &MailSnapshot, suppressed: bool) -> Result<(), ActionRefusal> {
        if matches!(mail.state, State::Preparing | State::Data) {
            return Err(ActionRefusal::HeldBySender);
        }
        match self {
            OperatorAction::Requeue { again } => check_requeue(mail, again, suppressed),
            OperatorAction::Resolve(to) => match mail.state {
                State::Unknown => Ok(()),
                State::Queued if to == State::Discarded => Ok(()),
                State::Queued => Err(ActionRefusal::OnlyDiscardable),
                _ => Err(ActionRefusal::NotResolvable),
            },
        }
    }

    fn note(self, mail: &MailSnapshot, operator_note: Option<&str>) -> String {
        let action_note = match self {
            OperatorAction::Requeue { .. } if mail.state == State::Sent => {
                "sent again by hand: the server has accepted it before"
            }
            OperatorAction::Requeue { .. } if mail.may_have_arrived() => "sent again by hand: it may arrive twice",
            OperatorAction::Requeue { .. } => "put back by hand",
            OperatorAction::Resolve(_) => "decided by hand",
        };
        operator_note.map_or_else(|| action_note.to_owned(), |note| format!("{action_note}: {note}"))
    }

    /// Returns the filter of the write: the mail must be unchanged.
    fn filter(self, mail: &MailSnapshot) -> Document {
        let mut filter = doc! { "_id": &mail.id, "state": mail.state.as_str(), "epoch": mail.epoch };
        if matches!(self, OperatorAction::Requeue { .. }) {
            filter.insert("$expr", doc! { "$gt": ["$expiresAt", "$$NOW"] });
        }
        filter
    }
}

fn check_requeue(mail: &MailSnapshot, again: bool, suppressed: bool) -> Result<(), ActionRefusal> {
    match mail.state {
        State::Expired => return Err(ActionRefusal::Expired),
        State::Sent if !again => return Err(ActionRefusal::AlreadySent),
        State::Discarded if mail.may_have_arrived() && !again => return Err(ActionRefusal::MayHaveBeenSent),
        State::Queued if !mail.is_due_later => return Err(ActionRefusal::AlreadyDue),
        _ => {}
    }
    if mail.has_expired {
        return Err(if mail.has_link { ActionRefusal::LinkExpired } else { ActionRefusal::AlreadyExpired });
    }
    if suppressed {
        return Err(ActionRefusal::Suppressed);
    }
    Ok(())
}

impl Ledger {
    /// Returns the mails that match `filter`, those of the oldest events first; all of them if
    /// `limit` is 0.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn snapshots(
        &self,
        filter: &MailFilter,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<MailSnapshot>, StoreError> {
        let fields = doc! {
            "to": 1, "state": 1, "epoch": 1,
            "link": { "$eq": [{ "$type": "$link" }, "object"] },
            "over": { "$lte": ["$expiresAt", "$$NOW"] },
            "waits": { "$gt": ["$nextAttemptAt", "$$NOW"] },
            // Only the first entry has no `from`, so the last element is that of the last entry.
            "cameFrom": { "$arrayElemAt": ["$history.from", -1] },
        };
        let find = async {
            let mails = self.documents.clone_with_type::<MailSnapshot>();
            let find = mails.find(filter.document(now)).projection(fields).sort(doc! { "eventTime": 1 }).limit(limit);
            find.optional(filter.collation(), Find::collation).await?.try_collect().await
        };
        with_deadline(self.deadline, find).await
    }

    /// Counts the mails that match `filter`.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the database does not answer.
    pub async fn count_matching(&self, filter: &MailFilter, now: Timestamp) -> Result<u64, StoreError> {
        let count = self.documents.count_documents(filter.document(now));
        with_deadline(self.deadline, count.optional(filter.collation(), CountDocuments::collation)).await
    }

    /// Applies the action if the mail is unchanged. The history names this process, and contains
    /// the operator's `note`.
    ///
    /// # Errors
    /// Returns [`StoreError`]: the action may be applied. Read the mail and try again.
    pub async fn apply_action(
        &self,
        action: OperatorAction,
        mail: &MailSnapshot,
        note: Option<&str>,
    ) -> Result<ActionResult, StoreError> {
        debug_assert!(mail.state.operator_successors().contains(&action.to()), "{} -> {}", mail.state, action.to());
        let fields = match action {
            OperatorAction::Requeue { .. } => operator_requeue_fields(mail.may_have_arrived()),
            OperatorAction::Resolve(_) => operator_resolve_fields(),
        };
        let note = action.note(mail, note);
        let update = transition(self.instance(), action.to(), Some(&note), fields);
        let write = self.documents.update_one(action.filter(mail), update);
        if with_deadline(self.deadline, write).await?.matched_count == 1 {
            return Ok(ActionResult::Applied);
        }
        Ok(ActionResult::Changed(self.find(&mail.id).await?.map(|job| job.state)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(state: State) -> MailSnapshot {
        MailSnapshot {
            id: "e/welcome".into(),
            to: "ada@example.org".into(),
            state,
            epoch: 3,
            has_link: true,
            has_expired: false,
            is_due_later: true,
            previous_state: None,
        }
    }

    const REQUEUE: OperatorAction = OperatorAction::Requeue { again: false };
    const AGAIN: OperatorAction = OperatorAction::Requeue { again: true };

    #[test]
    fn every_allowed_action_leads_to_a_permitted_state() {
        let resolutions = [State::Sent, State::Failed, State::Discarded].map(OperatorAction::Resolve);
        for action in [REQUEUE, AGAIN].iter().chain(&resolutions) {
            for state in State::ALL {
                let allowed = action.check(&snapshot(*state), false).is_ok();
                let follows = state.operator_successors().contains(&action.to());
                assert!(!allowed || follows, "{action:?} on {state}");
            }
        }
    }

    #[test]
    fn a_mail_held_by_a_sender_is_not_changed() {
        for state in [State::Preparing, State::Data] {
            for action in [REQUEUE, AGAIN, OperatorAction::Resolve(State::Discarded)] {
                assert_eq!(action.check(&snapshot(state), false), Err(ActionRefusal::HeldBySender));
            }
        }
    }

    #[test]
    fn a_mail_that_the_server_accepted_is_resent_only_with_again() {
        assert_eq!(REQUEUE.check(&snapshot(State::Sent), false), Err(ActionRefusal::AlreadySent));
        assert_eq!(AGAIN.check(&snapshot(State::Sent), false), Ok(()));
        let discarded = MailSnapshot { previous_state: Some(State::Unknown), ..snapshot(State::Discarded) };
        assert_eq!(REQUEUE.check(&discarded, false), Err(ActionRefusal::MayHaveBeenSent));
        assert_eq!(AGAIN.check(&discarded, false), Ok(()));
        assert_eq!(REQUEUE.check(&snapshot(State::Discarded), false), Ok(()));
    }

    #[test]
    fn a_mail_with_an_expired_link_is_never_sent() {
        for state in [State::Failed, State::Unknown, State::Suppressed, State::Discarded, State::Queued] {
            for again in [false, true] {
                let action = OperatorAction::Requeue { again };
                assert_eq!(
                    action.check(&MailSnapshot { has_expired: true, ..snapshot(state) }, false),
                    Err(ActionRefusal::LinkExpired),
                    "{state}"
                );
                let notice = MailSnapshot { has_expired: true, has_link: false, ..snapshot(state) };
                assert_eq!(action.check(&notice, false), Err(ActionRefusal::AlreadyExpired), "{state}");
            }
            assert_eq!(REQUEUE.check(&snapshot(state), true), Err(ActionRefusal::Suppressed), "{state}");
        }
        assert_eq!(AGAIN.check(&snapshot(State::Expired), false), Err(ActionRefusal::Expired));
        assert!(
            REQUEUE.filter(&snapshot(State::Failed)).contains_key("$expr"),
            "the database checks the expiry by its own clock"
        );
    }

    #[test]
    fn only_unknown_mails_are_resolved_and_queued_mails_discarded() {
        for to in [State::Sent, State::Failed, State::Discarded] {
            assert_eq!(OperatorAction::Resolve(to).check(&snapshot(State::Unknown), false), Ok(()));
            assert_eq!(
                OperatorAction::Resolve(to).check(&snapshot(State::Failed), false),
                Err(ActionRefusal::NotResolvable)
            );
        }
        assert_eq!(OperatorAction::Resolve(State::Discarded).check(&snapshot(State::Queued), false), Ok(()));
        assert_eq!(
            OperatorAction::Resolve(State::Sent).check(&snapshot(State::Queued), false),
            Err(ActionRefusal::OnlyDiscardable)
        );
    }

    #[test]
    fn the_history_says_when_a_mail_may_arrive_twice() {
        assert_eq!(REQUEUE.note(&snapshot(State::Unknown), None), "sent again by hand: it may arrive twice");
        assert_eq!(REQUEUE.note(&snapshot(State::Failed), Some("relay mended")), "put back by hand: relay mended");
    }
}
