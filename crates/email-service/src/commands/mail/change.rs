//! `mail requeue` and `mail resolve`.

use jiff::Timestamp;
use service_kit::{cli::UsageError, mongo::StoreError};

use crate::{
    commands::{
        Stores,
        operator_change::{self, Change, ChangeArgs, ChangeOptions, Row, RowOutcome},
    },
    ledger::{ActionResult, MailFilter, MailSnapshot, OperatorAction, State, filter::one_of},
};

const RESOLUTIONS: &[State] = &[State::Sent, State::Failed, State::Discarded];

/// The arguments of `mail requeue`.
#[derive(Debug, Clone, clap::Args)]
pub struct RequeueArgs {
    #[command(flatten)]
    change: ChangeArgs<MailFilter>,
    /// Also mails that the server has accepted, or may have accepted before they were discarded:
    /// they may arrive twice
    #[arg(long)]
    again: bool,
}

/// The arguments of `mail resolve`.
#[derive(Debug, Clone, clap::Args)]
pub struct ResolveArgs {
    #[command(flatten)]
    change: ChangeArgs<MailFilter>,
    /// The final state of the mails
    #[arg(long = "as", value_name = "STATE", value_parser = one_of(RESOLUTIONS, State::as_str))]
    resolution: State,
}

/// Runs `mail requeue`.
///
/// # Errors
/// Returns an error if one of the selected mails is not requeued.
pub(super) async fn requeue(stores: &Stores, args: &RequeueArgs, json: bool) -> anyhow::Result<()> {
    if needs_state(&args.change.filter) {
        let text = "a filter needs a state, such as --state failed, or unknown, suppressed, discarded, queued";
        return Err(UsageError(text.to_owned()).into());
    }
    operator_change::run(stores, &OperatorAction::Requeue { again: args.again }, &args.change, json).await
}

/// Runs `mail resolve`.
///
/// # Errors
/// Returns an error if one of the selected mails is not resolved.
pub(super) async fn resolve(stores: &Stores, mut args: ResolveArgs, json: bool) -> anyhow::Result<()> {
    if needs_state(&args.change.filter) {
        args.change.filter.state.push(State::Unknown);
    }
    operator_change::run(stores, &OperatorAction::Resolve(args.resolution), &args.change, json).await
}

/// Returns whether the filter has other conditions, but none on the state.
fn needs_state(filter: &MailFilter) -> bool {
    *filter != MailFilter::default() && filter.state.is_empty()
}

/// A mail as it was read.
pub(in crate::commands) struct SelectedMail {
    mail: MailSnapshot,
    is_suppressed: bool,
}

impl Row for SelectedMail {
    type Filter = MailFilter;

    const UNKNOWN_ID: &'static str = "no mail has this id";
    const FILTER_EXAMPLE: &'static str = "--state unknown --since 2h";

    fn filter_by_ids(ids: &[String]) -> MailFilter {
        MailFilter { ids: ids.to_vec(), ..MailFilter::default() }
    }

    async fn find(stores: &Stores, filter: &MailFilter, now: Timestamp, limit: i64) -> Result<Vec<Self>, StoreError> {
        let mails = stores.ledger.snapshots(filter, now, limit).await?;
        let addresses: Vec<&str> = mails.iter().map(|mail| mail.to.as_str()).collect();
        let suppressed = stores.suppressions.are_suppressed(&addresses).await?;
        Ok(mails.into_iter().zip(suppressed).map(|(mail, is_suppressed)| Self { mail, is_suppressed }).collect())
    }

    async fn count(stores: &Stores, filter: &MailFilter, now: Timestamp) -> Result<u64, StoreError> {
        stores.ledger.count_matching(filter, now).await
    }

    fn id(&self) -> &str {
        &self.mail.id
    }

    fn state(&self) -> &'static str {
        self.mail.state.as_str()
    }
}

impl Change for OperatorAction {
    type Row = SelectedMail;

    const CONCURRENCY: usize = 16;
    const IF_UNKNOWN: &'static str = "check it with `mail show`";

    fn check(&self, row: &SelectedMail) -> Result<(), String> {
        OperatorAction::check(*self, &row.mail, row.is_suppressed).map_err(|refused| refused.to_string())
    }

    fn summary(&self, rows: &[SelectedMail]) -> String {
        let mut counts: Vec<(State, usize)> = Vec::new();
        for SelectedMail { mail, .. } in rows {
            match counts.iter_mut().find(|(state, _)| *state == mail.state) {
                Some((_, count)) => *count += 1,
                None => counts.push((mail.state, 1)),
            }
        }
        let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let warning = match rows.iter().filter(|row| may_arrive_twice(*self, &row.mail)).count() {
            0 => String::new(),
            duplicates => format!("; {duplicates} of them may arrive twice"),
        };
        format!("{} mails become {} ({}){warning}", rows.len(), self.to(), counts.join(", "))
    }

    async fn apply(
        &self,
        stores: &Stores,
        SelectedMail { mail, .. }: &SelectedMail,
        options: &ChangeOptions,
    ) -> Result<RowOutcome, StoreError> {
        let result = if options.dry_run {
            ActionResult::Applied
        } else {
            stores.ledger.apply_action(*self, mail, options.note.as_deref()).await?
        };
        Ok(match result {
            ActionResult::Applied => {
                let detail = may_arrive_twice(*self, mail).then(|| "it may arrive twice".to_owned());
                RowOutcome::Done { to: self.to().as_str(), detail }
            }
            ActionResult::Changed(Some(now)) if now == mail.state => {
                RowOutcome::Unchanged("it has expired, or it has changed meanwhile".to_owned())
            }
            ActionResult::Changed(Some(now)) => RowOutcome::Unchanged(format!("it became {now} meanwhile")),
            ActionResult::Changed(None) => RowOutcome::Unchanged("it is gone".to_owned()),
        })
    }
}

fn may_arrive_twice(action: OperatorAction, mail: &MailSnapshot) -> bool {
    matches!(action, OperatorAction::Requeue { .. }) && mail.may_have_arrived()
}
