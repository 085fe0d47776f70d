//! Turns the second factor off, and renews the recovery codes. Both require the password and a code, which becomes
//! used.

use std::sync::Arc;

use events::sealing::Purpose;
use secrecy::SecretString;

use super::check_code::SecondFactorError;
use crate::{
    domain::Password,
    outbox::Origin,
    store::{Change, Precondition, TotpChange, TotpRecord, UserRecord},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        mailed_links::undo_link::NewUndoLink,
        rate_limit::account_writes::AccountWrite,
        sessions::authenticate::Caller,
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// Both factors of a signed-in user.
pub struct BothFactors {
    pub password: Password,
    /// A code of the authenticator app, or a recovery code.
    pub code: SecretString,
}

/// Turns the second factor off.
///
/// # Errors
/// Returns [`SecondFactorError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn remove_totp(
    accounts: &Arc<AccountService>,
    caller: Caller,
    proof: BothFactors,
    origin: Origin,
) -> Result<(), SecondFactorError> {
    let this = Arc::clone(accounts);
    let author = origin.clone();
    let off = move |user: &UserRecord, _: TotpRecord| Change {
        totp: TotpChange::Off,
        events: vec![this.outbox.totp_disabled(&user.user(), None, this.clock.now(), &author)],
        ..Change::default()
    };
    change_totp(accounts, caller, proof, origin, off).await
}

/// Replaces all recovery codes and returns the new ones, which are shown once.
///
/// # Errors
/// Returns [`SecondFactorError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn renew_recovery_codes(
    accounts: &Arc<AccountService>,
    caller: Caller,
    proof: BothFactors,
    origin: Origin,
) -> Result<Vec<SecretString>, SecondFactorError> {
    let id = caller.user.id.into();
    let (shown, recovery_codes) = accounts.new_recovery_codes(id);
    let this = Arc::clone(accounts);
    let author = origin.clone();
    let renewed = move |user: &UserRecord, totp: TotpRecord| {
        let now = this.clock.now();
        let undo = this.new_undo_link(user, Purpose::RecoveryCodesUndo, now);
        let token_and_expiry = undo.as_ref().map(NewUndoLink::token_and_expiry);
        Change {
            set: undo.as_ref().map(NewUndoLink::fields).unwrap_or_default(),
            totp: TotpChange::On(TotpRecord { recovery_codes: recovery_codes.clone(), ..totp }),
            events: vec![this.outbox.recovery_codes_renewed(&user.user(), token_and_expiry, now, &author)],
            ..Change::default()
        }
    };
    change_totp(accounts, caller, proof, origin, renewed).await?;
    Ok(shown)
}

/// Writes the result of `change` for the account and its second factor without the used code.
async fn change_totp(
    accounts: &Arc<AccountService>,
    mut caller: Caller,
    proof: BothFactors,
    origin: Origin,
    change: impl Fn(&UserRecord, TotpRecord) -> Change + Send + 'static,
) -> Result<(), SecondFactorError> {
    if caller.user.totp.is_none() {
        return Err(SecondFactorError::NotOn);
    }
    let write = AccountWrite::SecondFactor;
    let verified = accounts.reauthenticate_for(write, &caller, &proof.password, &origin).await?;
    let this = Arc::clone(accounts);
    let write = async move {
        for _ in 0..MAX_ATTEMPTS {
            let user = &caller.user;
            if user.password_hash != verified.expose() {
                return Err(SecondFactorError::Gone);
            }
            let totp = user.totp.as_ref().ok_or(SecondFactorError::NotOn)?;
            let accepted = this.verify_code(user, totp, &proof.code, &origin).await?;
            let change = change(user, accepted.totp);
            let commit = this.store.users.commit(user.id.into(), Precondition::Version(user.version), change).await?;
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                this.publish(&written);
                return Ok(());
            }
            caller = this.reload_caller(caller).await?.ok_or(SecondFactorError::Gone)?;
        }
        Err(Failure::too_many_conflicts().into())
    };
    accounts.writes.run_to_completion(write).await
}
