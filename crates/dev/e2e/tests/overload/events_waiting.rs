//! Far more events than can be mailed: they wait in the topic or in the ledger, not in memory.

use std::time::Duration;

use bson::doc;
use e2e::event_publisher::EventPublisher;
use events::topic::{DEFAULT_PARTITIONS, partition_of};
use futures_util::{StreamExt, stream};
use rdkafka::{
    ClientConfig,
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use test_support::{DEADLINE, ProxyMode, Service, Stack, World, count, wait_for, wait_for_count};

use crate::process::{Usage, number_from_env, run_exclusively};

/// The maximum growth of the memory: what librdkafka fetches ahead (16 MiB and a message for each partition), two
/// batches of 8 MiB, and what the allocator keeps of them.
const MAX_GROWTH_KIB: u64 = 128 * 1024;

/// Publishes `count` registrations, each of which causes a mail.
async fn publish(publisher: &EventPublisher, world: &World, from: u64, count: u64) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", world.brokers())
        .set("linger.ms", "5")
        .create()
        .expect("the producer is created");
    let send = async |number: u64| {
        let event = publisher.welcome(&world.address(&format!("w{number}")));
        let (key, value) = (event.envelope.key(), event.payload.to_json());
        let partition = partition_of(key.as_bytes(), DEFAULT_PARTITIONS);
        let headers = event.envelope.headers().into_iter().fold(OwnedHeaders::new(), |headers, (name, value)| {
            headers.insert(Header { key: name, value: Some(value.as_bytes()) })
        });
        let record = FutureRecord::to(world.topic()).partition(partition).key(&key).payload(&value).headers(headers);
        producer.send(record, DEADLINE).await.expect("the broker accepts the record");
    };
    stream::iter(from..from + count).for_each_concurrent(500, send).await;
}

/// Returns the maximum resident memory of the service until `done` is true.
async fn max_resident_kib(service: &Service, what: &str, within: Duration, mut done: impl AsyncFnMut() -> bool) -> u64 {
    let mut most = 0;
    wait_for(within, what, async || {
        most = most.max(Usage::of(service.pid()).resident_kib);
        done().await.then_some(())
    })
    .await;
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_cannot_be_mailed_wait_outside_the_process() {
    let _alone = run_exclusively().await;
    let stack = Stack::from_env();
    // The embedded broker keeps only 5 MiB of a partition.
    let events = if stack.is_embedded() { 2_000 } else { number_from_env("OVERLOAD_EVENTS", 6_000) };
    let (mongodb, uri) = stack.mongodb_proxy().await;
    // Nothing listens there.
    let world = World::new(&stack, "waiting").await.on_smtp("smtp://127.0.0.1:9");
    let ledger = world.email_collection("mailJobs").await;
    let publisher = EventPublisher::new(&world);
    let service = world.clone().on_mongodb(uri).email_service().start().await;
    publish(&publisher, &world, 0, 100).await;
    wait_for_count(&ledger, doc! {}, 100).await;
    let before = Usage::of(service.pid());

    mongodb.set_mode(ProxyMode::Refuse);
    publish(&publisher, &world, 100, events).await;
    // The service has started to read and then paused.
    let during_outage = max_resident_kib(&service, "reading to pause", DEADLINE, async || {
        service.log().contains("reading pauses") && service.check("mongodb").await == "down"
    })
    .await;
    println!("{events} events wait in the topic: {during_outage} KiB of {} before", before.resident_kib);
    assert!(during_outage < before.resident_kib + MAX_GROWTH_KIB, "{during_outage} KiB, {before:?}");

    mongodb.set_mode(ProxyMode::Pass);
    let within = Duration::from_secs(60) + Duration::from_millis(10 * events);
    let after_outage =
        max_resident_kib(&service, "all rows", within, async || count(&ledger, doc! {}).await == 100 + events).await;
    println!("{events} mails wait in the ledger: {after_outage} KiB");
    assert!(after_outage < before.resident_kib + MAX_GROWTH_KIB, "{after_outage} KiB, {before:?}");
    let after = Usage::of(service.pid());
    assert!(
        after.threads <= before.threads + 8 && after.descriptors <= before.descriptors + 40,
        "{before:?}, {after:?}"
    );
}
