//! Fault 20. SIGTERM under load, also while Kafka or MongoDB is away: both services end within their grace,
//! and nothing is lost.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bson::doc;
use faults::{Client, Run, judge};
use futures_util::future::join_all;
use test_support::{DEADLINE, IsolatedKafka, IsolatedMongod, Service, Stack, World, wait_for};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};
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
    let mut note = |client: &Client, outcome: &faults::checker::Outcome| {
        let answer = answer(outcome).filter(|answer| answer.status < 300);
        if let (Some(user), Some(version)) = (client.user(), answer.and_then(|answer| answer.version)) {
            told.insert(user, version);
        }
    };
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let person = world.test_user(&format!("c{number}n{n}"));
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
    wait_for(DEADLINE, "some load", async || {
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
    let mut kafka = IsolatedKafka::start_embedded().await;
    let world = World::without_topic(&stack, "termkafka").on_brokers(kafka.brokers(), kafka.broker_kind());
    world.create_topic().await;
    let run = run_in(world).await;
    let (mut service, mut emails) = start_with_grace(&run).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = load(&run, &service, &stop);
    until_some_load(&run, 40).await;
    kafka.take_down().await;
    until_some_load(&run, 80).await;
    tokio::join!(terminate(&mut service, GRACE), terminate(&mut emails, GRACE));
    let told = stopped(clients, &stop).await;
    kafka.bring_up().await;
    tokio::join!(service.restart(), emails.restart());
    judge_and_find(&run, &told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_20_sigterm_under_load_while_mongodb_hangs_ends_within_the_grace_and_loses_nothing() {
    let stack = Stack::from_env();
    let mut mongod = IsolatedMongod::start(&stack, "termmongo").await;
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

/// How a connection around the signal ended, as its client saw it.
#[derive(Debug, Default)]
struct Ends {
    answered: usize,
    /// Never established: nothing was sent.
    refused: usize,
    /// Established, a whole request sent, and closed without a byte.
    unanswered: Vec<String>,
}

/// What came back for a request on an established connection.
enum Reply {
    Answered { keep_alive: bool },
    Nothing(String),
}

/// Sends `request`, and reads an answer to its end.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> Reply {
    if let Err(error) = stream.write_all(request).await {
        return Reply::Nothing(format!("sending: {error}"));
    }
    let mut text = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        match tokio::time::timeout(DEADLINE, stream.read(&mut bytes)).await {
            Ok(Ok(read)) if read > 0 => text.extend_from_slice(&bytes[..read]),
            Ok(ended) if text.is_empty() => return Reply::Nothing(format!("{ended:?}")),
            Ok(_) => return Reply::Answered { keep_alive: false },
            Err(_) => return Reply::Nothing("no answer".to_owned()),
        }
        let shown = String::from_utf8_lossy(&text).to_ascii_lowercase();
        let Some((head, body)) = shown.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if length.is_some_and(|length: usize| body.len() >= length) {
            // A busy machine may be without time for MongoDB; that too is an answer.
            assert!(head.starts_with("http/1.1 200") || head.starts_with("http/1.1 503"), "{head}");
            return Reply::Answered { keep_alive: !head.contains("connection: close") };
        }
    }
}

/// Logs in on a connection of its own.
async fn one_login(address: &str, request: &[u8], ends: &Mutex<Ends>) {
    let connected = TcpStream::connect(address).await;
    let reply = match connected {
        Ok(mut stream) => Some(exchange(&mut stream, request).await),
        Err(_) => None,
    };
    let mut ends = ends.lock().expect("no client panics");
    match reply {
        None => ends.refused += 1,
        Some(Reply::Answered { .. }) => ends.answered += 1,
        Some(Reply::Nothing(why)) => ends.unanswered.push(format!("a new connection: {why}")),
    }
}

/// Logs in again and again on one connection, until an answer says that it is the last.
async fn many_logins(address: &str, request: &[u8], ends: &Mutex<Ends>) {
    let mut stream = TcpStream::connect(address).await.expect("the service listens");
    loop {
        let reply = exchange(&mut stream, request).await;
        let mut ends = ends.lock().expect("no client panics");
        match reply {
            Reply::Answered { keep_alive: true } => ends.answered += 1,
            Reply::Answered { keep_alive: false } => {
                ends.answered += 1;
                return;
            }
            Reply::Nothing(why) => return ends.unanswered.push(format!("a kept connection: {why}")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_20_every_request_on_a_connection_that_was_let_in_is_answered_when_sigterm_comes() {
    const ROUNDS: usize = 6;
    const NEW: u64 = 120;
    const KEPT: usize = 4;
    let run = run_without_mails("letin").await;
    let mut service = brisk(run.world.user_service()).start().await;
    let (_, ada) = member(&run, &service, "ada").await;
    let body = serde_json::json!({ "identifier": ada.email, "password": ada.password }).to_string();
    let head = "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let (mut answered, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let address = service.base_url().trim_start_matches("http://").to_owned();
        let ends = Mutex::new(Ends::default());
        // New connections every other millisecond, before the signal, at it, and after it.
        let new = (0..NEW).map(|n| {
            let (address, request, ends) = (&address, &request, &ends);
            async move {
                tokio::time::sleep(Duration::from_millis(2 * n)).await;
                one_login(address, request, ends).await;
            }
        });
        let kept = (0..KEPT).map(|_| many_logins(&address, &request, &ends));
        let signal = async {
            tokio::time::sleep(Duration::from_millis(NEW)).await;
            terminate(&mut service, Duration::from_secs(20)).await;
        };
        tokio::join!(join_all(new), join_all(kept), signal);
        let ends = ends.into_inner().expect("no client panics");
        println!("round {round}: {ends:?}");
        assert!(ends.unanswered.is_empty(), "closed without an answer: {:?}", ends.unanswered);
        answered += ends.answered;
        refused += ends.refused;
        service.restart().await;
    }
    assert!(answered > 0 && refused > 0, "{answered} answered, {refused} refused: not around the signal");
    until_nothing_is_pending(&run.world).await;
}
