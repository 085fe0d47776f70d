//! `mail list` and `mail show`.

use anyhow::Context as _;
use events::{TotpDisabledBy, UndoneChange};
use jiff::Timestamp;
use serde::Serialize;
use serde_with::skip_serializing_none;

use crate::{
    commands::{ListArgs, Stores, print_line, print_rows, print_table, to_the_second},
    ledger::{MailFilter, MailJob, MailList, State, mail_job::HistoryEntry},
    plan::{MailFacts, MailValues, ResendPolicy, Template},
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
    locale: Option<&'a str>,
    values: ValuesJson<'a>,
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

/// What the ledger stores for the text of a mail; what a mail does not have is left out.
#[skip_serializing_none]
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ValuesJson<'a> {
    display_name: Option<&'a str>,
    username: Option<&'a str>,
    new_email: Option<&'a str>,
    old_email: Option<&'a str>,
    remaining: Option<u32>,
    locked_until: Option<Timestamp>,
    totp_disabled_by: Option<TotpDisabledBy>,
    undone_change: Option<UndoneChange>,
    inviter: Option<&'a str>,
    device: Option<&'a str>,
    network: Option<&'a str>,
}

impl<'a> From<&'a MailFacts> for ValuesJson<'a> {
    fn from(facts: &'a MailFacts) -> Self {
        // Without `..`: a value that is added to the ledger must be shown, too.
        let MailValues {
            username,
            new_email,
            old_email,
            remaining,
            locked_until,
            totp_disabled_by,
            undone_change,
            inviter,
            device,
            network,
        } = &facts.values;
        Self {
            display_name: facts.display_name.as_deref(),
            username: username.as_deref(),
            new_email: new_email.as_deref(),
            old_email: old_email.as_deref(),
            remaining: *remaining,
            locked_until: *locked_until,
            totp_disabled_by: *totp_disabled_by,
            undone_change: *undone_change,
            inviter: inviter.as_deref(),
            device: device.as_deref(),
            network: network.as_deref(),
        }
    }
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
            locale: job.facts.locale.as_deref(),
            values: ValuesJson::from(&job.facts),
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
    let values = serde_json::to_string(&ValuesJson::from(&job.facts))?;
    let time = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
    for (name, value) in [
        ("id", job.id.clone()),
        ("state", job.state.to_string()),
        ("template", job.facts.template.to_string()),
        ("to", job.facts.to.clone()),
        ("locale", job.facts.locale.clone().unwrap_or_else(|| "-".to_owned())),
        ("values", values),
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
