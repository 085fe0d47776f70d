//! A sender stopped while it holds a mail, taken over by another instance, and resumed.

use std::time::Duration;

use test_support::{Act, DEADLINE, Phase, Rule, ServiceSpec, wait_for};

use crate::mail_scene::{AT_REST, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn fault_19_sender_stopped_before_the_fence_taken_over_and_resumed_sends_nothing() {
    let scene = Scene::new("stopped").await;
    let patient = |spec: ServiceSpec| spec.set("SMTP__STEP_TIMEOUT", "60s");
    let mut stopped = patient(scene.service()).start().await;
    // It waits for the 354 when it is stopped.
    scene.smtp().rule(Rule::once(Phase::Data, Act::Delay(Duration::from_millis(1500))));
    let address = scene.notice("ada").await;
    scene.smtp().wait_for_phase(Phase::Rcpt, 1).await;
    stopped.pause();

    let _other = patient(stopped.spec().replica()).start().await;
    scene.ledger.wait_for_state(&address, "sent", AT_REST).await;
    scene.smtp().wait_for_phase(Phase::Data, 1).await;
    stopped.resume();
    wait_for(DEADLINE, "the stopped sender to find its mail taken over", async || {
        (stopped.metric("email_send_outcomes_total", "outcome=\"lost\"").await >= 1.0).then_some(())
    })
    .await;
    let mail = scene.ledger.wait_for_state(&address, "sent", DEADLINE).await;
    assert_eq!(scene.smtp().deliveries_to(&address).len(), 1);
    assert_eq!(mail.count_transitions("preparing", "queued"), 1, "taken over once: {mail:#?}");
    scene.judge().await;
}

/// The other instance holds the mail before the fence while the stopped one wakes up in the
/// same place: the claims differ only in their epoch.
#[tokio::test(flavor = "multi_thread")]
async fn fault_19_sender_resumed_while_the_other_one_holds_its_mail_does_not_cross_the_fence() {
    let scene = Scene::new("epoch").await;
    let patient = |spec: ServiceSpec| spec.set("SMTP__STEP_TIMEOUT", "60s");
    let mut stopped = patient(scene.service()).start().await;
    scene.smtp().rule(Rule::once(Phase::Data, Act::Delay(Duration::from_millis(1500))));
    let address = scene.notice("ada").await;
    scene.smtp().wait_for_phase(Phase::Rcpt, 1).await;
    stopped.pause();
    // The 354 for the first is there; the second one waits for its own until the first has tried.
    scene.smtp().wait_for_phase(Phase::Data, 1).await;
    scene.smtp().rule(Rule::once(Phase::Data, Act::Delay(Duration::from_secs(6))));
    let _other = patient(stopped.spec().replica()).start().await;
    scene.smtp().wait_for_phase(Phase::Rcpt, 2).await;
    scene.ledger.wait_for_state(&address, "preparing", DEADLINE).await;
    stopped.resume();
    wait_for(DEADLINE, "the stopped sender to find its mail taken over", async || {
        (stopped.metric("email_send_outcomes_total", "outcome=\"lost\"").await >= 1.0).then_some(())
    })
    .await;
    assert!(scene.smtp().deliveries_to(&address).is_empty(), "the resumed one has sent what it does not hold");
    scene.ledger.wait_for_state(&address, "sent", DEADLINE).await;
    assert_eq!(scene.smtp().deliveries_to(&address).len(), 1);
    scene.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_19_sender_stopped_behind_the_fence_taken_over_and_resumed_still_tells_of_its_late_250() {
    let scene = Scene::new("late250").await;
    let patient = |spec: ServiceSpec| spec.set("SMTP__DOT_TIMEOUT", "3s").set("SENDER__LEASE", "4s");
    let mut stopped = patient(scene.service()).start().await;
    scene.smtp().rule(Rule::once(Phase::Dot, Act::Delay(Duration::from_millis(1500))));
    let address = scene.notice("ada").await;
    scene.smtp().wait_for_deliveries_to(&address, 1).await;
    stopped.pause();

    let _other = patient(stopped.spec().replica()).start().await;
    scene.ledger.wait_for_state(&address, "unknown", AT_REST).await;
    stopped.resume();
    let mail = scene.ledger.wait_for_state(&address, "sent", DEADLINE).await;
    assert_eq!(mail.count_transitions("unknown", "sent"), 1, "{mail:#?}");
    assert_eq!(scene.smtp().deliveries_to(&address).len(), 1);
    scene.judge().await;
}
