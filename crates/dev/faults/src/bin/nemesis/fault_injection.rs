//! Injects each fault and heals it.

use std::time::Duration;

use faults::checker::{FaultTarget, InjectedFault};
use service_kit::Clock;
use test_support::{ProxyMode, Service, ServiceSpec, SmtpRule, TcpProxy};
use tokio::time::{sleep, timeout};

use crate::{
    cluster_injection,
    consumer_schedule::ConsumerFault,
    deployment::{Deployment, Servers, ServiceKind},
    poison_records,
    schedule::{ConsumerInstance, Fault, NetworkFault, PlannedFault},
};

/// The result of an injection.
pub(crate) enum Injection {
    Done(InjectedFault),
    /// The fault did not have its effect, or a cluster did not recover; with the error.
    Failed(InjectedFault, String),
    /// This machine cannot inject the fault; with the reason.
    Skipped(String),
}

/// Injects a fault, waits for its duration, and heals it.
pub(crate) async fn inject(deployment: &Deployment, planned: &PlannedFault, nth: usize) -> Injection {
    if let Fault::Cluster(fault) = &planned.fault {
        return cluster_injection::inject(deployment, fault, planned.duration).await;
    }
    let (clock, target) = (Clock::system(), disturbed(deployment, &planned.fault).await);
    let began = clock.now();
    if !inject_and_heal(deployment, planned, nth).await {
        return Injection::Skipped("no process and no connection that can be disturbed".to_owned());
    }
    let name = planned.fault.kind().to_owned();
    Injection::Done(InjectedFault { number: None, name, target, began, healed: clock.now() })
}

/// Returns what a fault disturbs, for the history.
async fn disturbed(deployment: &Deployment, fault: &Fault) -> FaultTarget {
    match fault {
        Fault::Stop(ServiceKind::User, n) => {
            let service = deployment.replica(ServiceKind::User, *n).lock().await;
            FaultTarget::StoppedService(service.base_url().trim_start_matches("http://").to_owned())
        }
        Fault::Kill(..)
        | Fault::Stop(..)
        | Fault::Terminate(..)
        | Fault::TerminateCutOff(..)
        | Fault::FailPoint(..)
        | Fault::Rebalance(_) => FaultTarget::Services,
        _ => FaultTarget::Other,
    }
}

/// Injects a fault of anything but a cluster and heals it. Returns false if this machine cannot inject it (for
/// example, pausing a broker that is not a process).
async fn inject_and_heal(deployment: &Deployment, planned: &PlannedFault, nth: usize) -> bool {
    let duration = planned.duration;
    match &planned.fault {
        Fault::Kill(kind, n) | Fault::Terminate(kind, n) => {
            let mut service = deployment.replica(*kind, *n).lock().await;
            if matches!(planned.fault, Fault::Kill(..)) {
                service.kill().await;
            } else {
                service.terminate().await;
            }
            sleep(duration).await;
            start_again(&mut service);
        }
        Fault::Stop(kind, n) => {
            let mut service = deployment.replica(*kind, *n).lock().await;
            service.pause();
            sleep(duration).await;
            service.resume();
        }
        Fault::TerminateCutOff(kind, n) => {
            let mut service = deployment.replica(*kind, *n).lock().await;
            let Some(proxy) = deployment.links.get(&kind.mongodb()) else { return false };
            proxy.set_mode(ProxyMode::Refuse);
            sleep(duration).await;
            service.terminate().await;
            proxy.set_mode(ProxyMode::Pass);
            start_again(&mut service);
        }
        Fault::FailPoint(kind, n, place, times) => {
            let mut service = deployment.replica(*kind, *n).lock().await;
            kill_at_fail_point(&mut service, place, *times, duration).await;
        }
        Fault::Rebalance(more) => rebalance(deployment, *more, duration).await,
        Fault::MongodKilled => {
            let Servers::Single { mongod, .. } = &deployment.servers else { return false };
            let mut mongod = mongod.lock().await;
            mongod.take_down().await;
            sleep(duration).await;
            mongod.bring_up().await;
        }
        Fault::MongodStopped => {
            let Servers::Single { mongod, .. } = &deployment.servers else { return false };
            let mut mongod = mongod.lock().await;
            mongod.pause();
            sleep(duration).await;
            mongod.resume();
        }
        Fault::BrokerKilled => {
            let Servers::Single { kafka, .. } = &deployment.servers else { return false };
            let mut kafka = kafka.lock().await;
            kafka.take_down().await;
            sleep(duration).await;
            kafka.bring_up().await;
        }
        Fault::BrokerStopped => {
            let Servers::Single { kafka, .. } = &deployment.servers else { return false };
            let mut kafka = kafka.lock().await;
            if !kafka.pause() {
                return false;
            }
            sleep(duration).await;
            kafka.resume();
        }
        Fault::Network(link, fault) => {
            let Some(proxy) = deployment.links.get(link) else { return false };
            disturb_connections(proxy, *fault, duration).await;
        }
        Fault::Smtp(phase, act) => {
            deployment.run.smtp.add_rule(SmtpRule::always(*phase, act.clone()));
            sleep(duration).await;
            deployment.run.smtp.clear_rules();
        }
        Fault::Poison(kind) => poison_records::publish(deployment, *kind, nth).await,
        Fault::Cluster(_) => return false,
        Fault::Consumer(fault, instance) => return disturb_consumer(deployment, *fault, *instance, duration).await,
    }
    true
}

/// Starts the service again without waiting until it is ready, because its dependencies may be down.
fn start_again(service: &mut Service) {
    service.relaunch_with(ServiceSpec::without_fail_points);
}

/// Starts a process that kills itself at a fail point, or kills it after `duration`, and then starts one without
/// fail points.
async fn kill_at_fail_point(service: &mut Service, place: &str, times: u32, duration: Duration) {
    service.kill().await;
    service.relaunch_with(|spec| spec.fail_points(&format!("{place}={times}*off->return")));
    let end = async {
        while service.is_running() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(duration, end).await.is_err() {
        service.kill().await;
    }
    start_again(service);
}

async fn rebalance(deployment: &Deployment, more: usize, duration: Duration) {
    let mut services: Vec<Service> = (0..more).map(|_| deployment.email.replica().launch()).collect();
    sleep(duration).await;
    for service in &mut services {
        service.terminate().await;
    }
}

async fn disturb_consumer(
    deployment: &Deployment,
    fault: ConsumerFault,
    target: ConsumerInstance,
    duration: Duration,
) -> bool {
    let Some(consumer) = deployment.consumers.running.get(target.consumer) else { return false };
    if fault == ConsumerFault::Replayed {
        consumer.replay(&deployment.run.world, duration).await;
        return true;
    }
    let Some(instance) = consumer.instances.get(target.instance) else { return false };
    let mut instance = instance.lock().await;
    match fault {
        ConsumerFault::Killed => instance.kill().await,
        ConsumerFault::Stopped => instance.pause(),
        ConsumerFault::Terminated | ConsumerFault::Replayed => instance.terminate().await,
    }
    sleep(duration).await;
    if fault == ConsumerFault::Stopped {
        instance.resume();
    } else {
        instance.start_again();
    }
    true
}

async fn disturb_connections(proxy: &TcpProxy, fault: NetworkFault, duration: Duration) {
    match fault {
        NetworkFault::Cut => {
            proxy.cut();
            return;
        }
        NetworkFault::HalfOpen => {
            proxy.leave_half_open();
            return;
        }
        NetworkFault::Refuse => proxy.set_mode(ProxyMode::Refuse),
        NetworkFault::BlackHole => proxy.set_mode(ProxyMode::Discard),
        NetworkFault::LoseReplies => proxy.set_mode(ProxyMode::DiscardReplies),
        NetworkFault::Hold => proxy.set_mode(ProxyMode::Hold),
        NetworkFault::Slow(milliseconds) => proxy.set_mode(ProxyMode::Slow(Duration::from_millis(milliseconds))),
    }
    sleep(duration).await;
    proxy.set_mode(ProxyMode::Pass);
    if matches!(fault, NetworkFault::BlackHole | NetworkFault::LoseReplies) {
        // TCP never loses bytes from the middle of a stream, so the connections are cut.
        proxy.cut();
    }
}

/// Removes all network faults and waits until every service is running and ready. Returns the errors of those that
/// are not.
pub(crate) async fn heal(deployment: &Deployment) -> Vec<String> {
    for proxy in deployment.links.values() {
        proxy.set_mode(ProxyMode::Pass);
        proxy.cut();
    }
    deployment.run.smtp.clear_rules();
    let mut failed = Vec::new();
    for service in deployment.users.iter().chain(&deployment.emails) {
        let mut service = service.lock().await;
        if !service.is_running() {
            start_again(&mut service);
        }
        if let Err(error) = service.try_wait_until_ready().await {
            println!("FAILED: {error:#}");
            failed.push(format!("{error:#}"));
        }
    }
    failed
}
