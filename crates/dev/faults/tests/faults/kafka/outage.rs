//! Fault 6. Kafka is down while people sign up: nobody waits for it, nothing is lost, and what waits takes
//! no memory.

use std::{
    collections::BTreeSet,
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use bson::doc;
use faults::{Run, judge};
use futures_util::future::join_all;
use serde_json::json;
use test_support::{DEADLINE, IsolatedKafka, Port, Service, Stack, TestUser, World, wait_for};
use tokio::task::JoinHandle;

use crate::setup::*;

/// With hashing, on a busy machine; producing to a broker that is away would take longer.
const WITHOUT_WAITING: Duration = Duration::from_secs(3);
const MEBIBYTE: u64 = 1024 * 1024;
/// What a process may grow by while so many sign up. Each waits in MongoDB, not here.
const GROWTH: u64 = 48 * MEBIBYTE;
const DURING_THE_OUTAGE: usize = 160;

async fn sign_up(run: &Run, service: &Service, names: &[String]) -> Vec<TestUser> {
    let mut people = Vec::new();
    for name in names {
        let person = run.world.test_user(name);
        let started = Instant::now();
        assert_status(&client(run, service).register(&person, None).await, 201);
        assert!(started.elapsed() < WITHOUT_WAITING, "a registration took {:?}", started.elapsed());
        people.push(person);
    }
    people
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

/// The resident memory of a process, in bytes.
fn resident(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}

/// Looks at a process until it is aborted or the process has ended; the most that it saw.
fn watch_memory(pid: u32) -> (JoinHandle<()>, tokio::sync::watch::Receiver<u64>) {
    let (most, seen) = tokio::sync::watch::channel(0);
    let looking = tokio::spawn(async move {
        loop {
            let now = resident(pid);
            most.send_if_modified(|most| {
                let more = now > *most;
                *most = now.max(*most);
                more
            });
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    (looking, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_06_sign_ups_while_kafka_is_down_have_every_event_and_every_mail_once_when_it_is_back() {
    let stack = Stack::from_env();
    let mut kafka = IsolatedKafka::start(&stack, "outage").await;
    let world = World::without_topic(&stack, "outage").on_brokers(kafka.brokers(), kafka.broker_kind());
    world.create_topic().await;
    let run = run_in(world).await;
    let (mut service, mut emails) = start(&run).await;
    let (mut first, ada) = (client(&run, &service), run.world.test_user("ada"));
    assert_status(&first.register(&ada, None).await, 201);
    let mut people = vec![ada];
    people.extend(sign_up(&run, &service, &names("before", 10)).await);
    until_nothing_is_pending(&run.world).await;
    wait_for(DEADLINE, "the first mails", async || (mails_to(&run, &people[1].email) >= 1).then_some(())).await;

    kafka.take_down().await;
    let (looking, most) = watch_memory(service.pid());
    let before = resident(service.pid());
    let all = names("during", DURING_THE_OUTAGE);
    let at_once = all.chunks(DURING_THE_OUTAGE / 4).map(|names| sign_up(&run, &service, names));
    people.extend(join_all(at_once).await.into_iter().flatten());
    assert_status(&first.login(&people[0]).await, 200);
    assert_status(&first.update_profile("Ada").await, 200);
    looking.abort();
    let grown = most.borrow().saturating_sub(before);
    println!("resident: {} MiB, and at most {} MiB more", before / MEBIBYTE, grown / MEBIBYTE);
    assert!(before > 0 && grown < GROWTH, "{before} bytes before, {grown} more");
    // The relay's process is another one when the broker comes back.
    service.kill().await;
    service.restart().await;
    people.extend(sign_up(&run, &service, &names("later", 2)).await);
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
    let history = judge(&run, HEALED).await;
    assert_eq!(history.mails.iter().filter(|mail| mail.state == "sent").count(), people.len());
    assert_eq!(history.mails.len(), people.len());
    for person in &people {
        assert_eq!(mails_to(&run, &person.email), 1, "mails to {}", person.email);
    }
    assert_eq!(repeated(&history), 0, "an event is in the topic twice");
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

/// Signs people up until told to stop, twenty a second; how many.
async fn keep_signing_up(run: &Run, service: &Service, prefix: &str, stop: &AtomicBool) -> usize {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for n in 0.. {
        ticks.tick().await;
        if stop.load(Ordering::Relaxed) {
            return n;
        }
        sign_up(run, service, &[format!("{prefix}{n}")]).await;
    }
    unreachable!("it is told to stop before")
}

/// What was being produced by both replicas at the moment when the broker went has an unknown outcome.
#[tokio::test(flavor = "multi_thread")]
async fn fault_06_two_replicas_publish_after_an_outage_what_waited_once() {
    const BEFORE: Duration = Duration::from_secs(1);
    const AWAY: Duration = Duration::from_secs(9);
    const IN_FLIGHT: usize = 2 * 5;
    let stack = Stack::from_env();
    let mut kafka = IsolatedKafka::start(&stack, "once").await;
    let world = World::without_topic(&stack, "once").on_brokers(kafka.brokers(), kafka.broker_kind());
    world.create_topic().await;
    let mut run = run_in(world).await;
    run.limits.no_email_service = true;
    // The sweep's own times: it is about those.
    let first = run.world.user_service().set("HASHING__MEMORY_KIB", "64").set("HASHING__ITERATIONS", "1");
    let second = first.replica();
    let (first, second) = tokio::join!(first.start(), second.start());
    sign_up(&run, &first, &names("a", 2)).await;
    sign_up(&run, &second, &names("b", 2)).await;
    until_nothing_is_pending(&run.world).await;

    let stop = AtomicBool::new(false);
    let outage = async {
        tokio::time::sleep(BEFORE).await;
        kafka.take_down().await;
        // The length of the fault, under load.
        tokio::time::sleep(AWAY).await;
        kafka.bring_up().await;
        stop.store(true, Ordering::Relaxed);
    };
    let (_, on_first, on_second) =
        tokio::join!(outage, keep_signing_up(&run, &first, "c", &stop), keep_signing_up(&run, &second, "d", &stop));
    let people = on_first + on_second + 4;
    let history = judge(&run, HEALED).await;
    let repeats = repeated(&history);
    println!("{people} events, {repeats} of them published again");
    assert_eq!(history.records.len() - repeats, people);
    assert!(people >= 100, "too little waited");
    assert!(repeats <= IN_FLIGHT, "{repeats} of {people} events are in the topic again");
}

#[tokio::test]
async fn fault_06_sign_ups_do_not_wait_for_a_kafka_that_was_never_there_and_their_events_come_after_it() {
    let run = run_without_mails("nokafka").await;
    let nobody = Port::free().expect("there is a free port");
    let nowhere = format!("127.0.0.1:{}", nobody.number());
    let mut service = brisk(run.world.user_service()).set("KAFKA__BROKERS", nowhere).start().await;
    let (status, readiness) = service.readiness().await.expect("it answers");
    assert_eq!(
        (status, &readiness["status"], &readiness["checks"]["kafka"]),
        (200, &json!("degraded"), &json!("degraded"))
    );
    let mut ids = BTreeSet::new();
    for n in 0..6 {
        let started = Instant::now();
        let (mut client, _) = member(&run, &service, &format!("p{n}")).await;
        ids.extend(client.user());
        assert_status(&client.update_profile("While it was away").await, 200);
        assert!(started.elapsed() < WITHOUT_WAITING, "{:?}", started.elapsed());
    }
    assert_eq!(with_pending(&run.world).await, 6);
    let asked = Instant::now();
    assert_eq!(service.terminate().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());

    service.restart_with(|spec| spec.set("KAFKA__BROKERS", run.world.brokers())).await;
    let history = judge(&run, HEALED).await;
    assert_eq!(history.users.iter().map(|user| user.id).collect::<BTreeSet<_>>(), ids);
    let types = ["user.registered.v1", "user.logged_in.v1", "user.profile_updated.v1"];
    assert!(ids.iter().all(|id| types_of(&history, *id) == types), "{history:#?}");
    assert_eq!(history.records.len(), 18, "each event once");
    wait_for(DEADLINE, "Kafka to be seen", async || (service.check("kafka").await == "ok").then_some(())).await;
    let audit = run.world.user_database().await.collection::<bson::Document>("audit");
    assert_eq!(audit.count_documents(doc! {}).await.expect("audit can be counted"), 18);
}
