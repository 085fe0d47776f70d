//! A sender killed at each of its fail points.

use futures_util::future::join_all;
use test_support::{DEADLINE, ServiceSpec};

use crate::mail_fixture::{DeliveryResult, MailFixture, MailKind};

/// Sends one mail with a service that is killed at `point` and started again.
async fn assert_result_when_killed(point: &'static str, kind: MailKind, expected: DeliveryResult) {
    let fixture = MailFixture::new("killed").await;
    let address = fixture.mail(kind, "ada").await;
    let mut service = fixture.service().fail_points(&format!("{point}=return")).launch();
    service.wait_for_exit(DEADLINE).await;
    service.restart_with(ServiceSpec::without_fail_points).await;
    fixture.assert_result(&address, expected, &format!("{kind:?} killed at {point}")).await;
    fixture.assert_promises_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_19_a_sender_killed_before_the_fence_leaves_a_mail_that_is_handed_over_once() {
    let cases = [("sender.after_claim", MailKind::Welcome), ("sender.before_flip", MailKind::Notice)];
    join_all(cases.map(|(point, kind)| assert_result_when_killed(point, kind, ("sent", 1, 0)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_19_a_sender_killed_after_the_fence_leaves_an_unknown_mail_that_is_resent_only_by_its_policy() {
    let cases = [
        // No byte of the body was sent, but the ledger cannot know that.
        ("sender.after_flip", MailKind::Welcome, ("sent", 1, 1)),
        ("sender.after_flip", MailKind::Notice, ("unknown", 0, 0)),
        ("sender.after_body", MailKind::Welcome, ("sent", 2, 1)),
        ("sender.after_body", MailKind::Notice, ("unknown", 1, 0)),
        ("sender.after_reply", MailKind::Welcome, ("sent", 2, 1)),
        ("sender.after_reply", MailKind::Notice, ("unknown", 1, 0)),
    ];
    join_all(cases.map(|(point, kind, expected)| assert_result_when_killed(point, kind, expected))).await;
}
