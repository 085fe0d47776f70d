//! Setups that are not confirmed.

use bson::doc;
use e2e::{
    accounts::{register_verified, update_user, user_document},
    start::start_user_service,
    totp::{confirm_setup, recovery_codes, start_setup, unix_seconds},
};

#[tokio::test]
async fn a_setup_allows_five_wrong_codes_even_if_limits_are_off() {
    let (world, _service, api) = start_user_service("fivesetup").await;
    let (ada, me) = register_verified(&world, &api, "ada").await;
    let authenticator = start_setup(&me, &ada).await;
    for _ in 0..5 {
        let _ = confirm_setup(&me, &authenticator.wrong_code()).await.expect_problem(403, "wrong-code");
    }
    let _ = confirm_setup(&me, &authenticator.code()).await.expect_problem(409, "conflict");
    let again = start_setup(&me, &ada).await;
    recovery_codes(&confirm_setup(&me, &again.code()).await.expect(200));
}

#[tokio::test]
async fn a_setup_expires() {
    let (world, _service, api) = start_user_service("latesetup").await;
    let (ada, me) = register_verified(&world, &api, "ada").await;
    let authenticator = start_setup(&me, &ada).await;
    let setup = user_document(&world, &ada.email).await.get_document("totpSetup").expect("the setup is stored").clone();
    let until = setup.get_datetime("expiresAt").expect("the setup expires").timestamp_millis() / 1_000;
    let left = until - i64::try_from(unix_seconds()).expect("the time fits");
    assert!((3_500..=3_600).contains(&left), "{left} s");

    let past = doc! { "$set": { "totpSetup.expiresAt": bson::DateTime::from_millis(0) } };
    update_user(&world, &ada.email, past).await;
    let _ = confirm_setup(&me, &authenticator.code()).await.expect_problem(409, "conflict");
    api.login(&ada).await;
    let again = start_setup(&me, &ada).await;
    let _ = confirm_setup(&me, &again.code()).await.expect(200);
}
