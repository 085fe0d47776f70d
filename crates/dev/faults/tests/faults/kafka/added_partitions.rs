//! Fault 25. Partitions are added to the topic under load: no key moves, the relay stops and reports it, and
//! continues when the new number is configured.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bson::doc;
use e2e::offsets;
use events::topic::partition_of;
use faults::{Client, assert_promises_kept};
use test_support::{DEADLINE, World, add_partitions, report_skipped, wait_for};

use crate::setup::*;

const BEFORE: i32 = 12;
const AFTER: i32 = 24;

/// Registers users and changes their profiles until told to stop.
async fn register_until_stopped(mut client: Client, world: World, number: usize, stop: Arc<AtomicBool>) {
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let person = world.test_user(&format!("c{number}n{n}"));
        assert_status(&client.register(&person, None).await, 201);
        assert_status(&client.login(&person).await, 200);
        assert_status(&client.update_profile("Busy").await, 200);
        // The pause limits the backlog, because everything written while the relay is stopped is published later.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_25_partitions_added_under_load_stop_the_relay_visibly_and_move_no_key() {
    let mut run = run("partitions").await;
    if run.world.stack().is_embedded() {
        report_skipped("fault_25", "the embedded broker cannot add partitions");
        return;
    }
    let (mut service, emails) = start(&run).await;
    let stop = Arc::new(AtomicBool::new(false));
    let load =
        |n| tokio::spawn(register_until_stopped(client(&run, &service), run.world.clone(), n, Arc::clone(&stop)));
    let clients: Vec<_> = (0..2).map(load).collect();
    run.world.topic_reader().read_type("user.profile_updated.v1", 6).await;

    add_partitions(run.world.brokers(), run.world.topic(), AFTER.unsigned_abs() as usize).await;
    wait_for(DEADLINE, "the status of the partitions", async || {
        (service.check("kafka").await == "degraded").then_some(())
    })
    .await;
    let (status, readiness) = service.readiness().await.expect("it answers");
    assert_eq!((status, readiness["status"].as_str()), (200, Some("degraded")), "the service still serves requests");
    assert!(service.log().contains("another number of partitions"));
    // Events that are being published still arrive; then publishing stops, while registrations continue.
    let users = users(&run.world).await;
    let waiting = async |at_least: u64| {
        wait_for(DEADLINE, "accounts with pending events", async || {
            let waiting = doc! { "pendingEvents.2": { "$exists": true } };
            (users.count_documents(waiting).await.expect("users can be counted") >= at_least).then_some(())
        })
        .await;
    };
    waiting(3).await;
    let published_before = run.world.topic_reader().read_all().await.len();
    waiting(10).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("every request is answered as expected");
    }
    let mut reader = run.world.topic_reader();
    let read = reader.read_all().await;
    assert_eq!(read.len(), published_before, "an event was published");
    for record in read {
        assert_eq!(record.partition, partition_of(record.key_text().as_bytes(), BEFORE), "a key has moved");
    }
    // A restarted process, which has only seen the new number, does not publish either.
    assert_eq!(service.terminate().await.code(), Some(0));
    service.restart().await;
    wait_for(DEADLINE, "the status of the partitions", async || {
        (service.log().matches("another number of partitions").count() >= 2).then_some(())
    })
    .await;
    assert_eq!(run.world.topic_reader().read_all().await.len(), published_before, "an event was published");

    // The remedy: consumers read everything that was published, then the relay is configured with the new number.
    offsets::wait_until_consumed(&run.world, RECOVERY_DEADLINE).await;
    assert_eq!(service.terminate().await.code(), Some(0));
    // Both topics have the same number. A state is in the new partition of its user from the next change on.
    let states = run.world.state_topic().expect("the run has a topic of states");
    add_partitions(run.world.brokers(), states, AFTER.unsigned_abs() as usize).await;
    service.restart_with(|spec| spec.set("KAFKA__PARTITIONS", AFTER.to_string())).await;
    run.limits.partitions = vec![BEFORE, AFTER];
    wait_for(DEADLINE, "Kafka to be ok", async || (service.check("kafka").await == "ok").then_some(())).await;
    wait_until_nothing_is_pending(&run.world).await;
    let all = users.count_documents(doc! {}).await.expect("users can be counted");
    wait_for(RECOVERY_DEADLINE, "a mail for every user", async || {
        (run.smtp.deliveries().len() as u64 >= all).then_some(())
    })
    .await;
    let history = assert_promises_kept(&run, RECOVERY_DEADLINE).await;
    assert_eq!(history.mails.len() as u64, all);
    let moved = history.records.iter().filter(|record| record.partition >= BEFORE).count();
    assert!(moved > 0, "the new partitions are not used");
    drop(emails);
}
