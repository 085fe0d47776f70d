//! Sessions, the second factor, the history, the export, the deletion, and step-up.

use std::time::Duration;

use e2e::{
    accounts::{age_sessions, register, try_login},
    administrators::grant_admin,
    totp::Authenticator,
};
use serde_json::{Value, json};
use test_support::{Browser, TestUser};

use crate::{Scene, tour::recovery_codes};

/// Longer than a session stays recently authenticated.
const LATER: Duration = Duration::from_secs(11 * 60);

impl Scene {
    /// Checks that the browser has another cookie than before, that it is valid, and that the one before is void.
    async fn assert_renewed(&mut self, before: &str) -> String {
        let now = self.session_cookie().await.expect("the browser has a session");
        assert_ne!(now, before);
        let url = self.url("/");
        let path = self.browser.path().await;
        self.browser.set_cookie(&url, "session", before).await;
        self.open("/account").await;
        assert_eq!(self.browser.path().await, "/sign-in?next=%2Faccount", "the cookie before is void");
        self.browser.set_cookie(&url, "session", &now).await;
        self.open("/account").await;
        assert_eq!(self.browser.path().await, "/account");
        self.open(&path).await;
        now
    }

    /// Fills the form that asks for the factors again, and sends it.
    async fn confirm_identity(&mut self, password: &str, code: Option<&str>) {
        self.browser.fill("password", password).await;
        if let Some(code) = code {
            self.browser.fill("code", code).await;
        }
        self.browser.submit("/account/confirm-identity").await;
    }
}

/// Returns the texts of the entries of a list.
async fn entries(browser: &mut Browser) -> Vec<String> {
    let texts = browser.evaluate("[...document.querySelectorAll('.entries > li')].map(entry => entry.innerText)").await;
    texts.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
}

/// Returns the value beside a label.
async fn detail(browser: &mut Browser, label: &str) -> String {
    let found = format!(
        "[...document.querySelectorAll('dt')].find(term => term.innerText === {label:?}).nextElementSibling.innerText"
    );
    browser.evaluate(&found).await.as_str().expect("there is the label").to_owned()
}

#[tokio::test]
async fn a_user_sees_all_sessions_and_ends_one_and_all_others() {
    let Some(mut scene) = Scene::start("a_user_sees_all_sessions_and_ends_one_and_all_others", "sessionspage").await
    else {
        return;
    };
    let user = scene.new_member("ada").await;
    let first = scene.session_cookie().await.expect("the browser has a session");
    // Another browser, and two applications.
    scene.browser.clear_cookies().await;
    scene.sign_in(&user).await;
    let older = scene.api.logged_in_as(&user).await;
    let newer = scene.api.logged_in_as(&user).await;
    scene.browser.disable_scripts().await;

    scene.open("/account").await;
    scene.browser.follow("Devices").await;
    let shown = entries(&mut scene.browser).await;
    assert_eq!(shown.len(), 4, "{shown:?}");
    for entry in &shown {
        assert!(entry.contains("Signed in: ") && entry.contains("UTC"), "{entry}");
        assert_eq!(entry.contains("This device"), !entry.contains("Sign out there"), "{entry}");
    }
    assert_eq!(shown.iter().filter(|entry| entry.contains("This device")).count(), 1, "{shown:?}");
    assert!(shown[2].contains("This device") && shown[2].contains("Chrome"), "{shown:?}");

    // The newest is the first of the list.
    scene.browser.follow_within(".entries > li:nth-child(1)", "Sign out there").await;
    assert_eq!(scene.browser.path().await, "/account/sessions?done=ended");
    assert!(scene.browser.status().await.is_some_and(|text| text.starts_with("You are signed out there.")));
    assert_eq!(entries(&mut scene.browser).await.len(), 3);
    let _ = newer.get("/api/auth/verify").await.expect_problem(401, "unauthorized");
    let _ = older.get("/api/auth/verify").await.expect(204);

    scene.browser.submit("/account/sessions/others").await;
    assert_eq!(scene.browser.path().await, "/account/sessions?done=others-ended");
    assert_eq!(scene.browser.status().await.as_deref(), Some("All other devices are signed out."));
    assert_eq!(entries(&mut scene.browser).await.len(), 1);
    assert!(!scene.browser.actions().await.iter().any(|text| text.contains("all other devices")));
    let _ = older.get("/api/users/me").await.expect_problem(401, "unauthorized");
    let url = scene.url("/");
    scene.browser.set_cookie(&url, "session", &first).await;
    scene.open("/account/sessions").await;
    assert_eq!(scene.browser.path().await, "/sign-in?next=%2Faccount%2Fsessions", "the other browser is signed out");
}

#[tokio::test]
async fn a_second_factor_is_set_up_used_renewed_and_turned_off_without_scripts() {
    let test = "a_second_factor_is_set_up_used_renewed_and_turned_off_without_scripts";
    let Some(mut scene) = Scene::start(test, "factorpage").await else { return };
    let user = scene.new_member("ada").await;
    scene.browser.disable_scripts().await;
    let cookie = scene.session_cookie().await.expect("the browser has a session");

    // The set-up: a wrong code shows the same secret again.
    scene.open("/account").await;
    scene.browser.follow("Two-factor authentication").await;
    scene.browser.submit("/account/second-factor").await;
    assert_eq!(scene.browser.heading().await, "Set up two-factor authentication");
    let qr_code = "document.querySelector('.qr-code svg').getBoundingClientRect().width > 100";
    assert_eq!(scene.browser.evaluate(qr_code).await, true);
    let secret = scene.browser.text("code").await.expect("the page has the secret");
    let authenticator = Authenticator::from_secret(&secret);
    scene.browser.fill("code", &authenticator.wrong_code()).await;
    scene.browser.submit("/account/second-factor/confirm").await;
    assert_eq!(scene.browser.response_status().await, 403);
    assert!(scene.browser.field_error("code").await.is_some_and(|text| text.starts_with("This code is not right")));
    assert_eq!(scene.browser.text("code").await.as_deref(), Some(&*secret));
    assert_eq!(scene.browser.evaluate(qr_code).await, true);
    scene.browser.fill("code", &authenticator.code()).await;
    scene.browser.submit("/account/second-factor/confirm").await;

    // The codes are shown once; they and the title are all that is printed.
    assert_eq!(scene.browser.heading().await, "Your recovery codes");
    assert_eq!(scene.browser.status().await.as_deref(), Some("Two-factor authentication is on."));
    let codes = recovery_codes(&mut scene.browser).await;
    scene.browser.set_medium("print").await;
    let printed = scene.browser.page_text().await;
    let title_and_codes = format!("Your recovery codes {}", codes.join(" "));
    assert_eq!(printed.split_whitespace().collect::<Vec<_>>().join(" "), title_and_codes);
    scene.browser.set_medium("").await;
    scene.browser.follow("I have kept the codes").await;
    let cookie = scene.assert_renewed(&cookie).await;
    assert_eq!(scene.browser.path().await, "/account/second-factor");
    assert!(detail(&mut scene.browser, "On since").await.ends_with("UTC"));
    assert_eq!(detail(&mut scene.browser, "Unused recovery codes").await, "10");
    assert!(!scene.browser.page_text().await.contains(&codes[0]));

    // New codes replace the old ones.
    scene.browser.submit("/account/second-factor/recovery-codes").await;
    let renewed = recovery_codes(&mut scene.browser).await;
    assert!(renewed.iter().all(|code| !codes.contains(code)));
    scene.open("/account").await;
    let _ = scene.assert_renewed(&cookie).await;
    scene.browser.submit("/sign-out").await;
    scene.open("/sign-in?next=/account/second-factor").await;
    scene.enter_credentials(&user).await;
    for code in [&codes[0], &renewed[0]] {
        scene.browser.fill("code", code).await;
        scene.browser.submit("/sign-in/code").await;
    }
    assert_eq!(scene.browser.path().await, "/account/second-factor");
    assert_eq!(detail(&mut scene.browser, "Unused recovery codes").await, "9");

    // Later, every factor is asked for again; then the page goes on where it was.
    age_sessions(&scene.world, LATER).await;
    scene.browser.submit("/account/second-factor/turn-off").await;
    assert!(scene.browser.path().await.starts_with("/account/confirm-identity?next="));
    let cookie = scene.session_cookie().await.expect("the browser has a session");
    scene.confirm_identity("not the password", Some(&authenticator.wrong_code())).await;
    assert_eq!(scene.browser.response_status().await, 403);
    assert!(scene.browser.field_error("password").await.is_some_and(|text| text.starts_with("This is not right")));
    assert_eq!(scene.browser.field_error("code").await, None);
    scene.confirm_identity(&user.password, Some(&authenticator.wrong_code())).await;
    assert_eq!(scene.browser.field_error("password").await, None);
    assert!(scene.browser.field_error("code").await.is_some_and(|text| text.starts_with("This code is not right")));
    for name in ["password", "code"] {
        assert_eq!(scene.browser.field_value(name).await, "", "{name}");
    }
    scene.confirm_identity(&user.password, Some(&renewed[1])).await;
    assert_eq!(scene.browser.path().await, "/account/second-factor", "it is not turned off by the form before");
    assert_eq!(detail(&mut scene.browser, "Unused recovery codes").await, "8");
    let cookie = scene.assert_renewed(&cookie).await;

    scene.browser.submit("/account/second-factor/turn-off").await;
    assert_eq!(scene.browser.path().await, "/account/second-factor?done=turned-off");
    assert_eq!(scene.browser.status().await.as_deref(), Some("Two-factor authentication is off."));
    let _ = scene.assert_renewed(&cookie).await;
    scene.browser.submit("/account/second-factor").await;
    let another = scene.browser.text("code").await.expect("the page has the secret");
    assert_ne!(another, secret);
    scene.open("/account").await;
    scene.browser.submit("/sign-out").await;
    scene.sign_in(&user).await;
}

#[tokio::test]
async fn a_set_up_that_was_started_again_or_is_over_is_told() {
    let Some(mut scene) = Scene::start("a_set_up_that_was_started_again_or_is_over_is_told", "setuppage").await else {
        return;
    };
    let user = register(&scene.world, &scene.api, "ada").await;
    scene.sign_in(&user).await;
    scene.open("/account/second-factor").await;
    assert!(scene.browser.page_text().await.contains("Please confirm your email address first."));
    assert!(!scene.browser.actions().await.contains(&"Set it up".to_owned()));

    let user = scene.new_user("grace").await;
    scene.browser.clear_cookies().await;
    scene.sign_in(&user).await;
    let me = scene.api.logged_in_as(&user).await;
    scene.open("/account/second-factor").await;
    scene.browser.submit("/account/second-factor").await;
    let first = Authenticator::from_secret(&scene.browser.text("code").await.expect("the page has the secret"));
    // Another device starts again: the code of the first secret is wrong.
    let second = Authenticator::from_setup(&me.post("/api/users/me/totp", &json!({})).await.expect(200));
    scene.browser.fill("code", &first.code()).await;
    scene.browser.submit("/account/second-factor/confirm").await;
    assert!(scene.browser.field_error("code").await.is_some());
    // The other device turns it on: the page tells the state as it is now.
    let _ = me.post("/api/users/me/totp/confirm", &json!({ "code": second.code() })).await.expect(200);
    scene.browser.fill("code", &first.code()).await;
    scene.browser.submit("/account/second-factor/confirm").await;
    assert_eq!(scene.browser.response_status().await, 409);
    assert!(scene.browser.alert().await.is_some_and(|text| text.starts_with("Your account was changed meanwhile")));
    assert_eq!(detail(&mut scene.browser, "Unused recovery codes").await, "10");
}

#[tokio::test]
async fn the_history_is_in_pages_in_the_language_and_the_time_zone_of_the_reader() {
    let test = "the_history_is_in_pages_in_the_language_and_the_time_zone_of_the_reader";
    let Some(mut scene) = Scene::start(test, "historypage").await else { return };
    let user = scene.new_member("ada").await;
    scene.browser.disable_scripts().await;
    scene.open("/account/history").await;
    let shown = entries(&mut scene.browser).await;
    for title in ["Account created", "Email address confirmed", "Signed in"] {
        assert!(shown.iter().any(|entry| entry.starts_with(title)), "{title}: {shown:?}");
    }
    assert!(shown.iter().all(|entry| entry.contains(" UTC")), "{shown:?}");
    // Without a time zone, the page tells where to choose one.
    scene.browser.follow("Profile").await;
    assert_eq!(scene.browser.path().await, "/account/profile");

    let mut me = scene.api.clone();
    for _ in 0..25 {
        me = scene.api.logged_in_as(&user).await;
    }
    let _ = me.patch("/api/users/me", &json!({ "timezone": "Asia/Kathmandu" })).await.expect(200);
    scene.browser.set_language("de").await;
    scene.open("/account/history").await;
    assert_eq!(scene.browser.heading().await, "Verlauf der Anmeldungen");
    let newest = entries(&mut scene.browser).await;
    assert_eq!(newest.len(), 20);
    assert!(newest[0].starts_with("Profil geändert"), "{newest:?}");
    assert!(newest.iter().all(|entry| entry.contains("Uhr (UTC+5:45)")), "{newest:?}");
    assert!(!scene.browser.actions().await.contains(&"Profil".to_owned()));
    scene.browser.follow("Ältere Einträge").await;
    let older = entries(&mut scene.browser).await;
    assert!(older.iter().any(|entry| entry.starts_with("Konto erstellt")), "{older:?}");
    scene.browser.follow("Neueste Einträge").await;
    assert_eq!(entries(&mut scene.browser).await, newest);
    scene.open("/account/history?cursor=unheard-of").await;
    assert_eq!(scene.browser.path().await, "/account/history");
    // An API's log has the same entries.
    let log = me.get("/api/users/me/audit").await.expect(200).json();
    assert_eq!(log["items"].as_array().map(Vec::len), Some(20));
}

#[tokio::test]
async fn the_export_is_downloaded_by_its_owner_only() {
    let Some(mut scene) = Scene::start("the_export_is_downloaded_by_its_owner_only", "exportpage").await else {
        return;
    };
    let user = scene.new_member("ada").await;
    scene.browser.disable_scripts().await;
    age_sessions(&scene.world, LATER).await;
    scene.open("/account").await;
    scene.browser.follow("Your data").await;
    assert_eq!(scene.browser.path().await, "/account/confirm-identity?next=%2Faccount%2Fexport");
    let cookie = scene.session_cookie().await.expect("the browser has a session");
    // An account without a second factor is asked for the password only.
    scene.confirm_identity(&user.password, None).await;
    assert_eq!(scene.browser.path().await, "/account/export");
    let _ = scene.assert_renewed(&cookie).await;
    let (name, bytes) = scene.browser.download("/account/export").await;
    assert_eq!(name, "my-account.json");
    let export: Value = serde_json::from_slice(&bytes).expect("the file is JSON");
    assert_eq!(export["account"]["username"], user.username.as_str());
    assert!(export["audit"].as_array().is_some_and(|entries| entries.len() > 2));
    // Who is recently authenticated is led on at once, and only to a page of the account.
    scene.open("/account/confirm-identity?next=/account/export").await;
    assert_eq!(scene.browser.path().await, "/account/export");
    scene.open("/account/confirm-identity?next=https://evil.example/").await;
    assert_eq!(scene.browser.path().await, "/account");
    // The form of a page that was open for too long does nothing.
    scene.open("/account/export").await;
    age_sessions(&scene.world, LATER).await;
    scene.browser.submit("/account/export").await;
    assert_eq!(scene.browser.path().await, "/account/confirm-identity?next=%2Faccount%2Fexport");
}

/// Sends the form of the deletion without the checks of the browser.
async fn send_deletion(scene: &mut Scene, is_ticked: bool, username: &str) {
    scene.browser.evaluate("document.querySelector('form[action=\"/account/delete\"]').noValidate = true").await;
    if scene.browser.field_value("confirmed").await.is_empty() == is_ticked {
        scene.browser.toggle("confirmed").await;
    }
    scene.browser.fill("username", username).await;
    scene.browser.submit("/account/delete").await;
}

#[tokio::test]
async fn an_account_is_deleted_by_a_ticked_box_and_its_username() {
    let test = "an_account_is_deleted_by_a_ticked_box_and_its_username";
    let Some(mut scene) = Scene::start(test, "deletepage").await else { return };
    let user: TestUser = scene.new_member("ada").await;
    scene.browser.disable_scripts().await;
    let me = scene.api.logged_in_as(&user).await;
    scene.open("/account").await;
    scene.browser.follow("Delete the account").await;
    assert!(scene.browser.page_text().await.contains(&format!("enter your username: {}", user.username)));
    send_deletion(&mut scene, false, &user.username).await;
    assert_eq!(scene.browser.response_status().await, 422);
    let error = scene.browser.field_error("confirmed").await;
    assert_eq!(error.as_deref(), Some("Please tick the box first."));
    assert_eq!(scene.browser.field_error("username").await, None);
    assert_eq!(scene.browser.field_value("username").await, user.username, "what was typed stays");
    send_deletion(&mut scene, true, "another").await;
    let error = scene.browser.field_error("username").await;
    assert_eq!(error.as_deref(), Some("This is not the username of this account."));
    assert_eq!(scene.browser.field_value("confirmed").await, "yes", "what was ticked stays");
    let _ = me.get("/api/users/me").await.expect(200);

    // The last administrator must give the role away first.
    grant_admin(&scene.user_service, &user.email).await;
    send_deletion(&mut scene, true, &user.username).await;
    assert_eq!(scene.browser.response_status().await, 409);
    assert!(scene.browser.alert().await.is_some_and(|text| text.starts_with("This account is the only one")));
    let grace = scene.new_user("grace").await;
    grant_admin(&scene.user_service, &grace.email).await;
    send_deletion(&mut scene, true, &user.username).await;
    assert_eq!(scene.browser.path().await, "/account/deleted");
    assert_eq!(scene.browser.heading().await, "Your account is deleted");
    assert_eq!(scene.session_cookie().await, None);
    let _ = me.get("/api/users/me").await.expect_problem(401, "unauthorized");
    let _ = try_login(&scene.api, &user.email, &user.password).await.expect_problem(401, "invalid-credentials");
    scene.open("/account").await;
    assert_eq!(scene.browser.path().await, "/sign-in?next=%2Faccount");
}
