//! Registration that does not reveal whether an address has an account (`auth.registration = "hidden"`): every
//! request of a client for a free and for a taken address, the mails to both, and the later life of the account.

use bson::{Document, doc};
use e2e::{
    accounts::{
        confirm_reset, register_with_key, request_reset, try_login, verify_email, with_cheap_hashes, with_new_password,
    },
    comparable_response::ComparableResponse,
};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, DEADLINE, Service, ServiceSpec, Stack, TestUser, World, count, wait_for};

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

async fn start_both(name: &str) -> (World, Service, Service, Api) {
    let world = World::new(&Stack::from_env(), name).await;
    let (users, emails, api) = world.start_both_with(with_hidden_registration(&world)).await;
    (world, users, emails, api)
}

async fn register(api: &Api, user: &TestUser) {
    let answer = api.register(user).await.expect(202);
    assert_eq!(answer.json(), json!({ "status": "verification-pending" }));
}

/// Waits for a mail whose subject begins with `subject`, and returns the token of its link.
async fn mailed_token(world: &World, email: &str, subject: &str, page: &str) -> String {
    world.mailbox(email).wait_for_subject(subject).await.token(page)
}

async fn verify(world: &World, api: &Api, user: &TestUser) {
    let token = mailed_token(world, &user.email, "Welcome to ", "/verify-email").await;
    let _ = verify_email(api, &token).await.expect(204);
}

async fn username_of(api: &Api, user: &TestUser) -> String {
    let me = api.logged_in_as(user).await;
    me.get("/api/users/me").await.expect(200).string("username")
}

async fn find_user(world: &World, email: &str) -> Option<Document> {
    let users = world.user_collection("users").await;
    users.find_one(doc! { "email": email }).await.expect("users can be read")
}

async fn wait_until_registered(world: &World, user: &TestUser) -> Document {
    wait_for(DEADLINE, "the account", async || find_user(world, &user.email).await).await
}

/// Registers a user, and returns the stored document once the account exists.
async fn register_and_wait(world: &World, api: &Api, user: &TestUser) -> Document {
    register(api, user).await;
    wait_until_registered(world, user).await
}

/// A response to a request, without the names of the client.
#[derive(Debug, PartialEq, Eq)]
struct RecordedResponse {
    what: &'static str,
    response: ComparableResponse,
}

fn record_response(what: &'static str, answer: &ApiResponse, user: &TestUser) -> RecordedResponse {
    let mut response = ComparableResponse::new(answer);
    response.body = response.body.replace(&user.email, "EMAIL").replace(&user.username, "USERNAME");
    RecordedResponse { what, response }
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
        let registration = user.registration_with("displayName", BAIT);
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
    let (world, mut users, _emails, api) = start_both("hidden").await;
    let (owner, never) = (world.test_user("owner"), world.test_user("never"));
    for user in [&owner, &never] {
        register_and_wait(&world, &api, user).await;
    }
    verify(&world, &api, &owner).await;
    let own_session = api.logged_in_as(&owner).await;

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
    let statuses: Vec<u16> = answers[0].iter().map(|it| it.response.status).collect();
    assert_eq!(statuses, [202, 401, 202, 202, 202, 401, 401, 401, 202, 202, 202, 202, 422, 401]);
    let first = &answers[0][0].response;
    assert_eq!(first.header("cache-control"), "no-store");
    assert!(!first.headers.contains_key("etag") && !first.headers.contains_key("location"));

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
    let (world, _users, _emails, api) = start_both("hiddenmails").await;
    let owner = world.test_user("owner");
    register(&api, &owner).await;
    verify(&world, &api, &owner).await;
    let fresh = world.address("fresh");
    for email in [&fresh, &owner.email] {
        let client = TestUser { email: email.clone(), ..world.test_user("client") };
        let _ = api.post("/api/users", &client.registration_with("displayName", BAIT)).await.expect(202);
    }
    assert!(!mailed_token(&world, &fresh, "Welcome to ", "/verify-email").await.is_empty());
    assert!(!mailed_token(&world, &owner.email, ATTEMPTED, "/reset-password").await.is_empty());
    for mail in [world.mailbox(&fresh).mails().await, world.mailbox(&owner.email).mails().await].concat() {
        assert!(!mail.raw.contains("8755") && !mail.text.contains("client-"), "{}", mail.raw);
    }
}

#[tokio::test]
async fn login_and_username_work_once_the_address_is_verified() {
    let (world, _users, _emails, api) = start_both("hiddenlife").await;
    let ada = world.test_user("ada");
    let stored = register_and_wait(&world, &api, &ada).await;
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
    let (world, _users, _emails, api) = start_both("hiddenname").await;
    let ada = world.test_user("ada");
    let eve = TestUser { username: ada.username.clone(), ..world.test_user("eve") };
    let zoe = TestUser { username: ada.username.clone(), ..world.test_user("zoe") };
    for user in [&ada, &eve, &zoe] {
        register_and_wait(&world, &api, user).await;
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
    request_reset(&api, &zoe.email).await;
    let token = mailed_token(&world, &zoe.email, "Reset your password", "/reset-password").await;
    let zoe = with_new_password(&zoe, "renewed");
    let _ = confirm_reset(&api, &token, &zoe.password).await.expect(204);
    let other = username_of(&api, &zoe).await;
    assert!(is_a_variant(&other) && other != variant, "{other}");
}

#[tokio::test]
async fn an_attacker_who_registers_an_address_first_does_not_lock_its_owner_out() {
    let (world, _users, _emails, api) = start_both("hiddenfirst").await;
    let owner = world.test_user("owner");
    let attacker = TestUser { email: owner.email.clone(), ..world.test_user("attacker") };
    register_and_wait(&world, &api, &attacker).await;
    register(&api, &owner).await;
    let token = mailed_token(&world, &owner.email, ATTEMPTED, "/reset-password").await;
    let _ = confirm_reset(&api, &token, &owner.password).await.expect(204);
    api.login(&owner).await;
    let _ = try_login(&api, &owner.email, &attacker.password).await.expect_problem(401, "invalid-credentials");
    assert_eq!(count(&world.user_collection("users").await, doc! {}).await, 1);
}

#[tokio::test]
async fn the_same_request_sent_again_makes_one_account_and_one_mail() {
    let (world, _users, _emails, api) = start_both("hiddenkey").await;
    let (ada, eve) = (world.test_user("ada"), world.test_user("eve"));
    let send = async |user: &TestUser| {
        let _ = register_with_key(&api, "one-key", &user.registration()).await.expect(202);
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
    register_and_wait(&world, &api, &zoe).await;
    let stored = find_user(&world, &ada.email).await.expect("the account exists");
    assert!(stored.get_array("tokens").is_ok_and(Vec::is_empty), "a link was mailed: {stored}");
}

#[tokio::test]
async fn a_hidden_registration_stays_closed_when_registration_is_open_again() {
    let (world, mut users, _emails, api) = start_both("hiddenopen").await;
    let ada = world.test_user("ada");
    register_and_wait(&world, &api, &ada).await;
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
    assert_eq!(count(&world.user_collection("users").await, doc! {}).await, PEOPLE as u64);
}
