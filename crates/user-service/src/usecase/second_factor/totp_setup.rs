//! Turns the second factor on: creates a secret for the authenticator app, then requires a code to prove that the app
//! has it. Only then do logins require a code. The address must be verified: otherwise an attacker could lock the owner
//! of the mailbox out of the account.

use std::sync::Arc;

use bson::{Bson, DateTime, doc};
use events::{UserTotpEnabled, sealing::Purpose};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::{
    domain::{Password, TotpSecret, expires_at, lifetimes},
    outbox::Origin,
    problem::{Problem, Validation},
    store::{Change, TotpChange, TotpRecord, TotpSetup, UserRecord},
    usecase::{
        account_service::AccountService,
        rate_limit::{
            account_writes::AccountWrite,
            code_attempts::{ChargedCode, CodeChallenge},
        },
        sessions::authenticate::{Caller, SignedInUser},
        update::{Attempt, Decision, Load},
    },
};

const ALREADY_ON: Problem = Problem::Conflict("The account already has a second factor. Remove it first.");
const NOT_STARTED: Problem =
    Problem::Conflict("No set-up of a second factor is in progress, or it has expired. Start again.");

/// The data for the authenticator app, shown once.
pub struct TotpStarted {
    /// The secret in Base32, for typing.
    pub secret: SecretString,
    /// The secret as a URI, for a QR code.
    pub otpauth_uri: SecretString,
}

impl TotpStarted {
    fn new(accounts: &AccountService, caller: &Caller, secret: &TotpSecret) -> Result<Self, Problem> {
        let otpauth_uri = secret.otpauth_uri(&accounts.rules.totp_issuer, &caller.user.email);
        Ok(Self { secret: secret.to_base32(), otpauth_uri: otpauth_uri.map_err(Problem::internal)? })
    }

    /// Returns the data of a secret that the client has kept since the setup was started, for a page that is shown again
    /// after a wrong code. Returns `None` for another text. Does not check whether the setup has this secret; its code is
    /// verified with the stored one.
    ///
    /// # Errors
    /// Returns an error if the address of the account cannot be in the URI.
    pub fn again(accounts: &AccountService, caller: &Caller, secret: &SecretString) -> Result<Option<Self>, Problem> {
        TotpSecret::from_base32(secret).map(|secret| Self::new(accounts, caller, &secret)).transpose()
    }
}

/// Starts a setup and replaces any unconfirmed one. Without `password`, the session proves it.
///
/// # Errors
/// Returns [`Problem::ValidationFailed`] for a bad password, [`Problem::WrongPassword`],
/// [`Problem::ReauthenticationRequired`], [`Problem::EmailNotVerified`], a conflict if the second factor is on, or
/// [`Problem::Unauthorized`].
pub async fn start_totp(
    accounts: &Arc<AccountService>,
    caller: Caller,
    password: Option<&SecretString>,
    origin: Origin,
) -> Result<TotpStarted, Problem> {
    let password = password.map(|it| Validation::only("password", Password::parse_attempt(it))).transpose()?;
    require_ready(&caller.user)?;
    let write = AccountWrite::SecondFactor;
    let proof = accounts.require_recent_authentication_for(write, &caller, password.as_ref(), false, &origin);
    let proven = proof.await?;
    let secret = TotpSecret::generate();
    let started = TotpStarted::new(accounts, &caller, &secret)?;
    let sealed = accounts.seal_totp_secret(caller.user.id.into(), &secret);
    let start = move |user: &UserRecord, (): (), Attempt { now, .. }: Attempt| {
        require_ready(user)?;
        let expires_at = expires_at(now, lifetimes::TOTP_SETUP).into();
        let setup = TotpSetup { secret: sealed.clone(), expires_at };
        Ok(Decision::Write(Change { totp: TotpChange::SetUp(setup), ..Change::default() }, ()))
    };
    accounts.update(accounts.signed_in(caller, Some(proven)), start).await?;
    Ok(started)
}

/// Turns the second factor on and returns the recovery codes, which are shown once. The code counts as given by this
/// session, so a session that has recently given the password stays recently authenticated.
///
/// # Errors
/// Returns [`Problem::WrongCode`], [`Problem::EmailNotVerified`], a conflict if the second factor is on or no setup was
/// started, or [`Problem::Unauthorized`].
pub async fn confirm_totp(
    accounts: &Arc<AccountService>,
    caller: Caller,
    code: SecretString,
    origin: Origin,
) -> Result<Vec<SecretString>, Problem> {
    let (shown, recovery_codes) = accounts.new_recovery_codes(caller.user.id.into());
    let this = Arc::clone(accounts);
    let author = origin.clone();
    let enable = move |user: &UserRecord, totp: TotpRecord, Attempt { now, .. }: Attempt| {
        Ok(Decision::Write(this.enable_totp(user, totp, recovery_codes.clone(), now, &author), ()))
    };
    let (user, session) = (caller.user.id.into(), caller.session);
    let signed_in = accounts.signed_in(caller, None);
    let load = WithSetupCode { accounts: Arc::clone(accounts), signed_in, code, origin, charged: None };
    accounts.update(load, enable).await?;
    if let Err(error) = accounts.store.sessions.set_second_factor(session, user).await {
        tracing::debug!(%error, "the session must give the second factor again");
    }
    Ok(shown)
}

/// Refuses an account that cannot turn a second factor on.
fn require_ready(user: &UserRecord) -> Result<(), Problem> {
    if user.totp.is_some() {
        return Err(ALREADY_ON);
    }
    if user.email_verified { Ok(()) } else { Err(Problem::EmailNotVerified) }
}

/// The signed-in user who has confirmed the setup; the proof is the second factor after the use of the code.
struct WithSetupCode {
    accounts: Arc<AccountService>,
    signed_in: SignedInUser,
    code: SecretString,
    origin: Origin,
    /// The code of this request is charged once, even if it is verified several times.
    charged: Option<ChargedCode>,
}

impl Load for WithSetupCode {
    type Proof = TotpRecord;

    async fn load(&mut self, now: Timestamp) -> Result<(UserRecord, TotpRecord), Problem> {
        let (user, ()) = self.signed_in.load(now).await?;
        require_ready(&user)?;
        let setup = user.totp_setup.as_ref().filter(|setup| now < setup.expires_at.to_jiff()).ok_or(NOT_STARTED)?;
        let limiter = &self.accounts.rate_limiter;
        if self.charged.is_none() {
            let charged = limiter.charge_code(CodeChallenge::TotpSetup(&setup.secret.bytes)).await?;
            self.charged = Some(charged.ok_or(NOT_STARTED)?);
        }
        let totp = TotpRecord::from_setup(setup, now);
        let verified = self.accounts.verify_code(&user, &totp, &self.code, &self.origin).await;
        let accepted = limiter.refund_code_unless_judged(&mut self.charged, verified).await?;
        Ok((user, accepted.totp))
    }
}

impl AccountService {
    fn enable_totp(
        &self,
        record: &UserRecord,
        totp: TotpRecord,
        recovery_codes: Vec<bson::Binary>,
        now: Timestamp,
        origin: &Origin,
    ) -> Change {
        let user = record.user();
        let changes = record.tokens.iter().filter(|token| token.purpose == Purpose::EmailChangeUndo);
        let changes = changes.map(|token| self.address_left_at(record, &token.reservation()));
        let turned_on = record.factor_times().start_at(now, self.lifetimes.undo_link, changes);
        let undo = turned_on.is_new.then(|| self.new_undo_link(record, Purpose::TotpUndo, now)).flatten();
        let payload = |undo| UserTotpEnabled { user_id: user.id, recipient: user.recipient(), undo };
        let event = self.outbox.event_with_optional_link(now, origin, undo.as_ref().map(|undo| &undo.link), payload);
        let mut set = doc! {
            "secondFactorSince": DateTime::from(turned_on.since),
            "secondFactorOffAt": Bson::Null,
        };
        set.extend(undo.map(|undo| undo.fields).unwrap_or_default());
        Change {
            set,
            // The code counts as used: a login requires a later one.
            totp: TotpChange::On(TotpRecord { recovery_codes, ..totp }),
            events: vec![event],
            ..Change::default()
        }
    }
}
