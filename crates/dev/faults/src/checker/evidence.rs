//! Formats parts of a history for the report. The contents of records and mails are omitted, because they are
//! personal data and not needed to understand a violation.

use crate::checker::{
    DeadLetter, LedgerMail, MailTransaction, Operation, Outcome, RecordedResponse, StoredUser, TopicRecord,
};

pub(crate) fn operation(operation: &Operation) -> String {
    let user = operation.user.map_or_else(|| "an unknown account".to_owned(), |user| user.to_string());
    let outcome = match &operation.outcome {
        Outcome::Answered(topic_event) => response(topic_event),
        Outcome::Unknown { why } => format!("no response ({why})"),
    };
    format!(
        "operation {} of client {}: {:?} about {user}, {} to {}: {outcome}",
        operation.id, operation.client, operation.action, operation.invoked, operation.completed
    )
}

pub(crate) fn response(response: &RecordedResponse) -> String {
    let problem = response.problem.as_ref().map(|problem| format!(" {problem}")).unwrap_or_default();
    let version = response.version.map(|version| format!(", version {version}")).unwrap_or_default();
    let retry = response.retry_after.map(|seconds| format!(", retry after {seconds} s")).unwrap_or_default();
    format!("{}{problem}{version}{retry}", response.status)
}

pub(crate) fn record(record: &TopicRecord) -> String {
    let header = |wanted: &str| {
        let found = record.headers.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| value.as_deref());
        found.map_or_else(|| "-".to_owned(), |value| String::from_utf8_lossy(value).chars().take(60).collect())
    };
    let key = record.key.as_deref().map_or_else(|| "-".into(), String::from_utf8_lossy);
    let key: String = key.chars().take(60).collect();
    let size = record.value.as_ref().map_or_else(|| "no value".to_owned(), |value| format!("{} bytes", value.len()));
    format!(
        "record {}/{}: {} {} sequence {} time {} key {key}, {size}{}",
        record.partition,
        record.offset,
        header("ce_type"),
        header("ce_id"),
        header("ce_sequence"),
        header("ce_time"),
        if record.foreign { ", written by the test" } else { "" }
    )
}

pub(crate) fn mail(mail: &LedgerMail) -> String {
    let mut text = format!("mail {} to {}: {} ({}), {}", mail.id, mail.to, mail.state, mail.policy, mail.message_id);
    for step in &mail.history {
        let from = step.from.as_deref().unwrap_or("(new)");
        text.push_str(&format!("\n  {} {from} -> {} by {}", step.at, step.to, step.by));
    }
    text
}

pub(crate) fn transaction(transaction: &MailTransaction) -> String {
    format!(
        "SMTP {} to {}: {}, {}",
        transaction.message_id.as_deref().unwrap_or("without Message-ID"),
        transaction.to.join(", "),
        transaction.dot_at.map_or_else(|| "no dot".to_owned(), |at| format!("dot at {at}")),
        transaction.reply.as_ref().map_or_else(|| "no reply".to_owned(), |reply| format!("reply {reply:?}")),
    )
}

pub(crate) fn letter(letter: &DeadLetter) -> String {
    format!("dead letter {} of {}/{}: {} ({})", letter.id, letter.partition, letter.offset, letter.reason, letter.state)
}

pub(crate) fn user(user: &StoredUser) -> String {
    let kind = if user.deleted { "tombstone" } else { "user" };
    let pending: Vec<String> = user.pending.iter().map(|(id, event_type)| format!("{event_type} {id}")).collect();
    format!("{kind} {} version {}, pending: [{}]", user.id, user.version, pending.join(", "))
}
