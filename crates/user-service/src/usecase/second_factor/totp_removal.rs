//! Turns the second factor off, and renews the recovery codes. Both require the password and a code, which becomes
//! used.

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

/// Both factors of a signed-in user.
pub struct BothFactors {
    pub password: SecretString,
    /// A code of the authenticator app, or a recovery code.
    pub code: SecretString,
}

/// Turns the second factor off.
///
/// # Errors
/// Returns [`Problem::WrongPassword`], [`Problem::WrongCode`], a conflict if the second factor is off, or
/// [`Problem::Unauthorized`].
pub async fn remove_totp(
    accounts: &Arc<AccountService>,
    caller: Caller,
    proof: BothFactors,
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
    let load = accounts.with_both_factors(caller, proof, origin).await?;
    accounts.update(load, off).await.map(|_| ())
}

/// Replaces all recovery codes and returns the new ones, which are shown once.
///
/// # Errors
/// Returns the errors of [`remove_totp`].
pub async fn renew_recovery_codes(
    accounts: &Arc<AccountService>,
    caller: Caller,
    proof: BothFactors,
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
    let load = accounts.with_both_factors(caller, proof, origin).await?;
    accounts.update(load, renew).await?;
    Ok(shown)
}

/// The signed-in user who has given both factors; the proof is the second factor after the use of the code.
struct WithBothFactors {
    accounts: Arc<AccountService>,
    signed_in: SignedInUser,
    code: SecretString,
    origin: Origin,
}

impl AccountService {
    /// Verifies the password; the code is verified when the account is loaded.
    async fn with_both_factors(
        self: &Arc<Self>,
        caller: Caller,
        proof: BothFactors,
        origin: Origin,
    ) -> Result<WithBothFactors, Problem> {
        let password = Validation::only("password", Password::parse_attempt(&proof.password))?;
        if caller.user.totp.is_none() {
            return Err(Problem::Conflict(NO_SECOND_FACTOR));
        }
        let verified = self.reauthenticate_for(AccountWrite::SecondFactor, &caller, &password, &origin).await?;
        let signed_in = self.signed_in(caller, Some(verified));
        Ok(WithBothFactors { accounts: Arc::clone(self), signed_in, code: proof.code, origin })
    }
}

impl Load for WithBothFactors {
    type Proof = TotpRecord;

    async fn load(&mut self, now: Timestamp) -> Result<(UserRecord, TotpRecord), Problem> {
        let (user, ()) = self.signed_in.load(now).await?;
        let totp = user.totp.as_ref().ok_or(Problem::Conflict(NO_SECOND_FACTOR))?;
        let accepted = self.accounts.verify_code(&user, totp, &self.code, &self.origin).await?;
        Ok((user, accepted.totp))
    }
}
