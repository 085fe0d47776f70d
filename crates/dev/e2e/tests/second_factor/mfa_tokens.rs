//! The token between the two steps of a login.

use e2e::{
    accounts::{change_password, with_cheap_hashes},
    start::start_user_service,
    totp::{confirm_setup, recovery_codes, start_setup, unix_seconds},
};
use futures_util::future::join_all;
use serde_json::json;
use test_support::{DEADLINE, Stack, Tokens, World, wait_for};

use crate::requests::{mfa_token, submit_code, user_with_totp};

#[tokio::test]
async fn the_mfa_token_is_void_after_its_use_a_new_password_a_new_factor_and_its_lifetime() {
    let (world, mut service, api) = start_user_service("mfatoken").await;
    let (ada, me, authenticator, codes) = user_with_totp(&world, &api, "ada").await;
    let (eve, ..) = user_with_totp(&world, &api, "eve").await;
    let assert_invalid = async |token: &str, code: &str| {
        let _ = submit_code(&api, token, code).await.expect_problem(400, "token-invalid");
    };

    // After its use the token does not work with another valid code either.
    let token = mfa_token(&api, &ada).await;
    let _ = submit_code(&api, &token, &codes[0]).await.expect(200);
    assert_invalid(&token, &codes[1]).await;
    // The code of another user does not work.
    let eve_token = mfa_token(&api, &eve).await;
    let _ = submit_code(&api, &eve_token, &codes[1]).await.expect_problem(401, "invalid-credentials");
    // A token that is altered in any position is invalid.
    let token = mfa_token(&api, &ada).await;
    for place in [0, 30, 50, 60, 95] {
        let mut altered: Vec<char> = token.chars().collect();
        altered[place] = if altered[place] == 'A' { 'B' } else { 'A' };
        assert_invalid(&altered.into_iter().collect::<String>(), &codes[1]).await;
    }

    // The password changes.
    let renewed = change_password(&me, &ada, "renewed").await;
    assert_invalid(&token, &codes[1]).await;
    // The second factor is still enabled, and the new password needs a code.
    let token = mfa_token(&api, &renewed).await;

    // The second factor is disabled, and another one is enabled.
    let both = json!({ "password": renewed.password, "code": codes[1] });
    let _ = me.delete("/api/users/me/totp", Some(&both)).await.expect(204);
    assert_invalid(&token, &codes[2]).await;
    let another = start_setup(&me, &renewed).await;
    let fresh = recovery_codes(&confirm_setup(&me, &another.code()).await.expect(200));
    for code in [&codes[2], &fresh[0], &authenticator.code()] {
        assert_invalid(&token, code).await;
    }

    // The token expires.
    service.kill().await;
    service.restart_with(|spec| spec.set("AUTH__MFA_TOKEN_TTL", "1s")).await;
    let (token, issued) = (mfa_token(&api, &renewed).await, unix_seconds());
    wait_for(DEADLINE, "the end of a second", async || (unix_seconds() > issued + 1).then_some(())).await;
    assert_invalid(&token, &fresh[0]).await;
}

#[tokio::test]
async fn an_mfa_token_allows_five_wrong_codes_even_if_limits_are_off() {
    let world = World::new(&Stack::from_env(), "fivecodes").await;
    // Limits are off, as in most tests; the count includes all replicas.
    let spec = with_cheap_hashes(world.user_service());
    let replica = spec.replica();
    let (service, other) = tokio::join!(spec.start(), replica.start());
    let apis = [service.api(), other.api()];
    let (ada, _me, authenticator, codes) = user_with_totp(&world, &apis[0], "ada").await;
    let token = mfa_token(&apis[0], &ada).await;
    for attempt in 0..5 {
        let answer = submit_code(&apis[attempt % 2], &token, &authenticator.wrong_code()).await;
        let _ = answer.expect_problem(401, "invalid-credentials");
    }
    for code in [authenticator.wrong_code(), authenticator.code(), codes[0].clone()] {
        for api in &apis {
            let _ = submit_code(api, &token, &code).await.expect_problem(400, "token-invalid");
        }
    }
    // The count also holds for concurrent requests.
    let token = mfa_token(&apis[0], &ada).await;
    let wrong = authenticator.wrong_code();
    let answers = join_all((0..20).map(|n| submit_code(&apis[n % 2], &token, &wrong))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 5);
    // A new login gives a new token, and no recovery code was used.
    let token = mfa_token(&apis[1], &ada).await;
    let _ = Tokens::from_response(&submit_code(&apis[1], &token, &codes[0]).await.expect(200));
}
