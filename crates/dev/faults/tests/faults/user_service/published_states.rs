//! Faults 41 to 45. The topic of states ends with the newest state of every user, whatever happens between the
//! acknowledgements of an event and of its state, in another replica, in Kafka, or during a snapshot.

use std::time::Duration;

use bson::doc;
use e2e::commands::stdout_of;
use faults::{Client, FaultRun, assert_promises_kept};
use futures_util::future::join_all;
use test_support::{DEADLINE, IsolatedKafka, Record, Service, ServiceSpec, Stack, TestUser, World, wait_for};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use uuid::Uuid;

use crate::setup::*;

/// How long a replica is held between reading a state and publishing it, from when its event is in the topic.
const HELD: Duration = Duration::from_secs(6);

/// Returns the records of the topic of states, in the order of the topic.
async fn all_states(world: &World) -> Vec<Record> {
    let mut reader = world.state_reader().expect("the run has a topic of states");
    reader.read_all().await.to_vec()
}

/// Returns the records of one user in the topic of states.
async fn states_of(world: &World, user: Uuid) -> Vec<Record> {
    all_states(world).await.into_iter().filter(|record| record.key_text() == user.to_string()).collect()
}

/// Returns the display names in the records of one user, in the order of the topic: an empty text if there is none, and
/// `None` for a tombstone.
async fn names_of(world: &World, user: Uuid) -> Vec<Option<String>> {
    let name = |record: &Record| {
        record.value.as_ref()?;
        Some(record.json()["displayName"].as_str().unwrap_or_default().to_owned())
    };
    states_of(world, user).await.iter().map(name).collect()
}

fn user_of(client: &Client) -> Uuid {
    client.user().expect("it is signed in")
}

async fn wait_for_event(world: &World, event_type: &str) {
    world.topic_reader().read_type(event_type, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_41_a_user_service_killed_before_the_state_of_an_acknowledged_event_publishes_it_after_its_restart() {
    let run = run_without_mails("stateless").await;
    let mut service = with_short_intervals(run.world.user_service()).start().await;
    let (mut ada, person) = logged_in_client(&run, &service, "ada").await;
    wait_until_nothing_is_pending(&run.world).await;
    let user = user_of(&ada);
    let before = states_of(&run.world, user).await.len();

    // A login alone publishes no state, so it does not reach the fail point.
    restart_with_fail_points(&mut service, "relay.before_state=return").await;
    assert_status(&ada.login(&person).await, 200);
    wait_until_nothing_is_pending(&run.world).await;
    assert_eq!(states_of(&run.world, user).await.len(), before, "a login has published a state");

    ada.update_profile("Ada").await;
    service.wait_for_exit(DEADLINE).await;
    wait_for_event(&run.world, "user.profile_updated.v1").await;
    assert_eq!(states_of(&run.world, user).await.len(), before, "the process was killed too late");
    assert_eq!(count_users_with_pending(&run.world).await, 1, "an event must not leave its list before its state");
    service.restart_with(ServiceSpec::without_fail_points).await;
    wait_until_nothing_is_pending(&run.world).await;
    assert_eq!(names_of(&run.world, user).await.last(), Some(&Some("Ada".to_owned())));

    restart_with_fail_points(&mut service, "relay.before_state=return").await;
    ada.delete(&person).await;
    service.wait_for_exit(DEADLINE).await;
    wait_for_event(&run.world, "user.deleted.v1").await;
    assert!(states_of(&run.world, user).await.iter().all(|record| record.value.is_some()), "killed too late");
    service.restart_with(ServiceSpec::without_fail_points).await;
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert!(history.users.is_empty(), "the tombstone stays after its publication: {:?}", history.users);
    assert_eq!(names_of(&run.world, user).await.last(), Some(&None));
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_41_a_user_service_killed_between_the_ack_of_a_state_and_the_removal_publishes_the_same_state_again() {
    let run = run_without_mails("staterepeat").await;
    let mut service = with_short_intervals(run.world.user_service()).start().await;
    let (mut ada, person) = logged_in_client(&run, &service, "ada").await;
    wait_until_nothing_is_pending(&run.world).await;
    let user = user_of(&ada);
    let before = states_of(&run.world, user).await.len();

    restart_with_fail_points(&mut service, "relay.after_state=return").await;
    ada.update_profile("Ada").await;
    service.wait_for_exit(DEADLINE).await;
    let killed = states_of(&run.world, user).await;
    assert_eq!(killed.len(), before + 1, "the process was killed before the acknowledgement");
    assert_eq!(count_users_with_pending(&run.world).await, 1, "the process was killed too late");
    service.restart_with(ServiceSpec::without_fail_points).await;
    wait_until_nothing_is_pending(&run.world).await;
    let again = states_of(&run.world, user).await;
    assert!(again.len() > killed.len(), "the state was not published again");
    let last = |records: &[Record]| records.last().map(|record| (record.id(), record.value.clone()));
    assert_eq!(last(&again), last(&killed));

    restart_with_fail_points(&mut service, "relay.after_state=return").await;
    ada.delete(&person).await;
    service.wait_for_exit(DEADLINE).await;
    assert_eq!(names_of(&run.world, user).await.last(), Some(&None), "killed before the acknowledgement");
    service.restart_with(ServiceSpec::without_fail_points).await;
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert!(history.users.is_empty(), "the tombstone stays after its publication: {:?}", history.users);
}

/// Why a replica publishes a state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Registration,
    Snapshot,
}

/// A replica that is stopped after it has read a state and before it publishes it, and a second one that has taken over.
/// The account has no display name in that state.
struct StoppedPublisher {
    run: FaultRun,
    stopped: Service,
    second: Service,
    client: Client,
    person: TestUser,
}

impl StoppedPublisher {
    /// Stops a replica before it publishes a state, and has the second replica publish it.
    async fn start(name: &str, cause: Cause) -> Self {
        let run = run_without_mails(name).await;
        let published = usize::from(cause == Cause::Snapshot);
        let held = format!("relay.state_read={published}*off->1*sleep({})->off", HELD.as_millis());
        let mut stopped = with_short_intervals(run.world.user_service()).fail_points(&held).start().await;
        // Until then, the replica leaves what it writes to the sweep.
        wait_for(DEADLINE, "Kafka to be ok", async || (stopped.check("kafka").await == "ok").then_some(())).await;
        let (mut client, person) = (client(&run, &stopped), run.world.test_user("ada"));
        assert_status(&client.register(&person, None).await, 201);
        wait_for_event(&run.world, "user.registered.v1").await;
        let mut snapshot = None;
        if cause == Cause::Snapshot {
            wait_until_nothing_is_pending(&run.world).await;
            snapshot = Some(start_snapshot(&stopped, &[]));
            wait_for(DEADLINE, "the request of the state", async || {
                (count_users_with_pending(&run.world).await == 1).then_some(())
            })
            .await;
        }
        // The state is read right after the acknowledgement of the event, or by the next sweep.
        sleep(Duration::from_secs(2)).await;
        stopped.pause();
        assert_eq!(all_states(&run.world).await.len(), published, "the replica was not held long enough");
        assert_eq!(count_users_with_pending(&run.world).await, 1);
        let second = with_short_intervals(run.world.user_service()).start().await;
        wait_until_nothing_is_pending(&run.world).await;
        if let Some(snapshot) = snapshot {
            snapshot.await.expect("the command does not panic");
        }
        client.use_api(second.api());
        assert_status(&client.login(&person).await, 200);
        Self { run, stopped, second, client, person }
    }

    /// Lets the stopped replica go on, and waits until it has published what it read before.
    async fn resume(&mut self) {
        let before = names_of(&self.run.world, user_of(&self.client)).await.len();
        self.stopped.resume();
        wait_for(DEADLINE, "the state that was held", async || {
            let names = names_of(&self.run.world, user_of(&self.client)).await;
            names.get(before..)?.contains(&Some(String::new())).then_some(())
        })
        .await;
    }

    /// Deletes the account through the second replica, lets the first one go on, and checks that the user is deleted in
    /// the topic too.
    async fn assert_stays_deleted(mut self) {
        let user = user_of(&self.client);
        assert_status(&self.client.delete(&self.person).await, 204);
        wait_until_nothing_is_pending(&self.run.world).await;
        assert_eq!(users(&self.run.world).await.count_documents(doc! {}).await.expect("MongoDB answers"), 0);
        assert_eq!(names_of(&self.run.world, user).await.last(), Some(&None));

        self.resume().await;
        assert_promises_kept(&self.run, DEADLINE).await;
        let names = names_of(&self.run.world, user).await;
        let (first, last) = (names.iter().position(Option::is_none), names.iter().rposition(Option::is_none));
        let late = names.iter().rposition(Option::is_some);
        assert!(first < late && late < last, "{names:?}");
    }
}

/// Starts `events snapshot`, which ends when the states have been published.
fn start_snapshot(service: &Service, arguments: &'static [&str]) -> JoinHandle<()> {
    let spec = service.spec().clone().without_fail_points();
    let arguments = [&["events", "snapshot"], arguments].concat();
    tokio::spawn(async move { drop(stdout_of(&spec.command(&arguments).await, 0)) })
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_42_a_state_that_a_stopped_replica_publishes_late_is_followed_by_the_newest_one() {
    let mut fault = StoppedPublisher::start("stalestate", Cause::Registration).await;
    let user = user_of(&fault.client);
    assert_status(&fault.client.update_profile("Newest").await, 200);
    wait_until_nothing_is_pending(&fault.run.world).await;
    assert_eq!(names_of(&fault.run.world, user).await.last(), Some(&Some("Newest".to_owned())));

    fault.resume().await;
    assert_promises_kept(&fault.run, DEADLINE).await;
    let names = names_of(&fault.run.world, user).await;
    let newest = |name: &Option<String>| name.as_deref() == Some("Newest");
    let (first, last) = (names.iter().position(newest), names.iter().rposition(newest));
    let late = names.iter().rposition(|name| name.as_deref() == Some(""));
    assert!(first < late && late < last, "{names:?}");
    // Both replicas still work.
    for service in [&fault.stopped, &fault.second] {
        fault.client.use_api(service.api());
        assert_status(&fault.client.update_profile(&service.base_url()).await, 200);
    }
    assert_promises_kept(&fault.run, DEADLINE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_42_a_state_that_a_stopped_replica_publishes_after_the_deletion_is_followed_by_a_tombstone() {
    StoppedPublisher::start("ghost", Cause::Registration).await.assert_stays_deleted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_42_an_older_state_whose_publisher_is_killed_before_the_removal_is_followed_by_the_newest_one() {
    let run = run_without_mails("killedlate").await;
    let spec = with_short_intervals(run.world.user_service()).set("RELAY__SWEEP_MIN_AGE", "10s");
    let held = format!("relay.state_read=1*sleep({})->off;relay.after_state=return", HELD.as_millis());
    let (mut killed, second) = tokio::join!(spec.clone().fail_points(&held).start(), spec.replica().start());
    for service in [&killed, &second] {
        wait_for(DEADLINE, "Kafka to be ok", async || (service.check("kafka").await == "ok").then_some(())).await;
    }
    let (mut ada, person) = (client(&run, &killed), run.world.test_user("ada"));
    assert_status(&ada.register(&person, None).await, 201);
    wait_for_event(&run.world, "user.registered.v1").await;
    sleep(Duration::from_secs(1)).await;
    // The second replica publishes all of the list and the newest state, and knows that the first one may be late.
    ada.use_api(second.api());
    assert_status(&ada.login(&person).await, 200);
    assert_status(&ada.update_profile("Newest").await, 200);
    killed.wait_for_exit(DEADLINE).await;
    let names = names_of(&run.world, user_of(&ada)).await;
    assert!(names.contains(&Some("Newest".to_owned())), "the second replica was too slow: {names:?}");
    assert_eq!(names.last(), Some(&Some(String::new())), "the older state did not come last: {names:?}");
    assert_promises_kept(&run, RECOVERY_DEADLINE).await;
    let names = names_of(&run.world, user_of(&ada)).await;
    assert_eq!(names.last(), Some(&Some("Newest".to_owned())), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_42_two_replicas_that_change_the_same_users_at_once_end_with_the_newest_states() {
    const PEOPLE: usize = 4;
    const CHANGES: usize = 12;
    let run = run_without_mails("twopublishers").await;
    let spec = with_short_intervals(run.world.user_service()).fail_points("relay.state_read=50%sleep(30)");
    let (first, second) = tokio::join!(spec.clone().start(), spec.replica().start());
    let mut writers = Vec::new();
    for n in 0..PEOPLE {
        let (one, person) = logged_in_client(&run, &first, &format!("p{n}")).await;
        let mut other = client(&run, &second);
        assert_status(&other.login(&person).await, 200);
        writers.extend([(one, person.clone()), (other, person)]);
    }
    let at_once = writers.iter_mut().enumerate().map(|(n, (writer, _))| async move {
        for change in 0..CHANGES {
            assert_status(&writer.update_profile(&format!("Change {change} of {n}")).await, 200);
        }
    });
    join_all(at_once).await;
    for (leaving, person) in writers.iter_mut().step_by(4) {
        assert_status(&leaving.delete(person).await, 204);
    }
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert_eq!(history.users.len(), PEOPLE / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_43_changes_and_deletions_while_kafka_is_away_have_their_states_when_it_is_back() {
    let stack = Stack::from_env();
    let mut kafka = IsolatedKafka::start(&stack, "statesaway").await;
    let world = World::without_topic(&stack, "statesaway").on_brokers(kafka.brokers(), kafka.broker_kind());
    let mut run = run_in_world(world).await;
    run.limits.no_email_service = true;
    // The states of one user are read three seconds after the acknowledgement of the event, so that Kafka goes away in
    // between.
    let spec = with_short_intervals(run.world.user_service()).fail_points("relay.before_state=1*sleep(3000)->off");
    let mut service = spec.start().await;
    let (mut between, between_person) = (client(&run, &service), run.world.test_user("between"));
    assert_status(&between.register(&between_person, None).await, 201);
    wait_for_event(&run.world, "user.registered.v1").await;
    kafka.take_down().await;
    let (mut leaving, person) = logged_in_client(&run, &service, "leaving").await;
    assert_status(&leaving.update_profile("Not for long").await, 200);
    assert_status(&leaving.delete(&person).await, 204);
    let (mut staying, _) = logged_in_client(&run, &service, "staying").await;
    wait_for(DEADLINE, "the state to be given up", async || {
        service.log().contains("a state was not published; the sweep will publish it").then_some(())
    })
    .await;
    assert_eq!(count_users_with_pending(&run.world).await, 3, "an entry has left its list without Kafka");
    service.kill().await;
    service.restart_with(ServiceSpec::without_fail_points).await;
    assert_status(&staying.update_profile("After the restart").await, 200);

    kafka.bring_up().await;
    let history = assert_promises_kept(&run, RECOVERY_DEADLINE).await;
    assert_eq!(history.users.len(), 2);
    for (client, expected) in [(&between, Some("")), (&leaving, None), (&staying, Some("After the restart"))] {
        let names = names_of(&run.world, user_of(client)).await;
        assert_eq!(names.last().cloned(), Some(expected.map(str::to_owned)), "{names:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_44_a_state_that_a_stopped_replica_publishes_for_a_snapshot_resurrects_no_deleted_user() {
    StoppedPublisher::start("snapshotghost", Cause::Snapshot).await.assert_stays_deleted().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_44_a_snapshot_while_users_are_changed_and_deleted_loses_no_change_and_resurrects_nobody() {
    const PEOPLE: usize = 20;
    /// The maximum duration of the changes. The snapshot takes at least 4 s, and may wait for their end.
    const CHANGES: Duration = Duration::from_secs(12);
    let run = run_without_mails("snapshots").await;
    let spec = with_short_intervals(run.world.user_service()).fail_points("relay.state_read=20%sleep(10)");
    let (first, second) = tokio::join!(spec.clone().start(), spec.replica().start());
    let mut people = Vec::new();
    for n in 0..PEOPLE {
        people.push(logged_in_client(&run, &first, &format!("p{n}")).await);
    }
    wait_until_nothing_is_pending(&run.world).await;
    let (snapshot, started) = (start_snapshot(&first, &["--rate", "5"]), Instant::now());
    let changes = people.iter_mut().enumerate().map(|(n, (client, person))| {
        client.use_api(if n % 2 == 0 { first.api() } else { second.api() });
        let leaves_after = (n % 4 < 2).then(|| Duration::from_millis(400) * u32::try_from(n).expect("few"));
        let snapshot = &snapshot;
        async move {
            for change in 0.. {
                if leaves_after.is_some_and(|after| started.elapsed() >= after) {
                    return assert_status(&client.delete(person).await, 204);
                }
                if leaves_after.is_none() && (snapshot.is_finished() || started.elapsed() >= CHANGES) {
                    return;
                }
                assert_status(&client.update_profile(&format!("Change {change}")).await, 200);
                sleep(Duration::from_millis(300)).await;
            }
        }
    });
    join_all(changes).await;
    snapshot.await.expect("the command does not panic");
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert_eq!(history.users.len(), PEOPLE / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_45_after_the_topic_was_switched_on_late_a_snapshot_publishes_every_user() {
    let mut run = run_without_mails("switchedon").await;
    run.limits.states_later = true;
    let off = with_short_intervals(run.world.user_service()).set("KAFKA__STATE_TOPIC", "");
    let (mut first, mut second) = tokio::join!(off.clone().start(), off.replica().start());
    let mut people = Vec::new();
    for (n, name) in ["changed", "unchanged", "deletedbefore", "deletedafter"].into_iter().enumerate() {
        let service = if n % 2 == 0 { &first } else { &second };
        let (mut client, person) = logged_in_client(&run, service, name).await;
        assert_status(&client.update_profile(name).await, 200);
        people.push((client, person));
    }
    let [changed, unchanged, deleted_before, deleted_after] = people.as_mut_slice() else { panic!("four people") };
    assert_status(&deleted_before.0.delete(&deleted_before.1).await, 204);
    wait_until_nothing_is_pending(&run.world).await;

    // No replica without the topic may run beside one with it: it would remove a tombstone without publishing it.
    for service in [&mut first, &mut second] {
        assert_eq!(service.terminate().await.code(), Some(0));
    }
    let topic = run.world.state_topic().expect("the run has a topic of states").to_owned();
    for service in [&mut first, &mut second] {
        service.restart_with(|spec| spec.set("KAFKA__STATE_TOPIC", &topic)).await;
    }
    assert_status(&changed.0.update_profile("Changed").await, 200);
    assert_status(&deleted_after.0.delete(&deleted_after.1).await, 204);
    wait_until_nothing_is_pending(&run.world).await;
    assert!(states_of(&run.world, user_of(&unchanged.0)).await.is_empty(), "a state was published without a change");

    start_snapshot(&second, &[]).await.expect("the command does not panic");
    let history = assert_promises_kept(&run, DEADLINE).await;
    assert_eq!(history.users.len(), 2);
    for (client, expected) in
        [(&changed.0, Some("Changed")), (&unchanged.0, Some("unchanged")), (&deleted_after.0, None)]
    {
        let names = names_of(&run.world, user_of(client)).await;
        assert_eq!(names.last().cloned(), Some(expected.map(str::to_owned)), "{names:?}");
    }
    assert!(states_of(&run.world, user_of(&deleted_before.0)).await.is_empty(), "a user was resurrected");
}
