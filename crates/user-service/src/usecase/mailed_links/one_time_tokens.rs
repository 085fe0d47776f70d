//! Who holds a one-time token, and whether it is good for what it is used for: the one
//! door for all purposes.

use events::sealing::Purpose;
use jiff::Timestamp;
use service_kit::mongo::StoreError;

use crate::{
    domain::{OneTimeToken, UndoLink, UserStatus},
    store::{TokenRecord, UsedLink, UserRecord},
    usecase::account_service::AccountService,
};

impl AccountService {
    /// The account that may use this token for `purpose` at `now`, and the token as it is
    /// stored. Unknown, used, expired, for something else: all alike, none.
    pub(in crate::usecase) async fn find_token_holder(
        &self,
        token: &OneTimeToken,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Option<(UserRecord, TokenRecord)>, StoreError> {
        let digest = token.digest();
        let found = self.store.users.by_token(digest).await?;
        Ok(found.and_then(|user| {
            let record = find_valid_token(&user, digest, purpose, now)?.clone();
            Some((user, record))
        }))
    }
}

impl AccountService {
    /// The active account that may use this undo link at `now`, and the link.
    pub(in crate::usecase) async fn find_undo_link_holder(
        &self,
        token: &OneTimeToken,
        now: Timestamp,
    ) -> Result<Option<(UserRecord, UndoLink)>, StoreError> {
        let digest = token.digest();
        let found = self.store.users.by_undo_token(digest).await?;
        let active = found.filter(|user| user.status == UserStatus::Active);
        Ok(active.and_then(|user| {
            let link = user.undo_links().into_iter().find(|link| link.digest == digest)?;
            link.is_good(&user.addresses(), now).then_some((user, link))
        }))
    }
}

/// What is kept of a token that is used: itself, and the account's other tokens for `obsolete_purposes`, for which nothing is
/// left to do. The page behind each of them then tells that it is done.
pub(in crate::usecase) fn used_links(
    user: &UserRecord,
    token: &TokenRecord,
    obsolete_purposes: &[Purpose],
    now: Timestamp,
) -> Vec<UsedLink> {
    let others =
        user.tokens.iter().filter(|it| obsolete_purposes.contains(&it.purpose) && it.hash.bytes != token.hash.bytes);
    others.chain([token]).map(|token| token.used(now)).collect()
}

/// The stored token, if an active account may use it for `purpose` at `now`.
fn find_valid_token(user: &UserRecord, digest: [u8; 32], purpose: Purpose, now: Timestamp) -> Option<&TokenRecord> {
    let record = user.tokens.iter().find(|record| record.hash.bytes == digest)?;
    let usable = user.status == UserStatus::Active && record.purpose == purpose && now < record.expires_at.to_jiff();
    (usable && addresses_permit(user, record, now)).then_some(record)
}

/// Whether the account's addresses still permit what this token is for.
pub(in crate::usecase) fn addresses_permit(user: &UserRecord, token: &TokenRecord, now: Timestamp) -> bool {
    match token.purpose {
        // CodeChallenge of the present address, and of no other.
        Purpose::EmailVerification | Purpose::PasswordReset => user.email_keys.first() == Some(&token.to),
        Purpose::EmailChange => user.email_keys.first() != Some(&token.to),
        Purpose::EmailChangeUndo => user.addresses().restored(&token.reservation(), now).is_some(),
        // In a list of their own.
        Purpose::PasswordChangeUndo | Purpose::TotpUndo | Purpose::RecoveryCodesUndo => false,
    }
}
