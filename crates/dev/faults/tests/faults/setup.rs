//! Set-up and queries shared by the tests of the user service's faults.

use std::time::{Duration, Instant};

use bson::{Document, doc};
use faults::checker::{History, Limits, Outcome, RecordedResponse};
use faults::{Client, FaultRun, Recorder};
use mongodb::Collection;
use test_support::{DEADLINE, ScriptedSmtp, Service, ServiceSpec, Stack, TestUser, World, wait_for};

/// How long to wait for the end of an outage and of all work that it delayed.
pub(crate) const RECOVERY_DEADLINE: Duration = Duration::from_secs(60);

/// The maximum duration of a request while a dependency is unavailable.
pub(crate) const MAX_RESPONSE_TIME: Duration = Duration::from_secs(3);

/// Sets short sweep intervals, a lease that a dead process does not hold for long, and cheap hashing.
pub(crate) fn with_short_intervals(spec: ServiceSpec) -> ServiceSpec {
    spec.set("RELAY__SWEEP_INTERVAL", "100ms")
        .set("RELAY__SWEEP_MIN_AGE", "300ms")
        .set("RELAY__LEASE", "1s")
        .set("HASHING__MEMORY_KIB", "64")
        .set("HASHING__ITERATIONS", "1")
}

/// Sets timeouts so short that an email service soon takes over the work of a killed or disconnected instance.
pub(crate) fn with_short_timeouts(spec: ServiceSpec) -> ServiceSpec {
    spec.set("SMTP__STEP_TIMEOUT", "1s")
        .set("SMTP__DOT_TIMEOUT", "1s")
        .set("SENDER__LEASE", "5s")
        // The group waits no longer than this for a missing member.
        .set("INGEST__MAX_POLL_INTERVAL", "6s")
}

/// Creates a run on the shared dependencies.
pub(crate) async fn run(name: &str) -> FaultRun {
    run_in_world(World::without_topic(&Stack::from_env(), name)).await
}

/// Creates a run whose services use this MongoDB.
pub(crate) async fn run_on_mongodb(stack: &Stack, name: &str, uri: impl Into<String>) -> FaultRun {
    run_in_world(World::without_topic(stack, name).on_mongodb(uri)).await
}

/// Creates a run in a world that possibly has its own dependencies, and creates the topics.
pub(crate) async fn run_in_world(world: World) -> FaultRun {
    let world = world.with_states();
    world.create_topic().await;
    let smtp = ScriptedSmtp::start().await;
    FaultRun { world: world.on_smtp(smtp.url()), recorder: Recorder::new(), smtp, limits: Limits::default() }
}

/// Creates a run without an email service.
pub(crate) async fn run_without_mails(name: &str) -> FaultRun {
    let mut run = run(name).await;
    run.limits.no_email_service = true;
    run
}

/// Starts both services and waits until they are ready.
pub(crate) async fn start(run: &FaultRun) -> (Service, Service) {
    tokio::join!(
        with_short_intervals(run.world.user_service()).start(),
        with_short_timeouts(run.world.email_service()).start()
    )
}

/// Creates a recorded client of a service.
pub(crate) fn client(run: &FaultRun, service: &Service) -> Client {
    run.recorder.client(service.api())
}

/// Registers a user and logs in.
pub(crate) async fn logged_in_client(run: &FaultRun, service: &Service, name: &str) -> (Client, TestUser) {
    let (mut client, person) = (client(run, service), run.world.test_user(name));
    assert_status(&client.register(&person, None).await, 201);
    assert_status(&client.login(&person).await, 200);
    (client, person)
}

/// Kills a service and starts it again with `points`, at which it kills itself.
pub(crate) async fn restart_with_fail_points(service: &mut Service, points: &str) {
    service.kill().await;
    service.restart_with(|spec| spec.fail_points(points)).await;
}

/// Waits until the service has been killed at a fail point, and starts it without fail points.
pub(crate) async fn wait_for_kill_then_restart(service: &mut Service) {
    service.wait_for_exit(DEADLINE).await;
    service.restart_with(ServiceSpec::without_fail_points).await;
}

pub(crate) fn response_of(outcome: &Outcome) -> Option<&RecordedResponse> {
    match outcome {
        Outcome::Answered(response) => Some(response),
        Outcome::Unknown { .. } => None,
    }
}

/// Returns the status, if there was a response.
pub(crate) fn status(outcome: &Outcome) -> Option<u16> {
    response_of(outcome).map(|response| response.status)
}

#[track_caller]
pub(crate) fn assert_status(outcome: &Outcome, expected: u16) {
    assert_eq!(status(outcome), Some(expected), "{outcome:?}");
}

#[track_caller]
pub(crate) fn assert_problem(outcome: &Outcome, expected: u16, slug: &str) {
    let response = response_of(outcome).unwrap_or_else(|| panic!("no response: {outcome:?}"));
    assert_eq!((response.status, response.problem.as_deref()), (expected, Some(slug)), "{outcome:?}");
}

/// Checks that the request was refused in time with 503 and `Retry-After`, as it must be while a dependency is
/// unavailable.
#[track_caller]
pub(crate) fn assert_unavailable(outcome: &Outcome, since: Instant) {
    let took = since.elapsed();
    assert_problem(outcome, 503, "unavailable");
    let retry_after = response_of(outcome).and_then(|response| response.retry_after);
    assert!(retry_after.is_some_and(|seconds| seconds >= 1), "{outcome:?}");
    assert!(took < MAX_RESPONSE_TIME, "answered after {took:?}");
}

pub(crate) async fn users(world: &World) -> Collection<Document> {
    world.user_database().await.collection("users")
}

/// Returns the number of accounts with events that are unpublished or not yet removed from their lists.
pub(crate) async fn count_users_with_pending(world: &World) -> u64 {
    let pending = doc! { "pendingEvents.0": { "$exists": true } };
    users(world).await.count_documents(pending).await.expect("users can be counted")
}

pub(crate) async fn wait_until_nothing_is_pending(world: &World) {
    wait_for(RECOVERY_DEADLINE, "every event to be removed from its list", async || {
        (count_users_with_pending(world).await == 0).then_some(())
    })
    .await;
}

/// Returns the number of records that repeat an earlier one.
pub(crate) fn count_repeats(history: &History) -> usize {
    let ids: std::collections::BTreeSet<Option<&[u8]>> = history.records.iter().map(|r| header(r, "ce_id")).collect();
    history.records.len() - ids.len()
}

/// Returns the event types of one account in the order of the topic, first occurrences only.
pub(crate) fn types_of(history: &History, user: uuid::Uuid) -> Vec<String> {
    let key = user.to_string();
    let mut seen = std::collections::BTreeSet::new();
    let ours = history.records.iter().filter(|record| record.key.as_deref() == Some(key.as_bytes()));
    let first = ours.filter(|record| seen.insert(header(record, "ce_id").map(<[u8]>::to_vec)));
    first.map(event_type).collect()
}

pub(crate) fn event_type(record: &faults::checker::TopicRecord) -> String {
    String::from_utf8_lossy(header(record, "ce_type").unwrap_or_default()).into_owned()
}

/// Returns the number of mails that the server accepted for an address.
pub(crate) fn mails_to(run: &FaultRun, address: &str) -> usize {
    run.smtp.deliveries_to(address).len()
}

fn header<'a>(record: &'a faults::checker::TopicRecord, name: &str) -> Option<&'a [u8]> {
    record.headers.iter().find(|(header, _)| header == name)?.1.as_deref()
}
