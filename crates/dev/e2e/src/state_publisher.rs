//! Publishes states of users as the user service would, without a user service.

use events::{
    StateRecord, UserState, UserStatus,
    topic::{DEFAULT_PARTITIONS, partition_of},
};
use jiff::Timestamp;
use test_support::{Producer, World, create_topic};
use uuid::Uuid;

/// Publishes records to a topic of states.
pub struct StatePublisher {
    producer: Producer,
    topic: String,
}

impl StatePublisher {
    /// Creates the topic of states of a world, and a publisher for it.
    pub async fn new(world: &World) -> Self {
        let topic = format!("user.state.{}", world.tag());
        create_topic(world.brokers(), world.broker_kind(), &topic, DEFAULT_PARTITIONS).await;
        Self { producer: Producer::new(world.brokers()), topic }
    }

    /// Returns the name of the topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Publishes the state of a user.
    pub async fn publish(&self, state: UserState) {
        let value = state.to_json();
        self.produce(&record_of(state), Some(value.as_bytes())).await;
    }

    /// Publishes the tombstone of a deleted user.
    pub async fn publish_tombstone(&self, user: Uuid, version: u64) {
        self.produce(&StateRecord { user, version, time: Timestamp::UNIX_EPOCH, state: None }, None).await;
    }

    /// Publishes the state of a user with another value. Returns the partition and the offset.
    ///
    /// # Panics
    /// Panics if the broker does not acknowledge the record.
    pub async fn publish_value(&self, state: &UserState, value: &str) -> (i32, i64) {
        self.produce(&record_of(state.clone()), Some(value.as_bytes())).await
    }

    async fn produce(&self, record: &StateRecord, value: Option<&[u8]>) -> (i32, i64) {
        let key = record.user.to_string();
        let partition = partition_of(key.as_bytes(), DEFAULT_PARTITIONS);
        let headers = record.headers();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let produced = self.producer.try_produce(&self.topic, Some(partition), Some(key.as_bytes()), value, &headers);
        produced.await.expect("the broker acknowledges the record")
    }
}

fn record_of(state: UserState) -> StateRecord {
    StateRecord { user: state.id, version: state.version, time: state.updated_at, state: Some(state) }
}

/// Returns the state of an active user.
#[must_use]
pub fn state_of(id: Uuid, version: u64, username: &str) -> UserState {
    UserState {
        id,
        version,
        username: username.to_owned(),
        email: format!("{username}@example.org"),
        email_verified: true,
        display_name: None,
        locale: None,
        timezone: None,
        roles: Vec::new(),
        status: UserStatus::Active,
        attributes: None,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}
