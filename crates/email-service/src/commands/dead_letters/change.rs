//! `dead-letters replay` and `dead-letters discard`.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use service_kit::mongo::StoreError;
use tokio::sync::Notify;

use crate::{
    commands::{
        Stores,
        operator_change::{self, Change, ChangeArgs, ChangeOptions, Row, RowOutcome},
    },
    config::{Config, SOURCE},
    ingest::{
        decision::MailDecider,
        handler::MailHandler,
        mail_writer::{MailOutcome, MailWriter},
        replay::ReplayOutcome,
    },
    ledger::{DeadLetter, DeadLetterFilter, DeadLetterState, dead_letter_store::DeadLetterDecision},
    metrics::Metrics,
};

const CHANGED_MEANWHILE: &str = "another operator has decided it meanwhile";

/// Runs `dead-letters replay`.
///
/// # Errors
/// Returns an error if one of the selected dead letters is not replayed.
pub(super) async fn replay(
    stores: &Stores,
    file: Option<&Path>,
    mut args: ChangeArgs<DeadLetterFilter>,
    json: bool,
) -> anyhow::Result<()> {
    select_open_letters(&mut args.filter);
    operator_change::run(stores, &Replay::new(stores, file)?, &args, json).await
}

/// Runs `dead-letters discard`.
///
/// # Errors
/// Returns an error if one of the selected dead letters is not discarded.
pub(super) async fn discard(stores: &Stores, mut args: ChangeArgs<DeadLetterFilter>, json: bool) -> anyhow::Result<()> {
    select_open_letters(&mut args.filter);
    operator_change::run(stores, &Discard, &args, json).await
}

/// Restricts a filter without a state to open dead letters.
fn select_open_letters(filter: &mut DeadLetterFilter) {
    if *filter != DeadLetterFilter::default() && filter.state.is_empty() {
        filter.state.push(DeadLetterState::Open);
    }
}

impl Row for DeadLetter {
    type Filter = DeadLetterFilter;

    const UNKNOWN_ID: &'static str = "no dead letter has this id";
    const FILTER_EXAMPLE: &'static str = "--reason sealed-unknown-key";

    fn filter_by_ids(ids: &[String]) -> DeadLetterFilter {
        DeadLetterFilter { ids: ids.to_vec(), ..DeadLetterFilter::default() }
    }

    async fn find(
        stores: &Stores,
        filter: &DeadLetterFilter,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Self>, StoreError> {
        stores.letters.list(filter, now, false, limit).await
    }

    async fn count(stores: &Stores, filter: &DeadLetterFilter, now: Timestamp) -> Result<u64, StoreError> {
        stores.letters.count(filter, now).await
    }

    fn id(&self) -> &str {
        &self.id
    }

    fn state(&self) -> &'static str {
        self.state.as_str()
    }
}

/// Decides not to process records.
struct Discard;

impl Change for Discard {
    type Row = DeadLetter;

    const CONCURRENCY: usize = 1;
    const IF_UNKNOWN: &'static str = "check it with `dead-letters show`";

    fn check(&self, letter: &DeadLetter) -> Result<(), String> {
        match letter.state {
            DeadLetterState::Open => Ok(()),
            DeadLetterState::Replayed | DeadLetterState::Discarded => Err("it has been decided already".to_owned()),
        }
    }

    fn summary(&self, letters: &[DeadLetter]) -> String {
        format!("{} dead letters will be discarded: none of their mails will be sent", letters.len())
    }

    async fn apply(
        &self,
        stores: &Stores,
        letter: &DeadLetter,
        options: &ChangeOptions,
    ) -> Result<RowOutcome, StoreError> {
        let to = DeadLetterState::Discarded;
        let decision = DeadLetterDecision {
            id: &letter.id,
            expected: letter.state,
            to,
            reason: None,
            by: &stores.operator,
            note: options.note.as_deref(),
        };
        Ok(if options.dry_run || stores.letters.decide(&decision).await? {
            RowOutcome::Done { to: to.as_str(), detail: None }
        } else {
            RowOutcome::Unchanged(CHANGED_MEANWHILE.to_owned())
        })
    }
}

/// Processes records again, with the code of the consumer.
struct Replay(MailHandler);

impl Replay {
    fn new(stores: &Stores, file: Option<&Path>) -> anyhow::Result<Self> {
        let config: Config = SOURCE.load(file)?;
        config.validate()?;
        let (from, _) = config.mail.sender()?;
        Ok(Self(MailHandler {
            decider: MailDecider::new(
                Arc::new(config.sealing.key_ring()?),
                config.mail.max_event_age()?,
                from.email.domain().to_owned(),
                stores.operator.clone(),
            ),
            writer: MailWriter {
                ledger: stores.ledger.clone(),
                letters: stores.letters.clone(),
                suppressions: stores.suppressions.clone(),
                clock: stores.clock.clone(),
                // This process serves no metrics.
                metrics: Metrics::new(),
                wake: Arc::new(Notify::new()),
                sends: None,
            },
        }))
    }
}

impl Change for Replay {
    type Row = DeadLetter;

    const CONCURRENCY: usize = 1;
    const IF_UNKNOWN: &'static str = "replay it again";

    fn check(&self, letter: &DeadLetter) -> Result<(), String> {
        match letter.state {
            DeadLetterState::Open | DeadLetterState::Discarded => Ok(()),
            DeadLetterState::Replayed => Err("it has been replayed already".to_owned()),
        }
    }

    fn summary(&self, letters: &[DeadLetter]) -> String {
        format!("{} dead letters will be replayed; their mails will be sent", letters.len())
    }

    async fn apply(
        &self,
        stores: &Stores,
        selected: &DeadLetter,
        options: &ChangeOptions,
    ) -> Result<RowOutcome, StoreError> {
        // The selection has no contents.
        let letter = stores.letters.find(&selected.id).await?.filter(|letter| letter.state == selected.state);
        let Some(letter) = letter else { return Ok(RowOutcome::Unchanged(CHANGED_MEANWHILE.to_owned())) };
        let Some(record) = letter.record() else {
            let DeadLetter { topic, partition, offset, .. } = &letter;
            let position = format!("{topic}/{partition}@{offset}");
            let why = format!("it was too large to be stored: its record is only in the topic, at {position}");
            return Ok(RowOutcome::Unchanged(why));
        };
        let (outcome, written) = if options.dry_run {
            (self.0.preview_replay(&record).await?, true)
        } else {
            self.0.replay(&letter, &record, options.note.as_deref()).await?
        };
        Ok(match &outcome {
            _ if !written => RowOutcome::Unchanged(CHANGED_MEANWHILE.to_owned()),
            ReplayOutcome::Dead { reason, detail } => RowOutcome::Unchanged(format!("{reason}: {detail}")),
            ReplayOutcome::Mails(_) | ReplayOutcome::NoMail => {
                let to = outcome.resulting_state(letter.state).as_str();
                RowOutcome::Done { to, detail: Some(describe(&outcome)) }
            }
        })
    }
}

/// Describes the outcome of a replay for the report.
fn describe(outcome: &ReplayOutcome) -> String {
    let ReplayOutcome::Mails(mails) = outcome else { return "it asks for no mail".to_owned() };
    let tell = |(id, outcome): &(String, MailOutcome)| match outcome {
        MailOutcome::New(state) => format!("{id} is {state}"),
        MailOutcome::Claimed => format!("{id} is being sent"),
        MailOutcome::Existing => format!("{id} was in the ledger already"),
        MailOutcome::Refused(_) => format!("{id} was refused"),
    };
    mails.iter().map(tell).collect::<Vec<_>>().join(", ")
}
