//! What metadata and `DescribeConfigs` show of the Kafka cluster and the topics.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, bail};
use rdkafka::{
    ClientConfig, ClientContext,
    admin::{AdminClient, AdminOptions, ConfigResource, ResourceSpecifier},
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    metadata::{MetadataBroker, MetadataPartition},
};
use serde::Serialize;
use tokio::runtime::Handle;

use super::{Report, findings::Finding};

/// The deadline of each request.
const DEADLINE: Duration = Duration::from_secs(5);

/// What is seen of the cluster and the topics.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    /// The number of brokers that are up.
    brokers: usize,
    /// The number of partitions of all topics.
    partitions: usize,
    /// The smallest number of replicas of a partition.
    replication: usize,
    #[serde(flatten)]
    settings: Option<SettingsReport>,
    /// Whether the cluster has more than one broker, up or not.
    #[serde(skip)]
    several_nodes: bool,
}

/// The weakest settings of the topics, and what they mean for the partitions now.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SettingsReport {
    #[serde(flatten)]
    settings: Settings,
    /// The number of partitions that accept no record now.
    partitions_below_min_insync: usize,
}

/// The settings of a topic that decide what an acknowledgement means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    min_insync_replicas: usize,
    unclean_leader_election: bool,
}

/// The brokers of a partition.
#[derive(Debug)]
struct Partition {
    replicas: Vec<i32>,
    in_sync: usize,
}

/// Asks the brokers for the topics and their settings. The client exists only as long as this takes.
///
/// # Errors
/// Returns an error if the brokers do not answer in time, or a topic does not exist yet.
pub(super) async fn look(client: ClientConfig, topics: Vec<String>) -> anyhow::Result<Report> {
    // The requests block their thread, and so does the end of the client.
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(look_blocking(&client, &topics)))
        .await
        .context("the thread has ended")?
}

async fn look_blocking(client: &ClientConfig, topics: &[String]) -> anyhow::Result<Report> {
    let admin: AdminClient<QuietContext> = client.create_with_context(QuietContext)?;
    let (mut brokers, mut partitions, mut weakest) = (Vec::new(), Vec::new(), None);
    for topic in topics {
        let metadata = admin.inner().fetch_metadata(Some(topic), DEADLINE)?;
        brokers = metadata.brokers().iter().map(MetadataBroker::id).collect();
        let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
        let found = found.with_context(|| format!("the topic {topic} does not exist"))?.partitions();
        let partition =
            |it: &MetadataPartition| Partition { replicas: it.replicas().to_vec(), in_sync: it.isr().len() };
        partitions.extend(found.iter().map(partition));
        let settings = match settings(&admin, topic).await {
            Ok(settings) => settings,
            // The embedded broker has no controller, and the controller answers this request.
            Err(_) if brokers.len() == 1 => None,
            Err(error) => return Err(error),
        };
        weakest = Some(match weakest {
            None => settings,
            Some(known) => Option::zip(known, settings).map(|(known, settings)| Settings::weaker(known, settings)),
        });
    }
    Cluster::new(&brokers, &partitions, weakest.flatten()).report()
}

/// Returns the settings of the topic, or `None` if the broker refuses to tell them.
async fn settings(admin: &AdminClient<QuietContext>, topic: &str) -> anyhow::Result<Option<Settings>> {
    let options = AdminOptions::new().request_timeout(Some(DEADLINE));
    match admin.describe_configs([&ResourceSpecifier::Topic(topic)], &options).await.map(|mut all| all.pop()) {
        Ok(Some(Ok(resource))) => Ok(Settings::new(&resource)),
        Ok(Some(Err(RDKafkaErrorCode::UnknownTopicOrPartition))) => bail!("the topic does not exist"),
        Ok(Some(Err(code))) => {
            tracing::debug!(%code, "the settings of the topic are refused");
            Ok(None)
        }
        Ok(None) | Err(KafkaError::AdminOp(RDKafkaErrorCode::UnsupportedFeature)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Settings {
    /// Returns the weaker value of each setting.
    fn weaker(self, other: Self) -> Self {
        Self {
            min_insync_replicas: self.min_insync_replicas.min(other.min_insync_replicas),
            unclean_leader_election: self.unclean_leader_election || other.unclean_leader_election,
        }
    }

    fn new(resource: &ConfigResource) -> Option<Self> {
        let value = |name| resource.get(name)?.value.as_deref();
        Some(Self {
            min_insync_replicas: value("min.insync.replicas")?.parse().ok()?,
            unclean_leader_election: value("unclean.leader.election.enable")?.parse().ok()?,
        })
    }
}

impl Cluster {
    fn new(brokers: &[i32], partitions: &[Partition], settings: Option<Settings>) -> Self {
        let known: BTreeSet<i32> =
            partitions.iter().flat_map(|partition| &partition.replicas).chain(brokers).copied().collect();
        let settings = settings.map(|settings| SettingsReport {
            settings,
            partitions_below_min_insync: partitions
                .iter()
                .filter(|partition| partition.in_sync < settings.min_insync_replicas)
                .count(),
        });
        Self {
            brokers: brokers.len(),
            partitions: partitions.len(),
            replication: partitions.iter().map(|partition| partition.replicas.len()).min().unwrap_or_default(),
            settings,
            several_nodes: known.len() > 1,
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.several_nodes {
            if self.replication < 3 {
                findings.push(Finding::KafkaReplicationBelow3);
            }
        } else {
            // What follows from it is not listed as well.
            findings.push(Finding::KafkaSingleBroker);
        }
        let Some(SettingsReport { settings, partitions_below_min_insync }) = &self.settings else {
            // With one broker the settings change nothing.
            findings.extend(self.several_nodes.then_some(Finding::KafkaTopicSettingsUnknown));
            return findings;
        };
        if self.several_nodes && settings.min_insync_replicas < 2 {
            findings.push(Finding::KafkaMinInsyncBelow2);
        }
        if settings.min_insync_replicas >= self.replication.max(2) {
            findings.push(Finding::KafkaMinInsyncEqualsReplication);
        }
        if settings.unclean_leader_election {
            findings.push(Finding::KafkaUncleanLeaderElection);
        }
        if *partitions_below_min_insync > 0 {
            findings.push(Finding::KafkaPartitionsBelowMinInsync);
        }
        findings
    }

    fn report(&self) -> anyhow::Result<Report> {
        Report::new(self, self.findings(), self.several_nodes)
    }
}

/// A context that writes librdkafka's log only at the level `debug`: the producer or consumer of the service
/// has logged the same problem already.
#[derive(Clone, Copy)]
struct QuietContext;

impl ClientContext for QuietContext {
    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Finding::{
        KafkaMinInsyncBelow2, KafkaMinInsyncEqualsReplication, KafkaPartitionsBelowMinInsync, KafkaReplicationBelow3,
        KafkaSingleBroker, KafkaTopicSettingsUnknown, KafkaUncleanLeaderElection,
    };

    fn settings(min_insync_replicas: usize) -> Option<Settings> {
        Some(Settings { min_insync_replicas, unclean_leader_election: false })
    }

    fn partition(replicas: &[i32], in_sync: usize) -> Partition {
        Partition { replicas: replicas.to_vec(), in_sync }
    }

    /// Judges a topic of one partition on three brokers, whose replicas are all in sync.
    fn judge(replicas: &[i32], settings: Option<Settings>) -> Vec<Finding> {
        Cluster::new(&[1, 2, 3], &[partition(replicas, replicas.len())], settings).findings()
    }

    #[test]
    fn three_replicas_of_which_two_must_be_in_sync_have_no_finding() {
        assert_eq!(judge(&[1, 2, 3], settings(2)), []);
    }

    #[test]
    fn each_weak_setting_of_a_cluster_is_found() {
        assert_eq!(judge(&[1, 2, 3], settings(1)), [KafkaMinInsyncBelow2]);
        assert_eq!(judge(&[1, 2, 3], settings(3)), [KafkaMinInsyncEqualsReplication]);
        assert_eq!(judge(&[1, 2], settings(2)), [KafkaReplicationBelow3, KafkaMinInsyncEqualsReplication]);
        assert_eq!(judge(&[1, 2], settings(1)), [KafkaReplicationBelow3, KafkaMinInsyncBelow2]);
        assert_eq!(judge(&[1], settings(1)), [KafkaReplicationBelow3, KafkaMinInsyncBelow2]);
        let unclean = settings(2).map(|settings| Settings { unclean_leader_election: true, ..settings });
        assert_eq!(judge(&[1, 2, 3], unclean), [KafkaUncleanLeaderElection]);
    }

    #[test]
    fn settings_that_the_broker_does_not_tell_are_unknown() {
        assert_eq!(judge(&[1, 2, 3], None), [KafkaTopicSettingsUnknown]);
        assert_eq!(judge(&[1, 2], None), [KafkaReplicationBelow3, KafkaTopicSettingsUnknown]);
    }

    #[test]
    fn the_smallest_replication_of_all_partitions_counts() {
        let partitions = [partition(&[1, 2, 3], 3), partition(&[1, 2], 2)];
        let cluster = Cluster::new(&[1, 2, 3], &partitions, settings(1));
        assert_eq!((cluster.partitions, cluster.replication), (2, 2));
    }

    #[test]
    fn one_broker_is_one_finding_unless_its_topic_has_settings_of_its_own() {
        let judge = |settings| Cluster::new(&[1], &[partition(&[1], 1)], settings);
        assert_eq!(judge(settings(1)).findings(), [KafkaSingleBroker]);
        assert_eq!(judge(None).findings(), [KafkaSingleBroker]);
        assert!(!judge(settings(1)).several_nodes);
        let unclean = Some(Settings { min_insync_replicas: 1, unclean_leader_election: true });
        assert_eq!(judge(unclean).findings(), [KafkaSingleBroker, KafkaUncleanLeaderElection]);
        assert_eq!(
            judge(settings(2)).findings(),
            [KafkaSingleBroker, KafkaMinInsyncEqualsReplication, KafkaPartitionsBelowMinInsync]
        );
    }

    #[test]
    fn a_cluster_with_one_broker_up_is_not_a_single_broker() {
        let partitions = [partition(&[1, 2, 3], 1), partition(&[2, 3, 1], 2)];
        let cluster = Cluster::new(&[1], &partitions, settings(2));
        assert!(cluster.several_nodes);
        assert_eq!(cluster.findings(), [KafkaPartitionsBelowMinInsync]);
        assert_eq!(
            serde_json::to_value(&cluster).unwrap(),
            serde_json::json!({
                "brokers": 1, "partitions": 2, "replication": 3, "minInsyncReplicas": 2,
                "uncleanLeaderElection": false, "partitionsBelowMinInsync": 1
            })
        );
    }
}
