//! I9: for every committed offset, all earlier records of that partition are processed: their mails are in the
//! ledger, and those that cannot be processed are dead letters.

use std::collections::BTreeSet;

use events::Decoded;

use crate::checker::{
    History, TopicRecord, Violation, evidence,
    expected_mails::{mail_id, templates_for},
    topic_events::decode,
};

pub(super) fn violations(history: &History) -> Vec<Violation> {
    if history.limits.no_email_service {
        return Vec::new();
    }
    let rows: BTreeSet<&str> = history.mails.iter().map(|mail| mail.id.as_str()).collect();
    let dead: BTreeSet<(i32, i64)> =
        history.dead_letters.iter().map(|letter| (letter.partition, letter.offset)).collect();
    let is_committed =
        |record: &&TopicRecord| history.committed.get(&record.partition).is_some_and(|next| record.offset < *next);
    let is_processed = |record: &TopicRecord| {
        dead.contains(&(record.partition, record.offset))
            || match decode(record) {
                Ok(Decoded::Event(event)) => {
                    templates_for(&event).iter().all(|template| rows.contains(mail_id(&event, template).as_str()))
                }
                Ok(Decoded::UnknownType(_)) => true,
                Err(_) => false,
            }
    };
    let lost = history.records.iter().filter(is_committed).filter(|record| !is_processed(record));
    lost.map(|record| {
        let next = history.committed.get(&record.partition).copied().unwrap_or_default();
        let what =
            format!("offset {next} is committed, but an earlier record is neither in the ledger nor a dead letter");
        Violation::new(what, [evidence::record(record)])
    })
    .collect()
}
