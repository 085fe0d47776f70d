//! Registration that does not reveal whether an address has an account (`auth.registration = "hidden"`): every
//! request of a client for a free and for a taken address, the mails to both, and the later life of the account.

use std::collections::BTreeMap;

use bson::{Document, doc};
use e2e::accounts::{try_login, with_cheap_hashes, with_new_password};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, DEADLINE, Service, ServiceSpec, Stack, TestUser, World, wait_for};

const ATTEMPTED: &str = "You already have an account at ";
/// A text that an attacker wants to have mailed.
const BAIT: &str = "You won 8755 EUR";

/// Makes hashes cheap, takes the network from `X-Forwarded-For`, and sets limits that count but do not refuse.
fn with_hidden_registration(world: &World) -> ServiceSpec {
    let spec = world.user_service().set("AUTH__REGISTRATION", "hidden").set("HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let spec = with_cheap_hashes(spec);
    let limits = ["LOGIN_FREE_FAILURES", "ACCOUNT_FREE_FAILURES", "MAILS_PER_ADDRESS"];
    let spec = limits.iter().fold(spec, |spec, limit| spec.set(&format!("LIMITS__{limit}"), "1000"));
    spec.set("LIMITS__ENABLED", "true")
}

async fn start_both(world: &World) -> (Service, Service, Api) {
    let users = with_hidden_registration(world);
    let links = users.base_url();
    let (users, emails) = tokio::join!(users.start(), world.email_service().set("MAIL__LINK_BASE_URL", links).start());
    let api = users.api();
    (users, emails, api)
}

async fn register(api: &Api, user: &TestUser) {
    let answer = api.register(user).await.expect(202);
    assert_eq!(answer.json(), json!({ "status": "verification-pending" }));
}

/// Waits for a mail whose subject begins with `subject`, and returns the token of its link.
async fn mailed_token(world: &World, email: &str, subject: &str, page: &str) -> String {
    let mailbox = world.mailbox(email);
    wait_for(DEADLINE, &format!("the mail {subject:?}"), async || {
        let mails = mailbox.mails().await;
        mails.iter().find(|mail| mail.subject.starts_with(subject)).map(|mail| mail.token(page))
    })
    .await
}

async fn verify(world: &World, api: &Api, user: &TestUser) {
    let token = mailed_token(world, &user.email, "Welcome to ", "/verify-email").await;
    let _ = api.post("/api/auth/email-verification", &json!({ "token": token })).await.expect(204);
}

async fn username_of(api: &Api, user: &TestUser) -> String {
    let me = api.with_token(&api.login(user).await.access);
    me.get("/api/users/me").await.expect(200).string("username")
}

async fn find_user(world: &World, email: &str) -> Option<Document> {
    let users = world.user_database().await.collection::<Document>("users");
    users.find_one(doc! { "email": email }).await.expect("users can be read")
}

async fn wait_until_registered(world: &World, user: &TestUser) -> Document {
    wait_for(DEADLINE, "the account", async || find_user(world, &user.email).await).await
}

/// A response without the parts that differ in every request: the request id, the date, and the seconds until a limit
/// resets.
#[derive(Debug, PartialEq, Eq)]
struct RecordedResponse {
    what: &'static str,
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

fn record_response(what: &'static str, answer: &ApiResponse, user: &TestUser) -> RecordedResponse {
    let changing = ["date", "x-request-id", "traceparent"];
    let headers = answer.headers.iter().filter(|(name, _)| !changing.contains(&name.as_str())).map(|(name, value)| {
        let value = value.to_str().unwrap_or_default();
        let value = if name == "ratelimit" { value.rsplit_once(";t=").map_or(value, |(rest, _)| rest) } else { value };
        (name.as_str().to_owned(), value.to_owned())
    });
    // Problems repeat the request id.
    let body = answer.text.replace(&answer.header("x-request-id"), "REQUEST");
    let body = body.replace(&user.email, "EMAIL").replace(&user.username, "USERNAME");
    RecordedResponse { what, status: answer.status, headers: headers.collect(), body }
}

/// A client in one network, with the responses it got.
struct Client<'a> {
    api: &'a Api,
    network: &'a str,
    user: TestUser,
    responses: Vec<RecordedResponse>,
}

impl Client<'_> {
    async fn send(&mut self, what: &'static str, path: &str, body: &Value, key: Option<&str>) {
        let request = self.api.request(Method::POST, path).header("x-forwarded-for", self.network).json(body);
        let request = match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        };
        let answer = self.api.send(request).await;
        self.responses.push(record_response(what, &answer, &self.user));
    }

    /// Sends every request that a client can try with an address that it does not own. `other` is another address.
    async fn try_everything(mut self, other: &str) -> Vec<RecordedResponse> {
        let user = self.user.clone();
        let mut registration = user.registration();
        registration["displayName"] = json!(BAIT);
        let (users, login, key) = ("/api/users", "/api/auth/login", format!("key-of-{}", self.network));
        let credentials = |identifier: &str| json!({ "identifier": identifier, "password": user.password });
        let address = json!({ "email": user.email });
        self.send("register", users, &registration, None).await;
        self.send("log in at once", login, &credentials(&user.email), None).await;
        self.send("register again", users, &registration, None).await;
        self.send("register with a key", users, &registration, Some(&key)).await;
        self.send("repeat it", users, &registration, Some(&key)).await;
        self.send("log in by address", login, &credentials(&user.email), None).await;
        self.send("log in by username", login, &credentials(&user.username), None).await;
        self.send("log in by a wrong password", login, &json!({ "identifier": user.email, "password": "wrong" }), None)
            .await;
        let same_name = json!({ "username": user.username, "email": other, "password": user.password });
        self.send("is the username free", users, &same_name, None).await;
        let mut same_address = registration.clone();
        same_address["username"] = json!(format!("x{}", &user.username[1..]));
        self.send("register another username", users, &same_address, None).await;
        self.send("reset", "/api/auth/password-reset", &address, None).await;
        self.send("resend", "/api/auth/email-verification/resend", &address, None).await;
        let weak = json!({ "username": user.username, "email": user.email, "password": "password" });
        self.send("register with a weak password", users, &weak, None).await;
        self.send("log in once more", login, &credentials(&user.email), None).await;
        self.responses
    }
}

#[tokio::test]
async fn the_responses_for_a_free_and_a_taken_address_are_the_same() {
    let world = World::new(&Stack::from_env(), "hidden").await;
    let (mut users, _emails, api) = start_both(&world).await;
    let (owner, never) = (world.test_user("owner"), world.test_user("never"));
    for user in [&owner, &never] {
        register(&api, user).await;
        wait_until_registered(&world, user).await;
    }
    verify(&world, &api, &owner).await;
    let own_session = api.with_token(&api.login(&owner).await.access);

    // The three clients use a free address, the address of an account, and the address of an unverified account. Each
    // has a free username and its own network.
    let mut answers = Vec::new();
    for (network, name, email) in [
        ("198.51.100.1", "clienta", world.address("fresh")),
        ("198.51.101.1", "clientb", owner.email.clone()),
        ("198.51.102.1", "clientc", never.email.clone()),
    ] {
        let user = TestUser { email, ..world.test_user(name) };
        let other = world.address(&format!("other-{name}"));
        let client = Client { api: &api, network, user, responses: Vec::new() };
        answers.push(client.try_everything(&other).await);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    let statuses: Vec<u16> = answers[0].iter().map(|response| response.status).collect();
    assert_eq!(statuses, [202, 401, 202, 202, 202, 401, 401, 401, 202, 202, 202, 202, 422, 401]);
    assert_eq!(answers[0][0].headers.get("cache-control").map(String::as_str), Some("no-store"));
    assert!(!answers[0][0].headers.contains_key("etag") && !answers[0][0].headers.contains_key("location"));

    // The username of an account is taken, whatever the address.
    for email in [world.address("unknown"), never.email.clone(), world.address("elsewhere")] {
        let body = json!({ "username": owner.username, "email": email, "password": owner.password });
        let _ = api.post("/api/users", &body).await.expect_problem(409, "username-taken");
    }

    // The owner's account has not changed.
    let _ = own_session.get("/api/users/me").await.expect(200);
    api.login(&owner).await;
    let attempted = world.topic_reader().read_type("user.registration_attempted.v1", 1).await;
    assert!(attempted.iter().all(|record| !record.contains(BAIT.as_bytes())));
    let recipients: Vec<Value> = attempted.iter().map(|record| record.json()["recipient"]["email"].clone()).collect();
    assert!(recipients.contains(&json!(owner.email)) && recipients.contains(&json!(never.email)), "{recipients:?}");
    assert_eq!(users.terminate().await.code(), Some(0));
}

/// The new user can verify, and the owner is notified and can reset the password; neither mail contains a text that
/// the client chose.
#[tokio::test]
async fn only_the_mailboxes_reveal_whether_an_address_is_taken() {
    let world = World::new(&Stack::from_env(), "hiddenmails").await;
    let (_users, _emails, api) = start_both(&world).await;
    let owner = world.test_user("owner");
    register(&api, &owner).await;
    verify(&world, &api, &owner).await;
    let fresh = world.address("fresh");
    for email in [&fresh, &owner.email] {
        let client = TestUser { email: email.clone(), ..world.test_user("client") };
        let mut registration = client.registration();
        registration["displayName"] = json!(BAIT);
        let _ = api.post("/api/users", &registration).await.expect(202);
    }
    assert!(!mailed_token(&world, &fresh, "Welcome to ", "/verify-email").await.is_empty());
    assert!(!mailed_token(&world, &owner.email, ATTEMPTED, "/reset-password").await.is_empty());
    for mail in [world.mailbox(&fresh).mails().await, world.mailbox(&owner.email).mails().await].concat() {
        assert!(!mail.raw.contains("8755") && !mail.text.contains("client-"), "{}", mail.raw);
    }
}

#[tokio::test]
async fn login_and_username_work_once_the_address_is_verified() {
    let world = World::new(&Stack::from_env(), "hiddenlife").await;
    let (_users, _emails, api) = start_both(&world).await;
    let ada = world.test_user("ada");
    register(&api, &ada).await;
    let stored = wait_until_registered(&world, &ada).await;
    assert_eq!(stored.get_str("username").ok(), Some(ada.username.as_str()));
    assert!(!stored.contains_key("usernameKeys"), "{stored}");
    for identifier in [&ada.email, &ada.username] {
        let _ = try_login(&api, identifier, &ada.password).await.expect_problem(401, "invalid-credentials");
    }
    verify(&world, &api, &ada).await;
    for identifier in [&ada.email, &ada.username] {
        let _ = try_login(&api, identifier, &ada.password).await.expect(200);
    }
    assert_eq!(username_of(&api, &ada).await, ada.username);
    let stored = find_user(&world, &ada.email).await.expect("the account exists");
    assert!(!stored.contains_key("unclaimed") && stored.contains_key("usernameKeys"), "{stored}");
    let registered = world.topic_reader().read_type("user.registered.v1", 1).await.remove(0);
    assert_eq!(registered.json()["username"], ada.username);
    let eve = TestUser { username: ada.username.clone(), ..world.test_user("eve") };
    let _ = api.register(&eve).await.expect_problem(409, "username-taken");
}

#[tokio::test]
async fn a_username_that_was_taken_in_the_meantime_gets_a_number_at_the_verification() {
    let world = World::new(&Stack::from_env(), "hiddenname").await;
    let (_users, _emails, api) = start_both(&world).await;
    let ada = world.test_user("ada");
    let eve = TestUser { username: ada.username.clone(), ..world.test_user("eve") };
    let zoe = TestUser { username: ada.username.clone(), ..world.test_user("zoe") };
    for user in [&ada, &eve, &zoe] {
        register(&api, user).await;
        wait_until_registered(&world, user).await;
    }
    verify(&world, &api, &eve).await;
    verify(&world, &api, &ada).await;
    assert_eq!(username_of(&api, &eve).await, eve.username);
    let variant = username_of(&api, &ada).await;
    let is_a_variant = |variant: &str| {
        let number = variant.rsplit_once('-').map(|(_, number)| number.to_owned()).unwrap_or_default();
        number.len() == 4 && number.bytes().all(|digit| digit.is_ascii_digit()) && variant.chars().count() <= 32
    };
    assert!(is_a_variant(&variant) && variant != ada.username, "{variant}");
    let _ = try_login(&api, &variant, &ada.password).await.expect(200);
    let changed = world.topic_reader().read_type("user.profile_updated.v1", 1).await.remove(0);
    assert_eq!(changed.json()["changed"], json!(["username"]));
    // A reset also proves the address for the first time.
    let reset = json!({ "email": zoe.email });
    let _ = api.post("/api/auth/password-reset", &reset).await.expect(202);
    let token = mailed_token(&world, &zoe.email, "Reset your password", "/reset-password").await;
    let zoe = with_new_password(&zoe, "renewed");
    let body = json!({ "token": token, "newPassword": zoe.password });
    let _ = api.post("/api/auth/password-reset/confirm", &body).await.expect(204);
    let other = username_of(&api, &zoe).await;
    assert!(is_a_variant(&other) && other != variant, "{other}");
}

#[tokio::test]
async fn an_attacker_who_registers_an_address_first_does_not_lock_its_owner_out() {
    let world = World::new(&Stack::from_env(), "hiddenfirst").await;
    let (_users, _emails, api) = start_both(&world).await;
    let owner = world.test_user("owner");
    let attacker = TestUser { email: owner.email.clone(), ..world.test_user("attacker") };
    register(&api, &attacker).await;
    wait_until_registered(&world, &attacker).await;
    register(&api, &owner).await;
    let token = mailed_token(&world, &owner.email, ATTEMPTED, "/reset-password").await;
    let body = json!({ "token": token, "newPassword": owner.password });
    let _ = api.post("/api/auth/password-reset/confirm", &body).await.expect(204);
    api.login(&owner).await;
    let _ = try_login(&api, &owner.email, &attacker.password).await.expect_problem(401, "invalid-credentials");
    let users = world.user_database().await.collection::<Document>("users");
    assert_eq!(users.count_documents(doc! {}).await.expect("users can be counted"), 1);
}

#[tokio::test]
async fn the_same_request_sent_again_makes_one_account_and_one_mail() {
    let world = World::new(&Stack::from_env(), "hiddenkey").await;
    let (_users, _emails, api) = start_both(&world).await;
    let (ada, eve) = (world.test_user("ada"), world.test_user("eve"));
    let send = async |user: &TestUser| {
        let request = api.request(Method::POST, "/api/users").header("idempotency-key", "one-key");
        let _ = api.send(request.json(&user.registration())).await.expect(202);
    };
    for _ in 0..3 {
        send(&ada).await;
    }
    // A request of another user has another key, or none.
    send(&eve).await;
    wait_until_registered(&world, &ada).await;
    wait_until_registered(&world, &eve).await;
    verify(&world, &api, &ada).await;
    // By now the account has the username.
    send(&ada).await;
    verify(&world, &api, &eve).await;
    // Registrations are decided in the order of their responses.
    let zoe = world.test_user("zoe");
    register(&api, &zoe).await;
    wait_until_registered(&world, &zoe).await;
    let stored = find_user(&world, &ada.email).await.expect("the account exists");
    assert!(stored.get_array("tokens").is_ok_and(Vec::is_empty), "a link was mailed: {stored}");
}

#[tokio::test]
async fn a_hidden_registration_stays_closed_when_registration_is_open_again() {
    let world = World::new(&Stack::from_env(), "hiddenopen").await;
    let (mut users, _emails, api) = start_both(&world).await;
    let ada = world.test_user("ada");
    register(&api, &ada).await;
    wait_until_registered(&world, &ada).await;
    assert_eq!(users.terminate().await.code(), Some(0));
    users.restart_with(|spec| spec.set("AUTH__REGISTRATION", "open")).await;
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "invalid-credentials");
    let _ = api.register(&ada).await.expect_problem(409, "email-taken");
    // Its username is not taken; the user who gets it keeps it.
    let eve = TestUser { username: ada.username.clone(), ..world.test_user("eve") };
    let _ = api.register(&eve).await.expect(201);
    verify(&world, &api, &ada).await;
    assert_ne!(username_of(&api, &ada).await, ada.username);
    assert_eq!(username_of(&api, &eve).await, eve.username);
}

#[tokio::test]
async fn accepted_registrations_are_decided_before_the_service_exits() {
    const PEOPLE: usize = 12;
    let world = World::new(&Stack::from_env(), "hiddendrain").await;
    let mut users = with_hidden_registration(&world).fail_points("register.before_settle=sleep(100)").start().await;
    let api = users.api();
    for n in 0..PEOPLE {
        register(&api, &world.test_user(&format!("person{n:02}"))).await;
    }
    assert_eq!(users.terminate().await.code(), Some(0));
    let stored = world.user_database().await.collection::<Document>("users");
    let count = stored.count_documents(doc! {}).await.expect("users can be counted");
    assert_eq!(count, u64::try_from(PEOPLE).expect("the number fits"));
}
