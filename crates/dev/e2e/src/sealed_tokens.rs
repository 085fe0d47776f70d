//! Opens the sealed tokens in events as the email service does, without its mails.

use events::{
    TokenGrant,
    sealing::{KeyRing, PrivateKey},
};
use secrecy::ExposeSecret as _;
use test_support::{DEADLINE, Record, TopicReader, World, remember_secret};

/// The one-time tokens of one world, in the order of its events.
pub struct SealedTokens {
    topic: TopicReader,
    keys: KeyRing,
}

impl SealedTokens {
    /// Creates a reader for a world.
    ///
    /// # Panics
    /// Panics if the private key of the world cannot be read.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let key = PrivateKey::from_base64(&world.read_key("sealing.private")).expect("keygen creates readable keys");
        Self { topic: world.topic_reader(), keys: KeyRing::new(vec![key]).expect("there is a key") }
    }

    /// Waits until `count` events of a type contain a token for `address`, and returns the last token.
    ///
    /// # Panics
    /// Panics if there are fewer at the deadline.
    pub async fn wait_for_nth(&mut self, event_type: &str, member: &str, address: &str, count: usize) -> String {
        let Self { topic, keys } = self;
        let what = format!("{count} × {event_type} with a token for {address}");
        let found = |records: &[Record]| -> Vec<String> {
            let of_type = records.iter().filter(|record| record.event_type() == event_type);
            of_type.filter_map(|record| token(keys, record, member, address)).collect()
        };
        let records = topic.read_until(DEADLINE, &what, |records| found(records).len() >= count).await;
        found(records).swap_remove(count - 1)
    }

    /// Returns all tokens for `address` that are in the topic now, with the types of their events.
    pub async fn all(&mut self, address: &str) -> Vec<(String, String)> {
        let Self { topic, keys } = self;
        let members = ["verification", "reset", "confirmation", "undo"];
        let of = |record: &Record| {
            let token = members.iter().find_map(|member| token(keys, record, member, address))?;
            Some((record.event_type(), token))
        };
        topic.read_all().await.iter().filter_map(of).collect()
    }
}

/// Returns the token in `member` of an event if it was sealed for `address`.
fn token(keys: &KeyRing, record: &Record, member: &str, address: &str) -> Option<String> {
    let grant: TokenGrant = serde_json::from_value(record.json()[member].clone()).ok()?;
    let opened = keys.open(&grant.sealed).expect("the world's key opens the token");
    let token = opened.token.expose_secret().to_owned();
    remember_secret("one-time token", &token);
    (opened.to == address).then_some(token)
}
