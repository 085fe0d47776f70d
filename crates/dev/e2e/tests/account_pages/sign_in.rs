//! The sign-in with and without a second factor, where it leads, and signing out.

use e2e::totp::enable_totp;

use crate::Scene;

#[tokio::test]
async fn a_reader_signs_in_and_out_with_and_without_scripts() {
    let Some(mut scene) = Scene::start("a_reader_signs_in_and_out_with_and_without_scripts", "signinpage").await else {
        return;
    };
    let user = scene.new_user("ada").await;
    for has_scripts in [true, false] {
        if !has_scripts {
            scene.browser.disable_scripts().await;
        }
        // A page of the account leads to the sign-in, and from there back.
        scene.open("/account/profile").await;
        assert_eq!(scene.browser.path().await, "/sign-in?next=%2Faccount%2Fprofile");
        // What was typed stays, but never the password.
        scene.browser.fill("identifier", &user.username).await;
        scene.browser.fill("password", "not the password").await;
        scene.browser.submit("/sign-in").await;
        assert_eq!(scene.browser.response_status().await, 422);
        let alert = scene.browser.alert().await;
        assert_eq!(alert.as_deref(), Some("Email address, username or password are not right."));
        assert_eq!(scene.browser.field_value("identifier").await, user.username);
        assert_eq!(scene.browser.field_value("password").await, "");
        scene.enter_credentials(&user).await;
        assert_eq!(scene.browser.path().await, "/account/profile");

        // With a session, the sign-in leads on.
        scene.open("/sign-in").await;
        assert_eq!(scene.browser.path().await, "/account");
        scene.browser.submit("/sign-out").await;
        assert_eq!(scene.browser.path().await, "/signed-out");
        assert_eq!(scene.browser.heading().await, "You are signed out");
        assert_eq!(scene.session_cookie().await, None);
        scene.browser.follow("Sign in").await;
        assert_eq!(scene.browser.path().await, "/sign-in");
    }
}

#[tokio::test]
async fn the_second_step_takes_a_code_or_a_recovery_code_and_keeps_where_the_reader_goes() {
    let test = "the_second_step_takes_a_code_or_a_recovery_code_and_keeps_where_the_reader_goes";
    let Some(mut scene) = Scene::start(test, "codepage").await else { return };
    let user = scene.new_user("ada").await;
    let me = scene.api.logged_in_as(&user).await;
    let (authenticator, recovery_codes) = enable_totp(&me, &user).await;
    // The code of the setup is used.
    let code = authenticator.code_at(1);
    for (right, has_scripts) in [(code.as_str(), true), (recovery_codes[0].as_str(), false)] {
        if !has_scripts {
            scene.browser.disable_scripts().await;
        }
        scene.open("/sign-in?next=/account/sessions").await;
        scene.enter_credentials(&user).await;
        assert_eq!(scene.browser.heading().await, "Enter your code");
        assert_eq!(scene.session_cookie().await, None, "one factor is not enough");
        scene.browser.fill("code", &authenticator.wrong_code()).await;
        scene.browser.submit("/sign-in/code").await;
        assert!(scene.browser.alert().await.is_some_and(|text| text.starts_with("This code is not right")));
        assert_eq!(scene.browser.field_value("code").await, "");
        scene.browser.fill("code", right).await;
        scene.browser.submit("/sign-in/code").await;
        assert_eq!(scene.browser.path().await, "/account/sessions");
        scene.open("/account").await;
        scene.browser.submit("/sign-out").await;
    }
    // A used code is refused, and so is a code of a sign-in that is over.
    scene.open("/sign-in").await;
    scene.enter_credentials(&user).await;
    scene.browser.fill("code", &recovery_codes[0]).await;
    scene.browser.submit("/sign-in/code").await;
    assert!(scene.browser.alert().await.is_some_and(|text| text.starts_with("This code is not right")));
    scene.browser.fill("code", &recovery_codes[1]).await;
    scene.browser.submit("/sign-in/code").await;
    assert_eq!(scene.browser.path().await, "/account");
    // The page of the code is not kept, so the browser cannot send its form again.
    scene.browser.submit("/sign-out").await;
    assert_eq!(scene.browser.path().await, "/signed-out");
    scene.open("/sign-in/code").await;
    assert_eq!(scene.browser.path().await, "/sign-in");
}

#[tokio::test]
async fn a_session_that_the_api_ends_is_over_in_the_browser() {
    let Some(mut scene) = Scene::start("a_session_that_the_api_ends_is_over_in_the_browser", "endedpage").await else {
        return;
    };
    let user = scene.new_member("ada").await;
    let me = scene.api.logged_in_as(&user).await;
    let sessions = me.get("/api/users/me/sessions").await.expect(200).json();
    assert_eq!(sessions["items"].as_array().map(Vec::len), Some(2), "the list shows both kinds: {sessions}");
    scene.open("/account").await;
    assert_eq!(scene.browser.path().await, "/account");
    let _ = me.delete("/api/users/me/sessions", None).await.expect(204);
    scene.open("/account").await;
    assert_eq!(scene.browser.path().await, "/sign-in?next=%2Faccount");
}
