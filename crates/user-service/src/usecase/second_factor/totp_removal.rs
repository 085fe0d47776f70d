//! Turns the second factor off, and renews the recovery codes. Both require the password and a code, each in the request
//! or recently given by the session. A code in the request becomes used.

use std::sync::Arc;

use bson::Document;
use events::{UserRecoveryCodesRenewed, UserTotpDisabled, sealing::Purpose};
use jiff::Timestamp;
use secrecy::SecretString;

use super::check_code::NO_SECOND_FACTOR;
use crate::{
    domain::Password,
    outbox::Origin,
    problem::{Problem, Validation},
    store::{Change, TotpChange, TotpRecord, UserRecord},
    usecase::{
        account_service::AccountService,
        rate_limit::account_writes::AccountWrite,
        sessions::authenticate::{Caller, SignedInUser},
        update::{Attempt, Decision, Load},
    },
};

/// The factors in a request of a signed-in user. The session must have given a missing one recently.
pub struct GivenFactors {
    pub password: Option<SecretString>,
    /// A code of the authenticator app, or a recovery code.
    pub code: Option<SecretString>,
}

/// Turns the second factor off.
///
/// # Errors
/// Returns [`Problem::WrongPassword`], [`Problem::WrongCode`], [`Problem::ReauthenticationRequired`], a conflict if the
/// second factor is off, or [`Problem::Unauthorized`].
pub async fn remove_totp(
    accounts: &Arc<AccountService>,
    caller: Caller,
    given: GivenFactors,
    origin: Origin,
) -> Result<(), Problem> {
    let outbox = accounts.outbox.clone();
    let author = origin.clone();
    let off = move |record: &UserRecord, _: TotpRecord, Attempt { now, .. }: Attempt| {
        let user = record.user();
        let payload = UserTotpDisabled { user_id: user.id, recipient: user.recipient(), by: None };
        let events = vec![outbox.event(now, &author, payload)];
        Ok(Decision::Write(Change { totp: TotpChange::Off, events, ..Change::default() }, ()))
    };
    let load = accounts.with_both_factors(caller, given, origin).await?;
    accounts.update(load, off).await.map(|_| ())
}

/// Replaces all recovery codes and returns the new ones, which are shown once.
///
/// # Errors
/// Returns the errors of [`remove_totp`].
pub async fn renew_recovery_codes(
    accounts: &Arc<AccountService>,
    caller: Caller,
    given: GivenFactors,
    origin: Origin,
) -> Result<Vec<SecretString>, Problem> {
    let (shown, recovery_codes) = accounts.new_recovery_codes(caller.user.id.into());
    let this = Arc::clone(accounts);
    let author = origin.clone();
    let renew = move |record: &UserRecord, totp: TotpRecord, Attempt { now, .. }: Attempt| {
        let user = record.user();
        let undo = this.new_undo_link(record, Purpose::RecoveryCodesUndo, now);
        let payload = |undo| UserRecoveryCodesRenewed { user_id: user.id, recipient: user.recipient(), undo };
        let event = this.outbox.event_with_optional_link(now, &author, undo.as_ref().map(|undo| &undo.link), payload);
        let change = Change {
            set: undo.map_or_else(Document::new, |undo| undo.fields),
            totp: TotpChange::On(TotpRecord { recovery_codes: recovery_codes.clone(), ..totp }),
            events: vec![event],
            ..Change::default()
        };
        Ok(Decision::Write(change, ()))
    };
    let load = accounts.with_both_factors(caller, given, origin).await?;
    accounts.update(load, renew).await?;
    Ok(shown)
}

/// The signed-in user who has given both factors; the proof is the second factor after the use of a code.
struct WithBothFactors {
    accounts: Arc<AccountService>,
    signed_in: SignedInUser,
    code: Option<SecretString>,
    origin: Origin,
}

impl AccountService {
    /// Requires both factors, and verifies the password; a code is verified when the account is loaded.
    async fn with_both_factors(
        self: &Arc<Self>,
        caller: Caller,
        GivenFactors { password, code }: GivenFactors,
        origin: Origin,
    ) -> Result<WithBothFactors, Problem> {
        let password = password.map(|it| Validation::only("password", Password::parse_attempt(&it))).transpose()?;
        if caller.user.totp.is_none() {
            return Err(Problem::Conflict(NO_SECOND_FACTOR));
        }
        let (write, password) = (AccountWrite::SecondFactor, password.as_ref());
        let proof = self.require_recent_authentication_for(write, &caller, password, code.is_some(), &origin);
        let proven = proof.await?;
        Ok(WithBothFactors {
            accounts: Arc::clone(self),
            signed_in: self.signed_in(caller, Some(proven)),
            code,
            origin,
        })
    }
}

impl Load for WithBothFactors {
    type Proof = TotpRecord;

    async fn load(&mut self, now: Timestamp) -> Result<(UserRecord, TotpRecord), Problem> {
        let (user, ()) = self.signed_in.load(now).await?;
        let totp = user.totp.as_ref().ok_or(Problem::Conflict(NO_SECOND_FACTOR))?;
        let totp = match &self.code {
            Some(code) => self.accounts.verify_code(&user, totp, code, &self.origin).await?.totp,
            None => totp.clone(),
        };
        Ok((user, totp))
    }
}
