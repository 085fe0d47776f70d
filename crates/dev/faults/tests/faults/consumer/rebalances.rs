//! Instances come and go under load.

use std::time::Duration;

use test_support::{DEADLINE, Service};
use tokio::{sync::watch, time::sleep};

use crate::mail_scene::Scene;

/// Between two events of the load.
const BEAT: Duration = Duration::from_millis(30);

#[derive(Debug, Clone, Copy)]
enum End {
    Terminated,
    Killed,
}

/// Mails without pause, until it is told to stop. Returns the addresses.
async fn load(scene: &Scene, mut stop: watch::Receiver<bool>) -> Vec<String> {
    let mut addresses = Vec::new();
    while !*stop.borrow_and_update() {
        let name = format!("load{}", addresses.len());
        let address = if addresses.len() % 2 == 0 { scene.notice(&name).await } else { scene.welcome(&name).await };
        addresses.push(address);
        sleep(BEAT).await;
    }
    addresses
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_11_rebalances_from_one_instance_to_four_and_back_again_and_again_under_load() {
    let scene = Scene::new("rebalances").await;
    let spec = scene.service().set("SENDER__CONCURRENCY", "2");
    let _first = spec.clone().start().await;
    let (stop, stopped) = watch::channel(false);
    let rounds = async {
        for (round, end) in [End::Terminated, End::Killed, End::Terminated].into_iter().enumerate() {
            let others = [spec.replica(), spec.replica(), spec.replica()];
            let mut others: Vec<Service> =
                futures_util::future::join_all(others.map(test_support::ServiceSpec::start)).await;
            // Progress, whoever has which partition now.
            let probes = scene.one_mail_in_each_partition(&format!("four{round}")).await;
            scene.until_all(&probes, "sent", DEADLINE).await;
            for other in &mut others {
                match end {
                    End::Terminated => drop(other.terminate().await),
                    End::Killed => other.kill().await,
                }
            }
            let probes = scene.one_mail_in_each_partition(&format!("one{round}")).await;
            scene.until_all(&probes, "sent", DEADLINE).await;
        }
        stop.send_replace(true);
    };
    let (addresses, ()) = tokio::join!(load(&scene, stopped), rounds);
    assert!(addresses.len() > 100, "{} mails are no load", addresses.len());
    let history = scene.judge().await;
    assert_eq!(history.mails.len(), addresses.len() + 6 * 12);
    // Only what a killed sender held behind the fence may be of unknown outcome.
    let unknown = history.mails.iter().filter(|mail| mail.state != "sent").count();
    assert!(unknown <= 3 * 2, "{unknown} mails were not sent");
}
