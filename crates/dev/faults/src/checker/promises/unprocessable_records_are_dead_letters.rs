//! I8: every record that cannot be processed is exactly one dead letter with its reason, and no other record is a
//! dead letter.

use std::collections::BTreeMap;

use crate::checker::{DeadLetter, History, TopicRecord, Violation, evidence, topic_events::decode};

/// Reasons inside the sealed box, which only the email service can open.
const SEALED_REASONS: [&str; 3] = ["sealed-unknown-key", "sealed-broken", "sealed-mismatch"];

pub(super) fn violations(history: &History) -> Vec<Violation> {
    if history.limits.no_email_service {
        return Vec::new();
    }
    let mut letters: BTreeMap<(i32, i64), Vec<&DeadLetter>> = BTreeMap::new();
    for letter in &history.dead_letters {
        letters.entry((letter.partition, letter.offset)).or_default().push(letter);
    }
    let mut found = Vec::new();
    for record in &history.records {
        let mut own_letters = letters.remove(&(record.partition, record.offset)).unwrap_or_default();
        if history.limits.topic_replaced {
            // An earlier topic had another record at the same offset, whose dead letter does not belong to this one.
            own_letters.retain(|letter| reason(record).is_none_or(|reason| letter.reason == reason));
        }
        if history.limits.panics && reason(record).is_none() {
            // At most one dead letter is excused. A second one is a violation as usual.
            own_letters.pop_if(|letter| letter.reason == "processing-failed");
        }
        found.extend(check_record(record, &own_letters));
    }
    if !history.limits.topic_replaced {
        for letter in letters.into_values().flatten() {
            found
                .push(Violation::new("a dead letter of a record that is not in the topic", [evidence::letter(letter)]));
        }
    }
    found
}

fn check_record(record: &TopicRecord, own_letters: &[&DeadLetter]) -> Option<Violation> {
    let reason = reason(record);
    let what = match (reason, own_letters) {
        (None, []) => return None,
        (None, [letter]) if SEALED_REASONS.contains(&letter.reason.as_str()) => return None,
        (Some(reason), [letter]) if letter.reason == reason => return None,
        (None, [_]) => "a record that can be processed is a dead letter".to_owned(),
        (Some(reason), []) => format!("a record that cannot be processed ({reason}) is not a dead letter"),
        (Some(reason), [_]) => format!("a dead letter with a reason other than {reason}"),
        (_, several) => format!("a record is a dead letter {} times", several.len()),
    };
    Some(Violation::new(
        what,
        std::iter::once(evidence::record(record))
            .chain(own_letters.iter().map(|own_letters| evidence::letter(own_letters))),
    ))
}

/// Returns why the record cannot be processed according to the contract, if it cannot.
fn reason(record: &TopicRecord) -> Option<&'static str> {
    decode(record).err().map(|error| error.reason())
}
