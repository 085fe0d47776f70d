//! A sender killed at each of its fail points.

use e2e::offsets;
use futures_util::future::join_all;
use test_support::{Behavior, DEADLINE, Phase, ServiceSpec, SmtpRule, wait_for};

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
    let cases = [("sender.before_compose", MailKind::Welcome), ("sender.before_flip", MailKind::Notice)];
    join_all(cases.map(|(point, kind)| assert_result_when_killed(point, kind, ("sent", 1, 0)))).await;
}

/// While no mail server is up, mails wait in the ledger; then the dispatcher claims them.
#[tokio::test(flavor = "multi_thread")]
async fn fault_19_a_process_killed_after_it_has_claimed_a_waiting_mail_leaves_one_that_is_handed_over_once() {
    let fixture = MailFixture::new("killed-claim").await;
    fixture.smtp().add_rule(SmtpRule::always(Phase::Greeting, Behavior::Drop));
    let mut service = fixture.service().fail_points("sender.after_claim=return").start().await;
    let address = fixture.welcome("ada").await;
    fixture.ledger.wait_for_state(&address, "queued", DEADLINE).await;
    fixture.smtp().clear_rules();
    service.wait_for_exit(DEADLINE).await;
    assert_eq!(fixture.ledger.mails_to(&address).await[0].states(), ["queued", "preparing"]);
    service.restart_with(ServiceSpec::without_fail_points).await;
    fixture.assert_result(&address, ("sent", 1, 0), "killed after a claim").await;
    fixture.assert_promises_kept().await;
}

/// Its offset is not committed either, so the next process reads the record again and finds the row.
#[tokio::test(flavor = "multi_thread")]
async fn fault_19_a_process_killed_after_it_has_written_mails_as_claimed_leaves_ones_that_are_handed_over_once() {
    let fixture = MailFixture::new("killed-direct").await;
    let spec = fixture.service().fail_points("ingest.after_claimed_write=return");
    let mut service = fixture.start_idle(spec).await;
    let first = fixture.welcome("ada").await;
    service.wait_for_exit(DEADLINE).await;
    let mail = fixture.ledger.wait_for_state(&first, "preparing", DEADLINE).await;
    assert_eq!(mail.states(), ["queued", "preparing"]);
    assert!(offsets::committed(&fixture.run.world).await.is_empty());
    let rest = fixture.one_mail_in_each_partition("rest").await;
    service.restart_with(ServiceSpec::without_fail_points).await;
    for address in rest.iter().chain([&first]) {
        fixture.assert_result(address, ("sent", 1, 0), "killed after a claimed write").await;
    }
    fixture.assert_promises_kept().await;
}

/// The lease of the first process ends before it begins to send.
#[tokio::test(flavor = "multi_thread")]
async fn fault_19_a_mail_written_as_claimed_by_a_process_that_stands_still_is_sent_once_by_another_one() {
    let fixture = MailFixture::new("still-direct").await;
    let spec = fixture.service().fail_points("ingest.after_claimed_write=1*sleep(9000)->off");
    let stalled = fixture.start_idle(spec).await;
    let address = fixture.welcome("ada").await;
    fixture.ledger.wait_for_state(&address, "preparing", DEADLINE).await;
    let _other = stalled.spec().replica().without_fail_points().start().await;
    let mail = fixture.assert_result(&address, ("sent", 1, 0), "taken over").await;
    assert_eq!(mail.count_transitions("preparing", "queued"), 1, "{mail:#?}");
    wait_for(DEADLINE, "the first process to find its mail taken over", async || {
        (stalled.metric("email_send_outcomes_total", "outcome=\"lost\"").await >= 1.0).then_some(())
    })
    .await;
    assert_eq!(fixture.smtp().deliveries_to(&address).len(), 1);
    fixture.assert_promises_kept().await;
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
