//! Finds the account of a one-time token and decides whether the token is valid for a purpose. No other file
//! does this.

use events::sealing::Purpose;
use jiff::Timestamp;

use crate::{
    domain::{OneTimeToken, UndoLink, UserStatus},
    problem::Problem,
    store::{InvitationRecord, TokenRecord, UsedTokenRecord, UserRecord, UserStore},
    usecase::{account_service::AccountService, update::Load},
};

/// The account that may use a token for a purpose; the proof is the stored token.
pub(in crate::usecase) struct TokenHolder {
    users: UserStore,
    token: OneTimeToken,
    purpose: Purpose,
}

/// The active account that may use an undo link; the proof is the link.
pub(in crate::usecase) struct UndoLinkHolder {
    users: UserStore,
    token: OneTimeToken,
}

/// The active account that may use the token of an invitation; the proof is the stored invitation.
pub(in crate::usecase) struct InvitationHolder {
    users: UserStore,
    token: OneTimeToken,
}

impl AccountService {
    /// Names the account of an update by a token for `purpose`.
    ///
    /// # Errors
    /// Returns [`Problem::TokenInvalid`] for a text that is no token.
    pub(in crate::usecase) fn token_holder(&self, token: &str, purpose: Purpose) -> Result<TokenHolder, Problem> {
        let token = OneTimeToken::parse(token).ok_or(Problem::TokenInvalid)?;
        Ok(TokenHolder { users: self.store.users.clone(), token, purpose })
    }

    /// Names the account of an update by the token of an undo link.
    ///
    /// # Errors
    /// Returns [`Problem::TokenInvalid`] for a text that is no token.
    pub(in crate::usecase) fn undo_link_holder(&self, token: &str) -> Result<UndoLinkHolder, Problem> {
        let token = OneTimeToken::parse(token).ok_or(Problem::TokenInvalid)?;
        Ok(UndoLinkHolder { users: self.store.users.clone(), token })
    }

    /// Names the account of an update by the token of an invitation.
    ///
    /// # Errors
    /// Returns [`Problem::TokenInvalid`] for a text that is no token.
    pub(in crate::usecase) fn invitation_holder(&self, token: &str) -> Result<InvitationHolder, Problem> {
        let token = OneTimeToken::parse(token).ok_or(Problem::TokenInvalid)?;
        Ok(InvitationHolder { users: self.store.users.clone(), token })
    }
}

impl Load for TokenHolder {
    type Proof = TokenRecord;

    /// Returns [`Problem::TokenInvalid`] if the token is unknown, used, expired or for another purpose.
    async fn load(&mut self, now: Timestamp) -> Result<(UserRecord, TokenRecord), Problem> {
        let digest = self.token.digest();
        let user = self.users.by_token(digest).await?.ok_or(Problem::TokenInvalid)?;
        let token = find_valid_token(&user, digest, self.purpose, now).cloned().ok_or(Problem::TokenInvalid)?;
        Ok((user, token))
    }
}

impl Load for UndoLinkHolder {
    type Proof = UndoLink;

    async fn load(&mut self, now: Timestamp) -> Result<(UserRecord, UndoLink), Problem> {
        let digest = self.token.digest();
        let user = self.users.by_undo_token(digest).await?.ok_or(Problem::TokenInvalid)?;
        let link = user.undo_links().into_iter().find(|link| link.digest == digest);
        let usable = |link: &UndoLink| user.status == UserStatus::Active && link.is_valid(&user.email_history(), now);
        let link = link.filter(usable).ok_or(Problem::TokenInvalid)?;
        Ok((user, link))
    }
}

impl Load for InvitationHolder {
    type Proof = InvitationRecord;

    /// Returns [`Problem::TokenInvalid`] if the token is unknown, used or expired, or the address is another one.
    async fn load(&mut self, now: Timestamp) -> Result<(UserRecord, InvitationRecord), Problem> {
        let user = self.users.by_invitation(self.token.digest()).await?.ok_or(Problem::TokenInvalid)?;
        let usable = |invitation: &&InvitationRecord| {
            user.status == UserStatus::Active
                && now < invitation.expires_at.to_jiff()
                && user.email_keys.first() == Some(&invitation.to)
        };
        let invitation = user.open_invitation().filter(usable).cloned().ok_or(Problem::TokenInvalid)?;
        Ok((user, invitation))
    }
}

/// Returns the records that are kept when a token is used: of the account's other tokens for `obsolete_purposes`, which
/// have nothing left to do, and of this token. The page of each of these links then says that it is done.
pub(in crate::usecase) fn used_links(
    user: &UserRecord,
    token: UsedTokenRecord,
    obsolete_purposes: &[Purpose],
    now: Timestamp,
) -> Vec<UsedTokenRecord> {
    let is_obsolete = |other: &&TokenRecord| obsolete_purposes.contains(&other.purpose) && other.hash != token.hash;
    let mut used: Vec<_> = user.tokens.iter().filter(is_obsolete).map(|other| other.used(now)).collect();
    used.push(token);
    used
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
        // These tokens are elsewhere in the document.
        Purpose::PasswordChangeUndo
        | Purpose::TotpUndo
        | Purpose::RecoveryCodesUndo
        | Purpose::SignInUndo
        | Purpose::Invitation => false,
    }
}
