//! Decides whether a signed-in user has authenticated recently enough for an action that a stolen session must not be
//! able to do (step-up), and verifies the factors again. No other file does this.
//!
//! A session is recently authenticated for ten minutes after its sign-in or its last reauthentication. A request may
//! also contain the password itself, and for some changes the code.

use std::sync::Arc;

use events::{LoginMethod, UserRecoveryCodeUsed};
use jiff::Timestamp;
use secrecy::SecretString;
use service_kit::fail_point;

use super::{
    authenticate::{Caller, SignedInUser},
    proven::{Proven, reauthentication_required},
};
use crate::{
    domain::{Password, expires_at, lifetimes::RECENT_AUTHENTICATION},
    hashing::{HashRequester, PasswordHash, Verification},
    outbox::Origin,
    problem::{Problem, Validation},
    store::{AuditOnlyKind, Change, TotpChange, UserRecord},
    usecase::{
        account_service::AccountService,
        rate_limit::{account_writes::AccountWrite, attempts::ChargedAttempt, networks::client_network},
        second_factor::check_code::{AcceptedCode, NO_SECOND_FACTOR},
        update::{Attempt, Decision, Load},
    },
};

/// Returns the requester of a password verification: the network and the account.
pub(in crate::usecase) fn requester(user: Option<&UserRecord>, origin: &Origin) -> HashRequester {
    HashRequester { network: client_network(origin), account: user.map(|user| user.id.into()) }
}

/// The factors that a request itself contains, so that its session need not have given them recently.
struct InRequest {
    password: bool,
    code: bool,
}

impl AccountService {
    /// Requires that the session has recently given every factor of the account. A password in the request replaces
    /// that of the session; it is always verified.
    ///
    /// # Errors
    /// Returns [`Problem::ReauthenticationRequired`], [`Problem::WrongPassword`], [`Problem::RateLimited`], or
    /// [`Problem::Unauthorized`] if the session was ended alone.
    pub async fn require_recent_authentication(
        &self,
        caller: &Caller,
        password: Option<&Password>,
        origin: &Origin,
    ) -> Result<Proven, Problem> {
        self.require_factors(caller, password, false, origin).await
    }

    /// Requires the same, for a change with a limit per account whose request may also contain a code, which the caller
    /// of this function verifies. A refusal refunds the charge, so that a stolen session cannot use up the quota.
    pub(in crate::usecase) async fn require_recent_authentication_for(
        &self,
        write: AccountWrite,
        caller: &Caller,
        password: Option<&Password>,
        has_code: bool,
        origin: &Origin,
    ) -> Result<Proven, Problem> {
        let charges = self.rate_limiter.charge_account_writes(&[write], caller.user.id.into()).await?;
        let proof = self.require_factors(caller, password, has_code, origin);
        self.rate_limiter.refund_unless_verified(charges, proof).await
    }

    async fn require_factors(
        &self,
        caller: &Caller,
        password: Option<&Password>,
        has_code: bool,
        origin: &Origin,
    ) -> Result<Proven, Problem> {
        self.require_of_session(caller, InRequest { password: password.is_some(), code: has_code }).await?;
        let verified = match password {
            Some(password) => Some(self.verify_password(caller, password, origin).await?),
            None => None,
        };
        Ok(Proven::of(&caller.user, verified))
    }

    /// Requires what [`require_recent_authentication`](Self::require_recent_authentication) does, for a request that
    /// always contains the password: so only the second factor, where it is on, must be recent.
    ///
    /// # Errors
    /// Returns [`Problem::ReauthenticationRequired`], or [`Problem::Unauthorized`] if the session was ended alone.
    pub async fn require_recent_second_factor(&self, caller: &Caller) -> Result<(), Problem> {
        self.require_of_session(caller, InRequest { password: true, code: false }).await
    }

    /// Requires that the session has recently given the factors that the request does not contain. The row of the
    /// session is read only if there is such a factor.
    async fn require_of_session(&self, caller: &Caller, request: InRequest) -> Result<(), Problem> {
        let user = &caller.user;
        let needs_code = user.totp.is_some() && !request.code;
        if request.password && !needs_code {
            return Ok(());
        }
        let session = self.store.sessions.find_active(caller.session, user.id.into()).await?;
        let session = session.ok_or(Problem::Unauthorized)?;
        let at = session.authenticated_at();
        let is_recent = self.clock.now() < expires_at(at.into(), RECENT_AUTHENTICATION);
        if is_recent && (session.second_factor || !needs_code) { Ok(()) } else { Err(reauthentication_required(user)) }
    }

    /// Verifies the password and returns the stored hash that it matched, which the write requires.
    async fn verify_password(
        &self,
        caller: &Caller,
        password: &Password,
        origin: &Origin,
    ) -> Result<PasswordHash, Problem> {
        let attempt = self.rate_limiter.charge_password(caller.user.id.into(), caller.session).await?;
        self.verify_charged_password(caller, password, attempt, origin).await
    }

    /// Verifies the password of an attempt that is already charged.
    pub(in crate::usecase) async fn verify_charged_password(
        &self,
        caller: &Caller,
        password: &Password,
        attempt: ChargedAttempt,
        origin: &Origin,
    ) -> Result<PasswordHash, Problem> {
        let stored = caller.user.password_hash()?;
        let requester = requester(Some(&caller.user), origin);
        match self.hashes.verify(password, Some(&stored), requester).await {
            Ok(Verification::Match { .. }) => {
                attempt.succeed();
                Ok(stored)
            }
            Err(error) => {
                attempt.refund_unjudged();
                Err(error.into())
            }
            Ok(Verification::Mismatch) => {
                let _ = attempt.fail();
                self.background.record(caller.user.id.into(), AuditOnlyKind::PasswordRefused, origin);
                Err(Problem::WrongPassword)
            }
        }
    }
}

/// Makes the session of the caller recently authenticated. `code` is required exactly if the second factor is on: a code
/// of the authenticator app or a recovery code, which becomes used before the session is written.
///
/// # Errors
/// Returns [`Problem::ValidationFailed`] for a bad password, [`Problem::ReauthenticationRequired`] without the code, a
/// conflict if there is a code but no second factor, [`Problem::WrongPassword`], [`Problem::WrongCode`],
/// [`Problem::RateLimited`], or [`Problem::Unauthorized`] if the session has ended. If the store was unavailable, the
/// code may be used.
pub async fn reauthenticate(
    accounts: &Arc<AccountService>,
    caller: &Caller,
    password: &SecretString,
    code: Option<SecretString>,
    origin: Origin,
) -> Result<(), Problem> {
    let password = Validation::only("password", Password::parse_attempt(password))?;
    match (&caller.user.totp, &code) {
        (Some(_), None) => return Err(reauthentication_required(&caller.user)),
        (None, Some(_)) => return Err(Problem::Conflict(NO_SECOND_FACTOR)),
        _ => {}
    }
    let (user, session) = (caller.user.id.into(), caller.session);
    // Read first, so that a session that has ended uses up no code.
    accounts.store.sessions.find_active(session, user).await?.ok_or(Problem::Unauthorized)?;
    let verified = accounts.verify_password(caller, &password, &origin).await?;
    let signed_in = accounts.signed_in(caller.clone(), Some(Proven::of(&caller.user, Some(verified))));
    let this = Arc::clone(accounts);
    let record = async move {
        let has_code = code.is_some();
        if let Some(code) = code {
            this.use_code(signed_in, code, origin).await?;
            fail_point!("reauthenticate.before_session");
        }
        match this.store.sessions.set_authenticated(session, user, this.clock.now(), has_code).await? {
            true => Ok(()),
            false => Err(Problem::Unauthorized),
        }
    };
    accounts.writes.run_to_completion(record).await
}

/// The signed-in user of a reauthentication who has given a code.
struct WithCode {
    accounts: Arc<AccountService>,
    signed_in: SignedInUser,
    code: SecretString,
    origin: Origin,
}

impl Load for WithCode {
    type Proof = AcceptedCode;

    async fn load(&mut self, now: Timestamp) -> Result<(UserRecord, AcceptedCode), Problem> {
        let (user, ()) = self.signed_in.load(now).await?;
        let totp = user.totp.as_ref().ok_or(Problem::Conflict(NO_SECOND_FACTOR))?;
        let accepted = self.accounts.verify_code(&user, totp, &self.code, &self.origin).await?;
        Ok((user, accepted))
    }
}

impl AccountService {
    /// Verifies the code and marks it as used.
    async fn use_code(
        self: &Arc<Self>,
        signed_in: SignedInUser,
        code: SecretString,
        origin: Origin,
    ) -> Result<(), Problem> {
        let load = WithCode { accounts: Arc::clone(self), signed_in, code, origin: origin.clone() };
        let use_up = |record: &UserRecord, accepted: AcceptedCode, Attempt { now, .. }: Attempt| {
            let events = match accepted.method {
                LoginMethod::RecoveryCode => {
                    vec![self.outbox.event(now, &origin, recovery_code_used(record, &accepted))]
                }
                _ => Vec::new(),
            };
            let change = Change { totp: TotpChange::On(accepted.totp), events, ..Change::default() };
            Ok(Decision::Write(change, ()))
        };
        self.writer.update(load, use_up).await.map(|_| ())
    }
}

/// Returns the notice that a recovery code was used.
fn recovery_code_used(record: &UserRecord, accepted: &AcceptedCode) -> UserRecoveryCodeUsed {
    let user = record.user();
    let remaining = u32::try_from(accepted.totp.recovery_codes.len()).unwrap_or(u32::MAX);
    UserRecoveryCodeUsed { user_id: user.id, remaining, recipient: user.recipient() }
}
