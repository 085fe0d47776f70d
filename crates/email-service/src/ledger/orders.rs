//! What an operator orders: mails put back to `queued`, or decided by hand.
//!
//! An order is decided on the state and the epoch that were seen, and its write asks for
//! both: a sender that claims the mail meanwhile, or anybody else, makes it find nothing.
//! What a sender holds (`preparing`, `data`) is never touched.

use bson::{Document, doc};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::{
    action::{Action as _, CountDocuments, Find},
    options::Collation,
};
use serde::Deserialize;
use service_kit::mongo::{StoreError, with_deadline};

use super::{
    Ledger, MailFilter, State,
    mail_job::optional_bson_time,
    step::{put_back_fields, resolved_fields, step},
};
use crate::plan::Template;

/// What an operator wants of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Sent, as soon as a sender is free. `again`: even if the server has taken it.
    Requeue { again: bool },
    /// The end of an `unknown` mail, or with [`State::Discarded`] of a waiting one.
    Resolve(State),
}

/// A mail as an order is decided on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    #[serde(rename = "_id")]
    pub id: String,
    pub template: Template,
    pub to: String,
    pub state: State,
    pub epoch: i64,
    #[serde(default, with = "optional_bson_time")]
    pub next_attempt_at: Option<Timestamp>,
    /// Whether it carries a link.
    pub link: bool,
    /// Whether its time is over, by the database's clock.
    pub over: bool,
    /// Whether it is due only later.
    pub waits: bool,
    /// The state before this one.
    #[serde(default)]
    pub came_from: Option<State>,
}

/// Why a mail stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("a sender holds it")]
    Held,
    #[error("it has expired: its link is dead or its news is old, and whoever needs it asks again")]
    Expired,
    #[error("its link is dead by now")]
    DeadLink,
    #[error("its time is over")]
    Over,
    #[error("it is due already")]
    Due,
    #[error("the server has taken it: --again sends it a second time")]
    Sent,
    #[error("it was discarded when nobody knew whether the server had taken it: --again sends it all the same")]
    MayHaveArrived,
    #[error("its address is suppressed: `suppressions remove` it first")]
    Suppressed,
    #[error("only unknown mails are resolved, and waiting ones discarded")]
    NotToBeResolved,
    #[error("a waiting mail can only be discarded")]
    Waits,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    Out,
    /// Not: the mail stands like this by now, or is gone.
    Changed(Option<State>),
}

impl Seen {
    /// Whether the server may have taken it: sending it is sending it a second time.
    #[must_use]
    pub fn may_have_arrived(&self) -> bool {
        match self.state {
            State::Unknown | State::Sent => true,
            State::Discarded => self.came_from == Some(State::Unknown),
            _ => false,
        }
    }
}

impl Order {
    /// The state that the order leads to.
    #[must_use]
    pub fn to(self) -> State {
        match self {
            Order::Requeue { .. } => State::Queued,
            Order::Resolve(state) => state,
        }
    }

    /// Whether it can be carried out on a mail that was seen so. `suppressed`: its address is
    /// to be left alone.
    ///
    /// # Errors
    /// Why not.
    pub fn check(self, seen: &Seen, suppressed: bool) -> Result<(), Refused> {
        if matches!(seen.state, State::Preparing | State::Data) {
            return Err(Refused::Held);
        }
        match self {
            Order::Requeue { again } => check_requeue(seen, again, suppressed),
            Order::Resolve(to) => match seen.state {
                State::Unknown => Ok(()),
                State::Queued if to == State::Discarded => Ok(()),
                State::Queued => Err(Refused::Waits),
                _ => Err(Refused::NotToBeResolved),
            },
        }
    }

    fn note(self, seen: &Seen, operators: Option<&str>) -> String {
        let ours = match self {
            Order::Requeue { .. } if seen.state == State::Sent => "sent again by hand: the server has taken it before",
            Order::Requeue { .. } if seen.may_have_arrived() => "sent again by hand: it may arrive twice",
            Order::Requeue { .. } => "put back by hand",
            Order::Resolve(_) => "decided by hand",
        };
        operators.map_or_else(|| ours.to_owned(), |note| format!("{ours}: {note}"))
    }

    /// What the write asks for, beside the id.
    fn filter(self, seen: &Seen) -> Document {
        let mut filter = doc! { "_id": &seen.id, "state": seen.state.as_str(), "epoch": seen.epoch };
        if matches!(self, Order::Requeue { .. }) {
            filter.insert("$expr", doc! { "$gt": ["$expiresAt", "$$NOW"] });
        }
        filter
    }
}

fn check_requeue(seen: &Seen, again: bool, suppressed: bool) -> Result<(), Refused> {
    match seen.state {
        State::Expired => return Err(Refused::Expired),
        State::Sent if !again => return Err(Refused::Sent),
        State::Discarded if seen.may_have_arrived() && !again => return Err(Refused::MayHaveArrived),
        State::Queued if !seen.waits => return Err(Refused::Due),
        _ => {}
    }
    if seen.over {
        return Err(if seen.link { Refused::DeadLink } else { Refused::Over });
    }
    if suppressed {
        return Err(Refused::Suppressed);
    }
    Ok(())
}

impl Ledger {
    /// The mails that an order by filter is about, those of the oldest events first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn select(&self, filter: &MailFilter, limit: i64) -> Result<Vec<Seen>, StoreError> {
        self.seen(filter.document(), filter.collation(), limit).await
    }

    /// The mails with these ids, those that are there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn look_at(&self, ids: &[String]) -> Result<Vec<Seen>, StoreError> {
        self.seen(doc! { "_id": { "$in": ids } }, None, 0).await
    }

    /// How many mails are as asked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn count_of(&self, filter: &MailFilter) -> Result<u64, StoreError> {
        let count =
            self.documents.count_documents(filter.document()).optional(filter.collation(), CountDocuments::collation);
        with_deadline(self.deadline, count).await
    }

    /// Carries the order out, if the mail still stands as it was seen. The history names this
    /// process as the one who did it, with the operator's `note`.
    ///
    /// # Errors
    /// [`StoreError`]: it may be done. Look, and order it again.
    pub async fn carry_out(&self, order: Order, seen: &Seen, note: Option<&str>) -> Result<Carried, StoreError> {
        debug_assert!(seen.state.successors_by_order().contains(&order.to()), "{} -> {}", seen.state, order.to());
        let fields = match order {
            Order::Requeue { .. } => put_back_fields(seen.may_have_arrived()),
            Order::Resolve(_) => resolved_fields(),
        };
        let note = order.note(seen, note);
        let update = step(self.instance(), order.to(), Some(&note), fields);
        let write = self.documents.update_one(order.filter(seen), update);
        if with_deadline(self.deadline, write).await?.matched_count == 1 {
            return Ok(Carried::Out);
        }
        Ok(Carried::Changed(self.find(&seen.id).await?.map(|job| job.state)))
    }

    async fn seen(&self, filter: Document, collation: Option<Collation>, limit: i64) -> Result<Vec<Seen>, StoreError> {
        let fields = doc! {
            "template": 1, "to": 1, "state": 1, "epoch": 1, "nextAttemptAt": 1,
            "link": { "$eq": [{ "$type": "$link" }, "object"] },
            "over": { "$lte": ["$expiresAt", "$$NOW"] },
            "waits": { "$gt": ["$nextAttemptAt", "$$NOW"] },
            // Only the first entry has no `from`, so the last of these is that of the last entry.
            "cameFrom": { "$arrayElemAt": ["$history.from", -1] },
        };
        let find = async {
            let mails = self.documents.clone_with_type::<Seen>();
            let find = mails.find(filter).projection(fields).sort(doc! { "eventTime": 1 }).limit(limit);
            find.optional(collation, Find::collation).await?.try_collect().await
        };
        with_deadline(self.deadline, find).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(state: State) -> Seen {
        Seen {
            id: "e/welcome".into(),
            template: Template::Welcome,
            to: "ada@example.org".into(),
            state,
            epoch: 3,
            next_attempt_at: None,
            link: true,
            over: false,
            waits: true,
            came_from: None,
        }
    }

    const REQUEUE: Order = Order::Requeue { again: false };
    const AGAIN: Order = Order::Requeue { again: true };

    #[test]
    fn an_order_that_is_not_refused_leads_to_a_state_that_may_follow() {
        let resolutions = [State::Sent, State::Failed, State::Discarded].map(Order::Resolve);
        for order in [REQUEUE, AGAIN].iter().chain(&resolutions) {
            for state in State::ALL {
                let allowed = order.check(&seen(*state), false).is_ok();
                let follows = state.successors_by_order().contains(&order.to());
                assert!(!allowed || follows, "{order:?} on {state}");
            }
        }
    }

    #[test]
    fn what_a_sender_holds_is_left_to_it() {
        for state in [State::Preparing, State::Data] {
            for order in [REQUEUE, AGAIN, Order::Resolve(State::Discarded)] {
                assert_eq!(order.check(&seen(state), false), Err(Refused::Held));
            }
        }
    }

    #[test]
    fn what_the_server_has_taken_is_sent_again_only_on_an_explicit_order() {
        assert_eq!(REQUEUE.check(&seen(State::Sent), false), Err(Refused::Sent));
        assert_eq!(AGAIN.check(&seen(State::Sent), false), Ok(()));
        let discarded = Seen { came_from: Some(State::Unknown), ..seen(State::Discarded) };
        assert_eq!(REQUEUE.check(&discarded, false), Err(Refused::MayHaveArrived));
        assert_eq!(AGAIN.check(&discarded, false), Ok(()));
        assert_eq!(REQUEUE.check(&seen(State::Discarded), false), Ok(()));
    }

    #[test]
    fn a_dead_link_is_never_sent() {
        for state in [State::Failed, State::Unknown, State::Suppressed, State::Discarded, State::Queued] {
            for again in [false, true] {
                let order = Order::Requeue { again };
                assert_eq!(order.check(&Seen { over: true, ..seen(state) }, false), Err(Refused::DeadLink), "{state}");
                let news = Seen { over: true, link: false, ..seen(state) };
                assert_eq!(order.check(&news, false), Err(Refused::Over), "{state}");
            }
            assert_eq!(REQUEUE.check(&seen(state), true), Err(Refused::Suppressed), "{state}");
        }
        assert_eq!(AGAIN.check(&seen(State::Expired), false), Err(Refused::Expired));
        assert!(REQUEUE.filter(&seen(State::Failed)).contains_key("$expr"), "the database's clock has the last word");
    }

    #[test]
    fn only_unknown_mails_are_resolved_and_waiting_ones_discarded() {
        for to in [State::Sent, State::Failed, State::Discarded] {
            assert_eq!(Order::Resolve(to).check(&seen(State::Unknown), false), Ok(()));
            assert_eq!(Order::Resolve(to).check(&seen(State::Failed), false), Err(Refused::NotToBeResolved));
        }
        assert_eq!(Order::Resolve(State::Discarded).check(&seen(State::Queued), false), Ok(()));
        assert_eq!(Order::Resolve(State::Sent).check(&seen(State::Queued), false), Err(Refused::Waits));
    }

    #[test]
    fn the_history_says_when_a_mail_may_arrive_twice() {
        assert_eq!(REQUEUE.note(&seen(State::Unknown), None), "sent again by hand: it may arrive twice");
        assert_eq!(REQUEUE.note(&seen(State::Failed), Some("relay mended")), "put back by hand: relay mended");
    }
}
