//! Limits per account or per mailbox, independent of the client's network: changes by a signed-in user, mails to one
//! mailbox, and repeated registrations.

use std::time::Duration;

use bson::doc;
use e2e::{
    accounts::{mark_email_verified, update_user, user_document},
    rate_limits::{log_in_from, post_from, register_from, with_limits},
    start::{start_user_service, start_with_limits},
};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, DEADLINE, Stack, TestUser, Tokens, World, count, remember_secret, wait_for};

const EMAIL: &str = "/api/users/me/email";

/// Registers a user from a network of its own and returns the signed-in client.
async fn signed_in_user(world: &World, api: &Api, name: &str, network: u8) -> (TestUser, Api) {
    let address = format!("203.0.113.{network}");
    let user = register_from(world, api, &address, name).await;
    mark_email_verified(world, &user).await;
    let tokens = Tokens::from_response(&log_in_from(api, &address, &user).await.expect(200));
    (user, api.with_token(&tokens.access))
}

fn policy(answer: &ApiResponse) -> String {
    answer.header("ratelimit-policy")
}

#[tokio::test]
async fn profile_changes_are_limited_and_ending_sessions_is_not() {
    let (world, _service, api) =
        start_with_limits("writes", &[("PROFILE_CHANGES_PER_ACCOUNT", "6"), ("USERNAME_CHANGES_PER_ACCOUNT", "2")])
            .await;
    let (ada, me) = signed_in_user(&world, &api, "ada", 1).await;
    let (eve, eve_client) = signed_in_user(&world, &api, "eve", 2).await;
    let path = "/api/users/me";

    let rename = async |name: String| me.patch(path, &json!({ "username": name })).await;
    // An attempt to take a used username is not counted as a username change.
    for _ in 0..2 {
        let _ = rename(eve.username.clone()).await.expect_problem(409, "username-taken");
    }
    for n in 1..=2 {
        let renamed = rename(format!("ada-{n}-{}", world.tag().len())).await.expect(200);
        assert_eq!(policy(&renamed), "\"username\";q=2;w=86400");
    }
    let limited = rename("ada-3".to_owned()).await.expect_problem(429, "rate-limited");
    assert_eq!(
        (policy(&limited), limited.header("ratelimit").starts_with("\"username\";r=0;")),
        ("\"username\";q=2;w=86400".into(), true)
    );
    // The refused request did not count as a profile change either; two of six are left.
    for n in 1..=2 {
        let changed = me.patch(path, &json!({ "displayName": format!("Ada {n}") })).await.expect(200);
        assert!(changed.header("ratelimit").starts_with(&format!("\"profile\";r={};", 2 - n)), "{:?}", changed.headers);
    }
    let limited = me.patch(path, &json!({ "displayName": "Ada 3" })).await.expect_problem(429, "rate-limited");
    assert_eq!(policy(&limited), "\"profile\";q=6;w=3600");
    assert!(!limited.header("retry-after").is_empty());
    assert_eq!(me.get(path).await.expect(200).json()["displayName"], "Ada 2");
    // Other accounts are not limited.
    let _ = eve_client.patch(path, &json!({ "displayName": "Eve" })).await.expect(200);

    for n in 10..40 {
        let other = Tokens::from_response(&log_in_from(&api, &format!("203.0.113.{n}"), &ada).await.expect(200));
        let _ = me.delete("/api/users/me/sessions", None).await.expect(204);
        let _ = api.with_token(&other.access).get(path).await.expect_problem(401, "unauthorized");
    }
}

#[tokio::test]
async fn password_and_second_factor_changes_are_limited_per_account() {
    let (world, _service, api) = start_with_limits(
        "secrets",
        &[("PASSWORD_CHANGES_PER_ACCOUNT", "2"), ("SECOND_FACTOR_CHANGES_PER_ACCOUNT", "2")],
    )
    .await;
    let (ada, me) = signed_in_user(&world, &api, "ada", 1).await;
    let start = async |password: &str| me.post("/api/users/me/totp", &json!({ "password": password })).await;
    let change = async |current: &str, new: &str| {
        remember_secret("password", new);
        me.put("/api/users/me/password", &json!({ "currentPassword": current, "newPassword": new })).await
    };
    // A request with a wrong password is not counted; otherwise a stolen session could use up the limit.
    for _ in 0..3 {
        let _ = start("not the password").await.expect_problem(403, "wrong-password");
    }
    for _ in 0..2 {
        let started = start(&ada.password).await.expect(200);
        remember_secret("TOTP secret", &started.string("secret"));
    }
    let limited = start(&ada.password).await.expect_problem(429, "rate-limited");
    assert_eq!(policy(&limited), "\"second-factor\";q=2;w=3600");

    let _ = change("not the password", &format!("{} other", ada.password)).await.expect_problem(403, "wrong-password");
    let (one, two) = (format!("{} one", ada.password), format!("{} two", ada.password));
    let _ = change(&ada.password, &one).await.expect(204);
    let _ = change(&one, &two).await.expect(204);
    let limited = change(&two, &format!("{} three", ada.password)).await.expect_problem(429, "rate-limited");
    assert_eq!(policy(&limited), "\"password-change\";q=2;w=3600");
}

#[tokio::test]
async fn an_account_cannot_flood_mailboxes_by_changing_its_address() {
    let (world, _service, api) = start_with_limits("bomb", &[]).await;
    let (ada, me) = signed_in_user(&world, &api, "ada", 1).await;
    let (eve, eve_client) = signed_in_user(&world, &api, "eve", 2).await;
    let ask = async |me: &Api, user: &TestUser, new: &str, from: u8| {
        let request = me.request(Method::PUT, EMAIL).header("x-forwarded-for", format!("198.51.100.{from}"));
        me.send(request.json(&json!({ "newEmail": new, "password": user.password }))).await
    };
    // Without the right password no mail is sent, and none is counted.
    let guesser = TestUser { password: "not the password".to_owned(), ..ada.clone() };
    let _ = ask(&me, &guesser, &world.address("victim"), 1).await.expect_problem(403, "wrong-password");
    for n in 1..=5 {
        let _ = ask(&me, &ada, &world.address(&format!("victim{n}")), n).await.expect(202);
    }
    let limited = ask(&me, &ada, &world.address("victim6"), 6).await.expect_problem(429, "rate-limited");
    assert_eq!(policy(&limited), "\"email-change\";q=5;w=3600");

    // The mailbox is protected against several accounts, whatever follows the plus sign.
    let (bob, bob_client) = signed_in_user(&world, &api, "bob", 3).await;
    let tagged = |n: u8| {
        let address = world.address("one");
        let (local, domain) = address.split_once('@').expect("an address has an @");
        format!("{local}+{n}@{domain}")
    };
    let mut statuses = Vec::new();
    for n in 0..7 {
        let (user, client) = if n % 2 == 0 { (&eve, &eve_client) } else { (&bob, &bob_client) };
        statuses.push(ask(client, user, &tagged(n), n).await.status);
    }
    assert_eq!(statuses, [202, 202, 202, 202, 202, 429, 429]);
}

#[tokio::test]
async fn a_stolen_session_cannot_use_up_limits_with_aborted_requests() {
    let world = World::new(&Stack::from_env(), "brokenoff").await;
    // The hash takes long enough for the client to disconnect during it.
    let spec = with_limits(&world, &[]).set("HASHING__MEMORY_KIB", "65536").set("HASHING__ITERATIONS", "12");
    let service = spec.set("HASHING__THREADS", "1").set("HASHING__MAX_WAIT", "30s").start().await;
    let api = service.api();
    let (ada, me) = signed_in_user(&world, &api, "ada", 1).await;
    let stolen =
        api.with_token(&Tokens::from_response(&log_in_from(&api, "203.0.113.1", &ada).await.expect(200)).access);
    let body = |password: &str| json!({ "newEmail": world.address("other"), "password": password });
    for _ in 0..5 {
        let request = stolen.request(Method::PUT, EMAIL).timeout(Duration::from_millis(60));
        let broken_off = stolen.try_send(request.json(&body("not the password"))).await;
        assert!(broken_off.is_err_and(|error| error.is_timeout()), "the hash was too fast");
    }
    wait_for(DEADLINE, "the owner's change", async || {
        (me.put(EMAIL, &body(&ada.password)).await.status == 202).then_some(())
    })
    .await;
}

#[tokio::test]
async fn all_tagged_addresses_of_a_mailbox_share_one_limit_of_registrations_and_links() {
    let (world, _service, api) = start_with_limits("tags", &[("MAILS_PER_ADDRESS", "3")]).await;
    let tagged = |name: &str, n: u8| world.address(name).replace('@', &format!("+{n}@"));
    let mut statuses = Vec::new();
    for n in 0..5 {
        let body = world.test_user(&format!("p{n}")).registration_with("email", tagged("victim", n));
        statuses.push(post_from(&api, &format!("198.51.100.{n}"), "/api/users", &body).await);
    }
    assert_eq!(statuses.iter().map(|it| it.status).collect::<Vec<_>>(), [201, 201, 201, 429, 429]);
    assert_eq!(policy(&statuses[3]), "\"mail\";q=3;w=3600");
    // A registration that sends no mail is not counted for the mailbox.
    let taken = world.test_user("p0");
    for n in 0..5 {
        let body = taken.registration_with("email", world.address("careful"));
        let answer = post_from(&api, &format!("198.51.101.{n}"), "/api/users", &body).await;
        let _ = answer.expect_problem(409, "username-taken");
    }
    for path in ["/api/auth/password-reset", "/api/auth/email-verification/resend"] {
        let mut statuses = Vec::new();
        for n in 0..5 {
            let body = json!({ "email": tagged("victim", n) });
            statuses.push(post_from(&api, &format!("198.51.102.{n}"), path, &body).await.status);
        }
        assert_eq!(statuses, [202, 202, 202, 429, 429], "{path}");
    }
}

async fn stored_idempotency_key(world: &World, email: &str) -> String {
    user_document(world, email)
        .await
        .get_document("idempotency")
        .and_then(|it| it.get_str("key"))
        .expect("the user has an idempotency key")
        .to_owned()
}

async fn register_with_key(api: &Api, address: &str, key: &str, body: &Value) -> ApiResponse {
    let request = api.request(Method::POST, "/api/users").header("idempotency-key", key);
    api.send(request.header("x-forwarded-for", address).json(body)).await
}

#[tokio::test]
async fn a_repeated_registration_is_rate_limited_like_a_password_guess() {
    let (world, _service, api) =
        start_with_limits("replay", &[("LOGIN_FREE_FAILURES", "3"), ("MAILS_PER_ADDRESS", "2")]).await;
    let ada = world.test_user("ada");
    let first = register_with_key(&api, "203.0.113.1", "the-key", &ada.registration()).await.expect(201);
    // Requests with the right password are not counted, neither as guesses nor as mails.
    for _ in 0..6 {
        let again = register_with_key(&api, "203.0.113.1", "the-key", &ada.registration()).await.expect(201);
        assert_eq!(again.string("id"), first.string("id"));
    }
    let guess = ada.registration_with("password", "a guess of her password");
    for _ in 0..3 {
        let answer = register_with_key(&api, "198.51.100.1", "the-key", &guess).await;
        let _ = answer.expect_problem(422, "idempotency-key-reused");
    }
    let limited = register_with_key(&api, "198.51.100.1", "the-key", &ada.registration()).await;
    assert_eq!(policy(&limited.expect_problem(429, "rate-limited")), "\"login\";q=3;w=10800");
    // Logins share this count.
    let _ = log_in_from(&api, "198.51.100.1", &ada).await.expect_problem(429, "rate-limited");
    let _ = log_in_from(&api, "203.0.113.1", &ada).await.expect(200);
}

#[tokio::test]
async fn two_clients_may_use_the_same_idempotency_key_and_keys_of_the_previous_release_are_honoured() {
    let (world, _service, api) = start_user_service("samekey").await;
    let (ada, eve, bob) = (world.test_user("ada"), world.test_user("eve"), world.test_user("bob"));
    let ada_id = register_with_key(&api, "203.0.113.1", "1", &ada.registration()).await.expect(201).string("id");
    let eve_id = register_with_key(&api, "203.0.113.1", "\"1\"", &eve.registration()).await.expect(201).string("id");
    for (user, id) in [(&ada, &ada_id), (&eve, &eve_id)] {
        let again = register_with_key(&api, "203.0.113.1", "1", &user.registration()).await.expect(201);
        assert_eq!(again.string("id"), *id);
    }
    // The stored value does not reveal the key.
    let keys = [stored_idempotency_key(&world, &ada.email).await, stored_idempotency_key(&world, &eve.email).await];
    assert!(keys[0] != keys[1] && keys.iter().all(|key| key.len() == 43), "{keys:?}");

    // Stores the key as the previous release did.
    update_user(&world, &ada.email, doc! { "$set": { "idempotency.key": "bare" } }).await;
    let again = register_with_key(&api, "203.0.113.1", "bare", &ada.registration()).await.expect(201);
    assert_eq!(again.string("id"), ada_id);
    let other = ada.registration_with("displayName", "Ada");
    let reused = register_with_key(&api, "203.0.113.1", "bare", &other).await;
    let _ = reused.expect_problem(422, "idempotency-key-reused");
    // For another client the same key is unrelated.
    let taken = bob.registration_with("username", eve.username.as_str());
    let _ = register_with_key(&api, "203.0.113.1", "bare", &taken).await.expect_problem(409, "username-taken");
    let _ = register_with_key(&api, "203.0.113.1", "bare", &bob.registration()).await.expect(201);
    assert_eq!(count(&world.user_collection("users").await, doc! {}).await, 3);
}
