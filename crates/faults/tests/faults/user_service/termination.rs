//! Fault 20. SIGTERM under load, also while Kafka or MongoDB is away: both services end within their grace,
//! and nothing is lost.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bson::doc;
use faults::{Client, Run, judge};
use test_support::{DEADLINE, PrivateKafka, PrivateMongod, Service, Stack, World, eventually};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::setup::*;

const CLIENTS: usize = 8;
const GRACE: Duration = Duration::from_secs(5);
/// From the end of the grace to the end of the process, on a busy machine.
const TO_EXIT: Duration = Duration::from_secs(1);

/// Registers and changes people until told to stop; returns the last version that each was told. A service
/// that is gone, or says that it cannot, is asked again.
fn load(run: &Run, service: &Service, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<BTreeMap<Uuid, u64>>> {
    (0..CLIENTS)
        .map(|n| {
            let (client, world, stop) = (client(run, service), run.world.clone(), Arc::clone(stop));
            tokio::spawn(busy(client, world, n, stop))
        })
        .collect()
}

async fn busy(mut client: Client, world: World, number: usize, stop: Arc<AtomicBool>) -> BTreeMap<Uuid, u64> {
    let mut told = BTreeMap::new();
    let mut note = |client: &Client, outcome: &checker::Outcome| {
        let answer = answer(outcome).filter(|answer| answer.status < 300);
        if let (Some(user), Some(version)) = (client.user(), answer.and_then(|answer| answer.version)) {
            told.insert(user, version);
        }
    };
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let person = world.person(&format!("c{number}n{n}"));
        let registered = client.register(&person, Some(&person.username)).await;
        if status(&registered) != Some(201) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        }
        note(&client, &registered);
        if status(&client.login(&person).await) == Some(200) {
            let patched = client.update_profile("Busy").await;
            note(&client, &patched);
        }
    }
    told
}

async fn until_some_load(run: &Run, accounts: u64) {
    let users = users(&run.world).await;
    eventually(DEADLINE, "some load", async || {
        (users.count_documents(doc! {}).await.expect("users can be counted") >= accounts).then_some(())
    })
    .await;
}

/// SIGTERM, and the end of the process in time.
async fn terminate(service: &mut Service, grace: Duration) {
    let asked = Instant::now();
    let ended = service.terminate().await;
    let took = asked.elapsed();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(took < grace + TO_EXIT, "it took {took:?} of a grace of {grace:?}");
}

/// Stops the clients, and says what they were told.
async fn stopped(clients: Vec<JoinHandle<BTreeMap<Uuid, u64>>>, stop: &AtomicBool) -> BTreeMap<Uuid, u64> {
    stop.store(true, Ordering::Relaxed);
    let mut told = BTreeMap::new();
    for client in clients {
        told.extend(client.await.expect("a client does not panic"));
    }
    told
}

/// What every client was told is in the topic.
async fn judge_and_find(run: &Run, told: &BTreeMap<Uuid, u64>) {
    let history = judge(run, HEALED).await;
    assert!(told.len() >= CLIENTS, "too little happened");
    let mut reader = run.world.topic_reader();
    let read = reader.read_all().await;
    for (id, version) in told {
        let ours = read.iter().filter(|record| record.key_text() == id.to_string());
        let published = ours.map(test_support::Record::sequence).max().unwrap_or(0);
        assert!(published >= *version, "{id} was told version {version}, the topic ends at {published}");
    }
    println!("{} accounts, {} records, {} repeated", told.len(), history.records.len(), repeated(&history));
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_20_sigterm_under_load_ends_in_time_and_loses_nothing() {
    let run = run("sigterm").await;
    let (mut service, mut emails) = start(&run).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = load(&run, &service, &stop);
    until_some_load(&run, 40).await;
    let grace = Duration::from_secs(20);
    tokio::join!(terminate(&mut service, grace), terminate(&mut emails, grace));
    let told = stopped(clients, &stop).await;
    tokio::join!(service.restart(), emails.restart());
    judge_and_find(&run, &told).await;
}

async fn start_with_grace(run: &Run) -> (Service, Service) {
    let grace = format!("{}s", GRACE.as_secs());
    let users = brisk(run.world.user_service()).set("SHUTDOWN__GRACE", &grace);
    let emails = impatient(run.world.email_service()).set("SHUTDOWN__GRACE", &grace);
    tokio::join!(users.start(), emails.start())
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_20_sigterm_under_load_while_kafka_is_down_ends_within_the_grace_and_loses_nothing() {
    let stack = Stack::from_env();
    let mut kafka = PrivateKafka::start_embedded().await;
    let world = World::without_topic(&stack, "termkafka").on_brokers(kafka.brokers(), kafka.kind());
    world.create_topic().await;
    let run = run_in(world).await;
    let (mut service, mut emails) = start_with_grace(&run).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = load(&run, &service, &stop);
    until_some_load(&run, 40).await;
    kafka.down().await;
    until_some_load(&run, 80).await;
    tokio::join!(terminate(&mut service, GRACE), terminate(&mut emails, GRACE));
    let told = stopped(clients, &stop).await;
    kafka.up().await;
    tokio::join!(service.restart(), emails.restart());
    judge_and_find(&run, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_20_sigterm_under_load_while_mongodb_hangs_ends_within_the_grace_and_loses_nothing() {
    let stack = Stack::from_env();
    let mut mongod = PrivateMongod::start(&stack, "termmongo").await;
    let run = run_in(World::new(&stack, "termmongo").await.on_mongodb(mongod.uri())).await;
    let (mut service, mut emails) = start_with_grace(&run).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = load(&run, &service, &stop);
    until_some_load(&run, 40).await;
    mongod.pause();
    tokio::join!(terminate(&mut service, GRACE), terminate(&mut emails, GRACE));
    let told = stopped(clients, &stop).await;
    mongod.resume();
    tokio::join!(service.restart(), emails.restart());
    judge_and_find(&run, &told).await;
}
