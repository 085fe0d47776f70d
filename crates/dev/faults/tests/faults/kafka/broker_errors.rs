//! Fault 7. What a broker may answer to produce, by librdkafka's mock cluster: refusals, delays, acks that
//! are lost, and the errors after which a producer is of no use any more.

use std::time::Duration;

use faults::{Client, Run, judge};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use test_support::{DEADLINE, IsolatedKafka, MockKafka, Service, Stack, TestUser, World, wait_for};

use crate::setup::*;

const CHANGES: usize = 4;

async fn run_on_mock(kafka: &IsolatedKafka, name: &str) -> Run {
    let stack = Stack::from_env();
    let world = World::without_topic(&stack, name).on_brokers(kafka.brokers(), kafka.broker_kind());
    world.create_topic().await;
    run_in(world).await
}

/// What one account does while the broker answers as it was told: so many events in a row.
async fn live(run: &Run, service: &Service, name: &str) -> (Client, TestUser) {
    let (mut client, person) = member(run, service, name).await;
    for change in 0..CHANGES {
        assert_status(&client.update_profile(&format!("Change {change}")).await, 200);
    }
    (client, person)
}

async fn answer_produce_with(mock: &MockKafka, errors: &[RDKafkaRespErr]) {
    mock.request_errors(RDKafkaApiKey::Produce, errors.to_vec()).await.expect("the mock runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_07_produce_that_is_refused_delayed_or_not_acknowledged_loses_and_reorders_nothing() {
    use RDKafkaRespErr::*;
    let kafka = IsolatedKafka::start_embedded().await;
    let mock = kafka.mock();
    let run = run_on_mock(&kafka, "refusals").await;
    let (service, _emails) = start(&run).await;
    let failed = async || service.metric("user_service_relay_publish_failed_total", "").await;
    let mut lives = Vec::new();

    // What passes by itself: librdkafka tries again.
    let passing = [
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    ];
    answer_produce_with(mock, &passing).await;
    lives.push(live(&run, &service, "passing").await);
    until_nothing_is_pending(&run.world).await;

    // What librdkafka gives up at once, and for a while for the whole topic: the sweep comes back to it.
    let before = failed().await;
    answer_produce_with(mock, &[RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 3]).await;
    lives.push(live(&run, &service, "refused").await);
    until_nothing_is_pending(&run.world).await;
    assert!(failed().await >= before + 3.0, "nothing was refused");

    // One event in the middle of a list: while the first is under way the others gather behind it, then the
    // second is refused, once. The third must not be published before it.
    let before = failed().await;
    mock.set_delay(Duration::from_secs(2)).await.expect("the mock runs");
    lives.push(live(&run, &service, "gathered").await);
    answer_produce_with(mock, &[RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP]).await;
    mock.set_delay(Duration::ZERO).await.expect("the mock runs");
    until_nothing_is_pending(&run.world).await;
    assert!(failed().await >= before + 1.0, "nothing was refused");

    // The connection is closed in place of an answer, and the record is not kept.
    answer_produce_with(mock, &[RD_KAFKA_RESP_ERR__TRANSPORT; 2]).await;
    lives.push(live(&run, &service, "cut").await);
    until_nothing_is_pending(&run.world).await;

    mock.set_delay(Duration::from_millis(700)).await.expect("the mock runs");
    lives.push(live(&run, &service, "delayed").await);
    // Kept, and the word about it is lost: the answer waits when the connection is closed.
    lives.push(live(&run, &service, "unacknowledged").await);
    mock.broker_down().await.expect("the mock runs");
    mock.set_delay(Duration::ZERO).await.expect("the mock runs");
    lives.push(live(&run, &service, "down").await);
    mock.broker_up().await.expect("the mock runs");
    until_nothing_is_pending(&run.world).await;

    let history = judge(&run, HEALED).await;
    for (client, person) in &lives {
        let types = types_of(&history, client.user().expect("signed in"));
        assert_eq!(types.len(), 2 + CHANGES, "{}: {types:?}", person.username);
        assert_eq!(mails_to(&run, &person.email), 1, "{}", person.username);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_07_after_a_fatal_producer_error_the_producer_is_made_again_and_nothing_is_lost() {
    use RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER as FATAL;
    let kafka = IsolatedKafka::start_embedded().await;
    let run = run_on_mock(&kafka, "fatal").await;
    let (service, _emails) = start(&run).await;
    let mut lives = vec![live(&run, &service, "before").await];
    until_nothing_is_pending(&run.world).await;
    for round in 1..=2 {
        answer_produce_with(kafka.mock(), &[FATAL]).await;
        // Several accounts have events under way when it happens.
        let names = ["one", "two", "three"].map(|name| format!("{name}{round}"));
        let at_once = names.iter().map(|name| live(&run, &service, name));
        lives.extend(futures_util::future::join_all(at_once).await);
        wait_for(DEADLINE, "another producer", async || {
            (service.log().matches("the Kafka producer had a fatal error and was made again").count() >= round)
                .then_some(())
        })
        .await;
        until_nothing_is_pending(&run.world).await;
    }
    let history = judge(&run, HEALED).await;
    for (client, person) in &lives {
        assert_eq!(types_of(&history, client.user().expect("signed in")).len(), 2 + CHANGES);
        assert_eq!(mails_to(&run, &person.email), 1);
    }
}
