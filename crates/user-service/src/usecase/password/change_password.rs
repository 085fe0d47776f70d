//! Changes the password: requires a recent second factor where it is on, verifies the current password, and requires in
//! the write that the account still has it. The same write ends all other sessions; the calling session stays.

use std::sync::Arc;

use bson::Document;
use events::{PasswordChangeReason, UserPasswordChanged, sealing::Purpose};
use secrecy::SecretString;

use crate::{
    domain::{ExpectedVersion, Password},
    hashing::PasswordHash,
    outbox::Origin,
    problem::{Problem, Validation},
    store::{Change, EndSessions, UserRecord},
    usecase::{
        account_service::AccountService,
        rate_limit::account_writes::AccountWrite,
        sessions::{authenticate::Caller, proven::Proven},
        update::{Attempt, Decision, require_version},
    },
};

/// The current and the new password.
pub struct ChangePassword {
    pub current: SecretString,
    pub new: SecretString,
}

/// Changes the password. All other sessions of the account end.
///
/// # Errors
/// Returns [`Problem::ValidationFailed`] for a refused password, [`Problem::WrongPassword`],
/// [`Problem::ReauthenticationRequired`], [`Problem::PreconditionFailed`] or [`Problem::Unauthorized`].
pub async fn change_password(
    accounts: &Arc<AccountService>,
    caller: Caller,
    change: ChangePassword,
    expected: ExpectedVersion,
    origin: Origin,
) -> Result<(), Problem> {
    let mut validation = Validation::default();
    let current = validation.check("currentPassword", Password::parse_attempt(&change.current));
    let new = validation.check("newPassword", accounts.passwords.parse(&change.new));
    let (Some(current), Some(new)) = (current, new) else { return Err(validation.problem()) };
    require_version(&expected, &caller.user)?;
    let charges = accounts.rate_limiter.charge_account_writes(&[AccountWrite::Password], caller.user.id.into()).await?;
    let proof = accounts.prove_and_hash(&caller, &current, new, &origin);
    let (proven, new) = accounts.rate_limiter.refund_unless_verified(charges, proof).await?;
    let this = Arc::clone(accounts);
    let session = caller.session;
    let replace = move |record: &UserRecord, (), Attempt { now, .. }: Attempt| {
        require_version(&expected, record)?;
        let user = record.user();
        let undo = this.new_undo_link(record, Purpose::PasswordChangeUndo, now);
        let payload = |undo| UserPasswordChanged {
            user_id: user.id,
            reason: PasswordChangeReason::Change,
            recipient: user.recipient(),
            undo,
        };
        let event = this.outbox.event_with_optional_link(now, &origin, undo.as_ref().map(|undo| &undo.link), payload);
        let change = Change {
            set: undo.map_or_else(Document::new, |undo| undo.fields),
            replaced_password: Some(new.clone()),
            end_sessions: EndSessions::AllBut(session),
            events: vec![event],
            ..Change::default()
        };
        Ok(Decision::Write(change, ()))
    };
    accounts.update(accounts.signed_in(caller, Some(proven)), replace).await.map(|_| ())
}

impl AccountService {
    /// Returns the proof of the current password, and the hash of the new one.
    async fn prove_and_hash(
        &self,
        caller: &Caller,
        current: &Password,
        new: Password,
        origin: &Origin,
    ) -> Result<(Proven, PasswordHash), Problem> {
        self.require_recent_second_factor(caller).await?;
        let attempt = self.rate_limiter.charge_password(caller.user.id.into(), caller.session).await?;
        let judged = self.passwords.judge("newPassword", new, &caller.user.context_words(), &self.hashes).await;
        let new = match judged {
            Ok(new) => new,
            Err(problem) => {
                // A new password that is refused stays charged.
                match problem {
                    Problem::ValidationFailed(_) => {
                        let _ = attempt.fail();
                    }
                    _ => attempt.refund_unjudged(),
                }
                return Err(problem);
            }
        };
        let verified = self.verify_charged_password(caller, current, attempt, origin).await?;
        Ok((Proven::of(&caller.user, Some(verified)), self.hashes.hash(&new).await?))
    }
}
