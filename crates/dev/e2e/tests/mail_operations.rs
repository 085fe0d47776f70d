//! The operator's commands: mails requeued or resolved, dead letters replayed, suppressions removed. No mail is sent
//! twice without a warning (I5), and the history records every command.

use std::process::Output;

use bson::doc;
use e2e::{
    commands::json_lines,
    event_publisher::EventPublisher,
    ledger::{Ledger, MailJob},
    mail_scene::MailScene,
    offsets,
};
use events::Event;
use serde_json::Value;
use test_support::{Behavior, DEADLINE, Phase, ScriptedSmtp, Service, ServiceSpec, SmtpRule, World, wait_for};

/// A scripted mail server, and an email service that sends through it.
struct Scene {
    world: World,
    smtp: ScriptedSmtp,
    publisher: EventPublisher,
    ledger: Ledger,
    spec: ServiceSpec,
}

impl Scene {
    async fn new(name: &str) -> Self {
        let MailScene { world, smtp, publisher, ledger } = MailScene::new(name).await;
        let spec = world.email_service().set("SMTP__STEP_TIMEOUT", "1s").set("SMTP__DOT_TIMEOUT", "1s");
        Self { world, smtp, publisher, ledger, spec }
    }

    async fn notice(&self, name: &str) -> String {
        let address = self.world.address(name);
        self.publisher.publish(&self.publisher.notice(&address)).await;
        address
    }

    /// Returns the only mail to `address` once it is in `state`.
    async fn mail(&self, address: &str, state: &str) -> MailJob {
        self.ledger.wait_for_state(address, state, DEADLINE).await
    }

    /// Runs a command and returns its lines, its exit code and its standard error.
    async fn run(&self, arguments: &[&str]) -> CommandResult {
        CommandResult::new(&self.spec.command(&[arguments, &["--json"]].concat()).await)
    }
}

/// The result of a command.
#[derive(Debug)]
struct CommandResult {
    lines: Vec<Value>,
    code: Option<i32>,
    stderr: String,
}

impl CommandResult {
    fn new(output: &Output) -> Self {
        let lines = json_lines(&String::from_utf8_lossy(&output.stdout));
        Self { lines, code: output.status.code(), stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// Returns the outcomes with their ids, in the order of the lines.
    fn outcomes(&self) -> Vec<(&str, &str)> {
        self.lines.iter().map(|line| (text(line, "id"), text(line, "outcome"))).collect()
    }

    fn detail(&self, id: &str) -> &str {
        let line = self.lines.iter().find(|line| line["id"] == id);
        text(line.unwrap_or_else(|| panic!("{id} is not in {self:#?}")), "detail")
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// Returns the last transition that an operator made, with its note.
fn operator_step(mail: &MailJob) -> (String, String, String) {
    let step = mail.history.iter().rfind(|step| step.by.starts_with("operator "));
    let step = step.unwrap_or_else(|| panic!("no operator has changed it: {mail:#?}"));
    assert!(step.by.contains('@') && step.by.len() < 150, "{step:?}");
    (step.from.clone().unwrap_or_default(), step.to.clone(), step.note.clone().unwrap_or_default())
}

fn step(from: &str, to: &str, note: &str) -> (String, String, String) {
    (from.to_owned(), to.to_owned(), note.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_mail_is_requeued_and_sent_once_and_its_history_names_operator_and_reason() {
    let scene = Scene::new("requeue").await;
    scene.smtp.add_rule(SmtpRule::times(2, Phase::Rcpt, Behavior::reply("554 5.7.1 not from you")));
    let _service = scene.spec.clone().start().await;
    let (ada, grace) = (scene.notice("ada").await, scene.notice("grace").await);
    let (failed, other) = (scene.mail(&ada, "failed").await, scene.mail(&grace, "failed").await);
    let fine = scene.mail(&scene.notice("fine").await, "sent").await;

    let tried = scene.run(&["mail", "requeue", &failed.id, "--dry-run"]).await;
    assert_eq!(
        (tried.outcomes().as_slice(), tried.code),
        ([(failed.id.as_str(), "would-be-done")].as_slice(), Some(0))
    );
    assert_eq!(scene.ledger.mails_to(&ada).await[0].history.len(), failed.history.len(), "a dry run changes nothing");

    // Some of several mails cannot be requeued: they are reported, and the others are requeued.
    let done = scene.run(&["mail", "requeue", "nothing", &failed.id, &fine.id, "--note", "relay mended"]).await;
    let expected = [("nothing", "left"), (fine.id.as_str(), "left"), (failed.id.as_str(), "done")];
    assert_eq!((done.outcomes().as_slice(), done.code), (expected.as_slice(), Some(1)), "{done:?}");
    assert!(done.detail("nothing").contains("no mail") && done.detail(&fine.id).contains("--again"));
    assert!(done.stderr.contains("2 of 3 were not changed"), "{}", done.stderr);

    let sent = scene.mail(&ada, "sent").await;
    assert_eq!(operator_step(&sent), step("failed", "queued", "put back by hand: relay mended"));
    assert_eq!((sent.attempts, scene.smtp.deliveries_to(&ada).len()), (2, 1));
    assert_eq!(scene.mail(&grace, "failed").await.history.len(), other.history.len(), "another mail was changed");
    let again = scene.run(&["mail", "requeue", &failed.id]).await;
    assert_eq!((again.outcomes()[0].1, again.code), ("left", Some(1)), "a sent mail was requeued");
    assert_eq!(scene.smtp.deliveries_to(&fine.to).len(), 1);

    // The operator insists on a second delivery; the Message-ID stays the same.
    assert_eq!(scene.run(&["mail", "requeue", &fine.id, "--again"]).await.code, Some(0));
    scene.smtp.wait_for_deliveries_to(&fine.to, 2).await;
    let twice = scene.mail(&fine.to, "sent").await;
    assert_eq!(operator_step(&twice), step("sent", "queued", "sent again by hand: the server has accepted it before"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_mail_is_resolved_or_sent_again_and_the_history_says_that_it_may_arrive_twice() {
    let scene = Scene::new("unknown").await;
    scene.smtp.add_rule(SmtpRule::times(4, Phase::Dot, Behavior::Drop));
    let _service = scene.spec.clone().start().await;
    let mut unknown = Vec::new();
    for name in ["one", "two", "three", "four"] {
        let address = scene.notice(name).await;
        unknown.push(scene.mail(&address, "unknown").await);
    }
    for (mail, to) in unknown.iter().zip(["sent", "failed", "discarded"]) {
        let resolved = scene.run(&["mail", "resolve", &mail.id, "--as", to, "--note", "the relay's log says so"]).await;
        assert_eq!(resolved.code, Some(0), "{resolved:?}");
        let mail = scene.mail(&mail.to, to).await;
        assert_eq!(operator_step(&mail), step("unknown", to, "decided by hand: the relay's log says so"));
        assert!(mail.is_terminal());
        let again = scene.run(&["mail", "resolve", &mail.id, "--as", "sent"]).await;
        assert_eq!((again.outcomes()[0].1, again.code), ("left", Some(1)), "a resolved mail was resolved again");
    }
    // A mail that was discarded as unknown may have arrived, so requeueing it needs `--again`.
    let discarded = scene.run(&["mail", "requeue", &unknown[2].id]).await;
    assert!(discarded.code == Some(1) && discarded.detail(&unknown[2].id).contains("--again"), "{discarded:?}");

    let again = scene.run(&["mail", "requeue", &unknown[3].id]).await;
    assert_eq!((again.code, again.detail(&unknown[3].id)), (Some(0), "it may arrive twice"));
    let sent = scene.mail(&unknown[3].to, "sent").await;
    assert_eq!(operator_step(&sent), step("unknown", "queued", "sent again by hand: it may arrive twice"));
    assert_eq!((sent.count_transitions("unknown", "queued"), sent.count_handovers(&scene.smtp.deliveries())), (1, 2));
    for mail in &unknown[..3] {
        assert_eq!(mail.count_handovers(&scene.smtp.deliveries()), 1, "{mail:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_select_the_expected_mails_and_several_mails_need_confirmation() {
    let scene = Scene::new("filters").await;
    let names = ["ada", "grace", "edith"];
    scene.smtp.add_rule(SmtpRule::times(4, Phase::Rcpt, Behavior::reply("554 5.7.1 no")));
    let mut service = scene.spec.clone().start().await;
    for name in names {
        let address = scene.notice(name).await;
        scene.mail(&address, "failed").await;
    }
    let welcome = scene.publisher.welcome(&scene.world.address("welcome"));
    scene.publisher.publish(&welcome).await;
    scene.mail(&scene.world.address("welcome"), "failed").await;
    // From here on no mail is sent, so that every mail keeps its state.
    service.terminate().await;

    let found = async |filters: &[&str]| {
        let ran = scene.run(&[&["mail", "list"], filters].concat()).await;
        assert_eq!(ran.code, Some(0), "{filters:?}: {}", ran.stderr);
        ran.lines.len()
    };
    let (ada, event) = (scene.world.address("ADA"), welcome.envelope.id.to_string());
    let user = welcome.envelope.subject.to_string();
    for (filters, count) in [
        (["--state", "failed,sent"].as_slice(), 4),
        (&["--state", "sent"], 0),
        (&["--template", "welcome,goodbye"], 1),
        (&["--template", "password-changed", "--state", "failed"], 3),
        (&["--user", &user], 1),
        (&["--event", &event], 1),
        (&["--to", &ada], 1),
        (&["--since", "1h"], 4),
        (&["--until", "1h"], 0),
        (&["--since", "2000-01-01T00:00:00Z", "--until", "2001-01-01T00:00:00Z"], 0),
        (&["--limit", "2"], 2),
    ] {
        assert_eq!(found(filters).await, count, "{filters:?}");
    }
    for wrong in [
        ["mail", "list", "--since", "yesterday"].as_slice(),
        &["mail", "list", "--template", "letter"],
        &["mail", "requeue"],
        &["mail", "requeue", "--since", "1h"],
        &["mail", "requeue", "some-id", "--state", "failed"],
        &["mail", "requeue", "--state", "failed"],
        &["mail", "resolve", "some-id"],
        &["mail", "resolve", "some-id", "--as", "queued"],
        &["mail", "requeue", "some-id", "--note", "two\nlines"],
        &["dead-letters", "replay"],
        &["dead-letters", "discard"],
        &["suppressions", "remove"],
    ] {
        assert_eq!(scene.run(wrong).await.code, Some(2), "{wrong:?}");
    }
    assert_eq!(found(&["--state", "failed"]).await, 4, "a refused command changes nothing");

    // A single mail needs no confirmation; a limit leaves other mails alone and reports how many.
    assert_eq!(scene.run(&["mail", "requeue", "--state", "failed", "--to", &ada]).await.code, Some(0));
    let two = scene.run(&["mail", "requeue", "--state", "failed", "--limit", "2", "--yes"]).await;
    assert_eq!((two.code, two.lines.len()), (Some(0), 2));
    assert!(two.stderr.contains("1 more match"), "{}", two.stderr);
    assert_eq!((found(&["--state", "failed"]).await, found(&["--state", "queued"]).await), (1, 3));
    let out = scene.run(&["mail", "resolve", "--state", "queued", "--as", "discarded", "--yes"]).await;
    assert_eq!((out.code, out.lines.len(), found(&["--state", "discarded"]).await), (Some(0), 3, 3));
    assert_eq!(scene.run(&["mail", "requeue", "--state", "sent", "--yes"]).await.code, Some(0), "no mail matches");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suppressed_address_gets_mail_again_once_an_operator_removes_the_suppression() {
    let scene = Scene::new("suppressed").await;
    scene.smtp.add_rule(SmtpRule::once(Phase::Rcpt, Behavior::reply("550 5.1.1 no such user")));
    let _service = scene.spec.clone().start().await;
    let ada = scene.notice("ada").await;
    let refused = scene.mail(&ada, "failed").await;
    scene.publisher.publish(&scene.publisher.welcome(&ada)).await;
    offsets::wait_until_consumed(&scene.world, DEADLINE).await;
    let [suppressed] = &scene.run(&["mail", "list", "--state", "suppressed"]).await.lines[..] else {
        panic!("there is not exactly one suppressed mail")
    };
    let id = text(suppressed, "id");

    let listed = scene.run(&["suppressions", "list"]).await;
    let [row] = listed.lines.as_slice() else { panic!("{listed:#?}") };
    assert_eq!((text(row, "address"), text(row, "mail")), (ada.as_str(), refused.id.as_str()));
    assert!(text(row, "reply").starts_with("550 5.1.1"), "{row}");
    for mail in [id, &refused.id] {
        let early = scene.run(&["mail", "requeue", mail]).await;
        assert!(early.code == Some(1) && early.detail(mail).contains("suppressions remove"), "{early:?}");
    }

    let unknown = scene.world.address("unknown");
    let dry = scene.run(&["suppressions", "remove", &ada, "--dry-run"]).await;
    assert_eq!((dry.outcomes()[0].1, scene.run(&["suppressions", "list"]).await.lines.len()), ("would-be-done", 1));
    let removed = scene.run(&["suppressions", "remove", &unknown, &ada.to_uppercase()]).await;
    assert_eq!((removed.outcomes()[0].1, removed.outcomes()[1].1, removed.code), ("left", "done", Some(1)));
    assert!(!scene.ledger.is_suppressed(&ada).await);
    assert_eq!(scene.run(&["mail", "requeue", id, &refused.id]).await.code, Some(0));
    scene.ledger.wait_until_all_terminal(DEADLINE).await;
    assert_eq!(scene.smtp.deliveries_to(&ada).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_link_has_expired_is_never_requeued() {
    let scene = Scene::new("dead-link").await;
    scene.smtp.add_rule(SmtpRule::once(Phase::Rcpt, Behavior::reply("554 5.7.1 no")));
    let _service = scene.spec.clone().start().await;
    let ada = scene.world.address("ada");
    scene.publisher.publish(&scene.publisher.welcome(&ada)).await;
    let failed = scene.mail(&ada, "failed").await;
    let jobs = scene.world.email_collection("mailJobs").await;
    let over = vec![doc! { "$set": { "expiresAt": "$$NOW" } }];
    jobs.update_one(doc! { "_id": &failed.id }, over).await.expect("MongoDB responds");
    for arguments in [["mail", "requeue", &failed.id].as_slice(), &["mail", "requeue", &failed.id, "--again"]] {
        let ran = scene.run(arguments).await;
        assert!(ran.code == Some(1) && ran.detail(&failed.id).contains("link has expired"), "{ran:?}");
    }
    assert!(scene.smtp.deliveries_to(&ada).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_find_every_mail_and_every_dead_letter_of_one_user() {
    let scene = Scene::new("one-user").await;
    let _service = scene.spec.clone().start().await;
    let (mailed, unreadable) =
        (scene.publisher.notice(&scene.world.address("ada")), scene.publisher.notice(&scene.world.address("grace")));
    scene.publisher.publish(&mailed).await;
    scene.publisher.publish_truncated(&unreadable).await;
    offsets::wait_until_consumed(&scene.world, DEADLINE).await;

    let found = async |what: &str, event: &Event| {
        let listed = scene.run(&[what, "list", "--user", &event.envelope.key()]).await;
        assert_eq!(listed.code, Some(0), "{listed:?}");
        listed.lines.iter().map(|line| text(line, "eventId").to_owned()).collect::<Vec<String>>()
    };
    assert_eq!(found("mail", &mailed).await, [mailed.envelope.id.to_string()]);
    assert_eq!(found("dead-letters", &unreadable).await, [unreadable.envelope.id.to_string()]);
    assert!(found("dead-letters", &mailed).await.is_empty() && found("mail", &unreadable).await.is_empty());
}

/// Returns a service that can only open tokens that are sealed for another key.
async fn spec_with_wrong_key(scene: &Scene) -> ServiceSpec {
    let directory = scene.world.keys().join("stranger");
    let directory = directory.to_str().expect("the path is UTF-8");
    assert!(scene.spec.command(&["keygen", "--out", directory]).await.status.success());
    scene.spec.clone().set("SEALING__PRIVATE_KEY_FILE", format!("{directory}/sealing.private"))
}

async fn start_in_group(scene: &Scene, group: &str) -> Service {
    let group = format!("{}-{group}", scene.world.group());
    scene.spec.clone().set("KAFKA__GROUP", group).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_dead_letter_is_handled_like_a_new_record_and_sends_no_mail_twice() {
    let scene = Scene::new("replay").await;
    let wrong = spec_with_wrong_key(&scene).await;
    let (ada, grace) = (scene.world.address("ada"), scene.world.address("grace"));
    for address in [&ada, &grace] {
        scene.publisher.publish_to(0, &scene.publisher.welcome(address)).await;
    }
    let poison = scene.publisher.notice(&ada);
    scene.publisher.publish_truncated(&poison).await;
    let mut service = wrong.clone().start().await;
    offsets::wait_until_consumed(&scene.world, DEADLINE).await;
    service.terminate().await;

    // The cause was not repaired: the dead letters stay open, with the newest reason and a history entry.
    let found = scene.run(&["dead-letters", "list", "--reason", "sealed-unknown-key", "--state", "open"]).await;
    let ids: Vec<String> = found.lines.iter().rev().map(|letter| text(letter, "id").to_owned()).collect();
    let [first, second] = ids.as_slice() else { panic!("{found:#?}") };
    let early = CommandResult::new(
        &wrong.command(&["dead-letters", "replay", "--reason", "sealed-unknown-key", "--yes", "--json"]).await,
    );
    assert_eq!((early.code, early.outcomes()[0].1), (Some(1), "left"), "{early:?}");
    assert!(early.detail(first).starts_with("sealed-unknown-key"), "{early:?}");
    let shown = scene.run(&["dead-letters", "show", first]).await;
    let [letter] = shown.lines.as_slice() else { panic!("{shown:#?}") };
    let steps = letter["history"].as_array().expect("the value is a list");
    assert_eq!((text(letter, "state"), steps.len()), ("open", 2), "{letter:#}");
    assert!(text(&steps[1], "by").starts_with("operator ") && text(&steps[1], "reason") == "sealed-unknown-key");

    // With the right key, the first is replayed by the command and the second by reading the topic again.
    let bulk = scene.run(&["dead-letters", "replay", "--reason", "sealed-unknown-key"]).await;
    assert_eq!(bulk.code, Some(2), "two dead letters need a confirmation: {bulk:?}");
    let dry = scene.run(&["dead-letters", "replay", first, "--dry-run"]).await;
    assert!(dry.detail(first).ends_with("is queued") && scene.ledger.mails().await.is_empty(), "{dry:?}");
    let replayed = scene.run(&["dead-letters", "replay", first, "--note", "the key is back"]).await;
    assert_eq!((replayed.code, replayed.outcomes()[0].1), (Some(0), "done"), "{replayed:?}");
    let once_more = scene.run(&["dead-letters", "replay", first]).await;
    assert!(once_more.code == Some(1) && once_more.detail(first).contains("already"), "{once_more:?}");
    let mut service = start_in_group(&scene, "again").await;
    for address in [&ada, &grace] {
        scene.mail(address, "sent").await;
    }
    service.terminate().await;

    // The mail was sent in the meantime: the dead letter is resolved, and no mail is sent again.
    let known = scene.run(&["dead-letters", "replay", second]).await;
    assert!(known.code == Some(0) && known.detail(second).contains("already"), "{known:?}");
    let poison = text(&scene.run(&["dead-letters", "list", "--reason", "not-json"]).await.lines[0], "id").to_owned();
    let hopeless = scene.run(&["dead-letters", "replay", &poison]).await;
    assert!(hopeless.code == Some(1) && hopeless.detail(&poison).starts_with("not-json"), "{hopeless:?}");
    let discarded_letter = scene.run(&["dead-letters", "discard", &poison, "nothing", "--note", "a test"]).await;
    assert_eq!(
        (discarded_letter.outcomes()[0].1, discarded_letter.outcomes()[1].1, discarded_letter.code),
        ("left", "done", Some(1))
    );
    assert_eq!(
        scene.run(&["dead-letters", "discard", &poison]).await.code,
        Some(1),
        "the dead letter was discarded before"
    );

    // When the whole topic is read again, all decisions stay and no mail is sent.
    let service = start_in_group(&scene, "third").await;
    wait_for(DEADLINE, "every record to be read", async || {
        (service.metric("email_records_total", "").await >= 3.0).then_some(())
    })
    .await;
    for (state, count) in [("open", 0), ("replayed", 2), ("discarded", 1)] {
        assert_eq!(scene.run(&["dead-letters", "list", "--state", state]).await.lines.len(), count, "{state}");
    }
    assert_eq!((scene.smtp.deliveries_to(&ada).len(), scene.smtp.deliveries_to(&grace).len()), (1, 1));
    assert_eq!(scene.ledger.mails().await.len(), 2);
}
