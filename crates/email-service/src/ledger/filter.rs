//! Which rows an operator means: filters as the commands take them.

use bson::{Document, doc};
use jiff::Timestamp;
use mongodb::options::{Collation, CollationStrength};

use super::{MailJob, State};
use crate::plan::Template;

/// Which mails: all conditions that are given hold.
#[derive(Debug, Clone, Default)]
pub struct MailFilter {
    /// Any of these; none given: any at all. So for the templates.
    pub states: Vec<State>,
    pub templates: Vec<Template>,
    pub user: Option<String>,
    /// The address, in upper or lower case.
    pub to: Option<String>,
    pub event: Option<String>,
    /// The event happened not before this.
    pub since: Option<Timestamp>,
    /// The event happened before this.
    pub until: Option<Timestamp>,
}

impl MailFilter {
    pub(super) fn document(&self) -> Document {
        let mut filter = Document::new();
        match_any(&mut filter, "state", self.states.iter().map(|state| state.as_str()));
        match_any(&mut filter, "template", self.templates.iter().map(|template| template.as_str()));
        match_any(&mut filter, "userId", self.user.iter().map(String::as_str));
        match_any(&mut filter, "to", self.to.iter().map(String::as_str));
        if let Some(event) = &self.event {
            // `<event id>/<template>`, with the index that every collection has; `0` comes after `/`.
            filter.insert("_id", doc! { "$gte": format!("{event}/"), "$lt": format!("{event}0") });
        }
        match_time_range(&mut filter, "eventTime", self.since, self.until);
        filter
    }

    /// How texts are compared: addresses without regard to case.
    pub(super) fn collation(&self) -> Option<Collation> {
        self.to.as_ref().map(|_| case_insensitive())
    }
}

/// Of the index on addresses, and so of every query that is to use it.
pub(super) fn case_insensitive() -> Collation {
    Collation::builder().locale("en").strength(CollationStrength::Secondary).build()
}

pub(super) fn match_any<'a>(filter: &mut Document, field: &str, values: impl Iterator<Item = &'a str>) {
    let values: Vec<&str> = values.collect();
    match values.as_slice() {
        [] => {}
        [value] => drop(filter.insert(field, *value)),
        several => drop(filter.insert(field, doc! { "$in": several })),
    }
}

pub(super) fn match_time_range(filter: &mut Document, field: &str, since: Option<Timestamp>, until: Option<Timestamp>) {
    let mut range = Document::new();
    if let Some(since) = since {
        range.insert("$gte", bson::DateTime::from_jiff(since));
    }
    if let Some(until) = until {
        range.insert("$lt", bson::DateTime::from_jiff(until));
    }
    if !range.is_empty() {
        filter.insert(field, range);
    }
}

/// The claim's filter.
pub fn claimable() -> Document {
    doc! {
        "state": State::Queued.as_str(),
        "$expr": { "$and": [
            { "$lte": ["$nextAttemptAt", "$$NOW"] },
            { "$gt": ["$expiresAt", "$$NOW"] },
        ] },
    }
}

/// Held by a sender whose lease has ended.
pub fn abandoned(state: State) -> Document {
    doc! { "state": state.as_str(), "$expr": { "$lte": ["$lease.until", "$$NOW"] } }
}

/// Unknown, and to be sent again now.
pub fn resendable() -> Document {
    doc! {
        "state": State::Unknown.as_str(),
        // A terminal one has no such time; without this, `$expr` would take "none" for early.
        "nextAttemptAt": { "$gt": bson::DateTime::from_millis(0) },
        "$expr": { "$and": [
            { "$lte": ["$nextAttemptAt", "$$NOW"] },
            { "$gt": ["$expiresAt", "$$NOW"] },
        ] },
    }
}

/// Unknown, was to be sent again, and has expired meanwhile.
pub fn unknown_and_expired() -> Document {
    doc! {
        "state": State::Unknown.as_str(),
        "nextAttemptAt": { "$gt": bson::DateTime::from_millis(0) },
        "$expr": { "$lte": ["$expiresAt", "$$NOW"] },
    }
}

/// Waits, and is no longer worth it.
pub fn queued_and_expired() -> Document {
    doc! { "state": State::Queued.as_str(), "$expr": { "$lte": ["$expiresAt", "$$NOW"] } }
}

/// Only the claim that `job` is, and only in these states.
pub(super) fn claimed_by(job: &MailJob, states: &[State]) -> Document {
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    doc! { "_id": &job.id, "epoch": job.epoch, "state": { "$in": states } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_filter_matches_every_mail_and_each_condition_narrows() {
        assert_eq!(MailFilter::default().document(), doc! {});
        let filter = MailFilter {
            states: vec![State::Failed, State::Unknown],
            templates: vec![Template::Welcome],
            user: Some("u".into()),
            event: Some("e".into()),
            since: Some(Timestamp::UNIX_EPOCH),
            ..MailFilter::default()
        };
        let expected = doc! {
            "state": { "$in": ["failed", "unknown"] },
            "template": "welcome",
            "userId": "u",
            "_id": { "$gte": "e/", "$lt": "e0" },
            "eventTime": { "$gte": bson::DateTime::from_millis(0) },
        };
        assert_eq!(filter.document(), expected);
        assert!(filter.collation().is_none(), "only an address is compared without regard to case");
    }
}
