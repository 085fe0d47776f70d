//! Instances join and leave the consumer group under load, or are paused for longer than `max.poll.interval.ms`.

use std::time::Duration;

use test_support::{DEADLINE, Service, wait_for};
use tokio::{sync::watch, time::sleep};

use crate::mail_fixture::MailFixture;

/// The interval between two events of the load.
const EVENT_INTERVAL: Duration = Duration::from_millis(30);

#[derive(Debug, Clone, Copy)]
enum Ending {
    Terminated,
    Killed,
}

/// Publishes mail events until it is told to stop. Returns the addresses.
async fn load(fixture: &MailFixture, mut stop: watch::Receiver<bool>) -> Vec<String> {
    let mut addresses = Vec::new();
    while !*stop.borrow_and_update() {
        let name = format!("load{}", addresses.len());
        let address = if addresses.len() % 2 == 0 { fixture.notice(&name).await } else { fixture.welcome(&name).await };
        addresses.push(address);
        sleep(EVENT_INTERVAL).await;
    }
    addresses
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_11_rebalances_between_one_and_four_instances_under_load_lose_no_mail() {
    let fixture = MailFixture::new("rebalances").await;
    let spec = fixture.service().set("SENDER__CONCURRENCY", "2");
    let _first = spec.clone().start().await;
    let (stop, stopped) = watch::channel(false);
    let rounds = async {
        for (round, end) in [Ending::Terminated, Ending::Killed, Ending::Terminated].into_iter().enumerate() {
            let others = [spec.replica(), spec.replica(), spec.replica()];
            let mut others: Vec<Service> =
                futures_util::future::join_all(others.map(test_support::ServiceSpec::start)).await;
            // Otherwise they may have been stopped again before the group admits them.
            for other in &others {
                wait_for(DEADLINE, "the partitions of an instance that joins", async || {
                    other.log().contains("partitions assigned").then_some(())
                })
                .await;
            }
            // Mails from every partition are sent, regardless of the assignment.
            let probes = fixture.one_mail_in_each_partition(&format!("four{round}")).await;
            fixture.wait_for_states(&probes, "sent", DEADLINE).await;
            for other in &mut others {
                match end {
                    Ending::Terminated => drop(other.terminate().await),
                    Ending::Killed => other.kill().await,
                }
            }
            let probes = fixture.one_mail_in_each_partition(&format!("one{round}")).await;
            fixture.wait_for_states(&probes, "sent", DEADLINE).await;
        }
        stop.send_replace(true);
    };
    let (addresses, ()) = tokio::join!(load(&fixture, stopped), rounds);
    assert!(addresses.len() > 100, "only {} mails were published", addresses.len());
    let history = fixture.assert_promises_kept().await;
    assert_eq!(history.mails.len(), addresses.len() + 6 * 12);
    // Only mails that a killed sender held after the fence may have an unknown outcome.
    let unknown = history.mails.iter().filter(|mail| mail.state != "sent").count();
    assert!(unknown <= 3 * 2, "{unknown} mails were not sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_12_a_consumer_paused_beyond_max_poll_interval_rejoins_its_group() {
    let fixture = MailFixture::new("standstill").await;
    let mut service = fixture.service().start().await;
    let before = fixture.one_mail_in_each_partition("before").await;
    fixture.wait_for_states(&before, "sent", DEADLINE).await;

    // The service is paused in the middle of this work.
    let mut burst = Vec::new();
    for number in 0..40 {
        burst.push(fixture.notice(&format!("burst{number}")).await);
    }
    service.pause();
    let during = fixture.one_mail_in_each_partition("during").await;
    // The other instance reads all partitions, so the group has removed the paused member.
    let mut other = fixture.service().replica().start().await;
    fixture.wait_for_states(&during, "sent", DEADLINE).await;

    service.resume();
    // The first instance reads all partitions again, so it has rejoined.
    other.terminate().await;
    let after = fixture.one_mail_in_each_partition("after").await;
    fixture.wait_for_states(&after, "sent", DEADLINE).await;
    let history = fixture.assert_promises_kept().await;
    assert_eq!(history.mails.len(), before.len() + burst.len() + during.len() + after.len());
    let not_sent: Vec<_> = history.mails.iter().filter(|mail| mail.state != "sent").collect();
    // Mails that the paused instance held after the fence are unknown until it resumes.
    assert!(not_sent.iter().all(|mail| mail.state == "unknown") && not_sent.len() <= 8, "{not_sent:#?}");
}
