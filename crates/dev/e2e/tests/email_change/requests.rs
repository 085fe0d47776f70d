//! The requests of an address change, and the links in its mails.

use bson::{Bson, Document, doc};
use e2e::accounts::{try_login, with_new_password};
use serde_json::json;
use test_support::{Api, ApiResponse, DEADLINE, ReceivedMail, TestUser, World, wait_for};

pub(crate) const CONFIRM: &str = "/confirm-email";
pub(crate) const UNDO: &str = "/undo-email-change";

/// Requests another address.
pub(crate) async fn request_change(me: &Api, new: &str, password: &str) -> ApiResponse {
    me.put("/api/users/me/email", &json!({ "newEmail": new, "password": password })).await
}

pub(crate) async fn confirm(api: &Api, token: &str) -> ApiResponse {
    api.post("/api/auth/email-change/confirm", &json!({ "token": token })).await
}

pub(crate) async fn undo(api: &Api, token: &str) -> ApiResponse {
    api.post("/api/auth/email-change/undo", &json!({ "token": token })).await
}

/// Waits until at least `count` mails to an address link to a page, and returns them, oldest first.
pub(crate) async fn wait_for_linked_mails(world: &World, address: &str, page: &str, count: usize) -> Vec<ReceivedMail> {
    let mailbox = world.mailbox(address);
    let marker = format!("{page}?token=");
    wait_for(DEADLINE, &format!("{count} mail(s) to {address} with a link to {page}"), async || {
        let mut mails = mailbox.mails().await;
        mails.retain(|mail| mail.text.contains(&marker));
        (mails.len() >= count).then_some(mails)
    })
    .await
}

/// Returns the token of the only link of its kind in a mailbox.
pub(crate) async fn mailed_token(world: &World, address: &str, page: &str) -> String {
    wait_for_linked_mails(world, address, page, 1).await.remove(0).token(page)
}

/// Requests and confirms a change, and returns the undo token that the old address gets.
pub(crate) async fn change_address(world: &World, me: &Api, user: &TestUser, new: &str) -> String {
    let _ = request_change(me, new, &user.password).await.expect(202);
    let _ = confirm(me, &mailed_token(world, new, CONFIRM).await).await.expect(204);
    let old = wait_for_linked_mails(world, &user.email, UNDO, 1).await;
    old.last().expect("there is a link").token(UNDO)
}

/// Sets a new password with the reset that an undo has started, from reset mail number `count` of the mailbox. The
/// old password no longer works.
pub(crate) async fn recover_account(world: &World, api: &Api, user: &TestUser, count: usize) -> TestUser {
    let _ = try_login(api, &user.email, &user.password).await.expect_problem(401, "invalid-credentials");
    let regained = with_new_password(user, "regained");
    let reset =
        wait_for_linked_mails(world, &user.email, "/reset-password", count).await[count - 1].token("/reset-password");
    let body = json!({ "token": reset, "newPassword": regained.password });
    let _ = api.post("/api/auth/password-reset/confirm", &body).await.expect(204);
    regained
}

/// Returns the stored document of an account.
pub(crate) async fn stored_user(world: &World, id: &str) -> Document {
    let users = world.user_database().await.collection::<Document>("users");
    let id = bson::Uuid::parse_str(id).expect("an id is a UUID");
    users.find_one(doc! { "_id": id }).await.expect("users can be read").expect("the user exists")
}

pub(crate) fn email_keys(user: &Document) -> Vec<&str> {
    user.get_array("emailKeys").expect("the user has keys").iter().filter_map(Bson::as_str).collect()
}

/// Submits the form of a page.
pub(crate) async fn post_form(api: &Api, page: &str, token: &str) -> ApiResponse {
    api.submit(page, &[("token", token), ("confirmed", "yes")]).await
}
