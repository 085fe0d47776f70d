//! Mail servers that refuse our login, that cannot be trusted, or that greylist. Mail servers that are down, silent,
//! late or refuse mails are in the fault matrix (crates/dev/faults).

use std::time::Duration;

use e2e::{event_publisher::EventPublisher, ledger::Ledger, mail_scene::MailScene};
use test_support::{
    Behavior, CertificateAuthority, DEADLINE, Phase, ScriptedSmtp, ServiceSpec, SmtpOptions, SmtpRule, Stack, World,
    remember_secret, wait_for,
};

/// Sends one mail at a time, with short deadlines.
fn with_short_timeouts(spec: ServiceSpec) -> ServiceSpec {
    let timeouts = [("SMTP__STEP_TIMEOUT", "1s"), ("SMTP__DOT_TIMEOUT", "1s"), ("SENDER__LEASE", "3s")];
    spec.set_all(&timeouts).set_all(&[("SENDER__CONCURRENCY", "1"), ("MAIL__BACKOFF", "200ms")])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_refuses_our_login_opens_the_breaker_and_costs_no_mail_an_attempt() {
    let password = "smtp-password-of-a-test";
    remember_secret("smtp password", password);
    let smtp = ScriptedSmtp::start_with_extensions(&["AUTH PLAIN"]).await;
    smtp.add_rule(SmtpRule::always(Phase::Auth, Behavior::reply("535 5.7.8 credentials invalid")));
    let url = format!("smtp://mailer:{password}@{}", smtp.address());
    let world = World::new(&Stack::from_env(), "refuses-us").await.on_smtp(url);
    let service = with_short_timeouts(world.email_service()).start().await;
    let (publisher, ledger) = (EventPublisher::new(&world), Ledger::for_world(&world).await);
    let address = world.address("ada");
    publisher.publish(&publisher.notice(&address)).await;
    smtp.wait_for_phase(Phase::Auth, 2).await;
    wait_for(DEADLINE, "a degraded service", async || {
        let (status, body) = service.readiness().await?;
        (status == 200 && body["status"] == "degraded" && body["checks"]["smtp"] == "down").then_some(())
    })
    .await;
    let mail = ledger.wait_for_state(&address, "queued", DEADLINE).await;
    assert_eq!(mail.attempts, 0, "{mail:#?}");

    smtp.clear_rules();
    ledger.wait_for_state(&address, "sent", DEADLINE).await;
    // The same refusal in reply to MAIL, when the server knows only the sender.
    smtp.add_rule(SmtpRule::times(2, Phase::Mail, Behavior::reply("530 5.7.0 authentication required")));
    let address = world.address("grace");
    publisher.publish(&publisher.notice(&address)).await;
    let mail = ledger.wait_for_state(&address, "sent", DEADLINE).await;
    assert_eq!(mail.attempts, 1, "{mail:#?}");
    assert_eq!(mail.count_transitions("preparing", "queued"), 2, "{mail:#?}");
    assert!(!service.log().contains(password));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_an_untrusted_certificate_gets_neither_a_mail_nor_the_password() {
    let stack = Stack::from_env();
    let password = "smtp-password-over-tls";
    remember_secret("smtp password", password);
    let (ours, strangers) = (CertificateAuthority::new(&stack, "ours"), CertificateAuthority::new(&stack, "strangers"));
    let kind = || SmtpOptions::with_extensions(&["AUTH PLAIN LOGIN"]);
    let mut untrusted = Vec::new();
    for certificate in [
        ours.certificate("mail.example.org"),
        ours.expired_certificate("127.0.0.1"),
        strangers.certificate("127.0.0.1"),
    ] {
        untrusted.push(ScriptedSmtp::start_with_options(kind().with_tls(certificate.clone())).await);
        untrusted.push(ScriptedSmtp::start_with_options(kind().with_starttls(certificate)).await);
    }
    // An attacker writes into the connection to these two servers, whose certificates are valid.
    for reply in ["220 go on\r\n250-scripted\r\n250 AUTH PLAIN", "454 4.7.0 no TLS for you"] {
        let server = ScriptedSmtp::start_with_options(kind().with_starttls(ours.certificate("127.0.0.1"))).await;
        server.add_rule(SmtpRule::always(Phase::StartTls, Behavior::reply(reply)));
        untrusted.push(server);
    }
    // An attacker removed STARTTLS from the capabilities of this server.
    untrusted.push(ScriptedSmtp::start_with_options(kind()).await);
    let trusted = [
        ScriptedSmtp::start_with_options(kind().with_tls(ours.certificate("127.0.0.1"))).await,
        ScriptedSmtp::start_with_options(kind().with_starttls(ours.certificate("127.0.0.1"))).await,
    ];

    for good in &trusted {
        let url = |server: &ScriptedSmtp| {
            let url = server.url().replace("://", &format!("://mailer:{password}@"));
            if url.starts_with("smtp:") { format!("{url}?tls=required") } else { url }
        };
        let urls: Vec<String> = untrusted.iter().chain([good]).map(url).collect();
        let world = World::new(&stack, "certificates").await.on_smtp(urls.join(","));
        let service = with_short_timeouts(world.email_service()).variable("SSL_CERT_FILE", ours.file()).start().await;
        let (publisher, ledger) = (EventPublisher::new(&world), Ledger::for_world(&world).await);
        let address = world.address("ada");
        publisher.publish(&publisher.welcome(&address)).await;
        let mail = ledger.wait_for_state(&address, "sent", DEADLINE).await;
        assert_eq!(mail.attempts, 1, "{mail:#?}");
        let session = good.deliveries_to(&address)[0].session;
        assert!(good.sessions()[session].encrypted && good.count(Phase::Auth) > 0);
        assert!(!service.log().contains(password));
    }
    for server in &untrusted {
        assert!(!server.sessions().is_empty(), "the server was never tried");
        assert_eq!((server.count(Phase::Auth), server.count(Phase::Mail)), (0, 0), "{:#?}", server.sessions());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn greylisted_mails_are_sent_after_their_pause_and_other_mails_do_not_wait() {
    const PAUSE: Duration = Duration::from_secs(4);
    let MailScene { world, smtp, publisher, ledger } = MailScene::new("greylisted").await;
    let _service = with_short_timeouts(world.email_service()).set("MAIL__GREYLISTING_PAUSE", "4s").start().await;
    let mut greylisted = Vec::new();
    for (number, (phase, reply)) in [
        (Phase::Rcpt, "450 4.2.0 greylisted, see you in a minute"),
        (Phase::Rcpt, "451 4.7.1 greylisting in action"),
        (Phase::Data, "451 4.7.1 greylisting in action"),
        (Phase::Dot, "451 4.7.1 greylisting in action"),
    ]
    .into_iter()
    .enumerate()
    {
        let address = world.address(&format!("grey{number}"));
        smtp.add_rule(SmtpRule::once(phase, Behavior::reply(reply)).to(&address));
        publisher.publish(&publisher.notice(&address)).await;
        greylisted.push(address);
    }
    for address in &greylisted {
        let mail = ledger.wait_for_mail(address, "refused", DEADLINE, |mail| mail.attempts == 1).await;
        assert!(mail.retry_delay() >= PAUSE, "{mail:#?}");
    }
    // The other mails are sent at once, all before the first greylisted one.
    let others: Vec<String> = (0..5).map(|number| world.address(&format!("other{number}"))).collect();
    for address in &others {
        publisher.publish(&publisher.notice(address)).await;
    }
    for address in greylisted.iter().chain(&others) {
        let mail = ledger.wait_for_state(address, "sent", DEADLINE).await;
        assert_eq!(mail.attempts, if others.contains(address) { 1 } else { 2 }, "{mail:#?}");
    }
    let accepted: Vec<String> =
        smtp.deliveries().iter().filter(|taken| taken.is_accepted()).map(|taken| taken.mail.to[0].clone()).collect();
    assert_eq!(accepted[..others.len()], others);
    assert_eq!(smtp.sessions().len(), 1, "there was more than one connection");
}
