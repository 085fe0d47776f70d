//! Finds the account of a one-time token and decides whether the token is valid for a purpose. No other file
//! does this.

use events::sealing::Purpose;
use jiff::Timestamp;
use service_kit::mongo::StoreError;

use crate::{
    domain::{OneTimeToken, UndoLink, UserStatus},
    store::{TokenRecord, UsedTokenRecord, UserRecord},
    usecase::account_service::AccountService,
};

impl AccountService {
    /// Returns the account that may use this token for `purpose` at `now`, and the stored token. Returns `None` if the
    /// token is unknown, used, expired or for another purpose.
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

    /// Returns the active account that may use this undo link at `now`, and the link.
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
            link.is_valid(&user.email_history(), now).then_some((user, link))
        }))
    }
}

/// Returns the records that are kept when a token is used: of this token, and of the account's other tokens for
/// `obsolete_purposes`, which have nothing left to do. The page of each of these links then says that it is done.
pub(in crate::usecase) fn used_links(
    user: &UserRecord,
    token: &TokenRecord,
    obsolete_purposes: &[Purpose],
    now: Timestamp,
) -> Vec<UsedTokenRecord> {
    let others =
        user.tokens.iter().filter(|it| obsolete_purposes.contains(&it.purpose) && it.hash.bytes != token.hash.bytes);
    others.chain([token]).map(|token| token.used(now)).collect()
}

/// Returns the stored token if an active account may use it for `purpose` at `now`.
fn find_valid_token(user: &UserRecord, digest: [u8; 32], purpose: Purpose, now: Timestamp) -> Option<&TokenRecord> {
    let record = user.tokens.iter().find(|record| record.hash.bytes == digest)?;
    let usable = user.status == UserStatus::Active && record.purpose == purpose && now < record.expires_at.to_jiff();
    (usable && addresses_permit(user, record, now)).then_some(record)
}

/// Returns whether the addresses of the account still permit the purpose of this token.
pub(in crate::usecase) fn addresses_permit(user: &UserRecord, token: &TokenRecord, now: Timestamp) -> bool {
    match token.purpose {
        // The token proves control of the current address only.
        Purpose::EmailVerification | Purpose::PasswordReset => user.email_keys.first() == Some(&token.to),
        Purpose::EmailChange => user.email_keys.first() != Some(&token.to),
        Purpose::EmailChangeUndo => user.email_history().restore(&token.reservation(), now).is_some(),
        // These tokens are in another list.
        Purpose::PasswordChangeUndo | Purpose::TotpUndo | Purpose::RecoveryCodesUndo => false,
    }
}
