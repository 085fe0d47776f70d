//! A new address that is requested and confirmed.

use e2e::{
    accounts::{
        confirm_email_change, delete_account, mark_email_verified, register_with_id, request_reset,
        request_verification, try_login, user_document_by_id, with_email,
    },
    start::{start_both_services, start_user_service},
};
use serde_json::json;
use test_support::{Api, DEADLINE, Record, TestUser, World, wait_for};

use crate::requests::{CONFIRM, UNDO, mailed_token, post_form, request_change, undo};

#[tokio::test]
async fn another_spelling_of_the_current_address_is_written_at_once_without_a_mail() {
    let (world, _service, api) = start_user_service("spelling").await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    mark_email_verified(&world, &ada).await;
    let me = api.logged_in_as(&ada).await;
    let before = user_document_by_id(&world, &id).await;

    let other = ada.email.replacen('a', "A", 1);
    assert_ne!(other, ada.email);
    let _ = request_change(&me, &other, "not the password").await.expect_problem(403, "wrong-password");
    assert_eq!(me.get("/api/users/me").await.expect(200).json()["email"], ada.email);
    assert!(request_change(&me, &other, &ada.password).await.expect(202).text.is_empty());
    let account = me.get("/api/users/me").await.expect(200).json();
    assert_eq!((&account["email"], &account["emailVerified"]), (&json!(other), &json!(true)));
    let refused =
        request_change(&me, &format!("{other} "), &ada.password).await.expect_problem(422, "validation-failed");
    assert_eq!(refused.json()["errors"][0]["code"], "unchanged");

    // Only the spelling changes; keys, outstanding links and reserved addresses stay the same.
    let after = user_document_by_id(&world, &id).await;
    for field in ["emailKeys", "tokens", "reserved"] {
        assert_eq!(after.get(field), before.get(field), "{field}");
    }
    api.login(&with_email(&ada, &other.to_uppercase())).await;
    let mut topic = world.topic_reader();
    topic.read_type("user.logged_in.v1", 2).await;
    let notices: Vec<&Record> = topic.records().iter().filter(|it| it.event_type().contains("email_change")).collect();
    assert!(notices.is_empty(), "{notices:?}");
    let updated = topic.read_type("user.profile_updated.v1", 1).await.remove(0);
    assert_eq!(updated.json()["changed"], json!(["email"]));
}

#[tokio::test]
async fn the_address_changes_when_the_new_address_is_confirmed() {
    let (world, _users, _emails, api) = start_both_services("newaddress").await;
    let (ada, grace) = (world.test_user("ada"), world.test_user("grace"));
    let id = api.register(&ada).await.expect(201).string("id");
    let _ = api.register(&grace).await.expect(201);
    let tokens = api.login(&ada).await;
    let me = api.with_token(&tokens.access);
    let (typo, new) = (world.address("ad"), world.address("Ada.New"));

    let _ = request_change(&me, &new, "not the password").await.expect_problem(403, "wrong-password");
    for (wrong, code) in [("unknown", "not-an-address"), (&*format!(" {}", ada.email), "unchanged")] {
        let refused = request_change(&me, wrong, &ada.password).await.expect_problem(422, "validation-failed");
        assert_eq!(refused.json()["errors"][0]["pointer"], "#/newEmail", "{}", refused.text);
        assert_eq!(refused.json()["errors"][0]["code"], code);
    }
    let _ = request_change(&api, &new, &ada.password).await.expect_problem(401, "unauthorized");

    // A second request replaces the first, so the owner of the mistyped address can no longer confirm it.
    let _ = request_change(&me, &typo, &ada.password).await.expect(202);
    let stale = mailed_token(&world, &typo, CONFIRM).await;
    assert!(request_change(&me, &new, &ada.password).await.expect(202).text.is_empty());
    let _ = confirm_email_change(&api, &stale).await.expect_problem(400, "token-invalid");
    let mut topic = world.topic_reader();
    let requested = topic.read_type("user.email_change_requested.v1", 2).await.remove(1);
    assert_eq!(requested.json()["newEmail"], new);
    assert_eq!(requested.json()["recipient"]["email"], ada.email);
    let notice = wait_for(DEADLINE, "the notice", async || {
        let mails = world.mailbox(&ada.email).mails().await;
        mails.into_iter().find(|mail| mail.subject.starts_with("New email address") && mail.text.contains(&new))
    })
    .await;
    assert!(!notice.text.contains("token="), "the old address can confirm: {}", notice.text);

    // Nothing has changed yet, and opening the page changes nothing.
    let fresh = mailed_token(&world, &new, CONFIRM).await;
    for _ in 0..2 {
        let page = api.get(&format!("{CONFIRM}?token={fresh}")).await.expect(200);
        assert!(page.text.contains(&fresh) && page.text.contains("<form method=\"post\""), "{}", page.text);
        assert_eq!(page.header("referrer-policy"), "no-referrer");
    }
    let before = me.get("/api/users/me").await.expect(200).json();
    assert_eq!((&before["email"], &before["emailVerified"]), (&json!(ada.email), &json!(false)));
    let _ = try_login(&api, &new, &ada.password).await.expect_problem(401, "invalid-credentials");

    let done = post_form(&api, CONFIRM, &fresh).await.expect(200);
    assert!(done.text.contains("Your new email address is confirmed"), "{}", done.text);
    let _ = post_form(&api, CONFIRM, &fresh).await.expect(400);
    let _ = confirm_email_change(&api, &fresh).await.expect_problem(400, "token-invalid");
    // Sessions continue.
    let after = me.get("/api/users/me").await.expect(200).json();
    assert_eq!((&after["email"], &after["emailVerified"]), (&json!(new), &json!(true)));
    api.login(&with_email(&ada, &new.to_lowercase())).await;
    let changed = topic.read_type("user.email_changed.v1", 1).await.remove(0);
    assert_eq!(changed.json()["oldEmail"], ada.email);
    assert_eq!(changed.json()["newEmail"], new);
    assert_eq!(changed.json()["recipient"]["email"], ada.email);
    let undo_mail = world.mailbox(&ada.email).wait_for_links(UNDO, 1).await.remove(0);
    assert_eq!(undo_mail.subject, "Your email address was changed");

    assert_old_address_is_reserved(&world, &api, &ada, &grace).await;

    // The account is deleted, and both addresses with it.
    delete_account(&me, &ada).await;
    let undo_token = undo_mail.token(UNDO);
    let _ = undo(&api, &undo_token).await.expect_problem(400, "token-invalid");
    assert_ne!(api.register(&ada).await.expect(201).string("id"), id);
    let _ = api.register(&TestUser { username: "ada-again".to_owned(), ..with_email(&ada, &new) }).await.expect(201);
}

/// Checks that the old address cannot log in, gets no mail and cannot be taken by another user.
async fn assert_old_address_is_reserved(world: &World, api: &Api, ada: &TestUser, grace: &TestUser) {
    let _ = try_login(api, &ada.email, &ada.password).await.expect_problem(401, "invalid-credentials");
    let late = TestUser { username: "other-user".to_owned(), ..ada.clone() };
    let _ = api.register(&late).await.expect_problem(409, "email-taken");
    // The request does not reveal that the address is reserved. The confirmation does, and it does not use the token.
    let grace_client = api.logged_in_as(grace).await;
    let mails = world.mailbox(&ada.email).mails().await.len();
    assert!(request_change(&grace_client, &ada.email, &grace.password).await.expect(202).text.is_empty());
    let reserved = mailed_token(world, &ada.email, CONFIRM).await;
    for _ in 0..2 {
        let _ = confirm_email_change(api, &reserved).await.expect_problem(409, "email-taken");
    }
    let page = post_form(api, CONFIRM, &reserved).await.expect(409);
    assert!(page.text.contains("This email address is taken"), "{}", page.text);
    assert_eq!(grace_client.get("/api/users/me").await.expect(200).json()["email"], grace.email);

    for email in [&ada.email, &grace.email] {
        request_reset(api, email).await;
        request_verification(api, email).await;
    }
    // The queue is processed in order, and Grace's requests come last.
    let mut topic = world.topic_reader();
    topic.read_type("user.email_verification_requested.v1", 1).await;
    for event_type in ["user.password_reset_requested.v1", "user.email_verification_requested.v1"] {
        let requested = topic.read_all_of_type(event_type).await;
        assert_eq!(requested.len(), 1, "{event_type}");
        assert_eq!(requested[0].json()["recipient"]["email"], grace.email);
    }
    assert_eq!(
        world.mailbox(&ada.email).mails().await.len(),
        mails + 1,
        "there is another mail than the confirmation that Grace requested"
    );
}

#[tokio::test]
async fn only_one_of_two_users_gets_an_address_that_both_want() {
    let (world, _users, _emails, api) = start_both_services("oneaddress").await;
    let (ada, grace) = (world.test_user("ada"), world.test_user("grace"));
    let wanted = world.address("wanted");
    let mut tokens = Vec::new();
    for (count, user) in [&ada, &grace].into_iter().enumerate() {
        let _ = api.register(user).await.expect(201);
        let me = api.logged_in_as(user).await;
        let _ = request_change(&me, &wanted, &user.password).await.expect(202);
        tokens.push((world.mailbox(&wanted).wait_for_token(CONFIRM, count + 1).await, me));
    }
    let (first, second) =
        tokio::join!(confirm_email_change(&api, &tokens[0].0), confirm_email_change(&api, &tokens[1].0));
    let (winner, loser, refused) = match first.status {
        204 => (0, 1, second),
        _ => (1, 0, first),
    };
    let _ = refused.expect_problem(409, "email-taken");
    let people = [&ada, &grace];
    assert_eq!(tokens[winner].1.get("/api/users/me").await.expect(200).json()["email"], wanted);
    assert_eq!(tokens[loser].1.get("/api/users/me").await.expect(200).json()["email"], people[loser].email);
    let mut topic = world.topic_reader();
    topic.read_type("user.email_changed.v1", 1).await;
    assert_eq!(topic.read_all_of_type("user.email_changed.v1").await.len(), 1);

    // The token was not used: it works once the address is free.
    let confirmation = json!({ "password": people[winner].password });
    let _ = tokens[winner].1.delete("/api/users/me", Some(&confirmation)).await.expect(204);
    let _ = confirm_email_change(&api, &tokens[loser].0).await.expect(204);
    assert_eq!(tokens[loser].1.get("/api/users/me").await.expect(200).json()["email"], wanted);
}
