//! `dead-letters replay` and `dead-letters discard`.

use std::{collections::HashSet, path::Path, sync::Arc};

use anyhow::Context as _;
use jiff::SignedDuration;
use service_kit::mongo::StoreError;
use tokio::sync::Notify;

use super::filter::FilterArgs;
use crate::{
    commands::{
        Stores,
        act::{ActArgs, Report, one_way},
    },
    config::Settings,
    ingest::{
        batch::{Fate, Writer},
        record::Reader,
        replay::Again,
    },
    ledger::{DeadLetter, LetterState, dead_letters::Decided},
    metrics::Metrics,
};

/// Which letters, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct DecideArgs {
    /// Letters by their ids; or use filters
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// At most so many that match a filter, the oldest first
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    act: ActArgs,
}

/// A letter as it was looked at.
struct Seen {
    id: String,
    state: LetterState,
}

const NOT_THERE: &str = "no dead letter has this id";
const DECIDED_MEANWHILE: &str = "somebody else has decided it meanwhile";

/// `dead-letters replay`
///
/// # Errors
/// If not all letters that were meant are replayed.
pub(super) async fn replay(stores: &Stores, file: Option<&Path>, args: &DecideArgs, json: bool) -> anyhow::Result<()> {
    let door = Door::open(stores, file)?;
    let mut report = Report::default();
    let letters = chosen(stores, args, &mut report, |state| match state {
        LetterState::Open | LetterState::Discarded => Ok(()),
        LetterState::Replayed => Err("it is replayed already"),
    });
    let letters = letters.await?;
    let summary = format!("{} dead letters are replayed; what they ask for is mailed", letters.len());
    args.act.consent(args.ids.is_empty(), letters.len(), &summary)?;
    let mut letters = letters.iter();
    for seen in letters.by_ref() {
        if let Err(error) = door.replay(stores, args, seen, &mut report).await {
            report.left(&seen.id, Some(seen.state.as_str()), &format!("nobody knows, replay it again: {error}"));
            break;
        }
    }
    letters.for_each(|seen| report.left(&seen.id, Some(seen.state.as_str()), "not tried"));
    report.conclude(json)
}

/// `dead-letters discard`
///
/// # Errors
/// If not all letters that were meant are discarded.
pub(super) async fn discard(stores: &Stores, args: &DecideArgs, json: bool) -> anyhow::Result<()> {
    let mut report = Report::default();
    let letters = chosen(stores, args, &mut report, |state| match state {
        LetterState::Open => Ok(()),
        LetterState::Replayed | LetterState::Discarded => Err("it is decided already"),
    });
    let letters = letters.await?;
    let summary = format!("{} dead letters are discarded: nobody is mailed for them", letters.len());
    args.act.consent(args.ids.is_empty(), letters.len(), &summary)?;
    for Seen { id, state } in &letters {
        let (from, to) = (Some(state.as_str()), LetterState::Discarded);
        let decided =
            Decided { id, seen: *state, to, reason: None, by: &stores.operator, note: args.act.note.as_deref() };
        if args.act.dry_run || stores.letters.decide(&decided).await? {
            report.done(args.act.dry_run, id, (from, Some(to.as_str())), None);
        } else {
            report.left(id, from, DECIDED_MEANWHILE);
        }
    }
    report.conclude(json)
}

/// The letters that are meant and stand so that they can be decided; the others are reported.
async fn chosen(
    stores: &Stores,
    args: &DecideArgs,
    report: &mut Report,
    check: impl Fn(LetterState) -> Result<(), &'static str>,
) -> anyhow::Result<Vec<Seen>> {
    let mut meant = Vec::new();
    if one_way(&args.ids, args.filter.any(), "--reason sealed-unknown-key")? {
        let mut filter = args.filter.at(stores.clock.now());
        if filter.states.is_empty() {
            filter.states.push(LetterState::Open);
        }
        let found = stores.letters.list(&filter, false, i64::from(args.limit)).await?;
        if found.len() == usize::try_from(args.limit)? {
            report.more = stores.letters.count(&filter).await?.saturating_sub(u64::from(args.limit));
        }
        meant.extend(found.into_iter().map(|letter| Seen { id: letter.id, state: letter.state }));
    } else {
        let mut asked = HashSet::new();
        for id in args.ids.iter().filter(|id| asked.insert(id.as_str())) {
            match stores.letters.find(id).await? {
                Some(letter) => meant.push(Seen { id: letter.id, state: letter.state }),
                None => report.left(id, None, NOT_THERE),
            }
        }
    }
    meant.retain(|seen| match check(seen.state) {
        Ok(()) => true,
        Err(why) => {
            report.left(&seen.id, Some(seen.state.as_str()), why);
            false
        }
    });
    Ok(meant)
}

/// The door that the service has for records of the topic, opened by hand.
struct Door {
    writer: Writer,
    reader: Reader,
}

impl Door {
    fn open(stores: &Stores, file: Option<&Path>) -> anyhow::Result<Self> {
        let Settings { config, from, keys, .. } = Settings::load(file)?;
        let max_event_age = SignedDuration::try_from(config.mail.max_event_age).context("mail.max_event_age")?;
        let domain = from.email.domain().to_owned();
        Ok(Self {
            reader: Reader::new(Arc::new(keys), max_event_age, domain, stores.operator.clone()),
            writer: Writer {
                ledger: stores.ledger.clone(),
                letters: stores.letters.clone(),
                suppressions: stores.suppressions.clone(),
                clock: stores.clock.clone(),
                // Of a process that nobody asks for them.
                metrics: Metrics::new(),
                wake: Arc::new(Notify::new()),
            },
        })
    }

    async fn replay(
        &self,
        stores: &Stores,
        args: &DecideArgs,
        seen: &Seen,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let was = Some(seen.state.as_str());
        let Some(letter) = stores.letters.find(&seen.id).await?.filter(|letter| letter.state == seen.state) else {
            report.left(&seen.id, was, DECIDED_MEANWHILE);
            return Ok(());
        };
        let Some(record) = letter.record() else {
            let DeadLetter { topic, partition, offset, .. } = &letter;
            let place = format!("{topic}/{partition}@{offset}");
            report.left(
                &seen.id,
                was,
                &format!("it was too large to be kept: its record is in the topic only, at {place}"),
            );
            return Ok(());
        };
        let (again, written) = if args.act.dry_run {
            (self.writer.foresee(record, &self.reader).await?, true)
        } else {
            self.writer.replay(&letter, record, &self.reader, args.act.note.as_deref()).await?
        };
        match &again {
            _ if !written => report.left(&seen.id, was, DECIDED_MEANWHILE),
            Again::Dead { reason, detail } => report.left(&seen.id, was, &format!("{reason}: {detail}")),
            Again::Mails(_) | Again::NoMail => {
                let to = again.leads_to(seen.state).as_str();
                report.done(args.act.dry_run, &seen.id, (was, Some(to)), Some(told(&again)));
            }
        }
        Ok(())
    }
}

/// What a letter turned out to be, for people.
fn told(again: &Again) -> String {
    let Again::Mails(mails) = again else { return "it asks for no mail".to_owned() };
    let tell = |(id, fate): &(String, Fate)| match fate {
        Fate::New(state) => format!("{id} is {state}"),
        Fate::Known => format!("{id} was in the ledger already"),
        Fate::Refused => format!("{id} was refused"),
    };
    mails.iter().map(tell).collect::<Vec<_>>().join(", ")
}
