//! Which codes are accepted, and that each one works once.

use bson::doc;
use e2e::{
    accounts::{register_verified, update_user, user_document, wait_until_all_published, with_cheap_hashes},
    start::{start_user_service, start_user_service_with},
    topic_order::first_occurrences,
    totp::{confirm_setup, recovery_codes, start_setup, unix_seconds},
};
use serde_json::{Value, json};
use test_support::{ApiResponse, DEADLINE, Record, Stack, World, count};

use crate::requests::{
    log_in_with_both_factors, mfa_token, reset_last_step, submit_code, totp_status, user_with_totp,
    wait_for_early_in_step,
};

#[tokio::test]
async fn a_code_is_accepted_in_the_digits_of_any_script() {
    let (world, _service, api) = start_user_service("digits").await;
    let (ada, me) = register_verified(&world, &api, "ada").await;
    let in_script = |code: &str, zero: char| -> String {
        let digit = |c: char| {
            let value = c.to_digit(10).map(|value| u32::from(zero) + value);
            value.and_then(char::from_u32).unwrap_or(c)
        };
        code.chars().map(digit).collect()
    };
    let grouped = |code: &str| format!("{}\u{2011}{}", &code[..3], &code[3..]);
    wait_for_early_in_step().await;
    let authenticator = start_setup(&me, &ada).await;
    let codes = confirm_setup(&me, &in_script(&grouped(&authenticator.code()), '\u{660}')).await.expect(200);
    let codes = recovery_codes(&codes);
    reset_last_step(&world, &ada).await;

    let code = in_script(&grouped(&authenticator.code()), '\u{966}');
    let _ = log_in_with_both_factors(&api, &ada, &code).await.expect(200);
    let _ = log_in_with_both_factors(&api, &ada, &in_script(&codes[0], '\u{FF10}')).await.expect(200);
    let _ = log_in_with_both_factors(&api, &ada, &in_script(&codes[1], '\u{6F0}')).await.expect(200);
    reset_last_step(&world, &ada).await;
    let proof = json!({ "password": ada.password, "code": in_script(&authenticator.code(), '\u{1D7D8}') });
    let _ = me.post("/api/users/me/totp/remove", &proof).await.expect(204);
}

#[tokio::test]
async fn a_code_of_the_previous_or_next_step_is_accepted_and_no_older_one() {
    let (world, _service, api) = start_user_service("drift").await;
    let (ada, _me, authenticator, _codes) = user_with_totp(&world, &api, "ada").await;
    for (steps, status) in [(-2, 401), (-1, 200), (0, 200), (1, 200), (2, 401)] {
        wait_for_early_in_step().await;
        reset_last_step(&world, &ada).await;
        let answer = log_in_with_both_factors(&api, &ada, &authenticator.code_at(steps)).await;
        assert_eq!(answer.status, status, "{steps} steps away: {}", answer.text);
    }
    // Codes must be used in order: after the code of the next step, the current one is old.
    wait_for_early_in_step().await;
    reset_last_step(&world, &ada).await;
    let (present, next) = (authenticator.code(), authenticator.code_at(1));
    let _ = log_in_with_both_factors(&api, &ada, &next).await.expect(200);
    for code in [next, present] {
        let _ = log_in_with_both_factors(&api, &ada, &code).await.expect_problem(401, "invalid-credentials");
    }
}

#[tokio::test]
async fn only_one_of_two_concurrent_logins_with_one_code_succeeds() {
    let world = World::new(&Stack::from_env(), "twoatonce").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let other = with_cheap_hashes(service.spec().replica()).start().await;
    let (api, elsewhere) = (service.api(), other.api());
    let (ada, me, authenticator, codes) = user_with_totp(&world, &api, "ada").await;
    let statuses = |answers: [ApiResponse; 2]| {
        let mut statuses = answers.map(|answer| (answer.status, answer.problem()));
        statuses.sort();
        statuses
    };
    let refused = |status: u16, slug: &str| [(200, String::new()), (status, slug.to_owned())];

    for recovery_code in &codes[..5] {
        for code in [authenticator.code(), recovery_code.clone()] {
            let (one, two) = (mfa_token(&api, &ada).await, mfa_token(&api, &ada).await);
            let (a, b) = tokio::join!(submit_code(&api, &one, &code), submit_code(&elsewhere, &two, &code));
            assert_eq!(statuses([a, b]), refused(401, "invalid-credentials"));
        }
        // One token is used twice at once; after its use no other valid code works either.
        reset_last_step(&world, &ada).await;
        let token = mfa_token(&api, &ada).await;
        let (good, spare) = (authenticator.code(), &codes[9]);
        let (a, b) = tokio::join!(submit_code(&api, &token, &good), submit_code(&elsewhere, &token, &good));
        assert_eq!(statuses([a, b]), refused(400, "token-invalid"));
        let _ = submit_code(&api, &token, spare).await.expect_problem(400, "token-invalid");
        reset_last_step(&world, &ada).await;
    }
    // The recovery codes that were tried twice were used once.
    assert_eq!(totp_status(&me).await["recoveryCodesLeft"], 5);
    // Two replicas may publish the same event twice.
    let remaining = |records: &[Record]| -> Vec<Value> {
        let used = |record: &Record| record.event_type() == "user.recovery_code_used.v1";
        let first = first_occurrences(records).into_iter().filter(used);
        first.map(|record| record.json()["remaining"].clone()).collect()
    };
    let mut topic = world.topic_reader();
    let records = topic.read_until(DEADLINE, "5 used recovery codes", |records| remaining(records).len() >= 5).await;
    assert_eq!(remaining(records), [9, 8, 7, 6, 5]);
    // Every successful login has a session and every refused one has none: the first login, and three per round.
    assert_eq!(count(&world.user_collection("sessions").await, doc! {}).await, 1 + 3 * 5);
}

/// The bound of the pending list also applies to a login that uses a recovery code, because its notice is never left
/// out.
#[tokio::test]
async fn a_recovery_code_is_never_used_without_its_event() {
    let (world, _service, api) = start_user_service_with("fullpending", &[("RELAY__MAX_PENDING_PER_USER", "6")]).await;
    let (ada, _me, authenticator, codes) = user_with_totp(&world, &api, "ada").await;
    let pending = async || user_document(&world, &ada.email).await.get_array("pendingEvents").map_or(0, Vec::len);
    wait_until_all_published(&world).await;
    // While the account is parked, none of its events is published.
    let parked = doc! { "parked": {
        "until": bson::DateTime::from_millis(i64::try_from((unix_seconds() + 600) * 1_000).expect("the time fits")),
        "attempts": 1, "error": "by the test",
    } };
    update_user(&world, &ada.email, doc! { "$set": parked }).await;

    for (code, status, waiting) in
        [(&codes[0], 200, 2), (&codes[1], 200, 4), (&codes[2], 200, 6), (&codes[3], 503, 6), (&codes[3], 503, 6)]
    {
        let answer = log_in_with_both_factors(&api, &ada, code).await;
        assert_eq!((answer.status, pending().await), (status, waiting), "{}", answer.text);
    }
    // The authenticator still works, without an event of the login.
    let _ = log_in_with_both_factors(&api, &ada, &authenticator.code()).await.expect(200);
    assert_eq!(pending().await, 6);
    update_user(&world, &ada.email, doc! { "$unset": { "parked": "" } }).await;
    let used = world.topic_reader().read_type("user.recovery_code_used.v1", 3).await;
    assert_eq!(used.iter().map(|record| record.json()["remaining"].clone()).collect::<Vec<_>>(), [9, 8, 7]);
    wait_until_all_published(&world).await;
    let _ = log_in_with_both_factors(&api, &ada, &codes[3]).await.expect(200);
}
