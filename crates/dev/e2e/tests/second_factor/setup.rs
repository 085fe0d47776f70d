//! Setups that are not confirmed.

use bson::{Document, doc};
use e2e::{
    accounts::{mark_email_verified, user_document, with_cheap_hashes},
    totp::{confirm_setup, recovery_codes, start_setup, unix_seconds},
};
use test_support::{Stack, World};

#[tokio::test]
async fn a_setup_allows_five_wrong_codes_even_if_limits_are_off() {
    let world = World::new(&Stack::from_env(), "fivesetup").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    mark_email_verified(&world, &ada).await;
    let me = api.with_token(&api.login(&ada).await.access);
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
    let world = World::new(&Stack::from_env(), "latesetup").await;
    let service = with_cheap_hashes(world.user_service()).start().await;
    let api = service.api();
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    mark_email_verified(&world, &ada).await;
    let me = api.with_token(&api.login(&ada).await.access);
    let authenticator = start_setup(&me, &ada).await;
    let setup = user_document(&world, &ada.email).await.get_document("totpSetup").expect("the setup is stored").clone();
    let until = setup.get_datetime("expiresAt").expect("the setup expires").timestamp_millis() / 1_000;
    let left = until - i64::try_from(unix_seconds()).expect("the time fits");
    assert!((3_500..=3_600).contains(&left), "{left} s");

    let users = world.user_database().await.collection::<Document>("users");
    let past = doc! { "$set": { "totpSetup.expiresAt": bson::DateTime::from_millis(0) } };
    users.update_one(doc! { "email": &ada.email }, past).await.expect("users can be written");
    let _ = confirm_setup(&me, &authenticator.code()).await.expect_problem(409, "conflict");
    api.login(&ada).await;
    let again = start_setup(&me, &ada).await;
    let _ = confirm_setup(&me, &again.code()).await.expect(200);
}
