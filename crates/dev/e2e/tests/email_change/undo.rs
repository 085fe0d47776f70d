//! A change of address that is undone.

use e2e::accounts::{try_login, with_email, with_new_password};
use reqwest::{Method, header};
use serde_json::json;
use test_support::{Api, DEADLINE, Stack, TestUser, Tokens, World, wait_for};

use crate::{
    requests::{CONFIRM, UNDO, ask, change, confirm, keys, linked, post_form, regain, stored, token, undo},
    reservations::as_many_addresses_as_are_kept,
};

#[tokio::test]
async fn whoever_lost_an_account_takes_it_back_from_the_old_address() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "takeover").await;
    let (_users, _emails, api) = world.start_both().await;
    let ada = world.test_user("ada");
    let id = api.register(&ada).await.expect(201).string("id");
    let own = api.login(&ada).await;

    // Mallory knows the password.
    let stolen = api.login(&ada).await;
    let mallory = world.address("mallory");
    let mallorys = api.with_token(&stolen.access);
    let way_back = change(&world, &mallorys, &ada, &mallory).await;
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "invalid-credentials");

    let page = api.get(&format!("{UNDO}?token={way_back}")).await.expect(200);
    assert!(page.text.contains("Undo the change") && page.text.contains(&way_back), "{}", page.text);
    let german = api.request(Method::GET, UNDO).header(header::ACCEPT_LANGUAGE, "de").query(&[("token", &way_back)]);
    assert!(api.send(german).await.expect(200).text.contains("Änderung zurücknehmen"));
    let _ = api.get(UNDO).await.expect(400);
    let done = post_form(&api, UNDO, &way_back).await.expect(200);
    assert!(done.text.contains("Your email address is back"), "{}", done.text);
    let _ = undo(&api, &way_back).await.expect_problem(400, "token-invalid");

    // Everybody is out, for access and refresh tokens alike.
    for Tokens { access, refresh } in [&own, &stolen] {
        let _ = api.with_token(access).get("/api/users/me").await.expect_problem(401, "unauthorized");
        let refused = api.post("/api/auth/refresh", &json!({ "refreshToken": refresh })).await;
        let _ = refused.expect_problem(401, "unauthorized");
    }
    for address in [&mallory, &ada.email] {
        let _ = try_login(&api, address, &ada.password).await.expect_problem(401, "invalid-credentials");
    }
    let user = stored(&world, &id).await;
    assert_eq!(keys(&user), [ada.email.to_lowercase()]);
    assert!(user.get("reserved").is_none(), "{user}");

    // One write, in order.
    let mut topic = world.topic_reader();
    let undone = topic.read_type("user.email_change_undone.v1", 1).await.remove(0);
    let ended = topic.read_type("user.sessions_ended.v1", 1).await.remove(0);
    let reset = topic.read_type("user.password_reset_requested.v1", 1).await.remove(0);
    assert_eq!(ended.json()["reason"], "email-change-undone");
    for told in [&undone, &reset] {
        assert_eq!(told.json()["recipient"]["email"], ada.email);
    }
    assert_eq!([ended.sequence(), reset.sequence()], [undone.sequence() + 1, undone.sequence() + 2]);

    // The reset has begun; with it Mallory's knowledge is worth nothing.
    let renewed = with_new_password(&ada, "renewed");
    let body = json!({ "token": token(&world, &ada.email, "/reset-password").await, "newPassword": renewed.password });
    let _ = api.post("/api/auth/password-reset/confirm", &body).await.expect(204);
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "invalid-credentials");
    let tokens = api.login(&renewed).await;
    let me = api.with_token(&tokens.access).get("/api/users/me").await.expect(200).json();
    assert_eq!((&me["id"], &me["email"], &me["emailVerified"]), (&json!(id), &json!(ada.email), &json!(true)));
    wait_for(DEADLINE, "both notices", async || {
        let mails = world.mailbox(&ada.email).mails().await;
        let has = |subject: &str| mails.iter().any(|mail| mail.subject == subject);
        (has("The change of your email address was undone") && has("Your password was changed")).then_some(())
    })
    .await;
    // Mallory's address is anybody's again.
    let _ =
        api.register(&TestUser { username: "mallory-too".to_owned(), ..with_email(&ada, &mallory) }).await.expect(201);
}

#[tokio::test]
async fn of_two_changes_each_can_be_undone_and_the_first_one_with_both() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "chain").await;
    let (_users, _emails, api) = world.start_both().await;
    let (ada, eve) = (world.test_user("ada"), world.test_user("eve"));

    // a -> b -> c, and the first undone: all is as it was, the second cannot be undone.
    let id = api.register(&ada).await.expect(201).string("id");
    let me = api.with_token(&api.login(&ada).await.access);
    let (b, c) = (world.address("ada-b"), world.address("ada-c"));
    let first = change(&world, &me, &ada, &b).await;
    let second = change(&world, &me, &with_email(&ada, &b), &c).await;
    assert_eq!(keys(&stored(&world, &id).await), [&*c, &*ada.email, &*b]);
    for (reserved, name) in [(&ada.email, "late-one"), (&b, "late-two")] {
        let late = TestUser { username: name.to_owned(), ..with_email(&ada, reserved) };
        let _ = api.register(&late).await.expect_problem(409, "email-taken");
    }
    let _ = undo(&api, &first).await.expect(204);
    assert_eq!(keys(&stored(&world, &id).await), [&*ada.email]);
    let _ = undo(&api, &second).await.expect_problem(400, "token-invalid");
    api.login(&regain(&world, &api, &ada, 1).await).await;
    for (free, name) in [(&b, "free-one"), (&c, "free-two")] {
        let _ = api.register(&TestUser { username: name.to_owned(), ..with_email(&ada, free) }).await.expect(201);
    }

    // The second undone first: the first can be still. So an intruder who changes the
    // address twice and takes the second back does not void the owner's link.
    let id = api.register(&eve).await.expect(201).string("id");
    let me = api.with_token(&api.login(&eve).await.access);
    let (b, c) = (world.address("eve-b"), world.address("eve-c"));
    let first = change(&world, &me, &eve, &b).await;
    let second = change(&world, &me, &with_email(&eve, &b), &c).await;
    let _ = undo(&api, &second).await.expect(204);
    assert_eq!(keys(&stored(&world, &id).await), [&*b, &*eve.email]);
    let _ = undo(&api, &second).await.expect_problem(400, "token-invalid");
    let _ = undo(&api, &first).await.expect(204);
    assert_eq!(keys(&stored(&world, &id).await), [&*eve.email]);
    // The reset that the undo of the second began went to b, and died with the first.
    let of_b = token(&world, &b, "/reset-password").await;
    let body = json!({ "token": of_b, "newPassword": "anything at all" });
    let _ = api.post("/api/auth/password-reset/confirm", &body).await.expect_problem(400, "token-invalid");
    let eve = regain(&world, &api, &eve, 1).await;

    // Going back by a change, and the intruder undoing that: the owner's link holds.
    let me = api.with_token(&api.login(&eve).await.access);
    let intruder = world.address("intruder");
    let first = undo_of(&world, &me, &eve, &intruder, 2).await;
    let back = undo_back(&world, &me, &with_email(&eve, &intruder), &eve.email).await;
    assert_eq!(keys(&stored(&world, &id).await), [&*eve.email, &*intruder]);
    let _ = undo(&api, &back).await.expect(204);
    assert_eq!(keys(&stored(&world, &id).await), [&*intruder, &*eve.email]);
    let _ = undo(&api, &first).await.expect(204);
    assert_eq!(keys(&stored(&world, &id).await), [&*eve.email]);
    api.login(&regain(&world, &api, &eve, 2).await).await;
}

/// As `change`, for a mailbox that got undo links before: the one of number `count`.
async fn undo_of(world: &World, me: &Api, person: &TestUser, new: &str, count: usize) -> String {
    let _ = ask(me, new, &person.password).await.expect(202);
    let _ = confirm(me, &token(world, new, CONFIRM).await).await.expect(204);
    linked(world, &person.email, UNDO, count).await[count - 1].token(UNDO)
}

/// Changes to an address that the account had before.
async fn undo_back(world: &World, me: &Api, person: &TestUser, old: &str) -> String {
    undo_of(world, me, person, old, 1).await
}

#[tokio::test]
async fn a_new_password_voids_a_request_but_no_undo() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "voided").await;
    let (_users, _emails, api) = world.start_both().await;
    let ada = world.test_user("ada");
    let id = api.register(&ada).await.expect(201).string("id");
    let me = api.with_token(&api.login(&ada).await.access);
    let (b, c) = (world.address("b"), world.address("c"));
    let undo_token = change(&world, &me, &ada, &b).await;
    // A reset link of the old address died with the change; one of the new lives.
    let _ = ask(&me, &c, &ada.password).await.expect(202);
    let requested = token(&world, &c, CONFIRM).await;
    let renewed = with_new_password(&with_email(&ada, &b), "renewed");
    let body = json!({ "currentPassword": ada.password, "newPassword": renewed.password });
    let _ = me.put("/api/users/me/password", &body).await.expect(204);
    let _ = confirm(&api, &requested).await.expect_problem(400, "token-invalid");

    let _ = api.post("/api/auth/password-reset", &json!({ "email": b })).await.expect(202);
    let reset = token(&world, &b, "/reset-password").await;
    let again = with_new_password(&with_email(&ada, &b), "again");
    let body = json!({ "token": reset, "newPassword": again.password });
    let _ = api.post("/api/auth/password-reset/confirm", &body).await.expect(204);
    api.login(&again).await;
    // No kind of token is good for anything else.
    for wrong in [&reset, &requested] {
        let _ = undo(&api, wrong).await.expect_problem(400, "token-invalid");
    }
    let _ = confirm(&api, &undo_token).await.expect_problem(400, "token-invalid");
    let body = json!({ "token": undo_token, "newPassword": again.password });
    let _ = api.post("/api/auth/password-reset/confirm", &body).await.expect_problem(400, "token-invalid");
    let _ = undo(&api, &undo_token).await.expect(204);
    assert_eq!(stored(&world, &id).await.get_str("email").expect("an address"), ada.email);

    let regained = regain(&world, &api, &with_email(&again, &ada.email), 1).await;
    as_many_addresses_as_are_kept(&world, &api, &regained, &id).await;
}
