//! Each fault done and undone.

use std::time::Duration;

use test_support::{ProxyMode, Service, ServiceSpec, SmtpRule, TcpProxy};
use tokio::{
    sync::Mutex,
    time::{sleep, timeout},
};

use crate::{
    cast::{Cast, Kin},
    poison,
    schedule::{Fault, Harm, Planned},
};

/// Injects a fault, waits as long as it lasts, and heals. False where this machine has no
/// such part (a broker that can be stopped).
pub(crate) async fn inflict(cast: &Cast, planned: &Planned, nth: usize) -> bool {
    let lasts = planned.lasts;
    match &planned.fault {
        Fault::Kill(kin, n) => {
            let mut service = replica(cast, *kin, *n).lock().await;
            service.kill().await;
            sleep(lasts).await;
            start_again(&mut service);
        }
        Fault::Stop(kin, n) => {
            let mut service = replica(cast, *kin, *n).lock().await;
            service.pause();
            sleep(lasts).await;
            service.resume();
        }
        Fault::Terminate(kin, n) => {
            let mut service = replica(cast, *kin, *n).lock().await;
            service.terminate().await;
            sleep(lasts).await;
            start_again(&mut service);
        }
        Fault::TerminateCutOff(kin, n) => {
            let mut service = replica(cast, *kin, *n).lock().await;
            let Some(proxy) = cast.edges.get(&kin.mongodb()) else { return false };
            proxy.set_mode(ProxyMode::Refuse);
            sleep(lasts).await;
            service.terminate().await;
            proxy.set_mode(ProxyMode::Pass);
            start_again(&mut service);
        }
        Fault::FailPoint(kin, n, place, times) => {
            let mut service = replica(cast, *kin, *n).lock().await;
            kill_itself_at(&mut service, place, *times, lasts).await;
        }
        Fault::Rebalance(more) => rebalance(cast, *more, lasts).await,
        Fault::MongodKilled => {
            let mut mongod = cast.mongod.lock().await;
            mongod.take_down().await;
            sleep(lasts).await;
            mongod.bring_up().await;
        }
        Fault::MongodStopped => {
            let mut mongod = cast.mongod.lock().await;
            mongod.pause();
            sleep(lasts).await;
            mongod.resume();
        }
        Fault::BrokerKilled => {
            let mut kafka = cast.kafka.lock().await;
            kafka.take_down().await;
            sleep(lasts).await;
            kafka.bring_up().await;
        }
        Fault::BrokerStopped => {
            let mut kafka = cast.kafka.lock().await;
            if !kafka.pause() {
                return false;
            }
            sleep(lasts).await;
            kafka.resume();
        }
        Fault::Edge(edge, harm) => {
            let Some(proxy) = cast.edges.get(edge) else { return false };
            harm_connections(proxy, *harm, lasts).await;
        }
        Fault::Smtp(phase, act) => {
            cast.run.smtp.add_rule(SmtpRule::always(*phase, act.clone()));
            sleep(lasts).await;
            cast.run.smtp.clear_rules();
        }
        Fault::Poison(kind) => poison::publish(cast, *kind, nth).await,
    }
    true
}

fn replica(cast: &Cast, kin: Kin, n: usize) -> &Mutex<Service> {
    cast.services(kin).get(n).expect("the schedule knows how many there are")
}

/// Does not wait for it to be ready: what it needs may be down.
fn start_again(service: &mut Service) {
    service.relaunch_with(ServiceSpec::without_fail_points);
}

/// A new process that dies at a place, if it gets there in time; and one after it that does not.
async fn kill_itself_at(service: &mut Service, place: &str, times: u32, lasts: Duration) {
    service.kill().await;
    service.relaunch_with(|spec| spec.fail_points(&format!("{place}={times}*off->return")));
    let end = async {
        while service.is_running() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(lasts, end).await.is_err() {
        service.kill().await;
    }
    start_again(service);
}

async fn rebalance(cast: &Cast, more: usize, lasts: Duration) {
    let mut services: Vec<Service> = (0..more).map(|_| cast.email.replica().launch()).collect();
    sleep(lasts).await;
    for service in &mut services {
        service.terminate().await;
    }
}

async fn harm_connections(proxy: &TcpProxy, harm: Harm, lasts: Duration) {
    match harm {
        Harm::Cut => {
            proxy.cut();
            return;
        }
        Harm::HalfOpen => {
            proxy.leave_half_open();
            return;
        }
        Harm::Refuse => proxy.set_mode(ProxyMode::Refuse),
        Harm::BlackHole => proxy.set_mode(ProxyMode::Discard),
        Harm::LoseReplies => proxy.set_mode(ProxyMode::DiscardReplies),
        Harm::Hold => proxy.set_mode(ProxyMode::Hold),
        Harm::Slow(milliseconds) => proxy.set_mode(ProxyMode::Slow(Duration::from_millis(milliseconds))),
    }
    sleep(lasts).await;
    proxy.set_mode(ProxyMode::Pass);
    if matches!(harm, Harm::BlackHole | Harm::LoseReplies) {
        // TCP loses no bytes from the middle of a stream.
        proxy.cut();
    }
}

/// Everybody runs and is ready, however the faults ended.
pub(crate) async fn heal(cast: &Cast) {
    for proxy in cast.edges.values() {
        proxy.set_mode(ProxyMode::Pass);
        proxy.cut();
    }
    cast.run.smtp.clear_rules();
    for service in cast.users.iter().chain(&cast.emails) {
        let mut service = service.lock().await;
        if !service.is_running() {
            start_again(&mut service);
        }
        service.wait_until_ready().await;
    }
}
