//! Reading the topic, and the commands that show its effects to operators. Poison records and replays are in the
//! fault matrix (crates/dev/faults).

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, process::Output, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::{
    commands::{assert_start_refused, json_lines, stdout_of},
    mail_scene::MailScene,
    offsets,
};
use serde_json::Value;
use test_support::{Behavior, DEADLINE, Phase, SmtpRule, Stack, World};

const A_WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn read_lines(output: &Output) -> Vec<Value> {
    json_lines(&stdout_of(output, 0))
}

fn members(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("the value is an object").keys().map(String::as_str).collect()
}

fn assert_has(value: &Value, names: &[&str]) {
    let missing: Vec<&&str> = names.iter().filter(|name| !members(value).contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?} missing in {value:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_old_is_recorded_as_expired_and_sends_no_mail() {
    let MailScene { world, smtp, publisher, ledger } = MailScene::new("old").await;
    let (old, young) = (world.address("old"), world.address("young"));
    publisher.publish_to(0, &publisher.welcome_with_age(&old, A_WEEK + Duration::from_secs(60))).await;
    publisher.publish_to(0, &publisher.welcome_with_age(&young, A_WEEK - Duration::from_secs(3600))).await;
    let _service = world.email_service().start().await;
    let mail = ledger.wait_for_state(&old, "expired", DEADLINE).await;
    assert!(mail.is_terminal(), "{mail:#?}");
    ledger.wait_for_state(&young, "sent", DEADLINE).await;
    assert!(smtp.deliveries_to(&old).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_show_mails_and_dead_letters_as_the_contract_says() {
    let MailScene { world, smtp, publisher, ledger } = MailScene::new("commands").await;
    let (ada, grace) = (world.address("ada"), world.address("grace"));
    smtp.add_rule(SmtpRule::always(Phase::Rcpt, Behavior::reply("452 4.2.2 full")).to(&grace));
    let event = publisher.welcome(&ada);
    publisher.publish_to(0, &event).await;
    publisher.publish_to(0, &publisher.notice(&grace)).await;
    let poison = publisher.notice(&ada);
    publisher.publish_truncated(&poison).await;
    let service = world.email_service().start().await;
    ledger.wait_for_state(&ada, "sent", DEADLINE).await;
    ledger.wait_for_mail(&grace, "tried", DEADLINE, |mail| mail.attempts == 1).await;
    offsets::wait_until_consumed(&world, DEADLINE).await;
    let spec = service.spec();

    let mails = read_lines(&spec.command(&["mail", "list", "--json"]).await);
    assert_eq!(mails.len(), 2);
    let contract = [
        "id",
        "eventId",
        "userId",
        "type",
        "template",
        "to",
        "locale",
        "values",
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
    let sent = read_lines(&spec.command(&["mail", "list", "--state", "sent", "--json"]).await);
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

    let id = sent["id"].as_str().expect("the value is a text");
    let shown = read_lines(&spec.command(&["mail", "show", id, "--json"]).await);
    assert_eq!(shown.as_slice(), std::slice::from_ref(sent));
    let waiting = read_lines(&spec.command(&["mail", "list", "--state", "queued", "--json"]).await);
    assert_eq!(waiting[0]["lastReply"], "452 4.2.2 full");
    assert!(waiting[0]["nextAttemptAt"].is_string());
    let user = event.envelope.subject.to_string();
    assert_eq!(read_lines(&spec.command(&["mail", "list", "--user", &user, "--json"]).await).len(), 1);
    let people = spec.command(&["mail", "list"]).await;
    assert!(String::from_utf8_lossy(&people.stdout).contains(&ada), "{people:?}");

    let letters = read_lines(&spec.command(&["dead-letters", "list", "--json"]).await);
    let [letter] = letters.as_slice() else { panic!("{letters:#?}") };
    assert_has(letter, &["id", "state", "reason", "topic", "partition", "offset", "eventId", "type"]);
    assert_eq!((&letter["reason"], &letter["state"]), (&Value::from("not-json"), &Value::from("open")));
    let id = letter["id"].as_str().expect("the value is a text");
    let shown = read_lines(&spec.command(&["dead-letters", "show", id, "--json"]).await);
    assert_eq!(shown[0]["contents"]["value"], STANDARD.encode("{"));
    assert_eq!(shown[0]["contents"]["key"], STANDARD.encode(poison.envelope.key()));

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
async fn the_configuration_is_shown_without_secrets_and_invalid_values_are_refused() {
    let world = World::without_topic(&Stack::from_env(), "configuration")
        .on_smtp("smtp://mailer:hidden-from-view@127.0.0.1:2525");
    let spec = world.email_service();
    let shown = spec.command(&["check-config"]).await;
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.status.success() && text.contains(world.topic()), "{shown:?}");
    assert!(!text.contains("hidden-from-view"), "{text}");
    assert!(!text.contains(&world.read_key("sealing.private")), "{text}");

    let refused: [(&str, &str, &str); 5] = [
        ("LEDGER__RETENTION", "7d", "ledger.retention"),
        ("SENDER__LEASE", "1s", "sender.lease"),
        ("SMTP__URL", "http://127.0.0.1", "smtp.url"),
        ("MAIL__LINK_BASE_ULR", "http://localhost", "mail__link_base_url"),
        ("KAFKA__PROPERTIES__ENABLE_AUTO_OFFSET_STORE", "true", "enable.auto.offset.store"),
    ];
    for (variable, value, named) in refused {
        let wrong = spec.clone().set(variable, value);
        let named = [named];
        let refused = tokio::time::timeout(DEADLINE, assert_start_refused(&wrong, &named)).await;
        let _ = refused.expect("the commands end at once");
    }
    // Nothing listens on its ops port.
    assert_eq!(spec.command(&["healthcheck"]).await.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn keygen_creates_a_pair_that_only_its_owner_can_read_and_never_overwrites_one() {
    let world = World::without_topic(&Stack::from_env(), "keygen");
    let spec = world.email_service();
    let directory = world.keys().join("more");
    let arguments = ["keygen", "--out", directory.to_str().expect("the path is UTF-8")];
    assert!(spec.command(&arguments).await.status.success());
    let read = |name: &str| fs::read_to_string(directory.join(name)).expect("keygen has written the file");
    for (name, mode) in [("sealing.public", 0o644), ("sealing.private", 0o600)] {
        let permissions = fs::metadata(directory.join(name)).expect("keygen has written the file").permissions();
        assert_eq!(permissions.mode() & 0o777, mode, "{name}");
        assert_eq!(STANDARD.decode(read(name).trim()).expect("the file is base64").len(), 32, "{name}");
    }
    let before = read("sealing.private");
    assert_eq!(spec.command(&arguments).await.status.code(), Some(1));
    assert_eq!(read("sealing.private"), before);
    assert_eq!(spec.command(&["keygen"]).await.status.code(), Some(2));
}
