//! `mail requeue` and `mail resolve`.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use service_kit::cli::UsageError;

use super::filter::FilterArgs;
use crate::{
    commands::{
        Stores,
        act::{ActArgs, Report, one_way},
    },
    ledger::{Carried, Order, Seen, State},
};

/// So many orders are under way at once.
const AT_ONCE: usize = 16;

/// Which mails, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct OrderArgs {
    /// Mails by their ids; or use filters
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// At most so many that match a filter, those of the oldest events first
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    act: ActArgs,
}

/// What is put back.
#[derive(Debug, Clone, clap::Args)]
pub struct RequeueArgs {
    #[command(flatten)]
    which: OrderArgs,
    /// Also what the server has taken, or may have taken before somebody discarded it: it arrives twice
    #[arg(long)]
    again: bool,
}

/// What is decided.
#[derive(Debug, Clone, clap::Args)]
pub struct ResolveArgs {
    #[command(flatten)]
    which: OrderArgs,
    /// What became of it
    #[arg(long = "as", value_name = "STATE", value_parser = resolution)]
    resolution: State,
}

fn resolution(text: &str) -> Result<State, &'static str> {
    match text.parse() {
        Ok(state @ (State::Sent | State::Failed | State::Discarded)) => Ok(state),
        _ => Err("one of sent, failed, discarded"),
    }
}

/// `mail requeue`
///
/// # Errors
/// If not all mails that were meant are in the queue.
pub(super) async fn requeue(stores: &Stores, args: &RequeueArgs, json: bool) -> anyhow::Result<()> {
    if args.which.filter.any() && args.which.filter.state.is_empty() {
        let text = "mails of which state? Such as --state failed, or unknown, suppressed, discarded, queued";
        return Err(UsageError(text.to_owned()).into());
    }
    give(stores, &args.which, Order::Requeue { again: args.again }, json).await
}

/// `mail resolve`
///
/// # Errors
/// If not all mails that were meant are decided.
pub(super) async fn resolve(stores: &Stores, args: &ResolveArgs, json: bool) -> anyhow::Result<()> {
    let mut which = args.which.clone();
    if which.filter.any() && which.filter.state.is_empty() {
        which.filter.state.push(State::Unknown);
    }
    give(stores, &which, Order::Resolve(args.resolution), json).await
}

async fn give(stores: &Stores, args: &OrderArgs, order: Order, json: bool) -> anyhow::Result<()> {
    let by_filter = one_way(&args.ids, args.filter.any(), "--state unknown --since 2h")?;
    let mut report = Report::default();
    let meant =
        if by_filter { found(stores, args, &mut report).await? } else { named(stores, args, &mut report).await? };

    let addresses: Vec<&str> = meant.iter().map(|seen| seen.to.as_str()).collect();
    let suppressed: HashSet<String> =
        stores.suppressions.among(&addresses).await?.into_iter().map(str::to_owned).collect();
    let mut possible = Vec::new();
    for seen in meant {
        match order.check(&seen, suppressed.contains(&seen.to)) {
            Ok(()) => possible.push(seen),
            Err(refused) => report.left(&seen.id, Some(seen.state.as_str()), &refused.to_string()),
        }
    }
    args.act.consent(by_filter, possible.len(), &summary(order, &possible))?;
    carry_out(stores, args, order, &possible, &mut report).await;
    report.conclude(json)
}

/// Those that the filter finds.
async fn found(stores: &Stores, args: &OrderArgs, report: &mut Report) -> anyhow::Result<Vec<Seen>> {
    let filter = args.filter.at(stores.clock.now());
    let found = stores.ledger.select(&filter, i64::from(args.limit)).await?;
    if found.len() == usize::try_from(args.limit)? {
        report.more = stores.ledger.count_of(&filter).await?.saturating_sub(u64::from(args.limit));
    }
    Ok(found)
}

/// Those with the ids, in their order.
async fn named(stores: &Stores, args: &OrderArgs, report: &mut Report) -> anyhow::Result<Vec<Seen>> {
    let there = stores.ledger.look_at(&args.ids).await?;
    let mut there: HashMap<String, Seen> = there.into_iter().map(|seen| (seen.id.clone(), seen)).collect();
    let mut meant = Vec::new();
    let mut asked = HashSet::new();
    for id in args.ids.iter().filter(|id| asked.insert(id.as_str())) {
        match there.remove(id) {
            Some(seen) => meant.push(seen),
            None => report.left(id, None, "no mail has this id"),
        }
    }
    Ok(meant)
}

/// What would happen, for somebody who is to say yes.
fn summary(order: Order, possible: &[Seen]) -> String {
    let mut counts: Vec<(State, usize)> = Vec::new();
    for seen in possible {
        match counts.iter_mut().find(|(state, _)| *state == seen.state) {
            Some((_, count)) => *count += 1,
            None => counts.push((seen.state, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let twice = possible.iter().filter(|seen| seen.may_have_arrived()).count();
    let warning = match order {
        Order::Requeue { .. } if twice > 0 => format!("; {twice} of them may arrive twice"),
        _ => String::new(),
    };
    format!("{} mails become {} ({}){warning}", possible.len(), order.to(), counts.join(", "))
}

async fn carry_out(stores: &Stores, args: &OrderArgs, order: Order, mails: &[Seen], report: &mut Report) {
    let mut answers = true;
    for some in mails.chunks(AT_ONCE) {
        if args.act.dry_run {
            some.iter().for_each(|seen| done(report, true, order, seen));
            continue;
        }
        if !answers {
            some.iter().for_each(|seen| report.left(&seen.id, Some(seen.state.as_str()), "not tried"));
            continue;
        }
        let orders = some.iter().map(|seen| stores.ledger.carry_out(order, seen, args.act.note.as_deref()));
        for (seen, result) in some.iter().zip(join_all(orders).await) {
            let was = Some(seen.state.as_str());
            match result {
                Ok(Carried::Out) => done(report, false, order, seen),
                Ok(Carried::Changed(Some(now))) if now == seen.state => {
                    report.left(&seen.id, was, "its time is over, or it has been somewhere else meanwhile");
                }
                Ok(Carried::Changed(Some(now))) => report.left(&seen.id, was, &format!("it became {now} meanwhile")),
                Ok(Carried::Changed(None)) => report.left(&seen.id, was, "it is gone"),
                Err(error) => {
                    answers = false;
                    report.left(&seen.id, was, &format!("nobody knows, look at it again: {error}"));
                }
            }
        }
    }
}

fn done(report: &mut Report, dry_run: bool, order: Order, seen: &Seen) {
    let twice = matches!(order, Order::Requeue { .. }) && seen.may_have_arrived();
    let states = (Some(seen.state.as_str()), Some(order.to().as_str()));
    report.done(dry_run, &seen.id, states, twice.then(|| "it may arrive twice".to_owned()));
}
