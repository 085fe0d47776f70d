//! Fault 6. Kafka is down during registrations: no request waits for it, nothing is lost, and pending events take
//! no memory.

use std::{
    collections::BTreeSet,
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use bson::doc;
use faults::{FaultRun, assert_promises_kept};
use futures_util::future::join_all;
use serde_json::json;
use test_support::{DEADLINE, IsolatedKafka, Port, Service, Stack, TestUser, World, wait_for};
use tokio::task::JoinHandle;

use crate::setup::*;

/// The maximum duration of a registration, including hashing on a busy machine. Producing to an unavailable
/// broker would take longer.
const MAX_REGISTRATION_TIME: Duration = Duration::from_secs(3);
const MEBIBYTE: u64 = 1024 * 1024;
/// The maximum growth of a process during the registrations. Their events wait in MongoDB, not in memory.
const MAX_MEMORY_GROWTH: u64 = 48 * MEBIBYTE;
const REGISTRATIONS_DURING_OUTAGE: usize = 160;

async fn register_users(run: &FaultRun, service: &Service, names: &[String]) -> Vec<TestUser> {
    let mut people = Vec::new();
    for name in names {
        let person = run.world.test_user(name);
        let started = Instant::now();
        assert_status(&client(run, service).register(&person, None).await, 201);
        assert!(started.elapsed() < MAX_REGISTRATION_TIME, "a registration took {:?}", started.elapsed());
        people.push(person);
    }
    people
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

/// Returns the resident memory of a process, in bytes.
fn resident_memory(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Watches the resident memory of a process until the task is aborted. The receiver holds the peak.
fn watch_memory(pid: u32) -> (JoinHandle<()>, tokio::sync::watch::Receiver<u64>) {
    let (peak, seen) = tokio::sync::watch::channel(0);
    let watcher = tokio::spawn(async move {
        loop {
            let now = resident_memory(pid);
            peak.send_if_modified(|peak| {
                let more = now > *peak;
                *peak = now.max(*peak);
                more
            });
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    (watcher, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_06_registrations_while_kafka_is_down_cause_every_event_and_every_mail_once_when_it_is_back() {
    let stack = Stack::from_env();
    let mut kafka = IsolatedKafka::start(&stack, "outage").await;
    let world = World::without_topic(&stack, "outage").on_brokers(kafka.brokers(), kafka.broker_kind());
    let run = run_in_world(world).await;
    let (mut service, mut emails) = start(&run).await;
    let (mut first, ada) = (client(&run, &service), run.world.test_user("ada"));
    assert_status(&first.register(&ada, None).await, 201);
    let mut people = vec![ada];
    people.extend(register_users(&run, &service, &names("before", 10)).await);
    wait_until_nothing_is_pending(&run.world).await;
    wait_for(DEADLINE, "the first mails", async || (mails_to(&run, &people[1].email) >= 1).then_some(())).await;

    kafka.take_down().await;
    let (watcher, peak) = watch_memory(service.pid());
    let before = resident_memory(service.pid());
    let all = names("during", REGISTRATIONS_DURING_OUTAGE);
    let at_once = all.chunks(REGISTRATIONS_DURING_OUTAGE / 4).map(|names| register_users(&run, &service, names));
    people.extend(join_all(at_once).await.into_iter().flatten());
    assert_status(&first.login(&people[0]).await, 200);
    assert_status(&first.update_profile("Ada").await, 200);
    watcher.abort();
    let grown = peak.borrow().saturating_sub(before);
    println!("resident: {} MiB, and at most {} MiB more", before / MEBIBYTE, grown / MEBIBYTE);
    assert!(before > 0 && grown < MAX_MEMORY_GROWTH, "{before} bytes before, {grown} more");
    // A new relay process publishes the events when the broker comes back.
    service.kill().await;
    service.restart().await;
    people.extend(register_users(&run, &service, &names("later", 2)).await);
    wait_for(DEADLINE, "a degraded user service", async || {
        let (status, body) = service.readiness().await?;
        (status == 200 && body["status"] == "degraded" && body["checks"]["kafka"] == "degraded").then_some(())
    })
    .await;
    wait_for(DEADLINE, "an unavailable email service", async || {
        let (status, body) = emails.readiness().await?;
        (status == 503 && body["checks"]["kafka"] == "down").then_some(())
    })
    .await;

    kafka.bring_up().await;
    let history = assert_promises_kept(&run, RECOVERY_DEADLINE).await;
    assert_eq!(history.mails.iter().filter(|mail| mail.state == "sent").count(), people.len());
    assert_eq!(history.mails.len(), people.len());
    for person in &people {
        assert_eq!(mails_to(&run, &person.email), 1, "mails to {}", person.email);
    }
    assert_eq!(count_repeats(&history), 0, "an event is in the topic twice");
    assert_eq!(history.records.len(), people.len() + 2);
    let types = ["user.registered.v1", "user.logged_in.v1", "user.profile_updated.v1"];
    assert_eq!(types_of(&history, first.user().expect("she is signed in")), types);
    for service in [&mut service, &mut emails] {
        wait_for(DEADLINE, "both services ready again", async || {
            (service.readiness().await?.1["status"] == "ready").then_some(())
        })
        .await;
    }
}

/// Registers 20 users a second until told to stop. Returns their number.
async fn register_until_stopped(run: &FaultRun, service: &Service, prefix: &str, stop: &AtomicBool) -> usize {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for n in 0.. {
        ticks.tick().await;
        if stop.load(Ordering::Relaxed) {
            return n;
        }
        register_users(run, service, &[format!("{prefix}{n}")]).await;
    }
    unreachable!("the loop ends when told to stop")
}

/// Events in flight in both replicas when the broker stops have an unknown outcome.
#[tokio::test(flavor = "multi_thread")]
async fn fault_06_two_replicas_publish_the_pending_events_once_after_an_outage() {
    const BEFORE: Duration = Duration::from_secs(1);
    const OUTAGE: Duration = Duration::from_secs(9);
    const IN_FLIGHT: usize = 2 * 5;
    let stack = Stack::from_env();
    let mut kafka = IsolatedKafka::start(&stack, "once").await;
    let world = World::without_topic(&stack, "once").on_brokers(kafka.brokers(), kafka.broker_kind());
    let mut run = run_in_world(world).await;
    run.limits.no_email_service = true;
    // The default sweep intervals are kept, because they are under test.
    let first = run.world.user_service().set("HASHING__MEMORY_KIB", "64").set("HASHING__ITERATIONS", "1");
    let second = first.replica();
    let (first, second) = tokio::join!(first.start(), second.start());
    register_users(&run, &first, &names("a", 2)).await;
    register_users(&run, &second, &names("b", 2)).await;
    wait_until_nothing_is_pending(&run.world).await;

    let stop = AtomicBool::new(false);
    let outage = async {
        tokio::time::sleep(BEFORE).await;
        kafka.take_down().await;
        // The outage lasts this long, under load.
        tokio::time::sleep(OUTAGE).await;
        kafka.bring_up().await;
        stop.store(true, Ordering::Relaxed);
    };
    let (_, on_first, on_second) = tokio::join!(
        outage,
        register_until_stopped(&run, &first, "c", &stop),
        register_until_stopped(&run, &second, "d", &stop)
    );
    let people = on_first + on_second + 4;
    let history = assert_promises_kept(&run, RECOVERY_DEADLINE).await;
    let repeats = count_repeats(&history);
    println!("{people} events, {repeats} of them published again");
    assert_eq!(history.records.len() - repeats, people);
    assert!(people >= 100, "too few events were pending");
    assert!(repeats <= IN_FLIGHT, "{repeats} of {people} events are in the topic again");
}

#[tokio::test]
async fn fault_06_registrations_do_not_wait_for_a_kafka_that_was_never_up_and_their_events_are_published_later() {
    let run = run_without_mails("nokafka").await;
    let closed_port = Port::free().expect("there is a free port");
    let unused_address = format!("127.0.0.1:{}", closed_port.number());
    let mut service =
        with_short_intervals(run.world.user_service()).set("KAFKA__BROKERS", unused_address).start().await;
    let (status, readiness) = service.readiness().await.expect("it answers");
    assert_eq!(
        (status, &readiness["status"], &readiness["checks"]["kafka"]),
        (200, &json!("degraded"), &json!("degraded"))
    );
    let mut ids = BTreeSet::new();
    for n in 0..6 {
        let started = Instant::now();
        let (mut client, _) = logged_in_client(&run, &service, &format!("p{n}")).await;
        ids.extend(client.user());
        assert_status(&client.update_profile("While it was away").await, 200);
        assert!(started.elapsed() < MAX_REGISTRATION_TIME, "{:?}", started.elapsed());
    }
    assert_eq!(count_users_with_pending(&run.world).await, 6);
    let asked = Instant::now();
    assert_eq!(service.terminate().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());

    service.restart_with(|spec| spec.set("KAFKA__BROKERS", run.world.brokers())).await;
    let history = assert_promises_kept(&run, RECOVERY_DEADLINE).await;
    assert_eq!(history.users.iter().map(|user| user.id).collect::<BTreeSet<_>>(), ids);
    let types = ["user.registered.v1", "user.logged_in.v1", "user.profile_updated.v1"];
    assert!(ids.iter().all(|id| types_of(&history, *id) == types), "{history:#?}");
    assert_eq!(history.records.len(), 18, "each event was published once");
    wait_for(DEADLINE, "Kafka to be reachable", async || (service.check("kafka").await == "ok").then_some(())).await;
    let audit = run.world.user_database().await.collection::<bson::Document>("audit");
    assert_eq!(audit.count_documents(doc! {}).await.expect("audit can be counted"), 18);
}
