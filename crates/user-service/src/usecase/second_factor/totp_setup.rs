//! Turns the second factor on: creates a secret for the authenticator app, then requires a code to prove that the app
//! has it. Only then do logins require a code. The address must be verified: otherwise an attacker could lock the owner
//! of the mailbox out of the account.

use std::{sync::Arc, time::Duration};

use bson::{Bson, DateTime, doc};
use events::sealing::Purpose;
use secrecy::SecretString;

use super::check_code::{CodeError, SecondFactorError};
use crate::{
    domain::{Password, TotpSecret, expiry::expires_at},
    hashing::PasswordHash,
    outbox::Origin,
    store::{Change, Precondition, TotpChange, TotpRecord, TotpSetup},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        mailed_links::undo_link::NewUndoLink,
        rate_limit::{account_writes::AccountWrite, code_attempts::CodeChallenge},
        sessions::authenticate::Caller,
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The time in which a setup must be confirmed.
const SETUP_TTL: Duration = Duration::from_secs(60 * 60);

/// The data for the authenticator app, shown once.
pub struct TotpStarted {
    /// The secret in Base32, for typing.
    pub secret: SecretString,
    /// The secret as a URI, for a QR code.
    pub otpauth_uri: SecretString,
}

/// Starts a setup and replaces any unconfirmed one.
///
/// # Errors
/// Returns [`SecondFactorError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn start_totp(
    accounts: &Arc<AccountService>,
    caller: Caller,
    password: Password,
    origin: Origin,
) -> Result<TotpStarted, SecondFactorError> {
    if caller.user.totp.is_some() {
        return Err(SecondFactorError::AlreadyOn);
    }
    if !caller.user.email_verified {
        return Err(SecondFactorError::EmailNotVerified);
    }
    let verified = accounts.reauthenticate_for(AccountWrite::SecondFactor, &caller, &password, &origin).await?;
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.store_totp_setup(caller, &verified).await }).await
}

/// Turns the second factor on and returns the recovery codes, which are shown once.
///
/// # Errors
/// Returns [`SecondFactorError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn confirm_totp(
    accounts: &Arc<AccountService>,
    caller: Caller,
    code: SecretString,
    origin: Origin,
) -> Result<Vec<SecretString>, SecondFactorError> {
    let this = Arc::clone(accounts);
    accounts.writes.run_to_completion(async move { this.enable_totp(caller, &code, &origin).await }).await
}

impl AccountService {
    async fn store_totp_setup(
        &self,
        caller: Caller,
        verified: &PasswordHash,
    ) -> Result<TotpStarted, SecondFactorError> {
        let user = &caller.user;
        let id = user.id.into();
        let secret = TotpSecret::generate();
        let started = TotpStarted {
            secret: secret.to_base32(),
            otpauth_uri: secret
                .otpauth_uri(&self.rules.totp_issuer, &user.email)
                .map_err(|error| Failure::Internal(error.into()))?,
        };
        let expires_at = expires_at(self.clock.now(), SETUP_TTL).into();
        let setup = TotpSetup { secret: self.seal_totp_secret(id, &secret), expires_at };
        let change = Change { totp: TotpChange::SetUp(setup), ..Change::default() };
        let precondition = Precondition::CredentialsWithoutSecondFactor { hash: verified, epoch: user.sessions.epoch };
        match write_outcome(self.store.users.commit(id, precondition, change).await?)? {
            WriteOutcome::Done(_) => Ok(started),
            WriteOutcome::Retry => match self.reload_caller(caller).await? {
                Some(caller) if caller.user.totp.is_some() => Err(SecondFactorError::AlreadyOn),
                // The password was changed, or all sessions ended.
                _ => Err(SecondFactorError::Gone),
            },
        }
    }

    async fn enable_totp(
        &self,
        mut caller: Caller,
        code: &SecretString,
        origin: &Origin,
    ) -> Result<Vec<SecretString>, SecondFactorError> {
        let id = caller.user.id.into();
        let (shown, recovery_codes) = self.new_recovery_codes(id);
        let mut charged_code = None;
        for _ in 0..MAX_ATTEMPTS {
            let user = &caller.user;
            if user.totp.is_some() {
                return Err(SecondFactorError::AlreadyOn);
            }
            if !user.email_verified {
                return Err(SecondFactorError::EmailNotVerified);
            }
            let now = self.clock.now();
            let setup = user.totp_setup.as_ref().filter(|setup| now < setup.expires_at.to_jiff());
            let setup = setup.ok_or(SecondFactorError::NotStarted)?;
            // The code of this request is charged once, even if it is verified several times.
            if charged_code.is_none() {
                let code = self.rate_limiter.charge_code(CodeChallenge::TotpSetup(&setup.secret.bytes)).await?;
                charged_code = Some(code.ok_or(SecondFactorError::NotStarted)?);
            }
            // The code counts as used: a login requires a later one.
            let accepted = match self.verify_code(user, &TotpRecord::from_setup(setup, now), code, origin).await {
                Err(CodeError::Failure(failure)) => {
                    self.rate_limiter.refund_code(charged_code).await;
                    return Err(failure.into());
                }
                result => result?,
            };
            let totp = TotpRecord { recovery_codes: recovery_codes.clone(), ..accepted.totp };
            let changes = user.tokens.iter().filter(|token| token.purpose == Purpose::EmailChangeUndo);
            let changes = changes.map(|token| self.address_left_at(user, &token.reservation()));
            let turned_on = user.factor_times().start_at(now, self.rules.undo_ttl, changes);
            let undo = turned_on.is_new.then(|| self.new_undo_link(user, Purpose::TotpUndo, now)).flatten();
            let mut set = doc! {
                "secondFactorSince": DateTime::from(turned_on.since),
                "secondFactorOffAt": Bson::Null,
            };
            set.extend(undo.as_ref().map(NewUndoLink::fields).unwrap_or_default());
            let token_and_expiry = undo.as_ref().map(NewUndoLink::token_and_expiry);
            let change = Change {
                set,
                totp: TotpChange::On(totp),
                events: vec![self.outbox.totp_enabled(&user.user(), token_and_expiry, now, origin)],
                ..Change::default()
            };
            let commit = self.store.users.commit(id, Precondition::Version(user.version), change).await?;
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                return Ok(shown);
            }
            caller = self.reload_caller(caller).await?.ok_or(SecondFactorError::Gone)?;
        }
        Err(Failure::too_many_conflicts().into())
    }
}
