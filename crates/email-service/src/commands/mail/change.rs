//! `mail requeue` and `mail resolve`.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;
use service_kit::cli::UsageError;

use crate::{
    commands::{
        Stores,
        filter_args::MailFilterArgs,
        operator_change::{ChangeArgs, ChangeReport, is_by_filter},
    },
    ledger::{ActionResult, MailSnapshot, OperatorAction, State},
};

/// The number of actions that run at the same time.
const CONCURRENT_ACTIONS: usize = 16;

/// The selection of mails, and the options of the change.
#[derive(Debug, Clone, clap::Args)]
pub struct MailChangeArgs {
    /// The ids of mails; or use filters
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: MailFilterArgs,
    /// The maximum number of mails that match a filter, those of the oldest events first
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    #[command(flatten)]
    change: ChangeArgs,
}

/// The arguments of `mail requeue`.
#[derive(Debug, Clone, clap::Args)]
pub struct RequeueArgs {
    #[command(flatten)]
    selection: MailChangeArgs,
    /// Also mails that the server has accepted, or may have accepted before they were discarded:
    /// they may arrive twice
    #[arg(long)]
    again: bool,
}

/// The arguments of `mail resolve`.
#[derive(Debug, Clone, clap::Args)]
pub struct ResolveArgs {
    #[command(flatten)]
    selection: MailChangeArgs,
    /// The final state of the mails
    #[arg(long = "as", value_name = "STATE", value_parser = parse_resolution)]
    resolution: State,
}

fn parse_resolution(text: &str) -> Result<State, &'static str> {
    match text.parse() {
        Ok(state @ (State::Sent | State::Failed | State::Discarded)) => Ok(state),
        _ => Err("one of sent, failed, discarded"),
    }
}

/// Runs `mail requeue`.
///
/// # Errors
/// Returns an error if one of the selected mails is not requeued.
pub(super) async fn requeue(stores: &Stores, args: &RequeueArgs, json: bool) -> anyhow::Result<()> {
    if args.selection.filter.is_given() && args.selection.filter.state.is_empty() {
        let text = "a filter needs a state, such as --state failed, or unknown, suppressed, discarded, queued";
        return Err(UsageError(text.to_owned()).into());
    }
    change(stores, &args.selection, OperatorAction::Requeue { again: args.again }, json).await
}

/// Runs `mail resolve`.
///
/// # Errors
/// Returns an error if one of the selected mails is not resolved.
pub(super) async fn resolve(stores: &Stores, args: &ResolveArgs, json: bool) -> anyhow::Result<()> {
    let mut selection = args.selection.clone();
    if selection.filter.is_given() && selection.filter.state.is_empty() {
        selection.filter.state.push(State::Unknown);
    }
    change(stores, &selection, OperatorAction::Resolve(args.resolution), json).await
}

async fn change(stores: &Stores, args: &MailChangeArgs, action: OperatorAction, json: bool) -> anyhow::Result<()> {
    let by_filter = is_by_filter(&args.ids, args.filter.is_given(), "--state unknown --since 2h")?;
    let mut report = ChangeReport::default();
    let selected = if by_filter {
        find_by_filter(stores, args, &mut report).await?
    } else {
        find_by_ids(stores, args, &mut report).await?
    };

    let addresses: Vec<&str> = selected.iter().map(|mail| mail.to.as_str()).collect();
    let suppressed: HashSet<String> =
        stores.suppressions.suppressed_among(&addresses).await?.into_iter().map(str::to_owned).collect();
    let mut possible = Vec::new();
    for mail in selected {
        match action.check(&mail, suppressed.contains(&mail.to)) {
            Ok(()) => possible.push(mail),
            Err(refused) => report.unchanged(&mail.id, Some(mail.state.as_str()), &refused.to_string()),
        }
    }
    args.change.confirm(by_filter, possible.len(), &summary(action, &possible))?;
    apply(stores, args, action, &possible, &mut report).await;
    report.print(json)
}

/// Returns the mails that match the filter.
async fn find_by_filter(
    stores: &Stores,
    args: &MailChangeArgs,
    report: &mut ChangeReport,
) -> anyhow::Result<Vec<MailSnapshot>> {
    let filter = args.filter.to_filter(stores.clock.now());
    let found = stores.ledger.snapshots(&filter, i64::from(args.limit)).await?;
    if found.len() == usize::try_from(args.limit)? {
        report.more = stores.ledger.count_matching(&filter).await?.saturating_sub(u64::from(args.limit));
    }
    Ok(found)
}

/// Returns the mails with the given ids, in their order.
async fn find_by_ids(
    stores: &Stores,
    args: &MailChangeArgs,
    report: &mut ChangeReport,
) -> anyhow::Result<Vec<MailSnapshot>> {
    let existing = stores.ledger.snapshots_by_id(&args.ids).await?;
    let mut existing: HashMap<String, MailSnapshot> =
        existing.into_iter().map(|mail| (mail.id.clone(), mail)).collect();
    let mut selected = Vec::new();
    let mut seen_ids = HashSet::new();
    for id in args.ids.iter().filter(|id| seen_ids.insert(id.as_str())) {
        match existing.remove(id) {
            Some(mail) => selected.push(mail),
            None => report.unchanged(id, None, "no mail has this id"),
        }
    }
    Ok(selected)
}

/// Returns the text of the confirmation.
fn summary(action: OperatorAction, possible: &[MailSnapshot]) -> String {
    let mut counts: Vec<(State, usize)> = Vec::new();
    for mail in possible {
        match counts.iter_mut().find(|(state, _)| *state == mail.state) {
            Some((_, count)) => *count += 1,
            None => counts.push((mail.state, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let possible_duplicates = possible.iter().filter(|mail| mail.may_have_arrived()).count();
    let warning = match action {
        OperatorAction::Requeue { .. } if possible_duplicates > 0 => {
            format!("; {possible_duplicates} of them may arrive twice")
        }
        _ => String::new(),
    };
    format!("{} mails become {} ({}){warning}", possible.len(), action.to(), counts.join(", "))
}

async fn apply(
    stores: &Stores,
    args: &MailChangeArgs,
    action: OperatorAction,
    mails: &[MailSnapshot],
    report: &mut ChangeReport,
) {
    let mut reachable = true;
    for chunk in mails.chunks(CONCURRENT_ACTIONS) {
        if args.change.dry_run {
            chunk.iter().for_each(|mail| report_done(report, true, action, mail));
            continue;
        }
        if !reachable {
            chunk.iter().for_each(|mail| report.unchanged(&mail.id, Some(mail.state.as_str()), "not tried"));
            continue;
        }
        let actions = chunk.iter().map(|mail| stores.ledger.apply_action(action, mail, args.change.note.as_deref()));
        for (mail, result) in chunk.iter().zip(join_all(actions).await) {
            let from = Some(mail.state.as_str());
            match result {
                Ok(ActionResult::Applied) => report_done(report, false, action, mail),
                Ok(ActionResult::Changed(Some(now))) if now == mail.state => {
                    report.unchanged(&mail.id, from, "it has expired, or it has changed meanwhile");
                }
                Ok(ActionResult::Changed(Some(now))) => {
                    report.unchanged(&mail.id, from, &format!("it became {now} meanwhile"));
                }
                Ok(ActionResult::Changed(None)) => report.unchanged(&mail.id, from, "it is gone"),
                Err(error) => {
                    reachable = false;
                    report.unchanged(
                        &mail.id,
                        from,
                        &format!("the outcome is unknown, check it with `mail show`: {error}"),
                    );
                }
            }
        }
    }
}

fn report_done(report: &mut ChangeReport, dry_run: bool, action: OperatorAction, mail: &MailSnapshot) {
    let may_arrive_twice = matches!(action, OperatorAction::Requeue { .. }) && mail.may_have_arrived();
    let states = (Some(mail.state.as_str()), Some(action.to().as_str()));
    report.done(dry_run, &mail.id, states, may_arrive_twice.then(|| "it may arrive twice".to_owned()));
}
