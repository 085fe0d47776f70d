//! How a run of the user service's faults begins, and what its tests ask again and again.

use std::time::{Duration, Instant};

use bson::{Document, doc};
use faults::checker::{Answer, History, Limits, Outcome};
use faults::{Client, Recorder, Run};
use mongodb::Collection;
use test_support::{DEADLINE, ScriptedSmtp, Service, ServiceSpec, Stack, TestUser, World, wait_for};

/// For waiting until an outage is over and all that it held up is done.
pub(crate) const HEALED: Duration = Duration::from_secs(60);

/// How long a request may take while something that it needs is away.
pub(crate) const IN_TIME: Duration = Duration::from_secs(3);

/// A sweep that looks soon, a lease that a dead process does not hold for long, hashes that cost nothing.
pub(crate) fn brisk(spec: ServiceSpec) -> ServiceSpec {
    spec.set("RELAY__SWEEP_INTERVAL", "100ms")
        .set("RELAY__SWEEP_MIN_AGE", "300ms")
        .set("RELAY__LEASE", "1s")
        .set("HASHING__MEMORY_KIB", "64")
        .set("HASHING__ITERATIONS", "1")
}

/// An email service that soon takes over what one held that was killed, or could not say goodbye.
pub(crate) fn impatient(spec: ServiceSpec) -> ServiceSpec {
    spec.set("SMTP__STEP_TIMEOUT", "1s")
        .set("SMTP__DOT_TIMEOUT", "1s")
        .set("SENDER__LEASE", "5s")
        // The group waits no longer than this for a member that is gone.
        .set("INGEST__MAX_POLL_INTERVAL", "6s")
}

/// A run on the shared parts.
pub(crate) async fn run(name: &str) -> Run {
    run_in(World::new(&Stack::from_env(), name).await).await
}

/// A run in a world that has its topic, on other parts perhaps.
pub(crate) async fn run_in(world: World) -> Run {
    let smtp = ScriptedSmtp::start().await;
    Run { world: world.on_smtp(smtp.url()), recorder: Recorder::new(), smtp, limits: Limits::default() }
}

/// A run without an email service.
pub(crate) async fn run_without_mails(name: &str) -> Run {
    let mut run = run(name).await;
    run.limits.no_email_service = true;
    run
}

/// Both services of a run, ready.
pub(crate) async fn start(run: &Run) -> (Service, Service) {
    tokio::join!(brisk(run.world.user_service()).start(), impatient(run.world.email_service()).start())
}

/// A recorded client of a service.
pub(crate) fn client(run: &Run, service: &Service) -> Client {
    run.recorder.client(service.api())
}

/// Somebody who is registered and signed in.
pub(crate) async fn member(run: &Run, service: &Service, name: &str) -> (Client, TestUser) {
    let (mut client, person) = (client(run, service), run.world.test_user(name));
    assert_status(&client.register(&person, None).await, 201);
    assert_status(&client.login(&person).await, 200);
    (client, person)
}

/// Kills a service, and starts it again so that it ends by itself at `points`.
pub(crate) async fn restart_with_fail_points(service: &mut Service, points: &str) {
    service.kill().await;
    service.restart_with(|spec| spec.fail_points(points)).await;
}

/// Waits until it has ended at a fail point, and starts it without them.
pub(crate) async fn until_killed_then_restart(service: &mut Service) {
    service.wait_for_exit(DEADLINE).await;
    service.restart_with(ServiceSpec::without_fail_points).await;
}

pub(crate) fn answer(outcome: &Outcome) -> Option<&Answer> {
    match outcome {
        Outcome::Answered(answer) => Some(answer),
        Outcome::Unknown { .. } => None,
    }
}

/// The status, if there was an answer.
pub(crate) fn status(outcome: &Outcome) -> Option<u16> {
    answer(outcome).map(|answer| answer.status)
}

#[track_caller]
pub(crate) fn assert_status(outcome: &Outcome, expected: u16) {
    assert_eq!(status(outcome), Some(expected), "{outcome:?}");
}

#[track_caller]
pub(crate) fn assert_problem(outcome: &Outcome, expected: u16, slug: &str) {
    let answer = answer(outcome).unwrap_or_else(|| panic!("no answer: {outcome:?}"));
    assert_eq!((answer.status, answer.problem.as_deref()), (expected, Some(slug)), "{outcome:?}");
}

/// What a request is answered with while something that it needs is away: at once, and with the advice to
/// come back.
#[track_caller]
pub(crate) fn assert_unavailable(outcome: &Outcome, since: Instant) {
    let took = since.elapsed();
    assert_problem(outcome, 503, "unavailable");
    let retry_after = answer(outcome).and_then(|answer| answer.retry_after);
    assert!(retry_after.is_some_and(|seconds| seconds >= 1), "{outcome:?}");
    assert!(took < IN_TIME, "answered after {took:?}");
}

pub(crate) async fn users(world: &World) -> Collection<Document> {
    world.user_database().await.collection("users")
}

/// How many accounts have events that are not published, or not yet taken off their lists.
pub(crate) async fn with_pending(world: &World) -> u64 {
    let pending = doc! { "pendingEvents.0": { "$exists": true } };
    users(world).await.count_documents(pending).await.expect("users can be counted")
}

pub(crate) async fn until_nothing_is_pending(world: &World) {
    wait_for(HEALED, "every event to be off its list", async || (with_pending(world).await == 0).then_some(())).await;
}

/// How many records of a history repeat an earlier one.
pub(crate) fn repeated(history: &History) -> usize {
    let ids: std::collections::BTreeSet<Option<&[u8]>> = history.records.iter().map(|r| header(r, "ce_id")).collect();
    history.records.len() - ids.len()
}

/// The types of one account's events, first occurrences only, in the order of the topic.
pub(crate) fn types_of(history: &History, user: uuid::Uuid) -> Vec<String> {
    let key = user.to_string();
    let mut seen = std::collections::BTreeSet::new();
    let ours = history.records.iter().filter(|record| record.key.as_deref() == Some(key.as_bytes()));
    let first = ours.filter(|record| seen.insert(header(record, "ce_id").map(<[u8]>::to_vec)));
    first.map(event_type).collect()
}

pub(crate) fn event_type(record: &faults::checker::Record) -> String {
    String::from_utf8_lossy(header(record, "ce_type").unwrap_or_default()).into_owned()
}

/// How many mails the server took for an address.
pub(crate) fn mails_to(run: &Run, address: &str) -> usize {
    run.smtp.deliveries_to(address).len()
}

fn header<'a>(record: &'a faults::checker::Record, name: &str) -> Option<&'a [u8]> {
    record.headers.iter().find(|(header, _)| header == name)?.1.as_deref()
}
