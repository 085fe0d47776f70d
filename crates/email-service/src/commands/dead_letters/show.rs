//! `dead-letters list` and `dead-letters show`.

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bson::Binary;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    commands::{ListArgs, Stores, print_line, print_rows, print_table, to_the_second},
    ledger::{DeadLetter, DeadLetterFilter, DeadLetterState, dead_letter::DeadLetterStep},
    mailer::reply::printable,
};

/// A dead letter in the JSON output; the contents only in `show`, in base64, because they may be
/// any bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeadLetterJson<'a> {
    id: &'a str,
    state: DeadLetterState,
    reason: &'a str,
    detail: &'a str,
    topic: &'a str,
    partition: i32,
    offset: i64,
    timestamp: Option<Timestamp>,
    event_id: Option<&'a str>,
    r#type: Option<&'a str>,
    first_seen_at: Timestamp,
    settled_at: Option<Timestamp>,
    contents_kept: bool,
    history: Vec<HistoryStepJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<ContentsJson>,
}

#[derive(Debug, Serialize)]
struct HistoryStepJson<'a> {
    at: Timestamp,
    from: Option<DeadLetterState>,
    to: DeadLetterState,
    reason: Option<&'a str>,
    note: Option<&'a str>,
    by: &'a str,
}

impl<'a> From<&'a DeadLetterStep> for HistoryStepJson<'a> {
    fn from(step: &'a DeadLetterStep) -> Self {
        let (reason, note) = (step.reason.as_deref(), step.note.as_deref());
        Self { at: step.at, from: step.from, to: step.to, reason, note, by: &step.by }
    }
}

#[derive(Debug, Serialize)]
struct ContentsJson {
    key: Option<String>,
    headers: Vec<HeaderJson>,
    value: Option<String>,
}

#[derive(Debug, Serialize)]
struct HeaderJson {
    name: String,
    value: Option<String>,
}

fn base64(binary: &Option<Binary>) -> Option<String> {
    binary.as_ref().map(|binary| STANDARD.encode(&binary.bytes))
}

impl<'a> DeadLetterJson<'a> {
    fn new(letter: &'a DeadLetter, with_contents: bool) -> Self {
        let contents = || ContentsJson {
            key: base64(&letter.key),
            headers: letter
                .headers
                .iter()
                .map(|header| HeaderJson { name: header.name.clone(), value: base64(&header.value) })
                .collect(),
            value: base64(&letter.value),
        };
        Self {
            id: &letter.id,
            state: letter.state,
            reason: &letter.reason,
            detail: &letter.detail,
            topic: &letter.topic,
            partition: letter.partition,
            offset: letter.offset,
            timestamp: letter.timestamp.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            event_id: letter.event_id.as_deref(),
            r#type: letter.event_type.as_deref(),
            first_seen_at: letter.first_seen_at,
            settled_at: letter.settled_at,
            contents_kept: letter.contents_kept,
            history: letter.history.iter().map(HistoryStepJson::from).collect(),
            contents: with_contents.then(contents),
        }
    }
}

/// Runs `dead-letters list`.
///
/// # Errors
/// Returns an error if the database does not answer.
pub(super) async fn list(stores: &Stores, args: &ListArgs<DeadLetterFilter>, json: bool) -> anyhow::Result<()> {
    let letters = stores.letters.list(&args.filter, stores.clock.now(), true, i64::from(args.limit)).await?;
    let to_json = |letter| DeadLetterJson::new(letter, false);
    Ok(print_rows(&letters, json, to_json, ["STATE", "REASON", "RECORD", "TYPE", "FIRST SEEN", "ID"], |letter| {
        [
            letter.state.to_string(),
            letter.reason.clone(),
            format!("{}/{}@{}", letter.topic, letter.partition, letter.offset),
            printable(letter.event_type.as_deref().unwrap_or("-")),
            to_the_second(letter.first_seen_at),
            letter.id.clone(),
        ]
    })?)
}

/// Runs `dead-letters show`.
///
/// # Errors
/// Returns an error if there is no such dead letter, or the database does not answer.
pub(super) async fn show(stores: &Stores, id: &str, json: bool) -> anyhow::Result<()> {
    let letter = stores.letters.find(id).await?.with_context(|| format!("no dead letter has the id {id}"))?;
    if json {
        return Ok(print_line(serde_json::to_string(&DeadLetterJson::new(&letter, true))?)?);
    }
    let text = |binary: &Option<Binary>| match binary {
        Some(binary) => printable(&String::from_utf8_lossy(&binary.bytes)),
        None => "-".to_owned(),
    };
    for (name, value) in [
        ("id", letter.id.clone()),
        ("state", letter.state.to_string()),
        ("reason", letter.reason.clone()),
        ("detail", letter.detail.clone()),
        ("record", format!("{}/{}@{}", letter.topic, letter.partition, letter.offset)),
        ("first seen", letter.first_seen_at.to_string()),
        ("key", text(&letter.key)),
    ] {
        print_line(format_args!("{name:<12}{value}"))?;
    }
    if !letter.contents_kept {
        print_line("its contents were too large to be stored: they are only in the topic")?;
    }
    for header in &letter.headers {
        print_line(format_args!("{:<12}{}: {}", "header", printable(&header.name), text(&header.value)))?;
    }
    print_line(format_args!("{:<12}{}", "value", text(&letter.value)))?;
    print_line("")?;
    print_table(["AT", "FROM", "TO", "REASON", "BY", "NOTE"], &letter.history, |step| {
        [
            step.at.to_string(),
            step.from.map_or("-".to_owned(), |state| state.to_string()),
            step.to.to_string(),
            step.reason.clone().unwrap_or("-".to_owned()),
            step.by.clone(),
            step.note.clone().unwrap_or_default(),
        ]
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use event_consumer::ConsumedRecord;

    use super::*;

    #[test]
    fn contents_are_shown_in_base64_and_only_by_show() {
        let record = ConsumedRecord { value: Some(b"\x1b[2J".to_vec()), ..ConsumedRecord::default() };
        let letter = DeadLetter::new(record, "not-json", "no".into(), "here", Timestamp::UNIX_EPOCH);
        let json = serde_json::to_value(DeadLetterJson::new(&letter, true)).unwrap();
        assert_eq!(json["contents"]["value"], "G1sySg==");
        let json = serde_json::to_value(DeadLetterJson::new(&letter, false)).unwrap();
        assert!(json.get("contents").is_none());
    }
}
