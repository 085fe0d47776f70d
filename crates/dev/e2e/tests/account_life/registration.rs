//! Registrations and the mails that they cause.

use bson::doc;
use e2e::{
    accounts::{
        change_password, delete_account, register, register_with_key, request_reset, request_verification, verify_email,
    },
    start::{start_both_services, start_user_service},
};
use serde_json::{Value, json};
use test_support::count;

#[tokio::test]
async fn a_registration_sent_twice_with_one_idempotency_key_creates_one_user() {
    let (world, _service, api) = start_user_service("idem").await;
    let ada = world.test_user("ada");
    let register = async |key: &str, body: &Value| register_with_key(&api, key, body).await;

    let body = ada.registration();
    let first = register("\"first-attempt\"", &body).await.expect(201);
    // Address, username and key are all taken now. The key without quotation marks is the same key.
    let again = register("first-attempt", &body).await.expect(201);
    assert_eq!(again.string("id"), first.string("id"));
    assert_eq!(again.header("location"), "/api/users/me");
    // The response shows the current user, not the user at the time of the first request.
    let tokens = api.login(&ada).await;
    let me = api.with_token(&tokens.access);
    let _ = me.patch("/api/users/me", &json!({ "displayName": "Ada" })).await.expect(200);
    let later = register("first-attempt", &body).await.expect(201);
    assert_eq!(later.json()["displayName"], "Ada");
    assert_eq!(later.header("etag"), format!("\"{}\"", later.json()["version"]));

    // A key belongs to an address: with another address it is a different key, and only the username is taken.
    let other_address = register("first-attempt", &ada.registration_with("email", world.address("else"))).await;
    let _ = other_address.expect_problem(409, "username-taken");
    for (member, value) in [("username", "other-user"), ("displayName", "Ada L."), ("password", "another password")] {
        let reused = register("first-attempt", &ada.registration_with(member, value)).await;
        let _ = reused.expect_problem(422, "idempotency-key-reused");
    }
    // The same address in other letters, under another key.
    let _ = register("second", &body).await.expect_problem(409, "email-taken");
    let _ = api.register(&ada).await.expect_problem(409, "email-taken");

    assert_eq!(count(&world.user_collection("users").await, doc! {}).await, 1);
    delete_account(&me, &ada).await;
    let fresh = register("first-attempt", &ada.registration_with("displayName", "A new one")).await.expect(201);
    assert_ne!(fresh.string("id"), first.string("id"));

    let mut topic = world.topic_reader();
    let registered = topic.read_type("user.registered.v1", 2).await;
    topic.read_type("user.deleted.v1", 1).await;
    let of_first = registered.iter().filter(|record| record.key_text() == first.string("id")).count();
    assert_eq!((of_first, registered.len()), (1, 2));
}

#[tokio::test]
async fn mails_are_written_in_the_language_of_their_recipient() {
    let (world, _users, _emails, api) = start_both_services("lang").await;
    for (name, locale, language, subject) in [
        ("german", Some("de-AT"), "de", "Willkommen bei "),
        ("british", Some("en-GB"), "en", "Welcome to "),
        ("quebecer", Some("fr-CA"), "fr", "Bienvenue chez "),
        ("mexican", Some("es-MX"), "es", "Le damos la bienvenida a "),
        ("japanese", Some("ja-JP"), "ja", "へようこそ"),
        ("egyptian", Some("ar-EG"), "ar", "أهلًا بك في "),
        ("italian", Some("it-IT"), "it", "Le diamo il benvenuto su "),
        ("belgian", Some("nl-BE"), "nl", "Welkom bij "),
        ("polish", Some("pl"), "pl", "Witamy w serwisie "),
        ("brazilian", Some("pt-BR"), "pt", "Boas-vindas a "),
        ("klingon", Some("tlh"), "en", "Welcome to "),
        ("default", None, "en", "Welcome to "),
    ] {
        let user = world.test_user(name);
        let mut body = user.registration();
        if let Some(locale) = locale {
            body["locale"] = json!(locale);
        }
        let _ = api.post("/api/users", &body).await.expect(201);
        let mail = world.mailbox(&user.email).wait_for_mails(1).await.remove(0);
        assert!(mail.subject.contains(subject), "{name}: {}", mail.subject);
        assert_eq!(mail.header("content-language"), language);
        // The link works in every language.
        let _ = verify_email(&api, &mail.token("/verify-email")).await.expect(204);
    }
}

#[tokio::test]
async fn a_verification_mail_is_resent_only_to_unverified_users() {
    let (world, _users, _emails, api) = start_both_services("resend").await;
    let (pending, verified) = (register(&world, &api, "pending").await, register(&world, &api, "verified").await);
    let token = world.mailbox(&verified.email).wait_for_token("/verify-email", 1).await;
    let _ = verify_email(&api, &token).await.expect(204);
    world.mailbox(&pending.email).wait_for_mails(1).await;

    for email in [&verified.email, &world.address("unknown"), &pending.email.to_uppercase()] {
        request_verification(&api, email).await;
    }
    let mails = world.mailbox(&pending.email).wait_for_mails(2).await;
    assert_eq!(mails[1].subject, "Confirm your email address");
    // The queue is processed in order, so the other two requests were processed before.
    let mut topic = world.topic_reader();
    topic.read_type("user.email_verification_requested.v1", 1).await;
    assert_eq!(topic.read_all_of_type("user.email_verification_requested.v1").await.len(), 1);
    assert_eq!(world.mailbox(&verified.email).mails().await.len(), 1);
    assert_eq!(world.mailbox(&world.address("unknown")).mails().await.len(), 0);

    // The older link still works, and the newer one no longer works after it.
    let older = world.mailbox(&pending.email).mails().await[0].token("/verify-email");
    let newer = mails[1].token("/verify-email");
    let _ = verify_email(&api, &older).await.expect(204);
    let used = verify_email(&api, &newer).await;
    let _ = used.expect_problem(400, "token-invalid");
}

/// A text that an attacker wants to have mailed to another person.
const BAIT: &str = "You won 8755 EUR, call 0900-1234567";

#[tokio::test]
async fn no_text_of_a_registration_is_mailed_before_the_address_is_verified() {
    let (world, _users, _emails, api) = start_both_services("bait").await;
    let mut ada = world.test_user("ada");
    ada.username = format!("won-8755-EUR-{}", &world.tag()[world.tag().len().saturating_sub(10)..]);
    let _ = api.post("/api/users", &ada.registration_with("displayName", BAIT)).await.expect(201);
    request_verification(&api, &ada.email).await;
    request_reset(&api, &ada.email).await;
    let mailbox = world.mailbox(&ada.email);
    let mails = mailbox.wait_for_mails(3).await;
    for mail in &mails {
        let all = format!("{:?}{}{}{}", mail.headers, mail.text, mail.html, mail.raw);
        assert!(!all.contains("8755") && !all.contains(&ada.username), "{all}");
    }
    let mut topic = world.topic_reader();
    topic.read_type("user.password_reset_requested.v1", 1).await;
    assert!(topic.read_all().await.iter().all(|record| !record.contains(b"8755 EUR")), "the topic contains the text");

    let welcome = mails.iter().find(|mail| mail.subject.starts_with("Welcome to ")).expect("there is a welcome mail");
    let _ = verify_email(&api, &welcome.token("/verify-email")).await.expect(204);
    let me = api.logged_in_as(&ada).await;
    change_password(&me, &ada, "renewed").await;
    let notice = mailbox.wait_for_mails(4).await.pop().expect("there is a notice of the change");
    assert!(notice.text.contains(BAIT), "the owner is not greeted by name: {}", notice.text);
}
