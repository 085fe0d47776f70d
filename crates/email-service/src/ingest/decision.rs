//! The decision on a record: mails, nothing, or a dead letter. Pure: no I/O.

use std::sync::Arc;

use events::{Decoded, Event, sealing::KeyRing};
use jiff::{SignedDuration, Timestamp};
use service_kit::{fail_point, panics};

use crate::{
    ledger::{ConsumedRecord, NewMail},
    plan::{PlannedMail, plan},
};

/// The reason of a dead letter at which the code panicked: a defect of the program, not of the
/// record.
const PROCESSING_FAILED: &str = "processing-failed";

/// The decision about a record.
#[derive(Debug, PartialEq)]
pub enum RecordDecision {
    /// These mails, at least one.
    Mails(Vec<NewMail>),
    /// An event that causes no mail.
    NoMail,
    /// An event type that this version does not know: skipped, and counted.
    UnknownType(String),
    /// It cannot be processed.
    Dead { reason: &'static str, detail: String },
}

/// Decides what records ask for.
pub struct RecordDecider {
    keys: Arc<KeyRing>,
    max_event_age: SignedDuration,
    /// The domain of message ids.
    domain: String,
    instance: String,
}

impl RecordDecider {
    #[must_use]
    pub fn new(keys: Arc<KeyRing>, max_event_age: SignedDuration, domain: String, instance: String) -> Self {
        Self { keys, max_event_age, domain, instance }
    }

    /// Returns the name of this process in histories.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Decides on `record` at `now`. A panic makes this record a dead letter, and affects no other.
    #[must_use]
    pub fn decide(&self, record: &ConsumedRecord, now: Timestamp) -> RecordDecision {
        let decided = panics::catch("record", || {
            fail_point!("ingest.decide");
            self.decide_record(record, now)
        });
        decided
            .unwrap_or_else(|panicked| RecordDecision::Dead { reason: PROCESSING_FAILED, detail: panicked.to_string() })
    }

    fn decide_record(&self, record: &ConsumedRecord, now: Timestamp) -> RecordDecision {
        let headers = record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        match events::decode(headers, record.key.as_deref(), record.value.as_deref()) {
            Ok(Decoded::Event(event)) => self.decide_event(&event, now),
            Ok(Decoded::UnknownType(name)) => RecordDecision::UnknownType(name),
            Err(error) => RecordDecision::Dead { reason: error.reason(), detail: error.to_string() },
        }
    }

    fn decide_event(&self, event: &Event, now: Timestamp) -> RecordDecision {
        let planned = plan(event, self.max_event_age);
        if planned.is_empty() {
            return RecordDecision::NoMail;
        }
        let too_old = now.duration_since(event.envelope.time) >= self.max_event_age;
        let mut mails = Vec::with_capacity(planned.len());
        for mail in planned {
            // A token that comes too late is never opened: its key may have been removed,
            // correctly.
            let too_late = too_old || mail.expires_at <= now;
            if !too_late && let Err(error) = self.check_sealed_token(event, &mail) {
                return RecordDecision::Dead { reason: error.reason(), detail: error.to_string() };
            }
            mails.push(NewMail::new(event, mail, too_late, &self.domain, &self.instance, now));
        }
        RecordDecision::Mails(mails)
    }

    /// Opens the token and drops it at once: this only checks that it belongs to this mail.
    fn check_sealed_token(&self, event: &Event, mail: &PlannedMail) -> Result<(), events::sealing::OpenError> {
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
        decider: RecordDecider,
        public: PublicKey,
    }

    fn setup() -> Setup {
        let (private, public) = PrivateKey::generate();
        let keys = Arc::new(KeyRing::new(vec![private]).unwrap());
        let decider = RecordDecider::new(keys, SignedDuration::from_hours(7 * 24), "example.org".into(), "here".into());
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

    fn record_at(payload: Payload, time: Timestamp) -> ConsumedRecord {
        let event = Event::new(EVENT, time, 1, None, payload);
        let headers = event.envelope.headers();
        ConsumedRecord {
            topic: "user.events".into(),
            partition: 0,
            offset: 0,
            timestamp: Some(0),
            key: Some(event.envelope.key().into_bytes()),
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), Some(value.into_bytes()))).collect(),
            value: Some(event.payload.to_json().into_bytes()),
        }
    }

    fn record(payload: Payload) -> ConsumedRecord {
        record_at(payload, now())
    }

    fn reason(decision: RecordDecision) -> &'static str {
        match decision {
            RecordDecision::Dead { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_registration_becomes_a_welcome_mail() {
        let Setup { decider, public } = setup();
        let grant = sealed(&public, ADDRESS, Purpose::EmailVerification, EVENT);
        let RecordDecision::Mails(mails) = decider.decide(&record(registered(grant)), now()) else { panic!("no mail") };
        assert_eq!(mails.len(), 1);
        assert_eq!((mails[0].template(), mails[0].to(), mails[0].state()), (Template::Welcome, ADDRESS, State::Queued));
        assert!(!format!("{mails:?}").contains("secret"));
    }

    #[test]
    fn a_token_sealed_for_another_address_purpose_or_event_is_a_dead_letter() {
        let Setup { decider, public } = setup();
        for (to, purpose, event) in [
            ("eve@example.com", Purpose::EmailVerification, EVENT),
            (ADDRESS, Purpose::PasswordReset, EVENT),
            (ADDRESS, Purpose::EmailVerification, USER),
        ] {
            let grant = sealed(&public, to, purpose, event);
            assert_eq!(reason(decider.decide(&record(registered(grant)), now())), "sealed-mismatch");
        }
    }

    #[test]
    fn a_token_sealed_for_another_key_or_damaged_is_a_dead_letter() {
        let Setup { decider, public } = setup();
        let stranger = setup().public;
        let foreign = sealed(&stranger, ADDRESS, Purpose::EmailVerification, EVENT);
        assert_eq!(reason(decider.decide(&record(registered(foreign)), now())), "sealed-unknown-key");
        let mut broken = sealed(&public, ADDRESS, Purpose::EmailVerification, EVENT);
        broken.sealed.sealed_box.replace_range(0..4, "AAAA");
        assert_eq!(reason(decider.decide(&record(registered(broken)), now())), "sealed-broken");
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
            decider.decide(&record(requested("new@example.com")), now()),
            RecordDecision::Mails(mails) if mails.len() == 2
        ));
        assert_eq!(reason(decider.decide(&record(requested(ADDRESS)), now())), "sealed-mismatch");
    }

    #[test]
    fn an_old_event_is_recorded_as_expired_even_if_its_key_is_gone() {
        let decider = setup().decider;
        let grant = sealed(&setup().public, ADDRESS, Purpose::EmailVerification, EVENT);
        let old = record_at(registered(grant), now() - SignedDuration::from_hours(7 * 24));
        let RecordDecision::Mails(mails) = decider.decide(&old, now()) else { panic!("no mail") };
        assert_eq!(mails[0].state(), State::Expired);
    }

    #[test]
    fn a_mail_whose_token_has_expired_is_recorded_as_expired() {
        let Setup { decider, public } = setup();
        let mut grant = sealed(&public, ADDRESS, Purpose::EmailVerification, EVENT);
        grant.expires_at = now();
        let RecordDecision::Mails(mails) = decider.decide(&record(registered(grant)), now()) else { panic!("no mail") };
        assert_eq!(mails[0].state(), State::Expired);
    }

    #[test]
    fn events_without_a_mail_and_unknown_types_are_skipped() {
        let decider = setup().decider;
        let verified = UserEmailVerified { user_id: USER, email: ADDRESS.into() };
        assert_eq!(decider.decide(&record(verified.into()), now()), RecordDecision::NoMail);
        let mut unknown = record(UserEmailVerified { user_id: USER, email: ADDRESS.into() }.into());
        set_type(&mut unknown, "order.placed.v1");
        assert_eq!(decider.decide(&unknown, now()), RecordDecision::UnknownType("order.placed.v1".into()));
    }

    #[test]
    fn an_undecodable_record_is_a_dead_letter_that_quotes_no_data() {
        let decider = setup().decider;
        let mut poison = record(UserEmailVerified { user_id: USER, email: ADDRESS.into() }.into());
        poison.value = Some(b"{\"secret\": \"hunter2\"".to_vec());
        let RecordDecision::Dead { reason, detail } = decider.decide(&poison, now()) else { panic!("decoded") };
        assert_eq!(reason, "not-json");
        assert!(!detail.contains("hunter2"));
        let mut newer = record(UserEmailVerified { user_id: USER, email: ADDRESS.into() }.into());
        set_type(&mut newer, "user.email_verified.v9");
        assert_eq!(self::reason(decider.decide(&newer, now())), "unsupported-version");
        assert_eq!(self::reason(decider.decide(&ConsumedRecord::default(), now())), "null-value");
    }

    fn set_type(record: &mut ConsumedRecord, name: &str) {
        let header = record.headers.iter_mut().find(|(key, _)| key == events::header::TYPE).unwrap();
        header.1 = Some(name.as_bytes().to_vec());
    }
}
