//! Several servers, servers that fail repeatedly, and the capabilities of servers.

use std::{sync::Arc, time::Duration};

use email_service::{
    ledger::State,
    mailer::server_pool::Checkout,
    sender::{delivery::Sender, dispatcher::Dispatcher, send_tasks::SendTasks},
};
use service_kit::{Lifecycle, Stage};
use test_support::{Behavior, Phase, ScriptedSmtp, SmtpOptions, SmtpRule, remember_secret, report_skipped, wait_for};
use tokio::sync::Notify;

use crate::setup::{Store, send_next};

/// A recovered server is probed within this time: the longest pause with its jitter, and one
/// interval of the watch.
const PROBE_TIMEOUT: Duration = Duration::from_secs(13);

/// The number of senders of [`RunningSender`].
pub(crate) const CONCURRENCY: usize = 4;

/// A running dispatcher and pool watch; dropping it stops them.
pub(crate) struct RunningSender {
    lifecycle: Lifecycle,
    pub(crate) sends: SendTasks,
}

impl RunningSender {
    pub(crate) fn start(sender: Arc<Sender>) -> Self {
        let lifecycle = Lifecycle::new();
        let pool = sender.pool.clone();
        lifecycle.spawn(Stage::Intake, "smtp-watch", |stop| async move { pool.watch(stop).await });
        let sends = SendTasks::new(sender, CONCURRENCY, lifecycle.clone());
        let dispatcher = Dispatcher::new(sends.clone(), Arc::new(Notify::new()));
        lifecycle.spawn(Stage::Intake, "dispatcher", |stop| dispatcher.run(stop));
        Self { lifecycle, sends }
    }
}

impl Drop for RunningSender {
    fn drop(&mut self) {
        self.lifecycle.stopping().cancel();
    }
}

pub(crate) async fn wait_for_state(store: &Store, id: &str, state: State, within: Duration) {
    wait_for(within, &format!("a mail to be {state:?}"), async || (store.row(id).await.state == state).then_some(()))
        .await;
}

#[tokio::test]
async fn mails_return_to_the_first_server_when_it_recovers() {
    let store = Store::new("failback").await;
    let (first, second) = (ScriptedSmtp::start().await, ScriptedSmtp::start().await);
    let _running = RunningSender::start(store.sender(&[&first, &second]));
    first.add_rule(SmtpRule::always(Phase::Greeting, Behavior::reply("421 4.3.2 not now")));
    first.add_rule(SmtpRule::always(Phase::Rset, Behavior::Drop));
    for n in 0..6 {
        let id = store.queue(store.notice(&format!("away{n}@example.com"))).await;
        wait_for_state(&store, &id, State::Sent, PROBE_TIMEOUT).await;
        assert_eq!(store.row(&id).await.attempts, 1);
    }
    assert_eq!((first.deliveries().len(), second.deliveries().len()), (0, 6));

    first.clear_rules();
    wait_for(PROBE_TIMEOUT, "a mail at the first server", async || {
        let id = store.queue(store.notice(&format!("back{}@example.com", first.sessions().len()))).await;
        wait_for_state(&store, &id, State::Sent, PROBE_TIMEOUT).await;
        (!first.deliveries().is_empty()).then_some(())
    })
    .await;
    // From then on all mails go there.
    let at_second = second.deliveries().len();
    for n in 0..3 {
        let id = store.queue(store.notice(&format!("again{n}@example.com"))).await;
        wait_for_state(&store, &id, State::Sent, PROBE_TIMEOUT).await;
    }
    assert_eq!(second.deliveries().len(), at_second);
}

#[tokio::test]
async fn a_server_that_breaks_the_connection_repeatedly_is_skipped_for_the_next_one() {
    for (phase, act) in [(Phase::Mail, Behavior::Hang), (Phase::Rcpt, Behavior::Drop), (Phase::Dot, Behavior::Drop)] {
        let store = Store::new("breaksoff").await;
        let (first, second) = (ScriptedSmtp::start().await, ScriptedSmtp::start().await);
        first.add_rule(SmtpRule::always(phase, act.clone()));
        let sender = store.sender(&[&first, &second]);
        for n in 0..6 {
            store.queue(store.notice(&format!("user{n}@example.com"))).await;
            send_next(&sender).await;
        }
        let spoilt = first.sessions().len();
        assert_eq!(
            (spoilt, second.deliveries().len()),
            (3, 3),
            "{act:?} at {phase:?}: three failures in a row trip the breaker"
        );
        assert!(sender.pool.checkout(&[]).await.is_ok());
        assert_eq!(first.sessions().len(), spoilt);
    }
}

#[tokio::test]
async fn a_server_that_broke_transactions_gets_one_mail_at_a_time_until_one_succeeds() {
    let (store, smtp) = (Store::new("probation").await, ScriptedSmtp::start().await);
    // Without the breaker all of these would become unknown.
    smtp.add_rule(SmtpRule::always(Phase::Dot, Behavior::Drop));
    let mut mails = Vec::new();
    for n in 0..20 {
        mails.push(store.queue(store.notice(&format!("user{n}@example.com"))).await);
    }
    let _running = RunningSender::start(store.sender(&[&smtp]));
    wait_for(PROBE_TIMEOUT, "two mails on trial", async || (smtp.count(Phase::Dot) >= 6).then_some(())).await;
    let unknown = store.ledger("test").count(State::Unknown).await.unwrap();
    assert!(unknown <= 8, "{unknown} mails for a server that is known to fail");

    smtp.clear_rules();
    for id in &mails {
        wait_for(PROBE_TIMEOUT, "the end of every mail", async || {
            matches!(store.row(id).await.state, State::Sent | State::Unknown).then_some(())
        })
        .await;
    }
    let unknown = store.ledger("test").count(State::Unknown).await.unwrap();
    assert!(unknown <= 8, "{unknown} mails are unknown");
    assert_eq!(store.ledger("test").count(State::Sent).await.unwrap(), 20 - unknown);
}

#[tokio::test]
async fn a_server_on_probation_gets_one_mail_at_a_time() {
    let (store, smtp) = (Store::new("trial").await, ScriptedSmtp::start().await);
    smtp.add_rule(SmtpRule::times(3, Phase::Rcpt, Behavior::Drop));
    let sender = store.sender(&[&smtp]);
    for n in 0..3 {
        store.queue(store.notice(&format!("user{n}@example.com"))).await;
        send_next(&sender).await;
    }
    assert!(sender.pool.checkout(&[]).await.is_err(), "the breaker is open");
    let pool = sender.pool.clone();
    let watch = tokio::spawn({
        let pool = pool.clone();
        async move { pool.watch(tokio_util::sync::CancellationToken::new()).await }
    });
    tokio::time::timeout(PROBE_TIMEOUT, pool.wait_until_available()).await.expect("the server is probed again");

    let Checkout { connection, permit } = pool.checkout(&[]).await.unwrap();
    assert!(pool.checkout(&[]).await.is_err(), "another mail is on trial");
    permit.return_unused(connection);
    drop(permit);
    let Checkout { connection, permit } = pool.checkout(&[]).await.unwrap();
    assert!(pool.checkout(&[]).await.is_err(), "the trial before had no result");
    permit.return_connection(connection);
    drop(permit);
    let (one, other) = (pool.checkout(&[]).await, pool.checkout(&[]).await);
    assert!(one.is_ok() && other.is_ok(), "the trial succeeded");
    watch.abort();
}

#[tokio::test]
async fn a_mail_too_large_for_one_server_is_sent_through_another() {
    let store = Store::new("size").await;
    let (small, large) = (
        ScriptedSmtp::start_with_options(SmtpOptions::with_extensions(&["SIZE 1000"])).await,
        ScriptedSmtp::start_with_options(SmtpOptions::with_extensions(&["size 10000000"])).await,
    );
    let id = store.queue(store.welcome("ada@example.com")).await;
    send_next(&store.sender(&[&small, &large])).await;
    assert_eq!(store.row(&id).await.state, State::Sent);
    assert_eq!((small.count(Phase::Mail), large.deliveries().len()), (0, 1));
    // RFC 1870: the size in MAIL is the size that arrives.
    let raw = large.deliveries()[0].mail.raw.len();
    let steps: Vec<_> = large.sessions().into_iter().flat_map(|session| session.steps).collect();
    let mail = steps.iter().find(|step| step.phase == Phase::Mail).expect("MAIL was sent");
    assert!(mail.line.ends_with(&format!(" SIZE={raw}")), "{} for {raw} bytes", mail.line);
}

#[tokio::test]
async fn a_mail_that_no_server_supports_fails_with_the_reason() {
    for (offered, to, reason) in [
        ("SIZE 1000", "ada@example.com", "and the server accepts 1000 (SIZE)"),
        ("8BITMIME", "ädä@example.com", "SMTPUTF8"),
    ] {
        let store = Store::new("cannot").await;
        let servers = [
            ScriptedSmtp::start_with_options(SmtpOptions::with_extensions(&[offered])).await,
            ScriptedSmtp::start_with_options(SmtpOptions::with_extensions(&[offered])).await,
        ];
        let id = store.queue(store.welcome(to)).await;
        let sender = store.sender(&[&servers[0], &servers[1]]);
        send_next(&sender).await;
        let row = store.row(&id).await;
        assert_eq!(row.state, State::Failed, "{row:#?}");
        assert!(row.history.last().unwrap().note.as_ref().unwrap().contains(reason), "{row:#?}");
        assert!(servers.iter().all(|server| server.count(Phase::Mail) == 0));
        // The servers are still available.
        assert!(sender.pool.checkout(&[]).await.is_ok());

        // While one of them is unreachable, its capabilities are unknown.
        let id = store.queue(store.notice(to)).await;
        servers[1].add_rule(SmtpRule::always(Phase::Rset, Behavior::Drop));
        servers[1].add_rule(SmtpRule::always(Phase::Greeting, Behavior::Drop));
        send_next(&sender).await;
        assert_eq!(store.row(&id).await.state, State::Queued);
    }
}

#[tokio::test]
async fn smtputf8_and_8bitmime_are_asked_for_only_where_they_are_needed() {
    let (store, smtp) = (Store::new("utf8").await, ScriptedSmtp::start().await);
    let sender = store.sender(&[&smtp]);
    for to in ["ada@example.com", "ada@bücher.example", "ädä@bücher.example"] {
        let id = store.queue(store.notice(to)).await;
        send_next(&sender).await;
        assert_eq!(store.row(&id).await.state, State::Sent, "{to}");
    }
    let steps: Vec<_> = smtp.sessions().into_iter().flat_map(|session| session.steps).collect();
    let lines = |phase| steps.iter().filter(|step| step.phase == phase).map(|step| step.line.as_str()).collect();
    let mails: Vec<&str> = lines(Phase::Mail);
    assert_eq!(mails[0], "MAIL FROM:<us@example.org>");
    assert_eq!(mails[1], "MAIL FROM:<us@example.org>");
    assert!(mails[2].ends_with(" SMTPUTF8"), "{}", mails[2]);
    let recipients: Vec<&str> = lines(Phase::Rcpt);
    assert_eq!(recipients[1], "RCPT TO:<ada@xn--bcher-kva.example>");
    assert_eq!(recipients[2], "RCPT TO:<ädä@xn--bcher-kva.example>");
    for (delivery, mail) in smtp.deliveries().iter().zip(&mails) {
        assert_eq!(delivery.mail.raw.is_ascii(), !mail.contains("BODY=8BITMIME"), "{mail}");
    }
}

#[tokio::test]
async fn the_login_uses_the_mechanism_that_the_server_offers() {
    let password = "pass word, with % and @";
    remember_secret("smtp password", password);
    for (offered, mechanism) in [
        ("AUTH LOGIN", "AUTH LOGIN"),
        ("auth cram-md5 login", "AUTH LOGIN"),
        ("AUTH PLAIN", "AUTH PLAIN"),
        ("AUTH LOGIN PLAIN", "AUTH PLAIN"),
    ] {
        let store = Store::new("login").await;
        let mut kind = SmtpOptions::with_extensions(&[offered]);
        kind.login = Some(("mailer".to_owned(), password.to_owned()));
        let smtp = ScriptedSmtp::start_with_options(kind).await;
        let id = store.queue(store.notice("ada@example.com")).await;
        let url = format!("smtp://mailer:pass%20word%2C%20with%20%25%20and%20%40@{}", smtp.address());
        send_next(&store.sender_to(&url, store.ledger("sender"))).await;
        assert_eq!(store.row(&id).await.state, State::Sent, "{offered}");
        let step = smtp.sessions()[0].steps.iter().find(|step| step.phase == Phase::Auth).cloned();
        assert_eq!(step.unwrap().line, mechanism, "{offered}");
    }
}

#[tokio::test]
async fn the_mechanism_that_worked_is_remembered_when_the_server_refuses_plain() {
    let password = "password-of-the-other-mechanism";
    remember_secret("smtp password", password);
    for (refused, reply, hangs_up) in [
        ("PLAIN", "504 5.5.4 not that one", false),
        ("PLAIN", "534 5.7.9 too weak", false),
        ("PLAIN", "535 5.7.8 authentication failed", false),
        ("PLAIN", "535 5.7.8 authentication failed", true),
    ] {
        let case = format!("{refused} {reply} {hangs_up}");
        let store = Store::new("othermechanism").await;
        let kind = SmtpOptions::with_extensions(&["AUTH PLAIN LOGIN"]);
        let mut kind = if hangs_up {
            kind.refusing_mechanism_and_hanging_up(refused, reply)
        } else {
            kind.refusing_mechanism(refused, reply)
        };
        kind.login = Some(("mailer".to_owned(), password.to_owned()));
        let smtp = ScriptedSmtp::start_with_options(kind).await;
        // Each mail uses a connection of its own.
        smtp.add_rule(SmtpRule::always(Phase::Rset, Behavior::Drop));
        let sender = store.sender_to(&format!("smtp://mailer:{password}@{}", smtp.address()), store.ledger("sender"));
        for to in ["ada@example.com", "bob@example.com"] {
            let id = store.queue(store.notice(to)).await;
            assert_eq!(send_next(&sender).await, id);
            assert_eq!(store.row(&id).await.state, State::Sent, "{case}");
        }
        let said: Vec<Vec<String>> = smtp
            .sessions()
            .iter()
            .map(|session| session.steps.iter().filter(|step| step.phase == Phase::Auth))
            .map(|steps| steps.map(|step| step.line.clone()).collect())
            .collect();
        let first = if hangs_up {
            vec![vec!["AUTH PLAIN".to_owned()], vec!["AUTH LOGIN".to_owned()]]
        } else {
            vec![vec!["AUTH PLAIN".to_owned(), "AUTH LOGIN".to_owned()]]
        };
        let expected: Vec<Vec<String>> = first.into_iter().chain([vec!["AUTH LOGIN".to_owned()]]).collect();
        assert_eq!(said, expected, "{case}");
    }
}

#[tokio::test]
async fn each_mechanism_is_tried_once_and_then_the_breaker_opens() {
    let password = "wrong-password-by-two-mechanisms";
    remember_secret("smtp password", password);
    for (reply, expected) in [
        ("535 5.7.8 authentication failed", vec!["AUTH PLAIN", "AUTH LOGIN"]),
        // Refused temporarily, or because of missing TLS: another mechanism would get the same
        // reply.
        ("454 4.7.0 later", vec!["AUTH PLAIN"]),
        ("538 5.7.11 encryption required", vec!["AUTH PLAIN"]),
    ] {
        let store = Store::new("nomechanism").await;
        let mut kind = SmtpOptions::with_extensions(&["AUTH LOGIN PLAIN"]).refusing_mechanism("PLAIN", reply);
        kind.login = Some(("mailer".to_owned(), "another".to_owned()));
        let smtp = ScriptedSmtp::start_with_options(kind).await;
        let id = store.queue(store.notice("ada@example.com")).await;
        let sender = store.sender_to(&format!("smtp://mailer:{password}@{}", smtp.address()), store.ledger("sender"));
        send_next(&sender).await;
        let row = store.row(&id).await;
        assert_eq!((row.state, row.attempts, smtp.count(Phase::Mail)), (State::Queued, 0, 0), "{reply}");
        let sessions = smtp.sessions();
        let said: Vec<&str> = sessions
            .iter()
            .flat_map(|s| &s.steps)
            .filter(|s| s.phase == Phase::Auth)
            .map(|s| s.line.as_str())
            .collect();
        assert_eq!(said, expected, "{reply}");
        let note = row.history.last().unwrap().note.clone().unwrap();
        assert!(note.contains(&reply[..3]) && !note.contains(password), "{note}");
        assert!(sender.pool.checkout(&[]).await.is_err(), "the breaker is open");
    }
}

#[tokio::test]
async fn a_server_without_a_usable_login_gets_no_mail() {
    for (offered, said) in [("AUTH CRAM-MD5", "neither PLAIN nor LOGIN"), ("AUTH LOGIN", "535"), ("AUTH PLAIN", "535")]
    {
        let store = Store::new("wronglogin").await;
        let mut kind = SmtpOptions::with_extensions(&[offered]);
        kind.login = Some(("mailer".to_owned(), "another".to_owned()));
        let smtp = ScriptedSmtp::start_with_options(kind).await;
        let id = store.queue(store.notice("ada@example.com")).await;
        let url = format!("smtp://mailer:ours@{}", smtp.address());
        send_next(&store.sender_to(&url, store.ledger("sender"))).await;
        let row = store.row(&id).await;
        assert_eq!((row.state, row.attempts, smtp.count(Phase::Mail)), (State::Queued, 0, 0), "{offered}");
        let note = row.history.last().unwrap().note.clone().unwrap();
        assert!(note.contains(said) && !note.contains("ours"), "{note}");
    }
}

#[tokio::test]
async fn a_server_on_ipv6_receives_mail_and_our_address_literal() {
    let host = std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);
    if std::net::TcpListener::bind((host, 0)).is_err() {
        report_skipped("a_server_on_ipv6_receives_mail_and_our_address_literal", "this machine has no IPv6");
        return;
    }
    let store = Store::new("ipv6").await;
    let smtp = ScriptedSmtp::start_with_options(SmtpOptions { host, ..SmtpOptions::default() }).await;
    assert!(smtp.url().starts_with("smtp://[::1]:"));
    let id = store.queue(store.notice("ada@example.com")).await;
    send_next(&store.sender(&[&smtp])).await;
    assert_eq!(store.row(&id).await.state, State::Sent);
    let hello = smtp.sessions()[0].steps.iter().find(|step| step.phase == Phase::Ehlo).cloned();
    assert_eq!(hello.unwrap().line, "EHLO [IPv6:::1]");
}

#[tokio::test]
async fn a_password_is_never_sent_unencrypted_to_another_machine() {
    let Some(host) = non_loopback_address() else {
        report_skipped("a_password_is_never_sent_unencrypted_to_another_machine", "this machine has loopback only");
        return;
    };
    let mut kind = SmtpOptions::with_extensions(&["AUTH PLAIN LOGIN"]);
    kind.host = host;
    let smtp = ScriptedSmtp::start_with_options(kind).await;
    // The capabilities that remain when an attacker removes STARTTLS.
    for parameter in ["", "?tls=required", "?tls=opportunistic"] {
        let store = Store::new("stripped").await;
        let id = store.queue(store.notice("ada@example.com")).await;
        let url = format!("smtp://mailer:password@{}{parameter}", smtp.address());
        send_next(&store.sender_to(&url, store.ledger("sender"))).await;
        assert_eq!(store.row(&id).await.state, State::Queued, "{parameter}");
        assert_eq!((smtp.count(Phase::Auth), smtp.count(Phase::Mail)), (0, 0), "{parameter}");
    }
    // Without credentials the operator may choose it.
    let store = Store::new("inclear").await;
    let id = store.queue(store.notice("ada@example.com")).await;
    send_next(&store.sender_to(&format!("{}?tls=none", smtp.url()), store.ledger("sender"))).await;
    assert_eq!(store.row(&id).await.state, State::Sent);
}

/// Returns the address by which this machine would reach others; no packet is sent.
fn non_loopback_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}
