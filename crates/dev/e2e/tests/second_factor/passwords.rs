//! The password of an account with a second factor.

use bson::Uuid;
use e2e::{
    accounts::{
        confirm_reset, register_verified, request_reset, stored_hash, user_document, wait_for_session_count,
        with_cheap_hashes, with_new_password,
    },
    start::{start_both_services, start_user_service},
    totp::{confirm_setup, recovery_codes, start_setup},
};
use test_support::{Stack, World};

use crate::requests::{log_in_with_both_factors, mfa_token, password_login, submit_code, user_with_totp};

#[tokio::test]
async fn a_password_reset_does_not_bypass_the_second_factor() {
    let (world, _users, _emails, api) = start_both_services("totpreset").await;
    let (ada, _me, authenticator, _codes) = user_with_totp(&world, &api, "ada").await;
    let before = mfa_token(&api, &ada).await;
    request_reset(&api, &ada.email).await;
    let link = world.mailbox(&ada.email).wait_for_token("/reset-password", 1).await;
    let renewed = with_new_password(&ada, "forgotten");
    let _ = confirm_reset(&api, &link, &renewed.password).await.expect(204);
    let _ = submit_code(&api, &before, &authenticator.code()).await.expect_problem(400, "token-invalid");
    let _ = log_in_with_both_factors(&api, &renewed, &authenticator.wrong_code())
        .await
        .expect_problem(401, "invalid-credentials");
    let _ = log_in_with_both_factors(&api, &renewed, &authenticator.code()).await.expect(200);
}

#[tokio::test]
async fn a_password_login_in_progress_while_the_second_factor_is_enabled_gets_no_session() {
    let world = World::new(&Stack::from_env(), "latefactor").await;
    // This login stops between the verified hash and the write that starts the session. It has a replica of its own,
    // so that no other request waits for its threads.
    let fast = with_cheap_hashes(world.user_service());
    let delayed = fast.replica().fail_points("login.before_commit=sleep(4000)");
    let (fast, delayed) = tokio::join!(fast.start(), delayed.start());
    let api = fast.api();
    let (ada, me) = register_verified(&world, &api, "ada").await;
    let authenticator = start_setup(&me, &ada).await;

    let (slow, user) = (delayed.api(), ada.clone());
    let waiting = tokio::spawn(async move { password_login(&slow, &user).await });
    wait_for_session_count(&world, 2).await;
    let codes = recovery_codes(&confirm_setup(&me, &authenticator.code()).await.expect(200));
    assert!(!waiting.is_finished(), "the login was not slow enough for this test");
    let late = waiting.await.expect("a login does not panic").expect_problem(401, "mfa-required");
    wait_for_session_count(&world, 1).await;
    let _ = submit_code(&api, &late.string("mfaToken"), &codes[0]).await.expect(200);
}

#[tokio::test]
async fn an_outdated_hash_is_renewed_even_if_the_login_is_not_complete() {
    let (world, mut service, api) = start_user_service("rehash").await;
    let (ada, _me, _authenticator, codes) = user_with_totp(&world, &api, "ada").await;
    let outdated = stored_hash(&world, &ada.email).await;
    service.kill().await;
    service.restart_with(|spec| spec.set("HASHING__ITERATIONS", "2")).await;
    let before = user_document(&world, &ada.email).await;

    let token = mfa_token(&api, &ada).await;
    let renewed = stored_hash(&world, &ada.email).await;
    assert!(outdated.contains(",t=1,") && renewed.contains(",t=2,"), "{outdated} {renewed}");
    let after = user_document(&world, &ada.email).await;
    assert_eq!(before.get("updatedAt"), after.get("updatedAt"), "renewing the hash updated the account");
    let _ = submit_code(&api, &token, &codes[0]).await.expect(200);
    let id = after
        .get("_id")
        .and_then(|id| bson::deserialize_from_bson::<Uuid>(id.clone()).ok())
        .expect("the user has an id");
    let logins = world.topic_reader().read_type("user.logged_in.v1", 2).await;
    assert!(logins.iter().all(|record| record.key_text() == id.to_string()));
}
