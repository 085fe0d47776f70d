//! I6: a poison record or an undeliverable address does not delay other records and mails.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::checker::{
    History, Violation, evidence,
    expected_mails::{is_accepted, mail_id, templates_for},
    topic_events::all_events,
};

pub(super) fn violations(history: &History) -> Vec<Violation> {
    let Some(most) = history.limits.neighbour_delay_ms else { return Vec::new() };
    let mut accepted: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for transaction in history.smtp.iter().filter(|transaction| is_accepted(transaction)) {
        if let (Some(id), Some(at)) = (transaction.message_id.as_deref(), transaction.dot_at) {
            accepted.entry(id).or_insert(at);
        }
    }
    let mut since: BTreeMap<String, (Timestamp, String)> = BTreeMap::new();
    for topic_event in all_events(history) {
        // A test may write an event whose time lies far in the past.
        let written = topic_event.record.timestamp.filter(|_| topic_event.record.foreign);
        let began =
            written.and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(topic_event.event.envelope.time);
        for template in templates_for(&topic_event.event) {
            let row = mail_id(&topic_event.event, template);
            since.entry(row).or_insert_with(|| (began, evidence::record(topic_event.record)));
        }
    }
    let undeliverable = |to: &str| history.limits.undeliverable.iter().any(|bad| bad.eq_ignore_ascii_case(to));
    let neighbours = history.mails.iter().filter(|mail| !undeliverable(&mail.to));
    neighbours
        .filter_map(|mail| {
            let (began, record) = since.get(&mail.id)?;
            let what = match accepted.get(mail.message_id.as_str()) {
                None => "this mail is deliverable, but no server has accepted it".to_owned(),
                Some(at) => {
                    let took = at.as_millisecond() - began.as_millisecond();
                    let late = u64::try_from(took).is_ok_and(|took| took > most);
                    late.then(|| format!("a mail was accepted {took} ms after its event, but {most} ms are allowed"))?
                }
            };
            Some(Violation::new(what, [record.clone(), evidence::mail(mail)]))
        })
        .collect()
}
