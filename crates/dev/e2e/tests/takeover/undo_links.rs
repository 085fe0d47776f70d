//! What an undo link can do, and when it no longer works.

use bson::{DateTime, doc};
use e2e::{
    accounts::{
        change_password, confirm_email_change, delete_account, try_login, update_user, user_document, with_email,
        with_new_password,
    },
    administrators::create_admin,
    totp::{enable_totp, recovery_codes},
};
use serde_json::{Value, json};
use test_support::remember_secret;

use crate::steps::{
    ADDRESS_CHANGED, CHANGE_REQUESTED, CODES_RENEWED, PASSWORD_CHANGED, REGISTERED, RESET_REQUESTED, TOTP_ENABLED,
    assert_signed_out, change_address, disable_totp, enable_totp_as_thief, register_owner, reset, reset_by_mail,
    start_with_sealed_tokens, undo,
};

#[tokio::test]
async fn enabling_a_second_factor_again_after_its_undo_sends_a_new_undo_link() {
    let (world, _service, api, mut sealed_tokens) = start_with_sealed_tokens("again").await;
    let (ada, _) = register_owner(&world, &api, "ada").await;
    let (_, _, first) = enable_totp_as_thief(&api, &mut sealed_tokens, &ada, 1).await;
    let _ = undo(&api, TOTP_ENABLED, &first).await.expect(204);
    // The thief still knows the password.
    let (thief, codes, second) = enable_totp_as_thief(&api, &mut sealed_tokens, &ada, 2).await;
    // Disabling and enabling again within the period sends no other link, and the existing one stays valid.
    disable_totp(&thief, &ada, &codes[0]).await;
    enable_totp(&thief, &ada).await;
    let enabled = world.topic_reader().read_type(TOTP_ENABLED, 3).await;
    assert_eq!(enabled[2].json().get("undo"), None);
    let ada = reset_by_mail(&api, &mut sealed_tokens, &ada).await;
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "mfa-required");
    let _ = undo(&api, TOTP_ENABLED, &second).await.expect(204);
    api.login(&ada).await;
}

#[tokio::test]
async fn the_mailbox_alone_cannot_remove_a_second_factor_that_is_older_than_the_links() {
    let (world, _service, api, mut sealed_tokens) = start_with_sealed_tokens("mailboxonly").await;
    let (ada, tokens) = register_owner(&world, &api, "ada").await;
    let me = api.with_token(&tokens.access);
    let codes = enable_totp(&me, &ada).await.1;
    let factors = sealed_tokens.wait_for_nth(TOTP_ENABLED, "undo", &ada.email, 1).await;
    // Moves the change a month into the past.
    let then = DateTime::from_millis(DateTime::now().timestamp_millis() - 30 * 24 * 60 * 60 * 1_000);
    let past = doc! {
        "secondFactorSince": then, "totp.enabledAt": then, "totp.lastStep": 0_i64, "undoTokens.0.expiresAt": then,
    };
    update_user(&world, &ada.email, doc! { "$set": past }).await;
    let _ = undo(&api, TOTP_ENABLED, &factors).await.expect_problem(400, "token-invalid");

    // The owner changes everything, including the authenticator.
    let ada = change_password(&me, &ada, "changed").await;
    disable_totp(&me, &ada, &codes[0]).await;
    let codes = enable_totp(&me, &ada).await.1;
    let both = json!({ "password": ada.password, "code": codes[0] });
    let fresh = recovery_codes(&me.post("/api/users/me/totp/recovery-codes", &both).await.expect(200));
    let new = world.address("ada-new");
    change_address(&api, &me, &mut sealed_tokens, &ada, &new).await;
    sealed_tokens.wait_for_nth(ADDRESS_CHANGED, "undo", &ada.email, 1).await;
    let links = sealed_tokens.all(&ada.email).await;
    let types: Vec<&str> = links.iter().map(|link| &*link.0).filter(|it| *it != REGISTERED).collect();
    assert_eq!(types, [TOTP_ENABLED, PASSWORD_CHANGED, CODES_RENEWED, ADDRESS_CHANGED]);

    // An attacker who reads the mailbox uses every link and sets a password, but cannot pass the second factor.
    let mut attacker = ada.clone();
    for (event_type, token) in links.iter().rev().filter(|link| link.0 != REGISTERED) {
        let expected = if event_type == TOTP_ENABLED { 400 } else { 204 };
        let _ = undo(&api, event_type, token).await.expect(expected);
        assert!(user_document(&world, &ada.email).await.get("totp").is_some(), "{event_type} removed the factor");
        attacker = reset_by_mail(&api, &mut sealed_tokens, &attacker).await;
        let _ = try_login(&api, &attacker.email, &attacker.password).await.expect_problem(401, "mfa-required");
    }
    // The owner's renewed recovery codes are void too.
    let response = try_login(&api, &attacker.email, &attacker.password).await;
    let mfa = response.string("mfaToken");
    remember_secret("mfa token", &mfa);
    let second = api.post("/api/auth/login/totp", &json!({ "mfaToken": mfa, "code": fresh[0] })).await;
    let _ = second.expect_problem(401, "invalid-credentials");
    let totp =
        user_document(&world, &ada.email).await.get_document("totp").expect("the second factor is enabled").clone();
    assert_eq!(totp.get_array("recoveryCodes").map(Vec::len).ok(), Some(0));
}

#[tokio::test]
async fn the_password_alone_gives_no_undo_link_and_does_not_bypass_the_second_factor() {
    let (world, _service, api, mut sealed_tokens) = start_with_sealed_tokens("passwordonly").await;
    let (ada, tokens) = register_owner(&world, &api, "ada").await;
    let me = api.with_token(&tokens.access);
    enable_totp(&me, &ada).await;
    let _ = try_login(&api, &ada.email, &ada.password).await.expect_problem(401, "mfa-required");
    // Links do nothing to another account, and work for no other purpose.
    let (mallory, mallory_tokens) = register_owner(&world, &api, "mallory").await;
    let mallory_client = api.with_token(&mallory_tokens.access);
    enable_totp(&mallory_client, &mallory).await;
    let mallory = change_password(&mallory_client, &mallory, "changed").await;
    let own_link = sealed_tokens.wait_for_nth(TOTP_ENABLED, "undo", &mallory.email, 1).await;
    let password = sealed_tokens.wait_for_nth(PASSWORD_CHANGED, "undo", &mallory.email, 1).await;
    let verification = sealed_tokens.wait_for_nth(REGISTERED, "verification", &mallory.email, 1).await;
    for wrong in [&verification, "no token at all"] {
        let _ = undo(&api, TOTP_ENABLED, wrong).await.expect_problem(400, "token-invalid");
    }
    for link in [&own_link, &password] {
        let _ = undo(&api, ADDRESS_CHANGED, link).await.expect_problem(400, "token-invalid");
        let _ = reset(&api, link, &mallory).await.expect_problem(400, "token-invalid");
        for path in ["/api/auth/email-verification", "/api/auth/email-change/confirm"] {
            let _ = api.post(path, &json!({ "token": link })).await.expect_problem(400, "token-invalid");
        }
    }
    // Only one of two concurrent uses of a link succeeds.
    let (one, two) = tokio::join!(undo(&api, TOTP_ENABLED, &own_link), undo(&api, TOTP_ENABLED, &own_link));
    let mut both = [one.status, two.status];
    both.sort_unstable();
    assert_eq!(both, [204, 400]);
    assert!(user_document(&world, &ada.email).await.get("totp").is_some());
    let _ = me.get("/api/users/me").await.expect(200);
}

#[tokio::test]
async fn six_password_changes_do_not_displace_the_first_undo_link() {
    let (world, _service, api, mut sealed_tokens) = start_with_sealed_tokens("sixtimes").await;
    let (ada, _) = register_owner(&world, &api, "ada").await;
    let tokens = api.login(&ada).await;
    let thief_client = api.with_token(&tokens.access);
    let mut thief = ada.clone();
    for number in 0..6 {
        thief = change_password(&thief_client, &thief, &number.to_string()).await;
    }
    let changed = world.topic_reader().read_type(PASSWORD_CHANGED, 6).await;
    let granted: Vec<bool> = changed.iter().map(|record| record.json().get("undo").is_some()).collect();
    assert_eq!(granted, [true, true, true, true, true, false]);
    let first = sealed_tokens.wait_for_nth(PASSWORD_CHANGED, "undo", &ada.email, 1).await;
    let _ = undo(&api, PASSWORD_CHANGED, &first).await.expect(204);
    assert_signed_out(&api, &tokens).await;
    let _ = try_login(&api, &ada.email, &thief.password).await.expect_problem(401, "invalid-credentials");

    // Both events come from one write, in this order, and the reset goes to the same mailbox.
    let mut topic = world.topic_reader();
    let undone = topic.read_type("user.change_undone.v1", 1).await.remove(0);
    let requested = topic.read_type(RESET_REQUESTED, 1).await.remove(0);
    assert_eq!(
        (&undone.json()["change"], &undone.json()["recipient"]["email"]),
        (&json!("password"), &json!(ada.email))
    );
    assert_eq!(requested.sequence(), undone.sequence() + 1);
    let token = sealed_tokens.wait_for_nth(RESET_REQUESTED, "reset", &ada.email, 1).await;
    let renewed = with_new_password(&ada, "renewed");
    let _ = reset(&api, &token, &renewed).await.expect(204);
    let me = api.logged_in_as(&renewed).await;
    let log = me.get("/api/users/me/audit").await.expect(200).json();
    let kinds: Vec<&Value> = log["items"].as_array().into_iter().flatten().map(|entry| &entry["type"]).collect();
    assert!(kinds.contains(&&json!("user.change_undone.v1")), "{kinds:?}");
}

#[tokio::test]
async fn an_undo_link_is_void_when_its_address_changes_and_when_it_expires() {
    let (world, _service, api, mut sealed_tokens) = start_with_sealed_tokens("deadlinks").await;
    let (ada, tokens) = register_owner(&world, &api, "ada").await;
    let me = api.with_token(&tokens.access);
    let b = world.address("b");
    change_address(&api, &me, &mut sealed_tokens, &ada, &b).await;
    let moved = change_password(&me, &with_email(&ada, &b), "changed").await;
    let b_link = sealed_tokens.wait_for_nth(PASSWORD_CHANGED, "undo", &b, 1).await;
    let address_link = sealed_tokens.wait_for_nth(ADDRESS_CHANGED, "undo", &ada.email, 1).await;
    let _ = undo(&api, ADDRESS_CHANGED, &address_link).await.expect(204);
    let _ = undo(&api, PASSWORD_CHANGED, &b_link).await.expect_problem(400, "token-invalid");
    assert!(user_document(&world, &ada.email).await.get("undoTokens").is_none(), "the undo token is still stored");

    // The link has expired.
    let ada = reset_by_mail(&api, &mut sealed_tokens, &with_email(&moved, &ada.email)).await;
    let me = api.logged_in_as(&ada).await;
    let ada = change_password(&me, &ada, "again").await;
    let late = sealed_tokens.wait_for_nth(PASSWORD_CHANGED, "undo", &ada.email, 1).await;
    update_user(&world, &ada.email, doc! { "$set": doc! { "undoTokens.0.expiresAt": DateTime::now() } }).await;
    let _ = undo(&api, PASSWORD_CHANGED, &late).await.expect_problem(400, "token-invalid");
    // The account is deleted.
    let ada = change_password(&me, &ada, "last").await;
    let last = sealed_tokens.wait_for_nth(PASSWORD_CHANGED, "undo", &ada.email, 2).await;
    delete_account(&me, &ada).await;
    let _ = undo(&api, PASSWORD_CHANGED, &last).await.expect_problem(400, "token-invalid");
}

#[tokio::test]
async fn an_undo_link_does_not_change_a_disabled_account_and_works_after_it_is_enabled() {
    let (world, service, api, mut sealed_tokens) = start_with_sealed_tokens("disabled").await;
    let root = create_admin(&world, &service, "root").await;
    let (ada, tokens) = register_owner(&world, &api, "ada").await;
    let me = api.with_token(&tokens.access);
    let id = me.get("/api/users/me").await.expect(200).string("id");
    change_password(&me, &ada, "changed").await;
    let link = sealed_tokens.wait_for_nth(PASSWORD_CHANGED, "undo", &ada.email, 1).await;
    let _ = root.api.post(&format!("/api/admin/users/{id}/disable"), &json!({})).await.expect(204);
    let _ = undo(&api, PASSWORD_CHANGED, &link).await.expect_problem(400, "token-invalid");
    let _ = root.api.post(&format!("/api/admin/users/{id}/enable"), &json!({})).await.expect(204);
    let _ = undo(&api, PASSWORD_CHANGED, &link).await.expect(204);
}

#[tokio::test]
async fn an_undo_voids_a_change_of_address_that_is_not_yet_confirmed() {
    let (world, _service, api, mut sealed_tokens) = start_with_sealed_tokens("waiting").await;
    let (ada, _) = register_owner(&world, &api, "ada").await;
    let (thief_client, _, link) = enable_totp_as_thief(&api, &mut sealed_tokens, &ada, 1).await;
    let mallory = world.address("mallory");
    let body = json!({ "newEmail": mallory, "password": ada.password });
    let _ = thief_client.put("/api/users/me/email", &body).await.expect(202);
    let waiting = sealed_tokens.wait_for_nth(CHANGE_REQUESTED, "confirmation", &mallory, 1).await;
    let _ = undo(&api, TOTP_ENABLED, &link).await.expect(204);
    let confirm = confirm_email_change(&api, &waiting).await;
    let _ = confirm.expect_problem(400, "token-invalid");
}
