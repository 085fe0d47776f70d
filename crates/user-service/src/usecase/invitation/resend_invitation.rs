//! Sends an invitation again. The new link replaces the earlier one.

use std::sync::Arc;

use bson::doc;
use uuid::Uuid;

use crate::{
    domain::{Email, UserStatus},
    outbox::Origin,
    problem::Problem,
    store::{Change, UserRecord},
    usecase::{
        account_service::AccountService,
        rate_limit::charged_counters::AdminMail,
        update::{Attempt, Decision, Load},
    },
};

const NOT_INVITED: Problem =
    Problem::Conflict("The account is not invited, or the invitation is accepted: there is nothing to send again.");
const DISABLED: Problem = Problem::Conflict("The account is disabled. Enable it before you send the invitation again.");

/// Mails a new link. The earlier link becomes void.
///
/// # Errors
/// Returns [`Problem::NotFound`], [`Problem::ForbiddenBecause`], [`Problem::RateLimited`], or a conflict if the account
/// has no open invitation or is disabled.
pub async fn resend_invitation(accounts: &Arc<AccountService>, id: Uuid, origin: Origin) -> Result<(), Problem> {
    let inviter = accounts.name_of_inviter(&origin).await?;
    let mut account = accounts.managed(id, &origin);
    let (user, ()) = account.load(accounts.clock.now()).await?;
    require_invited(&user)?;
    let email = Email::parse(&user.email).map_err(|invalid| Problem::internal(anyhow::anyhow!("{invalid}")))?;
    let charges = accounts.rate_limiter.charge_mail_by_admin(AdminMail::Invitation, &email).await?;
    let this = Arc::clone(accounts);
    let resend = move |user: &UserRecord, (), Attempt { now, .. }: Attempt| {
        require_invited(user)?;
        let placeholder = user.chooses_username().then(|| user.username.clone());
        let (event, invitation) = this.invitations().invite(user, placeholder, inviter.clone(), now, &origin);
        let invitation = bson::serialize_to_bson(&invitation).map_err(Problem::internal)?;
        Ok(Decision::Write(
            Change { set: doc! { "invitation": invitation }, events: vec![event], ..Change::default() },
            (),
        ))
    };
    match accounts.update(account, resend).await {
        // Another request was first, so this one sends no mail.
        Err(problem @ (Problem::Conflict(_) | Problem::NotFound | Problem::ForbiddenBecause(_))) => {
            accounts.rate_limiter.refund(&charges).await;
            Err(problem)
        }
        sent => sent.map(|_| ()),
    }
}

fn require_invited(user: &UserRecord) -> Result<(), Problem> {
    match user.open_invitation() {
        None => Err(NOT_INVITED),
        Some(_) if user.status != UserStatus::Active => Err(DISABLED),
        Some(_) => Ok(()),
    }
}
