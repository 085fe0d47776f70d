//! `mail list` and `mail show`.

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    commands::{ListArgs, Stores, print_line, print_rows, print_table, to_the_second},
    ledger::{MailFilter, MailJob, MailList, State, mail_job::HistoryEntry},
    plan::{ResendPolicy, Template},
};

/// A mail in the JSON output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MailJson<'a> {
    id: &'a str,
    event_id: &'a str,
    user_id: &'a str,
    r#type: &'a str,
    template: Template,
    to: &'a str,
    state: State,
    attempts: i64,
    next_attempt_at: Option<Timestamp>,
    message_id: &'a str,
    last_reply: Option<&'a str>,
    policy: ResendPolicy,
    epoch: i64,
    event_time: Timestamp,
    expires_at: Timestamp,
    terminal_at: Option<Timestamp>,
    history: Vec<HistoryStepJson<'a>>,
}

#[derive(Debug, Serialize)]
struct HistoryStepJson<'a> {
    at: Timestamp,
    from: Option<State>,
    to: State,
    note: Option<&'a str>,
    by: &'a str,
}

impl<'a> From<&'a HistoryEntry> for HistoryStepJson<'a> {
    fn from(entry: &'a HistoryEntry) -> Self {
        Self { at: entry.at, from: entry.from, to: entry.to, note: entry.note.as_deref(), by: &entry.by }
    }
}

impl<'a> From<&'a MailJob> for MailJson<'a> {
    fn from(job: &'a MailJob) -> Self {
        Self {
            id: &job.id,
            event_id: &job.event_id,
            user_id: &job.user_id,
            r#type: &job.event_type,
            template: job.facts.template,
            to: &job.facts.to,
            state: job.state,
            attempts: job.attempts,
            next_attempt_at: job.next_attempt_at,
            message_id: &job.message_id,
            last_reply: job.last_reply.as_deref(),
            policy: job.policy,
            epoch: job.epoch,
            event_time: job.facts.event_time,
            expires_at: job.expires_at,
            terminal_at: job.terminal_at,
            history: job.history.iter().map(HistoryStepJson::from).collect(),
        }
    }
}

/// Runs `mail list`.
///
/// # Errors
/// Returns an error if the ledger cannot be read.
pub(super) async fn list(stores: &Stores, args: &ListArgs<MailFilter>, json: bool) -> anyhow::Result<()> {
    let MailList { jobs, unreadable } =
        stores.ledger.list(&args.filter, stores.clock.now(), i64::from(args.limit)).await?;
    if !unreadable.is_empty() {
        eprintln!("not shown, because only a newer release can read them: {}", unreadable.join(", "));
    }
    let header = ["STATE", "TEMPLATE", "TO", "ATTEMPTS", "EVENT TIME", "ID"];
    Ok(print_rows(&jobs, json, MailJson::from, header, |job| {
        [
            job.state.to_string(),
            job.facts.template.to_string(),
            job.facts.to.clone(),
            job.attempts.to_string(),
            to_the_second(job.facts.event_time),
            job.id.clone(),
        ]
    })?)
}

/// Runs `mail show`.
///
/// # Errors
/// Returns an error if there is no such mail, or the ledger cannot be read.
pub(super) async fn show(stores: &Stores, id: &str, json: bool) -> anyhow::Result<()> {
    let job = stores.ledger.find(id).await?.with_context(|| format!("no mail has the id {id}"))?;
    if json {
        return Ok(print_line(serde_json::to_string(&MailJson::from(&job))?)?);
    }
    let time = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
    for (name, value) in [
        ("id", job.id.clone()),
        ("state", job.state.to_string()),
        ("template", job.facts.template.to_string()),
        ("to", job.facts.to.clone()),
        ("user", job.user_id.clone()),
        ("event", format!("{} {}", job.event_type, job.event_id)),
        ("event time", job.facts.event_time.to_string()),
        ("expires", job.expires_at.to_string()),
        ("if unknown", job.policy.as_str().to_owned()),
        ("attempts", job.attempts.to_string()),
        ("next attempt", time(job.next_attempt_at)),
        ("message id", job.message_id.clone()),
        ("last reply", job.last_reply.clone().unwrap_or_else(|| "-".to_owned())),
        ("ended at", time(job.terminal_at)),
    ] {
        print_line(format_args!("{name:<14}{value}"))?;
    }
    print_line("")?;
    print_table(["AT", "FROM", "TO", "BY", "NOTE"], &job.history, |step| {
        [
            step.at.to_string(),
            step.from.map_or("-".to_owned(), |state| state.to_string()),
            step.to.to_string(),
            step.by.clone(),
            step.note.clone().unwrap_or_default(),
        ]
    })?;
    Ok(())
}
