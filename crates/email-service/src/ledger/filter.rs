//! Filters on `mailJobs`: those of the operators' commands, and those of claims and recovery. Each
//! of the latter has its index (see [`super::indexes`]), and compares times by the server's clock.

use bson::{Document, doc};
use jiff::Timestamp;
use mongodb::options::{Collation, CollationStrength};

use super::{MailJob, State};
use crate::plan::Template;

/// A filter for mails; all given conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct MailFilter {
    /// Any of these states; an empty list means any state. The same applies to the templates.
    pub states: Vec<State>,
    pub templates: Vec<Template>,
    pub user: Option<String>,
    /// The recipient's address, in upper or lower case.
    pub to: Option<String>,
    pub event: Option<String>,
    /// The event happened at this time or later.
    pub since: Option<Timestamp>,
    /// The event happened before this time.
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
            // Ids are `<event id>/<template>`, so the index on `_id` serves this range; `0` is the
            // character after `/`.
            filter.insert("_id", doc! { "$gte": format!("{event}/"), "$lt": format!("{event}0") });
        }
        match_time_range(&mut filter, "eventTime", self.since, self.until);
        filter
    }

    /// Returns the collation: addresses are compared case-insensitively.
    pub(super) fn collation(&self) -> Option<Collation> {
        self.to.as_ref().map(|_| case_insensitive())
    }
}

/// Returns the collation of the index on addresses. A query must use the same one.
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

/// Matches mails that can be claimed.
pub fn claimable() -> Document {
    doc! {
        "state": State::Queued.as_str(),
        "$expr": { "$and": [
            { "$lte": ["$nextAttemptAt", "$$NOW"] },
            { "$gt": ["$expiresAt", "$$NOW"] },
        ] },
    }
}

/// Matches mails held by a sender whose lease has ended.
pub fn abandoned(state: State) -> Document {
    doc! { "state": state.as_str(), "$expr": { "$lte": ["$lease.until", "$$NOW"] } }
}

/// Matches unknown mails whose resend is due.
pub fn resendable() -> Document {
    doc! {
        "state": State::Unknown.as_str(),
        // Terminal mails have no such time; without this condition `$expr` would treat a missing
        // time as due.
        "nextAttemptAt": { "$gt": bson::DateTime::from_millis(0) },
        "$expr": { "$and": [
            { "$lte": ["$nextAttemptAt", "$$NOW"] },
            { "$gt": ["$expiresAt", "$$NOW"] },
        ] },
    }
}

/// Matches unknown mails that have expired before their resend.
pub fn unknown_and_expired() -> Document {
    doc! {
        "state": State::Unknown.as_str(),
        "nextAttemptAt": { "$gt": bson::DateTime::from_millis(0) },
        "$expr": { "$lte": ["$expiresAt", "$$NOW"] },
    }
}

/// Matches queued mails that have expired.
pub fn queued_and_expired() -> Document {
    doc! { "state": State::Queued.as_str(), "$expr": { "$lte": ["$expiresAt", "$$NOW"] } }
}

/// Matches `job` only while this claim holds it, and only in these states.
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
        assert!(filter.collation().is_none(), "only addresses are compared case-insensitively");
    }
}
