//! The email service killed or stopped at the worst moments: a mail is handed over once, or once more where
//! its history says why and its policy allows it (I4, I5, I9).

use std::time::Duration;

use events::Event;
use futures_util::future::join_all;
use journeys::{
    author::Author,
    ledger::{Ledger, Mail},
    offsets,
};
use test_support::{Act, DEADLINE, Phase, Rule, ScriptedSmtp, ServiceSpec, Stack, World, eventually};

/// Longer than lease, recovery and the pause before a resend together.
const TAKEN_OVER: Duration = Duration::from_secs(60);

/// Short deadlines and a short lease, so that what a killed sender held is soon taken over.
fn brisk(spec: ServiceSpec) -> ServiceSpec {
    spec.set("SMTP__STEP_TIMEOUT", "1s")
        .set("SMTP__DOT_TIMEOUT", "1s")
        .set("SENDER__LEASE", "2s")
        .set("MAIL__BACKOFF", "300ms")
        // The group waits no longer than this for a member that was killed.
        .set("INGEST__MAX_POLL_INTERVAL", "6s")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Sent again once if its delivery is unknown.
    Welcome,
    /// Held then.
    Notice,
}

impl Kind {
    fn event(self, author: &Author, to: &str) -> Event {
        match self {
            Kind::Welcome => author.welcome(to),
            Kind::Notice => author.notice(to),
        }
    }
}

/// How a mail of a killed sender ends: state, handed over so often, resent so often.
type Outcome = (&'static str, usize, usize);

/// One mail, one service that is killed at `point` and started again.
async fn killed_at(stack: &Stack, point: &'static str, kind: Kind, expected: Outcome) {
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(stack, "fence").await.on_smtp(smtp.url());
    let (author, address) = (Author::new(&world), world.address("ada"));
    author.publish(&kind.event(&author, &address)).await;
    let mut service = brisk(world.email_service()).fail_points(&format!("{point}=return")).launch();
    service.until_end(DEADLINE).await;
    service.restart_with(ServiceSpec::without_fail_points).await;

    let ledger = Ledger::of(&world).await;
    let mail = ledger.until(&address, "over", TAKEN_OVER, Mail::is_over).await;
    ledger.until_quiet(DEADLINE).await;
    let deliveries = smtp.deliveries();
    mail.assert_handed_over_as_allowed(&deliveries);
    let outcome = (mail.state.as_str(), mail.handovers(&deliveries), mail.steps("unknown", "queued"));
    assert_eq!(outcome, expected, "{kind:?} killed at {point}: {mail:#?}");
    ledger.assert_has_all_that_is_committed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_killed_before_the_fence_leaves_a_mail_that_is_handed_over_once() {
    let stack = Stack::from_env();
    let cases = [("sender.after_claim", Kind::Welcome), ("sender.before_flip", Kind::Notice)];
    join_all(cases.map(|(point, kind)| killed_at(&stack, point, kind, ("sent", 1, 0)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_killed_behind_the_fence_leaves_an_unknown_mail_that_only_its_policy_sends_again() {
    let stack = Stack::from_env();
    let cases = [
        // No byte of the body went out, and nobody can know that.
        ("sender.after_flip", Kind::Welcome, ("sent", 1, 1)),
        ("sender.after_flip", Kind::Notice, ("unknown", 0, 0)),
        ("sender.after_body", Kind::Welcome, ("sent", 2, 1)),
        ("sender.after_body", Kind::Notice, ("unknown", 1, 0)),
        ("sender.after_reply", Kind::Welcome, ("sent", 2, 1)),
        ("sender.after_reply", Kind::Notice, ("unknown", 1, 0)),
    ];
    join_all(cases.map(|(point, kind, expected)| killed_at(&stack, point, kind, expected))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_service_killed_between_ledger_and_offset_reads_again_and_mails_once() {
    let stack = Stack::from_env();
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(&stack, "offset").await.on_smtp(smtp.url());
    let author = Author::new(&world);
    let addresses: Vec<String> = (0..5).map(|n| world.address(&format!("reader{n}"))).collect();
    for address in &addresses {
        author.publish(&author.notice(address)).await;
    }
    // Its senders are kept from their work, so that only reading is under test.
    smtp.rule(Rule::always(Phase::Greeting, Act::Drop));
    let spec = brisk(world.email_service()).fail_points("ingest.after_ledger_write=return");
    let mut service = spec.launch();
    service.until_end(DEADLINE).await;
    let ledger = Ledger::of(&world).await;
    assert!(!ledger.mails().await.is_empty(), "killed after the write");
    assert!(offsets::committed(&world).await.is_empty(), "killed before the offsets");

    smtp.behave();
    service.restart_with(ServiceSpec::without_fail_points).await;
    let mails = ledger.until_quiet(DEADLINE).await;
    assert_eq!(mails.len(), addresses.len());
    for mail in &mails {
        mail.assert_handed_over_as_allowed(&smtp.deliveries());
        assert_eq!((mail.state.as_str(), mail.attempts), ("sent", 1), "{mail:#?}");
    }
    assert_eq!(smtp.deliveries().len(), addresses.len());
    ledger.assert_has_all_that_is_committed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_stopped_before_the_fence_beyond_its_lease_sends_nothing_when_it_goes_on() {
    let stack = Stack::from_env();
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(&stack, "stopped").await.on_smtp(smtp.url());
    let (author, address) = (Author::new(&world), world.address("ada"));
    let patient = |spec: ServiceSpec| brisk(spec).set("SMTP__STEP_TIMEOUT", "60s");
    let mut stopped = patient(world.email_service()).start().await;
    // It waits for the 354 when it is stopped.
    smtp.rule(Rule::once(Phase::Data, Act::Delay(Duration::from_millis(1500))));
    author.publish(&author.notice(&address)).await;
    smtp.until_phase(Phase::Rcpt, 1).await;
    stopped.pause();

    let _other = patient(stopped.spec().replica()).start().await;
    let ledger = Ledger::of(&world).await;
    ledger.until_state(&address, "sent", TAKEN_OVER).await;
    smtp.until_phase(Phase::Data, 1).await;
    stopped.resume();
    eventually(DEADLINE, "the stopped sender to find its mail taken over", async || {
        (stopped.metric("email_send_outcomes_total", "outcome=\"lost\"").await >= 1.0).then_some(())
    })
    .await;
    let mail = ledger.until_state(&address, "sent", DEADLINE).await;
    mail.assert_handed_over_as_allowed(&smtp.deliveries());
    assert_eq!(smtp.deliveries_to(&address).len(), 1);
    assert_eq!(mail.steps("preparing", "queued"), 1, "taken over once: {mail:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_stopped_behind_the_fence_beyond_its_lease_still_tells_of_its_late_250() {
    let stack = Stack::from_env();
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(&stack, "late").await.on_smtp(smtp.url());
    let (author, address) = (Author::new(&world), world.address("ada"));
    let patient = |spec: ServiceSpec| brisk(spec).set("SMTP__DOT_TIMEOUT", "3s").set("SENDER__LEASE", "4s");
    let mut stopped = patient(world.email_service()).start().await;
    smtp.rule(Rule::once(Phase::Dot, Act::Delay(Duration::from_millis(1500))));
    author.publish(&author.notice(&address)).await;
    smtp.until_deliveries_to(&address, 1).await;
    stopped.pause();

    let _other = patient(stopped.spec().replica()).start().await;
    let ledger = Ledger::of(&world).await;
    ledger.until_state(&address, "unknown", TAKEN_OVER).await;
    stopped.resume();
    let mail = ledger.until_state(&address, "sent", DEADLINE).await;
    assert_eq!(mail.steps("unknown", "sent"), 1, "{mail:#?}");
    mail.assert_handed_over_as_allowed(&smtp.deliveries());
    assert_eq!(smtp.deliveries_to(&address).len(), 1);
}
