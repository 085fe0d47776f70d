//! A sender killed at each of its fail points.

use e2e::ledger::MailJob;
use futures_util::future::join_all;
use test_support::{DEADLINE, ServiceSpec};

use crate::mail_scene::{AT_REST, Scene};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BrokerKind {
    /// Sent again once if its delivery is unknown.
    Welcome,
    /// TestResult then.
    Notice,
}

/// How a mail of a killed sender ends: state, final dots, resends.
type Outcome = (&'static str, usize, usize);

/// One mail, one service that is killed at `point` and started again.
async fn killed_at(point: &'static str, kind: BrokerKind, expected: Outcome) {
    let scene = Scene::new("killed").await;
    let address = match kind {
        BrokerKind::Welcome => scene.welcome("ada").await,
        BrokerKind::Notice => scene.notice("ada").await,
    };
    let mut service = scene.service().fail_points(&format!("{point}=return")).launch();
    service.wait_for_exit(DEADLINE).await;
    service.restart_with(ServiceSpec::without_fail_points).await;

    let mail = scene.ledger.wait_for_mail(&address, "over", AT_REST, MailJob::is_terminal).await;
    let outcome =
        (mail.state.as_str(), scene.smtp().deliveries_to(&address).len(), mail.count_transitions("unknown", "queued"));
    assert_eq!(outcome, expected, "{kind:?} killed at {point}: {mail:#?}");
    scene.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_19_sender_killed_before_the_fence_leaves_a_mail_that_is_handed_over_once() {
    let cases = [("sender.after_claim", BrokerKind::Welcome), ("sender.before_flip", BrokerKind::Notice)];
    join_all(cases.map(|(point, kind)| killed_at(point, kind, ("sent", 1, 0)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_19_sender_killed_behind_the_fence_leaves_an_unknown_mail_that_only_its_policy_sends_again() {
    let cases = [
        // No byte of the body went out, and nobody can know that.
        ("sender.after_flip", BrokerKind::Welcome, ("sent", 1, 1)),
        ("sender.after_flip", BrokerKind::Notice, ("unknown", 0, 0)),
        ("sender.after_body", BrokerKind::Welcome, ("sent", 2, 1)),
        ("sender.after_body", BrokerKind::Notice, ("unknown", 1, 0)),
        ("sender.after_reply", BrokerKind::Welcome, ("sent", 2, 1)),
        ("sender.after_reply", BrokerKind::Notice, ("unknown", 1, 0)),
    ];
    join_all(cases.map(|(point, kind, expected)| killed_at(point, kind, expected))).await;
}
