//! The refunds of attempts on a real MongoDB: they are written after the response, together, and none is lost.
#![expect(clippy::unwrap_used, reason = "a test: what fails to unwrap fails the test")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bson::{Document, doc};
use futures_util::future::join_all;
use jiff::Timestamp;
use mongodb::{
    Client, Collection,
    event::{EventHandler, command::CommandEvent},
    options::ClientOptions,
};
use prometheus::Registry;
use service_kit::Ids;
use test_support::{DEADLINE, ProxyMode, Stack, TcpProxy, wait_for};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use user_service::{
    config::LimitsConfig,
    domain::LoginIdentifier,
    keys::KeyEncryptionKey,
    metrics::AccountMetrics,
    outbox::Origin,
    problem::Problem,
    store::Store,
    usecase::{ChargedAttempt, RateLimiter, RefundWriter},
};

/// A rate limiter in a database of its own, behind a proxy.
struct Limiter {
    limiter: RateLimiter,
    rows: Collection<Document>,
    proxy: TcpProxy,
    /// The number of `update` commands of the limiter.
    updates: Arc<AtomicUsize>,
}

impl Limiter {
    async fn new(name: &str) -> (Self, RefundWriter) {
        let stack = Stack::from_env();
        let (proxy, uri) = stack.mongodb_proxy().await;
        let mut options = ClientOptions::parse(uri).await.unwrap();
        options.server_selection_timeout = Some(Duration::from_millis(500));
        let updates = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&updates);
        options.command_event_handler = Some(EventHandler::callback(move |event| {
            if matches!(&event, CommandEvent::Started(started) if started.command_name == "update") {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }));
        let name = format!("refunds-{name}-{}-{}", std::process::id(), Ids::random().v4().simple());
        let database = Client::with_options(options).unwrap().database(&name);
        let key = KeyEncryptionKey::from_base64(&"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned().into());
        let limits = LimitsConfig {
            enabled: true,
            login_free_failures: 2,
            account_free_failures: 3,
            login_first_wait: Duration::from_secs(600),
            login_max_wait: Duration::from_secs(3600),
            mails_per_address: 1,
            requests_per_network: 1,
            registrations_per_network: 1,
            profile_changes_per_account: 1,
            username_changes_per_account: 1,
            email_changes_per_account: 1,
            password_changes_per_account: 1,
            second_factor_changes_per_account: 1,
        };
        let metrics = AccountMetrics::register(&Registry::new()).unwrap();
        let store = Store::new(&database, Duration::from_secs(2), 100);
        let (limiter, writer) = RateLimiter::new(store.throttles, &key.unwrap(), limits, metrics);
        let rows = stack.mongodb().await.database(&name).collection("throttles");
        (Self { limiter, rows, proxy, updates }, writer)
    }

    async fn charge(&self, identifier: &str) -> Result<ChargedAttempt, Problem> {
        let origin = Origin { address: Some("198.51.100.1".to_owned()), ..Origin::default() };
        let identifier = LoginIdentifier::parse(identifier);
        self.limiter.charge_login(&identifier, None, &origin, Timestamp::UNIX_EPOCH).await
    }

    /// Returns the sum of the levels of all accounts, and the number of networks that have failures.
    async fn failures(&self) -> (f64, usize) {
        let rows = test_support::find_all(&self.rows, doc! {}).await;
        let networks = rows.iter().flat_map(|row| row.get_array("networks").unwrap());
        let levels = networks.map(|entry| entry.as_document().unwrap().get_f64("level").unwrap());
        let accounts = rows.iter().map(|row| row.get_f64("level").unwrap().round()).sum();
        (accounts, levels.filter(|level| *level > 0.0).count())
    }
}

fn stopped() -> CancellationToken {
    let stop = CancellationToken::new();
    stop.cancel();
    stop
}

#[tokio::test]
async fn a_client_that_signs_in_ten_times_in_a_row_is_not_held_by_refunds_that_wait() {
    let (limiter, writer) = Limiter::new("row").await;
    for _ in 0..10 {
        limiter.charge("ada").await.unwrap().succeed();
    }
    assert_eq!(limiter.failures().await, (1.0, 1));
    writer.run(stopped()).await;
    assert_eq!(limiter.failures().await, (0.0, 0));
    assert_eq!(limiter.updates.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn refunds_of_many_rows_are_one_command_and_an_idle_writer_sends_none() {
    let (limiter, writer) = Limiter::new("many").await;
    let attempts = join_all((0..30).map(async |n: usize| limiter.charge(&format!("user{n}")).await.unwrap())).await;
    assert_eq!(limiter.failures().await, (30.0, 30));
    attempts.into_iter().for_each(ChargedAttempt::succeed);
    let stop = CancellationToken::new();
    let (mut running, written) = (Box::pin(writer.run(stop.clone())), async {
        wait_for(DEADLINE, "the refunds", async || (limiter.failures().await == (0.0, 0)).then_some(())).await;
        sleep(Duration::from_millis(200)).await;
    });
    tokio::select! {
        () = &mut running => panic!("the writer has stopped"),
        () = written => {}
    }
    assert_eq!(limiter.updates.load(Ordering::Relaxed), 1);
    stop.cancel();
    timeout(DEADLINE, running).await.unwrap();
    assert_eq!(limiter.updates.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_refund_waits_for_the_store_also_after_a_stop() {
    let (limiter, writer) = Limiter::new("outage").await;
    let _ = limiter.charge("ada").await.unwrap().fail();
    let attempt = limiter.charge("ada").await.unwrap();
    limiter.proxy.set_mode(ProxyMode::Refuse);
    attempt.succeed();
    let mut running = Box::pin(writer.run(stopped()));
    assert!(timeout(Duration::from_secs(2), &mut running).await.is_err(), "the writer has given up");
    assert_eq!(limiter.failures().await, (2.0, 1));
    limiter.proxy.set_mode(ProxyMode::Pass);
    timeout(DEADLINE, running).await.unwrap();
    // The success has cleared the failure of its network, and the account still has it.
    assert_eq!(limiter.failures().await, (1.0, 0));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_store_that_stays_away() {
    let (limiter, writer) = Limiter::new("stop").await;
    let attempt = limiter.charge("ada").await.unwrap();
    limiter.proxy.set_mode(ProxyMode::Refuse);
    attempt.succeed();
    timeout(Duration::from_secs(10), writer.run(stopped())).await.unwrap();
}

#[tokio::test]
async fn an_attempt_that_is_dropped_is_refunded_alone() {
    let (limiter, writer) = Limiter::new("drop").await;
    let _ = limiter.charge("ada").await.unwrap().fail();
    drop(limiter.charge("ada").await.unwrap());
    // The client disconnects before the answer to its charge is there.
    limiter.proxy.set_mode(ProxyMode::DiscardReplies);
    tokio::select! {
        _ = limiter.charge("eve") => panic!("there was an answer"),
        () = wait_for(DEADLINE, "the charge", async || (limiter.failures().await == (3.0, 2)).then_some(())) => {}
    }
    limiter.proxy.set_mode(ProxyMode::Pass);
    writer.run(stopped()).await;
    assert_eq!(limiter.failures().await, (1.0, 1));
}

#[tokio::test]
async fn a_charge_whose_reply_is_lost_is_refunded_also_if_its_repetition_finds_no_server() {
    let (limiter, writer) = Limiter::new("lost-reply").await;
    let _ = limiter.charge("ada").await.unwrap().fail();
    limiter.proxy.lose_reply_to_and_refuse(b"\x02findAndModify\0".to_vec());
    assert!(limiter.charge("ada").await.is_err());
    assert_eq!(limiter.failures().await, (2.0, 1));
    limiter.proxy.set_mode(ProxyMode::Pass);
    writer.run(stopped()).await;
    assert_eq!(limiter.failures().await, (1.0, 1));
}

#[tokio::test]
async fn an_attempt_that_was_refused_has_nothing_to_refund() {
    let (limiter, writer) = Limiter::new("refused").await;
    for _ in 0..2 {
        let _ = limiter.charge("ada").await.unwrap().fail();
    }
    assert!(matches!(limiter.charge("ada").await, Err(Problem::RateLimited(_))));
    writer.run(stopped()).await;
    assert_eq!(limiter.failures().await, (2.0, 1));
    assert_eq!(limiter.updates.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_refund_that_mongodb_refuses_again_and_again_is_forgotten() {
    let (limiter, writer) = Limiter::new("refused").await;
    let ada = limiter.charge("ada").await.unwrap();
    let open = test_support::find_all(&limiter.rows, doc! {}).await.remove(0).get_array("open").unwrap().clone();
    let set_open = async |open: bson::Bson| {
        limiter.rows.update_many(doc! {}, doc! { "$set": { "open": open } }).await.unwrap();
    };
    set_open("not a list".into()).await;
    ada.succeed();
    timeout(DEADLINE, writer.run(stopped())).await.unwrap();
    assert_eq!(limiter.updates.load(Ordering::Relaxed), 5);
    // The next charge of the row does not find it either.
    set_open(open.into()).await;
    limiter.charge("ada").await.unwrap().fail();
    assert_eq!(limiter.failures().await, (2.0, 1));
}
