//! Events of fictitious users, in the form in which the user service publishes them.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use events::{
    Event, LoginMethod, PasswordChangeReason, Payload, Recipient, TokenGrant, TraceParent, UserEmailVerified,
    UserLoggedIn, UserPasswordChanged, UserPasswordResetRequested, UserProfileUpdated, UserRegistered,
    sealing::{PublicKey, Purpose, TokenPlaintext},
};
use jiff::SignedDuration;
use service_kit::{Clock, Ids};
use uuid::Uuid;

/// Creates events. Their tokens are sealed to the email service of one world.
pub(crate) struct TestUserEvents {
    sealing: PublicKey,
    ids: Ids,
    clock: Clock,
}

/// An action of a user. In the event mix most are logins, and every fourth event causes a mail.
#[derive(Debug, Clone, Copy)]
enum UserAction {
    Register,
    VerifyAddress,
    LogIn,
    UpdateProfile,
    ChangePassword,
    RequestReset,
}

const ACTIONS_PER_HUNDRED: [(UserAction, usize); 6] = [
    (UserAction::LogIn, 55),
    (UserAction::Register, 18),
    (UserAction::VerifyAddress, 12),
    (UserAction::UpdateProfile, 8),
    (UserAction::RequestReset, 4),
    (UserAction::ChangePassword, 3),
];

impl UserAction {
    /// Returns the action of an event by its number. The actions are spread evenly, because 37 and 100 are coprime.
    fn for_event(number: usize) -> Self {
        let mut place = number * 37 % 100;
        for (action, share) in ACTIONS_PER_HUNDRED {
            if place < share {
                return action;
            }
            place -= share;
        }
        Self::LogIn
    }
}

/// The number of mails per event in the mix.
pub(crate) const MAILS_PER_EVENT: f64 = 0.25;

/// Returns a description of the mix, for a remark.
pub(crate) fn mix_remark() -> &'static str {
    "of 100: 55 logins, 18 registrations, 12 verified addresses, 8 changed profiles, 4 reset requests, 3 changed \
     passwords; 25 mails"
}

impl TestUserEvents {
    /// Creates the generator. `keys` is the directory of a world's keys.
    pub(crate) fn new(keys: &Path) -> Result<Self> {
        let key = std::fs::read_to_string(keys.join("sealing.public")).context("the sealing key")?;
        let sealing = PublicKey::from_base64(&key).map_err(|error| anyhow!("the sealing key: {error}"))?;
        Ok(Self { sealing, ids: Ids::random(), clock: Clock::system() })
    }

    /// Returns the event of a registration.
    pub(crate) fn registration(&self, number: usize) -> Event {
        self.event(number, UserAction::Register)
    }

    /// Returns an event of the mix.
    pub(crate) fn mixed_event(&self, number: usize) -> Event {
        self.event(number, UserAction::for_event(number))
    }

    fn event(&self, number: usize, action: UserAction) -> Event {
        let now = self.clock.now();
        let (id, user_id) = (self.ids.v7(now), self.ids.v7(now));
        let username = format!("person{number}");
        let recipient = Recipient {
            email: format!("{username}@example.org"),
            display_name: Some("Ada Lovelace".to_owned()),
            locale: Some("en-GB".to_owned()),
        };
        let payload: Payload = match action {
            UserAction::Register => {
                let verification = self.grant(id, &recipient.email, Purpose::EmailVerification);
                UserRegistered { user_id, username, recipient, verification }.into()
            }
            UserAction::VerifyAddress => UserEmailVerified { user_id, email: recipient.email }.into(),
            UserAction::LogIn => {
                UserLoggedIn { user_id, session_id: self.ids.v4(), methods: vec![LoginMethod::Password] }.into()
            }
            UserAction::UpdateProfile => UserProfileUpdated { user_id, changed: vec!["displayName".to_owned()] }.into(),
            UserAction::ChangePassword => {
                UserPasswordChanged { user_id, reason: PasswordChangeReason::Change, recipient, undo: None }.into()
            }
            UserAction::RequestReset => {
                let reset = self.grant(id, &recipient.email, Purpose::PasswordReset);
                UserPasswordResetRequested { user_id, recipient, reset }.into()
            }
        };
        let trace = TraceParent::generate([(number % 255) as u8 + 1; 24]);
        Event::new(id, now, 1, Some(trace), payload)
    }

    fn grant(&self, event: Uuid, to: &str, purpose: Purpose) -> TokenGrant {
        let token = BASE64_URL_SAFE_NO_PAD.encode([self.ids.v4().into_bytes(), self.ids.v4().into_bytes()].concat());
        let plaintext = TokenPlaintext { token: token.into(), to: to.to_owned(), purpose, event_id: event };
        TokenGrant {
            sealed: self.sealing.seal(&plaintext),
            expires_at: self.clock.now().saturating_add(SignedDuration::from_hours(72)).unwrap_or(jiff::Timestamp::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_mix_is_what_the_remark_says() {
        for (action, share) in ACTIONS_PER_HUNDRED {
            let found = (0..100)
                .filter(|number| format!("{:?}", UserAction::for_event(*number)) == format!("{action:?}"))
                .count();
            assert_eq!(found, share, "{action:?}");
        }
        let mails = |action: &UserAction| {
            matches!(action, UserAction::Register | UserAction::RequestReset | UserAction::ChangePassword)
        };
        let mails: usize = ACTIONS_PER_HUNDRED.iter().filter(|(action, _)| mails(action)).map(|(_, share)| share).sum();
        assert_eq!(mails as f64 / 100.0, MAILS_PER_EVENT);
    }
}
