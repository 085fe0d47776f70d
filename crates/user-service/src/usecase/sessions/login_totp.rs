//! The second step of a login: the token that proves the correct password, and a code. The write that starts the
//! session marks both as used; it requires the version that they were verified against.

use std::sync::Arc;

use bson::Document;
use events::LoginMethod;
use jiff::Timestamp;
use secrecy::SecretString;
use service_kit::mongo::StoreError;

use super::start_session::{NewSession, SignedIn};
use crate::{
    domain::UserStatus,
    outbox::Origin,
    store::{Precondition, TotpChange, TotpRecord, UsedMfaToken, UserRecord},
    tokens::{MfaBinding, MfaToken},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        rate_limit::code_attempts::CodeChallenge,
        second_factor::check_code::{AcceptedCode, CodeError},
        write_outcome::MAX_ATTEMPTS,
    },
};

/// The maximum number of used tokens that an account keeps. Each use costs a code, so only a user who keeps renewing
/// the recovery codes can reach it.
const MAX_USED_TOKENS: usize = 50;

/// The reason why no session was started.
#[derive(Debug, thiserror::Error)]
pub enum LoginTotpError {
    /// The token is unknown, used or expired, or no longer valid because the account has changed; the cases are not
    /// distinguished.
    #[error("the token is invalid")]
    TokenInvalid,
    #[error("the code is wrong or already used")]
    WrongCode,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<CodeError> for LoginTotpError {
    fn from(error: CodeError) -> Self {
        match error {
            CodeError::Wrong => Self::WrongCode,
            CodeError::Failure(failure) => Self::Failure(failure),
        }
    }
}

impl From<StoreError> for LoginTotpError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Completes a login with the second factor and starts a session.
///
/// # Errors
/// Returns [`LoginTotpError`]. If the store was unavailable, a session may have started whose tokens no client has.
pub async fn login_totp(
    accounts: &Arc<AccountService>,
    token: SecretString,
    code: SecretString,
    origin: Origin,
) -> Result<SignedIn, LoginTotpError> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let this = Arc::clone(accounts);
    let result =
        accounts.writes.run_to_completion(async move { this.complete_login(&token, &code, &origin).await }).await;
    let outcome = match &result {
        Ok(_) => "success",
        Err(LoginTotpError::TokenInvalid) => "mfa_token_invalid",
        Err(LoginTotpError::WrongCode) => "invalid",
        Err(LoginTotpError::Failure(Failure::RateLimited { .. })) => "throttled",
        Err(LoginTotpError::Failure(_)) => "failure",
    };
    accounts.metrics.logins.with_label_values(&[outcome]).inc();
    result
}

impl AccountService {
    /// Issues the token of a user who has given the correct password and must give a code.
    pub(in crate::usecase) fn mfa_token(&self, user: &UserRecord, totp: &TotpRecord) -> SecretString {
        self.mfa_tokens.issue(self.ids.v4(), &token_binding(user, totp), self.clock.now())
    }

    async fn complete_login(
        &self,
        token: &SecretString,
        code: &SecretString,
        origin: &Origin,
    ) -> Result<SignedIn, LoginTotpError> {
        let token = MfaToken::parse(token).ok_or(LoginTotpError::TokenInvalid)?;
        let mut charged_code = None;
        for _ in 0..MAX_ATTEMPTS {
            let now = self.clock.now();
            let user = self.store.users.by_id(token.user).await?.ok_or(LoginTotpError::TokenInvalid)?;
            let totp = self.find_totp_for_token(&user, &token, now).ok_or(LoginTotpError::TokenInvalid)?;
            // The code of this request is charged once, even if it is verified several times.
            if charged_code.is_none() {
                let code = self.rate_limiter.charge_code(CodeChallenge::MfaToken(token.id)).await?;
                charged_code = Some(code.ok_or(LoginTotpError::TokenInvalid)?);
            }
            let accepted = match self.verify_code(&user, totp, code, origin).await {
                Err(CodeError::Failure(failure)) => {
                    self.rate_limiter.refund_code(charged_code).await;
                    return Err(failure.into());
                }
                result => result?,
            };
            let new_session = self.prepare_session(&user, &token, accepted, now, origin)?;
            if let Some(signed_in) = self.start_session(new_session, origin).await? {
                return Ok(signed_in);
            }
        }
        Err(Failure::too_many_conflicts().into())
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

    fn prepare_session<'a>(
        &self,
        user: &'a UserRecord,
        token: &MfaToken,
        AcceptedCode { mut totp, method }: AcceptedCode,
        now: Timestamp,
        origin: &Origin,
    ) -> Result<NewSession<'a>, Failure> {
        totp.used_tokens.retain(|used| now < used.until.to_jiff());
        if totp.used_tokens.len() >= MAX_USED_TOKENS {
            return Err(Failure::unavailable("too many logins with a second factor within a few minutes"));
        }
        totp.used_tokens.push(UsedMfaToken { id: token.id.into(), until: token.expires_at.into() });
        let required_events = match method {
            LoginMethod::RecoveryCode => {
                vec![self.outbox.recovery_code_used(&user.user(), totp.recovery_codes.len(), now, origin)]
            }
            LoginMethod::Password | LoginMethod::Totp => Vec::new(),
        };
        Ok(NewSession {
            user,
            precondition: Precondition::Version(user.version),
            methods: vec![LoginMethod::Password, method],
            set: Document::new(),
            totp: TotpChange::On(totp),
            required_events,
        })
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
