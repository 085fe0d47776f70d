//! The email service without its database.

use std::time::Duration;

use e2e::offsets;
use test_support::{Act, DEADLINE, Mode, Phase, Rule, TcpProxy, wait_for};
use tokio::time::{Instant, sleep};

use crate::mail_scene::Scene;

/// Longer than a member may be silent, in each of the two ways of being away.
const AWAY: Duration = Duration::from_secs(8);

/// A proxy to the stack's MongoDB, and the connection string through it.
async fn proxied(scene: &Scene) -> (TcpProxy, String) {
    let uri = scene.run.world.stack().mongodb_uri().to_owned();
    let upstream = uri.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).expect("host:port");
    let proxy = TcpProxy::start(upstream).await.expect("a proxy can listen");
    let through = uri.replace(upstream, &proxy.address());
    (proxy, through)
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_13_mongodb_down_in_the_email_service_for_minutes_and_the_member_stays_in_its_group_and_drains() {
    let scene = Scene::new("no-mongodb").await;
    let (proxy, through) = proxied(&scene).await;
    let service = scene.service().set("MONGODB__URI", through).set("MONGODB__OPERATION_TIMEOUT", "1s").start().await;
    let before = scene.one_mail_in_each_partition("before").await;
    scene.until_all(&before, "sent", DEADLINE).await;
    offsets::wait_until_consumed(&scene.run.world, DEADLINE).await;
    let (members, committed) = (members(&scene).await, offsets::committed(&scene.run.world).await);

    let mut waiting = Vec::new();
    for (mode, name) in [(Mode::Refuse, "refused"), (Mode::Hold, "held")] {
        proxy.set(mode);
        let since = Instant::now();
        // More than one batch, so that some of them stay in the topic.
        for round in 0.. {
            waiting.extend(scene.one_mail_in_each_partition(&format!("{name}{round}")).await);
            sleep(Duration::from_millis(500)).await;
            if since.elapsed() > AWAY {
                break;
            }
        }
        wait_for(DEADLINE, "mongodb: down", async || (service.check("mongodb").await == "down").then_some(())).await;
        assert_eq!(self::members(&scene).await, members, "the member has left its group, {mode:?}");
        assert_eq!(offsets::committed(&scene.run.world).await, committed, "committed without a ledger, {mode:?}");
        assert_eq!(scene.ledger.mails().await.len(), before.len());
    }
    proxy.set(Mode::Pass);
    proxy.cut();
    let history = scene.judge().await;
    assert_eq!(self::members(&scene).await, members);
    assert_eq!(history.mails.len(), before.len() + waiting.len());
    for address in &waiting {
        assert_eq!(scene.smtp().deliveries_to(address).len(), 1);
    }
}

/// A partition that is paused for the sake of MongoDB, goes to another member and comes back
/// must be read again.
#[tokio::test(flavor = "multi_thread")]
async fn fault_13_mongodb_down_in_one_member_and_its_partitions_are_read_when_they_come_back_from_another() {
    let scene = Scene::new("comes-back").await;
    let (proxy, through) = proxied(&scene).await;
    let spec = scene.service().set("MONGODB__OPERATION_TIMEOUT", "1s");
    let cut_off = spec.clone().set("MONGODB__URI", through).start().await;
    let before = scene.one_mail_in_each_partition("before").await;
    scene.until_all(&before, "sent", DEADLINE).await;
    proxy.set(Mode::Refuse);
    wait_for(DEADLINE, "mongodb: down", async || (cut_off.check("mongodb").await == "down").then_some(())).await;
    let during = scene.one_mail_in_each_partition("during").await;

    let mut other = spec.replica().start().await;
    wait_for(DEADLINE, "some partitions at the other member", async || {
        (other.metric("email_records_total", "").await >= 1.0).then_some(())
    })
    .await;
    proxy.set(Mode::Pass);
    scene.until_all(&during, "sent", DEADLINE).await;
    other.terminate().await;
    let after = scene.one_mail_in_each_partition("after").await;
    scene.until_all(&after, "sent", DEADLINE).await;
    scene.judge().await;
}

/// The lease is longer than the test: only the sender itself can know that the mail is its own.
#[tokio::test(flavor = "multi_thread")]
async fn fault_13_mongodb_gone_with_the_answer_to_a_claim_and_the_mail_is_sent_once_when_it_is_back() {
    let scene = Scene::new("lost-claim").await;
    let (proxy, through) = proxied(&scene).await;
    // While no server takes connections nothing is claimed, so that the first claim is the mail's.
    scene.smtp().rule(Rule::always(Phase::Greeting, Act::Drop));
    let spec = scene.service().set("MONGODB__URI", through).set("MONGODB__OPERATION_TIMEOUT", "1s");
    let service = spec.set("SENDER__LEASE", "10m").start().await;
    wait_for(DEADLINE, "smtp: down", async || (service.check("smtp").await == "down").then_some(())).await;
    let address = scene.notice("ada").await;
    scene.ledger.wait_for_state(&address, "queued", DEADLINE).await;
    let claim = [b"\x02findAndModify\0", &9_i32.to_le_bytes()[..], b"mailJobs\0"].concat();
    proxy.lose_reply_to_and_refuse(claim);
    scene.smtp().behave();
    wait_for(DEADLINE, "a lost reply", async || (proxy.lost_replies() == 1).then_some(())).await;
    wait_for(DEADLINE, "mongodb: down", async || (service.check("mongodb").await == "down").then_some(())).await;
    scene.ledger.wait_for_state(&address, "preparing", DEADLINE).await;
    proxy.set(Mode::Pass);
    scene.ledger.wait_for_state(&address, "sent", DEADLINE).await;
    assert_eq!(scene.smtp().deliveries_to(&address).len(), 1);
    scene.judge().await;
}

/// Empty with the embedded broker, which does not say.
async fn members(scene: &Scene) -> Vec<String> {
    if scene.run.world.stack().is_embedded() {
        return Vec::new();
    }
    let members = wait_for(DEADLINE, "a member", async || {
        offsets::group_members(&scene.run.world).await.filter(|members| !members.is_empty())
    });
    members.await.into_iter().collect()
}
