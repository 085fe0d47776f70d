//! The cluster that tests disturb: members are killed, stopped, isolated and restarted, and come back.

use std::time::{Duration, Instant};

use test_support::{
    ApiResponse, BrokerKind, DEADLINE, IsolatedCluster, Isolation, MemberRole, Producer, Stack, TopicReader, World,
    create_topic, report_skipped,
};

const TOPIC: &str = "cluster.test";
/// How long the members may take to elect, with the defaults of both programs: 10 s and 9 s, and the election itself.
const ELECTION_DEADLINE: Duration = Duration::from_secs(25);
const RECOVERY_DEADLINE: Duration = Duration::from_secs(90);

async fn start(name: &str) -> Option<IsolatedCluster> {
    let begin = Instant::now();
    let started = IsolatedCluster::start(&Stack::from_env(), name).await;
    println!("started after {:?}", begin.elapsed());
    started.map_err(|reason| report_skipped(name, &reason)).ok()
}

/// Starts a cluster whose links can be cut.
async fn start_with_links(name: &str) -> Option<IsolatedCluster> {
    let cluster = start(name).await?;
    match cluster.links_unavailable() {
        None => Some(cluster),
        Some(reason) => {
            report_skipped(name, reason);
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn a_killed_primary_and_a_stopped_one_are_replaced_and_come_back_as_secondaries() {
    let Some(cluster) = start("primary-killed").await else { return };
    let set = cluster.mongodb();
    let first = set.primary().await.unwrap();
    set.kill(first).await;
    let second = set.wait_for_new_primary(first, ELECTION_DEADLINE).await.unwrap();
    println!("killed: a new primary after {:?}", second.took);
    set.restart(first).await.unwrap();
    set.wait_until_complete(RECOVERY_DEADLINE).await.unwrap();
    assert_eq!(set.primary().await, Some(second.member));

    set.pause(second.member).await;
    let third = set.wait_for_new_primary(second.member, ELECTION_DEADLINE).await.unwrap();
    println!("stopped: a new primary after {:?}", third.took);
    assert_eq!(set.roles().await[second.member], MemberRole::Unreachable);
    set.resume(second.member).await;
    println!("woken: a secondary after {:?}", set.wait_for_secondary(second.member, RECOVERY_DEADLINE).await.unwrap());

    assert_eq!(set.step_down(Duration::from_secs(10)).await.unwrap(), third.member);
    let fourth = set.wait_for_new_primary(third.member, ELECTION_DEADLINE).await.unwrap();
    println!("stepped down: a new primary after {:?}", fourth.took);

    let shut_down = async { println!("shut down: ended after {:?}", set.shut_down(fourth.member).await.unwrap()) };
    let replaced = async {
        let fifth = set.wait_for_new_primary(fourth.member, ELECTION_DEADLINE).await.unwrap();
        println!("shut down: a new primary after {:?}", fifth.took);
    };
    tokio::join!(shut_down, replaced);
    assert!(!set.is_running(fourth.member).await);
    println!("complete after {:?}", set.recover(RECOVERY_DEADLINE).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn an_isolated_primary_is_replaced_and_rolls_back_what_it_accepted_alone() {
    let Some(cluster) = start_with_links("primary-isolated").await else { return };
    let set = cluster.mongodb();
    let old = set.primary().await.unwrap();
    let rollbacks = set.rollback_id(old).await.unwrap();
    set.isolate(old, Isolation::FromPeers).unwrap();
    assert_eq!(set.roles().await[old], MemberRole::Primary, "it is reachable, and does not know yet");
    write_without_majority(&set.direct_uri(old)).await;
    let new = set.wait_for_new_primary(old, ELECTION_DEADLINE).await.unwrap();
    println!("isolated: a new primary after {:?}", new.took);
    set.heal(old).unwrap();
    println!("healed: a secondary after {:?}", set.wait_for_secondary(old, RECOVERY_DEADLINE).await.unwrap());
    set.wait_until_complete(RECOVERY_DEADLINE).await.unwrap();
    assert_eq!(set.primary().await, Some(new.member));
    assert_eq!(set.rollback_id(old).await.unwrap(), rollbacks + 1);

    set.isolate(new.member, Isolation::FromAll).unwrap();
    assert_eq!(set.roles().await[new.member], MemberRole::Unreachable);
    set.wait_for_new_primary(new.member, ELECTION_DEADLINE).await.unwrap();
    set.recover(RECOVERY_DEADLINE).await.unwrap();
}

/// Writes a document that only this member stores.
async fn write_without_majority(uri: &str) {
    let client = mongodb::Client::with_uri_str(uri).await.expect("the connection string is well-formed");
    let concern = mongodb::options::WriteConcern::nodes(1);
    let collection = client.database("cluster").collection::<bson::Document>("rolled_back");
    collection.insert_one(bson::doc! { "alone": true }).write_concern(concern).await.expect("it is the primary");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn a_killed_leader_and_an_isolated_one_are_replaced_and_come_back_in_sync() {
    let Some(cluster) = start("leader").await else { return };
    let kafka = cluster.kafka();
    create_topic(&kafka.brokers(), &BrokerKind::Real, TOPIC, 3).await;
    kafka.wait_until_in_sync(Some(TOPIC), DEADLINE).await.unwrap();
    for state in kafka.partitions(TOPIC).await {
        assert_eq!(state.replicas.len(), 3, "the default is a replica on every broker: {state:?}");
    }
    let producer = Producer::new(&kafka.brokers());
    let first = kafka.leader(TOPIC, 0).await.unwrap();
    kafka.kill(first).await;
    let second = kafka.wait_for_new_leader(TOPIC, 0, first, ELECTION_DEADLINE).await.unwrap();
    println!("killed: a new leader after {:?}", second.took);
    produce(&producer, "after a kill").await;
    kafka.restart(first).await.unwrap();
    println!("restarted: in sync after {:?}", kafka.wait_until_in_sync(None, RECOVERY_DEADLINE).await.unwrap());

    kafka.pause(second.member).await;
    let third = kafka.wait_for_new_leader(TOPIC, 0, second.member, ELECTION_DEADLINE).await.unwrap();
    println!("stopped: a new leader after {:?}", third.took);
    kafka.resume(second.member).await;
    println!("woken: in sync after {:?}", kafka.wait_until_in_sync(None, RECOVERY_DEADLINE).await.unwrap());

    if cluster.links_unavailable().is_none() {
        kafka.isolate(third.member, Isolation::FromPeers).unwrap();
        let fourth = kafka.wait_for_new_leader(TOPIC, 0, third.member, ELECTION_DEADLINE).await.unwrap();
        println!("isolated: a new leader after {:?}", fourth.took);
        produce(&producer, "after an isolation").await;
        println!("healed: in sync after {:?}", kafka.recover(RECOVERY_DEADLINE).await.unwrap());
    }
    let broker = kafka.leader(TOPIC, 0).await.unwrap();
    kafka.shut_down(broker).await;
    assert_ne!(kafka.leader(TOPIC, 0).await, Some(broker), "it hands over before it ends");
    println!("complete after {:?}", kafka.recover(RECOVERY_DEADLINE).await.unwrap());
    let expected = if cluster.links_unavailable().is_none() { 2 } else { 1 };
    assert_eq!(TopicReader::new(&kafka.brokers(), TOPIC).read_all().await.len(), expected);
}

async fn produce(producer: &Producer, value: &str) {
    let produced = producer.try_produce(TOPIC, Some(0), None, Some(value.as_bytes()), &[]).await;
    produced.expect("a majority of the brokers acknowledges it");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn another_controller_takes_over_and_without_a_quorum_there_is_none() {
    let Some(cluster) = start_with_links("controllers").await else { return };
    let kafka = cluster.kafka();
    create_topic(&kafka.brokers(), &BrokerKind::Real, TOPIC, 1).await;
    let first = kafka.controller().await.unwrap();
    kafka.pause(first).await;
    let second = kafka.wait_for_new_controller(first, ELECTION_DEADLINE).await.unwrap();
    println!("stopped: a new controller after {:?}", second.took);
    kafka.recover(RECOVERY_DEADLINE).await.unwrap();

    kafka.cut_controllers().unwrap();
    test_support::wait_for(ELECTION_DEADLINE, "no controller", async || {
        kafka.controller().await.is_none().then_some(())
    })
    .await;
    produce(&Producer::new(&kafka.brokers()), "without a controller").await;
    kafka.heal_controllers().unwrap();
    println!("healed: in sync after {:?}", kafka.recover(RECOVERY_DEADLINE).await.unwrap());
    assert!(kafka.controller().await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "slow: run by scripts/nightly"]
async fn without_links_the_cluster_runs_and_isolating_a_member_is_refused() {
    let name = "without-links";
    let cluster = match IsolatedCluster::start_without_links(&Stack::from_env(), name).await {
        Ok(cluster) => cluster,
        Err(reason) => return report_skipped(name, &reason),
    };
    assert!(cluster.links_unavailable().is_some());
    let refused = cluster.mongodb().isolate(0, Isolation::FromPeers).unwrap_err();
    assert!(refused.to_string().contains("no link can be cut here"), "{refused}");
    assert!(cluster.kafka().cut_controllers().is_err());
    cluster.mongodb().kill(0).await;
    cluster.mongodb().wait_for_new_primary(0, ELECTION_DEADLINE).await.unwrap();
    cluster.mongodb().recover(RECOVERY_DEADLINE).await.unwrap();
    cluster.kafka().recover(RECOVERY_DEADLINE).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn services_whose_clock_is_ten_minutes_off_work() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "clock").await;
    let right = world.user_service();
    let shifted = right.replica().shift_clock(-600);
    let emails = world.email_service().set("MAIL__LINK_BASE_URL", right.base_url()).shift_clock(600);
    let (shifted, emails) = match (shifted, emails) {
        (Ok(shifted), Ok(emails)) => (shifted, emails),
        (Err(reason), _) | (_, Err(reason)) => {
            return report_skipped("services_whose_clock_is_ten_minutes_off_work", &reason);
        }
    };
    let (right, behind, _emails) = tokio::join!(right.start(), shifted.start(), emails.start());
    let ada = world.test_user("ada");
    let answer = behind.api().register(&ada).await.expect(201);
    world.mailbox(&ada.email).wait_for_mails(1).await;
    let shift = seconds_of(&right.api().get("/api/problems").await) - seconds_of(&answer);
    assert!((600..660).contains(&shift), "{shift}");
}

/// Returns the time of a service when it received a request, in seconds. Its id is a UUIDv7, which begins with it.
fn seconds_of(response: &ApiResponse) -> i64 {
    let id = response.header("x-request-id").replace('-', "");
    i64::from_str_radix(&id[..12], 16).expect("the id of a request is hexadecimal") / 1000
}
