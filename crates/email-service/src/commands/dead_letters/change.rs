//! `dead-letters replay` and `dead-letters discard`.

use std::{collections::HashSet, path::Path, sync::Arc};

use service_kit::mongo::StoreError;
use tokio::sync::Notify;

use crate::{
    commands::{
        Stores,
        filter_args::DeadLetterFilterArgs,
        operator_change::{ChangeArgs, ChangeReport, is_by_filter},
    },
    config::{Config, SOURCE},
    ingest::{
        batch::{BatchWriter, MailOutcome},
        decision::RecordDecider,
        replay::ReplayOutcome,
    },
    ledger::{DeadLetter, DeadLetterState, dead_letter_store::DeadLetterDecision},
    metrics::Metrics,
};

/// The selection of dead letters, and the options of the change.
#[derive(Debug, Clone, clap::Args)]
pub struct DeadLetterChangeArgs {
    /// The ids of dead letters; or use filters
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: DeadLetterFilterArgs,
    /// The maximum number of dead letters that match a filter, the oldest first
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    change: ChangeArgs,
}

/// A dead letter as it was read.
struct SelectedLetter {
    id: String,
    state: DeadLetterState,
}

const NOT_FOUND: &str = "no dead letter has this id";
const CHANGED_MEANWHILE: &str = "another operator has decided it meanwhile";

/// Runs `dead-letters replay`.
///
/// # Errors
/// Returns an error if one of the selected dead letters is not replayed.
pub(super) async fn replay(
    stores: &Stores,
    file: Option<&Path>,
    args: &DeadLetterChangeArgs,
    json: bool,
) -> anyhow::Result<()> {
    let replayer = Replayer::open(stores, file)?;
    let mut report = ChangeReport::default();
    let letters = select_letters(stores, args, &mut report, |state| match state {
        DeadLetterState::Open | DeadLetterState::Discarded => Ok(()),
        DeadLetterState::Replayed => Err("it has been replayed already"),
    });
    let letters = letters.await?;
    let summary = format!("{} dead letters will be replayed; their mails will be sent", letters.len());
    args.change.confirm(args.ids.is_empty(), letters.len(), &summary)?;
    let mut letters = letters.iter();
    for selected in letters.by_ref() {
        if let Err(error) = replayer.replay(stores, args, selected, &mut report).await {
            report.unchanged(
                &selected.id,
                Some(selected.state.as_str()),
                &format!("the outcome is unknown, replay it again: {error}"),
            );
            break;
        }
    }
    letters.for_each(|letter| report.unchanged(&letter.id, Some(letter.state.as_str()), "not tried"));
    report.print(json)
}

/// Runs `dead-letters discard`.
///
/// # Errors
/// Returns an error if one of the selected dead letters is not discarded.
pub(super) async fn discard(stores: &Stores, args: &DeadLetterChangeArgs, json: bool) -> anyhow::Result<()> {
    let mut report = ChangeReport::default();
    let letters = select_letters(stores, args, &mut report, |state| match state {
        DeadLetterState::Open => Ok(()),
        DeadLetterState::Replayed | DeadLetterState::Discarded => Err("it has been decided already"),
    });
    let letters = letters.await?;
    let summary = format!("{} dead letters will be discarded: none of their mails will be sent", letters.len());
    args.change.confirm(args.ids.is_empty(), letters.len(), &summary)?;
    for SelectedLetter { id, state } in &letters {
        let (from, to) = (Some(state.as_str()), DeadLetterState::Discarded);
        let decision = DeadLetterDecision {
            id,
            expected: *state,
            to,
            reason: None,
            by: &stores.operator,
            note: args.change.note.as_deref(),
        };
        if args.change.dry_run || stores.letters.decide(&decision).await? {
            report.done(args.change.dry_run, id, (from, Some(to.as_str())), None);
        } else {
            report.unchanged(id, from, CHANGED_MEANWHILE);
        }
    }
    report.print(json)
}

/// Returns the selected dead letters that can be changed; the others are reported.
async fn select_letters(
    stores: &Stores,
    args: &DeadLetterChangeArgs,
    report: &mut ChangeReport,
    check: impl Fn(DeadLetterState) -> Result<(), &'static str>,
) -> anyhow::Result<Vec<SelectedLetter>> {
    let mut letters = Vec::new();
    if is_by_filter(&args.ids, args.filter.is_given(), "--reason sealed-unknown-key")? {
        let mut filter = args.filter.to_filter(stores.clock.now());
        if filter.states.is_empty() {
            filter.states.push(DeadLetterState::Open);
        }
        let found = stores.letters.list(&filter, false, i64::from(args.limit)).await?;
        if found.len() == usize::try_from(args.limit)? {
            report.more = stores.letters.count(&filter).await?.saturating_sub(u64::from(args.limit));
        }
        letters.extend(found.into_iter().map(|letter| SelectedLetter { id: letter.id, state: letter.state }));
    } else {
        let mut seen_ids = HashSet::new();
        for id in args.ids.iter().filter(|id| seen_ids.insert(id.as_str())) {
            match stores.letters.find(id).await? {
                Some(letter) => letters.push(SelectedLetter { id: letter.id, state: letter.state }),
                None => report.unchanged(id, None, NOT_FOUND),
            }
        }
    }
    letters.retain(|selected| match check(selected.state) {
        Ok(()) => true,
        Err(why) => {
            report.unchanged(&selected.id, Some(selected.state.as_str()), why);
            false
        }
    });
    Ok(letters)
}

/// Replays records with the code of the consumer.
struct Replayer {
    writer: BatchWriter,
    decider: RecordDecider,
}

impl Replayer {
    fn open(stores: &Stores, file: Option<&Path>) -> anyhow::Result<Self> {
        let config: Config = SOURCE.load(file)?;
        config.validate()?;
        let (from, _) = config.mail.sender()?;
        Ok(Self {
            decider: RecordDecider::new(
                Arc::new(config.sealing.key_ring()?),
                config.mail.max_event_age()?,
                from.email.domain().to_owned(),
                stores.operator.clone(),
            ),
            writer: BatchWriter {
                ledger: stores.ledger.clone(),
                letters: stores.letters.clone(),
                suppressions: stores.suppressions.clone(),
                clock: stores.clock.clone(),
                // This process serves no metrics.
                metrics: Metrics::new(),
                wake: Arc::new(Notify::new()),
            },
        })
    }

    async fn replay(
        &self,
        stores: &Stores,
        args: &DeadLetterChangeArgs,
        selected: &SelectedLetter,
        report: &mut ChangeReport,
    ) -> Result<(), StoreError> {
        let from = Some(selected.state.as_str());
        let Some(letter) = stores.letters.find(&selected.id).await?.filter(|letter| letter.state == selected.state)
        else {
            report.unchanged(&selected.id, from, CHANGED_MEANWHILE);
            return Ok(());
        };
        let Some(record) = letter.record() else {
            let DeadLetter { topic, partition, offset, .. } = &letter;
            let position = format!("{topic}/{partition}@{offset}");
            report.unchanged(
                &selected.id,
                from,
                &format!("it was too large to be stored: its record is only in the topic, at {position}"),
            );
            return Ok(());
        };
        let (outcome, written) = if args.change.dry_run {
            (self.writer.preview_replay(record, &self.decider).await?, true)
        } else {
            self.writer.replay(&letter, record, &self.decider, args.change.note.as_deref()).await?
        };
        match &outcome {
            _ if !written => report.unchanged(&selected.id, from, CHANGED_MEANWHILE),
            ReplayOutcome::Dead { reason, detail } => {
                report.unchanged(&selected.id, from, &format!("{reason}: {detail}"));
            }
            ReplayOutcome::Mails(_) | ReplayOutcome::NoMail => {
                let to = outcome.resulting_state(selected.state).as_str();
                report.done(args.change.dry_run, &selected.id, (from, Some(to)), Some(describe(&outcome)));
            }
        }
        Ok(())
    }
}

/// Describes the outcome of a replay for the report.
fn describe(outcome: &ReplayOutcome) -> String {
    let ReplayOutcome::Mails(mails) = outcome else { return "it asks for no mail".to_owned() };
    let tell = |(id, outcome): &(String, MailOutcome)| match outcome {
        MailOutcome::New(state) => format!("{id} is {state}"),
        MailOutcome::Existing => format!("{id} was in the ledger already"),
        MailOutcome::Refused => format!("{id} was refused"),
    };
    mails.iter().map(tell).collect::<Vec<_>>().join(", ")
}
