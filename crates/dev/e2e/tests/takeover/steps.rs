//! What owners and thieves do to an account.

use bson::{Binary, DateTime, doc, spec::BinarySubtype};
use e2e::{
    accounts::{mark_email_verified, update_user, with_new_password},
    sealed_tokens::SealedTokens,
};
use serde_json::json;
use test_support::{Api, ApiResponse, TestUser, Tokens, World};

pub(crate) const REGISTERED: &str = "user.registered.v1";
pub(crate) const PASSWORD_CHANGED: &str = "user.password_changed.v1";
pub(crate) const TOTP_ENABLED: &str = "user.totp_enabled.v1";
pub(crate) const CODES_RENEWED: &str = "user.recovery_codes_renewed.v1";
pub(crate) const CHANGE_REQUESTED: &str = "user.email_change_requested.v1";
pub(crate) const ADDRESS_CHANGED: &str = "user.email_changed.v1";
pub(crate) const RESET_REQUESTED: &str = "user.password_reset_requested.v1";

/// An account with a verified address, and its owner signed in.
pub(crate) async fn owner(world: &World, api: &Api, name: &str) -> (TestUser, Tokens) {
    let person = world.test_user(name);
    let _ = api.register(&person).await.expect(201);
    mark_email_verified(world, &person).await;
    let tokens = api.login(&person).await;
    (person, tokens)
}

/// A second factor that was turned on before the address was verified, as earlier releases allowed.
pub(crate) async fn plant_factor(world: &World, email: &str) {
    let secret = Binary { subtype: BinarySubtype::Generic, bytes: vec![7; 60] };
    let planted = doc! {
        "secret": secret, "enabledAt": DateTime::now(), "lastStep": 0_i64, "recoveryCodes": [], "usedTokens": [],
    };
    update_user(world, email, doc! { "$set": { "totp": planted } }).await;
}

pub(crate) async fn change_password(me: &Api, person: &TestUser, how: &str) -> TestUser {
    let renewed = with_new_password(person, how);
    let body = json!({ "currentPassword": person.password, "newPassword": renewed.password });
    let _ = me.put("/api/users/me/password", &body).await.expect(204);
    renewed
}

pub(crate) async fn turn_off(me: &Api, person: &TestUser, code: &str) {
    let both = json!({ "password": person.password, "code": code });
    let _ = me.delete("/api/users/me/totp", Some(&both)).await.expect(204);
}

/// Asks for another address and confirms it from its mailbox.
pub(crate) async fn change_address(api: &Api, me: &Api, mails: &mut SealedTokens, person: &TestUser, new: &str) {
    let _ = me.put("/api/users/me/email", &json!({ "newEmail": new, "password": person.password })).await.expect(202);
    let token = mails.wait_for_nth(CHANGE_REQUESTED, "confirmation", new, 1).await;
    let _ = api.post("/api/auth/email-change/confirm", &json!({ "token": token })).await.expect(204);
}

/// Follows the link in the notice of this event.
pub(crate) async fn undo(api: &Api, event_type: &str, token: &str) -> ApiResponse {
    let path = if event_type == ADDRESS_CHANGED { "/api/auth/email-change/undo" } else { "/api/auth/undo" };
    api.post(path, &json!({ "token": token })).await
}

pub(crate) async fn reset(api: &Api, token: &str, person: &TestUser) -> ApiResponse {
    let body = json!({ "token": token, "newPassword": person.password });
    api.post("/api/auth/password-reset/confirm", &body).await
}

/// Asks for a reset and uses it, with nothing but the mailbox.
pub(crate) async fn reset_by_mail(api: &Api, mails: &mut SealedTokens, person: &TestUser) -> TestUser {
    let before = mails.all(&person.email).await.iter().filter(|mail| mail.0 == RESET_REQUESTED).count();
    let _ = api.post("/api/auth/password-reset", &json!({ "email": person.email })).await.expect(202);
    let token = mails.wait_for_nth(RESET_REQUESTED, "reset", &person.email, before + 1).await;
    let renewed = with_new_password(person, "regained");
    let _ = reset(api, &token, &renewed).await.expect(204);
    renewed
}

pub(crate) async fn is_signed_out(api: &Api, tokens: &Tokens) {
    let _ = api.with_token(&tokens.access).get("/api/users/me").await.expect_problem(401, "unauthorized");
    let refreshed = api.post("/api/auth/refresh", &json!({ "refreshToken": tokens.refresh })).await;
    let _ = refreshed.expect_problem(401, "unauthorized");
}
