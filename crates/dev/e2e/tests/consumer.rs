//! The Kafka consumer of the email service: its lag is visible, an unusable client is replaced, and the services can
//! start in any order.

use std::time::{Duration, Instant};

use e2e::{event_publisher::EventPublisher, ledger::Ledger, mail_scene::MailScene};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
};
use test_support::{Api, DEADLINE, ProxyMode, ScriptedSmtp, Service, Stack, TestUser, World, report_skipped, wait_for};

async fn read_lag(service: &Service) -> (f64, f64) {
    (service.metric("email_consumer_lag_records", "").await, service.metric("email_consumer_lag_seconds", "").await)
}

/// Waits until `holds` is true for the lag, and returns the lag.
async fn wait_for_lag(service: &Service, what: &str, holds: impl Fn(f64, f64) -> bool) -> (f64, f64) {
    wait_for(DEADLINE, what, async || {
        let (records, seconds) = read_lag(service).await;
        holds(records, seconds).then_some((records, seconds))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_rises_while_mongodb_is_down_and_falls_to_zero_when_everything_is_read() {
    let stack = Stack::from_env();
    let (proxy, uri) = stack.mongodb_proxy().await;
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(&stack, "lag").await.on_mongodb(uri).on_smtp(smtp.url());
    let publisher = EventPublisher::new(&world);
    let spec = world.email_service().set("MONGODB__OPERATION_TIMEOUT", "1s").set("INGEST__MAX_POLL_INTERVAL", "6s");
    let mut service = spec.start().await;
    let address = |name: &str| world.address(name);
    publisher.publish_to(0, &publisher.notice(&address("before"))).await;
    smtp.wait_for_deliveries_to(&address("before"), 1).await;
    wait_for_lag(&service, "no lag", |records, seconds| records == 0.0 && seconds == 0.0).await;

    // The oldest record is fetched but cannot be stored, so its age is known and rises.
    proxy.set_mode(ProxyMode::Refuse);
    for n in 0..3 {
        publisher.publish_to(n, &publisher.notice(&address(&format!("during{n}")))).await;
    }
    let published = publisher.now();
    let (_, first) = wait_for_lag(&service, "lag", |records, seconds| records >= 3.0 && seconds > 0.0).await;
    // The consumer keeps its partitions for longer than a client may go without polling.
    let (records, second) = wait_for_lag(&service, "more lag", |_, seconds| seconds >= first + 6.5).await;
    let age = publisher.now().duration_since(published).as_secs_f64();
    assert!(records == 3.0 && (second - age).abs() < 3.0, "{records} records, {second} s; published {age} s ago");
    assert_eq!(service.metric("email_consumer_errors_total", "kind=\"poll_exceeded\"").await, 0.0);

    // A service that starts now also knows the lag, from the records that it fetched before it paused.
    service.kill().await;
    let mut service = service.spec().clone().start_until_live().await;
    wait_for_lag(&service, "lag after a start", |records, seconds| records >= 1.0 && seconds > second).await;

    proxy.set_mode(ProxyMode::Pass);
    service.wait_until_ready().await;
    for n in 0..3 {
        smtp.wait_for_deliveries_to(&address(&format!("during{n}")), 1).await;
    }
    wait_for_lag(&service, "no lag again", |records, seconds| records == 0.0 && seconds == 0.0).await;
    assert_eq!(smtp.deliveries().len(), 4);
}

/// Returns a member of the world's group with this static id. The broker fences the previous member with that id,
/// which is a fatal error for its client.
fn second_static_member(world: &World, id: &str) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", world.brokers())
        .set("group.id", world.group())
        .set("group.instance.id", id)
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "false")
        .create()
        .expect("these settings are valid");
    consumer.subscribe(&[world.topic()]).expect("the topic name is valid");
    consumer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_client_with_a_fatal_error_is_replaced_and_reading_continues() {
    const TEST: &str = "a_kafka_client_with_a_fatal_error_is_replaced_and_reading_continues";
    let stack = Stack::from_env();
    if stack.is_embedded() {
        return report_skipped(TEST, "the embedded broker fences no static members");
    }
    let MailScene { world, smtp, publisher, ledger } = MailScene::on(&stack, "fatal").await;
    let spec = world.email_service().set("KAFKA__PROPERTIES__GROUP_INSTANCE_ID", "one");
    let service = spec.set("INGEST__MAX_POLL_INTERVAL", "6s").start().await;
    publisher.publish(&publisher.notice(&world.address("before"))).await;
    ledger.wait_for_state(&world.address("before"), "sent", DEADLINE).await;

    let second_member = second_static_member(&world, "one");
    let fatal = wait_for(DEADLINE, "a fatal error", async || {
        let _ = tokio::task::block_in_place(|| second_member.poll(Duration::from_millis(100)));
        let fatal = service.metric("email_consumer_errors_total", "kind=\"fatal\"").await;
        (fatal > 0.0).then_some(fatal)
    })
    .await;
    // Dropping it does not leave the group, because the broker expects a static member to come back.
    drop(second_member);
    publisher.publish(&publisher.notice(&world.address("after"))).await;
    ledger.wait_for_state(&world.address("after"), "sent", DEADLINE).await;
    assert!(fatal >= 1.0 && smtp.deliveries().len() == 2);
}

/// This includes hashing on a busy machine; waiting for an unreachable broker would take longer.
const WITHOUT_WAITING: Duration = Duration::from_secs(3);

async fn register_all(api: &Api, world: &World, names: &[&str]) -> Vec<TestUser> {
    let mut people = Vec::new();
    for name in names {
        let user = world.test_user(name);
        let started = Instant::now();
        let _ = api.register(&user).await.expect(201);
        assert!(started.elapsed() < WITHOUT_WAITING, "a registration took {:?}", started.elapsed());
        people.push(user);
    }
    people
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_service_that_starts_before_the_topic_exists_sends_within_fifteen_seconds() {
    let stack = Stack::from_env();
    let world = World::without_topic(&stack, "topic-later");
    let _emails = world.email_service().start().await;
    let users = world.user_service().start().await;
    if stack.is_embedded() {
        // Only with a real broker can the user service create the topic.
        world.create_topic().await;
    }
    let user = world.test_user("early");
    let _ = users.api().register(&user).await.expect(201);
    let mails = world.mailbox(&user.email).wait_for_mails_within(Duration::from_secs(15), 1).await;
    assert_eq!(mails.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_service_that_starts_later_sends_the_mails_of_earlier_events() {
    let world = World::new(&Stack::from_env(), "emails-later").await;
    let users = world.user_service().start().await;
    let people = register_all(&users.api(), &world, &["one", "two", "three"]).await;
    world.topic_reader().read_type("user.registered.v1", 3).await;
    let _emails = world.email_service().start().await;
    for user in &people {
        world.mailbox(&user.email).wait_for_mails(1).await;
    }
    let mails = Ledger::for_world(&world).await.wait_until_all_terminal(DEADLINE).await;
    assert_eq!(mails.iter().filter(|mail| mail.state == "sent").count(), 3);
    for user in &people {
        assert_eq!(world.mailbox(&user.email).mails().await.len(), 1);
    }
}
