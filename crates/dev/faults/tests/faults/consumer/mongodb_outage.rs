//! The email service without its database.

use std::time::Duration;

use e2e::offsets;
use test_support::{Behavior, DEADLINE, Phase, ProxyMode, SmtpRule, TcpProxy, wait_for};
use tokio::time::{Instant, sleep};

use crate::mail_fixture::MailFixture;

/// The duration of each kind of outage, longer than the group's `max.poll.interval.ms`.
const OUTAGE: Duration = Duration::from_secs(8);

/// Starts a proxy to the stack's MongoDB. Returns it and the connection string through it.
async fn start_proxy(fixture: &MailFixture) -> (TcpProxy, String) {
    let uri = fixture.run.world.stack().mongodb_uri().to_owned();
    let upstream = uri.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).expect("host:port");
    let proxy = TcpProxy::start(upstream).await.expect("a proxy can listen");
    let through = uri.replace(upstream, &proxy.address());
    (proxy, through)
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_13_a_consumer_without_mongodb_stays_in_its_group_and_catches_up_afterwards() {
    let fixture = MailFixture::new("no-mongodb").await;
    let (proxy, through) = start_proxy(&fixture).await;
    let service = fixture.service().set("MONGODB__URI", through).set("MONGODB__OPERATION_TIMEOUT", "1s").start().await;
    let before = fixture.one_mail_in_each_partition("before").await;
    fixture.wait_for_states(&before, "sent", DEADLINE).await;
    offsets::wait_until_consumed(&fixture.run.world, DEADLINE).await;
    let (members, committed) = (members(&fixture).await, offsets::committed(&fixture.run.world).await);

    let mut waiting = Vec::new();
    for (mode, name) in [(ProxyMode::Refuse, "refused"), (ProxyMode::Hold, "held")] {
        proxy.set_mode(mode);
        let since = Instant::now();
        // More than one batch is written, so that some records stay in the topic.
        for round in 0.. {
            waiting.extend(fixture.one_mail_in_each_partition(&format!("{name}{round}")).await);
            sleep(Duration::from_millis(500)).await;
            if since.elapsed() > OUTAGE {
                break;
            }
        }
        wait_for(DEADLINE, "mongodb: down", async || (service.check("mongodb").await == "down").then_some(())).await;
        assert_eq!(self::members(&fixture).await, members, "the member has left its group, {mode:?}");
        assert_eq!(
            offsets::committed(&fixture.run.world).await,
            committed,
            "an offset was committed without a ledger write, {mode:?}"
        );
        assert_eq!(fixture.ledger.mails().await.len(), before.len());
    }
    proxy.set_mode(ProxyMode::Pass);
    proxy.cut();
    let history = fixture.assert_promises_kept().await;
    assert_eq!(self::members(&fixture).await, members);
    assert_eq!(history.mails.len(), before.len() + waiting.len());
    for address in &waiting {
        assert_eq!(fixture.smtp().deliveries_to(address).len(), 1);
    }
}

/// A partition that was paused because of MongoDB, moved to another member and came back must be read again.
#[tokio::test(flavor = "multi_thread")]
async fn fault_13_partitions_paused_without_mongodb_are_read_again_after_they_return_from_another_member() {
    let fixture = MailFixture::new("comes-back").await;
    let (proxy, through) = start_proxy(&fixture).await;
    let spec = fixture.service().set("MONGODB__OPERATION_TIMEOUT", "1s");
    let cut_off = spec.clone().set("MONGODB__URI", through).start().await;
    let before = fixture.one_mail_in_each_partition("before").await;
    fixture.wait_for_states(&before, "sent", DEADLINE).await;
    proxy.set_mode(ProxyMode::Refuse);
    wait_for(DEADLINE, "mongodb: down", async || (cut_off.check("mongodb").await == "down").then_some(())).await;
    let during = fixture.one_mail_in_each_partition("during").await;

    let mut other = spec.replica().start().await;
    wait_for(DEADLINE, "some partitions at the other member", async || {
        (other.metric("email_records_total", "").await >= 1.0).then_some(())
    })
    .await;
    proxy.set_mode(ProxyMode::Pass);
    fixture.wait_for_states(&during, "sent", DEADLINE).await;
    other.terminate().await;
    let after = fixture.one_mail_in_each_partition("after").await;
    fixture.wait_for_states(&after, "sent", DEADLINE).await;
    fixture.assert_promises_kept().await;
}

/// The lease is longer than the test, so only the sender itself can know that it has claimed the mail.
#[tokio::test(flavor = "multi_thread")]
async fn fault_13_a_mail_whose_claim_got_no_reply_is_sent_once_when_mongodb_returns() {
    let fixture = MailFixture::new("lost-claim").await;
    let (proxy, through) = start_proxy(&fixture).await;
    // While no server accepts connections nothing is claimed, so the first claim is for this mail.
    fixture.smtp().add_rule(SmtpRule::always(Phase::Greeting, Behavior::Drop));
    let spec = fixture.service().set("MONGODB__URI", through).set("MONGODB__OPERATION_TIMEOUT", "1s");
    let service = spec.set("SENDER__LEASE", "10m").start().await;
    wait_for(DEADLINE, "smtp: down", async || (service.check("smtp").await == "down").then_some(())).await;
    let address = fixture.notice("ada").await;
    fixture.ledger.wait_for_state(&address, "queued", DEADLINE).await;
    let claim = [b"\x02findAndModify\0", &9_i32.to_le_bytes()[..], b"mailJobs\0"].concat();
    proxy.lose_reply_to_and_refuse(claim);
    fixture.smtp().clear_rules();
    wait_for(DEADLINE, "a lost reply", async || (proxy.lost_replies() == 1).then_some(())).await;
    wait_for(DEADLINE, "mongodb: down", async || (service.check("mongodb").await == "down").then_some(())).await;
    fixture.ledger.wait_for_state(&address, "preparing", DEADLINE).await;
    proxy.set_mode(ProxyMode::Pass);
    fixture.ledger.wait_for_state(&address, "sent", DEADLINE).await;
    assert_eq!(fixture.smtp().deliveries_to(&address).len(), 1);
    fixture.assert_promises_kept().await;
}

/// The same for a new mail that is written as claimed. Its record is written again when MongoDB returns.
#[tokio::test(flavor = "multi_thread")]
async fn fault_13_a_mail_written_as_claimed_without_a_reply_is_sent_once_when_mongodb_returns() {
    let fixture = MailFixture::new("lost-insert").await;
    let (proxy, through) = start_proxy(&fixture).await;
    let spec = fixture.service().set("MONGODB__URI", through).set("MONGODB__OPERATION_TIMEOUT", "1s");
    let service = fixture.start_idle(spec.set("SENDER__LEASE", "10m")).await;
    // The first request with the address is the write of its mail.
    proxy.lose_reply_to_and_refuse(fixture.address("ada"));
    let address = fixture.notice("ada").await;
    wait_for(DEADLINE, "a lost reply", async || (proxy.lost_replies() == 1).then_some(())).await;
    wait_for(DEADLINE, "mongodb: down", async || (service.check("mongodb").await == "down").then_some(())).await;
    fixture.ledger.wait_for_state(&address, "preparing", DEADLINE).await;
    assert_eq!(fixture.smtp().deliveries_to(&address).len(), 0);
    proxy.set_mode(ProxyMode::Pass);
    let mail = fixture.ledger.wait_for_state(&address, "sent", DEADLINE).await;
    assert!(mail.history.iter().any(|step| step.note.as_deref() == Some("the answer to the claim was lost")));
    assert_eq!(fixture.smtp().deliveries_to(&address).len(), 1);
    fixture.assert_promises_kept().await;
}

/// Returns the members of the consumer group; empty with the embedded broker, which does not report them.
async fn members(fixture: &MailFixture) -> Vec<String> {
    if fixture.run.world.stack().is_embedded() {
        return Vec::new();
    }
    let members = wait_for(DEADLINE, "a member", async || {
        offsets::group_members(&fixture.run.world).await.filter(|members| !members.is_empty())
    });
    members.await.into_iter().collect()
}
