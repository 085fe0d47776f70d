//! The actions of owners and thieves.

use bson::{Binary, DateTime, doc, spec::BinarySubtype};
use e2e::{
    accounts::{
        confirm_email_change, confirm_reset, mark_email_verified, register, request_reset, update_user,
        with_new_password,
    },
    sealed_tokens::SealedTokens,
    start::start_user_service,
    totp::enable_totp,
};
use serde_json::json;
use test_support::{Api, ApiResponse, Service, TestUser, Tokens, World};

pub(crate) const REGISTERED: &str = "user.registered.v1";
pub(crate) const PASSWORD_CHANGED: &str = "user.password_changed.v1";
pub(crate) const TOTP_ENABLED: &str = "user.totp_enabled.v1";
pub(crate) const CODES_RENEWED: &str = "user.recovery_codes_renewed.v1";
pub(crate) const CHANGE_REQUESTED: &str = "user.email_change_requested.v1";
pub(crate) const ADDRESS_CHANGED: &str = "user.email_changed.v1";
pub(crate) const RESET_REQUESTED: &str = "user.password_reset_requested.v1";

/// Starts a user service, and reads the tokens that it mails.
pub(crate) async fn start_with_sealed_tokens(name: &str) -> (World, Service, Api, SealedTokens) {
    let (world, service, api) = start_user_service(name).await;
    let sealed_tokens = SealedTokens::new(&world);
    (world, service, api, sealed_tokens)
}

/// Registers a user with a verified address and logs them in.
pub(crate) async fn register_owner(world: &World, api: &Api, name: &str) -> (TestUser, Tokens) {
    let user = register(world, api, name).await;
    mark_email_verified(world, &user).await;
    let tokens = api.login(&user).await;
    (user, tokens)
}

/// Inserts a second factor that was enabled before the address was verified, as earlier releases allowed.
pub(crate) async fn insert_totp(world: &World, email: &str) {
    let secret = Binary { subtype: BinarySubtype::Generic, bytes: vec![7; 60] };
    let planted = doc! {
        "secret": secret, "enabledAt": DateTime::now(), "lastStep": 0_i64, "recoveryCodes": [], "usedTokens": [],
    };
    update_user(world, email, doc! { "$set": { "totp": planted } }).await;
}

/// Enables a second factor with the password of the owner. Returns the thief's client, the recovery codes, and the
/// token of the undo link number `nth` in the owner's mailbox.
pub(crate) async fn enable_totp_as_thief(
    api: &Api,
    sealed_tokens: &mut SealedTokens,
    owner: &TestUser,
    nth: usize,
) -> (Api, Vec<String>, String) {
    let thief = api.logged_in_as(owner).await;
    let (_, codes) = enable_totp(&thief, owner).await;
    let undo_link = sealed_tokens.wait_for_nth(TOTP_ENABLED, "undo", &owner.email, nth).await;
    (thief, codes, undo_link)
}

pub(crate) async fn disable_totp(me: &Api, user: &TestUser, code: &str) {
    let both = json!({ "password": user.password, "code": code });
    let _ = me.delete("/api/users/me/totp", Some(&both)).await.expect(204);
}

/// Requests another address and confirms it from its mailbox.
pub(crate) async fn change_address(api: &Api, me: &Api, sealed_tokens: &mut SealedTokens, user: &TestUser, new: &str) {
    let _ = me.put("/api/users/me/email", &json!({ "newEmail": new, "password": user.password })).await.expect(202);
    let token = sealed_tokens.wait_for_nth(CHANGE_REQUESTED, "confirmation", new, 1).await;
    let _ = confirm_email_change(api, &token).await.expect(204);
}

/// Uses the undo link of an event.
pub(crate) async fn undo(api: &Api, event_type: &str, token: &str) -> ApiResponse {
    let path = if event_type == ADDRESS_CHANGED { "/api/auth/email-change/undo" } else { "/api/auth/undo" };
    api.post(path, &json!({ "token": token })).await
}

pub(crate) async fn reset(api: &Api, token: &str, user: &TestUser) -> ApiResponse {
    confirm_reset(api, token, &user.password).await
}

/// Requests and uses a reset with the mailbox alone.
pub(crate) async fn reset_by_mail(api: &Api, sealed_tokens: &mut SealedTokens, user: &TestUser) -> TestUser {
    let before = sealed_tokens.all(&user.email).await.iter().filter(|mail| mail.0 == RESET_REQUESTED).count();
    request_reset(api, &user.email).await;
    let token = sealed_tokens.wait_for_nth(RESET_REQUESTED, "reset", &user.email, before + 1).await;
    let renewed = with_new_password(user, "regained");
    let _ = reset(api, &token, &renewed).await.expect(204);
    renewed
}

pub(crate) async fn assert_signed_out(api: &Api, tokens: &Tokens) {
    let _ = api.with_token(&tokens.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let refreshed = api.refresh(&tokens.refresh).await;
    let _ = refreshed.expect_problem(401, "unauthorized");
}
