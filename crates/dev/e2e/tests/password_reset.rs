//! A password reset from the request to the login with the new password, through both services.

use bson::doc;
use e2e::{
    accounts::{
        confirm_reset, register, register_with_id, request_reset, try_login, update_user, user_document, verify_email,
        with_new_password,
    },
    start::start_both_services,
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use test_support::{Api, DEADLINE, Mailbox, TestUser, World, count, remember_secret, wait_for};

const RESET_PAGE: &str = "/reset-password";
const REQUESTED: &str = "user.password_reset_requested.v1";

/// Waits until at least `count` reset mails have arrived, and returns their tokens, oldest first.
async fn wait_for_links(mailbox: &Mailbox, count: usize) -> Vec<String> {
    let mails = mailbox.wait_for_links(RESET_PAGE, count).await;
    assert!(mails.iter().all(|mail| mail.subject == "Reset your password"), "{mails:#?}");
    mails.iter().map(|mail| mail.token(RESET_PAGE)).collect()
}

/// Registers a user who forgets the password, and returns the token of the mailed link.
async fn register_and_request_reset(world: &World, api: &Api) -> (TestUser, String) {
    let ada = register(world, api, "ada").await;
    request_reset(api, &ada.email).await;
    let token = wait_for_links(&world.mailbox(&ada.email), 1).await.remove(0);
    (ada, token)
}

/// Returns the purposes of the stored tokens of a user.
async fn token_purposes(world: &World, user: &TestUser) -> Vec<String> {
    let document = user_document(world, &user.email).await;
    let tokens = document.get_array("tokens").cloned().unwrap_or_default();
    let purpose = |token: &bson::Bson| token.as_document()?.get_str("purpose").ok().map(str::to_owned);
    tokens.iter().filter_map(purpose).collect()
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_the_link_in_a_mail() {
    let (world, _users, _emails, api) = start_both_services("reset").await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let session = api.login(&ada).await;
    let mailbox = world.mailbox(&ada.email);
    let welcome = mailbox.wait_for_token("/verify-email", 1).await;

    request_reset(&api, &ada.email.to_uppercase()).await;
    request_reset(&api, &ada.email).await;
    let mailed = wait_for_links(&mailbox, 2).await;
    let (older, newer) = (&mailed[0], &mailed[1]);
    assert_ne!(older, newer);
    let mut topic = world.topic_reader();
    let requested = topic.read_type(REQUESTED, 2).await.remove(0);
    assert_eq!(requested.key_text(), id);
    assert_eq!(requested.json()["recipient"]["email"], ada.email);
    // The link is valid for half an hour from the time of the event.
    let time: jiff::Timestamp = requested.header("ce_time").parse().expect("the time is valid");
    let expires = requested.json()["reset"]["expiresAt"].as_str().and_then(|text| text.parse().ok());
    let expires: jiff::Timestamp = expires.expect("the time is valid");
    assert_eq!(expires.duration_since(time).as_secs(), 30 * 60);

    // Neither a refused password nor an invalid body uses the token.
    for refused in ["short", &"x".repeat(300)] {
        let answer = confirm_reset(&api, older, refused).await.expect_problem(422, "validation-failed");
        assert_eq!(answer.json()["errors"][0]["pointer"], "#/newPassword", "{}", answer.text);
    }
    let _ = api.post("/api/auth/password-reset/confirm", &json!({ "token": older })).await.expect(422);
    let _ = api.with_token(&session.access).get("/api/users/me").await.expect(200);

    // The older link still works, and no mailed link works after it.
    let new = with_new_password(&ada, "by the link");
    assert!(confirm_reset(&api, older, &new.password).await.expect(204).text.is_empty());
    for used in [older, newer, &welcome] {
        let _ = confirm_reset(&api, used, &with_new_password(&ada, "again").password)
            .await
            .expect_problem(400, "token-invalid");
    }
    let _ = verify_email(&api, &welcome).await.expect_problem(400, "token-invalid");
    assert_eq!(token_purposes(&world, &ada).await, Vec::<String>::new());

    // All sessions have ended, both access and refresh tokens.
    let _ = api.with_token(&session.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let _ = api.refresh(&session.refresh).await.expect_problem(401, "unauthorized");
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "invalid-credentials");
    let tokens = api.login(&new).await;
    let me = api.with_token(&tokens.access).get("/api/users/me").await.expect(200);
    assert_eq!(me.json()["emailVerified"], true, "the link proves the mailbox");

    let verified = topic.read_type("user.email_verified.v1", 1).await.remove(0);
    let changed = topic.read_type("user.password_changed.v1", 1).await.remove(0);
    assert_eq!(verified.json()["email"], ada.email);
    assert_eq!(changed.json()["reason"], "reset");
    assert_eq!(changed.sequence(), verified.sequence() + 1, "both events come from one write");
    mailbox.wait_for_subject("Your password was changed").await;
}

#[tokio::test]
async fn a_reset_for_an_unknown_address_gets_the_same_response_and_does_nothing() {
    let (world, _users, _emails, api) = start_both_services("noreset").await;
    let (ada, grace) = (register(&world, &api, "ada").await, register(&world, &api, "grace").await);
    let mailbox = world.mailbox(&ada.email);
    mailbox.wait_for_mails(1).await;
    let not_an_address = api.post("/api/auth/password-reset", &json!({ "email": "unknown" })).await;
    let not_an_address = not_an_address.expect_problem(422, "validation-failed");
    assert_eq!(not_an_address.json()["errors"][0]["pointer"], "#/email");

    // The account is disabled between the mail and the use of the link: the link does not work, and no other one is
    // sent.
    request_reset(&api, &ada.email).await;
    let token = wait_for_links(&mailbox, 1).await.remove(0);
    let disable = doc! { "$set": { "status": "disabled" }, "$inc": { "version": 1_i64 } };
    update_user(&world, &ada.email, disable).await;
    let new = with_new_password(&ada, "while disabled");
    let _ = confirm_reset(&api, &token, &new.password).await.expect_problem(400, "token-invalid");
    request_reset(&api, &ada.email).await;
    request_reset(&api, &world.address("unknown")).await;
    // The queue is processed in order, so the other requests have been processed when this mail arrives.
    request_reset(&api, &grace.email).await;
    let mut topic = world.topic_reader();
    topic.read_type(REQUESTED, 2).await;
    let requested = topic.read_all_of_type(REQUESTED).await;
    assert_eq!(requested.len(), 2, "there is not one reset for Ada, before she was disabled, and one for Grace");
    world.mailbox(&grace.email).wait_for_mails(2).await;
    assert_eq!(mailbox.mails().await.len(), 2);
    assert_eq!(world.mailbox(&world.address("unknown")).mails().await.len(), 0);

    // No invalid token works.
    for nonsense in ["", "x", &"A".repeat(43), &"A".repeat(10_000)] {
        let _ = confirm_reset(&api, nonsense, &new.password).await.expect_problem(400, "token-invalid");
        // Without a valid token, the response does not say what is wrong with a password.
        let _ = confirm_reset(&api, nonsense, "short").await.expect_problem(400, "token-invalid");
    }
}

#[tokio::test]
async fn five_links_are_valid_at_once_and_each_until_it_expires() {
    let (world, mut users, _emails, api) = start_both_services("fivelinks").await;
    let ada = register(&world, &api, "ada").await;
    let mailbox = world.mailbox(&ada.email);
    let mut tokens: Vec<String> = Vec::new();
    for nth in 1..=6_usize {
        request_reset(&api, &ada.email).await;
        tokens = wait_for_links(&mailbox, nth).await;
    }
    assert_eq!(token_purposes(&world, &ada).await.iter().filter(|purpose| *purpose == "password-reset").count(), 5);
    let refused = confirm_reset(&api, &tokens[0], "short").await;
    let _ = refused.expect_problem(400, "token-invalid");
    for valid in &tokens[1..] {
        let _ = confirm_reset(&api, valid, "short").await.expect_problem(422, "validation-failed");
    }

    // From here on links have another lifetime.
    assert_eq!(users.terminate().await.code(), Some(0));
    users.restart_with(|spec| spec.set("AUTH__RESET_TTL", "2s")).await;
    let api = users.api();
    request_reset(&api, &ada.email).await;
    let mut topic = world.topic_reader();
    topic.read_type(REQUESTED, 7).await;
    // A mail whose link expires before the mail is sent is not sent.
    let jobs = world.email_collection("mailJobs").await;
    let short_lived = wait_for(DEADLINE, "the mail to be sent or to expire", async || {
        match wait_for_links(&mailbox, 6).await.get(6) {
            Some(token) => Some(Some(token.clone())),
            None => (count(&jobs, doc! { "state": "expired" }).await > 0).then_some(None),
        }
    })
    .await;
    if let Some(token) = short_lived {
        wait_for(DEADLINE, "the link to expire", async || {
            (confirm_reset(&api, &token, "short").await.problem() == "token-invalid").then_some(())
        })
        .await;
    }
    // The earlier links are still valid.
    let new = with_new_password(&ada, "at last");
    let _ = confirm_reset(&api, &tokens[5], &new.password).await.expect(204);
    api.login(&new).await;
}

#[tokio::test]
async fn two_clicks_at_once_set_one_password() {
    let (world, _users, _emails, api) = start_both_services("twoclicks").await;
    let (ada, token) = register_and_request_reset(&world, &api).await;
    let (one, two) = (with_new_password(&ada, "one"), with_new_password(&ada, "two"));
    let (first, second) =
        tokio::join!(confirm_reset(&api, &token, &one.password), confirm_reset(&api, &token, &two.password));
    let (winner, loser, refused) = match first.status {
        204 => (one, two, second),
        _ => (two, one, first),
    };
    let _ = refused.expect_problem(400, "token-invalid");
    api.login(&winner).await;
    let _ = try_login(&api, &ada.email, &loser.password).await.expect_problem(401, "invalid-credentials");
    let mut topic = world.topic_reader();
    topic.read_type("user.password_changed.v1", 1).await;
    assert_eq!(topic.read_all_of_type("user.password_changed.v1").await.len(), 1);
}

#[tokio::test]
async fn the_page_behind_the_link_sets_the_password() {
    let (world, users, _emails, api) = start_both_services("resetpage").await;
    let (ada, token) = register_and_request_reset(&world, &api).await;
    let path = format!("/reset-password?token={token}");
    let mails = world.mailbox(&ada.email).mails().await;
    let expected = format!("{}{path}", users.base_url());
    assert!(mails.iter().any(|mail| mail.links().contains(&expected)), "there is no link to the service's own page");

    for _ in 0..2 {
        let page = api.get(&path).await.expect(200);
        assert!(page.text.contains(&token) && page.text.contains("autocomplete=\"new-password\""), "{}", page.text);
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(page.header("content-security-policy").contains("form-action 'self'"));
    }
    let post = async |form: &[(&str, &str)], language: &str| {
        api.send(api.form("/reset-password", form).header(header::ACCEPT_LANGUAGE, language)).await
    };
    let refused = post(&[("token", &token), ("newPassword", "zu kurz")], "de").await.expect(422);
    assert!(refused.text.contains("mindestens 8 Zeichen") && refused.text.contains(&token), "{}", refused.text);
    assert!(!refused.text.contains("zu kurz"), "the page contains a password: {}", refused.text);
    let form: &[(&str, &str)] = &[("token", &token)];
    let _ = post(form, "en").await.expect(400);
    let huge = "ä".repeat(20_000);
    let _ = post(&[("token", &token), ("newPassword", &huge)], "en").await.expect(400);
    let text = api.request(Method::POST, "/reset-password").header(header::CONTENT_TYPE, "text/plain").body("token=x");
    let _ = api.send(text).await.expect(400);
    let _ = api.get("/reset-password").await.expect(400);
    let _ = api.send(api.request(Method::PUT, "/reset-password")).await.expect_problem(405, "method-not-allowed");

    // This password has the maximum length, in letters that take three bytes each in NFD and in the form.
    let jamo = |first: u32, count: u32, n: u32| {
        char::from_u32(first + n % count).expect("the character is a letter of Hangul")
    };
    let syllable = |n| [jamo(0x1100, 19, n), jamo(0x1161, 21, n), jamo(0x11A8, 27, n)];
    let long = TestUser { password: (0..256).flat_map(syllable).collect(), ..ada.clone() };
    remember_secret("password", &long.password);
    let done = post(&[("token", &token), ("newPassword", &long.password)], "en").await.expect(200);
    assert!(done.text.contains("Your password is changed"), "{}", done.text);
    let _ = post(&[("token", &token), ("newPassword", &long.password)], "en").await.expect(400);
    api.login(&long).await;
    assert!(!users.log().contains(&token), "a token is in the log");
}

#[tokio::test]
async fn a_reset_is_written_while_kafka_is_down_and_the_pending_list_is_full() {
    let (world, mut users, _emails, api) = start_both_services("fullreset").await;
    let (ada, token) = register_and_request_reset(&world, &api).await;
    let tokens = api.login(&ada).await;
    let mut topic = world.topic_reader();
    topic.read_type("user.logged_in.v1", 1).await;

    // Nothing is published from here on, and two events fill the pending list.
    assert_eq!(users.terminate().await.code(), Some(0));
    users.restart_with(|spec| spec.set("KAFKA__BROKERS", "127.0.0.1:1").set("RELAY__MAX_PENDING_PER_USER", "2")).await;
    let api = users.api();
    let me = api.with_token(&tokens.access);
    let rename = |name: &str| json!({ "displayName": name });
    for name in ["One", "Two"] {
        let _ = me.patch("/api/users/me", &rename(name)).await.expect(200);
    }
    let _ = me.patch("/api/users/me", &rename("Three")).await.expect_problem(503, "unavailable");
    let new = with_new_password(&ada, "in an outage");
    let _ = confirm_reset(&api, &token, &new.password).await.expect(204);
    api.login(&new).await;
    let pending: Vec<Value> = user_document(&world, &ada.email)
        .await
        .get_array("pendingEvents")
        .expect("the value is a list")
        .iter()
        .filter_map(|event| Some(json!(event.as_document()?.get_str("type").ok()?)))
        .collect();
    assert_eq!(pending[2..], [json!("user.email_verified.v1"), json!("user.password_changed.v1")]);

    assert_eq!(users.terminate().await.code(), Some(0));
    let brokers = world.brokers().to_owned();
    users.restart_with(|spec| spec.set("KAFKA__BROKERS", brokers)).await;
    assert_eq!(topic.read_type("user.password_changed.v1", 1).await[0].json()["reason"], "reset");
    world.mailbox(&ada.email).wait_for_subject("Your password was changed").await;
}
