//! Fault 39. The code panics, which fails one request, one record or one mail. The process continues, and the log
//! contains the place of the panic but not its message.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use e2e::ledger::Ledger;
use faults::checker::Outcome;
use faults::{Client, assert_promises_kept};
use futures_util::future::join_all;
use test_support::{DEADLINE, Service, TestUser, remember_secret};
use tokio::{
    sync::Mutex,
    time::{Instant, Interval, interval},
};

use crate::{
    mail_fixture::{DeliveryResult, IDLE_DEADLINE, MailFixture, MailKind},
    raw_record::{self, RawHeader},
    setup::*,
};

/// The message of the panics, which stands for a secret that a panic might quote.
const PANIC_MESSAGE: &str = "what-a-panic-says-7fQ2";
/// The deadline for parked events, which are retried after 20 s and again after 40 s.
const PARKING_DEADLINE: Duration = Duration::from_secs(150);

/// Returns a fail point that panics `times` times, each time after `between` passes without a panic.
fn panics_at(point: &str, between: usize, times: usize) -> String {
    let once = format!("{between}*off->1*panic({PANIC_MESSAGE})->");
    format!("{point}={}off", once.repeat(times))
}

/// Checks that the service's log contains panics with their place and without their message.
fn assert_logged_without_message(service: &Service, place: &str) {
    let log = service.log();
    assert!(!log.contains(PANIC_MESSAGE), "the message of a panic is in the log of {place}");
    assert!(log.contains("panic: the request, record or mail has failed"), "no panic is in the log of {place}");
    assert!(log.contains(&format!("\"place\":\"{place}\"")), "no panic of {place} is in the log");
}

/// Paces requests: at most one in 20 ms, from all clients together.
#[derive(Clone)]
struct Load {
    pace: Arc<Mutex<Interval>>,
    sent: Arc<AtomicUsize>,
    /// The number of 500 responses.
    failed: Arc<AtomicUsize>,
}

impl Load {
    fn new() -> Self {
        let pace = Arc::new(Mutex::new(interval(Duration::from_millis(20))));
        Self { pace, sent: Arc::default(), failed: Arc::default() }
    }

    /// Sends requests until the response has the expected status. Before that, only the problem `internal` is
    /// permitted.
    async fn request_until(&self, expected: u16, mut send: impl AsyncFnMut() -> Outcome) {
        loop {
            self.pace.lock().await.tick().await;
            self.sent.fetch_add(1, Ordering::Relaxed);
            let outcome = send().await;
            if status(&outcome) == Some(expected) {
                return;
            }
            assert_problem(&outcome, 500, "internal");
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn run_client(&self, mut client: Client, person: &TestUser) {
        self.request_until(201, async || client.register(person, Some(&person.username)).await).await;
        self.request_until(200, async || client.login(person).await).await;
        for name in ["One", "Two"] {
            self.request_until(200, async || client.update_profile(name).await).await;
            self.request_until(200, async || client.read_me().await).await;
        }
    }
}

/// Returns the number of panics that a service has counted at a place.
async fn panic_count(service: &Service, name: &str, place: &str) -> f64 {
    service.metric(name, &format!("place=\"{place}\"")).await
}

/// Runs an operator's command in the service's configuration, without its fail points.
async fn run_operator_command(service: &Service, arguments: &[&str]) {
    let output = service.spec().clone().without_fail_points().command(arguments).await;
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_panics_under_load_fail_only_what_they_interrupt_and_nothing_is_lost_or_duplicated() {
    const CLIENTS: usize = 8;
    const EACH: usize = 10;
    let mut run = run("panics").await;
    run.limits.panics = true;
    remember_secret("message of a panic", PANIC_MESSAGE);
    let user_service_points = [
        panics_at("http.request", 40, 5),
        panics_at("hash.compute", 15, 5),
        panics_at("register.after_insert", 9, 4),
        panics_at("login.before_commit", 11, 4),
        panics_at("relay.before_publish", 35, 4),
        panics_at("relay.before_settle", 10, 3),
    ];
    let email_service_points = [
        panics_at("ingest.decide", 40, 4),
        panics_at("sender.before_compose", 12, 3),
        panics_at("sender.after_flip", 14, 3),
    ];
    let (mut users, mut emails) = tokio::join!(
        with_short_intervals(run.world.user_service()).fail_points(&user_service_points.join(";")).start(),
        with_short_timeouts(run.world.email_service()).fail_points(&email_service_points.join(";")).start(),
    );
    let (began, load) = (Instant::now(), Load::new());
    let people: Vec<TestUser> = (0..CLIENTS * EACH).map(|n| run.world.test_user(&format!("p{n}"))).collect();
    join_all(people.chunks(EACH).map(async |people| {
        for person in people {
            load.run_client(client(&run, &users), person).await;
        }
    }))
    .await;
    let (sent, took) = (load.sent.load(Ordering::Relaxed), began.elapsed());
    println!("{sent} requests in {took:?}");

    // Each panic during a request caused that request's 500, and there are no other 500s.
    let mut failed = 0.0;
    for (place, times) in [("request", 5.0), ("hash", 5.0), ("write", 8.0)] {
        assert_eq!(panic_count(&users, "user_service_panics_total", place).await, times, "{place}");
        failed += times;
        assert_logged_without_message(&users, place);
    }
    assert_eq!(load.failed.load(Ordering::Relaxed) as f64, failed);

    faults::wait_until_idle(&run, PARKING_DEADLINE).await;
    assert_eq!(panic_count(&users, "user_service_panics_total", "relay").await, 7.0);
    assert_eq!(panic_count(&emails, "email_panics_total", "record").await, 4.0);
    assert_eq!(panic_count(&emails, "email_panics_total", "mail").await, 6.0);
    assert_logged_without_message(&users, "relay");
    for place in ["record", "mail"] {
        assert_logged_without_message(&emails, place);
    }
    let ledger = Ledger::for_world(&run.world).await;
    let letters = ledger.dead_letters().await;
    assert_eq!(letters.len(), 4, "{letters:#?}");
    assert!(letters.iter().all(|letter| letter.reason == "processing-failed"), "{letters:#?}");

    // Failed work is not lost: an operator replays it after the defect has been fixed.
    run_operator_command(&emails, &["dead-letters", "replay", "--reason", "processing-failed", "--yes"]).await;
    run_operator_command(&emails, &["mail", "requeue", "--state", "failed", "--yes"]).await;
    let history = assert_promises_kept(&run, PARKING_DEADLINE).await;
    assert_eq!(history.users.len(), people.len());
    for person in &people {
        assert_eq!(mails_to(&run, &person.email), 1, "{}", person.email);
    }
    assert!(!format!("{:?}{:?}", history.mails, history.dead_letters).contains(PANIC_MESSAGE));
    assert!(users.is_running() && emails.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_password_whose_strength_estimate_panics_is_refused_and_the_service_keeps_running() {
    let run = run_without_mails("judge").await;
    let points = format!("password.judge=1*panic({PANIC_MESSAGE})->off");
    let mut service = with_short_intervals(run.world.user_service()).fail_points(&points).start().await;
    let (mut ada, person) = (client(&run, &service), run.world.test_user("ada"));
    let refused = ada.register(&person, None).await;
    assert_problem(&refused, 422, "validation-failed");
    assert_eq!(ada.last_response().expect("a response").json()["errors"][0]["code"], "strength-unknown");
    assert_status(&ada.register(&person, None).await, 201);
    // zxcvbn itself panics here: the password has 31 turns on a keypad.
    let walk = TestUser { password: "15142626352358657848636353535362".to_owned(), ..run.world.test_user("walker") };
    assert_problem(&client(&run, &service).register(&walk, None).await, 422, "validation-failed");
    assert_eq!(panic_count(&service, "user_service_panics_total", "password_policy").await, 2.0);
    assert_logged_without_message(&service, "password_policy");
    assert!(service.is_running());
    assert_promises_kept(&run, DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_user_whose_event_cannot_be_published_is_parked_and_all_others_are_published() {
    let run = run_without_mails("relay-panic").await;
    let points = format!("relay.before_publish=1*panic({PANIC_MESSAGE})->off");
    // The long minimum age keeps a sweep from publishing the list while the panic is being logged, before the user
    // is parked.
    let spec = with_short_intervals(run.world.user_service()).set("RELAY__SWEEP_MIN_AGE", "10s");
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
    assert!(listed.contains("a defect of the program: panic at ") && !listed.contains(PANIC_MESSAGE), "{listed}");
    run_operator_command(&service, &["events", "retry", &id]).await;
    assert_eq!(topic.read_type("user.registered.v1", 2).await[1].key_text(), id);
    assert!(service.is_running());
    assert_promises_kept(&run, DEADLINE).await;
}

/// Sends one mail whose sending panics at `point`, and then a neighbour.
async fn assert_result_when_panicking(point: &'static str, kind: MailKind, expected: DeliveryResult) {
    let fixture = MailFixture::new("mail-panic").await;
    let mut service = fixture.service().fail_points(&format!("{point}=1*panic({PANIC_MESSAGE})->off")).start().await;
    let address = fixture.mail(kind, "ada").await;
    let mail = fixture.assert_result(&address, expected, &format!("{kind:?} at {point}")).await;
    let notes: Vec<&str> = mail.history.iter().filter_map(|step| step.note.as_deref()).collect();
    assert!(notes.iter().any(|note| note.starts_with("a defect of the program: panic at ")), "{notes:?}");
    assert!(!notes.iter().any(|note| note.contains(PANIC_MESSAGE)), "{notes:?}");

    let neighbour = fixture.notice("neighbour").await;
    fixture.ledger.wait_for_state(&neighbour, "sent", DEADLINE).await;
    assert_logged_without_message(&service, "mail");
    assert!(service.is_running());
    fixture.assert_promises_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_mail_whose_sending_panics_is_failed_before_the_fence_and_unknown_after_it() {
    let cases = [
        ("sender.before_compose", MailKind::Notice, ("failed", 0, 0)),
        ("sender.before_flip", MailKind::Welcome, ("failed", 0, 0)),
        ("sender.after_flip", MailKind::Notice, ("unknown", 0, 0)),
        ("sender.after_flip", MailKind::Welcome, ("sent", 1, 1)),
        ("sender.after_reply", MailKind::Notice, ("unknown", 1, 0)),
    ];
    join_all(cases.map(|(point, kind, expected)| assert_result_when_panicking(point, kind, expected))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_panic_while_connecting_to_a_mail_server_is_a_failed_connection() {
    let fixture = MailFixture::new("connect-panic").await;
    let mut service =
        fixture.service().fail_points(&format!("smtp.connect=1*panic({PANIC_MESSAGE})->off")).start().await;
    let address = fixture.notice("ada").await;
    fixture.ledger.wait_for_state(&address, "sent", IDLE_DEADLINE).await;
    assert_eq!(panic_count(&service, "email_panics_total", "smtp").await, 1.0);
    assert!(service.metric("email_smtp_connections_total", "result=\"failed\"").await >= 1.0);
    assert_logged_without_message(&service, "smtp");
    assert!(service.is_running());
    fixture.assert_promises_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_record_whose_processing_panics_is_a_dead_letter_and_its_neighbours_are_not() {
    let mut fixture = MailFixture::new("record-panic").await;
    fixture.run.limits.panics = true;
    // The service reads the whole topic in batches that several threads process.
    let publisher = &fixture.publisher;
    let mut addresses = Vec::new();
    for n in 0..300 {
        let address = fixture.address(&format!("n{n}"));
        publisher.publish_to(0, &publisher.notice(&address)).await;
        addresses.push(address);
    }
    let mut service = fixture.service().fail_points(&panics_at("ingest.decide", 50, 3)).start().await;
    let history = fixture.assert_promises_kept().await;
    assert_eq!(history.dead_letters.len(), 3, "{:#?}", history.dead_letters);
    assert!(history.dead_letters.iter().all(|letter| letter.reason == "processing-failed"));
    assert_eq!(history.mails.len(), 297);
    assert!(history.mails.iter().all(|mail| mail.state == "sent"));
    assert_eq!(service.metric("email_dead_letters_total", "reason=\"processing-failed\"").await, 3.0);
    assert!(service.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_39_a_header_whose_name_is_not_utf_8_harms_neither_its_record_nor_the_process() {
    let fixture = MailFixture::new("raw-header").await;
    let mut service = fixture.service().start().await;
    let good = fixture.publisher.notice(&fixture.address("good"));
    let ours = good.envelope.headers();
    let mut headers: Vec<RawHeader<'_>> = vec![(b"caf\xe9", b"1")];
    headers.extend(ours.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
    let (world, key) = (&fixture.run.world, good.envelope.key());
    let value = good.payload.to_json();
    raw_record::write(world.brokers(), world.topic(), 0, key.as_bytes(), value.as_bytes(), &headers).await;
    fixture.publisher.publish_to(0, &fixture.publisher.notice(&fixture.address("neighbour"))).await;
    for name in ["good", "neighbour"] {
        fixture.ledger.wait_for_state(&fixture.address(name), "sent", DEADLINE).await;
    }
    assert_eq!(panic_count(&service, "email_panics_total", "record").await, 1.0);
    assert!(service.is_running());
    fixture.assert_promises_kept().await;
}
