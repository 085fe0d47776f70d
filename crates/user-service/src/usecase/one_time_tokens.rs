//! Who holds a one-time token, and whether it is good for what it is used for: the one
//! door for all purposes.

use events::sealing::Purpose;
use jiff::Timestamp;
use service_kit::mongo::StoreError;

use super::Accounts;
use crate::{
    domain::{OneTimeToken, UndoLink, UserStatus},
    store::{TokenRecord, UserRecord},
};

impl Accounts {
    /// The account that may use this token for `purpose` at `now`, and the token as it is
    /// stored. Unknown, used, expired, for something else: all alike, none.
    pub(super) async fn holder_of(
        &self,
        token: &OneTimeToken,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Option<(UserRecord, TokenRecord)>, StoreError> {
        let digest = token.digest();
        let found = self.store.users.by_token(digest).await?;
        Ok(found.and_then(|user| {
            let record = valid(&user, digest, purpose, now)?.clone();
            Some((user, record))
        }))
    }
}

impl Accounts {
    /// The active account that may use this undo link at `now`, and the link.
    pub(super) async fn holder_of_undo_link(
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

/// The stored token, if an active account may use it for `purpose` at `now`.
fn valid(user: &UserRecord, digest: [u8; 32], purpose: Purpose, now: Timestamp) -> Option<&TokenRecord> {
    let record = user.tokens.iter().find(|record| record.hash.bytes == digest)?;
    let bound = match purpose {
        // Proof of the present address, and of no other.
        Purpose::EmailVerification | Purpose::PasswordReset => user.email_keys.first() == Some(&record.to),
        Purpose::EmailChange => user.email_keys.first() != Some(&record.to),
        // The reservation decides.
        Purpose::EmailChangeUndo => true,
        // In a list of their own.
        Purpose::PasswordChangeUndo | Purpose::TotpUndo | Purpose::RecoveryCodesUndo => false,
    };
    let usable = user.status == UserStatus::Active && record.purpose == purpose && now < record.expires_at.to_jiff();
    (usable && bound).then_some(record)
}
