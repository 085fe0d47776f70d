//! Fault 39. The code panics: that is the failure of one request, one record or one mail. The process goes
//! on, and the log has the place of the panic and not what it said.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use e2e::ledger::{Ledger, MailJob};
use faults::checker::Outcome;
use faults::{Client, judge};
use futures_util::future::join_all;
use test_support::{DEADLINE, Service, TestUser, remember_secret};
use tokio::{
    sync::Mutex,
    time::{Instant, Interval, interval},
};

use crate::{
    mail_scene::{AT_REST, Scene},
    raw_record::{self, RawHeader},
    setup::*,
};

/// What the panics say: as a password might be quoted by one.
const SAID: &str = "what-a-panic-says-7fQ2";
/// A parked user's events are tried again after 20 s, and after 40 s more.
const PARKED: Duration = Duration::from_secs(150);

/// A fail point that panics `times` times, each time after it was passed `between` times.
fn panics_at(point: &str, between: usize, times: usize) -> String {
    let once = format!("{between}*off->1*panic({SAID})->");
    format!("{point}={}off", once.repeat(times))
}

/// What the panics of a service have left: a log with their places, and without their message.
fn assert_logged_without_message(service: &Service, place: &str) {
    let log = service.log();
    assert!(!log.contains(SAID), "the message of a panic is in the log of {place}");
    assert!(log.contains("panic: what was being handled has failed"), "no panic is in the log of {place}");
    assert!(log.contains(&format!("\"place\":\"{place}\"")), "no panic of {place} is in the log");
}

/// At most one request in 20 ms, from all clients together.
#[derive(Clone)]
struct Load {
    pace: Arc<Mutex<Interval>>,
    asked: Arc<AtomicUsize>,
    /// Answers 500.
    failed: Arc<AtomicUsize>,
}

impl Load {
    fn new() -> Self {
        let pace = Arc::new(Mutex::new(interval(Duration::from_millis(20))));
        Self { pace, asked: Arc::default(), failed: Arc::default() }
    }

    /// Asks until the answer is the expected one; nothing but the problem `internal` may come before it.
    async fn until(&self, expected: u16, mut ask: impl AsyncFnMut() -> Outcome) {
        loop {
            self.pace.lock().await.tick().await;
            self.asked.fetch_add(1, Ordering::Relaxed);
            let outcome = ask().await;
            if status(&outcome) == Some(expected) {
                return;
            }
            assert_problem(&outcome, 500, "internal");
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn live(&self, mut client: Client, person: &TestUser) {
        self.until(201, async || client.register(person, Some(&person.username)).await).await;
        self.until(200, async || client.login(person).await).await;
        for name in ["One", "Two"] {
            self.until(200, async || client.update_profile(name).await).await;
            self.until(200, async || client.read_me().await).await;
        }
    }
}

/// The number of panics that a service has counted at a place.
async fn counted(service: &Service, name: &str, place: &str) -> f64 {
    service.metric(name, &format!("place=\"{place}\"")).await
}

/// A command of an operator, as the service runs it but for its fail points.
async fn order(service: &Service, arguments: &[&str]) {
    let output = service.spec().clone().without_fail_points().command(arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_panics_under_load_fail_what_they_happen_in_and_lose_and_double_nothing() {
    const CLIENTS: usize = 8;
    const EACH: usize = 10;
    let mut run = run("panics").await;
    run.limits.panics = true;
    remember_secret("message of a panic", SAID);
    let of_users = [
        panics_at("http.request", 40, 5),
        panics_at("hash.compute", 15, 5),
        panics_at("register.after_insert", 9, 4),
        panics_at("login.before_commit", 11, 4),
        panics_at("relay.before_publish", 35, 4),
        panics_at("relay.before_settle", 10, 3),
    ];
    let of_emails = [
        panics_at("ingest.decide", 40, 4),
        panics_at("sender.before_compose", 12, 3),
        panics_at("sender.after_flip", 14, 3),
    ];
    let (mut users, mut emails) = tokio::join!(
        brisk(run.world.user_service()).fail_points(&of_users.join(";")).start(),
        impatient(run.world.email_service()).fail_points(&of_emails.join(";")).start(),
    );
    let (began, load) = (Instant::now(), Load::new());
    let people: Vec<TestUser> = (0..CLIENTS * EACH).map(|n| run.world.test_user(&format!("p{n}"))).collect();
    join_all(people.chunks(EACH).map(async |people| {
        for person in people {
            load.live(client(&run, &users), person).await;
        }
    }))
    .await;
    let (asked, took) = (load.asked.load(Ordering::Relaxed), began.elapsed());
    println!("{asked} requests in {took:?}");

    // Each panic in the way of a request was that request's 500, and there is no other 500.
    let mut failed = 0.0;
    for (place, times) in [("request", 5.0), ("hash", 5.0), ("write", 8.0)] {
        assert_eq!(counted(&users, "user_service_panics_total", place).await, times, "{place}");
        failed += times;
        assert_logged_without_message(&users, place);
    }
    assert_eq!(load.failed.load(Ordering::Relaxed) as f64, failed);

    faults::settle(&run, PARKED).await;
    assert_eq!(counted(&users, "user_service_panics_total", "relay").await, 7.0);
    assert_eq!(counted(&emails, "email_panics_total", "record").await, 4.0);
    assert_eq!(counted(&emails, "email_panics_total", "mail").await, 6.0);
    assert_logged_without_message(&users, "relay");
    for place in ["record", "mail"] {
        assert_logged_without_message(&emails, place);
    }
    let ledger = Ledger::for_world(&run.world).await;
    let letters = ledger.dead_letters().await;
    assert_eq!(letters.len(), 4, "{letters:#?}");
    assert!(letters.iter().all(|letter| letter.reason == "processing-failed"), "{letters:#?}");

    // What has failed is not lost: an operator brings it back once the program is mended.
    order(&emails, &["dead-letters", "replay", "--reason", "processing-failed", "--yes"]).await;
    order(&emails, &["mail", "requeue", "--state", "failed", "--yes"]).await;
    let history = judge(&run, PARKED).await;
    assert_eq!(history.users.len(), people.len());
    for person in &people {
        assert_eq!(mails_to(&run, &person.email), 1, "{}", person.email);
    }
    assert!(!format!("{:?}{:?}", history.mails, history.dead_letters).contains(SAID));
    assert!(users.is_running() && emails.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_password_that_cannot_be_judged_is_refused_and_the_service_goes_on() {
    let run = run_without_mails("judge").await;
    let points = format!("password.judge=1*panic({SAID})->off");
    let mut service = brisk(run.world.user_service()).fail_points(&points).start().await;
    let (mut ada, person) = (client(&run, &service), run.world.test_user("ada"));
    let refused = ada.register(&person, None).await;
    assert_problem(&refused, 422, "validation-failed");
    assert_eq!(ada.last().expect("an answer").json()["errors"][0]["code"], "strength-unknown");
    assert_status(&ada.register(&person, None).await, 201);
    // In zxcvbn itself: 31 turns on a keypad.
    let walk = TestUser { password: "15142626352358657848636353535362".to_owned(), ..run.world.test_user("walker") };
    assert_problem(&client(&run, &service).register(&walk, None).await, 422, "validation-failed");
    assert_eq!(counted(&service, "user_service_panics_total", "password_policy").await, 2.0);
    assert_logged_without_message(&service, "password_policy");
    assert!(service.is_running());
    judge(&run, DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_user_whose_event_cannot_be_published_is_parked_and_all_others_are_published() {
    let run = run_without_mails("relay-panic").await;
    let points = format!("relay.before_publish=1*panic({SAID})->off");
    // Not while the panic is being logged: a sweep that began before the user was parked publishes the list.
    let spec = brisk(run.world.user_service()).set("RELAY__SWEEP_MIN_AGE", "10s");
    let mut service = spec.fail_points(&points).start().await;
    let (mut ada, mut bob) = (client(&run, &service), client(&run, &service));
    assert_status(&ada.register(&run.world.test_user("ada"), None).await, 201);
    let id = ada.user().expect("she is registered").to_string();
    e2e::oversized_event::wait_until_parked(&run.world, &id, 1).await;
    assert_status(&bob.register(&run.world.test_user("bob"), None).await, 201);
    let bobs_id = bob.user().expect("he is registered").to_string();
    let mut topic = run.world.topic_reader();
    assert_eq!(topic.read_type("user.registered.v1", 1).await[0].key_text(), bobs_id);

    let listed = service.spec().command(&["events", "list"]).await;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(listed.contains("a defect of the program: panic at ") && !listed.contains(SAID), "{listed}");
    order(&service, &["events", "retry", &id]).await;
    assert_eq!(topic.read_type("user.registered.v1", 2).await[1].key_text(), id);
    assert!(service.is_running());
    judge(&run, DEADLINE).await;
}

/// How a mail ends whose sender panicked: state, final dots, resends.
type Ending = (&'static str, usize, usize);

#[derive(Debug, Clone, Copy)]
enum BrokerKind {
    /// Sent again once if its delivery is unknown.
    Welcome,
    /// TestResult then.
    Notice,
}

/// One mail whose sending panics at `point`, and its neighbour.
async fn panicked_at(point: &'static str, kind: BrokerKind, expected: Ending) {
    let scene = Scene::new("mail-panic").await;
    let mut service = scene.service().fail_points(&format!("{point}=1*panic({SAID})->off")).start().await;
    let address = match kind {
        BrokerKind::Welcome => scene.welcome("ada").await,
        BrokerKind::Notice => scene.notice("ada").await,
    };
    let mail = scene.ledger.wait_for_mail(&address, "over", AT_REST, MailJob::is_terminal).await;
    let ending =
        (mail.state.as_str(), scene.smtp().deliveries_to(&address).len(), mail.count_transitions("unknown", "queued"));
    assert_eq!(ending, expected, "{kind:?} at {point}: {mail:#?}");
    let notes: Vec<&str> = mail.history.iter().filter_map(|step| step.note.as_deref()).collect();
    assert!(notes.iter().any(|note| note.starts_with("a defect of the program: panic at ")), "{notes:?}");
    assert!(!notes.iter().any(|note| note.contains(SAID)), "{notes:?}");

    let neighbour = scene.notice("neighbour").await;
    scene.ledger.wait_for_state(&neighbour, "sent", DEADLINE).await;
    assert_logged_without_message(&service, "mail");
    assert!(service.is_running());
    scene.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_mail_whose_sending_panics_has_failed_before_the_fence_and_is_unknown_behind_it() {
    let cases = [
        ("sender.before_compose", BrokerKind::Notice, ("failed", 0, 0)),
        ("sender.before_flip", BrokerKind::Welcome, ("failed", 0, 0)),
        ("sender.after_flip", BrokerKind::Notice, ("unknown", 0, 0)),
        ("sender.after_flip", BrokerKind::Welcome, ("sent", 1, 1)),
        ("sender.after_reply", BrokerKind::Notice, ("unknown", 1, 0)),
    ];
    join_all(cases.map(|(point, kind, expected)| panicked_at(point, kind, expected))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_panic_at_what_a_mail_server_says_is_a_failed_connection() {
    let scene = Scene::new("connect-panic").await;
    let mut service = scene.service().fail_points(&format!("smtp.connect=1*panic({SAID})->off")).start().await;
    let address = scene.notice("ada").await;
    scene.ledger.wait_for_state(&address, "sent", AT_REST).await;
    assert_eq!(counted(&service, "email_panics_total", "smtp").await, 1.0);
    assert!(service.metric("email_smtp_connections_total", "result=\"failed\"").await >= 1.0);
    assert_logged_without_message(&service, "smtp");
    assert!(service.is_running());
    scene.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_record_at_which_the_code_panics_is_a_dead_letter_and_its_neighbours_are_not() {
    let mut scene = Scene::new("record-panic").await;
    scene.run.limits.panics = true;
    // The whole topic is read in batches that several threads decide.
    let publisher = &scene.publisher;
    let mut addresses = Vec::new();
    for n in 0..300 {
        let address = scene.address(&format!("n{n}"));
        publisher.publish_to(0, &publisher.notice(&address)).await;
        addresses.push(address);
    }
    let mut service = scene.service().fail_points(&panics_at("ingest.decide", 50, 3)).start().await;
    let history = scene.judge().await;
    assert_eq!(history.dead_letters.len(), 3, "{:#?}", history.dead_letters);
    assert!(history.dead_letters.iter().all(|letter| letter.reason == "processing-failed"));
    assert_eq!(history.mails.len(), 297);
    assert!(history.mails.iter().all(|mail| mail.state == "sent"));
    assert_eq!(service.metric("email_dead_letters_total", "reason=\"processing-failed\"").await, 3.0);
    assert!(service.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_header_whose_name_is_not_utf_8_harms_neither_its_record_nor_the_process() {
    let scene = Scene::new("raw-header").await;
    let mut service = scene.service().start().await;
    let good = scene.publisher.notice(&scene.address("good"));
    let ours = good.envelope.headers();
    let mut headers: Vec<RawHeader<'_>> = vec![(b"caf\xe9", b"1")];
    headers.extend(ours.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let (world, key) = (&scene.run.world, good.envelope.key());
    let value = good.payload.to_json();
    raw_record::write(world.brokers(), world.topic(), 0, key.as_bytes(), value.as_bytes(), &headers).await;
    scene.publisher.publish_to(0, &scene.publisher.notice(&scene.address("neighbour"))).await;
    for name in ["good", "neighbour"] {
        scene.ledger.wait_for_state(&scene.address(name), "sent", DEADLINE).await;
    }
    assert_eq!(counted(&service, "email_panics_total", "record").await, 1.0);
    assert!(service.is_running());
    scene.judge().await;
}
