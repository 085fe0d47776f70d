//! The decision on an event: the mails that it asks for, or why it cannot be processed. Pure: no
//! I/O.

use std::sync::Arc;

use event_consumer::Rejection;
use events::{
    Event,
    sealing::{KeyRing, OpenError},
};
use jiff::{SignedDuration, Timestamp};

use crate::{
    ledger::NewMail,
    plan::{PlannedMail, plan},
};

/// Decides which mails events ask for.
pub struct MailDecider {
    keys: Arc<KeyRing>,
    max_event_age: SignedDuration,
    /// The domain of message ids.
    domain: String,
    instance: String,
}

impl MailDecider {
    #[must_use]
    pub fn new(keys: Arc<KeyRing>, max_event_age: SignedDuration, domain: String, instance: String) -> Self {
        Self { keys, max_event_age, domain, instance }
    }

    /// Returns the name of this process in histories.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Returns the mails that `event` asks for at `now`, perhaps none.
    ///
    /// # Errors
    /// Returns a [`Rejection`] if the sealed token of a mail does not belong to it, or cannot be
    /// opened.
    pub fn decide(&self, event: &Event, now: Timestamp) -> Result<Vec<NewMail>, Rejection> {
        let planned = plan(event, self.max_event_age);
        let too_old = now.duration_since(event.envelope.time) >= self.max_event_age;
        let mut mails = Vec::with_capacity(planned.len());
        for mail in planned {
            // A token that comes too late is never opened: its key may have been removed,
            // correctly.
            let too_late = too_old || mail.expires_at <= now;
            if !too_late && let Err(error) = self.check_sealed_token(event, &mail) {
                return Err(Rejection { reason: error.reason(), detail: error.to_string() });
            }
            mails.push(NewMail::new(event, mail, too_late, &self.domain, &self.instance, now));
        }
        Ok(mails)
    }

    /// Opens the token and drops it at once: this only checks that it belongs to this mail.
    fn check_sealed_token(&self, event: &Event, mail: &PlannedMail) -> Result<(), OpenError> {
        let Some(link) = &mail.link else { return Ok(()) };
        self.keys.open_bound(&link.token, &mail.facts.to, link.purpose, event.envelope.id).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use events::{
        Payload, Recipient, TokenGrant, UserEmailChangeRequested, UserEmailVerified, UserRegistered,
        sealing::{PrivateKey, PublicKey, Purpose, TokenPlaintext},
    };
    use uuid::Uuid;

    use super::*;
    use crate::{ledger::State, plan::Template};

    const EVENT: Uuid = Uuid::from_u128(7);
    const USER: Uuid = Uuid::from_u128(8);
    const ADDRESS: &str = "ada@example.com";

    fn now() -> Timestamp {
        Timestamp::from_second(1_900_000_000).unwrap()
    }

    struct Setup {
        decider: MailDecider,
        public: PublicKey,
    }

    fn setup() -> Setup {
        let (private, public) = PrivateKey::generate();
        let keys = Arc::new(KeyRing::new(vec![private]).unwrap());
        let decider = MailDecider::new(keys, SignedDuration::from_hours(7 * 24), "example.org".into(), "here".into());
        Setup { decider, public }
    }

    fn sealed(public: &PublicKey, to: &str, purpose: Purpose, event_id: Uuid) -> TokenGrant {
        let plaintext = TokenPlaintext { token: "secret".into(), to: to.into(), purpose, event_id };
        TokenGrant { sealed: public.seal(&plaintext), expires_at: now() + SignedDuration::from_hours(1) }
    }

    fn recipient() -> Recipient {
        Recipient { email: ADDRESS.into(), display_name: None, locale: None }
    }

    fn registered(verification: TokenGrant) -> Payload {
        UserRegistered { user_id: USER, username: "ada".into(), recipient: recipient(), verification }.into()
    }

    fn event_at(payload: Payload, time: Timestamp) -> Event {
        Event::new(EVENT, time, 1, None, payload)
    }

    fn event(payload: Payload) -> Event {
        event_at(payload, now())
    }

    fn reason(decided: Result<Vec<NewMail>, Rejection>) -> &'static str {
        decided.expect_err("a rejection").reason
    }

    #[test]
    fn a_registration_becomes_a_welcome_mail() {
        let Setup { decider, public } = setup();
        let grant = sealed(&public, ADDRESS, Purpose::EmailVerification, EVENT);
        let mails = decider.decide(&event(registered(grant)), now()).unwrap();
        assert_eq!(mails.len(), 1);
        assert_eq!((mails[0].template(), mails[0].to(), mails[0].state()), (Template::Welcome, ADDRESS, State::Queued));
        assert!(!format!("{mails:?}").contains("secret"));
    }

    #[test]
    fn a_token_sealed_for_another_address_purpose_or_event_is_a_dead_letter() {
        let Setup { decider, public } = setup();
        for (to, purpose, id) in [
            ("eve@example.com", Purpose::EmailVerification, EVENT),
            (ADDRESS, Purpose::PasswordReset, EVENT),
            (ADDRESS, Purpose::EmailVerification, USER),
        ] {
            let grant = sealed(&public, to, purpose, id);
            assert_eq!(reason(decider.decide(&event(registered(grant)), now())), "sealed-mismatch");
        }
    }

    #[test]
    fn a_token_sealed_for_another_key_or_damaged_is_a_dead_letter() {
        let Setup { decider, public } = setup();
        let stranger = setup().public;
        let foreign = sealed(&stranger, ADDRESS, Purpose::EmailVerification, EVENT);
        assert_eq!(reason(decider.decide(&event(registered(foreign)), now())), "sealed-unknown-key");
        let mut broken = sealed(&public, ADDRESS, Purpose::EmailVerification, EVENT);
        broken.sealed.sealed_box.replace_range(0..4, "AAAA");
        assert_eq!(reason(decider.decide(&event(registered(broken)), now())), "sealed-broken");
    }

    #[test]
    fn a_confirmation_is_bound_to_the_new_address() {
        let Setup { decider, public } = setup();
        let requested = |to: &str| -> Payload {
            UserEmailChangeRequested {
                user_id: USER,
                new_email: "new@example.com".into(),
                recipient: recipient(),
                confirmation: sealed(&public, to, Purpose::EmailChange, EVENT),
                username: None,
            }
            .into()
        };
        assert!(matches!(
            decider.decide(&event(requested("new@example.com")), now()),
            Ok(mails) if mails.len() == 2
        ));
        assert_eq!(reason(decider.decide(&event(requested(ADDRESS)), now())), "sealed-mismatch");
    }

    #[test]
    fn an_old_event_is_recorded_as_expired_even_if_its_key_is_gone() {
        let decider = setup().decider;
        let grant = sealed(&setup().public, ADDRESS, Purpose::EmailVerification, EVENT);
        let old = event_at(registered(grant), now() - SignedDuration::from_hours(7 * 24));
        let mails = decider.decide(&old, now()).unwrap();
        assert_eq!(mails[0].state(), State::Expired);
    }

    #[test]
    fn a_mail_whose_token_has_expired_is_recorded_as_expired() {
        let Setup { decider, public } = setup();
        let mut grant = sealed(&public, ADDRESS, Purpose::EmailVerification, EVENT);
        grant.expires_at = now();
        let mails = decider.decide(&event(registered(grant)), now()).unwrap();
        assert_eq!(mails[0].state(), State::Expired);
    }

    #[test]
    fn an_event_without_a_mail_asks_for_none() {
        let verified = UserEmailVerified { user_id: USER, email: ADDRESS.into() };
        assert_eq!(setup().decider.decide(&event(verified.into()), now()), Ok(Vec::new()));
    }
}
