//! The state of a mailed link, and sending it again.

use events::sealing::Purpose;
use jiff::Timestamp;
use service_kit::mongo::StoreError;

use super::link_validity::addresses_permit;
use crate::{
    domain::{Email, OneTimeToken, UserStatus},
    outbox::Origin,
    problem::{Problem, Validation},
    store::{UsedTokenRecord, UserRecord},
    usecase::{account_service::AccountService, background_queue::RequestedMail},
};

/// The account of a valid link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedAccount {
    /// The purpose of the link.
    pub purpose: Purpose,
    pub username: String,
    /// Whether the reader of an invitation chooses the username.
    pub chooses_username: bool,
    /// The current email address.
    pub email: String,
    pub created_at: Timestamp,
}

/// The state of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    Valid(LinkedAccount),
    /// A verification link whose address is already verified.
    Confirmed,
    /// The link was used, or another used link has made it obsolete.
    Used,
    Expired,
    /// The link is unknown, has another purpose than this page, belongs to a disabled account, or is invalid after a
    /// later change.
    Unknown,
}

/// Returns the state of a link for a page that serves `purposes`.
///
/// # Errors
/// Returns an error if the store is unavailable.
pub async fn link_state(accounts: &AccountService, token: &str, purposes: &[Purpose]) -> Result<LinkState, Problem> {
    let Some(token) = OneTimeToken::parse(token) else { return Ok(LinkState::Unknown) };
    let digest = token.digest();
    let user = accounts.find_any_link_holder(digest).await?;
    Ok(user.map_or(LinkState::Unknown, |user| classify(&user, digest, purposes, accounts.clock.now())))
}

/// Sends a new link to the address that this link was mailed to, if it is still the account's current address. The
/// response is the same in any case, as for an address that the user types.
///
/// # Errors
/// Returns an error if the rate limit is reached, or the queue is full.
pub async fn resend_link(
    accounts: &AccountService,
    mail: RequestedMail,
    token: &str,
    origin: Origin,
) -> Result<(), Problem> {
    accounts.rate_limiter.check_local_request(&origin)?;
    let address = match OneTimeToken::parse(token) {
        Some(token) => {
            let digest = token.digest();
            accounts
                .find_any_link_holder(digest)
                .await?
                .and_then(|user| current_address(&user, digest, accounts.clock.now()))
        }
        None => None,
    };
    match address {
        Some(email) => send_mail(accounts, mail, &email, origin).await,
        None => accounts.rate_limiter.charge_request(&origin).await,
    }
}

impl AccountService {
    /// Returns the account that has this token, whether or not it is used.
    async fn find_any_link_holder(&self, digest: [u8; 32]) -> Result<Option<UserRecord>, StoreError> {
        let users = &self.store.users;
        if let Some(user) = users.by_token(digest).await? {
            return Ok(Some(user));
        }
        if let Some(user) = users.by_undo_token(digest).await? {
            return Ok(Some(user));
        }
        if let Some(user) = users.by_invitation(digest).await? {
            return Ok(Some(user));
        }
        users.by_used_token(digest).await
    }
}

/// An unused token, from one of the lists of the account, or from its invitation.
struct OutstandingToken {
    purpose: Purpose,
    to: String,
    expires_at: Timestamp,
    /// Whether the addresses of the account still permit the purpose of the token.
    addresses_permit: bool,
}

fn find_outstanding_token(user: &UserRecord, digest: [u8; 32], now: Timestamp) -> Option<OutstandingToken> {
    if let Some(token) = user.tokens.iter().find(|token| token.hash.bytes == digest) {
        let (to, expires_at) = (token.to.clone(), token.expires_at.to_jiff());
        return Some(OutstandingToken {
            purpose: token.purpose,
            to,
            expires_at,
            addresses_permit: addresses_permit(user, token, now),
        });
    }
    if let Some(invitation) = user.open_invitation().filter(|invitation| invitation.hash.bytes == digest) {
        return Some(OutstandingToken {
            purpose: Purpose::Invitation,
            to: invitation.to.clone(),
            expires_at: invitation.expires_at.to_jiff(),
            addresses_permit: user.email_keys.first() == Some(&invitation.to),
        });
    }
    let link = user.undo_links().into_iter().find(|link| link.digest == digest)?;
    let addresses_permit = link.is_valid(&user.email_history(), now);
    Some(OutstandingToken { purpose: link.purpose, to: link.to, expires_at: link.expires_at, addresses_permit })
}

fn find_used_link(user: &UserRecord, digest: [u8; 32]) -> Option<&UsedTokenRecord> {
    user.used_tokens.iter().find(|used| used.hash.bytes == digest)
}

fn classify(user: &UserRecord, digest: [u8; 32], purposes: &[Purpose], now: Timestamp) -> LinkState {
    if user.status != UserStatus::Active {
        return LinkState::Unknown;
    }
    if let Some(used) = find_used_link(user, digest) {
        return match used.purpose {
            purpose if !purposes.contains(&purpose) || used.until.to_jiff() <= now => LinkState::Unknown,
            Purpose::EmailVerification if user.email_verified => LinkState::Confirmed,
            _ => LinkState::Used,
        };
    }
    match find_outstanding_token(user, digest, now).filter(|token| purposes.contains(&token.purpose)) {
        None => LinkState::Unknown,
        Some(token) if token.purpose == Purpose::EmailVerification && user.email_verified => LinkState::Confirmed,
        Some(token) if token.expires_at <= now => LinkState::Expired,
        Some(token) if !token.addresses_permit => LinkState::Unknown,
        Some(token) => LinkState::Valid(LinkedAccount {
            purpose: token.purpose,
            username: user.username.clone(),
            chooses_username: user.chooses_username(),
            email: user.email.clone(),
            created_at: user.created_at.to_jiff(),
        }),
    }
}

/// Returns the address that the token was mailed to, if it is still the account's current address.
fn current_address(user: &UserRecord, digest: [u8; 32], now: Timestamp) -> Option<Email> {
    let used = find_used_link(user, digest).map(|used| used.to.clone());
    let to = used.or_else(|| find_outstanding_token(user, digest, now).map(|token| token.to))?;
    (user.email_keys.first() == Some(&to)).then(|| Email::parse(&user.email).ok()).flatten()
}

/// Charges the mail and queues it.
///
/// # Errors
/// Returns an error if the rate limit is reached, or the queue is full; both are independent of whether the address has
/// an account.
pub async fn request_mail(
    accounts: &AccountService,
    mail: RequestedMail,
    email: &str,
    origin: Origin,
) -> Result<(), Problem> {
    let email = Validation::only("email", Email::parse(email))?;
    send_mail(accounts, mail, &email, origin).await
}

async fn send_mail(
    accounts: &AccountService,
    mail: RequestedMail,
    email: &Email,
    origin: Origin,
) -> Result<(), Problem> {
    accounts.rate_limiter.charge_mail(mail, email, &origin).await?;
    accounts.background.enqueue_mail(mail, email.key().to_owned(), origin)
}

#[cfg(test)]
mod tests {
    use bson::{DateTime, Uuid, doc};
    use jiff::SignedDuration;

    use super::*;
    use crate::store::{InvitationRecord, ReservedKey, TokenRecord, UndoTokenRecord, binary};

    const TOKEN: [u8; 32] = [1; 32];
    const ADA: &str = "ada@example.org";

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365)
    }

    fn at(hours: i64) -> Timestamp {
        now() + SignedDuration::from_hours(hours)
    }

    fn token(purpose: Purpose, to: &str, expires: i64) -> TokenRecord {
        TokenRecord {
            hash: binary(&TOKEN),
            purpose,
            to: to.to_owned(),
            address: None,
            expires_at: at(expires).into(),
            issued_at: None,
        }
    }

    fn ada(tokens: Vec<TokenRecord>) -> UserRecord {
        let document = doc! {
            "_id": Uuid::from_bytes([0; 16]), "schemaVersion": 1, "version": 1_i64, "username": "ada", "usernameKey": "ada",
            "email": "Ada@example.org", "emailKeys": [ADA], "emailVerified": false, "status": "active",
            "passwordHash": "", "sessions": { "epoch": 1_i64 },
            "createdAt": DateTime::from(Timestamp::UNIX_EPOCH), "updatedAt": DateTime::from(Timestamp::UNIX_EPOCH),
        };
        UserRecord { tokens, ..bson::deserialize_from_document(document).unwrap() }
    }

    fn state_of(user: &UserRecord, purposes: &[Purpose]) -> LinkState {
        classify(user, TOKEN, purposes, now())
    }

    const VERIFY: &[Purpose] = &[Purpose::EmailVerification];
    const RESET: &[Purpose] = &[Purpose::PasswordReset];

    #[test]
    fn a_valid_link_names_its_account() {
        let user = ada(vec![token(Purpose::EmailVerification, ADA, 1)]);
        let account = LinkedAccount {
            purpose: Purpose::EmailVerification,
            username: "ada".to_owned(),
            chooses_username: false,
            email: "Ada@example.org".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(state_of(&user, VERIFY), LinkState::Valid(account));
    }

    #[test]
    fn a_link_is_unknown_on_the_page_of_another_purpose_and_for_a_disabled_account() {
        let user = ada(vec![token(Purpose::EmailVerification, ADA, 1)]);
        assert_eq!(state_of(&user, RESET), LinkState::Unknown);
        let disabled = UserRecord { status: UserStatus::Disabled, ..user };
        assert_eq!(state_of(&disabled, VERIFY), LinkState::Unknown);
        let used = token(Purpose::PasswordReset, ADA, 1).used(now());
        let user = UserRecord { used_tokens: vec![used], ..ada(Vec::new()) };
        assert_eq!(state_of(&user, VERIFY), LinkState::Unknown);
        assert_eq!(state_of(&user, RESET), LinkState::Used);
    }

    #[test]
    fn an_old_link_is_expired_while_its_record_is_kept() {
        assert_eq!(state_of(&ada(vec![token(Purpose::PasswordReset, ADA, 0)]), RESET), LinkState::Expired);
        assert_eq!(state_of(&ada(Vec::new()), RESET), LinkState::Unknown);
    }

    #[test]
    fn a_link_to_a_former_address_of_the_account_is_unknown() {
        let user = ada(vec![token(Purpose::PasswordReset, "former@example.org", 1)]);
        assert_eq!(state_of(&user, RESET), LinkState::Unknown);
        assert!(current_address(&user, TOKEN, now()).is_none());
    }

    #[test]
    fn a_verification_link_of_a_verified_address_is_confirmed_whether_it_was_used_or_not() {
        let expired = token(Purpose::EmailVerification, ADA, -1);
        let used = expired.used(now());
        let verified = |tokens, used_tokens| UserRecord { email_verified: true, used_tokens, ..ada(tokens) };
        assert_eq!(state_of(&verified(vec![expired], Vec::new()), VERIFY), LinkState::Confirmed);
        assert_eq!(state_of(&verified(Vec::new(), vec![used.clone()]), VERIFY), LinkState::Confirmed);
        // The link is used and the address is not verified, so the account was disowned.
        let disowned = UserRecord { used_tokens: vec![used], ..ada(Vec::new()) };
        assert_eq!(state_of(&disowned, VERIFY), LinkState::Used);
    }

    #[test]
    fn a_used_link_is_known_for_30_days() {
        let used = token(Purpose::PasswordReset, ADA, 1).used(now());
        let user = UserRecord { used_tokens: vec![used], ..ada(Vec::new()) };
        assert_eq!(classify(&user, TOKEN, RESET, at(30 * 24 - 1)), LinkState::Used);
        assert_eq!(classify(&user, TOKEN, RESET, at(30 * 24)), LinkState::Unknown);
        assert_eq!(current_address(&user, TOKEN, now()).unwrap().as_str(), "Ada@example.org");
    }

    #[test]
    fn an_undo_link_is_valid_while_its_reservation_is_kept() {
        const UNDO: &[Purpose] = &[Purpose::EmailChangeUndo];
        let undo = token(Purpose::EmailChangeUndo, "former@example.org", 5);
        let kept = ReservedKey { key: undo.to.clone(), until: undo.expires_at };
        let user = ada(vec![undo]);
        assert_eq!(state_of(&user, UNDO), LinkState::Unknown);
        let user = UserRecord { reserved: vec![kept], ..user };
        assert!(matches!(state_of(&user, UNDO), LinkState::Valid(_)));
        assert_eq!(classify(&user, TOKEN, UNDO, at(5)), LinkState::Expired);
    }

    #[test]
    fn an_undo_link_of_another_change_is_valid_while_its_mailbox_belongs_to_the_account() {
        const UNDO: &[Purpose] =
            &[Purpose::PasswordChangeUndo, Purpose::TotpUndo, Purpose::RecoveryCodesUndo, Purpose::SignInUndo];
        let link = |to: &str| UndoTokenRecord {
            hash: binary(&TOKEN),
            purpose: Purpose::TotpUndo,
            to: to.to_owned(),
            expires_at: at(5).into(),
        };
        let user = UserRecord { undo_tokens: vec![link(ADA)], ..ada(Vec::new()) };
        assert!(matches!(state_of(&user, UNDO), LinkState::Valid(account) if account.purpose == Purpose::TotpUndo));
        assert_eq!(state_of(&user, &[Purpose::EmailChangeUndo]), LinkState::Unknown);
        assert_eq!(classify(&user, TOKEN, UNDO, at(5)), LinkState::Expired);
        let user = UserRecord { undo_tokens: vec![link("former@example.org")], ..user };
        assert_eq!(state_of(&user, UNDO), LinkState::Unknown);
    }

    #[test]
    fn an_invitation_is_valid_until_it_expires_or_the_mailbox_is_proved_in_another_way() {
        const INVITATION: &[Purpose] = &[Purpose::Invitation];
        let invitation = |to: &str, placeholder: Option<&str>| InvitationRecord {
            hash: binary(&TOKEN),
            to: to.to_owned(),
            expires_at: at(5).into(),
            placeholder: placeholder.map(str::to_owned),
        };
        let invited = |record| UserRecord { invitation: Some(record), ..ada(Vec::new()) };
        for (placeholder, chooses) in [(None, false), (Some("ada"), true), (Some("another"), false)] {
            let user = invited(invitation(ADA, placeholder));
            let LinkState::Valid(account) = state_of(&user, INVITATION) else { panic!("the link is valid") };
            assert_eq!((account.purpose, account.chooses_username), (Purpose::Invitation, chooses));
            assert_eq!(state_of(&user, RESET), LinkState::Unknown);
            assert_eq!(classify(&user, TOKEN, INVITATION, at(5)), LinkState::Expired);
            let verified = UserRecord { email_verified: true, ..user };
            assert_eq!(state_of(&verified, INVITATION), LinkState::Unknown);
        }
        assert_eq!(state_of(&invited(invitation("other@example.org", None)), INVITATION), LinkState::Unknown);
        let used = invitation(ADA, None).used(now());
        let accepted = UserRecord { email_verified: true, used_tokens: vec![used], ..ada(Vec::new()) };
        assert_eq!(state_of(&accepted, INVITATION), LinkState::Used);
    }
}
