//! What can be wrong with the topology of MongoDB and Kafka, and what it costs.

use serde::{Serialize, Serializer};

/// A property of a deployment or of the topic that weakens a promise of docs/GUARANTEES.md. Each has a
/// section in docs/OPERATIONS.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// MongoDB is one server without replication.
    MongodbStandalone,
    /// The replica set has fewer than three members with data.
    MongodbFewMembers,
    /// A member of the replica set votes and has no data.
    MongodbArbiter,
    /// A member of the replica set cannot be used now.
    MongodbMemberUnavailable,
    /// MongoDB is a sharded cluster, which hides the members of its shards.
    MongodbMembersUnknown,
    /// The Kafka cluster has one broker.
    KafkaSingleBroker,
    /// A partition of the topic has fewer than three replicas.
    KafkaReplicationBelow3,
    /// The topic accepts a record that only one broker has.
    KafkaMinInsyncBelow2,
    /// The topic accepts no record while one broker is away.
    KafkaMinInsyncEqualsReplication,
    /// A broker that lacks acknowledged records may become the leader of a partition.
    KafkaUncleanLeaderElection,
    /// A partition of the topic accepts no record now.
    KafkaPartitionsBelowMinInsync,
    /// The broker does not report the settings of the topic.
    KafkaTopicSettingsUnknown,
}

use Finding::{
    KafkaMinInsyncBelow2, KafkaMinInsyncEqualsReplication, KafkaPartitionsBelowMinInsync, KafkaReplicationBelow3,
    KafkaSingleBroker, KafkaTopicSettingsUnknown, KafkaUncleanLeaderElection, MongodbArbiter, MongodbFewMembers,
    MongodbMemberUnavailable, MongodbMembersUnknown, MongodbStandalone,
};

/// The findings about MongoDB.
pub(super) const MONGODB: &[Finding] =
    &[MongodbStandalone, MongodbFewMembers, MongodbArbiter, MongodbMemberUnavailable, MongodbMembersUnknown];

/// The findings about Kafka.
pub(super) const KAFKA: &[Finding] = &[
    KafkaSingleBroker,
    KafkaReplicationBelow3,
    KafkaMinInsyncBelow2,
    KafkaMinInsyncEqualsReplication,
    KafkaUncleanLeaderElection,
    KafkaPartitionsBelowMinInsync,
    KafkaTopicSettingsUnknown,
];

impl Finding {
    /// Returns the name in logs, in `/readyz` and in the metric. It never changes.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        self.texts().0
    }

    /// Returns the sentence for the log.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        self.texts().1
    }

    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            MongodbStandalone => {
                ("mongodb-standalone", "MongoDB is a single server: what it acknowledges is on one disk")
            }
            MongodbFewMembers => (
                "mongodb-few-members",
                "the replica set shows fewer than three members with data: the loss of one stops all writes, or loses data",
            ),
            MongodbArbiter => (
                "mongodb-arbiter",
                "an arbiter of the replica set votes and has no data: writes may stop while one member with data is away",
            ),
            MongodbMemberUnavailable => (
                "mongodb-member-unavailable",
                "a member of the replica set is not available: the set survives one failure less",
            ),
            MongodbMembersUnknown => (
                "mongodb-members-unknown",
                "MongoDB is a sharded cluster: the members of its replica sets cannot be seen",
            ),
            KafkaSingleBroker => {
                ("kafka-single-broker", "Kafka is a single broker: what it acknowledges is on one machine")
            }
            KafkaReplicationBelow3 => (
                "kafka-replication-below-3",
                "the topic has fewer than three replicas: the loss of one broker stops the events, or loses records",
            ),
            KafkaMinInsyncBelow2 => (
                "kafka-min-insync-below-2",
                "min.insync.replicas of the topic is below 2: a record may be acknowledged that only one broker has",
            ),
            KafkaMinInsyncEqualsReplication => (
                "kafka-min-insync-equals-replication",
                "min.insync.replicas of the topic is not below its replication: no event is published while one broker is away",
            ),
            KafkaUncleanLeaderElection => (
                "kafka-unclean-leader-election",
                "unclean.leader.election.enable of the topic is true: an election may drop acknowledged records",
            ),
            KafkaPartitionsBelowMinInsync => (
                "kafka-partitions-below-min-insync",
                "partitions of the topic have fewer in-sync replicas than min.insync.replicas: they accept no record",
            ),
            KafkaTopicSettingsUnknown => (
                "kafka-topic-settings-unknown",
                "the settings of the topic cannot be read: DESCRIBE_CONFIGS is refused, or the broker does not support it",
            ),
        }
    }

    /// Returns whether the finding weakens a promise, unlike one that says that something cannot be seen.
    pub(super) const fn weakens(self) -> bool {
        !matches!(self, MongodbMembersUnknown | KafkaTopicSettingsUnknown)
    }

    /// Returns whether the finding is an outage that ends by itself, unlike a setting.
    pub(super) const fn is_outage(self) -> bool {
        matches!(self, MongodbMemberUnavailable | KafkaPartitionsBelowMinInsync)
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.slug())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slug_begins_with_its_dependency_and_is_unique() {
        let all = [("mongodb-", MONGODB), ("kafka-", KAFKA)];
        let mut slugs = std::collections::BTreeSet::new();
        for (prefix, findings) in all {
            for finding in findings {
                assert!(finding.slug().starts_with(prefix), "{finding:?}");
                assert!(slugs.insert(finding.slug()), "{finding:?}");
            }
        }
    }

    #[test]
    fn a_finding_is_serialized_as_its_slug() {
        assert_eq!(serde_json::to_string(&[MongodbStandalone]).unwrap(), r#"["mongodb-standalone"]"#);
    }
}
