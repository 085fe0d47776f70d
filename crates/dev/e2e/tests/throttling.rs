//! Throttling that holds whoever guesses and not whose account it is, and that tells nobody which accounts exist.

use std::net::Ipv4Addr;

use bson::{DateTime, Document, doc, spec::BinarySubtype};
use e2e::{
    accounts::{mark_email_verified, user_document, with_cheap_hashes, with_new_password},
    totp::enable_totp,
};
use futures_util::{TryStreamExt as _, future::join_all};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{
    Api, ApiResponse, DEADLINE, Mode, ServiceSpec, Stack, TcpProxy, TestUser, Tokens, World, remember_secret, wait_for,
};

const LOGIN: &str = "/api/auth/login";
const RESEND: &str = "/api/auth/email-verification/resend";
const RESET: &str = "/api/auth/password-reset";
/// No attempt of a test lasts so long.
const TOLERANCE: u64 = 20;

/// Limits on, networks played by `X-Forwarded-For`, waits so long that none ends by chance, hashes that cost nothing.
fn throttled(world: &World) -> ServiceSpec {
    let spec = world.user_service().set("LIMITS__ENABLED", "true").set("HTTP__TRUSTED_PROXIES", "127.0.0.1");
    let spec = spec.set("LIMITS__LOGIN_FIRST_WAIT", "10m").set("LIMITS__LOGIN_MAX_WAIT", "1h");
    with_cheap_hashes(spec)
}

async fn from(api: &Api, address: &str, path: &str, body: &Value) -> ApiResponse {
    api.send(api.request(Method::POST, path).header("x-forwarded-for", address).json(body)).await
}

/// A login with a password that nobody has.
async fn guess(api: &Api, address: &str, identifier: &str) -> ApiResponse {
    from(api, address, LOGIN, &json!({ "identifier": identifier, "password": "a guess of a password" })).await
}

async fn sign_in(api: &Api, address: &str, person: &TestUser) -> ApiResponse {
    from(api, address, LOGIN, &json!({ "identifier": person.email, "password": person.password })).await
}

/// Everything of an answer that could tell something, but for the seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    status: u16,
    problem: String,
    detail: String,
    policy: String,
    remaining: String,
    headers: Vec<String>,
}

fn said(answer: &ApiResponse) -> Said {
    let limit = answer.header("ratelimit");
    let mut headers: Vec<String> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
    headers.sort();
    Said {
        status: answer.status,
        problem: answer.problem(),
        detail: answer.string("detail"),
        policy: answer.header("ratelimit-policy"),
        remaining: limit.rsplit_once(";t=").map(|(rest, _)| rest.to_owned()).unwrap_or_default(),
        headers,
    }
}

/// The `t` of `RateLimit`, which a refusal repeats as `Retry-After`.
fn seconds(answer: &ApiResponse) -> u64 {
    let limit = answer.header("ratelimit");
    let seconds = limit.rsplit_once(";t=").and_then(|(_, t)| t.parse().ok()).expect("RateLimit has a time");
    if answer.status == 429 {
        assert_eq!(answer.header("retry-after"), format!("{seconds}"));
    }
    seconds
}

fn assert_about(seconds: u64, expected: u64) {
    assert!((expected.saturating_sub(TOLERANCE)..=expected).contains(&seconds), "{seconds} is not about {expected}");
}

async fn rows(world: &World) -> Vec<Document> {
    let rows = world.user_database().await.collection::<Document>("throttles");
    rows.find(doc! {}).await.expect("throttles can be read").try_collect().await.expect("throttles can be read")
}

#[tokio::test]
async fn an_unknown_identifier_is_held_exactly_as_a_known_one() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "held").await;
    let service = throttled(&world).set("LIMITS__LOGIN_FREE_FAILURES", "3").start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = from(&api, "203.0.113.1", "/api/users", &ada.registration()).await.expect(201);

    let nobody = (world.address("nobody"), "nobody-at-all".to_owned());
    let identifiers = [&ada.email, &nobody.0, &ada.username, &nobody.1];
    let mut stories = Vec::new();
    for (identifier, address) in
        identifiers.into_iter().zip(["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"])
    {
        let mut story = Vec::new();
        for attempt in 1..=5 {
            let answer = guess(&api, address, identifier).await;
            let expected = match attempt {
                1 | 2 => 3600 * attempt,
                _ => 600,
            };
            assert_about(seconds(&answer), expected);
            story.push(said(&answer));
        }
        stories.push(story);
    }
    let statuses: Vec<(u16, &str)> = stories[0].iter().map(|it| (it.status, it.remaining.as_str())).collect();
    let left = ["\"login\";r=2", "\"login\";r=1", "\"login\";r=0", "\"login\";r=0", "\"login\";r=0"];
    assert_eq!(statuses, [401, 401, 401, 429, 429].into_iter().zip(left).collect::<Vec<_>>());
    assert!(stories[0].iter().all(|it| it.policy == "\"login\";q=3;w=10800"), "{:?}", stories[0]);
    assert_eq!(stories[0][4].problem, "rate-limited");
    assert!(stories.iter().all(|story| *story == stories[0]), "{stories:#?}");
    assert!(service.metric("user_service_throttled_total", "scope=\"login\"").await >= 8.0);
    assert!(service.metric("user_service_logins_total", "outcome=\"throttled\"").await >= 8.0);

    // The right password from there is held too: else the answer would be a way to guess.
    let held = sign_in(&api, "198.51.100.1", &ada).await.expect_problem(429, "rate-limited");
    assert_about(seconds(&held), 600);
    // From elsewhere it is not, and what is right is not charged.
    for _ in 0..10 {
        let answer = sign_in(&api, "192.0.2.1", &ada).await.expect(200);
        assert_eq!(answer.header("ratelimit"), "\"login\";r=3;t=0");
    }

    let rows = rows(&world).await;
    let text = format!("{rows:?}");
    for secret in [ada.email.as_str(), &ada.username, &nobody.0, &nobody.1, "198.51.100", "192.0.2"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(rows.len() >= 8, "{text}");
    for row in &rows {
        let id = row.get("_id").and_then(|id| match id {
            bson::Bson::Binary(id) => Some(id),
            _ => None,
        });
        assert!(id.is_some_and(|id| id.subtype == BinarySubtype::Generic && id.bytes.len() == 32), "{row}");
        assert_eq!(row.get_i32("schemaVersion").ok(), Some(1));
        // From then on it says no more than no row.
        let (at, expires) = (row.get_datetime("at").ok(), row.get_datetime("expiresAt").ok());
        assert!(at.is_some() && expires >= at, "{row}");
    }
    let database = world.user_database().await;
    wait_for(DEADLINE, "the index that lets rows go", async || {
        let indexes = database.run_command(doc! { "listIndexes": "throttles" }).await.ok()?;
        let indexes = indexes.get_document("cursor").ok()?.get_array("firstBatch").ok()?.clone();
        let expiry = |index: &Document| {
            index.get("expireAfterSeconds").is_some()
                && index.get_document("key").is_ok_and(|key| key.contains_key("expiresAt"))
        };
        indexes.iter().filter_map(bson::Bson::as_document).any(expiry).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_burst_of_guesses_does_not_outrun_the_count() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "burst").await;
    let spec = throttled(&world).set("LIMITS__LOGIN_FREE_FAILURES", "3");
    let replica = spec.replica();
    let (one, other) = tokio::join!(spec.start(), replica.start());
    let ada = world.test_user("ada");
    let _ = from(&one.api(), "203.0.113.1", "/api/users", &ada.registration()).await.expect(201);

    // Both replicas see the same rows.
    let apis = [one.api(), other.api()];
    let guesses = (0..40).map(|n| guess(&apis[n % 2], "198.51.100.1", &ada.email));
    let answers = join_all(guesses).await;
    let of = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((of(401), of(429)), (3, 37), "{:?}", answers.iter().map(|it| it.status).collect::<Vec<_>>());
    for api in &apis {
        let _ = sign_in(api, "198.51.100.1", &ada).await.expect_problem(429, "rate-limited");
    }
}

#[tokio::test]
async fn the_owner_gets_in_from_a_known_network_while_an_attack_is_held() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "victim").await;
    let spec = throttled(&world).set("LIMITS__ACCOUNT_FREE_FAILURES", "4");
    let (service, _emails) = tokio::join!(spec.start(), world.email_service().start());
    let api = service.api();
    let (ada, eve) = (world.test_user("ada"), world.test_user("eve"));
    let nobody = world.address("nobody");
    for person in [&ada, &eve] {
        let _ = from(&api, "203.0.113.1", "/api/users", &person.registration()).await.expect(201);
    }
    let _ = sign_in(&api, "203.0.113.7", &ada).await.expect(200);
    let _ = sign_in(&api, "2001:db8:7:700::1", &ada).await.expect(200);
    let networks = known_networks(&world, &ada).await;
    assert_eq!(networks.len(), 2);

    // Each from an address that has never tried before: nobody's own failures hold it.
    let attack = async |identifier: &str| {
        let mut story = Vec::new();
        for last in 1..=8 {
            let address = Ipv4Addr::new(198, 51, 100, last).to_string();
            let answer = guess(&api, &address, identifier).await;
            assert!(seconds(&answer) > 0);
            story.push(said(&answer));
        }
        story
    };
    let story = attack(&ada.email).await;
    let statuses: Vec<u16> = story.iter().map(|it| it.status).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429, 429, 429]);
    assert_eq!(attack(&nobody).await, story, "an identifier of nobody");

    // From strange networks not even the right password; from its own networks, and their neighbourhood, it does.
    let _ = sign_in(&api, "192.0.2.1", &ada).await.expect_problem(429, "rate-limited");
    for known in ["203.0.113.7", "203.0.113.200", "2001:db8:7:7ff::2"] {
        let answer = sign_in(&api, known, &ada).await.expect(200);
        assert_eq!(answer.header("ratelimit"), "\"login\";r=5;t=0", "{known}");
    }
    let _ = sign_in(&api, "2001:db8:7:800::1", &ada).await.expect_problem(429, "rate-limited");
    // There, too, guessing is held: by that network's own failures.
    for _ in 0..5 {
        let _ = guess(&api, "203.0.113.66", &ada.email).await.expect(401);
    }
    let _ = guess(&api, "203.0.113.66", &ada.email).await.expect(429);
    let _ = sign_in(&api, "203.0.113.7", &ada).await.expect(200);
    // From a strange network the way in leads through the mailbox: after a reset it is a known one.
    let ada = reset_from(&api, &world, "192.0.2.1", &ada).await;
    let _ = sign_in(&api, "192.0.2.1", &ada).await.expect(200);
    // Somebody else's account is not touched.
    let _ = sign_in(&api, "198.51.100.1", &eve).await.expect(200);

    let mut topic = world.topic_reader();
    let locked = topic.read_type("user.locked.v1", 1).await.remove(0);
    let until: jiff::Timestamp = locked.json()["until"].as_str().expect("until is text").parse().expect("a time");
    let about = until.as_millisecond() - DateTime::now().timestamp_millis();
    assert!((13 * 60_000..=15 * 60_000).contains(&about), "a quarter of an hour: {about}");
    let mailbox = world.mailbox(&ada.email);
    wait_for(DEADLINE, "the notice", async || {
        mailbox.mails().await.iter().any(|mail| mail.subject.contains("locked")).then_some(())
    })
    .await;

    // The attack goes on, over another name of the account too; it has been told.
    attack(&ada.email).await;
    assert_eq!(attack(&ada.username).await, story, "the username is another identifier");
    let _ = sign_in(&api, "203.0.113.7", &ada).await.expect(200);
    topic.read_type("user.logged_in.v1", 9).await;
    let records = topic.read_all().await;
    assert_eq!(records.iter().filter(|record| record.event_type() == "user.locked.v1").count(), 1);
    assert_eq!(known_networks(&world, &ada).await.len(), 3);

    // An administrator ends it: everybody may try again, everywhere.
    let granted = service.spec().command(&["grant-role", &eve.email, "admin"]).await;
    assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
    let admin = api.with_token(&Tokens::of(&sign_in(&api, "198.51.100.1", &eve).await.expect(200)).access);
    let (id, path) = (locked.key_text(), format!("/api/admin/users/{}/unlock", locked.key_text()));
    assert!(locked_until(&world, &ada).await.is_some());
    for _ in 0..2 {
        let _ = admin.send(admin.request(Method::POST, &path)).await.expect(204);
    }
    assert!(locked_until(&world, &ada).await.is_none());
    for address in ["192.0.2.77", "203.0.113.66"] {
        let _ = guess(&api, address, &ada.email).await.expect(401);
        let _ = sign_in(&api, address, &ada).await.expect(200);
    }
    let _ = guess(&api, "198.51.100.8", &nobody).await.expect(429);
    let unlocked = topic.read_type("user.unlocked.v1", 1).await.remove(0);
    assert_eq!(unlocked.key_text(), id);
    // The second time nothing was held. And the next attack is a new one.
    assert_eq!(attack(&ada.username).await, story);
    topic.read_type("user.locked.v1", 2).await;
    let records = topic.read_all().await;
    assert_eq!(records.iter().filter(|record| record.event_type() == "user.unlocked.v1").count(), 1);
    for unknown in ["0190d3f0-0000-7000-8000-000000000000", "nobody"] {
        let path = format!("/api/admin/users/{unknown}/unlock");
        let _ = admin.send(admin.request(Method::POST, &path)).await.expect_problem(404, "not-found");
    }
    let _ = api.send(api.request(Method::POST, &path)).await.expect_problem(401, "unauthorized");
}

async fn locked_until(world: &World, person: &TestUser) -> Option<DateTime> {
    let user = user_document(world, &person.email).await;
    user.get_datetime("lockedUntil").ok().copied()
}

/// The link from the mail, used from there.
async fn reset_from(api: &Api, world: &World, address: &str, person: &TestUser) -> TestUser {
    let _ = from(api, address, RESET, &json!({ "email": person.email })).await.expect(202);
    let mail = wait_for(DEADLINE, "the mail with the link", async || {
        let mails = world.mailbox(&person.email).mails().await;
        mails.into_iter().find(|mail| mail.text.contains("/reset-password?token="))
    })
    .await;
    let renewed = with_new_password(person, "once more");
    let body = json!({ "token": mail.token("/reset-password"), "newPassword": renewed.password });
    let _ = from(api, address, &format!("{RESET}/confirm"), &body).await.expect(204);
    renewed
}

async fn known_networks(world: &World, person: &TestUser) -> Vec<Document> {
    let user = user_document(world, &person.email).await;
    let known = user.get_array("knownNetworks").expect("networks are remembered");
    known.iter().filter_map(bson::Bson::as_document).cloned().collect()
}

#[tokio::test]
async fn codes_are_guessed_as_slowly_as_passwords() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "codes").await;
    let spec = throttled(&world).set("LIMITS__LOGIN_FREE_FAILURES", "3").set("LIMITS__ACCOUNT_FREE_FAILURES", "5");
    let service = spec.start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = from(&api, "203.0.113.1", "/api/users", &ada.registration()).await.expect(201);
    let tokens = Tokens::of(&sign_in(&api, "203.0.113.7", &ada).await.expect(200));
    mark_email_verified(&world, &ada).await;
    let (authenticator, _) = enable_totp(&api.with_token(&tokens.access), &ada).await;

    // Whoever has the password is held at the code, however often they log in.
    let second_step = async |address: &str, code: &str| {
        let first = sign_in(&api, address, &ada).await.expect_problem(401, "mfa-required");
        let token = first.string("mfaToken");
        remember_secret("mfa token", &token);
        from(&api, address, "/api/auth/login/totp", &json!({ "mfaToken": token, "code": code })).await
    };
    for left in (0..3).rev() {
        let answer = second_step("198.51.100.1", "abc-def").await.expect_problem(401, "invalid-credentials");
        assert!(answer.header("ratelimit").starts_with(&format!("\"code\";r={left};")), "{:?}", answer.headers);
    }
    let held = second_step("198.51.100.1", &authenticator.code_at(1)).await.expect_problem(429, "rate-limited");
    assert_about(seconds(&held), 600);
    for _ in 0..2 {
        let _ = second_step("198.51.100.2", "abc-def").await.expect(401);
    }
    let held = second_step("198.51.100.3", &authenticator.code_at(1)).await.expect_problem(429, "rate-limited");
    assert_about(seconds(&held), 900);
    // The owner is not kept out, and is told: somebody has the password.
    let entered = second_step("203.0.113.7", &authenticator.code_at(1)).await.expect(200);
    assert_eq!(entered.header("ratelimit"), "\"code\";r=3;t=0");
    let _ = Tokens::of(&entered);
    world.topic_reader().read_type("user.locked.v1", 1).await;
    assert!(service.metric("user_service_throttled_total", "scope=\"code\"").await >= 1.0);
    assert!(service.metric("user_service_throttled_total", "scope=\"account\"").await >= 1.0);
}

#[tokio::test]
async fn a_stolen_session_does_not_guess_the_password_and_keeps_nobody_else_out() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "again").await;
    let service = throttled(&world).set("LIMITS__LOGIN_FREE_FAILURES", "3").start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = from(&api, "203.0.113.1", "/api/users", &ada.registration()).await.expect(201);
    let stolen = api.with_token(&api.login(&ada).await.access);
    let own = api.with_token(&api.login(&ada).await.access);

    let body =
        |current: &str| json!({ "currentPassword": current, "newPassword": format!("{} changed", ada.password) });
    remember_secret("password", &format!("{} changed", ada.password));
    let path = "/api/users/me/password";
    for left in (0..3).rev() {
        let answer = stolen.put(path, &body("a guess of a password")).await.expect_problem(403, "wrong-password");
        assert!(answer.header("ratelimit").starts_with(&format!("\"password\";r={left};")), "{:?}", answer.headers);
    }
    let held = stolen.put(path, &body(&ada.password)).await.expect_problem(429, "rate-limited");
    assert_about(seconds(&held), 600);
    let delete = stolen.delete("/api/users/me", Some(&json!({ "password": ada.password }))).await;
    let _ = delete.expect_problem(429, "rate-limited");
    let _ = own.put(path, &body(&ada.password)).await.expect(204);
}

#[tokio::test]
async fn at_most_eight_networks_are_remembered_for_thirty_days() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "networks").await;
    let service = throttled(&world).set("LIMITS__ACCOUNT_FREE_FAILURES", "1").start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = from(&api, "203.0.113.1", "/api/users", &ada.registration()).await.expect(201);
    for third in 1..=10 {
        let _ = sign_in(&api, &format!("10.0.{third}.1"), &ada).await.expect(200);
    }
    assert_eq!(known_networks(&world, &ada).await.len(), 8);
    let held = guess(&api, "198.51.100.1", &ada.email).await.expect(401);
    assert_eq!(held.header("ratelimit"), "\"login\";r=4;t=3600");
    let _ = sign_in(&api, "10.0.2.1", &ada).await.expect(429);
    let _ = sign_in(&api, "10.0.3.1", &ada).await.expect(200);

    let users = world.user_database().await.collection::<Document>("users");
    let old = DateTime::from_millis(DateTime::now().timestamp_millis() - 30 * 24 * 60 * 60 * 1000 - 1000);
    let older = doc! { "$set": { "knownNetworks.$[].lastSeen": old } };
    let _ = users.update_one(doc! { "email": &ada.email }, older).await.expect("a user can be changed");
    let _ = sign_in(&api, "10.0.3.1", &ada).await.expect(429);
}

#[tokio::test]
async fn an_ipv6_network_is_one_client_and_the_wait_ends() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "six").await;
    let spec = throttled(&world).set("LIMITS__LOGIN_FREE_FAILURES", "2").set("LIMITS__LOGIN_FIRST_WAIT", "1s");
    let service = spec.start().await;
    let api = service.api();
    let nobody = world.address("nobody");
    let _ = guess(&api, "2001:db8:0:1201::1", &nobody).await.expect(401);
    let _ = guess(&api, "2001:db8:0:1202::2", &nobody).await.expect(401);
    let held = guess(&api, "2001:db8:0:1203::3", &nobody).await.expect(429);
    assert_eq!(held.header("retry-after"), "1");
    let _ = guess(&api, "2001:db8:0:1301::1", &nobody).await.expect(401);

    let until_free = async || {
        wait_for(DEADLINE, "the wait to end", async || {
            let answer = guess(&api, "2001:db8:0:1204::4", &nobody).await;
            (answer.status == 401).then_some(answer)
        })
        .await
    };
    let first = until_free().await;
    assert_eq!(first.header("ratelimit"), "\"login\";r=0;t=2");
    assert_eq!(until_free().await.header("ratelimit"), "\"login\";r=0;t=4");
}

#[tokio::test]
async fn without_a_trusted_proxy_nobody_chooses_a_network() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "noproxy").await;
    let spec = throttled(&world).set("HTTP__TRUSTED_PROXIES", "").set("LIMITS__LOGIN_FREE_FAILURES", "2");
    let service = spec.start().await;
    let api = service.api();
    let nobody = world.address("nobody");
    for (address, status) in [("198.51.100.1", 401), ("198.51.100.2", 401), ("198.51.100.3", 429)] {
        let _ = guess(&api, address, &nobody).await.expect(status);
    }
}

#[tokio::test]
async fn requests_and_registrations_of_a_network_are_counted() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "quota").await;
    let spec = throttled(&world).set("LIMITS__REQUESTS_PER_NETWORK", "6").set("LIMITS__REGISTRATIONS_PER_NETWORK", "2");
    let service = spec.start().await;
    let api = service.api();
    let register = async |name: &str, address: &str| {
        from(&api, address, "/api/users", &world.test_user(name).registration()).await
    };
    let first = register("one", "203.0.113.1").await.expect(201);
    assert_eq!(first.header("ratelimit-policy"), "\"registration\";q=2;w=3600");
    let _ = register("two", "203.0.113.1").await.expect(201);
    let third = register("three", "203.0.113.1").await.expect_problem(429, "rate-limited");
    assert_about(seconds(&third), 1800);
    let _ = register("three", "203.0.113.2").await.expect(201);

    // Whatever they are for: every request to an endpoint that guards a secret counts.
    let token = json!({ "token": "A".repeat(43) });
    let confirm = async || from(&api, "198.51.100.9", "/api/auth/email-verification", &token).await;
    for left in (3..6).rev() {
        let answer = confirm().await.expect_problem(400, "token-invalid");
        assert!(answer.header("ratelimit").starts_with(&format!("\"network\";r={left};")), "{:?}", answer.headers);
    }
    for n in 0..3 {
        let _ = guess(&api, "198.51.100.9", &world.address(&format!("nobody{n}"))).await.expect(401);
    }
    let over = confirm().await.expect_problem(429, "rate-limited");
    assert_eq!(over.header("ratelimit-policy"), "\"network\";q=6;w=60");
    assert_about(seconds(&over), 10);
    // A flood is turned away without asking the database.
    let flood = join_all((0..30).map(|_| confirm())).await;
    assert!(flood.iter().all(|answer| answer.status == 429 || answer.status == 400));
    assert!(service.metric("user_service_throttled_total", "scope=\"first_line\"").await >= 1.0);
    assert!(service.metric("user_service_throttled_total", "scope=\"network\"").await >= 1.0);
    let _ = guess(&api, "198.51.100.10", &world.address("nobody")).await.expect(401);
}

#[tokio::test]
async fn mails_to_an_address_are_counted_whether_or_not_somebody_has_it() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "mails").await;
    let service = throttled(&world).set("LIMITS__MAILS_PER_ADDRESS", "2").start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = from(&api, "203.0.113.1", "/api/users", &ada.registration()).await.expect(201);
    let mut stories = Vec::new();
    for (path, email) in
        [RESEND, RESET].into_iter().flat_map(|path| [(path, ada.email.clone()), (path, world.address("nobody"))])
    {
        let mut story = Vec::new();
        for last in 1..=4 {
            // From other networks: it is the address that is protected.
            let answer = from(&api, &format!("198.51.100.{last}"), path, &json!({ "email": email })).await;
            assert!(seconds(&answer) > 0);
            story.push(said(&answer));
        }
        stories.push(story);
    }
    // One kind of mail does not use up the quota of the other.
    assert_eq!(stories[0].iter().map(|it| it.status).collect::<Vec<_>>(), [202, 202, 429, 429]);
    assert!(stories.iter().all(|story| *story == stories[0]), "{stories:#?}");
    assert_eq!(stories[0][0].policy, "\"mail\";q=2;w=3600");

    let mut topic = world.topic_reader();
    topic.read_type("user.email_verification_requested.v1", 2).await;
    topic.read_type("user.password_reset_requested.v1", 2).await;
    // A later event of the same user: nothing more was queued before it.
    let _ = sign_in(&api, "203.0.113.1", &ada).await.expect(200);
    topic.read_type("user.logged_in.v1", 1).await;
    let records = topic.read_all().await;
    for requested in ["user.email_verification_requested.v1", "user.password_reset_requested.v1"] {
        assert_eq!(records.iter().filter(|it| it.event_type() == requested).count(), 2, "{requested}");
    }
}

#[tokio::test]
async fn a_throttle_that_cannot_be_read_lets_nobody_in() {
    let stack = Stack::from_env();
    let upstream = stack.mongodb_uri().trim_start_matches("mongodb://").split(['/', '?']).next().unwrap_or_default();
    let proxy = TcpProxy::start(upstream).await.expect("a proxy can be had");
    let uri = format!("mongodb://{}/?directConnection=true", proxy.address());
    let world = World::new(&stack, "away").await.on_mongodb(uri);
    let service = throttled(&world).start().await;
    let api = service.api();
    let nobody = world.address("nobody");
    let _ = guess(&api, "198.51.100.1", &nobody).await.expect(401);
    proxy.set(Mode::Refuse);
    let away = guess(&api, "198.51.100.1", &nobody).await.expect_problem(503, "unavailable");
    assert!(!away.header("retry-after").is_empty());
    let resend = from(&api, "198.51.100.1", RESEND, &json!({ "email": nobody })).await;
    let _ = resend.expect_problem(503, "unavailable");
    proxy.set(Mode::Pass);
    wait_for(DEADLINE, "logins to be judged again", async || {
        (guess(&api, "198.51.100.2", &nobody).await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn limits_that_are_off_say_nothing_and_hold_nobody() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "off").await;
    let service =
        throttled(&world).set("LIMITS__ENABLED", "false").set("LIMITS__LOGIN_FREE_FAILURES", "1").start().await;
    let api = service.api();
    for _ in 0..4 {
        let answer = guess(&api, "198.51.100.1", &world.address("nobody")).await.expect(401);
        assert!(answer.headers.get("ratelimit").is_none() && answer.headers.get("ratelimit-policy").is_none());
    }
    assert!(rows(&world).await.is_empty());
}

#[tokio::test]
async fn a_registration_is_counted_before_its_password_is_judged() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "order").await;
    let spec = throttled(&world).set("LIMITS__REQUESTS_PER_NETWORK", "3").set("LIMITS__REGISTRATIONS_PER_NETWORK", "1");
    let service = spec.set("LIMITS__MAILS_PER_ADDRESS", "1").start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let with = |member: &str, value: &str| {
        let mut body = ada.registration();
        body[member] = json!(value);
        body
    };
    let codes = |answer: ApiResponse| {
        let answer = answer.expect_problem(422, "validation-failed").json();
        let errors = answer["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|it| format!("{} {}", it["pointer"], it["code"]).replace('"', "")).collect::<Vec<_>>()
    };
    // What is too long is refused for that alone: nothing is made of it, and no password is judged by it.
    let mut long = with("displayName", &"Ada Lovelace ".repeat(4000));
    long["password"] = json!("password");
    for _ in 0..4 {
        let answer = from(&api, "203.0.113.1", "/api/users", &long).await;
        assert!(answer.headers.get("ratelimit").is_none(), "{:?}", answer.headers);
        assert_eq!(codes(answer), ["#/displayName too-long"]);
    }
    // Each refused password is a request, but no registration and no mail.
    for _ in 0..3 {
        let answer = from(&api, "203.0.113.1", "/api/users", &with("password", "password")).await;
        assert_eq!(codes(answer), ["#/password common"]);
    }
    let over = from(&api, "203.0.113.1", "/api/users", &with("password", "password")).await;
    let over = over.expect_problem(429, "rate-limited");
    assert_eq!(over.header("ratelimit-policy"), "\"network\";q=3;w=60");
    let _ = from(&api, "203.0.113.2", "/api/users", &ada.registration()).await.expect(201);
}

#[tokio::test]
async fn a_change_of_the_password_is_charged_before_the_new_one_is_judged() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "orderchange").await;
    let service = throttled(&world).set("LIMITS__LOGIN_FREE_FAILURES", "2").start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = from(&api, "203.0.113.1", "/api/users", &ada.registration()).await.expect(201);
    let me = api.with_token(&api.login(&ada).await.access);
    let change = async |new: &str| {
        me.put("/api/users/me/password", &json!({ "currentPassword": ada.password, "newPassword": new })).await
    };
    for _ in 0..3 {
        let _ = change("short").await.expect_problem(422, "validation-failed");
    }
    for _ in 0..2 {
        let _ = change("password").await.expect_problem(422, "validation-failed");
    }
    let _ = change("password").await.expect_problem(429, "rate-limited");
}

#[tokio::test]
async fn a_known_network_has_one_count_of_wrong_codes_for_all_of_its_addresses_and_the_owner_is_told() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "neighbours").await;
    let spec = throttled(&world).set("LIMITS__LOGIN_FREE_FAILURES", "3").set("LIMITS__ACCOUNT_FREE_FAILURES", "4");
    let service = spec.start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = from(&api, "203.0.113.1", "/api/users", &ada.registration()).await.expect(201);
    let tokens = Tokens::of(&sign_in(&api, "203.0.113.7", &ada).await.expect(200));
    let _ = sign_in(&api, "2001:db8:7:700::1", &ada).await.expect(200);
    mark_email_verified(&world, &ada).await;
    let (authenticator, _) = enable_totp(&api.with_token(&tokens.access), &ada).await;
    let second_step = async |address: &str, code: &str| {
        let first = sign_in(&api, address, &ada).await.expect_problem(401, "mfa-required");
        let token = first.string("mfaToken");
        remember_secret("mfa token", &token);
        from(&api, address, "/api/auth/login/totp", &json!({ "mfaToken": token, "code": code })).await
    };

    // An attacker in the neighbourhood has the password, and an address for each guess.
    for last in 101..104 {
        let _ = second_step(&format!("203.0.113.{last}"), "abc-def").await.expect_problem(401, "invalid-credentials");
    }
    let held = second_step("203.0.113.104", &authenticator.code_at(1)).await.expect_problem(429, "rate-limited");
    assert_about(seconds(&held), 600);
    // With the fourth wrong code of all known networks together the owner is told.
    let _ = second_step("2001:db8:7:7ff::2", "abc-def").await.expect_problem(401, "invalid-credentials");
    world.topic_reader().read_type("user.locked.v1", 1).await;
    // The account's row is full, and holds strangers, not the owner's other network.
    let _ = second_step("192.0.2.1", &authenticator.code_at(1)).await.expect_problem(429, "rate-limited");
    let _ = Tokens::of(&second_step("2001:db8:7:700::3", &authenticator.code_at(1)).await.expect(200));
}

#[tokio::test]
async fn only_the_named_header_says_where_a_client_comes_from() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "header").await;
    let spec = throttled(&world).set("LIMITS__LOGIN_FREE_FAILURES", "2");
    let named = spec.replica().set("HTTP__CLIENT_ADDRESS_HEADER", "CF-Connecting-IP");
    let (service, named) = tokio::join!(spec.start(), named.start());
    let guess_with = async |api: &Api, headers: [(&'static str, String); 2], nobody: &str| {
        let mut request = api.request(Method::POST, LOGIN);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        api.send(request.json(&json!({ "identifier": nobody, "password": "a guess of a password" }))).await.status
    };
    for (api, header, other) in
        [(service.api(), "x-forwarded-for", "forwarded"), (named.api(), "cf-connecting-ip", "x-forwarded-for")]
    {
        let (one, two) = (world.address(&format!("one-{header}")), world.address(&format!("two-{header}")));
        let mut statuses = Vec::new();
        for last in 1..=4 {
            // The client invents a header beside the one that the proxy sets.
            let invented = if other == "forwarded" { format!("for=192.0.2.{last}") } else { format!("192.0.2.{last}") };
            let headers = [(header, "198.51.100.1".to_owned()), (other, invented)];
            statuses.push(guess_with(&api, headers, &one).await);
        }
        assert_eq!(statuses, [401, 401, 429, 429], "{header}");
        // An invented header does not make the proxy's own address count either: all clients share that one.
        for last in 1..=4 {
            let headers = [(header, format!("198.51.100.{last}")), (other, "for=192.0.2.1".to_owned())];
            assert_eq!(guess_with(&api, headers, &two).await, 401, "{header}");
        }
    }
}

#[tokio::test]
async fn a_flood_of_refreshes_and_of_pages_is_turned_away_in_the_process() {
    let stack = Stack::from_env();
    let world = World::new(&stack, "flood").await;
    let service = throttled(&world).set("LIMITS__REQUESTS_PER_NETWORK", "2").start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = from(&api, "203.0.113.1", "/api/users", &ada.registration()).await.expect(201);
    let tokens = Tokens::of(&sign_in(&api, "203.0.113.2", &ada).await.expect(200));
    let refresh = json!({ "refreshToken": tokens.refresh });

    // Ten a minute: five times the quota of requests.
    let flood = join_all((0..30).map(|_| from(&api, "198.51.100.1", "/api/auth/refresh", &refresh))).await;
    let of = |status: u16| flood.iter().filter(|answer| answer.status == status).count();
    assert!(of(429) >= 15 && of(200) + of(401) >= 10, "{:?}", flood.iter().map(|it| it.status).collect::<Vec<_>>());
    let refused = flood.iter().find(|answer| answer.status == 429).expect("one was refused");
    assert_eq!(
        (refused.problem(), refused.header("ratelimit-policy")),
        ("rate-limited".into(), "\"session\";q=10;w=60".into())
    );
    assert!(seconds(refused) > 0);
    let _ = from(&api, "198.51.100.1", "/api/auth/logout", &refresh).await.expect_problem(429, "rate-limited");
    // The flood holds neither logins from there, nor refreshes from elsewhere.
    let _ = guess(&api, "198.51.100.1", &world.address("nobody")).await.expect(401);
    let _ = from(&api, "198.51.100.2", "/api/auth/logout", &refresh).await.expect(204);

    for path in ["/verify-email", "/reset-password", "/confirm-email", "/undo-email-change"] {
        let page = async |address: &str| {
            let request = api.request(Method::GET, &format!("{path}?token={}", "A".repeat(43)));
            api.send(request.header("x-forwarded-for", address)).await
        };
        let address = format!("198.51.100.{}", 10 + path.len());
        let statuses: Vec<u16> = join_all((0..12).map(|_| page(&address))).await.iter().map(|it| it.status).collect();
        assert!(statuses.iter().filter(|status| **status == 429).count() >= 4, "{path}: {statuses:?}");
        assert!(statuses.iter().filter(|status| **status != 429).count() >= 4, "{path}: {statuses:?}");
    }
}
