//! `events list|retry|skip|snapshot`: shows and handles events that the relay could not publish, and requests the states
//! of all users.

use anyhow::{Context, bail};
use clap::Subcommand;
use service_kit::cli::print_line;
use uuid::Uuid;

use super::{open_store, snapshot};
use crate::{
    config::Config,
    store::{Backlog, OutboxStore},
};

/// The commands for pending events.
#[derive(Subcommand)]
pub(super) enum EventsCommand {
    /// List the pending events, the oldest first
    List {
        /// List only the events of the user with this id
        #[arg(long)]
        user: Option<Uuid>,
        /// List the events of at most this number of users
        #[arg(long, default_value_t = 100)]
        limit: i64,
    },
    /// Retry the events of a parked user immediately, although the broker has refused one
    Retry {
        /// Retry the events of the user with this id
        user: Uuid,
    },
    /// Remove one event from the list; it is never published
    Skip {
        /// Remove an event of the user with this id
        user: Uuid,
        /// Remove the event with this id
        event: Uuid,
    },
    /// Publish the present state of every user to the topic of states, for example after it was switched on
    ///
    /// A running service publishes them, at most as fast as it can: the command waits for it. To continue a command
    /// that was interrupted, run it again within a day. Afterwards, and after a finished one, it begins anew.
    Snapshot(snapshot::SnapshotArgs),
}

pub(super) async fn run(config: &Config, command: EventsCommand, json: bool) -> anyhow::Result<()> {
    let (_, store) = open_store(config).await?;
    let pending = &store.outbox;
    match command {
        EventsCommand::List { user, limit } => list(pending, user, limit, json).await,
        EventsCommand::Retry { user } => {
            if !pending.unpark(user).await? {
                bail!("no events of user {user} are parked");
            }
            Ok(())
        }
        EventsCommand::Skip { user, event } => {
            if !pending.skip(user, event, config.kafka.state_topic.is_some()).await? {
                bail!("event {event} is not pending for user {user}");
            }
            Ok(())
        }
        EventsCommand::Snapshot(args) => snapshot::run(store, config.kafka.state_topic.as_deref(), args, json).await,
    }
}

async fn list(pending: &OutboxStore, user: Option<Uuid>, limit: i64, json: bool) -> anyhow::Result<()> {
    let backlogs = pending.list(user, limit).await.context("the pending events cannot be read")?;
    if !json {
        print_line(format_args!(
            "{:<36}  {:<36}  {:<40}  {:>10}  {:<24}  STATE",
            "USER", "EVENT", "TYPE", "SEQUENCE", "SINCE"
        ))?;
    }
    for backlog in &backlogs {
        for line in lines(backlog, json) {
            print_line(line)?;
        }
    }
    Ok(())
}

/// Returns the output lines of a user's events. They never contain the payload, which is personal data.
fn lines(backlog: &Backlog, json: bool) -> Vec<String> {
    let user = Uuid::from(backlog.user);
    let parked = backlog.parked.as_ref();
    let line = |event: &crate::store::PendingEvent| {
        let (id, since) = (Uuid::from(event.id), event.at.to_jiff());
        if json {
            serde_json::json!({
                "userId": user,
                "eventId": id,
                "type": event.event_type,
                "sequence": event.sequence,
                "since": since,
                "parkedUntil": parked.map(|parked| parked.until.to_jiff()),
                "attempts": parked.map_or(0, |parked| parked.attempts),
                "error": parked.map(|parked| &parked.error),
            })
            .to_string()
        } else {
            let state = parked.map_or_else(|| "waiting".to_owned(), |parked| format!("parked: {}", parked.error));
            format!("{user}  {id}  {:<40}  {:>10}  {since:<24}  {state}", event.event_type, event.sequence)
        }
    };
    backlog.pending_events.iter().map(line).collect()
}
