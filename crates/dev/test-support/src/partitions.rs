//! More partitions for a topic, as an operator adds them.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewPartitions},
    client::DefaultClientContext,
};

const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// Adds partitions until the topic has `count`. Only a real broker can do that.
///
/// # Panics
/// When the broker refuses it.
pub async fn add_partitions(brokers: &str, topic: &str, count: usize) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("these settings are valid");
    let options = AdminOptions::new().operation_timeout(Some(CALL_DEADLINE)).request_timeout(Some(CALL_DEADLINE));
    let results = admin.create_partitions([&NewPartitions::new(topic, count)], &options).await;
    for result in results.expect("the broker answers") {
        result.unwrap_or_else(|(topic, code)| panic!("{topic} cannot have {count} partitions: {code}"));
    }
}
