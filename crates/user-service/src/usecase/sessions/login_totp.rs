//! The second step of a login: the token that proves the correct password, and a code. The write that starts the
//! session marks both as used; it requires the version that they were verified against.

use std::sync::Arc;

use events::{LoginMethod, UserRecoveryCodeUsed};
use jiff::Timestamp;
use secrecy::SecretString;

use super::start_session::{ProvenLogin, SessionKind, SignedIn, StartedSession};
use crate::{
    domain::UserStatus,
    outbox::Origin,
    problem::Problem,
    store::{Change, TotpChange, TotpRecord, UsedMfaToken, UserRecord},
    tokens::{MfaBinding, MfaToken},
    usecase::{
        account_service::AccountService,
        rate_limit::code_attempts::{ChargedCode, CodeChallenge},
        second_factor::check_code::AcceptedCode,
        update::{Attempt, Decision, Load},
    },
};

/// The maximum number of used tokens that an account keeps. Each use costs a code, so only a user who keeps renewing
/// the recovery codes can reach it.
const MAX_USED_TOKENS: usize = 50;

/// Completes a login with the second factor and starts a session.
///
/// # Errors
/// Returns [`Problem::TokenInvalid`] or [`Problem::InvalidCredentials`]. If the store was unavailable, a session may have
/// started whose tokens no client has.
pub async fn login_totp(
    accounts: &Arc<AccountService>,
    token: &SecretString,
    code: SecretString,
    origin: Origin,
) -> Result<SignedIn, Problem> {
    let started = start_with_code(accounts, token, code, SessionKind::Tokens, origin).await?;
    accounts.issue_first_tokens(&started)
}

/// Completes a login and starts a session of this kind. See [`login_totp`].
pub(super) async fn start_with_code(
    accounts: &Arc<AccountService>,
    token: &SecretString,
    code: SecretString,
    kind: SessionKind,
    origin: Origin,
) -> Result<StartedSession, Problem> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let result = complete_login(accounts, token, code, kind, origin).await;
    accounts.count_login(&result);
    result
}

async fn complete_login(
    accounts: &Arc<AccountService>,
    token: &SecretString,
    code: SecretString,
    kind: SessionKind,
    origin: Origin,
) -> Result<StartedSession, Problem> {
    let token = MfaToken::parse(token).ok_or(Problem::TokenInvalid)?;
    let load = WithMfaToken { accounts: Arc::clone(accounts), token, code, origin: origin.clone(), charged: None };
    let this = Arc::clone(accounts);
    let start =
        move |user: &UserRecord, (used, accepted): (UsedMfaToken, AcceptedCode), Attempt { now, .. }: Attempt| {
            let AcceptedCode { mut totp, method } = accepted;
            totp.used_tokens.retain(|used| now < used.until.to_jiff());
            if totp.used_tokens.len() >= MAX_USED_TOKENS {
                return Err(Problem::unavailable("too many logins with a second factor within a few minutes"));
            }
            totp.used_tokens.push(used);
            let mut change = Change::default();
            if method == LoginMethod::RecoveryCode {
                let user = user.user();
                let remaining = u32::try_from(totp.recovery_codes.len()).unwrap_or(u32::MAX);
                let payload = UserRecoveryCodeUsed { user_id: user.id, remaining, recipient: user.recipient() };
                change.events.push(this.outbox.event(now, &origin, payload));
            }
            change.totp = TotpChange::On(totp);
            let with_notice = this.is_new_sign_in(user, now, &origin);
            let login = ProvenLogin { kind, methods: vec![LoginMethod::Password, method], with_notice };
            let session = this.new_session(user, login, &mut change, now, &origin)?;
            Ok(Decision::StartSession(Box::new(session.row.clone()), change, session))
        };
    let updated = accounts.update(load, start).await?;
    Ok(accounts.started(updated.user.ok_or(Problem::TokenInvalid)?, updated.result))
}

/// The account of a token from the first step, whose user has given a code.
struct WithMfaToken {
    accounts: Arc<AccountService>,
    token: MfaToken,
    code: SecretString,
    origin: Origin,
    /// The code of this request is charged once, even if it is verified several times.
    charged: Option<ChargedCode>,
}

impl Load for WithMfaToken {
    type Proof = (UsedMfaToken, AcceptedCode);

    async fn load(&mut self, now: Timestamp) -> Result<(UserRecord, Self::Proof), Problem> {
        let accounts = &self.accounts;
        let user = accounts.store.users.by_id(self.token.user).await?.ok_or(Problem::TokenInvalid)?;
        let totp = accounts.find_totp_for_token(&user, &self.token, now).ok_or(Problem::TokenInvalid)?;
        if self.charged.is_none() {
            let charged = accounts.rate_limiter.charge_code(CodeChallenge::MfaToken(self.token.id)).await?;
            self.charged = Some(charged.ok_or(Problem::TokenInvalid)?);
        }
        let verified = accounts.verify_code(&user, totp, &self.code, &self.origin).await;
        match accounts.rate_limiter.refund_code_unless_judged(&mut self.charged, verified).await {
            Ok(accepted) => {
                let used = UsedMfaToken { id: self.token.id.into(), until: self.token.expires_at.into() };
                Ok((user, (used, accepted)))
            }
            Err(Problem::WrongCode) => Err(Problem::InvalidCredentials),
            Err(problem) => Err(problem),
        }
    }
}

impl AccountService {
    /// Issues the token of a user who has given the correct password and must give a code.
    pub(in crate::usecase) fn mfa_token(&self, user: &UserRecord, totp: &TotpRecord) -> SecretString {
        self.mfa_tokens.issue(self.ids.v4(), &token_binding(user, totp), self.clock.now())
    }

    /// Returns the second factor that the token asks for, if the token is still valid for the current password of an
    /// active account.
    fn find_totp_for_token<'a>(
        &self,
        user: &'a UserRecord,
        token: &MfaToken,
        now: Timestamp,
    ) -> Option<&'a TotpRecord> {
        let totp = user.totp.as_ref()?;
        let valid = user.status == UserStatus::Active
            && self.mfa_tokens.is_valid(token, &token_binding(user, totp), now)
            && !totp.used_tokens.iter().any(|used| used.id == token.id.into());
        valid.then_some(totp)
    }
}

/// Returns the state that the token is bound to: a change of it invalidates the token.
fn token_binding<'a>(user: &'a UserRecord, totp: &'a TotpRecord) -> MfaBinding<'a> {
    MfaBinding {
        user: user.id.into(),
        epoch: user.sessions.epoch,
        password_hash: &user.password_hash,
        totp_secret: &totp.secret.bytes,
    }
}
