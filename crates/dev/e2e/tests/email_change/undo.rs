//! Address changes that are undone.

use e2e::{
    accounts::{
        change_password, confirm_email_change, confirm_reset, register_with_id, request_reset, try_login,
        user_document_by_id, with_email, with_new_password,
    },
    start::start_both_services,
};
use reqwest::{Method, header};
use serde_json::json;
use test_support::{Api, TestUser, Tokens, World};

use crate::{
    requests::{
        CONFIRM, UNDO, change_address, email_keys, mailed_token, post_form, recover_account, request_change, undo,
    },
    reservations::assert_at_most_ten_addresses_are_reserved,
};

#[tokio::test]
async fn the_owner_takes_a_stolen_account_back_from_the_old_address() {
    let (world, _users, _emails, api) = start_both_services("takeover").await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let own = api.login(&ada).await;

    // Mallory knows the password.
    let stolen = api.login(&ada).await;
    let mallory = world.address("mallory");
    let mallory_client = api.with_token(&stolen.access);
    let undo_token = change_address(&world, &mallory_client, &ada, &mallory).await;
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "invalid-credentials");

    let page = api.get(&format!("{UNDO}?token={undo_token}")).await.expect(200);
    assert!(page.text.contains("Undo the change") && page.text.contains(&undo_token), "{}", page.text);
    let german = api.request(Method::GET, UNDO).header(header::ACCEPT_LANGUAGE, "de").query(&[("token", &undo_token)]);
    assert!(api.send(german).await.expect(200).text.contains("Änderung rückgängig machen"));
    let _ = api.get(UNDO).await.expect(400);
    let done = post_form(&api, UNDO, &undo_token).await.expect(200);
    assert!(done.text.contains("Your email address is back"), "{}", done.text);
    let _ = undo(&api, &undo_token).await.expect_problem(400, "token-invalid");

    // All sessions have ended, both access and refresh tokens.
    for Tokens { access, refresh } in [&own, &stolen] {
        let _ = api.with_token(access).get("/api/users/me").await.expect_problem(401, "unauthorized");
        let refused = api.refresh(refresh).await;
        let _ = refused.expect_problem(401, "unauthorized");
    }
    for address in [&mallory, &ada.email] {
        let _ = try_login(&api, address, &ada.password).await.expect_problem(401, "invalid-credentials");
    }
    let user = user_document_by_id(&world, &id).await;
    assert_eq!(email_keys(&user), [ada.email.to_lowercase()]);
    assert!(user.get("reserved").is_none(), "{user}");

    // All events come from one write, in this order.
    let mut topic = world.topic_reader();
    let undone = topic.read_type("user.email_change_undone.v1", 1).await.remove(0);
    let ended = topic.read_type("user.sessions_ended.v1", 1).await.remove(0);
    let reset = topic.read_type("user.password_reset_requested.v1", 1).await.remove(0);
    assert_eq!(ended.json()["reason"], "email-change-undone");
    for told in [&undone, &reset] {
        assert_eq!(told.json()["recipient"]["email"], ada.email);
    }
    assert_eq!([ended.sequence(), reset.sequence()], [undone.sequence() + 1, undone.sequence() + 2]);

    // After the reset, the password that Mallory knows no longer works.
    let renewed = with_new_password(&ada, "renewed");
    let reset = mailed_token(&world, &ada.email, "/reset-password").await;
    let _ = confirm_reset(&api, &reset, &renewed.password).await.expect(204);
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "invalid-credentials");
    let tokens = api.login(&renewed).await;
    let me = api.with_token(&tokens.access).get("/api/users/me").await.expect(200).json();
    assert_eq!((&me["id"], &me["email"], &me["emailVerified"]), (&json!(id), &json!(ada.email), &json!(true)));
    for notice in ["The change of your email address was undone", "Your password was changed"] {
        world.mailbox(&ada.email).wait_for_subject(notice).await;
    }
    // Mallory's address is free again.
    let _ =
        api.register(&TestUser { username: "mallory-too".to_owned(), ..with_email(&ada, &mallory) }).await.expect(201);
}

#[tokio::test]
async fn each_of_two_changes_can_be_undone_and_undoing_the_first_undoes_both() {
    let (world, _users, _emails, api) = start_both_services("chain").await;
    let (ada, eve) = (world.test_user("ada"), world.test_user("eve"));

    // The address changes from a to b to c, and the first change is undone: everything is as before, and the second
    // change can no longer be undone.
    let id = api.register(&ada).await.expect(201).string("id");
    let me = api.logged_in_as(&ada).await;
    let (b, c) = (world.address("ada-b"), world.address("ada-c"));
    let first = change_address(&world, &me, &ada, &b).await;
    let second = change_address(&world, &me, &with_email(&ada, &b), &c).await;
    assert_eq!(email_keys(&user_document_by_id(&world, &id).await), [&*c, &*ada.email, &*b]);
    for (reserved, name) in [(&ada.email, "late-one"), (&b, "late-two")] {
        let late = TestUser { username: name.to_owned(), ..with_email(&ada, reserved) };
        let _ = api.register(&late).await.expect_problem(409, "email-taken");
    }
    let _ = undo(&api, &first).await.expect(204);
    assert_eq!(email_keys(&user_document_by_id(&world, &id).await), [&*ada.email]);
    let _ = undo(&api, &second).await.expect_problem(400, "token-invalid");
    api.login(&recover_account(&world, &api, &ada, 1).await).await;
    for (free, name) in [(&b, "free-one"), (&c, "free-two")] {
        let _ = api.register(&TestUser { username: name.to_owned(), ..with_email(&ada, free) }).await.expect(201);
    }

    // The second change is undone first; the first can still be undone. So an intruder who changes the address twice
    // and undoes the second change does not void the owner's link.
    let id = api.register(&eve).await.expect(201).string("id");
    let me = api.logged_in_as(&eve).await;
    let (b, c) = (world.address("eve-b"), world.address("eve-c"));
    let first = change_address(&world, &me, &eve, &b).await;
    let second = change_address(&world, &me, &with_email(&eve, &b), &c).await;
    let _ = undo(&api, &second).await.expect(204);
    assert_eq!(email_keys(&user_document_by_id(&world, &id).await), [&*b, &*eve.email]);
    let _ = undo(&api, &second).await.expect_problem(400, "token-invalid");
    let _ = undo(&api, &first).await.expect(204);
    assert_eq!(email_keys(&user_document_by_id(&world, &id).await), [&*eve.email]);
    // The undo of the second change sent a reset link to b, which the undo of the first change voided.
    let b_token = mailed_token(&world, &b, "/reset-password").await;
    let body = json!({ "token": b_token, "newPassword": "anything at all" });
    let _ = api.post("/api/auth/password-reset/confirm", &body).await.expect_problem(400, "token-invalid");
    let eve = recover_account(&world, &api, &eve, 1).await;

    // The address is changed back, and the intruder undoes that change: the owner's link still works.
    let me = api.logged_in_as(&eve).await;
    let intruder = world.address("intruder");
    let first = change_and_get_undo_token(&world, &me, &eve, &intruder, 2).await;
    let change_back_token = change_and_get_undo_token(&world, &me, &with_email(&eve, &intruder), &eve.email, 1).await;
    assert_eq!(email_keys(&user_document_by_id(&world, &id).await), [&*eve.email, &*intruder]);
    let _ = undo(&api, &change_back_token).await.expect(204);
    assert_eq!(email_keys(&user_document_by_id(&world, &id).await), [&*intruder, &*eve.email]);
    let _ = undo(&api, &first).await.expect(204);
    assert_eq!(email_keys(&user_document_by_id(&world, &id).await), [&*eve.email]);
    api.login(&recover_account(&world, &api, &eve, 2).await).await;
}

/// Changes the address of a mailbox that already has undo links, and returns the token of number `count`.
async fn change_and_get_undo_token(world: &World, me: &Api, user: &TestUser, new: &str, count: usize) -> String {
    let _ = request_change(me, new, &user.password).await.expect(202);
    let _ = confirm_email_change(me, &mailed_token(world, new, CONFIRM).await).await.expect(204);
    world.mailbox(&user.email).wait_for_token(UNDO, count).await
}

#[tokio::test]
async fn a_new_password_voids_an_unconfirmed_change_but_not_the_undo_link() {
    let (world, _users, _emails, api) = start_both_services("voided").await;
    let (ada, id) = register_with_id(&world, &api, "ada").await;
    let me = api.logged_in_as(&ada).await;
    let (b, c) = (world.address("b"), world.address("c"));
    let undo_token = change_address(&world, &me, &ada, &b).await;
    // The change voided reset links of the old address; a link of the new address works.
    let _ = request_change(&me, &c, &ada.password).await.expect(202);
    let requested = mailed_token(&world, &c, CONFIRM).await;
    change_password(&me, &with_email(&ada, &b), "renewed").await;
    let _ = confirm_email_change(&api, &requested).await.expect_problem(400, "token-invalid");

    request_reset(&api, &b).await;
    let reset = mailed_token(&world, &b, "/reset-password").await;
    let again = with_new_password(&with_email(&ada, &b), "again");
    let _ = confirm_reset(&api, &reset, &again.password).await.expect(204);
    api.login(&again).await;
    // No token works for another purpose.
    for wrong in [&reset, &requested] {
        let _ = undo(&api, wrong).await.expect_problem(400, "token-invalid");
    }
    let _ = confirm_email_change(&api, &undo_token).await.expect_problem(400, "token-invalid");
    let _ = confirm_reset(&api, &undo_token, &again.password).await.expect_problem(400, "token-invalid");
    let _ = undo(&api, &undo_token).await.expect(204);
    assert_eq!(user_document_by_id(&world, &id).await.get_str("email").expect("the text is an address"), ada.email);

    let regained = recover_account(&world, &api, &with_email(&again, &ada.email), 1).await;
    assert_at_most_ten_addresses_are_reserved(&world, &api, &regained).await;
}
