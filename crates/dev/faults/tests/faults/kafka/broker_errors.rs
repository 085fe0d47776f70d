//! Fault 7. Possible broker responses to produce requests, from librdkafka's mock cluster: errors, delays, lost
//! acknowledgements, and the errors after which a producer cannot be used any more.

use std::time::Duration;

use faults::{Client, FaultRun, assert_promises_kept};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use test_support::{DEADLINE, IsolatedKafka, MockKafka, Service, Stack, TestUser, World, wait_for};

use crate::setup::*;

const CHANGES: usize = 4;

async fn run_on_mock(kafka: &IsolatedKafka, name: &str) -> FaultRun {
    let stack = Stack::from_env();
    let world = World::without_topic(&stack, name).on_brokers(kafka.brokers(), kafka.broker_kind());
    run_in_world(world).await
}

/// Registers an account, logs in and changes its profile [`CHANGES`] times, while the broker responds as
/// configured.
async fn run_account(run: &FaultRun, service: &Service, name: &str) -> (Client, TestUser) {
    let (mut client, person) = logged_in_client(run, service, name).await;
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
    let mut accounts = Vec::new();

    // Transient errors, which librdkafka retries.
    let passing = [
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
    ];
    answer_produce_with(mock, &passing).await;
    accounts.push(run_account(&run, &service, "passing").await);
    wait_until_nothing_is_pending(&run.world).await;

    // Errors that librdkafka does not retry and that affect the whole topic for a while. The sweep retries them.
    let before = failed().await;
    answer_produce_with(mock, &[RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; 3]).await;
    accounts.push(run_account(&run, &service, "refused").await);
    wait_until_nothing_is_pending(&run.world).await;
    assert!(failed().await >= before + 3.0, "nothing was refused");

    // An error in the middle of a list: while the first event is being published the others queue up behind it, then
    // the second one is refused once. The third one must not be published before it.
    let before = failed().await;
    mock.set_delay(Duration::from_secs(2)).await.expect("the mock runs");
    accounts.push(run_account(&run, &service, "gathered").await);
    answer_produce_with(mock, &[RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP]).await;
    mock.set_delay(Duration::ZERO).await.expect("the mock runs");
    wait_until_nothing_is_pending(&run.world).await;
    assert!(failed().await >= before + 1.0, "nothing was refused");

    // The connection is closed instead of a response, and the record is not stored.
    answer_produce_with(mock, &[RD_KAFKA_RESP_ERR__TRANSPORT; 2]).await;
    accounts.push(run_account(&run, &service, "cut").await);
    wait_until_nothing_is_pending(&run.world).await;

    mock.set_delay(Duration::from_millis(700)).await.expect("the mock runs");
    accounts.push(run_account(&run, &service, "delayed").await);
    // The record is stored and its acknowledgement lost, because the delayed response is pending when the connection
    // is closed.
    accounts.push(run_account(&run, &service, "unacknowledged").await);
    mock.broker_down().await.expect("the mock runs");
    mock.set_delay(Duration::ZERO).await.expect("the mock runs");
    accounts.push(run_account(&run, &service, "down").await);
    mock.broker_up().await.expect("the mock runs");
    wait_until_nothing_is_pending(&run.world).await;

    let history = assert_promises_kept(&run, RECOVERY_DEADLINE).await;
    for (client, person) in &accounts {
        let types = types_of(&history, client.user().expect("signed in"));
        assert_eq!(types.len(), 2 + CHANGES, "{}: {types:?}", person.username);
        assert_eq!(mails_to(&run, &person.email), 1, "{}", person.username);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_07_after_a_fatal_error_the_producer_is_created_again_and_nothing_is_lost() {
    use RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER as FATAL;
    let kafka = IsolatedKafka::start_embedded().await;
    let run = run_on_mock(&kafka, "fatal").await;
    let (service, _emails) = start(&run).await;
    let mut accounts = vec![run_account(&run, &service, "before").await];
    wait_until_nothing_is_pending(&run.world).await;
    for round in 1..=2 {
        answer_produce_with(kafka.mock(), &[FATAL]).await;
        // Several accounts have events in flight when the error occurs.
        let names = ["one", "two", "three"].map(|name| format!("{name}{round}"));
        let at_once = names.iter().map(|name| run_account(&run, &service, name));
        accounts.extend(futures_util::future::join_all(at_once).await);
        wait_for(DEADLINE, "another producer", async || {
            (service.log().matches("the Kafka producer had a fatal error and was made again").count() >= round)
                .then_some(())
        })
        .await;
        wait_until_nothing_is_pending(&run.world).await;
    }
    let history = assert_promises_kept(&run, RECOVERY_DEADLINE).await;
    for (client, person) in &accounts {
        assert_eq!(types_of(&history, client.user().expect("signed in")).len(), 2 + CHANGES);
        assert_eq!(mails_to(&run, &person.email), 1);
    }
}
