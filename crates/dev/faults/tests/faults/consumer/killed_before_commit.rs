//! An email service killed between the ledger write and the offset commit.

use std::time::Duration;

use e2e::offsets;
use test_support::{Behavior, DEADLINE, Phase, ServiceSpec, SmtpRule};
use tokio::time::{Instant, sleep};

use crate::mail_fixture::MailFixture;

/// The interval between two events.
const EVENT_INTERVAL: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn fault_10_an_email_service_killed_between_ledger_write_and_offset_commit_sends_each_mail_once() {
    let fixture = MailFixture::new("offset").await;
    let addresses = fixture.one_mail_in_each_partition("reader").await;
    // The senders cannot work, so that only the consumer is under test.
    fixture.smtp().add_rule(SmtpRule::always(Phase::Greeting, Behavior::Drop));
    let mut service = fixture.service().fail_points("ingest.after_ledger_write=return").launch();
    service.wait_for_exit(DEADLINE).await;
    assert!(!fixture.ledger.mails().await.is_empty(), "the service was killed before the ledger write");
    assert!(offsets::committed(&fixture.run.world).await.is_empty(), "the service was killed after the offset commit");
    fixture.ledger.assert_contains_committed_records().await;

    // The same again some batches later, while mails are being sent.
    fixture.smtp().clear_rules();
    service.restart_with(|spec| spec.fail_points("ingest.after_ledger_write=1*off->return")).await;
    let mut more = Vec::new();
    let since = Instant::now();
    while service.is_running() {
        more.push(fixture.notice(&format!("later{}", more.len())).await);
        sleep(EVENT_INTERVAL).await;
        assert!(since.elapsed() < DEADLINE, "the service was never killed");
    }
    service.restart_with(ServiceSpec::without_fail_points).await;
    let history = fixture.assert_promises_kept().await;
    assert_eq!(history.mails.len(), addresses.len() + more.len());
    let outcomes = history.mails.iter().map(|mail| (mail.state.as_str(), fixture.smtp().deliveries_to(&mail.to).len()));
    let unknown = outcomes.filter(|outcome| *outcome != ("sent", 1)).collect::<Vec<_>>();
    // These are mails that a sender of the killed process held after the fence.
    assert!(unknown.len() <= 8 && unknown.iter().all(|(state, dots)| *state == "unknown" && *dots <= 1), "{unknown:?}");
}
