//! Filters: those of the operators' commands, on mails and dead letters, and those of claims and
//! recovery. Each of the latter has its index (see [`super::indexes`]), and compares times by the
//! server's clock.

use bson::{Binary, Document, doc, spec::BinarySubtype};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use jiff::Timestamp;
use mongodb::options::{Collation, CollationStrength};

use super::{DeadLetterState, MailJob, State, filter_time::FilterTime};
use crate::plan::Template;

// The doc comments of the fields are the help of the commands.

/// A filter for mails: all given conditions must hold, and an empty list means any value.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct MailFilter {
    /// Only rows with these ids; the commands take them as arguments of their own.
    #[arg(skip)]
    pub ids: Vec<String>,
    /// Only mails in this state; several separated by commas
    #[arg(long, value_delimiter = ',', value_parser = one_of(State::ALL, State::as_str))]
    pub state: Vec<State>,
    /// Only mails of this kind; several separated by commas
    #[arg(long, value_delimiter = ',', value_parser = one_of(Template::ALL, Template::as_str))]
    pub template: Vec<Template>,
    /// Only mails to this address, in upper or lower case
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    #[command(flatten)]
    pub origin: OriginFilter,
}

/// A filter for dead letters: all given conditions must hold, and an empty list means any value.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct DeadLetterFilter {
    /// Only rows with these ids; the commands take them as arguments of their own.
    #[arg(skip)]
    pub ids: Vec<String>,
    /// Only dead letters in this state; several separated by commas
    #[arg(long, value_delimiter = ',', value_parser = one_of(DeadLetterState::ALL, DeadLetterState::as_str))]
    pub state: Vec<DeadLetterState>,
    /// Only dead letters with this reason (not-json, sealed-unknown-key, …); several separated by commas
    #[arg(long, value_delimiter = ',')]
    pub reason: Vec<String>,
    /// Only events of this type; several separated by commas
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub event_type: Vec<String>,
    #[command(flatten)]
    pub origin: OriginFilter,
}

/// The conditions on the event that a row comes from.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct OriginFilter {
    /// Only what the events of this user caused
    #[arg(long, value_name = "USER_ID")]
    pub user: Option<String>,
    /// Only what this event caused
    #[arg(long, value_name = "EVENT_ID")]
    pub event: Option<String>,
    /// Only what happened at this time or later: RFC 3339, or a duration before now, such as 2h. A mail has the time
    /// of its event, a dead letter the time when it was first seen
    #[arg(long, value_name = "TIME")]
    pub since: Option<FilterTime>,
    /// Only what happened before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<FilterTime>,
}

impl MailFilter {
    /// Returns the query, with durations counted back from `now`.
    pub(super) fn document(&self, now: Timestamp) -> Document {
        let mut filter = Document::new();
        match_any(&mut filter, "_id", self.ids.iter().map(String::as_str));
        match_any(&mut filter, "state", self.state.iter().map(|state| state.as_str()));
        match_any(&mut filter, "template", self.template.iter().map(|template| template.as_str()));
        match_any(&mut filter, "userId", self.origin.user.as_deref());
        match_any(&mut filter, "to", self.to.as_deref().map(str::trim));
        if let Some(event) = &self.origin.event {
            // Ids are `<event id>/<template>`, so the index on `_id` serves this range; `0` is the
            // character after `/`.
            filter.insert("_id", doc! { "$gte": format!("{event}/"), "$lt": format!("{event}0") });
        }
        self.origin.match_time(&mut filter, "eventTime", now);
        filter
    }

    /// Returns the collation: addresses are compared case-insensitively.
    pub(super) fn collation(&self) -> Option<Collation> {
        self.to.as_ref().map(|_| case_insensitive())
    }
}

impl DeadLetterFilter {
    /// Returns the query, with durations counted back from `now`.
    pub(super) fn document(&self, now: Timestamp) -> Document {
        let mut filter = Document::new();
        match_any(&mut filter, "_id", self.ids.iter().map(String::as_str));
        match_any(&mut filter, "state", self.state.iter().map(|state| state.as_str()));
        match_any(&mut filter, "reason", self.reason.iter().map(String::as_str));
        match_any(&mut filter, "type", self.event_type.iter().map(String::as_str));
        match_any(&mut filter, "eventId", self.origin.event.as_deref());
        if let Some(user) = &self.origin.user {
            // The key of a record is the id of its user, as text.
            filter.insert("key", Binary { subtype: BinarySubtype::Generic, bytes: user.clone().into_bytes() });
        }
        self.origin.match_time(&mut filter, "firstSeenAt", now);
        filter
    }
}

impl OriginFilter {
    fn match_time(&self, filter: &mut Document, field: &str, now: Timestamp) {
        let time = |time: FilterTime| bson::DateTime::from_jiff(time.resolve(now));
        let mut range = Document::new();
        range.extend(self.since.map(|since| ("$gte".to_owned(), time(since).into())));
        range.extend(self.until.map(|until| ("$lt".to_owned(), time(until).into())));
        if !range.is_empty() {
            filter.insert(field, range);
        }
    }
}

/// Parses the name of one of `values` on the command line.
pub fn one_of<T: Copy + Send + Sync + 'static>(
    values: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let names = PossibleValuesParser::new(values.iter().map(|value| name(*value)));
    names.try_map(move |text| values.iter().copied().find(|value| name(*value) == text).ok_or("an unknown name"))
}

/// Returns the collation of the index on addresses. A query must use the same one.
pub(super) fn case_insensitive() -> Collation {
    Collation::builder().locale("en").strength(CollationStrength::Secondary).build()
}

/// Adds a condition on `field`, if there are values.
fn match_any<'a>(filter: &mut Document, field: &str, values: impl IntoIterator<Item = &'a str>) {
    let values: Vec<&str> = values.into_iter().collect();
    match values.as_slice() {
        [] => {}
        [value] => drop(filter.insert(field, *value)),
        several => drop(filter.insert(field, doc! { "$in": several })),
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

/// Matches mails that `instance` has claimed, if their ids match.
pub(super) fn prepared_by(instance: &str, ids: Document) -> Document {
    doc! { "_id": ids, "state": State::Preparing.as_str(), "lease.owner": instance }
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
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(MailFilter::default().document(now), doc! {});
        let filter = MailFilter {
            state: vec![State::Failed, State::Unknown],
            template: vec![Template::Welcome],
            origin: OriginFilter {
                user: Some("u".into()),
                event: Some("e".into()),
                since: Some(FilterTime::At(now)),
                until: None,
            },
            ..MailFilter::default()
        };
        let expected = doc! {
            "state": { "$in": ["failed", "unknown"] },
            "template": "welcome",
            "userId": "u",
            "_id": { "$gte": "e/", "$lt": "e0" },
            "eventTime": { "$gte": bson::DateTime::from_millis(0) },
        };
        assert_eq!(filter.document(now), expected);
        assert!(filter.collation().is_none(), "only addresses are compared case-insensitively");
    }
}
