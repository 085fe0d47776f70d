//! Publishes the present state of a user, as other services may see it, to the compacted topic.

use std::sync::Arc;

use events::StateRecord;
use service_kit::{Clock, fail_point, mongo::StoreError};
use uuid::Uuid;

use super::producer::{EventProducer, PublishError};
use crate::{
    domain::AttributeRules,
    metrics::RelayMetrics,
    outbox::user_state,
    store::{OutboxStore, PresentUser},
};

/// Publishes states. Clones share the producer.
#[derive(Clone)]
pub(super) struct StatePublisher {
    pub topic: String,
    pub producer: Arc<EventProducer>,
    pub outbox: OutboxStore,
    pub rules: Arc<AttributeRules>,
    pub clock: Clock,
    pub metrics: RelayMetrics,
}

impl StatePublisher {
    /// Reads the user and publishes the state, or the tombstone of a deleted user. A hidden registration whose
    /// address is not verified is no user yet: its username may be that of another user.
    ///
    /// A version below `sequence`, the last one of the entries that need the state, is an error: the document is not the
    /// one that had the entries.
    pub(super) async fn publish(&self, user: Uuid, sequence: i64) -> Result<(), PublishError> {
        fail_point!("relay.before_state");
        let present = self.outbox.present_user(user).await.map_err(|error| match error {
            // A document that cannot be decoded.
            StoreError::Other(_) => PublishError::Permanent(error.to_string()),
            _ => PublishError::Transient(error.to_string()),
        })?;
        if present.version().is_some_and(|version| version < sequence) {
            return Err(PublishError::Transient(
                "the database returns an older version than that of the event".to_owned(),
            ));
        }
        let version = |version| u64::try_from(version).map_err(|_| permanent("the version is negative"));
        self.produce(&match present {
            PresentUser::Account(account) if account.unclaimed => return Ok(()),
            PresentUser::Account(account) => {
                let state = user_state(&account.user(), &self.rules);
                StateRecord { user, version: version(account.version)?, time: state.updated_at, state: Some(state) }
            }
            PresentUser::Tombstone(tombstone) => StateRecord {
                user,
                version: version(tombstone.version)?,
                time: tombstone.deleted_at.to_jiff(),
                state: None,
            },
            PresentUser::Gone => self.tombstone_of_gone(user),
        })
        .await
    }

    /// Publishes the tombstone of a user who has no document any more.
    pub(super) async fn publish_gone(&self, user: Uuid) -> Result<(), PublishError> {
        self.produce(&self.tombstone_of_gone(user)).await
    }

    fn tombstone_of_gone(&self, user: Uuid) -> StateRecord {
        StateRecord { user, version: StateRecord::LAST_VERSION, time: self.clock.now(), state: None }
    }

    async fn produce(&self, record: &StateRecord) -> Result<(), PublishError> {
        fail_point!("relay.state_read");
        let value = record.state.as_ref().map(events::UserState::to_json);
        self.producer.produce(&self.topic, record.user, &record.headers(), value.as_deref()).await?;
        self.metrics.states_published.inc();
        fail_point!("relay.after_state");
        Ok(())
    }
}

fn permanent(problem: &str) -> PublishError {
    PublishError::Permanent(problem.to_owned())
}
