//! Verifies the password of a signed-in user again before an action that cannot be undone. No other file
//! does this.

use super::authenticate::Caller;
use crate::{
    domain::Password,
    hashing::{HashRequester, PasswordHash, Verification},
    outbox::Origin,
    problem::Problem,
    store::{AuditOnlyKind, UserRecord},
    usecase::{
        account_service::AccountService,
        rate_limit::{account_writes::AccountWrite, attempts::ChargedAttempt, networks::client_network},
    },
};

/// Returns the requester of a password verification: the network and the account.
pub(in crate::usecase) fn requester(user: Option<&UserRecord>, origin: &Origin) -> HashRequester {
    HashRequester { network: client_network(origin), account: user.map(|user| user.id.into()) }
}

impl AccountService {
    /// Verifies the password as [`reauthenticate`](Self::reauthenticate) does, for a change with a limit per account. A
    /// wrong password refunds the charge, so that a stolen session cannot use up the quota.
    pub(in crate::usecase) async fn reauthenticate_for(
        &self,
        write: AccountWrite,
        caller: &Caller,
        password: &Password,
        origin: &Origin,
    ) -> Result<PasswordHash, Problem> {
        let charges = self.rate_limiter.charge_account_writes(&[write], caller.user.id.into()).await?;
        self.rate_limiter.refund_unless_verified(charges, self.reauthenticate(caller, password, origin)).await
    }

    /// Verifies the password and returns the stored hash that it matched, which the write requires.
    pub(in crate::usecase) async fn reauthenticate(
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
