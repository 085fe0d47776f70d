//! Verifies codes of the second factor, and converts its secret and its recovery codes to their stored form. No other
//! file verifies a code.

use bson::Binary;
use events::LoginMethod;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::{
    domain::{RecoveryCode, SecondFactorCode, TotpSecret, recovery_code},
    keys::hmac_sha256,
    outbox::Origin,
    problem::Problem,
    store::{AuditOnlyKind, TotpRecord, UserRecord, binary},
    usecase::{account_service::AccountService, background_queue::DetectedAttack},
};

/// The conflict of a request that needs a second factor.
pub(in crate::usecase) const NO_SECOND_FACTOR: &str = "The account has no second factor.";

/// A correct code. The write that replaces the second factor by `totp` marks the code as used. The write requires
/// the state that the code was verified against, so one of two concurrent uses of a code is refused.
pub(in crate::usecase) struct AcceptedCode {
    pub totp: TotpRecord,
    pub method: LoginMethod,
}

impl AccountService {
    /// Verifies a code of this account against the state of its second factor, after charging it. No other
    /// function verifies a code.
    pub(in crate::usecase) async fn verify_code(
        &self,
        user: &UserRecord,
        totp: &TotpRecord,
        code: &SecretString,
        origin: &Origin,
    ) -> Result<AcceptedCode, Problem> {
        let id = user.id.into();
        let attempt = self.rate_limiter.charge_second_factor_code(user, origin, self.clock.now()).await?;
        let result = self.match_code(id, totp, code);
        match &result {
            Ok(_) => attempt.succeed(),
            Err(Problem::WrongCode) => {
                self.background.record(id, AuditOnlyKind::CodeRefused, origin);
                if let Some(until) = attempt.fail() {
                    self.background.enqueue_attack_notice(DetectedAttack { user: id, until, origin: origin.clone() });
                }
            }
            Err(_) => attempt.refund_unjudged(),
        }
        result
    }

    fn match_code(&self, user: Uuid, totp: &TotpRecord, code: &SecretString) -> Result<AcceptedCode, Problem> {
        let accepted = match SecondFactorCode::parse(code.expose_secret()) {
            Some(SecondFactorCode::Totp(code)) => {
                let secret = self.open_totp_secret(user, &totp.secret)?;
                let step = secret.matching_step(&code, self.clock.now(), totp.last_step);
                step.map(|last_step| (TotpRecord { last_step, ..totp.clone() }, LoginMethod::Totp))
            }
            Some(SecondFactorCode::Recovery(code)) => {
                let mut remaining = totp.clone();
                let digest = self.recovery_digest(user, &code);
                remaining.recovery_codes.retain(|stored| !bool::from(stored.bytes.ct_eq(&digest)));
                let found = remaining.recovery_codes.len() < totp.recovery_codes.len();
                found.then_some((remaining, LoginMethod::RecoveryCode))
            }
            None => None,
        };
        accepted.map(|(totp, method)| AcceptedCode { totp, method }).ok_or(Problem::WrongCode)
    }

    /// Seals the secret for storage; the sealed secret can be opened for this account only.
    pub(in crate::usecase) fn seal_totp_secret(&self, user: Uuid, secret: &TotpSecret) -> Binary {
        binary(&self.keys.seal(&seal_label(user), secret.expose()))
    }

    fn open_totp_secret(&self, user: Uuid, sealed: &Binary) -> Result<TotpSecret, Problem> {
        let opened = self.keys.unseal(&seal_label(user), &sealed.bytes);
        let bytes = opened.map_err(Problem::internal)?;
        TotpSecret::from_bytes(&bytes)
            .ok_or_else(|| Problem::Internal(anyhow::anyhow!("a sealed TOTP secret has a wrong length")))
    }

    /// Creates new recovery codes: the texts for the user, and the digests for storage.
    pub(in crate::usecase) fn new_recovery_codes(&self, user: Uuid) -> (Vec<SecretString>, Vec<Binary>) {
        let codes: Vec<RecoveryCode> = (0..recovery_code::COUNT).map(|_| RecoveryCode::generate()).collect();
        let digests = codes.iter().map(|code| binary(&self.recovery_digest(user, code))).collect();
        (codes.iter().map(RecoveryCode::to_text).collect(), digests)
    }

    /// Returns the stored form of a recovery code. A code has 120 random bits, so it cannot be guessed even with a fast
    /// hash. The key prevents a search of a copy of the database for any code of any account at once. The user's id
    /// limits an attacker who also has the key to one account at a time.
    fn recovery_digest(&self, user: Uuid, code: &RecoveryCode) -> [u8; 32] {
        hmac_sha256(&self.keys.derive("recovery-code/v1"), &[user.as_bytes(), code.expose()])
    }
}

fn seal_label(user: Uuid) -> String {
    format!("totp/v1/{user}")
}
