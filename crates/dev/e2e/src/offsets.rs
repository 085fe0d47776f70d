//! The committed offsets of the consumer group of a world.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use events::topic::DEFAULT_PARTITIONS;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use test_support::{World, wait_for};

const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// Returns the next offset to read of each partition for which the group has committed one.
///
/// # Panics
/// Panics if the broker does not respond.
pub async fn committed(world: &World) -> BTreeMap<i32, i64> {
    try_committed(world).await.expect("the broker responds")
}

/// Waits until the group has committed the end offset of every partition.
///
/// # Panics
/// Panics at the deadline.
pub async fn wait_until_consumed(world: &World, within: Duration) {
    wait_for(within, "the end of the topic as committed offset", async || {
        let (committed, ends) = (try_committed(world).await?, end_offsets(world).await?);
        let read = |(partition, end): (&i32, &i64)| *end == 0 || committed.get(partition) == Some(end);
        ends.iter().all(read).then_some(())
    })
    .await;
}

/// Waits until the group has committed the offsets that are the ends of the partitions now, while more is published.
///
/// # Panics
/// Panics at the deadline.
pub async fn wait_until_read_so_far(world: &World, within: Duration) {
    let ends = wait_for(within, "the ends of the partitions", async || end_offsets(world).await).await;
    wait_for(within, "the present end of the topic as committed offset", async || {
        let committed = try_committed(world).await?;
        let read =
            |(partition, end): (&i32, &i64)| *end == 0 || committed.get(partition).is_some_and(|next| next >= end);
        ends.iter().all(read).then_some(())
    })
    .await;
}

/// Describes the partitions whose end offset the group has not committed, or returns `None` if there are none.
pub async fn describe_lag(world: &World) -> Option<String> {
    describe_lag_of(world, &world.group(), world.topic()).await
}

/// Does the same as [`describe_lag`] for another group and another topic.
pub async fn describe_lag_of(world: &World, group: &str, topic: &str) -> Option<String> {
    let (committed, ends) = (try_committed_of(world, group, topic).await, end_offsets_of(world, group, topic).await);
    let Some((committed, ends)) = committed.zip(ends) else {
        return Some("the broker does not say how far the topic is read".to_owned());
    };
    let unread = |(partition, end): (&i32, &i64)| {
        let next = committed.get(partition).copied().unwrap_or(0);
        (next < *end).then(|| format!("partition {partition} is read to {next} of {end}"))
    };
    let unread: Vec<String> = ends.iter().filter_map(unread).collect();
    (!unread.is_empty()).then(|| unread.join(", "))
}

/// Returns the ids that the broker gave to the members of the group. A member that left and joined again has another
/// id. Only a real broker supports this.
pub async fn group_members(world: &World) -> Option<BTreeSet<String>> {
    let group = world.group();
    with_group_consumer(world, move |consumer, _| {
        let groups = consumer.fetch_group_list(Some(&group), CALL_DEADLINE).ok()?;
        let members = groups.groups().first()?.members().iter().map(|member| member.id().to_owned()).collect();
        Some(members)
    })
    .await
}

/// Returns whether the broker knows the topic, or `None` if the broker does not respond.
pub async fn topic_exists(world: &World) -> Option<bool> {
    with_group_consumer(world, |consumer, topic| {
        let metadata = consumer.fetch_metadata(None, CALL_DEADLINE).ok()?;
        Some(metadata.topics().iter().any(|known| known.name() == topic))
    })
    .await
}

/// Resets the group to the beginning of the topic. The group must have no members.
///
/// # Panics
/// Panics if the broker refuses it for 30 s.
pub async fn reset_to_beginning(world: &World) {
    wait_for(test_support::DEADLINE, "the group's offsets at the beginning", async || {
        with_group_consumer(world, |consumer, topic| {
            let mut list = TopicPartitionList::new();
            for partition in 0..DEFAULT_PARTITIONS {
                list.add_partition_offset(topic, partition, Offset::Offset(0)).ok()?;
            }
            consumer.commit(&list, CommitMode::Sync).ok()
        })
        .await
    })
    .await;
}

async fn try_committed(world: &World) -> Option<BTreeMap<i32, i64>> {
    try_committed_of(world, &world.group(), world.topic()).await
}

/// Does the same as [`committed`] for another group and another topic. Returns `None` if the broker does not respond.
pub async fn try_committed_of(world: &World, group: &str, topic: &str) -> Option<BTreeMap<i32, i64>> {
    with_consumer(world, group, topic, |consumer, topic| {
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, DEFAULT_PARTITIONS - 1);
        let committed = consumer.committed_offsets(list, CALL_DEADLINE).ok()?;
        let next = |element: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
            Offset::Offset(next) => Some((element.partition(), next)),
            _ => None,
        };
        Some(committed.elements().into_iter().filter_map(next).collect())
    })
    .await
}

async fn end_offsets(world: &World) -> Option<BTreeMap<i32, i64>> {
    end_offsets_of(world, &world.group(), world.topic()).await
}

async fn end_offsets_of(world: &World, group: &str, topic: &str) -> Option<BTreeMap<i32, i64>> {
    with_consumer(world, group, topic, |consumer, topic| {
        let end = |partition| Some((partition, consumer.fetch_watermarks(topic, partition, CALL_DEADLINE).ok()?.1));
        (0..DEFAULT_PARTITIONS).map(end).collect()
    })
    .await
}

/// Calls `work` with a consumer that has the group's id but is not a member.
async fn with_group_consumer<T: Send + 'static>(
    world: &World,
    work: impl FnOnce(&BaseConsumer, &str) -> Option<T> + Send + 'static,
) -> Option<T> {
    with_consumer(world, &world.group(), world.topic(), work).await
}

async fn with_consumer<T: Send + 'static>(
    world: &World,
    group: &str,
    topic: &str,
    work: impl FnOnce(&BaseConsumer, &str) -> Option<T> + Send + 'static,
) -> Option<T> {
    let (brokers, group, topic) = (world.brokers().to_owned(), group.to_owned(), topic.to_owned());
    let ask = move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("group.id", &group)
            .set("enable.auto.commit", "false")
            .set("allow.auto.create.topics", "false")
            .create()
            .expect("these settings are valid");
        work(&consumer, &topic)
    };
    tokio::task::spawn_blocking(ask).await.expect("the task does not panic")
}
