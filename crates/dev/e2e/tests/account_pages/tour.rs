//! A tour through every account page, in the order in which a new user meets them, each also with a refused form. What
//! must hold for all pages is tested at every stop. It needs no text of a page, so it works in any language.

use std::time::Duration;

use e2e::{
    accounts::{age_sessions, with_new_password},
    totp::Authenticator,
};
use test_support::{Browser, TestUser, remember_secret};

use crate::Scene;

/// Longer than a session stays recently authenticated.
const LATER: Duration = Duration::from_secs(11 * 60);
/// A link that was never mailed.
const UNKNOWN_LINK: &str = "?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Leads the browser to every page as this new user, and calls `visit` with the name of each.
pub(crate) async fn tour(scene: &mut Scene, user: TestUser, mut visit: impl AsyncFnMut(&mut Browser, &str)) {
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
    scene.browser.fill("email", &format!("new-{}", user.email)).await;
    scene.browser.submit("/account/email").await;
    visit(&mut scene.browser, "email-link-sent").await;
    scene.open("/account/password").await;
    visit(&mut scene.browser, "password").await;
    scene.browser.fill("currentPassword", "not the password").await;
    scene.browser.fill("newPassword", "123").await;
    scene.browser.submit("/account/password").await;
    visit(&mut scene.browser, "password-refused").await;

    // Another session stands in the list.
    let _ = scene.api.login(&user).await;
    scene.open("/account/sessions").await;
    visit(&mut scene.browser, "sessions").await;
    scene.open("/account/second-factor").await;
    visit(&mut scene.browser, "second-factor").await;
    scene.browser.submit("/account/second-factor").await;
    let secret = scene.browser.evaluate("document.querySelector('[name=secret]').value").await;
    let authenticator = Authenticator::from_secret(secret.as_str().expect("the page has a secret"));
    visit(&mut scene.browser, "second-factor-set-up").await;
    scene.browser.fill("code", &authenticator.wrong_code()).await;
    scene.browser.submit("/account/second-factor/confirm").await;
    visit(&mut scene.browser, "second-factor-refused").await;
    scene.browser.fill("code", &authenticator.code()).await;
    scene.browser.submit("/account/second-factor/confirm").await;
    let recovery_codes = recovery_codes(&mut scene.browser).await;
    visit(&mut scene.browser, "recovery-codes").await;
    scene.open("/account/second-factor").await;
    visit(&mut scene.browser, "second-factor-on").await;
    scene.open("/account/history").await;
    visit(&mut scene.browser, "history").await;
    scene.open("/account/export").await;
    visit(&mut scene.browser, "export").await;

    age_sessions(&scene.world, LATER).await;
    scene.open("/account/email").await;
    assert_eq!(scene.browser.path().await, "/account/confirm-identity?next=%2Faccount%2Femail");
    visit(&mut scene.browser, "confirm-identity").await;
    scene.browser.fill("password", &user.password).await;
    scene.browser.fill("code", &authenticator.wrong_code()).await;
    scene.browser.submit("/account/confirm-identity").await;
    visit(&mut scene.browser, "confirm-identity-refused").await;
    scene.browser.fill("password", &user.password).await;
    scene.browser.fill("code", &recovery_codes[0]).await;
    scene.browser.submit("/account/confirm-identity").await;
    assert_eq!(scene.browser.path().await, "/account/email");

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
    scene.browser.fill("code", &recovery_codes[1]).await;
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
    let user = with_new_password(&user, "again");
    scene.browser.fill("newPassword", &user.password).await;
    scene.browser.submit("/reset-password").await;
    visit(&mut scene.browser, "reset-password-done").await;
    scene.open(&format!("/accept-invitation{UNKNOWN_LINK}")).await;
    visit(&mut scene.browser, "unknown-link").await;

    scene.open("/no-such-page").await;
    visit(&mut scene.browser, "not-found").await;
    scene.open("/sign-in?next=/account/delete").await;
    scene.enter_credentials(&user).await;
    scene.browser.fill("code", &recovery_codes[2]).await;
    scene.browser.submit("/sign-in/code").await;
    assert_eq!(scene.browser.path().await, "/account/delete");
    visit(&mut scene.browser, "delete").await;
    scene.browser.toggle("confirmed").await;
    scene.browser.fill("username", "another user").await;
    scene.browser.submit("/account/delete").await;
    visit(&mut scene.browser, "delete-refused").await;
    scene.browser.fill("username", &user.username).await;
    if scene.browser.field_value("confirmed").await.is_empty() {
        scene.browser.toggle("confirmed").await;
    }
    scene.browser.submit("/account/delete").await;
    assert_eq!(scene.session_cookie().await, None);
    visit(&mut scene.browser, "deleted").await;
}

/// Returns the recovery codes of the page. They are remembered as secrets of the run.
pub(crate) async fn recovery_codes(browser: &mut Browser) -> Vec<String> {
    let codes = browser.evaluate("[...document.querySelectorAll('.codes code')].map(code => code.innerText)").await;
    let codes: Vec<String> =
        codes.as_array().into_iter().flatten().filter_map(|code| Some(code.as_str()?.to_owned())).collect();
    assert_eq!(codes.len(), 10);
    for code in &codes {
        remember_secret("recovery code", code);
        remember_secret("recovery code", &code.replace('-', ""));
    }
    codes
}
