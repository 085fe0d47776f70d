//! Step-up: what a session must have proved, and how recently, for actions that a stolen session must not be able to do.

use std::time::Duration;

use bson::{DateTime, Document, doc};
use e2e::{
    accounts::{
        age_sessions, mark_email_verified, register_and_log_in, register_verified, update_user, user_document,
        wait_for_session_count, wait_until_all_published, with_cheap_hashes, with_new_password,
    },
    rate_limits::register_from,
    start::{start_user_service, start_with_limits},
    totp::{Authenticator, confirm_setup, enable_totp, recovery_codes, start_setup},
};
use serde_json::{Value, json};
use test_support::{Api, ApiResponse, Stack, TestUser, Tokens, World, find_all, remember_secret};

const SLUG: &str = "reauthentication-required";
const MINUTE: Duration = Duration::from_secs(60);
/// How long a session is recently authenticated.
const RECENT: Duration = Duration::from_secs(10 * 60);
/// Longer than a test between two requests.
const MARGIN: Duration = Duration::from_secs(90);

/// Signs in with both factors.
async fn log_in_with_code(api: &Api, user: &TestUser, code: &str) -> Tokens {
    let first = api.post("/api/auth/login", &json!({ "identifier": user.email, "password": user.password })).await;
    let token = first.expect_problem(401, "mfa-required").string("mfaToken");
    remember_secret("mfa token", &token);
    Tokens::from_response(
        &api.post("/api/auth/login/totp", &json!({ "mfaToken": token, "code": code })).await.expect(200),
    )
}

/// Registers a user with a second factor whose last used time step is reset. The client's session has not given it
/// recently.
async fn user_with_totp(world: &World, api: &Api, name: &str) -> (TestUser, Api, Authenticator, Vec<String>) {
    let (user, me) = register_verified(world, api, name).await;
    let (authenticator, codes) = enable_totp(&me, &user).await;
    forget_last_step(world, &user).await;
    age_sessions(world, RECENT + MINUTE).await;
    (user, me, authenticator, codes)
}

/// Lets the code of the present time step be used again.
async fn forget_last_step(world: &World, user: &TestUser) {
    update_user(world, &user.email, doc! { "$set": { "totp.lastStep": 0_i64 } }).await;
}

async fn reauthenticate(me: &Api, password: &str, code: Option<&str>) -> ApiResponse {
    let mut body = json!({ "password": password });
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    me.post("/api/auth/reauthenticate", &body).await
}

/// Sends every guarded request of an account without a second factor, each with these members.
async fn guarded_requests(me: &Api, members: &Value) -> Vec<(&'static str, ApiResponse)> {
    let body = |more: Value| {
        let mut body = members.clone();
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        body
    };
    let email = body(json!({ "newEmail": "ada-later@example.org" }));
    vec![
        ("email", me.put("/api/users/me/email", &email).await),
        ("set-up", me.post("/api/users/me/totp", &body(json!({}))).await),
        ("DELETE", me.delete("/api/users/me", Some(&body(json!({})))).await),
        ("POST delete", me.post("/api/users/me/delete", &body(json!({}))).await),
    ]
}

fn assert_required(what: &str, answer: ApiResponse, required: &Value) {
    let problem = answer.expect_problem(403, SLUG).json();
    assert_eq!(&problem["required"], required, "{what}: {problem}");
}

async fn stored_sessions(world: &World) -> Vec<Document> {
    find_all(&world.user_collection("sessions").await, doc! {}).await
}

#[tokio::test]
async fn an_old_session_must_give_the_password_again_and_may_then_do_everything_for_ten_minutes() {
    let (world, _service, api) = start_user_service("stepup").await;
    let (ada, me) = register_verified(&world, &api, "ada").await;
    let other = api.logged_in_as(&ada).await;
    // The session has just signed in.
    let _ = me.get("/api/users/me/export").await.expect(200);
    let _ = me.post("/api/users/me/totp", &json!({})).await.expect(200);

    age_sessions(&world, RECENT - MARGIN).await;
    let _ = me.get("/api/users/me/export").await.expect(200);
    age_sessions(&world, MARGIN).await;
    wait_until_all_published(&world).await;
    let before = user_document(&world, &ada.email).await;
    for (what, answer) in guarded_requests(&me, &json!({})).await {
        assert_required(what, answer, &json!(["password"]));
    }
    assert_required("export", me.get("/api/users/me/export").await, &json!(["password"]));
    assert_eq!(user_document(&world, &ada.email).await, before, "a refused request changed the account");
    // The rest needs no recent authentication.
    let _ = me.patch("/api/users/me", &json!({ "displayName": "Ada" })).await.expect(200);
    let _ = me.get("/api/users/me/audit").await.expect(200);

    let _ = reauthenticate(&me, "not the password", None).await.expect_problem(403, "wrong-password");
    assert_required("export", me.get("/api/users/me/export").await, &json!(["password"]));
    let answer = reauthenticate(&me, &ada.password, None).await.expect(204);
    assert!(answer.text.is_empty(), "{}", answer.text);
    let _ = me.get("/api/users/me/export").await.expect(200);
    let _ = me.post("/api/users/me/totp", &json!({})).await.expect(200);
    let _ = me.put("/api/users/me/email", &json!({ "newEmail": world.address("new") })).await.expect(202);
    // Each session proves only for itself.
    assert_required("the other session", other.get("/api/users/me/export").await, &json!(["password"]));

    age_sessions(&world, RECENT - MARGIN).await;
    let _ = me.get("/api/users/me/export").await.expect(200);
    age_sessions(&world, MARGIN).await;
    assert_required("export", me.get("/api/users/me/export").await, &json!(["password"]));
    let _ = reauthenticate(&me, &ada.password, None).await.expect(204);
    let _ = me.delete("/api/users/me", Some(&json!({}))).await.expect(204);
    let _ = me.get("/api/users/me").await.expect_problem(401, "unauthorized");
}

#[tokio::test]
async fn requests_of_earlier_clients_with_the_password_in_the_body_need_no_recent_authentication() {
    let (world, _service, api) = start_user_service("bodies").await;
    let (mut ada, me) = register_verified(&world, &api, "ada").await;
    age_sessions(&world, RECENT + MINUTE).await;
    let _ = me
        .put("/api/users/me/email", &json!({ "newEmail": world.address("new"), "password": ada.password }))
        .await
        .expect(202);
    let renewed = with_new_password(&ada, "renewed");
    let body = json!({ "currentPassword": ada.password, "newPassword": renewed.password });
    let _ = me.put("/api/users/me/password", &body).await.expect(204);
    ada = renewed;
    let _ = me.post("/api/users/me/totp", &json!({ "password": ada.password })).await.expect(200);
    // A password in a request proves nothing for the next one.
    assert_required("export", me.get("/api/users/me/export").await, &json!(["password"]));
    let _ = me.delete("/api/users/me", Some(&json!({ "password": ada.password }))).await.expect(204);
}

#[tokio::test]
async fn a_password_in_a_request_is_verified_even_if_the_session_is_recently_authenticated() {
    let (world, _service, api) = start_user_service("verified").await;
    let (ada, me) = register_verified(&world, &api, "ada").await;
    for (what, answer) in guarded_requests(&me, &json!({ "password": "not the password" })).await {
        assert_eq!(answer.status, 403, "{what}");
        let _ = answer.expect_problem(403, "wrong-password");
    }
    let change = json!({ "currentPassword": "not the password", "newPassword": "a good new one for ada" });
    let _ = me.put("/api/users/me/password", &change).await.expect_problem(403, "wrong-password");
    enable_totp(&me, &ada).await;
    for path in ["/api/users/me/totp/remove", "/api/users/me/totp/recovery-codes"] {
        let wrong = json!({ "password": "not the password" });
        let _ = me.post(path, &wrong).await.expect_problem(403, "wrong-password");
        let wrong = json!({ "code": "abc-def" });
        let _ = me.post(path, &wrong).await.expect_problem(403, "wrong-code");
    }
}

#[tokio::test]
async fn an_account_with_a_second_factor_cannot_be_taken_with_the_password_alone() {
    let (world, _service, api) = start_user_service("factors").await;
    let (ada, me, authenticator, codes) = user_with_totp(&world, &api, "ada").await;
    let both = json!(["password", "second-factor"]);
    wait_until_all_published(&world).await;
    let before = user_document(&world, &ada.email).await;
    let change = |current: &str| json!({ "currentPassword": current, "newPassword": "another one for ada" });
    // A missing second factor is noticed before the password is verified, so that no hash is computed.
    for password in [&*ada.password, "not the password"] {
        let body = json!({ "password": password });
        let email = json!({ "newEmail": world.address("new"), "password": password });
        assert_required("email", me.put("/api/users/me/email", &email).await, &both);
        assert_required("password", me.put("/api/users/me/password", &change(password)).await, &both);
        assert_required("deletion", me.delete("/api/users/me", Some(&body)).await, &both);
        assert_required("removal", me.delete("/api/users/me/totp", Some(&body)).await, &both);
        assert_required("codes", me.post("/api/users/me/totp/recovery-codes", &body).await, &both);
        assert_required("reauthentication", reauthenticate(&me, password, None).await, &both);
    }
    assert_required("export", me.get("/api/users/me/export").await, &both);
    // The second factor alone is not enough either, and its code stays unused.
    let code = json!({ "code": codes[0] });
    assert_required("removal", me.delete("/api/users/me/totp", Some(&code)).await, &both);
    assert_required("codes", me.post("/api/users/me/totp/recovery-codes", &code).await, &both);
    assert_eq!(user_document(&world, &ada.email).await, before, "a refused request changed the account");

    let wrong = reauthenticate(&me, "not the password", Some(&codes[0])).await;
    let _ = wrong.expect_problem(403, "wrong-password");
    let wrong = reauthenticate(&me, &ada.password, Some(&authenticator.wrong_code())).await;
    let _ = wrong.expect_problem(403, "wrong-code");
    assert_required("export", me.get("/api/users/me/export").await, &both);
    let _ = reauthenticate(&me, &ada.password, Some(&authenticator.code())).await.expect(204);
    let _ = me.get("/api/users/me/export").await.expect(200);
    let _ = me.put("/api/users/me/email", &json!({ "newEmail": world.address("new") })).await.expect(202);
    let _ = me.put("/api/users/me/password", &change("not the password")).await.expect_problem(403, "wrong-password");
    remember_secret("password", "another one for ada");
    let _ = me.put("/api/users/me/password", &change(&ada.password)).await.expect(204);
    recovery_codes(&me.post("/api/users/me/totp/recovery-codes", &json!({})).await.expect(200));
    let _ = me.delete("/api/users/me/totp", Some(&json!({}))).await.expect(204);
    let _ = me.post("/api/users/me/delete", &json!({})).await.expect(204);
}

#[tokio::test]
async fn a_session_has_given_the_second_factor_by_a_login_with_it_or_by_turning_it_on() {
    let (world, _service, api) = start_user_service("given").await;
    let (ada, me) = register_verified(&world, &api, "ada").await;
    let codes = enable_totp(&me, &ada).await.1;
    let _ = me.get("/api/users/me/export").await.expect(200);
    let signed_in = log_in_with_code(&api, &ada, &codes[0]).await;
    let second = api.with_token(&signed_in.access);
    let _ = second.get("/api/users/me/export").await.expect(200);
    // A refresh neither loses nor renews the proof.
    let refreshed = Tokens::from_response(&api.refresh(&signed_in.refresh).await.expect(200));
    let second = api.with_token(&refreshed.access);
    let _ = second.get("/api/users/me/export").await.expect(200);
    age_sessions(&world, RECENT + MINUTE).await;
    let refreshed = Tokens::from_response(&api.refresh(&refreshed.refresh).await.expect(200));
    let second = api.with_token(&refreshed.access);
    let both = json!(["password", "second-factor"]);
    for session in [&me, &second] {
        assert_required("an old session", session.get("/api/users/me/export").await, &both);
    }
    // A session of 0.1.0 has no record of its second factor.
    log_in_with_code(&api, &ada, &codes[1]).await;
    let sessions = world.user_collection("sessions").await;
    let _ = sessions.update_many(doc! {}, doc! { "$unset": { "secondFactor": "" } }).await.expect("it can be written");
    let third = api.with_token(&log_in_with_code(&api, &ada, &codes[2]).await.access);
    let _ = sessions.update_many(doc! {}, doc! { "$unset": { "secondFactor": "" } }).await.expect("it can be written");
    assert_required("a session of 0.1.0", third.get("/api/users/me/export").await, &both);
}

#[tokio::test]
async fn a_recovery_code_reauthenticates_once_and_its_owner_is_told() {
    let (world, _service, api) = start_user_service("recovery").await;
    let (ada, me, _authenticator, codes) = user_with_totp(&world, &api, "ada").await;
    let typed = codes[0].replace('-', " ").to_lowercase();
    let _ = reauthenticate(&me, &ada.password, Some(&typed)).await.expect(204);
    let used = world.topic_reader().read_type("user.recovery_code_used.v1", 1).await.remove(0).json();
    assert_eq!((&used["remaining"], &used["recipient"]["email"]), (&json!(9), &json!(ada.email)));
    assert_eq!(me.get("/api/users/me/totp").await.expect(200).json()["recoveryCodesLeft"], 9);
    let _ = me.get("/api/users/me/export").await.expect(200);
    let again = reauthenticate(&me, &ada.password, Some(&codes[0])).await;
    let _ = again.expect_problem(403, "wrong-code");
    // Of two concurrent uses of a code, one succeeds.
    let (one, two) = tokio::join!(
        reauthenticate(&me, &ada.password, Some(&codes[1])),
        reauthenticate(&me, &ada.password, Some(&codes[1]))
    );
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 403], "{} {}", one.text, two.text);
}

#[tokio::test]
async fn a_reauthentication_is_forgotten_with_the_second_factor_that_it_included() {
    let (world, _service, api) = start_user_service("forgotten").await;
    let (ada, me, authenticator, codes) = user_with_totp(&world, &api, "ada").await;
    let _ = reauthenticate(&me, &ada.password, Some(&authenticator.code())).await.expect(204);
    assert!(stored_sessions(&world).await.iter().all(|session| matches!(session.get_bool("secondFactor"), Ok(true))));
    let both = json!({ "password": ada.password, "code": codes[0] });
    let _ = me.delete("/api/users/me/totp", Some(&both)).await.expect(204);
    let conflict = reauthenticate(&me, &ada.password, Some(&codes[1])).await;
    let _ = conflict.expect_problem(409, "conflict");
    let _ = reauthenticate(&me, &ada.password, None).await.expect(204);
    assert!(stored_sessions(&world).await.iter().all(|session| session.get("secondFactor").is_none()));
}

#[tokio::test]
async fn a_session_that_was_ended_alone_proves_nothing_and_uses_no_code() {
    let (world, _service, api) = start_user_service("endedalone").await;
    let (ada, me, _authenticator, codes) = user_with_totp(&world, &api, "ada").await;
    let ended = log_in_with_code(&api, &ada, &codes[0]).await;
    let _ = api.post("/api/auth/logout", &json!({ "refreshToken": ended.refresh })).await.expect(204);
    let ended = api.with_token(&ended.access);
    let _ = ended.get("/api/users/me").await.expect(200);
    let _ = ended.get("/api/users/me/export").await.expect_problem(401, "unauthorized");
    let _ = ended.delete("/api/users/me", Some(&json!({}))).await.expect_problem(401, "unauthorized");
    let answer = reauthenticate(&ended, &ada.password, Some(&codes[1])).await;
    let _ = answer.expect_problem(401, "unauthorized");
    // The code works in a session that goes on.
    let _ = reauthenticate(&me, &ada.password, Some(&codes[1])).await.expect(204);
    let _ = me.get("/api/users/me/export").await.expect(200);
}

#[tokio::test]
async fn a_second_factor_that_is_turned_on_meanwhile_stops_a_change_by_password() {
    let world = World::new(&Stack::from_env(), "meanwhile").await;
    // The verification of a password takes three seconds at this replica.
    let fast = with_cheap_hashes(world.user_service());
    let delayed = fast.replica().fail_points("hash.compute=sleep(3000)");
    let (fast, delayed) = tokio::join!(fast.start(), delayed.start());
    let (ada, me) = register_verified(&world, &fast.api(), "ada").await;
    let attacker = fast.api().login(&ada).await;
    let attacker = delayed.api().with_token(&attacker.access);
    let authenticator = start_setup(&me, &ada).await;

    let password = ada.password.clone();
    let deletion =
        tokio::spawn(async move { attacker.delete("/api/users/me", Some(&json!({ "password": password }))).await });
    // The account of the request is read before its password is verified.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let _ = confirm_setup(&me, &authenticator.code()).await.expect(200);
    assert!(!deletion.is_finished(), "the verification was not slow enough for this test");
    let answer = deletion.await.expect("the request does not panic");
    assert_required("the deletion", answer, &json!(["password", "second-factor"]));
    let _ = me.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn reauthentication_is_rate_limited_like_the_password_and_the_code() {
    let (world, _service, api) = start_with_limits("limited", &[("LOGIN_FREE_FAILURES", "3")]).await;
    let ada = register_from(&world, &api, "203.0.113.1", "ada").await;
    let stolen = api.logged_in_as(&ada).await;
    let own = api.logged_in_as(&ada).await;
    for left in (0..3).rev() {
        let answer = reauthenticate(&stolen, "a guess of a password", None).await.expect_problem(403, "wrong-password");
        assert!(answer.header("ratelimit").starts_with(&format!("\"password\";r={left};")), "{:?}", answer.headers);
    }
    let _ = reauthenticate(&stolen, &ada.password, None).await.expect_problem(429, "rate-limited");
    // The failures are those of the other endpoints that ask for the password, and of this session only.
    let delete = stolen.delete("/api/users/me", Some(&json!({ "password": ada.password }))).await;
    let _ = delete.expect_problem(429, "rate-limited");
    let _ = reauthenticate(&own, &ada.password, None).await.expect(204);

    mark_email_verified(&world, &ada).await;
    let codes = enable_totp(&own, &ada).await.1;
    for _ in 0..3 {
        let answer = reauthenticate(&own, &ada.password, Some("abc-def")).await;
        let _ = answer.expect_problem(403, "wrong-code");
    }
    let limited = reauthenticate(&own, &ada.password, Some(&codes[0])).await;
    let _ = limited.expect_problem(429, "rate-limited");
}

#[tokio::test]
async fn an_export_by_an_old_session_shows_nothing_and_one_by_a_recent_session_shows_its_authentication() {
    let (world, _service, api) = start_user_service("exported").await;
    let (ada, me) = register_and_log_in(&world, &api, "ada").await;
    wait_for_session_count(&world, 1).await;
    age_sessions(&world, RECENT + MINUTE).await;
    let refused = me.get("/api/users/me/export").await.expect_problem(403, SLUG);
    assert!(!refused.text.contains(&ada.email) && refused.header("content-disposition").is_empty());
    let _ = reauthenticate(&me, &ada.password, None).await.expect(204);
    let stored = stored_sessions(&world).await.remove(0);
    let at: DateTime = *stored.get_datetime("authenticatedAt").expect("the reauthentication is stored");
    let session = me.get("/api/users/me/export").await.expect(200).json()["sessions"][0].clone();
    assert_eq!(session["authenticatedAt"], json!(at.to_jiff().to_string()));
    assert_eq!(session["secondFactor"], json!(false));
}
