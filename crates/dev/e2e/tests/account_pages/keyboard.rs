//! The whole life of an account with the keyboard alone.

use crate::Scene;

#[tokio::test]
async fn an_account_is_created_confirmed_changed_and_left_without_a_mouse() {
    let test = "an_account_is_created_confirmed_changed_and_left_without_a_mouse";
    let Some(mut scene) = Scene::start(test, "keyboard").await else { return };
    let user = scene.world.test_user("ada");
    let mails = scene.world.mailbox(&user.email);

    scene.open("/").await;
    scene.browser.tab_to("Create an account").await;
    scene.browser.press_and_follow("Enter").await;
    for (field, text) in [("username", &user.username), ("email", &user.email), ("password", &user.password)] {
        scene.browser.tab_to(field).await;
        scene.browser.enter(text).await;
    }
    scene.browser.tab_to("Create the account").await;
    scene.browser.press_and_follow(" ").await;
    assert_eq!(scene.browser.path().await, "/check-mail?done=registered");
    let token = mails.wait_for_token("/verify-email", 1).await;
    scene.open(&format!("/verify-email?token={token}")).await;
    // The first button of the page confirms; the other one disowns the account.
    scene.browser.press("Tab").await;
    scene.browser.press_and_follow("Enter").await;
    scene.browser.tab_to("Sign in").await;
    scene.browser.press_and_follow("Enter").await;
    scene.browser.tab_to("identifier").await;
    scene.browser.enter(&user.username).await;
    scene.browser.press("Tab").await;
    scene.browser.enter(&user.password).await;
    scene.browser.press_and_follow("Enter").await;
    assert_eq!(scene.browser.path().await, "/account");
    scene.browser.tab_to("Profile").await;
    scene.browser.press_and_follow("Enter").await;
    scene.browser.tab_to("displayName").await;
    scene.browser.enter("Ada Lovelace").await;
    scene.browser.tab_to("locale").await;
    // Letters choose an option.
    scene.browser.press("D").await;
    assert_eq!(scene.browser.field_value("locale").await, "de");
    scene.browser.tab_to("Save").await;
    scene.browser.press_and_follow("Enter").await;
    assert_eq!(scene.browser.path().await, "/account/profile?done=saved");
    assert_eq!(scene.browser.field_value("displayName").await, "Ada Lovelace");
    scene.browser.tab_to("Sign out").await;
    scene.browser.press_and_follow("Enter").await;
    assert_eq!(scene.browser.path().await, "/signed-out");
}
