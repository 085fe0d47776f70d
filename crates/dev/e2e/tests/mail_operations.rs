//! What an operator does at night: mails put back or decided by hand, dead letters replayed, addresses that
//! may have mail again. Nothing of it sends a mail twice without saying so (I5), and all of it is in the history.

use std::process::Output;

use bson::{Document, doc};
use e2e::{
    event_publisher::EventPublisher,
    ledger::{Ledger, Mail},
    offsets,
};
use serde_json::Value;
use test_support::{Act, DEADLINE, Phase, Rule, ScriptedSmtp, Service, ServiceSpec, Stack, World};

/// A scripted server, and an email service that mails through it.
struct Scene {
    world: World,
    smtp: ScriptedSmtp,
    publisher: EventPublisher,
    ledger: Ledger,
    spec: ServiceSpec,
}

impl Scene {
    async fn new(name: &str) -> Self {
        let smtp = ScriptedSmtp::start().await;
        let world = World::new(&Stack::from_env(), name).await.on_smtp(smtp.url());
        let spec = world.email_service().set("SMTP__STEP_TIMEOUT", "1s").set("SMTP__DOT_TIMEOUT", "1s");
        Self { publisher: EventPublisher::new(&world), ledger: Ledger::of(&world).await, spec, world, smtp }
    }

    async fn notice(&self, name: &str) -> String {
        let address = self.world.address(name);
        self.publisher.publish(&self.publisher.notice(&address)).await;
        address
    }

    /// The one mail to `address`, once it is in this state.
    async fn mail(&self, address: &str, state: &str) -> Mail {
        self.ledger.wait_for_state(address, state, DEADLINE).await
    }

    /// Runs a command: its lines, its exit code, and what it said to people.
    async fn run(&self, arguments: &[&str]) -> Ran {
        Ran::new(&self.spec.command(&[arguments, &["--json"]].concat()).await)
    }
}

/// What a command did.
#[derive(Debug)]
struct Ran {
    lines: Vec<Value>,
    code: Option<i32>,
    said: String,
}

impl Ran {
    fn new(output: &Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines = text.lines().map(|line| serde_json::from_str(line).expect("each line is a JSON object")).collect();
        Self { lines, code: output.status.code(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// The outcomes by id, in the order of the lines.
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

/// The last step that an operator made, with its note.
fn order(mail: &Mail) -> (String, String, String) {
    let step = mail.history.iter().rfind(|step| step.by.starts_with("operator "));
    let step = step.unwrap_or_else(|| panic!("nobody has ordered anything: {mail:#?}"));
    assert!(step.by.contains('@') && step.by.len() < 150, "{step:?}");
    (step.from.clone().unwrap_or_default(), step.to.clone(), step.note.clone().unwrap_or_default())
}

fn step(from: &str, to: &str, note: &str) -> (String, String, String) {
    (from.to_owned(), to.to_owned(), note.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_mail_is_put_back_sent_once_and_its_history_says_by_whom_and_why() {
    let scene = Scene::new("requeue").await;
    scene.smtp.rule(Rule::times(2, Phase::Rcpt, Act::reply("554 5.7.1 not from you")));
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

    // Of several some cannot be: they are named, and the others done.
    let done = scene.run(&["mail", "requeue", "nothing", &failed.id, &fine.id, "--note", "relay mended"]).await;
    let expected = [("nothing", "left"), (fine.id.as_str(), "left"), (failed.id.as_str(), "done")];
    assert_eq!((done.outcomes().as_slice(), done.code), (expected.as_slice(), Some(1)), "{done:?}");
    assert!(done.detail("nothing").contains("no mail") && done.detail(&fine.id).contains("--again"));
    assert!(done.said.contains("2 of 3 were not changed"), "{}", done.said);

    let sent = scene.mail(&ada, "sent").await;
    assert_eq!(order(&sent), step("failed", "queued", "put back by hand: relay mended"));
    assert_eq!((sent.attempts, scene.smtp.deliveries_to(&ada).len()), (2, 1));
    assert_eq!(scene.mail(&grace, "failed").await.history.len(), other.history.len(), "it was not meant");
    let again = scene.run(&["mail", "requeue", &failed.id]).await;
    assert_eq!((again.outcomes()[0].1, again.code), ("left", Some(1)), "it is sent by now");
    assert_eq!(scene.smtp.deliveries_to(&fine.to).len(), 1);

    // Twice, because somebody insists; the Message-ID is the same.
    assert_eq!(scene.run(&["mail", "requeue", &fine.id, "--again"]).await.code, Some(0));
    scene.smtp.wait_for_deliveries_to(&fine.to, 2).await;
    let twice = scene.mail(&fine.to, "sent").await;
    assert_eq!(order(&twice), step("sent", "queued", "sent again by hand: the server has accepted it before"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_mail_is_decided_by_hand_or_sent_again_and_the_history_says_that_it_may_arrive_twice() {
    let scene = Scene::new("unknown").await;
    scene.smtp.rule(Rule::times(4, Phase::Dot, Act::Drop));
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
        assert_eq!(order(&mail), step("unknown", to, "decided by hand: the relay's log says so"));
        assert!(mail.is_over());
        let again = scene.run(&["mail", "resolve", &mail.id, "--as", "sent"]).await;
        assert_eq!((again.outcomes()[0].1, again.code), ("left", Some(1)), "what is decided stays so");
    }
    // What was discarded as unknown may have arrived: it takes more than a slip of the hand.
    let discarded = scene.run(&["mail", "requeue", &unknown[2].id]).await;
    assert!(discarded.code == Some(1) && discarded.detail(&unknown[2].id).contains("--again"), "{discarded:?}");

    let again = scene.run(&["mail", "requeue", &unknown[3].id]).await;
    assert_eq!((again.code, again.detail(&unknown[3].id)), (Some(0), "it may arrive twice"));
    let sent = scene.mail(&unknown[3].to, "sent").await;
    assert_eq!(order(&sent), step("unknown", "queued", "sent again by hand: it may arrive twice"));
    assert_eq!((sent.steps("unknown", "queued"), sent.handovers(&scene.smtp.deliveries())), (1, 2));
    for mail in &unknown[..3] {
        assert_eq!(mail.handovers(&scene.smtp.deliveries()), 1, "{mail:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_find_what_is_meant_and_several_mails_need_a_yes() {
    let scene = Scene::new("filters").await;
    let names = ["ada", "grace", "edith"];
    scene.smtp.rule(Rule::times(4, Phase::Rcpt, Act::reply("554 5.7.1 no")));
    let mut service = scene.spec.clone().start().await;
    for name in names {
        let address = scene.notice(name).await;
        scene.mail(&address, "failed").await;
    }
    let welcome = scene.publisher.welcome(&scene.world.address("welcome"));
    scene.publisher.publish(&welcome).await;
    scene.mail(&scene.world.address("welcome"), "failed").await;
    // From here on nothing is sent, so that every mail stands where it is put.
    service.terminate().await;

    let found = async |filters: &[&str]| {
        let ran = scene.run(&[&["mail", "list"], filters].concat()).await;
        assert_eq!(ran.code, Some(0), "{filters:?}: {}", ran.said);
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

    // One row is no bulk, and a limit leaves the rest alone and says so.
    assert_eq!(scene.run(&["mail", "requeue", "--state", "failed", "--to", &ada]).await.code, Some(0));
    let two = scene.run(&["mail", "requeue", "--state", "failed", "--limit", "2", "--yes"]).await;
    assert_eq!((two.code, two.lines.len()), (Some(0), 2));
    assert!(two.said.contains("1 more match"), "{}", two.said);
    assert_eq!((found(&["--state", "failed"]).await, found(&["--state", "queued"]).await), (1, 3));
    let out = scene.run(&["mail", "resolve", "--state", "queued", "--as", "discarded", "--yes"]).await;
    assert_eq!((out.code, out.lines.len(), found(&["--state", "discarded"]).await), (Some(0), 3, 3));
    assert_eq!(scene.run(&["mail", "requeue", "--state", "sent", "--yes"]).await.code, Some(0), "nothing to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suppressed_address_has_mail_again_once_an_operator_says_so() {
    let scene = Scene::new("suppressed").await;
    scene.smtp.rule(Rule::once(Phase::Rcpt, Act::reply("550 5.1.1 nobody here")));
    let _service = scene.spec.clone().start().await;
    let ada = scene.notice("ada").await;
    let refused = scene.mail(&ada, "failed").await;
    scene.publisher.publish(&scene.publisher.welcome(&ada)).await;
    offsets::wait_until_consumed(&scene.world, DEADLINE).await;
    let [suppressed] = &scene.run(&["mail", "list", "--state", "suppressed"]).await.lines[..] else {
        panic!("one mail is suppressed")
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

    let nobody = scene.world.address("nobody");
    let dry = scene.run(&["suppressions", "remove", &ada, "--dry-run"]).await;
    assert_eq!((dry.outcomes()[0].1, scene.run(&["suppressions", "list"]).await.lines.len()), ("would-be-done", 1));
    let removed = scene.run(&["suppressions", "remove", &nobody, &ada.to_uppercase()]).await;
    assert_eq!((removed.outcomes()[0].1, removed.outcomes()[1].1, removed.code), ("left", "done", Some(1)));
    assert!(!scene.ledger.is_suppressed(&ada).await);
    assert_eq!(scene.run(&["mail", "requeue", id, &refused.id]).await.code, Some(0));
    scene.ledger.wait_until_quiet(DEADLINE).await;
    assert_eq!(scene.smtp.deliveries_to(&ada).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_link_is_dead_is_never_put_back() {
    let scene = Scene::new("dead-link").await;
    scene.smtp.rule(Rule::once(Phase::Rcpt, Act::reply("554 5.7.1 no")));
    let _service = scene.spec.clone().start().await;
    let ada = scene.world.address("ada");
    scene.publisher.publish(&scene.publisher.welcome(&ada)).await;
    let failed = scene.mail(&ada, "failed").await;
    let jobs = scene.world.email_database().await.collection::<Document>("mailJobs");
    let over = vec![doc! { "$set": { "expiresAt": "$$NOW" } }];
    jobs.update_one(doc! { "_id": &failed.id }, over).await.expect("MongoDB answers");
    for arguments in [["mail", "requeue", &failed.id].as_slice(), &["mail", "requeue", &failed.id, "--again"]] {
        let ran = scene.run(arguments).await;
        assert!(ran.code == Some(1) && ran.detail(&failed.id).contains("link has expired"), "{ran:?}");
    }
    assert!(scene.smtp.deliveries_to(&ada).is_empty());
}

/// A service that opens only what is sealed to somebody else's key.
async fn with_a_wrong_key(scene: &Scene) -> ServiceSpec {
    let directory = scene.world.keys().join("stranger");
    let directory = directory.to_str().expect("the path is text");
    assert!(scene.spec.command(&["keygen", "--out", directory]).await.status.success());
    scene.spec.clone().set("SEALING__PRIVATE_KEY_FILE", format!("{directory}/sealing.private"))
}

async fn in_another_group(scene: &Scene, group: &str) -> Service {
    let group = format!("{}-{group}", scene.world.group());
    scene.spec.clone().set("KAFKA__GROUP", group).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_letter_goes_through_the_door_of_new_records_and_mails_nobody_twice() {
    let scene = Scene::new("replay").await;
    let wrong = with_a_wrong_key(&scene).await;
    let (ada, grace) = (scene.world.address("ada"), scene.world.address("grace"));
    for address in [&ada, &grace] {
        scene.publisher.publish_to(0, &scene.publisher.welcome(address)).await;
    }
    let poison = scene.publisher.notice(&ada);
    let headers = poison.envelope.headers();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    scene.publisher.publish_raw(0, &poison.envelope.key(), Some(b"{"), &headers).await;
    let mut service = wrong.clone().start().await;
    offsets::wait_until_consumed(&scene.world, DEADLINE).await;
    service.terminate().await;

    // Nothing was mended: they stay open, with the newest reason and a step of history.
    let found = scene.run(&["dead-letters", "list", "--reason", "sealed-unknown-key", "--state", "open"]).await;
    let ids: Vec<String> = found.lines.iter().rev().map(|letter| text(letter, "id").to_owned()).collect();
    let [first, second] = ids.as_slice() else { panic!("{found:#?}") };
    let early = Ran::new(
        &wrong.command(&["dead-letters", "replay", "--reason", "sealed-unknown-key", "--yes", "--json"]).await,
    );
    assert_eq!((early.code, early.outcomes()[0].1), (Some(1), "left"), "{early:?}");
    assert!(early.detail(first).starts_with("sealed-unknown-key"), "{early:?}");
    let shown = scene.run(&["dead-letters", "show", first]).await;
    let [letter] = shown.lines.as_slice() else { panic!("{shown:#?}") };
    let steps = letter["history"].as_array().expect("a list");
    assert_eq!((text(letter, "state"), steps.len()), ("open", 2), "{letter:#}");
    assert!(text(&steps[1], "by").starts_with("operator ") && text(&steps[1], "reason") == "sealed-unknown-key");

    // With the key: the first by command, the second by reading the topic again.
    let bulk = scene.run(&["dead-letters", "replay", "--reason", "sealed-unknown-key"]).await;
    assert_eq!(bulk.code, Some(2), "two letters, and nobody to ask: {bulk:?}");
    let dry = scene.run(&["dead-letters", "replay", first, "--dry-run"]).await;
    assert!(dry.detail(first).ends_with("is queued") && scene.ledger.mails().await.is_empty(), "{dry:?}");
    let replayed = scene.run(&["dead-letters", "replay", first, "--note", "the key is back"]).await;
    assert_eq!((replayed.code, replayed.outcomes()[0].1), (Some(0), "done"), "{replayed:?}");
    let once_more = scene.run(&["dead-letters", "replay", first]).await;
    assert!(once_more.code == Some(1) && once_more.detail(first).contains("already"), "{once_more:?}");
    let mut service = in_another_group(&scene, "again").await;
    for address in [&ada, &grace] {
        scene.mail(address, "sent").await;
    }
    service.terminate().await;

    // Mailed meanwhile: the letter is settled, and nobody is mailed again.
    let known = scene.run(&["dead-letters", "replay", second]).await;
    assert!(known.code == Some(0) && known.detail(second).contains("already"), "{known:?}");
    let poison = text(&scene.run(&["dead-letters", "list", "--reason", "not-json"]).await.lines[0], "id").to_owned();
    let hopeless = scene.run(&["dead-letters", "replay", &poison]).await;
    assert!(hopeless.code == Some(1) && hopeless.detail(&poison).starts_with("not-json"), "{hopeless:?}");
    let gone = scene.run(&["dead-letters", "discard", &poison, "nothing", "--note", "a test"]).await;
    assert_eq!((gone.outcomes()[0].1, gone.outcomes()[1].1, gone.code), ("left", "done", Some(1)));
    assert_eq!(scene.run(&["dead-letters", "discard", &poison]).await.code, Some(1), "it has been decided");

    // The whole topic once more: what is decided stays so, and nothing is sent.
    let service = in_another_group(&scene, "third").await;
    test_support::wait_for(DEADLINE, "every record read", async || {
        (service.metric("email_records_total", "").await >= 3.0).then_some(())
    })
    .await;
    for (state, count) in [("open", 0), ("replayed", 2), ("discarded", 1)] {
        assert_eq!(scene.run(&["dead-letters", "list", "--state", state]).await.lines.len(), count, "{state}");
    }
    assert_eq!((scene.smtp.deliveries_to(&ada).len(), scene.smtp.deliveries_to(&grace).len()), (1, 1));
    assert_eq!(scene.ledger.mails().await.len(), 2);
}
