//! A tour through every account page, in the order in which a new user meets them, each also with a refused form. What
//! must hold for all pages is tested at every stop. It needs no text of a page, so it works in any language.

use std::time::Duration;

use e2e::{accounts::age_sessions, totp::enable_totp};
use test_support::Browser;

use crate::Scene;

/// Longer than a session stays recently authenticated.
const LATER: Duration = Duration::from_secs(11 * 60);
/// A link that was never mailed.
const UNKNOWN_LINK: &str = "?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Leads the browser to every page, and calls `visit` with the name of each. `name` is that of the new user.
pub(crate) async fn tour(scene: &mut Scene, name: &str, mut visit: impl AsyncFnMut(&mut Browser, &str)) {
    let user = scene.world.test_user(name);
    let mails = scene.world.mailbox(&user.email);

    scene.open("/").await;
    visit(&mut scene.browser, "start").await;
    scene.open("/register").await;
    visit(&mut scene.browser, "register").await;
    scene.browser.fill("username", "no spaces").await;
    scene.browser.fill("email", "ada..b@example.org").await;
    scene.browser.fill("password", "123").await;
    scene.browser.submit("/register").await;
    visit(&mut scene.browser, "register-refused").await;
    scene.browser.fill("username", &user.username).await;
    scene.browser.fill("email", &user.email).await;
    scene.browser.fill("password", &user.password).await;
    scene.browser.fill("displayName", "Ada Lovelace").await;
    scene.browser.submit("/register").await;
    assert_eq!(scene.browser.path().await, "/check-mail?done=registered");
    visit(&mut scene.browser, "check-mail").await;
    scene.browser.submit("/check-mail").await;
    visit(&mut scene.browser, "check-mail-again").await;

    scene.open("/sign-in").await;
    visit(&mut scene.browser, "sign-in").await;
    scene.browser.fill("identifier", &user.email).await;
    scene.browser.fill("password", "not the password").await;
    scene.browser.submit("/sign-in").await;
    visit(&mut scene.browser, "sign-in-refused").await;
    scene.enter_credentials(&user).await;
    assert_eq!(scene.browser.path().await, "/account");
    visit(&mut scene.browser, "home-unconfirmed").await;
    let token = mails.wait_for_token("/verify-email", 2).await;
    scene.open(&format!("/verify-email?token={token}")).await;
    visit(&mut scene.browser, "verify-email").await;
    scene.browser.submit("/verify-email").await;
    visit(&mut scene.browser, "verify-email-done").await;

    scene.open("/account").await;
    visit(&mut scene.browser, "home").await;
    scene.open("/account/profile").await;
    visit(&mut scene.browser, "profile").await;
    scene.browser.fill("username", "no spaces").await;
    scene.browser.submit("/account/profile").await;
    visit(&mut scene.browser, "profile-refused").await;
    scene.browser.fill("username", &user.username).await;
    scene.browser.fill("displayName", "Augusta Ada King").await;
    scene.browser.submit("/account/profile").await;
    assert_eq!(scene.browser.path().await, "/account/profile?done=saved");
    visit(&mut scene.browser, "profile-saved").await;
    scene.open("/account/email").await;
    visit(&mut scene.browser, "email").await;
    scene.browser.fill("email", &user.email).await;
    scene.browser.submit("/account/email").await;
    visit(&mut scene.browser, "email-refused").await;
    scene.browser.fill("email", &scene.world.address(&format!("{name}-later"))).await;
    scene.browser.submit("/account/email").await;
    visit(&mut scene.browser, "email-link-sent").await;
    scene.open("/account/password").await;
    visit(&mut scene.browser, "password").await;
    scene.browser.fill("currentPassword", "not the password").await;
    scene.browser.fill("newPassword", "123").await;
    scene.browser.submit("/account/password").await;
    visit(&mut scene.browser, "password-refused").await;

    let me = scene.api.logged_in_as(&user).await;
    let (authenticator, recovery_codes) = enable_totp(&me, &user).await;
    age_sessions(&scene.world, LATER).await;
    scene.open("/account/email").await;
    visit(&mut scene.browser, "confirm-identity").await;

    scene.open("/account").await;
    scene.browser.submit("/sign-out").await;
    assert_eq!(scene.browser.path().await, "/signed-out");
    visit(&mut scene.browser, "signed-out").await;
    scene.open("/sign-in").await;
    scene.enter_credentials(&user).await;
    visit(&mut scene.browser, "code").await;
    scene.browser.fill("code", &authenticator.wrong_code()).await;
    scene.browser.submit("/sign-in/code").await;
    visit(&mut scene.browser, "code-refused").await;
    scene.browser.fill("code", &recovery_codes[0]).await;
    scene.browser.submit("/sign-in/code").await;
    assert_eq!(scene.browser.path().await, "/account");
    scene.browser.submit("/sign-out").await;

    scene.open("/forgot-password").await;
    visit(&mut scene.browser, "forgot-password").await;
    scene.browser.fill("email", &user.email).await;
    scene.browser.submit("/forgot-password").await;
    visit(&mut scene.browser, "forgot-password-sent").await;
    let token = mails.wait_for_token("/reset-password", 1).await;
    scene.open(&format!("/reset-password?token={token}")).await;
    visit(&mut scene.browser, "reset-password").await;
    scene.browser.fill("newPassword", "123").await;
    scene.browser.submit("/reset-password").await;
    visit(&mut scene.browser, "reset-password-refused").await;
    scene.browser.fill("newPassword", &format!("{} again", user.password)).await;
    scene.browser.submit("/reset-password").await;
    visit(&mut scene.browser, "reset-password-done").await;
    scene.open(&format!("/accept-invitation{UNKNOWN_LINK}")).await;
    visit(&mut scene.browser, "unknown-link").await;

    scene.open("/no-such-page").await;
    visit(&mut scene.browser, "not-found").await;
}
