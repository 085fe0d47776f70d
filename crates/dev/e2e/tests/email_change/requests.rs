//! The requests of an address change, and the links in its mails.

use bson::{Bson, Document};
use e2e::accounts::{confirm_email_change, confirm_reset, try_login, with_new_password};
use serde_json::json;
use test_support::{Api, ApiResponse, TestUser, World};

pub(crate) const CONFIRM: &str = "/confirm-email";
pub(crate) const UNDO: &str = "/undo-email-change";

/// Requests another address.
pub(crate) async fn request_change(me: &Api, new: &str, password: &str) -> ApiResponse {
    me.put("/api/users/me/email", &json!({ "newEmail": new, "password": password })).await
}

pub(crate) async fn undo(api: &Api, token: &str) -> ApiResponse {
    api.post("/api/auth/email-change/undo", &json!({ "token": token })).await
}

/// Returns the token of the first mail to an address with a link to a page.
pub(crate) async fn mailed_token(world: &World, address: &str, page: &str) -> String {
    world.mailbox(address).wait_for_token(page, 1).await
}

/// Requests and confirms a change, and returns the undo token that the old address gets.
pub(crate) async fn change_address(world: &World, me: &Api, user: &TestUser, new: &str) -> String {
    let _ = request_change(me, new, &user.password).await.expect(202);
    let _ = confirm_email_change(me, &mailed_token(world, new, CONFIRM).await).await.expect(204);
    world.mailbox(&user.email).wait_for_links(UNDO, 1).await.last().expect("there is a link").token(UNDO)
}

/// Sets a new password with the reset that an undo has started, from reset mail number `count` of the mailbox. The
/// old password no longer works.
pub(crate) async fn recover_account(world: &World, api: &Api, user: &TestUser, count: usize) -> TestUser {
    let _ = try_login(api, &user.email, &user.password).await.expect_problem(401, "invalid-credentials");
    let regained = with_new_password(user, "regained");
    let reset = world.mailbox(&user.email).wait_for_token("/reset-password", count).await;
    let _ = confirm_reset(api, &reset, &regained.password).await.expect(204);
    regained
}

pub(crate) fn email_keys(user: &Document) -> Vec<&str> {
    user.get_array("emailKeys").expect("the user has keys").iter().filter_map(Bson::as_str).collect()
}

/// Submits the form of a page.
pub(crate) async fn post_form(api: &Api, page: &str, token: &str) -> ApiResponse {
    api.submit(page, &[("token", token), ("confirmed", "yes")]).await
}
