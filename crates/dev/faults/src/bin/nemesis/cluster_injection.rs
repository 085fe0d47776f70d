//! Injects each fault of a cluster and heals it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bson::{Document, doc};
use faults::checker::{FaultTarget, InjectedFault};
use jiff::Timestamp;
use local_stack::{
    dependencies::{Isolation, KafkaCluster, ReplicaSet},
    wait_for::try_wait_for,
};
use mongodb::{Client, options::WriteConcern};
use service_kit::Clock;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::{
    cluster_schedule::ClusterFault,
    deployment::{ClusterServers, Deployment, Servers, ServiceKind},
    fault_injection::Injection,
};

/// The deadline of an election, with the time that a stopped or isolated primary needs to be noticed.
const ELECTION_DEADLINE: Duration = Duration::from_secs(60);
/// The deadline until all members and replicas have caught up.
const RECOVERY_DEADLINE: Duration = Duration::from_secs(120);
/// The time between two step-downs.
const STEP_DOWN_INTERVAL: Duration = Duration::from_secs(5);
/// How long a member that stepped down does not stand for election.
const STEP_DOWN_PERIOD: Duration = Duration::from_secs(10);

/// The deadline of the write to an isolated primary, which steps down 10 s after it lost its peers.
const WRITE_DEADLINE: Duration = Duration::from_secs(5);

/// When a fault took effect, and when its last healing step was done.
type Times = (Timestamp, Timestamp);

/// Injects a fault, waits for its duration, heals it, and waits until the cluster is complete again.
pub(crate) async fn inject(deployment: &Deployment, fault: &ClusterFault, duration: Duration) -> Injection {
    let Servers::Cluster(servers) = &deployment.servers else {
        return Injection::Skipped("the run is not on clusters".to_owned());
    };
    if let Some(why) = unavailable(deployment, servers, fault).await {
        return Injection::Skipped(why);
    }
    let started = now();
    let (target, injected) = match fault {
        ClusterFault::PrimaryKilled
        | ClusterFault::PrimaryStopped
        | ClusterFault::PrimaryIsolated
        | ClusterFault::NoMajority { .. }
        | ClusterFault::StepDowns => {
            let _only_one = servers.replica_set.lock().await;
            let set = servers.cluster.mongodb();
            let disturbed = disturb_replica_set(set, fault, duration).await;
            (FaultTarget::ReplicaSet, or_recover(disturbed, set.recover(RECOVERY_DEADLINE)).await)
        }
        ClusterFault::LeaderKilled(_)
        | ClusterFault::BrokerStopped(_)
        | ClusterFault::TwoBrokersAway { .. }
        | ClusterFault::ControllersCutOff => {
            let _only_one = servers.brokers.lock().await;
            let kafka = servers.cluster.kafka();
            let disturbed = disturb_brokers(kafka, deployment.run.world.topic(), fault, duration).await;
            (FaultTarget::Brokers, or_recover(disturbed, kafka.recover(RECOVERY_DEADLINE)).await)
        }
        ClusterFault::RollingRestart => (FaultTarget::Services, Ok(restart_in_turn(deployment).await)),
        ClusterFault::ClockOff(kind, n, seconds) => {
            (FaultTarget::Services, set_clock(deployment, *kind, *n, *seconds, duration).await)
        }
    };
    let (number, name) = (Some(fault.number()), fault.name().to_owned());
    match injected {
        Ok((began, healed)) => Injection::Done(InjectedFault { number, name, target, began, healed }),
        Err(error) => {
            let why = format!("fault {}, {name}: {error:#}", fault.number());
            println!("FAILED: {why}");
            Injection::Failed(InjectedFault { number, name, target, began: started, healed: now() }, why)
        }
    }
}

/// Ends every disturbance if an injection failed, so that the later faults find a complete cluster.
async fn or_recover(injected: Result<Times>, recovery: impl Future<Output = Result<Duration>>) -> Result<Times> {
    let Err(error) = injected else { return injected };
    match recovery.await {
        Ok(_) => Err(error),
        Err(later) => Err(error.context(format!("the cluster did not recover later: {later:#}"))),
    }
}

/// Returns the reason why this machine cannot inject the fault.
async fn unavailable(deployment: &Deployment, servers: &ClusterServers, fault: &ClusterFault) -> Option<String> {
    match fault {
        ClusterFault::PrimaryIsolated | ClusterFault::ControllersCutOff => {
            servers.cluster.links_unavailable().map(str::to_owned)
        }
        ClusterFault::ClockOff(kind, n, seconds) => {
            let service = deployment.replica(*kind, *n).lock().await;
            service.spec().clone().shift_clock(*seconds).err()
        }
        _ => None,
    }
}

async fn disturb_replica_set(set: &ReplicaSet, fault: &ClusterFault, duration: Duration) -> Result<Times> {
    let primary = set.wait_for_primary(ELECTION_DEADLINE).await?.member;
    let times = match fault {
        ClusterFault::PrimaryKilled => {
            set.kill(primary).await;
            let began = now();
            sleep(duration).await;
            set.restart(primary).await?;
            (began, now())
        }
        ClusterFault::PrimaryStopped => {
            set.pause(primary).await;
            let (began, end) = (now(), Instant::now() + duration);
            let elected = set.wait_for_new_primary(primary, ELECTION_DEADLINE).await;
            sleep_until(end).await;
            set.resume(primary).await;
            elected?;
            (began, now())
        }
        ClusterFault::PrimaryIsolated => {
            let before = set.rollback_id(primary).await?;
            let client = Client::with_uri_str(set.direct_uri(primary)).await?;
            set.isolate(primary, Isolation::FromPeers)?;
            let (began, end) = (now(), Instant::now() + duration);
            let written = write_without_majority(&client).await;
            let elected = set.wait_for_new_primary(primary, ELECTION_DEADLINE).await;
            sleep_until(end).await;
            set.heal(primary)?;
            let healed = now();
            written?;
            elected?;
            set.wait_until_complete(RECOVERY_DEADLINE).await?;
            let after = set.rollback_id(primary).await?;
            ensure!(after != before, "the isolated primary did not roll back what it had accepted alone");
            (began, healed)
        }
        ClusterFault::NoMajority { with_primary } => {
            let secondaries = (0..set.size()).filter(|member| *member != primary);
            let away: Vec<usize> = match with_primary {
                true => std::iter::once(primary).chain(secondaries.take(1)).collect(),
                false => secondaries.collect(),
            };
            for member in &away {
                set.pause(*member).await;
            }
            let began = now();
            sleep(duration).await;
            for member in &away {
                set.resume(*member).await;
            }
            (began, now())
        }
        _ => {
            let end = Instant::now() + duration;
            let began = now();
            step_down(set).await?;
            while Instant::now() + STEP_DOWN_INTERVAL < end {
                sleep(STEP_DOWN_INTERVAL).await;
                step_down(set).await?;
            }
            (began, now())
        }
    };
    set.wait_until_complete(RECOVERY_DEADLINE).await?;
    Ok(times)
}

/// Makes the primary step down, as soon as there is one and a secondary has all of its writes.
async fn step_down(set: &ReplicaSet) -> Result<()> {
    try_wait_for(ELECTION_DEADLINE, "a step-down", async || Ok(set.step_down(STEP_DOWN_PERIOD).await.ok())).await?;
    Ok(())
}

async fn disturb_brokers(kafka: &KafkaCluster, topic: &str, fault: &ClusterFault, duration: Duration) -> Result<Times> {
    let times = match fault {
        ClusterFault::LeaderKilled(partition) => {
            let leader = kafka.leader(topic, *partition).await.context("the partition has no leader")?;
            kafka.kill(leader).await;
            let began = now();
            sleep(duration).await;
            kafka.restart(leader).await?;
            (began, now())
        }
        ClusterFault::BrokerStopped(broker) => {
            kafka.pause(*broker).await;
            let began = now();
            sleep(duration).await;
            kafka.resume(*broker).await;
            (began, now())
        }
        ClusterFault::TwoBrokersAway { left } => {
            let (killed, stopped) = ((left + 1) % kafka.size(), (left + 2) % kafka.size());
            kafka.kill(killed).await;
            kafka.pause(stopped).await;
            let began = now();
            sleep(duration).await;
            kafka.resume(stopped).await;
            kafka.restart(killed).await?;
            (began, now())
        }
        _ => {
            kafka.cut_controllers()?;
            let began = now();
            sleep(duration).await;
            let controller = kafka.controller().await;
            kafka.heal_controllers()?;
            if let Some(broker) = controller {
                bail!("broker {broker} was the active controller without a quorum");
            }
            (began, now())
        }
    };
    kafka.wait_until_in_sync(None, RECOVERY_DEADLINE).await?;
    Ok(times)
}

/// Writes a document that only an isolated primary stores, so that it always has something to roll back.
async fn write_without_majority(primary: &Client) -> Result<()> {
    let collection = primary.database("nemesis").collection::<Document>("rolled_back");
    let write = collection.insert_one(doc! { "alone": true }).write_concern(WriteConcern::nodes(1));
    timeout(WRITE_DEADLINE, write).await.context("the isolated primary did not answer a write")??;
    Ok(())
}

async fn restart_in_turn(deployment: &Deployment) -> Times {
    let began = now();
    for service in deployment.users.iter().chain(&deployment.emails) {
        let mut service = service.lock().await;
        service.terminate().await;
        service.relaunch_with(|spec| spec);
        service.wait_until_ready().await;
    }
    (began, now())
}

async fn set_clock(
    deployment: &Deployment,
    kind: ServiceKind,
    n: usize,
    seconds: i64,
    duration: Duration,
) -> Result<Times> {
    let mut service = deployment.replica(kind, n).lock().await;
    let right = service.spec().clone();
    let wrong = right.clone().shift_clock(seconds).map_err(anyhow::Error::msg)?;
    service.terminate().await;
    service.relaunch_with(|_| wrong);
    let began = now();
    service.wait_until_ready().await;
    sleep(duration).await;
    service.terminate().await;
    service.relaunch_with(|_| right);
    service.wait_until_ready().await;
    Ok((began, now()))
}

fn now() -> Timestamp {
    Clock::system().now()
}
