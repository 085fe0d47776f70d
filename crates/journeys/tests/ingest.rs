//! Reading the topic: poison harms nobody else and is kept once, and reading again mails nobody again
//! (I6, I8, I9). What operators see of it with the commands.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    process::Output,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use events::Event;
use journeys::{
    author::Author,
    ledger::{Ledger, Letter},
    offsets,
};
use serde_json::Value;
use test_support::{Act, DEADLINE, Phase, Rule, ScriptedSmtp, ServiceSpec, Stack, World, eventually};

const A_WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

type Headers = Vec<(&'static str, String)>;

/// A record that cannot be processed: its reason as a dead letter, headers, key and value.
struct Poison {
    reason: &'static str,
    headers: Headers,
    key: String,
    value: Option<Vec<u8>>,
}

impl Poison {
    /// A good event's record, spoilt.
    fn new(reason: &'static str, good: &Event, spoil: impl FnOnce(&mut Self)) -> Self {
        let (headers, key) = (good.envelope.headers(), good.envelope.key());
        let mut poison = Self { reason, headers, key, value: Some(good.payload.to_json().into_bytes()) };
        spoil(&mut poison);
        poison
    }

    fn set(&mut self, name: &str, value: &str) {
        let header = self.headers.iter_mut().find(|(header, _)| *header == name).expect("every event has it");
        header.1 = value.to_owned();
    }
}

fn poisons(author: &Author, world: &World, victims: &Event) -> Vec<Poison> {
    let good = || author.notice(&world.address("poisoned"));
    vec![
        Poison::new("not-json", &good(), |poison| poison.value = Some(b"{\"userId\": ".to_vec())),
        Poison::new("not-json", &good(), |poison| poison.value = Some(vec![0xff, 0xfe])),
        Poison::new("invalid-data", &good(), |poison| poison.value = Some(b"{}".to_vec())),
        Poison::new("null-value", &good(), |poison| poison.value = None),
        Poison::new("missing-header", &good(), |poison| poison.headers.clear()),
        Poison::new("missing-header", &good(), |poison| poison.headers.retain(|(name, _)| *name != "ce_id")),
        Poison::new("unsupported-version", &good(), |poison| poison.set("ce_type", "user.password_changed.v9")),
        Poison::new("invalid-header", &good(), |poison| poison.set("ce_subject", &"x".repeat(900_000))),
        Poison::new("key-mismatch", &good(), |poison| poison.key = "somebody else".to_owned()),
        // The attacker's own address, with the link that was meant for the victim.
        Poison::new("sealed-mismatch", &author.welcome_with_the_box_of(&world.address("thief"), victims), |_| {}),
        // The victim's address, in an event that was never made.
        Poison::new("sealed-mismatch", &author.welcome_with_the_box_of(&world.address("victim"), victims), |_| {}),
    ]
}

async fn publish_raw(author: &Author, poison: &Poison) {
    let headers: Vec<(&str, &str)> = poison.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    // All in one partition: each one is everybody's neighbour.
    author.publish_raw(0, &poison.key, poison.value.as_deref(), &headers).await;
}

fn reasons(letters: &[Letter]) -> BTreeMap<String, usize> {
    let mut reasons = BTreeMap::new();
    for letter in letters {
        *reasons.entry(letter.reason.clone()).or_default() += 1;
    }
    reasons
}

fn json_lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("each line is a JSON object")).collect()
}

fn members(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn assert_has(value: &Value, names: &[&str]) {
    let missing: Vec<&&str> = names.iter().filter(|name| !members(value).contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?} missing in {value:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_kept_once_with_its_reason_and_harms_no_neighbour_even_when_all_is_read_again() {
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(&Stack::from_env(), "poison").await.on_smtp(smtp.url());
    let (author, ledger) = (Author::new(&world), Ledger::of(&world).await);
    let victims = author.welcome(&world.address("victim"));
    author.publish_to(0, &victims).await;
    let mut good = 1;
    let poisons = poisons(&author, &world, &victims);
    for poison in &poisons {
        publish_raw(&author, poison).await;
        author.publish_to(0, &author.notice(&world.address(&format!("neighbour{good}")))).await;
        good += 1;
    }
    // Neither harms: a type of the future, and a header that nobody reads, however large.
    let unknown = Poison::new("", &author.notice(&world.address("nobody")), |p| p.set("ce_type", "order.placed.v1"));
    publish_raw(&author, &unknown).await;
    let large = Poison::new("", &author.notice(&world.address("large")), |poison| {
        poison.headers.push(("x-large", "y".repeat(500_000)));
    });
    publish_raw(&author, &large).await;
    good += 1;
    let records = good + poisons.len() + 1;

    let mut service = world.email_service().start().await;
    let read = async |service: &test_support::Service| {
        eventually(DEADLINE, "every record read", async || {
            (service.metric("email_records_total", "").await >= records as f64).then_some(())
        })
        .await;
        ledger.until_quiet(DEADLINE).await
    };
    let mails = read(&service).await;
    assert_eq!(service.metric("email_records_total", "outcome=\"unknown_type\"").await, 1.0);
    assert_eq!(mails.len(), good);
    assert!(mails.iter().all(|mail| mail.state == "sent"), "{mails:#?}");
    assert_eq!(smtp.deliveries().len(), good);
    assert!(smtp.deliveries_to(&world.address("thief")).is_empty());
    assert_eq!(smtp.deliveries_to(&world.address("victim")).len(), 1);
    let letters = ledger.letters().await;
    let mut expected = BTreeMap::new();
    for poison in &poisons {
        *expected.entry(poison.reason.to_owned()).or_default() += 1;
    }
    assert_eq!(reasons(&letters), expected);
    let places: BTreeSet<(i32, i64)> = letters.iter().map(|letter| (letter.partition, letter.offset)).collect();
    assert_eq!(places.len(), letters.len(), "a record is kept twice");
    ledger.assert_has_all_that_is_committed().await;

    // The whole topic once more, from its beginning.
    service.terminate().await;
    if world.stack().is_embedded() {
        // It lets nobody but members commit; a group without offsets begins there too.
        service.restart_with(|spec| spec.set("KAFKA__GROUP", format!("{}-again", world.group()))).await;
    } else {
        offsets::rewind(&world).await;
        service.restart().await;
    }
    let again = read(&service).await;
    assert_eq!(again.len(), good);
    assert_eq!(smtp.deliveries().len(), good, "somebody was mailed again");
    let ids = |letters: &[Letter]| letters.iter().map(|letter| letter.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&ledger.letters().await), ids(&letters));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_old_is_written_down_as_expired_and_mails_nobody() {
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(&Stack::from_env(), "old").await.on_smtp(smtp.url());
    let (author, ledger) = (Author::new(&world), Ledger::of(&world).await);
    let (old, young) = (world.address("old"), world.address("young"));
    author.publish_to(0, &author.welcome_from(&old, A_WEEK + Duration::from_secs(60))).await;
    author.publish_to(0, &author.welcome_from(&young, A_WEEK - Duration::from_secs(3600))).await;
    let _service = world.email_service().start().await;
    let mail = ledger.until_state(&old, "expired", DEADLINE).await;
    assert!(mail.is_over(), "{mail:#?}");
    ledger.until_state(&young, "sent", DEADLINE).await;
    assert!(smtp.deliveries_to(&old).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_show_mails_and_dead_letters_as_the_contract_says() {
    let smtp = ScriptedSmtp::start().await;
    let world = World::new(&Stack::from_env(), "commands").await.on_smtp(smtp.url());
    let (author, ledger) = (Author::new(&world), Ledger::of(&world).await);
    let (ada, grace) = (world.address("ada"), world.address("grace"));
    smtp.rule(Rule::always(Phase::Rcpt, Act::reply("452 4.2.2 full")).to(&grace));
    let event = author.welcome(&ada);
    author.publish_to(0, &event).await;
    author.publish_to(0, &author.notice(&grace)).await;
    let poison = Poison::new("not-json", &author.notice(&ada), |poison| poison.value = Some(b"{".to_vec()));
    publish_raw(&author, &poison).await;
    let service = world.email_service().start().await;
    ledger.until_state(&ada, "sent", DEADLINE).await;
    ledger.until(&grace, "tried", DEADLINE, |mail| mail.attempts == 1).await;
    offsets::until_read_to_the_end(&world, DEADLINE).await;
    let spec = service.spec();

    let mails = json_lines(&spec.command(&["mail", "list", "--json"]).await);
    assert_eq!(mails.len(), 2);
    let contract = [
        "id",
        "eventId",
        "userId",
        "type",
        "template",
        "to",
        "state",
        "attempts",
        "nextAttemptAt",
        "messageId",
        "lastReply",
        "history",
    ];
    for mail in &mails {
        assert_has(mail, &contract);
    }
    let sent = json_lines(&spec.command(&["mail", "list", "--state", "sent", "--json"]).await);
    let [sent] = sent.as_slice() else { panic!("{sent:#?}") };
    assert_eq!(sent["eventId"], event.envelope.id.to_string());
    assert_eq!(sent["userId"], event.envelope.subject.to_string());
    assert_eq!(sent["type"], "user.registered.v1");
    assert_eq!(sent["template"], "welcome");
    assert_eq!(sent["to"], ada.as_str());
    assert_eq!(sent["attempts"], 1);
    assert_eq!(sent["nextAttemptAt"], Value::Null);
    let delivered = &smtp.deliveries_to(&ada)[0].mail;
    assert_eq!(sent["messageId"], delivered.header("Message-ID"));
    let states: Vec<&str> = sent["history"].as_array().into_iter().flatten().filter_map(|s| s["to"].as_str()).collect();
    assert_eq!(states, ["queued", "preparing", "data", "sent"]);

    let id = sent["id"].as_str().expect("a text");
    let shown = json_lines(&spec.command(&["mail", "show", id, "--json"]).await);
    assert_eq!(shown.as_slice(), std::slice::from_ref(sent));
    let waiting = json_lines(&spec.command(&["mail", "list", "--state", "queued", "--json"]).await);
    assert_eq!(waiting[0]["lastReply"], "452 4.2.2 full");
    assert!(waiting[0]["nextAttemptAt"].is_string());
    let user = event.envelope.subject.to_string();
    assert_eq!(json_lines(&spec.command(&["mail", "list", "--user", &user, "--json"]).await).len(), 1);
    let people = spec.command(&["mail", "list"]).await;
    assert!(String::from_utf8_lossy(&people.stdout).contains(&ada), "{people:?}");

    let letters = json_lines(&spec.command(&["dead-letters", "list", "--json"]).await);
    let [letter] = letters.as_slice() else { panic!("{letters:#?}") };
    assert_has(letter, &["id", "state", "reason", "topic", "partition", "offset", "eventId", "type"]);
    assert_eq!((&letter["reason"], &letter["state"]), (&Value::from("not-json"), &Value::from("open")));
    let id = letter["id"].as_str().expect("a text");
    let shown = json_lines(&spec.command(&["dead-letters", "show", id, "--json"]).await);
    assert_eq!(shown[0]["contents"]["value"], STANDARD.encode("{"));
    assert_eq!(shown[0]["contents"]["key"], STANDARD.encode(&poison.key));

    for (arguments, code) in [
        (["mail", "show", "nothing"].as_slice(), 1),
        (&["dead-letters", "show", "nothing"], 1),
        (&["mail", "list", "--state", "nowhere"], 2),
        (&["mail", "burn"], 2),
        (&["healthcheck"], 0),
        (&["check-config"], 0),
        (&["--help"], 0),
    ] {
        let output = spec.command(arguments).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_checked_shown_without_secrets_and_refused_where_it_makes_no_sense() {
    let stack = Stack::from_env();
    let world = World::without_topic(&stack, "configuration").on_smtp("smtp://mailer:hidden-from-view@127.0.0.1:2525");
    let spec = world.email_service();
    let shown = spec.command(&["check-config"]).await;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success() && text.contains(world.topic()), "{shown:?}");
    assert!(!text.contains("hidden-from-view"), "{text}");
    let key = fs::read_to_string(world.keys().join("sealing.private")).expect("the world has made its keys");
    assert!(!text.contains(key.trim()), "{text}");

    let refused: [(&str, &str, &str); 5] = [
        ("LEDGER__RETENTION", "7d", "ledger.retention"),
        ("SENDER__LEASE", "1s", "sender.lease"),
        ("SMTP__URL", "http://127.0.0.1", "smtp.url"),
        ("MAIL__LINK_BASE_ULR", "http://localhost", "mail__link_base_url"),
        ("KAFKA__PROPERTIES__ENABLE_AUTO_OFFSET_STORE", "true", "enable.auto.offset.store"),
    ];
    for (variable, value, named) in refused {
        for command in ["check-config", "serve"] {
            let wrong: ServiceSpec = spec.clone().set(variable, value);
            let output = tokio::time::timeout(DEADLINE, wrong.command(&[command])).await.expect("it ends at once");
            let error = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(1), "{command} with {variable}={value}: {error}");
            assert!(error.to_lowercase().contains(named), "{command} with {variable}={value}: {error}");
        }
    }
    // Nobody listens on its ops port.
    assert_eq!(spec.command(&["healthcheck"]).await.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn keygen_makes_a_pair_that_only_its_owner_reads_and_never_overwrites_one() {
    let world = World::without_topic(&Stack::from_env(), "keygen");
    let spec = world.email_service();
    let directory = world.keys().join("more");
    let arguments = ["keygen", "--out", directory.to_str().expect("the path is text")];
    assert!(spec.command(&arguments).await.status.success());
    let read = |name: &str| fs::read_to_string(directory.join(name)).expect("keygen wrote it");
    for (name, mode) in [("sealing.public", 0o644), ("sealing.private", 0o600)] {
        let permissions = fs::metadata(directory.join(name)).expect("keygen wrote it").permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{name}");
        assert_eq!(STANDARD.decode(read(name).trim()).expect("base64").len(), 32, "{name}");
    }
    let before = read("sealing.private");
    assert_eq!(spec.command(&arguments).await.status.code(), Some(1));
    assert_eq!(read("sealing.private"), before);
    assert_eq!(spec.command(&["keygen"]).await.status.code(), Some(2));
}
