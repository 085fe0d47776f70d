//! An email service killed between the ledger and the offset.

use std::time::Duration;

use e2e::offsets;
use test_support::{Act, DEADLINE, Phase, Rule, ServiceSpec};
use tokio::time::{Instant, sleep};

use crate::mail_scene::Scene;

/// Between two events.
const BEAT: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn fault_10_email_service_killed_after_the_ledger_write_before_the_offset_mails_once() {
    let scene = Scene::new("offset").await;
    let addresses = scene.one_mail_in_each_partition("reader").await;
    // Its senders are kept from their work, so that only reading is under test.
    scene.smtp().rule(Rule::always(Phase::Greeting, Act::Drop));
    let mut service = scene.service().fail_points("ingest.after_ledger_write=return").launch();
    service.wait_for_exit(DEADLINE).await;
    assert!(!scene.ledger.mails().await.is_empty(), "killed after the write");
    assert!(offsets::committed(&scene.run.world).await.is_empty(), "killed before the offsets");
    scene.ledger.assert_contains_committed_records().await;

    // Again, some batches later, with the mails on their way.
    scene.smtp().behave();
    service.restart_with(|spec| spec.fail_points("ingest.after_ledger_write=1*off->return")).await;
    let mut more = Vec::new();
    let since = Instant::now();
    while service.is_running() {
        more.push(scene.notice(&format!("later{}", more.len())).await);
        sleep(BEAT).await;
        assert!(since.elapsed() < DEADLINE, "never killed");
    }
    service.restart_with(ServiceSpec::without_fail_points).await;
    let history = scene.judge().await;
    assert_eq!(history.mails.len(), addresses.len() + more.len());
    let outcomes = history.mails.iter().map(|mail| (mail.state.as_str(), scene.smtp().deliveries_to(&mail.to).len()));
    let unknown = outcomes.filter(|outcome| *outcome != ("sent", 1)).collect::<Vec<_>>();
    // What a sender of the killed process held behind the fence.
    assert!(unknown.len() <= 8 && unknown.iter().all(|(state, dots)| *state == "unknown" && *dots <= 1), "{unknown:?}");
}
