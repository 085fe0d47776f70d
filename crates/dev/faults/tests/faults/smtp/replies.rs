//! The classification table: each reply at each phase, up to the ledger, the suppression
//! list, the connection, and everybody else's mails.

use std::time::Duration;

use e2e::ledger::MailJob;
use test_support::{Act, DEADLINE, Phase, Rule, wait_for};

use crate::mail_scene::Scene;

/// What a reply does to the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Failed,
    /// And the address gets nothing more.
    Suppressed,
    /// Tried again after the back-off.
    Later,
    /// The same, and the connection is not used again.
    LaterElsewhere,
    /// Tried again after the pause that greylisting servers want.
    Greylisted,
    /// The server does not want us: no attempt is lost.
    NotOurMail,
    /// No reply that belongs here: another connection, and behind the fence `unknown`.
    OutOfStep,
}

use Fate::{Failed, Greylisted, Later, LaterElsewhere, NotOurMail, OutOfStep, Suppressed};

/// Replies whose meaning is the same wherever they come.
const EVERYWHERE: &[(&str, Fate)] = &[
    ("421 4.3.2 shutting down", LaterElsewhere),
    ("450 4.2.0 greylisted", Greylisted),
    ("451 4.7.1 try again later", Greylisted),
    ("450-4.2.0 greylisted\r\n450 4.2.0 come back", Greylisted),
    ("452 4.3.1 no space", Later),
    ("552 5.2.2 mailbox full", Later),
    ("552 5.3.4 too large for now", Later),
    ("550 5.2.2 over quota", Later),
    ("550 5.7.1 blocked", Failed),
    ("554 5.7.1 looks like spam", Failed),
    ("554-5.6.0 no\r\n554 5.6.0 and again no", Failed),
    ("535 5.7.8 who are you", NotOurMail),
    ("530 5.7.0 authentication required", NotOurMail),
];

/// Replies that RCPT alone says about the address.
const ABOUT_THE_ADDRESS: &[&str] =
    &["550 5.1.1 no such user", "550 no such user", "551 5.1.6 moved", "553 5.1.3 bad address"];

/// Good replies to another question.
const OUT_OF_STEP: &[(Phase, &str)] = &[
    (Phase::Mail, "354 go on"),
    (Phase::Mail, "nonsense"),
    (Phase::Rcpt, "354 go on"),
    (Phase::Data, "250 ok"),
    (Phase::Dot, "251 will forward"),
    (Phase::Dot, "354 go on"),
    (Phase::Dot, "nonsense"),
];

/// Longer than the whole table takes: no mail of an earlier row comes back into a later one.
const BACK_OFF: Duration = Duration::from_secs(200);
const GREYLISTING: Duration = Duration::from_secs(300);

fn table() -> Vec<(Phase, &'static str, Fate)> {
    let mut table = Vec::new();
    for phase in [Phase::Mail, Phase::Rcpt, Phase::Data, Phase::Dot] {
        table.extend(EVERYWHERE.iter().map(|(reply, fate)| (phase, *reply, *fate)));
        let fate = if phase == Phase::Rcpt { Suppressed } else { Failed };
        table.extend(ABOUT_THE_ADDRESS.iter().map(|reply| (phase, *reply, fate)));
        let out_of_step = OUT_OF_STEP.iter().filter(|(place, _)| *place == phase);
        table.extend(out_of_step.map(|(phase, reply)| (*phase, *reply, OutOfStep)));
    }
    // What comes from outside does no harm where it is written down.
    table.push((Phase::Rcpt, "554 5.7.1 $state \u{1b}[31m{\"$where\": 1}", Failed));
    table
}

/// As the ledger keeps it: one printable line, the enhanced code once.
fn kept(reply: &str) -> String {
    let mut lines = reply.split("\r\n").map(|line| line[4..].replace('\u{1b}', ""));
    let first = lines.next().unwrap_or_default();
    let enhanced = first.split(' ').next().unwrap_or_default().to_owned();
    let rest = lines.map(|line| line.strip_prefix(&enhanced).unwrap_or(&line).to_owned());
    format!("{} {first}{}", &reply[..3], rest.collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_18_every_reply_at_every_phase_has_the_effect_of_the_classification_table() {
    let scene = Scene::new("replies").await;
    let mut service = scene.service().set("SENDER__CONCURRENCY", "1").set("MAIL__BACKOFF", "200s").start().await;
    for (number, (phase, reply, fate)) in table().into_iter().enumerate() {
        let address = scene.address(&format!("row{number}"));
        let rule = Rule::once(phase, Act::reply(reply));
        // At MAIL no recipient is known yet.
        scene.smtp().rule(if phase == Phase::Mail { rule } else { rule.to(&address) });
        let (sessions, told) = (scene.smtp().sessions().len(), scene.smtp().count(phase));
        scene.publish(&scene.publisher.notice(&address)).await;
        scene.smtp().wait_for_phase(phase, told + 1).await;
        let judged = |mail: &MailJob| mail.history.len() > 2 && !["preparing", "data"].contains(&mail.state.as_str());
        let mail = scene.ledger.wait_for_mail(&address, "judged", DEADLINE, judged).await;
        let case = format!("{reply:?} at {phase:?}: {mail:#?}");
        if fate != OutOfStep {
            assert_eq!(mail.last_reply, Some(kept(reply)), "{case}");
        }
        let (state, attempts) = match fate {
            Failed | Suppressed => ("failed", 1),
            Later | LaterElsewhere | Greylisted => ("queued", 1),
            // At MAIL it comes back as soon as the server is let in again, else after 30 s.
            NotOurMail => ("queued", 0),
            OutOfStep if phase == Phase::Dot => ("unknown", 1),
            OutOfStep => ("queued", 1),
        };
        if !(fate == NotOurMail && phase == Phase::Mail) {
            assert_eq!((mail.state.as_str(), mail.attempts), (state, attempts), "{case}");
            assert_eq!(mail.is_terminal(), state != "queued", "{case}");
        }
        match fate {
            Later | LaterElsewhere | OutOfStep if state == "queued" => {
                assert!(
                    mail.retry_delay() >= BACK_OFF.mul_f64(0.8) && mail.retry_delay() <= BACK_OFF.mul_f64(1.2),
                    "{case}"
                );
            }
            Greylisted => assert!(mail.retry_delay() >= GREYLISTING, "{case}"),
            _ => {}
        }
        assert_eq!(scene.ledger.is_suppressed(&address).await, fate == Suppressed, "{case}");

        if fate == NotOurMail && phase == Phase::Mail {
            scene.ledger.wait_for_state(&address, "sent", DEADLINE).await;
        }

        // The next mail follows, on the same connection if that can be believed.
        let next = scene.notice(&format!("next{number}")).await;
        scene.ledger.wait_for_state(&next, "sent", DEADLINE).await;
        let fresh = matches!(fate, LaterElsewhere | NotOurMail | OutOfStep);
        let connections = scene.smtp().sessions().len() - sessions.max(1);
        assert_eq!(connections > 0, fresh, "another connection, {case}");
        scene.smtp().behave();
    }
    // A suppressed address gets nothing more; the server is not even asked.
    let place = table().iter().position(|(_, _, fate)| *fate == Suppressed).expect("there is one");
    let before = scene.smtp().count(Phase::Rcpt);
    let address = scene.notice(&format!("row{place}")).await;
    wait_for(DEADLINE, "a suppressed mail", async || {
        let mails = scene.ledger.mails_to(&address).await;
        mails.iter().any(|mail| mail.state == "suppressed" && mail.is_terminal()).then_some(())
    })
    .await;
    assert_eq!(scene.smtp().count(Phase::Rcpt), before);

    // As if the minutes had passed for which some of them wait.
    service.terminate().await;
    scene.ledger.make_all_due().await;
    service.restart().await;
    scene.judge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_18_a_mail_refused_for_now_is_sent_once_when_the_server_takes_it() {
    let scene = Scene::new("later").await;
    let _service = scene.service().start().await;
    for (phase, reply) in [(Phase::Rcpt, "421 4.3.2 no"), (Phase::Data, "452 4.3.1 no"), (Phase::Dot, "552 5.2.2 no")] {
        let address = scene.address(&format!("{phase:?}").to_lowercase());
        scene.smtp().rule(Rule::times(2, phase, Act::reply(reply)).to(&address));
        scene.publish(&scene.publisher.notice(&address)).await;
        let mail = scene.ledger.wait_for_state(&address, "sent", DEADLINE).await;
        assert_eq!(mail.attempts, 3, "{mail:#?}");
        let accepted = scene.smtp().deliveries_to(&address).iter().filter(|delivery| delivery.accepted()).count();
        assert_eq!(accepted, 1, "{reply} at {phase:?}");
    }
    scene.judge().await;
}
