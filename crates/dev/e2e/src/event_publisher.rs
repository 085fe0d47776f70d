//! Publishes events as the user service would, without a user service.

use std::time::Duration;

use events::{
    Event, PasswordChangeReason, Payload, Recipient, TokenGrant, UserEmailChangeRequested, UserEmailChanged,
    UserPasswordChanged, UserRegistered,
    sealing::{PublicKey, Purpose, SealedToken, TokenPlaintext},
    topic::{DEFAULT_PARTITIONS, partition_of},
};
use jiff::Timestamp;
use service_kit::{Clock, Ids};
use test_support::{Producer, World, remember_secret};
use uuid::Uuid;

const ONE_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Creates and publishes the events of one world.
pub struct EventPublisher {
    world: World,
    producer: Producer,
    key: PublicKey,
    ids: Ids,
    clock: Clock,
}

impl EventPublisher {
    /// Creates a publisher for a world.
    ///
    /// # Panics
    /// Panics if the public key of the world cannot be read.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let key = PublicKey::from_base64(&world.read_key("sealing.public")).expect("keygen creates readable keys");
        let producer = Producer::new(world.brokers());
        Self { world: world.clone(), producer, key, ids: Ids::random(), clock: Clock::system() }
    }

    /// Returns the current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns a registration event. Its welcome mail is sent again once if its delivery is unknown.
    #[must_use]
    pub fn welcome(&self, to: &str) -> Event {
        self.welcome_with_lifetime(to, ONE_DAY)
    }

    /// Returns a registration event whose link, and therefore its welcome mail, expires after `lifetime`.
    #[must_use]
    pub fn welcome_with_lifetime(&self, to: &str, lifetime: Duration) -> Event {
        let id = self.id();
        self.registered(id, to, self.verification(id, to), lifetime, self.now())
    }

    /// Returns a registration event that happened `age` ago.
    #[must_use]
    pub fn welcome_with_age(&self, to: &str, age: Duration) -> Event {
        let id = self.id();
        self.registered(id, to, self.verification(id, to), ONE_DAY, self.now() - age)
    }

    /// Returns a registration event with the sealed token of another registration event.
    #[must_use]
    pub fn welcome_with_token_of(&self, to: &str, other: &Event) -> Event {
        let Payload::UserRegistered(other) = &other.payload else { panic!("not a registration") };
        self.registered(self.id(), to, other.verification.sealed.clone(), ONE_DAY, self.now())
    }

    /// Returns an event of a password change. Its notice is held if its delivery is unknown.
    #[must_use]
    pub fn notice(&self, to: &str) -> Event {
        let (reason, recipient) = (PasswordChangeReason::Change, recipient(to));
        let changed = UserPasswordChanged { user_id: self.id(), reason, recipient, undo: None };
        Event::new(self.id(), self.now(), 2, None, changed.into())
    }

    /// Returns a registration event with a chosen username and recipient.
    #[must_use]
    pub fn welcome_for_recipient(&self, username: &str, recipient: Recipient) -> Event {
        let id = self.id();
        let sealed = self.verification(id, &recipient.email);
        let verification = TokenGrant { sealed, expires_at: self.now() + ONE_DAY };
        let registered = UserRegistered { user_id: self.id(), username: username.to_owned(), recipient, verification };
        Event::new(id, self.now(), 1, None, registered.into())
    }

    /// Returns an event of an address change that is not yet confirmed, which causes one mail to each of the two
    /// addresses.
    #[must_use]
    pub fn email_change_requested(&self, new_email: &str, recipient: Recipient) -> Event {
        let id = self.id();
        let sealed = self.seal(id, new_email, Purpose::EmailChange);
        let confirmation = TokenGrant { sealed, expires_at: self.now() + ONE_DAY };
        let new_email = new_email.to_owned();
        let requested =
            UserEmailChangeRequested { user_id: self.id(), new_email, recipient, confirmation, username: None };
        Event::new(id, self.now(), 2, None, requested.into())
    }

    /// Returns an event of a completed address change.
    #[must_use]
    pub fn email_changed(&self, new_email: &str, recipient: Recipient) -> Event {
        let id = self.id();
        let old_email = recipient.email.clone();
        let sealed = self.seal(id, &old_email, Purpose::EmailChangeUndo);
        let undo = TokenGrant { sealed, expires_at: self.now() + ONE_DAY };
        let changed =
            UserEmailChanged { user_id: self.id(), old_email, new_email: new_email.to_owned(), recipient, undo };
        Event::new(id, self.now(), 3, None, changed.into())
    }

    /// Publishes an event to the partition of its key. Returns partition and offset.
    pub async fn publish(&self, event: &Event) -> (i32, i64) {
        let partition = partition_of(event.envelope.key().as_bytes(), DEFAULT_PARTITIONS);
        self.publish_to(partition, event).await
    }

    /// Publishes an event to a given partition. Returns partition and offset.
    pub async fn publish_to(&self, partition: i32, event: &Event) -> (i32, i64) {
        self.publish_value(partition, event, event.payload.to_json().as_bytes()).await
    }

    /// Publishes an event with a truncated value, which is not JSON, to partition 0. Returns partition and offset.
    pub async fn publish_truncated(&self, event: &Event) -> (i32, i64) {
        self.publish_value(0, event, b"{").await
    }

    async fn publish_value(&self, partition: i32, event: &Event, value: &[u8]) -> (i32, i64) {
        let headers = event.envelope.headers();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.publish_raw(partition, &event.envelope.key(), Some(value), &headers).await
    }

    /// Publishes any record. Returns partition and offset.
    pub async fn publish_raw(
        &self,
        partition: i32,
        key: &str,
        value: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) -> (i32, i64) {
        let key = Some(key.as_bytes());
        let produced = self.producer.try_produce(self.world.topic(), Some(partition), key, value, headers).await;
        produced.expect("the broker acknowledges the record")
    }

    fn id(&self) -> Uuid {
        self.ids.v7(self.now())
    }

    fn verification(&self, event_id: Uuid, to: &str) -> SealedToken {
        self.seal(event_id, to, Purpose::EmailVerification)
    }

    fn seal(&self, event_id: Uuid, to: &str, purpose: Purpose) -> SealedToken {
        let token = format!("{}{}", self.ids.v4().simple(), self.ids.v4().simple());
        remember_secret("one-time token", &token);
        self.key.seal(&TokenPlaintext { token: token.into(), to: to.to_owned(), purpose, event_id })
    }

    fn registered(&self, id: Uuid, to: &str, sealed: SealedToken, lifetime: Duration, time: Timestamp) -> Event {
        let user_id = self.id();
        let registered = UserRegistered {
            user_id,
            username: format!("u-{}", &user_id.simple().to_string()[20..]),
            recipient: recipient(to),
            verification: TokenGrant { sealed, expires_at: self.now() + lifetime },
        };
        Event::new(id, time, 1, None, registered.into())
    }
}

fn recipient(to: &str) -> Recipient {
    Recipient { email: to.to_owned(), display_name: None, locale: None }
}
