//! Fault 20. SIGTERM under load, also while Kafka or MongoDB is unavailable: both services exit within their
//! grace period, and nothing is lost.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bson::doc;
use faults::{Client, FaultRun, assert_promises_kept};
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
/// The maximum time from the end of the grace period to the end of the process, on a busy machine.
const EXIT_ALLOWANCE: Duration = Duration::from_secs(1);

/// Starts clients that register users and change their profiles until told to stop. Each returns the last
/// acknowledged version of each user. Requests that fail are repeated.
fn start_clients(run: &FaultRun, service: &Service, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<BTreeMap<Uuid, u64>>> {
    (0..CLIENTS)
        .map(|n| {
            let (client, world, stop) = (client(run, service), run.world.clone(), Arc::clone(stop));
            tokio::spawn(register_until_stopped(client, world, n, stop))
        })
        .collect()
}

async fn register_until_stopped(
    mut client: Client,
    world: World,
    number: usize,
    stop: Arc<AtomicBool>,
) -> BTreeMap<Uuid, u64> {
    let mut acknowledged = BTreeMap::new();
    let mut remember_version = |client: &Client, outcome: &faults::checker::Outcome| {
        let response = response_of(outcome).filter(|response| response.status < 300);
        if let (Some(user), Some(version)) = (client.user(), response.and_then(|response| response.version)) {
            acknowledged.insert(user, version);
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
        remember_version(&client, &registered);
        if status(&client.login(&person).await) == Some(200) {
            let patched = client.update_profile("Busy").await;
            remember_version(&client, &patched);
        }
    }
    acknowledged
}

async fn wait_for_accounts(run: &FaultRun, accounts: u64) {
    let users = users(&run.world).await;
    wait_for(DEADLINE, "some load", async || {
        (users.count_documents(doc! {}).await.expect("users can be counted") >= accounts).then_some(())
    })
    .await;
}

/// Sends SIGTERM and asserts that the process ends in time.
async fn terminate(service: &mut Service, grace: Duration) {
    let asked = Instant::now();
    let ended = service.terminate().await;
    let took = asked.elapsed();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    assert!(took < grace + EXIT_ALLOWANCE, "the exit took {took:?} with a grace period of {grace:?}");
}

/// Stops the clients. Returns the versions that were acknowledged to them.
async fn stop_clients(clients: Vec<JoinHandle<BTreeMap<Uuid, u64>>>, stop: &AtomicBool) -> BTreeMap<Uuid, u64> {
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeMap::new();
    for client in clients {
        acknowledged.extend(client.await.expect("a client does not panic"));
    }
    acknowledged
}

/// Checks that every promise was kept and every acknowledged version was published.
async fn assert_kept_and_published(run: &FaultRun, acknowledged: &BTreeMap<Uuid, u64>) {
    let history = assert_promises_kept(run, RECOVERY_DEADLINE).await;
    assert!(acknowledged.len() >= CLIENTS, "too few accounts were registered");
    let mut reader = run.world.topic_reader();
    let read = reader.read_all().await;
    for (id, version) in acknowledged {
        let ours = read.iter().filter(|record| record.key_text() == id.to_string());
        let published = ours.map(test_support::Record::sequence).max().unwrap_or(0);
        assert!(published >= *version, "version {version} of {id} was acknowledged, but the topic ends at {published}");
    }
    println!(
        "{} accounts, {} records, {} repeated",
        acknowledged.len(),
        history.records.len(),
        count_repeats(&history)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_20_sigterm_under_load_ends_in_time_and_loses_nothing() {
    let run = run("sigterm").await;
    let (mut service, mut emails) = start(&run).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = start_clients(&run, &service, &stop);
    wait_for_accounts(&run, 40).await;
    let grace = Duration::from_secs(20);
    tokio::join!(terminate(&mut service, grace), terminate(&mut emails, grace));
    let acknowledged = stop_clients(clients, &stop).await;
    tokio::join!(service.restart(), emails.restart());
    assert_kept_and_published(&run, &acknowledged).await;
}

async fn start_with_grace(run: &FaultRun) -> (Service, Service) {
    let grace = format!("{}s", GRACE.as_secs());
    let users = with_short_intervals(run.world.user_service()).set("SHUTDOWN__GRACE", &grace);
    let emails = with_short_timeouts(run.world.email_service()).set("SHUTDOWN__GRACE", &grace);
    tokio::join!(users.start(), emails.start())
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_20_sigterm_under_load_while_kafka_is_down_ends_within_the_grace_and_loses_nothing() {
    let stack = Stack::from_env();
    let mut kafka = IsolatedKafka::start_embedded().await;
    let world = World::without_topic(&stack, "termkafka").on_brokers(kafka.brokers(), kafka.broker_kind());
    let run = run_in_world(world).await;
    let (mut service, mut emails) = start_with_grace(&run).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = start_clients(&run, &service, &stop);
    wait_for_accounts(&run, 40).await;
    kafka.take_down().await;
    wait_for_accounts(&run, 80).await;
    tokio::join!(terminate(&mut service, GRACE), terminate(&mut emails, GRACE));
    let acknowledged = stop_clients(clients, &stop).await;
    kafka.bring_up().await;
    tokio::join!(service.restart(), emails.restart());
    assert_kept_and_published(&run, &acknowledged).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_20_sigterm_under_load_while_mongodb_hangs_ends_within_the_grace_and_loses_nothing() {
    let stack = Stack::from_env();
    let mut mongod = IsolatedMongod::start(&stack, "termmongo").await;
    let run = run_on_mongodb(&stack, "termmongo", mongod.uri()).await;
    let (mut service, mut emails) = start_with_grace(&run).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = start_clients(&run, &service, &stop);
    wait_for_accounts(&run, 40).await;
    mongod.pause();
    tokio::join!(terminate(&mut service, GRACE), terminate(&mut emails, GRACE));
    let acknowledged = stop_clients(clients, &stop).await;
    mongod.resume();
    tokio::join!(service.restart(), emails.restart());
    assert_kept_and_published(&run, &acknowledged).await;
}

/// The results of connections around the signal, as their clients saw them.
#[derive(Debug, Default)]
struct ConnectionResults {
    answered: usize,
    /// Connections that were not established, so nothing was sent.
    refused: usize,
    /// Connections that were established and closed without a response to a complete request.
    unanswered: Vec<String>,
}

/// The result of a request on an established connection.
enum ExchangeResult {
    Answered { keep_alive: bool },
    NoResponse(String),
}

/// Sends `request` and reads the complete response.
async fn exchange(stream: &mut TcpStream, request: &[u8]) -> ExchangeResult {
    if let Err(error) = stream.write_all(request).await {
        return ExchangeResult::NoResponse(format!("sending: {error}"));
    }
    let mut text = Vec::new();
    loop {
        let mut bytes = [0; 4096];
        match tokio::time::timeout(DEADLINE, stream.read(&mut bytes)).await {
            Ok(Ok(read)) if read > 0 => text.extend_from_slice(&bytes[..read]),
            Ok(ended) if text.is_empty() => return ExchangeResult::NoResponse(format!("{ended:?}")),
            Ok(_) => return ExchangeResult::Answered { keep_alive: false },
            Err(_) => return ExchangeResult::NoResponse("no response".to_owned()),
        }
        let shown = String::from_utf8_lossy(&text).to_ascii_lowercase();
        let Some((head, body)) = shown.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if length.is_some_and(|length: usize| body.len() >= length) {
            // A busy machine may exceed the time budget for MongoDB; a 503 is a response too.
            assert!(head.starts_with("http/1.1 200") || head.starts_with("http/1.1 503"), "{head}");
            return ExchangeResult::Answered { keep_alive: !head.contains("connection: close") };
        }
    }
}

/// Logs in on a new connection.
async fn login_on_new_connection(address: &str, request: &[u8], results: &Mutex<ConnectionResults>) {
    let connected = TcpStream::connect(address).await;
    let reply = match connected {
        Ok(mut stream) => Some(exchange(&mut stream, request).await),
        Err(_) => None,
    };
    let mut results = results.lock().expect("no client panics");
    match reply {
        None => results.refused += 1,
        Some(ExchangeResult::Answered { .. }) => results.answered += 1,
        Some(ExchangeResult::NoResponse(why)) => results.unanswered.push(format!("a new connection: {why}")),
    }
}

/// Logs in repeatedly on one connection, until a response announces its end.
async fn login_on_kept_connection(address: &str, request: &[u8], results: &Mutex<ConnectionResults>) {
    let mut stream = TcpStream::connect(address).await.expect("the service listens");
    loop {
        let reply = exchange(&mut stream, request).await;
        let mut results = results.lock().expect("no client panics");
        match reply {
            ExchangeResult::Answered { keep_alive: true } => results.answered += 1,
            ExchangeResult::Answered { keep_alive: false } => {
                results.answered += 1;
                return;
            }
            ExchangeResult::NoResponse(why) => return results.unanswered.push(format!("a kept connection: {why}")),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_20_every_request_on_an_accepted_connection_is_answered_when_sigterm_arrives() {
    const ROUNDS: usize = 6;
    const NEW: u64 = 120;
    const KEPT: usize = 4;
    let run = run_without_mails("letin").await;
    let mut service = with_short_intervals(run.world.user_service()).start().await;
    let (_, ada) = logged_in_client(&run, &service, "ada").await;
    let body = serde_json::json!({ "identifier": ada.email, "password": ada.password }).to_string();
    let head = "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let (mut answered, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let address = service.base_url().trim_start_matches("http://").to_owned();
        let results = Mutex::new(ConnectionResults::default());
        // A new connection is opened every 2 ms, before, at and after the signal.
        let new = (0..NEW).map(|n| {
            let (address, request, results) = (&address, &request, &results);
            async move {
                tokio::time::sleep(Duration::from_millis(2 * n)).await;
                login_on_new_connection(address, request, results).await;
            }
        });
        let kept = (0..KEPT).map(|_| login_on_kept_connection(&address, &request, &results));
        let signal = async {
            tokio::time::sleep(Duration::from_millis(NEW)).await;
            terminate(&mut service, Duration::from_secs(20)).await;
        };
        tokio::join!(join_all(new), join_all(kept), signal);
        let results = results.into_inner().expect("no client panics");
        println!("round {round}: {results:?}");
        assert!(results.unanswered.is_empty(), "closed without a response: {:?}", results.unanswered);
        answered += results.answered;
        refused += results.refused;
        service.restart().await;
    }
    assert!(answered > 0 && refused > 0, "{answered} answered, {refused} refused: the connections missed the signal");
    wait_until_nothing_is_pending(&run.world).await;
}
