//! Administration of topics: creates and deletes topics, and adds partitions.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::RDKafkaErrorCode,
};

use crate::stack::BrokerKind;

const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// The number of replicas that stands for the broker's default.
const BROKER_DEFAULT: i32 = -1;

/// Creates a topic. An existing topic is left as it is.
///
/// # Panics
/// Panics if the topic cannot be created.
pub async fn create_topic(brokers: &str, kind: &BrokerKind, topic: &str, partitions: i32) {
    try_create_topic(brokers, kind, topic, partitions).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn try_create_topic(brokers: &str, kind: &BrokerKind, topic: &str, partitions: i32) -> Result<()> {
    if let BrokerKind::Embedded { control } = kind {
        let url = format!("{control}/topics/{topic}?partitions={partitions}");
        let client = reqwest::Client::builder().no_proxy().timeout(CALL_DEADLINE).build()?;
        client.put(url).send().await?.error_for_status().context("the embedded broker's control endpoint")?;
        return Ok(());
    }
    try_create_real_topic(brokers, topic, partitions, &[]).await
}

/// Creates a topic with these settings on a real broker.
///
/// # Panics
/// Panics if the topic cannot be created.
pub async fn create_topic_with_settings(brokers: &str, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
    let created = try_create_real_topic(brokers, topic, partitions, settings).await;
    created.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn try_create_real_topic(brokers: &str, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(BROKER_DEFAULT));
    let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
    let options = AdminOptions::new().operation_timeout(Some(CALL_DEADLINE)).request_timeout(Some(CALL_DEADLINE));
    for result in admin.create_topics([&new], &options).await? {
        match result {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => bail!("topic {name} cannot be created: {code}"),
        }
    }
    Ok(())
}

/// Deletes a topic with its records. The embedded broker does not support this.
///
/// # Panics
/// Panics if the broker refuses it.
pub async fn delete_topic(brokers: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("these settings are valid");
    let options = AdminOptions::new().operation_timeout(Some(CALL_DEADLINE)).request_timeout(Some(CALL_DEADLINE));
    let deleted = admin.delete_topics(&[topic], &options).await.expect("the broker answers");
    assert!(deleted.iter().all(Result::is_ok), "{topic} was not deleted: {deleted:?}");
}

/// Adds partitions until the topic has `count`. The embedded broker does not support this.
///
/// # Panics
/// Panics if the broker refuses it.
pub async fn add_partitions(brokers: &str, topic: &str, count: usize) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("these settings are valid");
    let options = AdminOptions::new().operation_timeout(Some(CALL_DEADLINE)).request_timeout(Some(CALL_DEADLINE));
    let results = admin.create_partitions([&NewPartitions::new(topic, count)], &options).await;
    for result in results.expect("the broker answers") {
        result.unwrap_or_else(|(topic, code)| panic!("{topic} cannot have {count} partitions: {code}"));
    }
}
