//! The acceptance of an invitation: on the page, by the API, and by a password reset.

use bson::doc;
use e2e::{
    accounts::{
        confirm_reset, request_reset, request_verification, try_login, user_document, user_document_by_id,
        wait_until_all_published,
    },
    administrators::{Admin, create_admin},
    sealed_tokens::SealedTokens,
    start::{start_both_services, start_user_service},
};
use futures_util::future::join_all;
use reqwest::{Method, header};
use serde_json::json;
use test_support::remember_secret;

use crate::steps::{ACCEPTED, INVITED, PAGE, accept, event_types, expire_link, heading, invitation, invite, read};

const VERIFIED: &str = "user.email_verified.v1";

#[tokio::test]
async fn the_page_asks_for_username_and_password_and_keeps_what_was_typed_until_both_are_good() {
    let (world, service, _emails, api) = start_both_services("acceptpage").await;
    let root = create_admin(&world, &service, "root").await;
    let email = world.address("ada");
    let id = invite(&root, &email, None).await;
    let mail = world.mailbox(&email).wait_for_links(PAGE, 1).await.remove(0);
    assert!(mail.subject.starts_with("You are invited to "), "{}", mail.subject);
    let token = mail.token(PAGE);

    // Opening the page writes nothing, because mail scanners follow links.
    wait_until_all_published(&world).await;
    let before = user_document_by_id(&world, &id).await;
    for _ in 0..2 {
        let page = api.get(&format!("{PAGE}?token={token}")).await.expect(200);
        assert_eq!(heading(&page), "Accept your invitation");
        assert!(page.text.contains("name=\"chosenUsername\"") && !page.text.contains("invited-"), "{}", page.text);
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    }
    assert_eq!(user_document_by_id(&world, &id).await, before);

    let password = format!("a brand new horse {}", world.tag());
    remember_secret("password", &password);
    let submit = async |username: &str, password: &str| {
        api.submit(PAGE, &[("token", &token), ("chosenUsername", username), ("newPassword", password)]).await
    };
    let both = submit("x y", "short").await.expect(422);
    for expected in ["value=\"x y\"", "Please choose another username.", "Please choose another password."] {
        assert!(both.text.contains(expected), "{expected}: {}", both.text);
    }
    let taken = submit(&root.user.username, &password).await.expect(422);
    assert!(taken.text.contains("Another account has this username"), "{}", taken.text);
    let missing = api.submit(PAGE, &[("token", &token), ("newPassword", &password)]).await.expect(422);
    assert!(missing.text.contains("It needs at least 3 characters."), "{}", missing.text);
    let _ = api.submit(PAGE, &[("token", &token)]).await.expect(400);
    assert_eq!(user_document_by_id(&world, &id).await, before, "a refused value has changed the account");

    let done = submit("Countess", &password).await.expect(200);
    assert_eq!(heading(&done), "Your account is ready");
    for identifier in [email.as_str(), "countess"] {
        let _ = try_login(&api, identifier, &password).await.expect(200);
    }
    let user = read(&root, &id).await;
    assert_eq!(
        (&user["username"], &user["invited"], &user["emailVerified"]),
        (&json!("Countess"), &json!(false), &json!(true))
    );
    // The link was used, and a reader who has forgotten the password gets another one.
    for again in [api.get(&format!("{PAGE}?token={token}")).await, submit("other", &password).await] {
        let again = again.expect(400);
        assert_eq!(heading(&again), "This link was used already");
        assert!(again.text.contains("action=\"/reset-password\""), "{}", again.text);
    }
    let _ = accept(&api, &token, Some("other"), &password).await.expect_problem(400, "token-invalid");
    let german = api.request(Method::GET, PAGE).query(&[("token", "x")]).header(header::ACCEPT_LANGUAGE, "de");
    let unknown = api.send(german).await.expect(400);
    assert!(unknown.text.contains("Die Administration kann Ihnen die Einladung erneut senden."), "{}", unknown.text);

    wait_until_all_published(&world).await;
    let types = event_types(&world, &id).await;
    assert_eq!(types[..3], [INVITED, VERIFIED, ACCEPTED], "{types:?}");
    let accepted = world.topic_reader().read_type(ACCEPTED, 1).await.remove(0);
    assert_eq!(accepted.json(), json!({ "userId": id, "username": "Countess" }));
    // The person has chosen the first password, so no mail reports a change.
    assert_eq!(world.mailbox(&email).mails().await.len(), 1);
    // Neither the placeholder nor its key is left.
    let stored = user_document_by_id(&world, &id).await;
    assert!(invitation(&stored).is_none() && !stored.to_string().contains("invited-"), "{stored}");
    let log = root.api.get(&Admin::user_path(&id, "/audit?limit=100")).await.expect(200).json();
    let actors: Vec<_> = log["items"].as_array().into_iter().flatten().map(|it| (&it["type"], &it["actor"])).collect();
    for expected in [(INVITED, "admin"), (ACCEPTED, "self"), (VERIFIED, "self")] {
        assert!(actors.contains(&(&json!(expected.0), &json!(expected.1))), "{expected:?}: {actors:?}");
    }
}

#[tokio::test]
async fn the_api_has_the_same_rules_and_refuses_a_username_that_was_already_chosen() {
    let (world, service, api) = start_user_service("acceptapi").await;
    let root = create_admin(&world, &service, "root").await;
    let mut mails = SealedTokens::new(&world);
    let (fixed, open) = (world.address("fixed"), world.address("open"));
    let id = invite(&root, &fixed, Some("grace")).await;
    let other = invite(&root, &open, None).await;
    let fixed_token = mails.wait_for_nth(INVITED, "invitation", &fixed, 1).await;
    let open_token = mails.wait_for_nth(INVITED, "invitation", &open, 1).await;
    let page = api.get(&format!("{PAGE}?token={fixed_token}")).await.expect(200);
    assert!(page.text.contains("<bdi>grace</bdi>") && !page.text.contains("chosenUsername"), "{}", page.text);

    let good = format!("a good new passphrase {}", world.tag());
    let before = [user_document_by_id(&world, &id).await, user_document_by_id(&world, &other).await];
    for (token, username, password, errors) in [
        (&fixed_token, Some("grace"), good.as_str(), &[("#/username", "already-chosen")][..]),
        (&open_token, None, good.as_str(), &[("#/username", "missing")]),
        (&open_token, Some("x"), "short", &[("#/password", "too-short"), ("#/username", "too-short")]),
        (&open_token, Some("correcthorse"), "correcthorse", &[("#/password", "contains-own-words")]),
    ] {
        let refused = accept(&api, token, username, password).await.expect_problem(422, "validation-failed");
        let mut found = refused.errors();
        found.sort();
        let expected: Vec<_> = errors.iter().map(|(at, code)| ((*at).to_owned(), (*code).to_owned())).collect();
        assert_eq!(found, expected);
    }
    let taken = accept(&api, &open_token, Some("GRACE"), &good).await;
    let _ = taken.expect_problem(409, "username-taken");
    wait_until_all_published(&world).await;
    let unchanged = [user_document_by_id(&world, &id).await, user_document_by_id(&world, &other).await];
    assert_eq!(before.map(|it| it.get("passwordHash").cloned()), unchanged.map(|it| it.get("passwordHash").cloned()));

    // An administrator who chooses the username meanwhile closes it for the invited person.
    let patch = json!({ "username": "hopper" });
    let _ = root.api.patch(&Admin::user_path(&other, ""), &patch).await.expect(200);
    let _ = accept(&api, &open_token, Some("mine"), &good).await.expect_problem(422, "validation-failed");
    for (token, email, username) in [(&fixed_token, &fixed, "grace"), (&open_token, &open, "hopper")] {
        let accepted = accept(&api, token, None, &good).await.expect(204);
        assert!(accepted.text.is_empty());
        let _ = try_login(&api, username, &good).await.expect(200);
        assert_eq!(user_document(&world, email).await.get_bool("emailVerified").ok(), Some(true));
        let _ = accept(&api, token, None, &good).await.expect_problem(400, "token-invalid");
    }
}

#[tokio::test]
async fn one_of_many_simultaneous_acceptances_wins_and_a_username_goes_to_one_of_two() {
    let (world, service, api) = start_user_service("acceptrace").await;
    let root = create_admin(&world, &service, "root").await;
    let mut mails = SealedTokens::new(&world);
    let [one, two] = ["one", "two"].map(|name| world.address(name));
    let mut tokens = Vec::new();
    for email in [&one, &two] {
        invite(&root, email, None).await;
        tokens.push(mails.wait_for_nth(INVITED, "invitation", email, 1).await);
    }
    let password = |number: usize| format!("password number {number} of {}", world.tag());
    let (api, token) = (&api, tokens[0].as_str());
    let all = (0..6).map(|number| async move { accept(api, token, Some("the-same"), &password(number)).await.status });
    let statuses = join_all(all).await;
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [204, 400].contains(status)), "{statuses:?}");
    let winner = statuses.iter().position(|status| *status == 204).expect("one is accepted");
    let _ = try_login(api, &one, &password(winner)).await.expect(200);
    let _ = accept(api, &tokens[1], Some("the-same"), &password(7)).await.expect_problem(409, "username-taken");
    let _ = accept(api, &tokens[1], Some("another"), &password(7)).await.expect(204);
}

/// The reset link proves the mailbox, as the invitation does.
#[tokio::test]
async fn a_password_reset_accepts_the_invitation_also_after_its_link_has_expired() {
    let (world, service, _emails, api) = start_both_services("acceptreset").await;
    let root = create_admin(&world, &service, "root").await;
    let email = world.address("ada");
    let id = invite(&root, &email, None).await;
    let link = world.mailbox(&email).wait_for_token(PAGE, 1).await;
    expire_link(&world, &email).await;
    // The address needs no verification of its own: this sends no mail.
    request_verification(&api, &email).await;
    request_reset(&api, &email).await;
    let token = world.mailbox(&email).wait_for_token("/reset-password", 1).await;
    let password = format!("an unforgettable horse {}", world.tag());
    remember_secret("password", &password);
    let _ = confirm_reset(&api, &token, &password).await.expect(204);
    let me = api.post("/api/auth/login", &json!({ "identifier": email, "password": password })).await.expect(200);
    let me = api.with_token(&me.string("accessToken"));
    let user = me.get("/api/users/me").await.expect(200).json();
    assert_eq!((&user["invited"], &user["emailVerified"]), (&json!(false), &json!(true)));
    let placeholder = user["username"].as_str().expect("a username").to_owned();
    assert!(placeholder.starts_with("invited-"), "{placeholder}");
    let _ = me.patch("/api/users/me", &json!({ "username": "at-last" })).await.expect(200);

    let used = api.get(&format!("{PAGE}?token={link}")).await.expect(400);
    assert_eq!(heading(&used), "This link was used already");
    let _ = accept(&api, &link, None, &password).await.expect_problem(400, "token-invalid");
    wait_until_all_published(&world).await;
    let types = event_types(&world, &id).await;
    let expected = [INVITED, "user.password_reset_requested.v1", VERIFIED, ACCEPTED, "user.logged_in.v1"];
    assert_eq!(types[..5], expected, "{types:?}");
    let accepted = world.topic_reader().read_type(ACCEPTED, 1).await.remove(0);
    assert_eq!(accepted.json()["username"], json!(placeholder));
    // The invitation and the reset link; the account had no password that could have changed.
    assert_eq!(world.mailbox(&email).mails().await.len(), 2);
}

/// 0.1.0 verifies the address at a reset, and leaves the invitation in the document.
#[tokio::test]
async fn an_invitation_is_void_once_the_address_is_verified_in_any_other_way() {
    let (world, service, api) = start_user_service("acceptvoid").await;
    let root = create_admin(&world, &service, "root").await;
    let email = world.address("ada");
    let id = invite(&root, &email, Some("ada-verified")).await;
    let token = SealedTokens::new(&world).wait_for_nth(INVITED, "invitation", &email, 1).await;
    e2e::accounts::update_user(&world, &email, doc! { "$set": { "emailVerified": true } }).await;
    let _ = accept(&api, &token, None, "a good passphrase").await.expect_problem(400, "token-invalid");
    let page = api.get(&format!("{PAGE}?token={token}")).await.expect(400);
    assert_eq!(heading(&page), "This link does not work any more");
    assert_eq!(read(&root, &id).await["invited"], json!(false));
}
