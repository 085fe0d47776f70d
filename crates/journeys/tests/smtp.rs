//! A mail server that refuses, hangs, hangs up, or answers too late: what becomes of the mails, of the
//! connections, and of everybody else's mails (I4, I5, I6).

use std::time::Duration;

use events::Event;
use journeys::{
    author::Author,
    ledger::{Ledger, Mail},
    offsets,
};
use test_support::{
    Act, DEADLINE, Mode, Phase, Rule, ScriptedSmtp, Service, ServiceSpec, Stack, TcpProxy, World, eventually,
    remember_secret,
};

/// One mail at a time, and deadlines that are over soon.
fn brisk(spec: ServiceSpec) -> ServiceSpec {
    spec.set("SMTP__STEP_TIMEOUT", "1s")
        .set("SMTP__DOT_TIMEOUT", "1s")
        .set("SENDER__LEASE", "3s")
        .set("SENDER__CONCURRENCY", "1")
        .set("MAIL__BACKOFF", "200ms")
}

/// A scripted server, and an email service that mails through it.
struct Scene {
    world: World,
    smtp: ScriptedSmtp,
    author: Author,
    ledger: Ledger,
    _service: Service,
}

impl Scene {
    async fn new(name: &str, change: impl FnOnce(ServiceSpec) -> ServiceSpec) -> Self {
        let smtp = ScriptedSmtp::start().await;
        let world = World::new(&Stack::from_env(), name).await.on_smtp(smtp.url());
        let service = change(brisk(world.email_service())).start().await;
        Self { author: Author::new(&world), ledger: Ledger::of(&world).await, world, smtp, _service: service }
    }

    /// Publishes a notice, whose policy is `hold`.
    async fn notice(&self, name: &str) -> String {
        let address = self.world.address(name);
        self.author.publish(&self.author.notice(&address)).await;
        address
    }

    async fn welcome(&self, name: &str) -> String {
        let address = self.world.address(name);
        let event: Event = self.author.welcome(&address);
        self.author.publish(&event).await;
        address
    }
}

/// What a reply does to the mail, and whether the address is suppressed.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Failed {
        suppressed: bool,
    },
    /// Waits at least so many seconds.
    Later(u64),
}

const FAILED: Fate = Fate::Failed { suppressed: false };
const SUPPRESSED: Fate = Fate::Failed { suppressed: true };
/// The configured back-off of this table's service, less its jitter.
const LATER: Fate = Fate::Later(40);
/// Greylisting servers want to see us again after five minutes.
const GREYLISTED: Fate = Fate::Later(300);

const TABLE: &[(Phase, &str, Fate)] = &[
    (Phase::Rcpt, "550 5.1.1 no such user", SUPPRESSED),
    (Phase::Rcpt, "550 no such user", SUPPRESSED),
    (Phase::Rcpt, "551 5.1.6 moved", SUPPRESSED),
    (Phase::Rcpt, "553 5.1.3 bad address", SUPPRESSED),
    (Phase::Rcpt, "550 5.7.1 blocked", FAILED),
    (Phase::Rcpt, "554 5.7.1 rejected", FAILED),
    (Phase::Rcpt, "552 5.2.2 mailbox full", LATER),
    (Phase::Rcpt, "550 5.2.2 over quota", LATER),
    (Phase::Rcpt, "421 4.3.2 shutting down", LATER),
    (Phase::Rcpt, "450 4.2.0 greylisted", GREYLISTED),
    (Phase::Rcpt, "451 4.7.1 try again later", GREYLISTED),
    (Phase::Rcpt, "452 4.2.2 mailbox full", LATER),
    (Phase::Data, "550 5.1.1 no such user", FAILED),
    (Phase::Data, "551 5.1.1 moved", FAILED),
    (Phase::Data, "554 5.6.0 no", FAILED),
    (Phase::Data, "552 5.3.4 too large for now", LATER),
    (Phase::Data, "421 4.3.2 shutting down", LATER),
    (Phase::Data, "450 4.2.0 busy", GREYLISTED),
    (Phase::Data, "451 4.3.0 error", GREYLISTED),
    (Phase::Data, "452 4.3.1 storage", LATER),
    (Phase::Dot, "550 5.1.1 no such user", FAILED),
    (Phase::Dot, "551 5.1.1 moved", FAILED),
    (Phase::Dot, "554 5.7.1 spam", FAILED),
    (Phase::Dot, "552 5.2.2 mailbox full", LATER),
    (Phase::Dot, "421 4.3.2 shutting down", LATER),
    (Phase::Dot, "450 4.2.0 busy", GREYLISTED),
    (Phase::Dot, "451 4.3.0 error", GREYLISTED),
    (Phase::Dot, "452 4.3.1 storage", LATER),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_reply_has_the_effect_that_the_table_says_on_its_own_mail_only() {
    let scene = Scene::new("replies", |spec| spec.set("MAIL__BACKOFF", "50s")).await;
    let mut addresses = Vec::new();
    for (number, (phase, reply, _)) in TABLE.iter().enumerate() {
        let address = scene.world.address(&format!("row{number}"));
        scene.smtp.rule(Rule::always(*phase, Act::reply(reply)).to(&address));
        scene.author.publish(&scene.author.notice(&address)).await;
        addresses.push(address);
    }
    // Between two that are refused everybody else is served (I6).
    let neighbour = scene.notice("neighbour").await;
    scene.ledger.until_state(&neighbour, "sent", DEADLINE).await;
    for (address, (phase, reply, fate)) in addresses.iter().zip(TABLE) {
        let mail = scene.ledger.until(address, "judged", DEADLINE, |mail| mail.attempts == 1).await;
        let case = format!("{reply} at {phase:?}: {mail:#?}");
        assert_eq!(mail.last_reply.as_deref(), Some(*reply), "{case}");
        match fate {
            Fate::Failed { suppressed } => {
                assert_eq!(mail.state, "failed", "{case}");
                assert_eq!(scene.ledger.is_suppressed(address).await, *suppressed, "{case}");
            }
            Fate::Later(seconds) => {
                assert_eq!(mail.state, "queued", "{case}");
                assert!(mail.pause() >= Duration::from_secs(*seconds), "{case}");
                assert!(!scene.ledger.is_suppressed(address).await, "{case}");
            }
        }
    }
    // A suppressed address gets nothing more; the server is not even asked.
    let before = scene.smtp.count(Phase::Rcpt);
    scene.author.publish(&scene.author.notice(&addresses[0])).await;
    eventually(DEADLINE, "a suppressed mail", async || {
        let mails = scene.ledger.mails_to(&addresses[0]).await;
        mails.iter().any(|mail| mail.state == "suppressed" && mail.is_over()).then_some(())
    })
    .await;
    assert_eq!(scene.smtp.count(Phase::Rcpt), before);
    // What the server said at MAIL it did not say about the address.
    for (reply, state) in
        [("550 5.1.8 bad sender", "failed"), ("551 5.7.1 no", "failed"), ("451 4.3.0 later", "queued")]
    {
        scene.smtp.rule(Rule::once(Phase::Mail, Act::reply(reply)));
        let address = scene.notice(&format!("mail-{}", &reply[..3])).await;
        let mail = scene.ledger.until(&address, "judged", DEADLINE, |mail| mail.attempts == 1).await;
        assert_eq!(mail.state, state, "{reply} at MAIL: {mail:#?}");
        assert!(!scene.ledger.is_suppressed(&address).await, "{reply} at MAIL");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_refused_for_now_is_sent_once_when_the_server_takes_it() {
    let scene = Scene::new("later", |spec| spec).await;
    for (phase, reply) in [(Phase::Rcpt, "421 4.3.2 no"), (Phase::Data, "452 4.3.1 no"), (Phase::Dot, "552 5.2.2 no")] {
        let address = scene.world.address(&format!("{phase:?}").to_lowercase());
        scene.smtp.rule(Rule::times(2, phase, Act::reply(reply)).to(&address));
        scene.author.publish(&scene.author.notice(&address)).await;
        let mail = scene.ledger.until_state(&address, "sent", DEADLINE).await;
        assert_eq!(mail.attempts, 3, "{mail:#?}");
        let accepted = scene.smtp.deliveries_to(&address).iter().filter(|delivery| delivery.accepted()).count();
        assert_eq!(accepted, 1, "{reply} at {phase:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_or_hangs_up_before_the_body_costs_time_and_no_mail() {
    let scene = Scene::new("hangs", |spec| spec).await;
    for phase in [Phase::Greeting, Phase::Ehlo, Phase::Mail, Phase::Rcpt, Phase::Data] {
        for act in [Act::Hang, Act::Drop] {
            if matches!(phase, Phase::Greeting | Phase::Ehlo) {
                // A new connection is made only if the old one is of no use.
                scene.smtp.rule(Rule::once(Phase::Rset, Act::Drop));
            }
            scene.smtp.rule(Rule::once(phase, act.clone()));
            let address = scene.notice(&format!("{phase:?}-{act:?}").to_lowercase()).await;
            let mail = scene.ledger.until_state(&address, "sent", DEADLINE).await;
            assert_eq!(mail.steps("data", "unknown"), 0, "{act:?} at {phase:?}: {mail:#?}");
            assert_eq!(scene.smtp.deliveries_to(&address).len(), 1, "{act:?} at {phase:?}");
            if matches!(phase, Phase::Greeting | Phase::Ehlo) {
                assert_eq!(mail.attempts, 1, "no mail pays for a server that takes no connections: {mail:#?}");
            }
            scene.smtp.behave();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_or_hangs_up_behind_the_fence_leaves_the_mail_unknown() {
    let scene = Scene::new("behind", |spec| spec).await;
    for (phase, act) in
        [(Phase::Body, Act::Hang), (Phase::Body, Act::Drop), (Phase::Dot, Act::Hang), (Phase::Dot, Act::Drop)]
    {
        let address = scene.world.address(&format!("{phase:?}-{act:?}").to_lowercase());
        scene.smtp.rule(Rule::always(phase, act.clone()).to(&address));
        scene.author.publish(&scene.author.notice(&address)).await;
        let mail = scene.ledger.until_state(&address, "unknown", DEADLINE).await;
        assert!(mail.is_over(), "held: {mail:#?}");
        assert!(scene.smtp.deliveries_to(&address).len() <= 1);
    }
    // Taken, and hung up on before the 250: a welcome is sent once more, and not a third time.
    let address = scene.world.address("welcome");
    scene.smtp.rule(Rule::always(Phase::Dot, Act::Drop).to(&address));
    scene.author.publish(&scene.author.welcome(&address)).await;
    let mail = scene.ledger.until(&address, "over", DEADLINE, Mail::is_over).await;
    assert_eq!((mail.state.as_str(), mail.steps("unknown", "queued")), ("unknown", 1), "{mail:#?}");
    assert_eq!(scene.smtp.deliveries_to(&address).len(), 2);
    // Whatever happened to those, the next one is served.
    let next = scene.welcome("next").await;
    scene.ledger.until_state(&next, "sent", DEADLINE).await;
    for mail in scene.ledger.mails().await {
        mail.assert_handed_over_as_allowed(&scene.smtp.deliveries());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_comes_too_late_is_never_taken_for_the_next_mails() {
    let scene = Scene::new("misread", |spec| spec).await;
    let late = Duration::from_millis(1500);
    // Each time the late reply is good and the next mail's is bad: were the replies off by one, the next
    // mail would be `sent`.
    for phase in [Phase::Dot, Phase::Data, Phase::Rcpt] {
        let name = format!("{phase:?}").to_lowercase();
        let (slow, refused) =
            (scene.world.address(&format!("slow-{name}")), scene.world.address(&format!("no-{name}")));
        scene.smtp.rule(Rule::once(phase, Act::Delay(late)).to(&slow));
        scene.smtp.rule(Rule::always(Phase::Dot, Act::reply("554 5.6.0 no")).to(&refused));
        scene.author.publish(&scene.author.notice(&slow)).await;
        scene.author.publish(&scene.author.notice(&refused)).await;
        let mail = scene.ledger.until(&refused, "over", DEADLINE, Mail::is_over).await;
        assert_eq!((mail.state.as_str(), mail.last_reply.as_deref()), ("failed", Some("554 5.6.0 no")), "{phase:?}");
        let mail = scene.ledger.until(&slow, "over", DEADLINE, Mail::is_over).await;
        assert_eq!(mail.state, if phase == Phase::Dot { "unknown" } else { "sent" }, "{phase:?}: {mail:#?}");
        let sessions: Vec<usize> = [&slow, &refused]
            .map(|to| scene.smtp.deliveries_to(to).first().map(|delivery| delivery.session))
            .into_iter()
            .flatten()
            .collect();
        assert!(phase != Phase::Dot || sessions[0] != sessions[1], "the connection was used again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_us_is_left_alone_and_no_mail_loses_an_attempt() {
    let password = "smtp-password-of-a-test";
    remember_secret("smtp password", password);
    let smtp = ScriptedSmtp::start_with(&["AUTH PLAIN"]).await;
    smtp.rule(Rule::always(Phase::Auth, Act::reply("535 5.7.8 credentials invalid")));
    let url = format!("smtp://mailer:{password}@{}", smtp.address());
    let world = World::new(&Stack::from_env(), "refuses-us").await.on_smtp(url);
    let service = brisk(world.email_service()).start().await;
    let (author, ledger) = (Author::new(&world), Ledger::of(&world).await);
    let address = world.address("ada");
    author.publish(&author.notice(&address)).await;
    smtp.until_phase(Phase::Auth, 2).await;
    eventually(DEADLINE, "a degraded service", async || {
        let (status, body) = service.readiness().await?;
        (status == 200 && body["status"] == "degraded" && body["checks"]["smtp"] == "down").then_some(())
    })
    .await;
    let mail = ledger.until_state(&address, "queued", DEADLINE).await;
    assert_eq!(mail.attempts, 0, "{mail:#?}");

    smtp.behave();
    ledger.until_state(&address, "sent", DEADLINE).await;
    // The same said at MAIL, where nothing is known of the mail but its sender.
    smtp.rule(Rule::times(2, Phase::Mail, Act::reply("530 5.7.0 authentication required")));
    let address = world.address("grace");
    author.publish(&author.notice(&address)).await;
    let mail = ledger.until_state(&address, "sent", DEADLINE).await;
    assert_eq!(mail.attempts, 1, "{mail:#?}");
    assert_eq!(mail.steps("preparing", "queued"), 2, "{mail:#?}");
    assert!(!service.log().contains(password));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_smtp_is_down_the_topic_is_read_on_and_when_it_is_up_every_mail_goes_once() {
    let smtp = ScriptedSmtp::start().await;
    let proxy = TcpProxy::start(&smtp.address()).await.expect("a proxy can listen");
    let url = format!("smtp://{}", proxy.address());
    let world = World::new(&Stack::from_env(), "smtp-down").await.on_smtp(url);
    let service = brisk(world.email_service()).set("SENDER__CONCURRENCY", "4").start().await;
    let (author, ledger) = (Author::new(&world), Ledger::of(&world).await);
    eventually(DEADLINE, "smtp: ok", async || (service.check("smtp").await == "ok").then_some(())).await;

    proxy.set(Mode::Refuse);
    let addresses: Vec<String> = (0..8).map(|number| world.address(&format!("waits{number}"))).collect();
    for address in &addresses {
        author.publish(&author.notice(address)).await;
    }
    let brief = world.address("brief");
    author.publish(&author.welcome_for(&brief, Duration::from_secs(4))).await;
    eventually(DEADLINE, "a degraded service", async || {
        let (status, body) = service.readiness().await?;
        (status == 200 && body["status"] == "degraded" && body["checks"]["smtp"] == "down").then_some(())
    })
    .await;
    offsets::until_read_to_the_end(&world, DEADLINE).await;
    ledger.assert_has_all_that_is_committed().await;
    let mail = ledger.until_state(&brief, "expired", DEADLINE).await;
    assert!(mail.is_over() && mail.attempts == 0, "{mail:#?}");
    for mail in ledger.mails().await.iter().filter(|mail| mail.to != brief) {
        assert_eq!((mail.attempts, mail.is_over()), (0, false), "{mail:#?}");
    }
    assert!(smtp.deliveries().is_empty());

    proxy.set(Mode::Pass);
    eventually(DEADLINE, "smtp: ok again", async || {
        let (status, body) = service.readiness().await?;
        (status == 200 && body["status"] == "ready").then_some(())
    })
    .await;
    for address in &addresses {
        ledger.until_state(address, "sent", DEADLINE).await;
        assert_eq!(smtp.deliveries_to(address).len(), 1);
    }
    assert_eq!(smtp.deliveries().len(), addresses.len(), "what has expired is not sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_server_of_the_list_takes_over_while_the_first_is_away() {
    let (first, second) = (ScriptedSmtp::start().await, ScriptedSmtp::start().await);
    let proxy = TcpProxy::start(&first.address()).await.expect("a proxy can listen");
    proxy.set(Mode::Refuse);
    let urls = format!("smtp://{},{}", proxy.address(), second.url());
    let world = World::new(&Stack::from_env(), "fail-over").await.on_smtp(urls);
    let _service = brisk(world.email_service()).start().await;
    let (author, ledger) = (Author::new(&world), Ledger::of(&world).await);
    let address = world.address("ada");
    author.publish(&author.notice(&address)).await;
    ledger.until_state(&address, "sent", DEADLINE).await;
    assert_eq!((first.deliveries().len(), second.deliveries().len()), (0, 1));

    proxy.set(Mode::Pass);
    first.until_phase(Phase::Ehlo, 1).await;
    eventually(DEADLINE, "the first server to be used again", async || {
        let address = world.address(&format!("n{}", first.sessions().len() + second.deliveries().len()));
        author.publish(&author.notice(&address)).await;
        ledger.until_state(&address, "sent", DEADLINE).await;
        (!first.deliveries().is_empty()).then_some(())
    })
    .await;
}
