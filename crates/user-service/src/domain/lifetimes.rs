//! How long each token, each session and each link lives.

use std::time::Duration;

use events::sealing::Purpose;
use jiff::{SignedDuration, Timestamp};

use super::one_time_token::OneTimeToken;

/// How long the secret of a second factor that is being set up can be confirmed.
pub const TOTP_SETUP: Duration = Duration::from_secs(60 * 60);
/// How long after its sign-in or its reauthentication a session is recently authenticated.
pub const RECENT_AUTHENTICATION: Duration = Duration::from_secs(10 * 60);
/// How long an `Idempotency-Key` is honoured.
pub const IDEMPOTENCY_KEY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a used link is remembered, so that its page can say that it was used.
pub const USED_LINK: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The lifetimes from the configuration (`auth.*` in `config.default.toml`).
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    pub access_token: Duration,
    /// The access token of a client.
    pub client_token: Duration,
    /// The token between the two steps of a login.
    pub mfa_token: Duration,
    pub sessions: SessionTimes,
    pub verification_link: Duration,
    pub reset_link: Duration,
    pub invitation_link: Duration,
    /// Undo links, and the reservation of what a change has released.
    pub undo_link: Duration,
}

/// The lifetimes of a session, and how long its previous refresh token remains useful.
#[derive(Debug, Clone, Copy)]
pub struct SessionTimes {
    pub idle: Duration,
    pub max: Duration,
    /// How long after a rotation the previous token is exchanged for the current one again.
    pub grace: Duration,
    /// How long after a rotation the previous token is exchanged for a later one, once, if the current one was
    /// never presented.
    pub retry: Duration,
}

/// A new link for a mail.
pub struct MailedLink {
    pub token: OneTimeToken,
    pub purpose: Purpose,
    /// The address that the mail goes to.
    pub to: String,
    pub expires_at: Timestamp,
}

impl Lifetimes {
    /// Returns the lifetime of the links for this purpose.
    #[must_use]
    pub const fn link(&self, purpose: Purpose) -> Duration {
        match purpose {
            Purpose::EmailVerification | Purpose::EmailChange => self.verification_link,
            Purpose::PasswordReset => self.reset_link,
            Purpose::Invitation => self.invitation_link,
            Purpose::EmailChangeUndo
            | Purpose::PasswordChangeUndo
            | Purpose::TotpUndo
            | Purpose::RecoveryCodesUndo
            | Purpose::SignInUndo => self.undo_link,
        }
    }

    /// Creates a link for a mail to the address `to`.
    #[must_use]
    pub fn new_link(&self, purpose: Purpose, to: &str, now: Timestamp) -> MailedLink {
        let expires_at = expires_at(now, self.link(purpose));
        MailedLink { token: OneTimeToken::generate(), purpose, to: to.to_owned(), expires_at }
    }
}

/// Returns `start` plus `lifetime`, at most [`Timestamp::MAX`].
#[must_use]
pub fn expires_at(start: Timestamp, lifetime: Duration) -> Timestamp {
    let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::MAX);
    start.saturating_add(lifetime).unwrap_or(Timestamp::MAX)
}
