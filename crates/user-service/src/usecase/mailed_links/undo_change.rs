//! Undoes a change of the password, the second factor or the recovery codes, or disowns a sign-in, through the link in
//! its notice. An attacker may be signed in and know the password, so all sessions end.

use std::sync::Arc;

use events::{UndoneChange, UserChangeUndone, sealing::Purpose};

use crate::{
    domain::{KeyReservation, UndoLink, User, undo_links},
    outbox::Origin,
    problem::Problem,
    store::{Change, UsedTokenRecord, UserRecord, binary},
    usecase::{
        account_service::AccountService,
        update::{Attempt, Decision},
    },
};

/// Redeems the token and undoes the change that it was issued for.
///
/// # Errors
/// Returns [`Problem::TokenInvalid`].
pub async fn undo_change(accounts: &Arc<AccountService>, token: &str, origin: Origin) -> Result<UndoneChange, Problem> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let holder = accounts.undo_link_holder(token)?;
    let this = Arc::clone(accounts);
    let undo = move |record: &UserRecord, link: UndoLink, Attempt { now, .. }: Attempt| {
        let undone = match link.purpose {
            Purpose::PasswordChangeUndo => UndoneChange::Password,
            Purpose::TotpUndo => UndoneChange::Totp,
            Purpose::RecoveryCodesUndo => UndoneChange::RecoveryCodes,
            Purpose::SignInUndo => UndoneChange::SignIn,
            Purpose::EmailVerification
            | Purpose::PasswordReset
            | Purpose::EmailChange
            | Purpose::EmailChangeUndo
            | Purpose::Invitation => return Err(Problem::TokenInvalid),
        };
        let changed_at = |reservation: &KeyReservation| this.address_left_at(record, reservation);
        let plan = undo_links::plan_link_undo(&link, record.email_history(), changed_at, record.factor_since(), now);
        let plan = plan.ok_or(Problem::TokenInvalid)?;
        let undo_event = |user: &User| {
            let payload = UserChangeUndone { user_id: user.id, change: undone, recipient: user.recipient() };
            Some(this.outbox.event(now, &origin, payload))
        };
        let used_tokens = vec![UsedTokenRecord::new(binary(&link.digest), link.purpose, &link.to, now)];
        let change = this.undo_write(record, plan, &link.digest, undo_event, now, &origin);
        Ok(Decision::Write(Change { used_tokens, ..change }, undone))
    };
    Ok(accounts.update(holder, undo).await?.result)
}
