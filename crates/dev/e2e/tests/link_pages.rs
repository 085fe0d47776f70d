//! The pages behind the links in mails: what a page says before and after its token is used, and which action it
//! offers next.

use bson::{DateTime, Document, doc};
use e2e::{
    accounts::{
        change_password, register, register_and_log_in, register_verified, request_reset, request_verification,
        try_login, update_user, verify_email, with_new_password,
    },
    sealed_tokens::SealedTokens,
    start::{start_both_services, start_user_service},
    totp::{enable_totp, recovery_codes},
};
use reqwest::{Method, header};
use serde_json::json;
use test_support::{Api, ApiResponse, DEADLINE, Stack, TestUser, World, remember_secret, wait_for};

const VERIFY: &str = "/verify-email";
const RESET: &str = "/reset-password";
const UNDO: &str = "/undo-email-change";
const UNDO_CHANGE: &str = "/undo-change";

/// Opens a link.
async fn open_link(api: &Api, page: &str, token: &str) -> ApiResponse {
    api.get(&format!("{page}?token={token}")).await
}

/// Returns the stored document of an account.
async fn stored_user(world: &World, user: &TestUser) -> Document {
    let users = world.user_collection("users").await;
    let found = users.find_one(doc! { "username": &user.username }).await.expect("users can be read");
    found.expect("the account exists")
}

/// Waits until an account has no pending events, and returns its document.
async fn wait_until_published(world: &World, user: &TestUser) -> Document {
    wait_for(DEADLINE, "all events of the account to be published", async || {
        let document = stored_user(world, user).await;
        document.get_array("pendingEvents").is_ok_and(Vec::is_empty).then_some(document)
    })
    .await
}

/// Makes every outstanding link of an account expire.
async fn expire_links(world: &World, user: &TestUser) {
    let users = world.user_collection("users").await;
    let past = doc! { "$set": { "tokens.$[].expiresAt": DateTime::from_millis(0) } };
    let done = users.update_one(doc! { "username": &user.username }, past).await.expect("users can be changed");
    assert_eq!(done.modified_count, 1);
}

/// Waits for the mail number `nth` to the user with a link to a page, and returns its token.
async fn mailed_token(world: &World, user: &TestUser, page: &str, nth: usize) -> String {
    world.mailbox(&user.email).wait_for_token(page, nth).await
}

fn heading(page: &ApiResponse) -> &str {
    let text = page.text.split_once("<h1>").and_then(|(_, rest)| rest.split_once("</h1>"));
    text.map(|(heading, _)| heading).unwrap_or_default()
}

#[tokio::test]
async fn a_verification_link_names_the_account_and_later_says_that_the_address_is_confirmed() {
    let (world, _users, _emails, api) = start_both_services("verifylink").await;
    let ada = register(&world, &api, "ada").await;
    let first = mailed_token(&world, &ada, VERIFY, 1).await;
    request_verification(&api, &ada.email).await;
    let second = mailed_token(&world, &ada, VERIFY, 2).await;

    // Opening the page writes nothing.
    let before = wait_until_published(&world, &ada).await;
    for _ in 0..3 {
        let page = open_link(&api, VERIFY, &first).await.expect(200);
        assert!(page.text.contains(&format!("<bdi>{}</bdi>", ada.username)), "{}", page.text);
        assert!(page.text.contains("Account created") && page.text.contains(" UTC</dd>"), "{}", page.text);
    }
    assert_eq!(wait_until_published(&world, &ada).await, before);

    let done = api.submit(VERIFY, &[("token", &first)]).await.expect(200);
    assert_eq!(heading(&done), "Your email address is confirmed");
    // Opening or submitting this link or the other mailed link again shows success, not an error.
    for link in [&first, &second] {
        for answer in [open_link(&api, VERIFY, link).await, api.submit(VERIFY, &[("token", link)]).await] {
            let answer = answer.expect(200);
            assert_eq!(heading(&answer), "Your email address is confirmed");
            assert!(answer.text.contains("You can sign in") && !answer.text.contains("<form"), "{}", answer.text);
        }
        let refused = verify_email(&api, link).await;
        let _ = refused.expect_problem(400, "token-invalid");
    }
    let german = api.request(Method::GET, VERIFY).query(&[("token", &first)]).header(header::ACCEPT_LANGUAGE, "de");
    let german = api.send(german).await.expect(200);
    assert!(german.text.contains("Sie können sich anmelden"), "{}", german.text);
}

#[tokio::test]
async fn an_expired_link_offers_a_new_one_and_its_button_sends_it() {
    let (world, _users, _emails, api) = start_both_services("expiredlink").await;
    let ada = register(&world, &api, "ada").await;
    request_reset(&api, &ada.email).await;
    for page in [VERIFY, RESET] {
        let over = mailed_token(&world, &ada, page, 1).await;
        let before = wait_until_published(&world, &ada).await;
        expire_links(&world, &ada).await;
        let opened = open_link(&api, page, &over).await.expect(400);
        assert_eq!(heading(&opened), "This link has expired");
        assert!(opened.text.contains("value=\"resend\"") && opened.text.contains(&over), "{}", opened.text);
        let pressed = api.submit(page, &[("token", &over), ("newPassword", "long enough, and random 7")]).await;
        assert_eq!(heading(&pressed.expect(400)), "This link has expired");
        assert_eq!(
            stored_user(&world, &ada).await.get("version"),
            before.get("version"),
            "the page changed the account"
        );

        let sent = api.submit(page, &[("token", &over), ("action", "resend")]).await.expect(200);
        assert_eq!(heading(&sent), "Please check your mailbox");
        assert!(!sent.text.contains(&ada.email), "{}", sent.text);
        let fresh = mailed_token(&world, &ada, page, 2).await;
        assert_ne!(fresh, over);
        let _ = open_link(&api, page, &fresh).await.expect(200);
    }
}

#[tokio::test]
async fn a_used_reset_link_says_so_and_offers_a_new_one() {
    let (world, _users, _emails, api) = start_both_services("usedlink").await;
    let ada = register(&world, &api, "ada").await;
    for _ in 0..2 {
        request_reset(&api, &ada.email).await;
    }
    let (one, other) = (mailed_token(&world, &ada, RESET, 1).await, mailed_token(&world, &ada, RESET, 2).await);
    let page = open_link(&api, RESET, &one).await.expect(200);
    let username = format!("autocomplete=\"username\" value=\"{}\"", ada.email);
    assert!(page.text.contains(&username), "the form has no username for password managers: {}", page.text);
    let renewed = format!("{} renewed", ada.password);
    remember_secret("password", &renewed);
    let _ = api.submit(RESET, &[("token", &one), ("newPassword", &renewed)]).await.expect(200);

    for link in [&one, &other] {
        let opened = open_link(&api, RESET, link).await.expect(400);
        assert_eq!(heading(&opened), "This link was used already");
        let again = api.submit(RESET, &[("token", link), ("newPassword", &renewed)]).await.expect(400);
        assert_eq!(heading(&again), "This link was used already");
    }
    let _ = api.submit(RESET, &[("token", &other), ("action", "resend")]).await.expect(200);
    let fresh = mailed_token(&world, &ada, RESET, 3).await;
    let _ = open_link(&api, RESET, &fresh).await.expect(200);
    // The reset has verified the address, so the link of the welcome mail also shows success.
    let welcome = mailed_token(&world, &ada, VERIFY, 1).await;
    assert_eq!(heading(&open_link(&api, VERIFY, &welcome).await.expect(200)), "Your email address is confirmed");
}

#[tokio::test]
async fn an_unknown_link_asks_for_the_address_and_does_not_reveal_whether_an_account_exists() {
    let (world, _users, _emails, api) = start_both_services("unknownlink").await;
    let ada = register(&world, &api, "ada").await;
    world.mailbox(&ada.email).wait_for_links(VERIFY, 1).await;
    let unknown = "A".repeat(43);
    for page in [VERIFY, RESET] {
        let opened = open_link(&api, page, &unknown).await.expect(400);
        assert!(opened.text.contains("type=\"email\"") && opened.text.contains("value=\"resend\""), "{}", opened.text);
        let stranger = world.address("stranger");
        let mut answers = Vec::new();
        for email in [ada.email.as_str(), &stranger] {
            let sent = api.submit(page, &[("email", email), ("action", "resend")]).await.expect(200);
            assert!(!sent.text.contains(email), "{}", sent.text);
            answers.push(sent.text);
        }
        answers.push(api.submit(page, &[("token", &unknown), ("action", "resend")]).await.expect(200).text);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
        let typed = api.submit(page, &[("email", "<ada"), ("action", "resend")]).await.expect(422);
        assert!(typed.text.contains("value=\"&lt;ada\"") && typed.text.contains("role=\"alert\""), "{}", typed.text);
    }
    world.mailbox(&ada.email).wait_for_links(VERIFY, 2).await;
    world.mailbox(&ada.email).wait_for_links(RESET, 1).await;
    assert!(world.mailbox(&world.address("stranger")).mails().await.is_empty());

    // The requests have neither token nor address, an unknown action, or a page that sends no mail.
    for (page, fields) in [
        (VERIFY, &[("action", "resend")][..]),
        (VERIFY, &[("token", &unknown), ("action", "explode")]),
        (RESET, &[("token", &unknown), ("action", "disown")]),
        (UNDO, &[("email", &ada.email), ("action", "resend")]),
    ] {
        let _ = api.submit(page, fields).await.expect(400);
    }
}

#[tokio::test]
async fn a_link_that_is_requested_too_often_is_not_sent() {
    let world = World::new(&Stack::from_env(), "resendlimit").await;
    let service = world.user_service().set("LIMITS__ENABLED", "true").set("LIMITS__MAILS_PER_ADDRESS", "2");
    let (users, _emails) = tokio::join!(service.start(), world.email_service().start());
    let api = users.api();
    let ada = register(&world, &api, "ada").await;
    let link = mailed_token(&world, &ada, VERIFY, 1).await;
    expire_links(&world, &ada).await;
    let again = [("token", link.as_str()), ("action", "resend")];
    for _ in 0..2 {
        let _ = api.submit(VERIFY, &again).await.expect(200);
    }
    let refused = api.submit(VERIFY, &again).await.expect(429);
    assert!(refused.text.contains("No link was sent") && !refused.header("retry-after").is_empty(), "{}", refused.text);
    assert_eq!(world.mailbox(&ada.email).wait_for_links(VERIFY, 3).await.len(), 3);
}

#[tokio::test]
async fn a_change_is_undone_only_when_the_box_is_ticked() {
    let (world, _users, _emails, api) = start_both_services("undobox").await;
    let (ada, me) = register_and_log_in(&world, &api, "ada").await;
    let new = TestUser { email: world.address("ada-new"), ..ada.clone() };
    let body = json!({ "newEmail": new.email, "password": ada.password });
    let _ = me.put("/api/users/me/email", &body).await.expect(202);
    let confirm = mailed_token(&world, &new, "/confirm-email", 1).await;
    let _ = api.submit("/confirm-email", &[("token", &confirm)]).await.expect(200);
    assert_eq!(heading(&open_link(&api, "/confirm-email", &confirm).await.expect(400)), "This link was used already");

    let undo = mailed_token(&world, &ada, UNDO, 1).await;
    let page = open_link(&api, UNDO, &undo).await.expect(200);
    assert!(page.text.contains("name=\"confirmed\" value=\"yes\" required"), "{}", page.text);
    assert!(page.text.contains("its present password stops working"), "{}", page.text);
    let before = wait_until_published(&world, &ada).await;
    for fields in [&[("token", undo.as_str())][..], &[("token", &undo), ("confirmed", "no")]] {
        let again = api.submit(UNDO, fields).await.expect(422);
        assert!(again.text.contains("Please tick the box first.") && again.text.contains(&undo), "{}", again.text);
    }
    assert_eq!(wait_until_published(&world, &ada).await, before);
    let done = api.submit(UNDO, &[("token", &undo), ("confirmed", "yes")]).await.expect(200);
    assert_eq!(heading(&done), "Your email address is back");
    // A second submission says that the link was used, and offers a reset to a reader who cannot sign in.
    for answer in
        [open_link(&api, UNDO, &undo).await, api.submit(UNDO, &[("token", &undo), ("confirmed", "yes")]).await]
    {
        let answer = answer.expect(400);
        assert_eq!(heading(&answer), "This link was used already");
        assert!(answer.text.contains("action=\"/reset-password\""), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_reader_who_did_not_register_disowns_the_account_by_a_ticked_box() {
    let (world, _service, api) = start_user_service("disownpage").await;
    let mut mails = SealedTokens::new(&world);
    let ada = register(&world, &api, "ada").await;
    let link = mails.wait_for_nth("user.registered.v1", "verification", &ada.email, 1).await;
    let page = open_link(&api, VERIFY, &link).await.expect(200);
    assert!(page.text.contains("This was not me") && page.text.contains("type=\"checkbox\""), "{}", page.text);
    let before = wait_until_published(&world, &ada).await;
    let without_box = api.submit(VERIFY, &[("token", &link), ("action", "disown")]).await.expect(422);
    assert!(without_box.text.contains("Please tick the box first."), "{}", without_box.text);
    assert!(without_box.text.contains(&ada.username) && without_box.text.contains(&link), "{}", without_box.text);
    assert_eq!(wait_until_published(&world, &ada).await, before);
    api.login(&ada).await;

    let disown = [("token", link.as_str()), ("action", "disown"), ("confirmed", "yes")];
    let done = api.submit(VERIFY, &disown).await.expect(200);
    assert_eq!(heading(&done), "The account is not confirmed");
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "invalid-credentials");
    // Opening it again or pressing the other button says that the account was disowned, and confirms nothing.
    let confirm = [("token", link.as_str())];
    for again in
        [open_link(&api, VERIFY, &link).await, api.submit(VERIFY, &disown).await, api.submit(VERIFY, &confirm).await]
    {
        assert_eq!(heading(&again.expect(200)), "The account is not confirmed");
    }
    assert_eq!(stored_user(&world, &ada).await.get_bool("emailVerified").ok(), Some(false));

    // The page offers a reset, which gives the account to the reader.
    assert!(done.text.contains("action=\"/reset-password\""), "{}", done.text);
    let _ = api.submit(RESET, &[("token", &link), ("action", "resend")]).await.expect(200);
    let reset = mails.wait_for_nth("user.password_reset_requested.v1", "reset", &ada.email, 1).await;
    let owner = with_new_password(&ada, "of the owner");
    let _ = api.submit(RESET, &[("token", &reset), ("newPassword", &owner.password)]).await.expect(200);
    api.login(&owner).await;
    assert_eq!(heading(&open_link(&api, VERIFY, &link).await.expect(200)), "Your email address is confirmed");
}

#[tokio::test]
async fn the_undo_link_of_each_change_opens_the_page_of_that_change() {
    let (world, _service, api) = start_user_service("undopages").await;
    let mut mails = SealedTokens::new(&world);
    let (ada, me) = register_verified(&world, &api, "ada").await;
    let renewed = change_password(&me, &ada, "renewed").await;
    let (_, codes) = enable_totp(&me, &renewed).await;
    let both = json!({ "password": renewed.password, "code": codes[0] });
    recovery_codes(&me.post("/api/users/me/totp/recovery-codes", &both).await.expect(200));

    for (event, before, after, offers_reset) in [
        (
            "user.recovery_codes_renewed.v1",
            "Void the new recovery codes",
            "The recovery codes do not work any more",
            true,
        ),
        ("user.totp_enabled.v1", "Turn two-factor authentication off", "Two-factor authentication is off", true),
        (
            "user.password_changed.v1",
            "Undo the change of your password",
            "The changed password does not work any more",
            false,
        ),
    ] {
        let link = mails.wait_for_nth(event, "undo", &ada.email, 1).await;
        let stored = wait_until_published(&world, &ada).await;
        let page = open_link(&api, UNDO_CHANGE, &link).await.expect(200);
        assert_eq!(heading(&page), before);
        assert!(page.text.contains("name=\"confirmed\" value=\"yes\" required"), "{}", page.text);
        // The link works on this page only.
        for other in [VERIFY, RESET, UNDO] {
            assert_eq!(heading(&open_link(&api, other, &link).await.expect(400)), "This link does not work any more");
        }
        let without_box = api.submit(UNDO_CHANGE, &[("token", &link)]).await.expect(422);
        assert_eq!(heading(&without_box), before);
        assert_eq!(wait_until_published(&world, &ada).await, stored);

        let done = api.submit(UNDO_CHANGE, &[("token", &link), ("confirmed", "yes")]).await.expect(200);
        assert_eq!(heading(&done), after);
        assert_eq!(done.text.contains("action=\"/reset-password\""), offers_reset, "{}", done.text);
        assert_eq!(heading(&open_link(&api, UNDO_CHANGE, &link).await.expect(400)), "This link was used already");
    }
    let user = wait_until_published(&world, &ada).await;
    assert!(user.get("totp").is_none(), "{user}");
    assert_eq!(user.get_array("usedTokens").map(Vec::len).ok(), Some(3));
    // The undo of the password change has sent one reset link; the button of another page sends one more.
    let link = mails.wait_for_nth("user.totp_enabled.v1", "undo", &ada.email, 1).await;
    let _ = api.submit(RESET, &[("token", &link), ("action", "resend")]).await.expect(200);
    let reset = mails.wait_for_nth("user.password_reset_requested.v1", "reset", &ada.email, 2).await;
    let _ = open_link(&api, RESET, &reset).await.expect(200);
}

#[tokio::test]
async fn an_account_remembers_its_last_five_used_links_and_forgets_old_ones() {
    let (world, _service, api) = start_user_service("usedlinks").await;
    let mut mails = SealedTokens::new(&world);
    let ada = register(&world, &api, "ada").await;
    let mut links = Vec::new();
    for round in 1..=7 {
        request_reset(&api, &ada.email).await;
        let link = mails.wait_for_nth("user.password_reset_requested.v1", "reset", &ada.email, round).await;
        let password = format!("{} {round}", ada.password);
        remember_secret("password", &password);
        let _ = api.submit(RESET, &[("token", &link), ("newPassword", &password)]).await.expect(200);
        links.push(link);
    }
    for (at, link) in links.iter().enumerate() {
        let expected = if at < 2 { "This link does not work any more" } else { "This link was used already" };
        assert_eq!(heading(&open_link(&api, RESET, link).await.expect(400)), expected, "link {at}");
    }
    // The next use removes expired entries.
    let over = doc! { "$set": { "usedTokens.$[].until": DateTime::from_millis(0) } };
    update_user(&world, &ada.email, over).await;
    assert_eq!(heading(&open_link(&api, RESET, &links[6]).await.expect(400)), "This link does not work any more");
    request_reset(&api, &ada.email).await;
    let link = mails.wait_for_nth("user.password_reset_requested.v1", "reset", &ada.email, 8).await;
    let _ = api.submit(RESET, &[("token", &link), ("newPassword", &ada.password)]).await.expect(200);
    assert_eq!(stored_user(&world, &ada).await.get_array("usedTokens").map(Vec::len).ok(), Some(1));
}
