//! A sender paused while it holds a mail, which another instance takes over, and resumed.

use std::time::Duration;

use test_support::{Behavior, DEADLINE, Phase, Service, ServiceSpec, SmtpRule, wait_for};

use crate::mail_fixture::{IDLE_DEADLINE, MailFixture};

fn patient(spec: ServiceSpec) -> ServiceSpec {
    spec.set("SMTP__STEP_TIMEOUT", "60s")
}

/// Starts a sender, and pauses it while it waits for the 354 of a mail. Returns it with the mail's address.
async fn sender_paused_before_fence(fixture: &MailFixture) -> (Service, String) {
    let mut stopped = patient(fixture.service()).start().await;
    fixture.smtp().add_rule(SmtpRule::once(Phase::Data, Behavior::Delay(Duration::from_millis(1500))));
    let address = fixture.notice("ada").await;
    fixture.smtp().wait_for_phase(Phase::Rcpt, 1).await;
    stopped.pause();
    (stopped, address)
}

/// Resumes the sender, and waits until it finds that another one has taken over its mail.
async fn resume_until_mail_is_lost(stopped: &mut Service) {
    stopped.resume();
    wait_for(DEADLINE, "the stopped sender to find its mail taken over", async || {
        (stopped.metric("email_send_outcomes_total", "outcome=\"lost\"").await >= 1.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_19_a_sender_paused_before_the_fence_sends_nothing_after_its_mail_was_taken_over() {
    let fixture = MailFixture::new("stopped").await;
    let (mut stopped, address) = sender_paused_before_fence(&fixture).await;

    let _other = patient(stopped.spec().replica()).start().await;
    fixture.ledger.wait_for_state(&address, "sent", IDLE_DEADLINE).await;
    fixture.smtp().wait_for_phase(Phase::Data, 1).await;
    resume_until_mail_is_lost(&mut stopped).await;
    let mail = fixture.ledger.wait_for_state(&address, "sent", DEADLINE).await;
    assert_eq!(fixture.smtp().deliveries_to(&address).len(), 1);
    assert_eq!(mail.count_transitions("preparing", "queued"), 1, "the mail was not taken over once: {mail:#?}");
    fixture.assert_promises_kept().await;
}

/// The other instance holds the mail before the fence while the paused one resumes at the same place, so the
/// claims differ only in their epoch.
#[tokio::test(flavor = "multi_thread")]
async fn fault_19_a_sender_resumed_while_another_one_holds_its_mail_does_not_cross_the_fence() {
    let fixture = MailFixture::new("epoch").await;
    let (mut stopped, address) = sender_paused_before_fence(&fixture).await;
    // The 354 for the first sender has arrived; the second one waits for its own until the first one has tried.
    fixture.smtp().wait_for_phase(Phase::Data, 1).await;
    fixture.smtp().add_rule(SmtpRule::once(Phase::Data, Behavior::Delay(Duration::from_secs(6))));
    let _other = patient(stopped.spec().replica()).start().await;
    fixture.smtp().wait_for_phase(Phase::Rcpt, 2).await;
    fixture.ledger.wait_for_state(&address, "preparing", DEADLINE).await;
    resume_until_mail_is_lost(&mut stopped).await;
    assert!(
        fixture.smtp().deliveries_to(&address).is_empty(),
        "the resumed sender has sent a mail that it does not hold"
    );
    fixture.ledger.wait_for_state(&address, "sent", DEADLINE).await;
    assert_eq!(fixture.smtp().deliveries_to(&address).len(), 1);
    fixture.assert_promises_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_19_a_sender_paused_after_the_fence_still_records_its_late_250_after_the_takeover() {
    let fixture = MailFixture::new("late250").await;
    let patient = |spec: ServiceSpec| spec.set("SMTP__DOT_TIMEOUT", "3s").set("SENDER__LEASE", "4s");
    let mut stopped = patient(fixture.service()).start().await;
    fixture.smtp().add_rule(SmtpRule::once(Phase::Dot, Behavior::Delay(Duration::from_millis(1500))));
    let address = fixture.notice("ada").await;
    fixture.smtp().wait_for_deliveries_to(&address, 1).await;
    stopped.pause();

    let _other = patient(stopped.spec().replica()).start().await;
    fixture.ledger.wait_for_state(&address, "unknown", IDLE_DEADLINE).await;
    stopped.resume();
    let mail = fixture.ledger.wait_for_state(&address, "sent", DEADLINE).await;
    assert_eq!(mail.count_transitions("unknown", "sent"), 1, "{mail:#?}");
    assert_eq!(fixture.smtp().deliveries_to(&address).len(), 1);
    fixture.assert_promises_kept().await;
}
