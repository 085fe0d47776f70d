//! Another e-mail address: asked for, confirmed, taken back, and given free, through both services.

use bson::{Bson, DateTime, Document, doc};
use reqwest::{Method, header};
use serde_json::{Value, json};
use test_support::{
    Api, ApiResponse, DEADLINE, ReceivedMail, Record, Service, Stack, TestUser, Tokens, World, remember_secret,
    wait_for,
};

const CONFIRM: &str = "/confirm-email";
const UNDO: &str = "/undo-email-change";

/// Asks for another address.
async fn ask(me: &Api, new: &str, password: &str) -> ApiResponse {
    me.put("/api/users/me/email", &json!({ "newEmail": new, "password": password })).await
}

async fn confirm(api: &Api, token: &str) -> ApiResponse {
    api.post("/api/auth/email-change/confirm", &json!({ "token": token })).await
}

async fn undo(api: &Api, token: &str) -> ApiResponse {
    api.post("/api/auth/email-change/undo", &json!({ "token": token })).await
}

async fn try_login(api: &Api, identifier: &str, password: &str) -> ApiResponse {
    api.post("/api/auth/login", &json!({ "identifier": identifier, "password": password })).await
}

/// The mails to an address that link to a page, oldest first; waits until there are `count`.
async fn linked(world: &World, address: &str, page: &str, count: usize) -> Vec<ReceivedMail> {
    let mailbox = world.mailbox(address);
    let marker = format!("{page}?token=");
    wait_for(DEADLINE, &format!("{count} mail(s) to {address} with a link to {page}"), async || {
        let mut mails = mailbox.mails().await;
        mails.retain(|mail| mail.text.contains(&marker));
        (mails.len() >= count).then_some(mails)
    })
    .await
}

/// The token of the link that is alone of its kind in a mailbox.
async fn token(world: &World, address: &str, page: &str) -> String {
    linked(world, address, page, 1).await.remove(0).token(page)
}

/// Asks and confirms; the undo token that the old address gets.
async fn change(world: &World, me: &Api, person: &TestUser, new: &str) -> String {
    let _ = ask(me, new, &person.password).await.expect(202);
    let _ = confirm(me, &token(world, new, CONFIRM).await).await.expect(204);
    let old = linked(world, &person.email, UNDO, 1).await;
    old.last().expect("there is one").token(UNDO)
}

/// Sets a new password by the reset that an undo has begun, in reset mail number `count` of the
/// mailbox: the old password is unusable.
async fn regain(world: &World, api: &Api, person: &TestUser, count: usize) -> TestUser {
    let _ = try_login(api, &person.email, &person.password).await.expect_problem(401, "invalid-credentials");
    let regained = TestUser { password: format!("{} regained", person.password), ..person.clone() };
    remember_secret("password", &regained.password);
    let reset = linked(world, &person.email, "/reset-password", count).await[count - 1].token("/reset-password");
    let body = json!({ "token": reset, "newPassword": regained.password });
    let _ = api.post("/api/auth/password-reset/confirm", &body).await.expect(204);
    regained
}

/// The same person under another address.
fn at(person: &TestUser, email: &str) -> TestUser {
    TestUser { email: email.to_owned(), ..person.clone() }
}

/// What MongoDB has of an account.
async fn stored(world: &World, id: &str) -> Document {
    let users = world.user_database().await.collection::<Document>("users");
    let id = bson::Uuid::parse_str(id).expect("an id is a UUID");
    users.find_one(doc! { "_id": id }).await.expect("users can be read").expect("the user is there")
}

fn keys(user: &Document) -> Vec<&str> {
    user.get_array("emailKeys").expect("keys").iter().filter_map(Bson::as_str).collect()
}

/// What the page's button sends.
async fn post_form(api: &Api, page: &str, token: &str) -> ApiResponse {
    api.submit(page, &[("token", token), ("confirmed", "yes")]).await
}

#[tokio::test]
async fn another_spelling_of_the_present_address_is_written_at_once_and_nothing_is_mailed() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "spelling").await;
    let service = world.user_service().start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let id = api.register(&ada).await.expect(201).string("id");
    let users = world.user_database().await.collection::<Document>("users");
    let verified = doc! { "$set": { "emailVerified": true } };
    users.update_one(doc! { "email": &ada.email }, verified).await.expect("users can be written");
    let me = api.with_token(&api.login(&ada).await.access);
    let before = stored(&world, &id).await;

    let other = ada.email.replacen('a', "A", 1);
    assert_ne!(other, ada.email);
    let _ = ask(&me, &other, "not the password").await.expect_problem(403, "wrong-password");
    assert_eq!(me.get("/api/users/me").await.expect(200).json()["email"], ada.email);
    assert!(ask(&me, &other, &ada.password).await.expect(202).text.is_empty());
    let account = me.get("/api/users/me").await.expect(200).json();
    assert_eq!((&account["email"], &account["emailVerified"]), (&json!(other), &json!(true)));
    let refused = ask(&me, &format!("{other} "), &ada.password).await.expect_problem(422, "validation-failed");
    assert_eq!(refused.json()["errors"][0]["code"], "unchanged");

    // Only the spelling: keys, links that are out and reserved addresses are as they were.
    let after = stored(&world, &id).await;
    for field in ["emailKeys", "tokens", "reserved"] {
        assert_eq!(after.get(field), before.get(field), "{field}");
    }
    api.login(&at(&ada, &other.to_uppercase())).await;
    let mut topic = world.topic_reader();
    topic.read_type("user.logged_in.v1", 2).await;
    let told: Vec<&Record> = topic.records().iter().filter(|it| it.event_type().contains("email_change")).collect();
    assert!(told.is_empty(), "{told:?}");
    let updated = topic.read_type("user.profile_updated.v1", 1).await.remove(0);
    assert_eq!(updated.json()["changed"], json!(["email"]));
}

#[tokio::test]
async fn an_address_is_another_when_the_new_one_confirms_it() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "newaddress").await;
    let (_users, _emails, api) = world.start_both().await;
    let (ada, grace) = (world.test_user("ada"), world.test_user("grace"));
    let id = api.register(&ada).await.expect(201).string("id");
    let _ = api.register(&grace).await.expect(201);
    let tokens = api.login(&ada).await;
    let me = api.with_token(&tokens.access);
    let (typo, new) = (world.address("ad"), world.address("Ada.New"));

    let _ = ask(&me, &new, "not the password").await.expect_problem(403, "wrong-password");
    for (wrong, code) in [("nobody", "not-an-address"), (&*format!(" {}", ada.email), "unchanged")] {
        let refused = ask(&me, wrong, &ada.password).await.expect_problem(422, "validation-failed");
        assert_eq!(refused.json()["errors"][0]["pointer"], "#/newEmail", "{}", refused.text);
        assert_eq!(refused.json()["errors"][0]["code"], code);
    }
    let _ = ask(&api, &new, &ada.password).await.expect_problem(401, "unauthorized");

    // A second request replaces the first: the typo's owner cannot confirm any more.
    let _ = ask(&me, &typo, &ada.password).await.expect(202);
    let stale = token(&world, &typo, CONFIRM).await;
    assert!(ask(&me, &new, &ada.password).await.expect(202).text.is_empty());
    let _ = confirm(&api, &stale).await.expect_problem(400, "token-invalid");
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

    // Nothing has changed yet, and looking at the page changes nothing.
    let fresh = token(&world, &new, CONFIRM).await;
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
    let _ = confirm(&api, &fresh).await.expect_problem(400, "token-invalid");
    // Whoever is signed in stays it.
    let after = me.get("/api/users/me").await.expect(200).json();
    assert_eq!((&after["email"], &after["emailVerified"]), (&json!(new), &json!(true)));
    api.login(&at(&ada, &new.to_lowercase())).await;
    let changed = topic.read_type("user.email_changed.v1", 1).await.remove(0);
    assert_eq!(changed.json()["oldEmail"], ada.email);
    assert_eq!(changed.json()["newEmail"], new);
    assert_eq!(changed.json()["recipient"]["email"], ada.email);
    let told = linked(&world, &ada.email, UNDO, 1).await.remove(0);
    assert_eq!(told.subject, "Your email address was changed");

    the_old_address_is_nobodys(&world, &api, &ada, &grace).await;

    // The whole account goes, and both addresses with it.
    let _ = me.delete("/api/users/me", Some(&json!({ "password": ada.password }))).await.expect(204);
    let undo_token = told.token(UNDO);
    let _ = undo(&api, &undo_token).await.expect_problem(400, "token-invalid");
    assert_ne!(api.register(&ada).await.expect(201).string("id"), id);
    let _ = api.register(&TestUser { username: "ada-anew".to_owned(), ..at(&ada, &new) }).await.expect(201);
}

/// It does not log in, gets no mail, and nobody else can have it.
async fn the_old_address_is_nobodys(world: &World, api: &Api, ada: &TestUser, grace: &TestUser) {
    let _ = try_login(api, &ada.email, &ada.password).await.expect_problem(401, "invalid-credentials");
    let late = TestUser { username: "somebody-else".to_owned(), ..ada.clone() };
    let _ = api.register(&late).await.expect_problem(409, "email-taken");
    // The request says nothing; the confirmation does, and the token stays what it is.
    let graces = api.with_token(&api.login(grace).await.access);
    let mails = world.mailbox(&ada.email).mails().await.len();
    assert!(ask(&graces, &ada.email, &grace.password).await.expect(202).text.is_empty());
    let reserved = token(world, &ada.email, CONFIRM).await;
    for _ in 0..2 {
        let _ = confirm(api, &reserved).await.expect_problem(409, "email-taken");
    }
    let page = post_form(api, CONFIRM, &reserved).await.expect(409);
    assert!(page.text.contains("This email address is taken"), "{}", page.text);
    assert_eq!(graces.get("/api/users/me").await.expect(200).json()["email"], grace.email);

    for email in [&ada.email, &grace.email] {
        let _ = api.post("/api/auth/password-reset", &json!({ "email": email })).await.expect(202);
        let _ = api.post("/api/auth/email-verification/resend", &json!({ "email": email })).await.expect(202);
    }
    // The queue is worked off in order: Grace's come last.
    let mut topic = world.topic_reader();
    topic.read_type("user.email_verification_requested.v1", 1).await;
    topic.read_all().await;
    for event_type in ["user.password_reset_requested.v1", "user.email_verification_requested.v1"] {
        let of_type: Vec<Value> =
            topic.records().iter().filter(|it| it.event_type() == event_type).map(Record::json).collect();
        assert_eq!(of_type.len(), 1, "{event_type}");
        assert_eq!(of_type[0]["recipient"]["email"], grace.email);
    }
    assert_eq!(world.mailbox(&ada.email).mails().await.len(), mails + 1, "only the confirmation that Grace asked for");
}

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
    assert!(api.send(german).await.expect(200).text.contains("Änderung rückgängig machen"));
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
    let renewed = TestUser { password: format!("{} renewed", ada.password), ..ada.clone() };
    remember_secret("password", &renewed.password);
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
    let _ = api.register(&TestUser { username: "mallory-too".to_owned(), ..at(&ada, &mallory) }).await.expect(201);
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
    let second = change(&world, &me, &at(&ada, &b), &c).await;
    assert_eq!(keys(&stored(&world, &id).await), [&*c, &*ada.email, &*b]);
    for (reserved, name) in [(&ada.email, "late-one"), (&b, "late-two")] {
        let late = TestUser { username: name.to_owned(), ..at(&ada, reserved) };
        let _ = api.register(&late).await.expect_problem(409, "email-taken");
    }
    let _ = undo(&api, &first).await.expect(204);
    assert_eq!(keys(&stored(&world, &id).await), [&*ada.email]);
    let _ = undo(&api, &second).await.expect_problem(400, "token-invalid");
    api.login(&regain(&world, &api, &ada, 1).await).await;
    for (free, name) in [(&b, "free-one"), (&c, "free-two")] {
        let _ = api.register(&TestUser { username: name.to_owned(), ..at(&ada, free) }).await.expect(201);
    }

    // The second undone first: the first can be still. So an intruder who changes the
    // address twice and takes the second back does not void the owner's link.
    let id = api.register(&eve).await.expect(201).string("id");
    let me = api.with_token(&api.login(&eve).await.access);
    let (b, c) = (world.address("eve-b"), world.address("eve-c"));
    let first = change(&world, &me, &eve, &b).await;
    let second = change(&world, &me, &at(&eve, &b), &c).await;
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
    let back = undo_back(&world, &me, &at(&eve, &intruder), &eve.email).await;
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
async fn an_address_is_free_when_nobody_can_take_it_back_any_more() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "undottl").await;
    let (mut users, _emails, _) = world.start_both().await;
    assert_eq!(users.terminate().await.code(), Some(0));
    users.restart_with(|spec| spec.set("AUTH__UNDO_TTL", "10s")).await;
    let api = users.api();
    let (ada, grace) = (world.test_user("ada"), world.test_user("grace"));
    let id = api.register(&ada).await.expect(201).string("id");
    let _ = api.register(&grace).await.expect(201);
    let me = api.with_token(&api.login(&ada).await.access);
    let graces = api.with_token(&api.login(&grace).await.access);
    let b = world.address("b");
    let late = TestUser { username: "late-comer".to_owned(), ..ada.clone() };

    let undo_token = change(&world, &me, &ada, &b).await;
    let _ = api.register(&late).await.expect_problem(409, "email-taken");
    let came = wait_for(DEADLINE, "the address to be free", async || {
        let answer = api.register(&late).await;
        (answer.status == 201).then(|| answer.string("id"))
    })
    .await;
    assert_ne!(came, id);
    assert_eq!(keys(&stored(&world, &id).await), [&*b]);
    assert!(stored(&world, &id).await.get("reserved").is_none());
    let _ = undo(&api, &undo_token).await.expect_problem(400, "token-invalid");
    api.login(&late).await;
    assert_eq!(me.get("/api/users/me").await.expect(200).json()["email"], b);

    // By a change of somebody else's address too, of which the token waited.
    let c = world.address("c");
    let undo_token = change(&world, &me, &at(&ada, &b), &c).await;
    let _ = ask(&graces, &b, &grace.password).await.expect(202);
    // The first confirmation to b was Ada's.
    let waiting = linked(&world, &b, CONFIRM, 2).await[1].token(CONFIRM);
    wait_for(DEADLINE, "the address to be free", async || {
        let answer = confirm(&api, &waiting).await;
        match answer.status {
            204 => Some(()),
            _ => (answer.problem() != "email-taken").then(|| panic!("{}", answer.text)),
        }
    })
    .await;
    assert_eq!(graces.get("/api/users/me").await.expect(200).json()["email"], b);
    assert_eq!(keys(&stored(&world, &id).await), [&*c]);
    let _ = undo(&api, &undo_token).await.expect_problem(400, "token-invalid");

    the_sweep_gives_it_free(&world, &mut users, &me, &at(&ada, &c), &id).await;
}

/// Nobody asks for the address; housekeeping, which runs soon after a start, frees it.
async fn the_sweep_gives_it_free(world: &World, users: &mut Service, me: &Api, person: &TestUser, id: &str) {
    let d = world.address("d");
    change(world, me, person, &d).await;
    let before = stored(world, id).await;
    assert_eq!(keys(&before), [&*d, &*person.email]);
    let until = before.get_array("reserved").expect("reservations")[0].as_document().cloned().unwrap_or_default();
    let until = until.get_datetime("until").expect("a time").to_jiff();
    wait_for(DEADLINE, "the end of the reservation", async || {
        let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
        (i128::try_from(now.as_millis()).expect("a time") > i128::from(until.as_millisecond())).then_some(())
    })
    .await;
    assert_eq!(users.terminate().await.code(), Some(0));
    users.restart().await;
    let after = wait_for(DEADLINE, "the sweep", async || {
        let user = stored(world, id).await;
        (keys(&user) == [&*d]).then_some(user)
    })
    .await;
    assert!(after.get("reserved").is_none(), "{after}");
    assert_eq!(after.get_i64("version").ok(), before.get_i64("version").ok().map(|version| version + 1));
    assert_eq!(after.get_datetime("updatedAt").ok(), before.get_datetime("updatedAt").ok());
}

#[tokio::test]
async fn of_two_people_who_want_one_address_one_gets_it() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "oneaddress").await;
    let (_users, _emails, api) = world.start_both().await;
    let (ada, grace) = (world.test_user("ada"), world.test_user("grace"));
    let wanted = world.address("wanted");
    let mut tokens = Vec::new();
    for (count, person) in [&ada, &grace].into_iter().enumerate() {
        let _ = api.register(person).await.expect(201);
        let me = api.with_token(&api.login(person).await.access);
        let _ = ask(&me, &wanted, &person.password).await.expect(202);
        tokens.push((linked(&world, &wanted, CONFIRM, count + 1).await[count].token(CONFIRM), me));
    }
    let (first, second) = tokio::join!(confirm(&api, &tokens[0].0), confirm(&api, &tokens[1].0));
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
    topic.read_all().await;
    assert_eq!(topic.records().iter().filter(|it| it.event_type() == "user.email_changed.v1").count(), 1);

    // The token was not used up: when the address is free, it is worth what it says.
    let gone = json!({ "password": people[winner].password });
    let _ = tokens[winner].1.delete("/api/users/me", Some(&gone)).await.expect(204);
    let _ = confirm(&api, &tokens[loser].0).await.expect(204);
    assert_eq!(tokens[loser].1.get("/api/users/me").await.expect(200).json()["email"], wanted);
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
    let renewed = TestUser { password: format!("{} renewed", ada.password), ..at(&ada, &b) };
    remember_secret("password", &renewed.password);
    let body = json!({ "currentPassword": ada.password, "newPassword": renewed.password });
    let _ = me.put("/api/users/me/password", &body).await.expect(204);
    let _ = confirm(&api, &requested).await.expect_problem(400, "token-invalid");

    let _ = api.post("/api/auth/password-reset", &json!({ "email": b })).await.expect(202);
    let reset = token(&world, &b, "/reset-password").await;
    let again = TestUser { password: format!("{} again", ada.password), ..at(&ada, &b) };
    remember_secret("password", &again.password);
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

    let regained = regain(&world, &api, &at(&again, &ada.email), 1).await;
    as_many_addresses_as_are_kept(&world, &api, &regained, &id).await;
}

async fn as_many_addresses_as_are_kept(world: &World, api: &Api, person: &TestUser, id: &str) {
    let me = api.with_token(&api.login(person).await.access);
    let users = world.user_database().await.collection::<Document>("users");
    let user = bson::Uuid::parse_str(id).expect("an id is a UUID");
    // In the year 2096.
    let far = DateTime::from_millis(4_000_000_000_000);
    let kept: Vec<Document> =
        (0..10).map(|n| doc! { "key": world.address(&format!("kept-{n}")), "until": far }).collect();
    let mut keys = vec![person.email.clone()];
    keys.extend((0..10).map(|n| world.address(&format!("kept-{n}"))));
    let update = doc! { "$set": { "reserved": kept, "emailKeys": keys }, "$inc": { "version": 1_i64 } };
    let _ = users.update_one(doc! { "_id": user }, update).await.expect("users can be written");
    let refused = ask(&me, &world.address("eleventh"), &person.password).await;
    let _ = refused.expect_problem(409, "conflict");
    let late = TestUser { username: "collector".to_owned(), ..at(person, &world.address("kept-3")) };
    let _ = api.register(&late).await.expect_problem(409, "email-taken");
}
