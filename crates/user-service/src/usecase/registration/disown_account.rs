//! Disowns an account: the owner of a mailbox declares, through the verification link, that the account is not theirs.
//! The user who registered it loses access permanently: no password, session or link is valid any more. The account
//! stays unverified and expires like any unverified account, unless a password reset takes it over.

use std::sync::Arc;

use bson::{Bson, doc};
use events::{TotpDisabledBy, sealing::Purpose};
use service_kit::mongo::StoreError;

use crate::{
    domain::OneTimeToken,
    outbox::Origin,
    store::{Change, EndSessions, Precondition, TokenChange, TotpChange},
    usecase::{
        account_service::AccountService,
        failure::Failure,
        mailed_links::link_validity::used_links,
        write_outcome::{MAX_ATTEMPTS, WriteOutcome, write_outcome},
    },
};

/// The reason why the account was not disowned.
#[derive(Debug, thiserror::Error)]
pub enum DisownAccountError {
    /// The token is unknown, used, expired, or for another address; the cases are not distinguished.
    #[error("the token is invalid")]
    TokenInvalid,
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for DisownAccountError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// Redeems the token, and invalidates every other link of the account.
///
/// # Errors
/// Returns [`DisownAccountError`]. Nothing was changed, unless the store was unavailable: then the outcome is unknown.
pub async fn disown_account(
    accounts: &Arc<AccountService>,
    token: &str,
    origin: Origin,
) -> Result<(), DisownAccountError> {
    accounts.rate_limiter.charge_request(&origin).await?;
    let token = OneTimeToken::parse(token).ok_or(DisownAccountError::TokenInvalid)?;
    let this = Arc::clone(accounts);
    accounts
        .writes
        .run_to_completion(async move { this.redeem_verification_token_to_disown(&token, &origin).await })
        .await
}

impl AccountService {
    async fn redeem_verification_token_to_disown(
        &self,
        token: &OneTimeToken,
        origin: &Origin,
    ) -> Result<(), DisownAccountError> {
        for _ in 0..MAX_ATTEMPTS {
            let now = self.clock.now();
            let holder = self.find_token_holder(token, Purpose::EmailVerification, now).await?;
            let unverified = holder.filter(|(record, _)| !record.email_verified);
            let (record, token) = unverified.ok_or(DisownAccountError::TokenInvalid)?;
            let user = record.user();
            let disowned = self.outbox.disowned(user.id, now, origin);
            let by = Some(TotpDisabledBy::Mailbox);
            let totp_disabled = record.totp.is_some().then(|| self.outbox.totp_disabled(&user, by, now, origin));
            let change = Change {
                set: doc! { "passwordHash": self.hashes.unmatchable_hash().expose(), "undoTokens": Bson::Null },
                tokens: TokenChange::Replace(Vec::new()),
                used_tokens: used_links(&record, &token, &[Purpose::EmailVerification], now),
                totp: TotpChange::Forget,
                end_sessions: EndSessions::All,
                ignore_pending_limit: true,
                events: [disowned].into_iter().chain(totp_disabled).collect(),
                ..Change::default()
            };
            let commit = self.store.users.commit(user.id, Precondition::Version(user.version), change).await?;
            if let WriteOutcome::Done(written) = write_outcome(commit)? {
                self.publish(&written);
                self.delete_ended_sessions(&written).await;
                return Ok(());
            }
        }
        Err(Failure::too_many_conflicts().into())
    }
}
