//! Accounts that were registered with the address of another person.

use e2e::{
    accounts::{
        change_password, register, register_with_id, request_verification, try_login, user_document, verify_email,
        with_email,
    },
    totp::enable_totp,
};
use serde_json::json;

use crate::steps::{
    PASSWORD_CHANGED, REGISTERED, assert_signed_out, insert_totp, reset_by_mail, start_with_sealed_tokens, undo,
};

#[tokio::test]
async fn an_account_registered_with_the_address_of_another_person_is_recovered_by_a_reset() {
    let (world, _service, api, mut sealed_tokens) = start_with_sealed_tokens("squatter").await;
    let victim = register(&world, &api, "victim").await;
    let tokens = api.login(&victim).await;
    let me = api.with_token(&tokens.access);
    let body = json!({ "password": victim.password });
    let _ = me.post("/api/users/me/totp", &body).await.expect_problem(403, "email-not-verified");
    let _ = me
        .post("/api/users/me/totp/confirm", &json!({ "code": "123456" }))
        .await
        .expect_problem(403, "email-not-verified");
    assert!(user_document(&world, &victim.email).await.get("totpSetup").is_none());

    // An earlier release allowed this second factor.
    insert_totp(&world, &victim.email).await;
    let _ = try_login(&api, &victim.email, &victim.password).await.expect_problem(401, "mfa-required");
    let _ = api.register(&with_email(&world.test_user("late"), &victim.email)).await.expect_problem(409, "email-taken");
    let owner = reset_by_mail(&api, &mut sealed_tokens, &victim).await;
    let mut topic = world.topic_reader();
    let disabled = topic.read_type("user.totp_disabled.v1", 1).await.remove(0);
    assert_eq!(disabled.json()["by"], "mailbox");
    assert_signed_out(&api, &tokens).await;
    let me = api.logged_in_as(&owner).await;
    assert_eq!(me.get("/api/users/me").await.expect(200).json()["emailVerified"], true);
    let after = user_document(&world, &victim.email).await;
    assert!(after.get("totp").is_none() && after.get("totpSetup").is_none(), "{after}");

    // A reset that is not the first proof of the mailbox keeps the second factor.
    enable_totp(&me, &owner).await;
    let owner = reset_by_mail(&api, &mut sealed_tokens, &owner).await;
    let _ = try_login(&api, &owner.email, &owner.password).await.expect_problem(401, "mfa-required");
}

#[tokio::test]
async fn a_disowned_account_stays_closed_until_a_reset() {
    let (world, _service, api, mut sealed_tokens) = start_with_sealed_tokens("disown").await;
    let (victim, id) = register_with_id(&world, &api, "victim").await;
    let tokens = api.login(&victim).await;
    let squatter = change_password(&api.with_token(&tokens.access), &victim, "changed").await;
    insert_totp(&world, &victim.email).await;
    let verification = sealed_tokens.wait_for_nth(REGISTERED, "verification", &victim.email, 1).await;
    let link = sealed_tokens.wait_for_nth(PASSWORD_CHANGED, "undo", &victim.email, 1).await;
    let disown = async |token: &str| api.post("/api/auth/email-verification/disown", &json!({ "token": token })).await;
    // A password change voids verification links, so a new one is requested.
    let _ = disown(&verification).await.expect_problem(400, "token-invalid");
    request_verification(&api, &victim.email).await;
    let verification =
        sealed_tokens.wait_for_nth("user.email_verification_requested.v1", "verification", &victim.email, 1).await;
    for wrong in [&*link, "no token at all"] {
        let _ = disown(wrong).await.expect_problem(400, "token-invalid");
    }
    let _ = disown(&verification).await.expect(204);

    assert_signed_out(&api, &tokens).await;
    for password in [&victim.password, &squatter.password] {
        let _ = try_login(&api, &victim.email, password).await.expect_problem(401, "invalid-credentials");
    }
    let _ = disown(&verification).await.expect_problem(400, "token-invalid");
    let confirm = verify_email(&api, &verification).await;
    let _ = confirm.expect_problem(400, "token-invalid");
    let _ = undo(&api, PASSWORD_CHANGED, &link).await.expect_problem(400, "token-invalid");
    let user = user_document(&world, &victim.email).await;
    assert_eq!(user.get_bool("emailVerified").ok(), Some(false));
    assert_eq!(user.get_array("tokens").map(Vec::len).ok(), Some(0));
    for gone in ["totp", "totpSetup", "undoTokens", "secondFactorSince"] {
        assert!(user.get(gone).is_none(), "{gone} in {user}");
    }
    let hash = user.get_str("passwordHash").expect("there is a link");
    assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "the hash looks different: {hash}");
    let mut topic = world.topic_reader();
    let disowned = topic.read_type("user.disowned.v1", 1).await.remove(0);
    assert_eq!(disowned.json(), json!({ "userId": id }));
    let disabled = topic.read_type("user.totp_disabled.v1", 1).await.remove(0);
    assert_eq!((disabled.sequence(), &disabled.json()["by"]), (disowned.sequence() + 1, &json!("mailbox")));

    let owner = reset_by_mail(&api, &mut sealed_tokens, &victim).await;
    let me = api.logged_in_as(&owner).await;
    let account = me.get("/api/users/me").await.expect(200).json();
    assert_eq!((&account["id"], &account["emailVerified"]), (&json!(id), &json!(true)));
}
