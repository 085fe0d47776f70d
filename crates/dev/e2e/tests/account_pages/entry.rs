//! Registration, the mailed links, forgotten passwords, and errors. Everything here works without scripts.

use std::fs;

use bson::doc;
use e2e::{accounts::with_cheap_hashes, rate_limits::with_limits};
use reqwest::{Method, header};
use serde_json::json;
use test_support::{Api, ApiResponse, Stack, TestUser, World, count, remember_secret};

use crate::Scene;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const CHECK_MAIL: &str = "Please check your mailbox";

impl Scene {
    /// Starts everything for a reader whose browser runs no scripts.
    async fn start_without_scripts(test: &str, name: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let mut scene = Self::start_with(test, name, settings).await?;
        scene.browser.disable_scripts().await;
        Some(scene)
    }

    /// Fills the form of the registration.
    async fn fill_registration(&mut self, user: &TestUser) {
        self.browser.fill("username", &user.username).await;
        self.browser.fill("email", &user.email).await;
        self.browser.fill("password", &user.password).await;
    }

    /// Opens the link number `nth` to a page in the mails to an address.
    async fn open_mailed_link(&mut self, email: &str, page: &str, nth: usize) {
        let token = self.world.mailbox(email).wait_for_token(page, nth).await;
        self.open(&format!("{page}?token={token}")).await;
    }

    /// Sends a form as a page of the service does, and returns the response.
    async fn send_form(&self, path: &str, fields: &[(&str, &str)]) -> ApiResponse {
        self.api.send(self.api.form(path, fields).header("sec-fetch-site", "same-origin")).await
    }
}

/// Opens a page as a browser, and returns the response.
async fn open_as_browser(api: &Api, path: &str) -> ApiResponse {
    api.send(api.request(Method::GET, path).header(header::ACCEPT, BROWSER)).await
}

#[tokio::test]
async fn the_start_page_leads_over_the_mail_to_a_confirmed_account_that_is_signed_in() {
    let test = "the_start_page_leads_over_the_mail_to_a_confirmed_account_that_is_signed_in";
    let mails = [("HTTP__MAILS_URL", "http://127.0.0.1:8025/")];
    let Some(mut scene) = Scene::start_without_scripts(test, "entry", &mails).await else { return };
    let ada = scene.world.test_user("ada");
    scene.open("/").await;
    scene.browser.follow("Create an account").await;
    scene.fill_registration(&ada).await;
    scene.browser.fill("displayName", "Ada Lovelace").await;
    scene.browser.submit("/register").await;

    assert_eq!(scene.browser.heading().await, CHECK_MAIL);
    // The address is shown, and it is not in the URL.
    assert_eq!(scene.browser.path().await, "/check-mail?done=registered");
    assert_eq!(scene.browser.text("dd").await.as_deref(), Some(ada.email.as_str()));
    assert!(scene.browser.actions().await.contains(&"Mails that were sent".to_owned()));

    scene.open_mailed_link(&ada.email, "/verify-email", 1).await;
    scene.browser.follow("Confirm the address").await;
    assert_eq!(scene.browser.heading().await, "Your email address is confirmed");
    scene.browser.follow("Sign in").await;
    scene.enter_credentials(&ada).await;
    assert_eq!(scene.browser.path().await, "/account");
    let _ = scene.session_cookie().await.expect("the browser has a session");
    let page = scene.browser.page_text().await;
    assert!(page.contains(&ada.username) && page.contains("Ada Lovelace"), "{page}");

    // Who is signed in need neither start nor register.
    for path in ["/", "/register", "/sign-in", "/check-mail"] {
        scene.open(path).await;
        assert_eq!(scene.browser.path().await, "/account", "{path}");
    }
    let me = scene.api.logged_in_as(&ada).await.get("/api/users/me").await.expect(200).json();
    assert_eq!((&me["emailVerified"], &me["locale"]), (&json!(true), &json!("en")), "{me}");
}

#[tokio::test]
async fn every_refused_field_is_explained_and_what_was_typed_stays_but_the_password() {
    let test = "every_refused_field_is_explained_and_what_was_typed_stays_but_the_password";
    let Some(mut scene) = Scene::start_without_scripts(test, "refused", &[]).await else { return };
    let ada = scene.world.test_user("ada");
    let _ = scene.api.register(&ada).await.expect(201);
    let bob = scene.world.test_user("bob");
    scene.open("/register").await;

    let name = "x".repeat(101);
    let typed = [("username", "a"), ("email", "ada@example.123"), ("displayName", name.as_str())];
    for (field, value) in typed {
        scene.browser.fill(field, value).await;
    }
    scene.browser.fill("password", "short").await;
    scene.browser.submit("/register").await;
    assert_eq!((scene.browser.response_status().await, scene.browser.alert().await), (422, None));
    for (field, value) in typed {
        assert_eq!(scene.browser.field_value(field).await, value);
    }
    assert_eq!(scene.browser.field_value("password").await, "");
    for (field, text) in [
        ("username", "It needs at least 3 characters."),
        ("email", "This is not an email address."),
        ("password", "It needs at least 8 characters."),
        ("displayName", "This is too long."),
    ] {
        assert_eq!(scene.browser.field_error(field).await.as_deref(), Some(text), "{field}");
    }

    for (field, value, text) in [
        ("username", "a b c", "It can have letters, digits, dots, underscores and hyphens only."),
        ("username", "adа", "It cannot mix letters of different scripts."),
        ("username", ada.username.as_str(), "Another account has this username, or one that looks like it."),
        ("email", ada.email.as_str(), "Another account uses this already."),
        (
            "password",
            "password1234",
            "This password is among the first that an attacker would try. Use several words, or random characters.",
        ),
        ("displayName", "\u{200b}", "It needs at least one visible character."),
    ] {
        scene.fill_registration(&bob).await;
        scene.browser.fill("displayName", "").await;
        scene.browser.fill(field, value).await;
        scene.browser.submit("/register").await;
        assert_eq!(scene.browser.field_error(field).await.as_deref(), Some(text), "{field} {value}");
        let others = ["username", "email", "password", "displayName"].into_iter().filter(|other| *other != field);
        for other in others {
            assert_eq!(scene.browser.field_error(other).await, None, "{field} {value}: {other}");
        }
    }
    let users = scene.world.user_collection("users").await;
    assert_eq!(count(&users, doc! {}).await, 1);
}

#[tokio::test]
async fn a_form_that_is_sent_twice_creates_one_account_and_another_one_with_its_key_is_not_mistaken_for_it() {
    let test = "a_form_that_is_sent_twice_creates_one_account_and_another_one_with_its_key_is_not_mistaken_for_it";
    let Some(scene) = Scene::start(test, "twice").await else { return };
    let ada = scene.world.test_user("ada");
    let form = |username: &str, key: &str| {
        [("username", username), ("email", &ada.email), ("password", &ada.password), ("key", key)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    let send = async |username: &str, key: &str| {
        let form = form(username, key);
        let fields: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        scene.send_form("/register", &fields).await
    };
    for _ in 0..2 {
        let sent = send(&ada.username, "one-form").await.expect(303);
        assert_eq!(sent.header("location"), "/check-mail?done=registered");
    }
    let reused = send("another-name", "one-form").await.expect(422);
    assert!(reused.text.contains("This form was sent before, with other values."), "{}", reused.text);
    assert!(!reused.text.contains("name=\"key\" value=\"one-form\""), "{}", reused.text);
    // Without the key it is another registration.
    let taken = send(&ada.username, "").await.expect(409);
    assert!(taken.text.contains("aria-invalid=\"true\""), "{}", taken.text);
    let users = scene.world.user_collection("users").await;
    assert_eq!(count(&users, doc! {}).await, 1);
}

#[tokio::test]
async fn a_hidden_registration_is_the_same_page_for_a_taken_address_and_its_mail_leads_on() {
    let test = "a_hidden_registration_is_the_same_page_for_a_taken_address_and_its_mail_leads_on";
    let hidden = [("AUTH__REGISTRATION", "hidden")];
    let Some(mut scene) = Scene::start_without_scripts(test, "hiddenpage", &hidden).await else { return };
    let ada = scene.world.test_user("ada");
    let stranger = TestUser { email: ada.email.clone(), ..scene.world.test_user("stranger") };
    let mut pages = Vec::new();
    for user in [&ada, &stranger] {
        scene.open("/register").await;
        scene.fill_registration(user).await;
        scene.browser.submit("/register").await;
        pages.push((scene.browser.path().await, scene.browser.page_text().await));
        // The first account exists before the second registration.
        if user.username == ada.username {
            let _ = scene.world.mailbox(&ada.email).wait_for_links("/verify-email", 1).await;
        }
    }
    assert_eq!(pages[0], pages[1]);
    let _ = scene.world.mailbox(&ada.email).wait_for_links("/reset-password", 1).await;
    scene.open_mailed_link(&ada.email, "/verify-email", 1).await;
    scene.browser.follow("Confirm the address").await;
    scene.browser.follow("Sign in").await;
    scene.enter_credentials(&ada).await;
    assert_eq!(scene.browser.path().await, "/account");
}

#[tokio::test]
async fn the_mail_is_sent_again_and_the_page_knows_no_address_of_another_browser() {
    let test = "the_mail_is_sent_again_and_the_page_knows_no_address_of_another_browser";
    let Some(mut scene) = Scene::start_without_scripts(test, "resend", &[]).await else { return };
    let ada = scene.world.test_user("ada");
    scene.open("/register").await;
    scene.fill_registration(&ada).await;
    scene.browser.submit("/register").await;
    assert_eq!(scene.browser.field_value("email").await, ada.email);
    scene.browser.submit("/check-mail").await;
    assert_eq!(scene.browser.path().await, "/check-mail?done=again");
    assert!(scene.browser.status().await.is_some_and(|text| text.starts_with("If this address belongs to")));
    let _ = scene.world.mailbox(&ada.email).wait_for_links("/verify-email", 2).await;

    scene.browser.fill("email", "ada@example.123").await;
    scene.browser.submit("/check-mail").await;
    assert_eq!(scene.browser.response_status().await, 422);
    assert_eq!(scene.browser.field_error("email").await.as_deref(), Some("This is not an email address."));
    assert_eq!(scene.browser.field_value("email").await, "ada@example.123");

    let cookies = scene.browser.cookies().await;
    assert!(cookies.iter().any(|cookie| cookie.name == "check-mail" && cookie.http_only), "{cookies:?}");
    scene.browser.clear_cookies().await;
    scene.open("/check-mail?done=registered").await;
    assert_eq!(scene.browser.heading().await, "Send a new link");
    assert_eq!(scene.browser.field_value("email").await, "");
    let page = scene.browser.page_text().await;
    assert!(!page.contains("We have sent"), "{page}");
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_and_an_unknown_address_gets_the_same_page() {
    let test = "a_forgotten_password_is_replaced_and_an_unknown_address_gets_the_same_page";
    let Some(mut scene) = Scene::start_without_scripts(test, "forgot", &[]).await else { return };
    let ada = scene.new_user("ada").await;
    let mut pages = Vec::new();
    for email in [ada.email.as_str(), "unknown@example.org"] {
        scene.open("/sign-in").await;
        scene.browser.follow("Forgot your password?").await;
        scene.browser.fill("email", email).await;
        scene.browser.submit("/forgot-password").await;
        pages.push((scene.browser.path().await, scene.browser.page_text().await));
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(scene.browser.heading().await, CHECK_MAIL);

    let renewed = TestUser { password: format!("{} renewed", ada.password), ..ada };
    remember_secret("password", &renewed.password);
    scene.open_mailed_link(&renewed.email, "/reset-password", 1).await;
    scene.browser.fill("newPassword", &renewed.password).await;
    scene.browser.submit("/reset-password").await;
    scene.browser.follow("Sign in").await;
    scene.enter_credentials(&renewed).await;
    assert_eq!(scene.browser.path().await, "/account");
}

#[tokio::test]
async fn a_reader_who_must_register_first_goes_on_where_they_wanted_to() {
    let test = "a_reader_who_must_register_first_goes_on_where_they_wanted_to";
    let Some(mut scene) = Scene::start_without_scripts(test, "goeson", &[]).await else { return };
    let ada = scene.world.test_user("ada");
    scene.open("/account/profile").await;
    assert_eq!(scene.browser.heading().await, "Sign in");
    scene.browser.follow("Create an account").await;
    scene.fill_registration(&ada).await;
    // It survives a form that is refused.
    scene.browser.fill("password", "short").await;
    scene.browser.submit("/register").await;
    scene.browser.fill("password", &ada.password).await;
    scene.browser.submit("/register").await;
    assert_eq!(scene.browser.heading().await, CHECK_MAIL);
    scene.browser.submit("/check-mail").await;
    scene.browser.follow("Sign in").await;
    scene.enter_credentials(&ada).await;
    assert_eq!(scene.browser.path().await, "/account/profile");
    // No other place is kept.
    let page = scene.api.get("/register?next=https://evil.example/&return_to=//evil.example").await.expect(200);
    assert!(!page.text.contains("evil"), "{}", page.text);
}

#[tokio::test]
async fn the_registration_asks_for_the_attributes_that_a_user_must_have() {
    let test = "the_registration_asks_for_the_attributes_that_a_user_must_have";
    let folder = tempfile::tempdir().expect("a temporary directory");
    let schema = folder.path().join("attributes.json");
    let text = json!({
        "type": "object",
        "properties": {
            "team": { "type": "string", "title": "Your team", "pattern": "^[a-z]{2,20}$" },
            "plan": { "enum": ["free", "pro"], "x-admin-only": true }
        },
        "required": ["team"]
    });
    fs::write(&schema, text.to_string()).expect("the schema can be written");
    let schema = schema.display().to_string();
    let settings = [("ATTRIBUTES__SCHEMA_FILE", schema.as_str())];
    let Some(mut scene) = Scene::start_without_scripts(test, "required", &settings).await else { return };
    let ada = scene.world.test_user("ada");
    scene.open("/register").await;
    for (team, is_accepted) in [("B", false), ("blue", true)] {
        scene.fill_registration(&ada).await;
        scene.browser.fill("attributes/team", team).await;
        scene.browser.submit("/register").await;
        if !is_accepted {
            assert!(scene.browser.field_error("attributes/team").await.is_some());
            assert_eq!(scene.browser.field_value("attributes/team").await, team);
        }
    }
    assert_eq!(scene.browser.heading().await, CHECK_MAIL);
    let me = scene.api.logged_in_as(&ada).await.get("/api/users/me").await.expect(200).json();
    assert_eq!(me["attributes"]["team"], "blue", "{me}");
}

#[tokio::test]
async fn too_many_mails_are_refused_with_the_form_and_its_waiting_time() {
    let world = World::new(&Stack::from_env(), "toomany").await;
    let service = with_limits(&world, &[("MAILS_PER_ADDRESS", "1")]).start().await;
    let api = service.api();
    let request = async |path: &str| {
        let form = api.form(path, &[("email", "ada@example.org")]).header("sec-fetch-site", "same-origin");
        api.send(form).await
    };
    for path in ["/forgot-password", "/check-mail"] {
        let _ = request(path).await.expect(303);
        let refused = request(path).await.expect(429);
        assert!(!refused.header("retry-after").is_empty(), "{path}");
        assert!(refused.text.contains("There were too many attempts.") && refused.text.contains("ada@example.org"));
    }
}

#[tokio::test]
async fn a_reader_gets_an_error_page_and_every_other_client_the_problem() {
    let test = "a_reader_gets_an_error_page_and_every_other_client_the_problem";
    let Some(mut scene) = Scene::start_without_scripts(test, "errors", &[]).await else { return };
    scene.browser.set_language("de").await;
    scene.open("/nothing").await;
    assert_eq!(scene.browser.response_status().await, 404);
    assert_eq!(scene.browser.heading().await, "Diese Seite gibt es nicht");
    scene.browser.follow("Zur Startseite").await;
    assert_eq!(scene.browser.path().await, "/");
    for path in ["/nothing", "/account/nothing", "/register/nothing"] {
        let _ = scene.api.get(path).await.expect_problem(404, "not-found");
    }
    let _ = open_as_browser(&scene.api, "/api/nothing").await.expect_problem(404, "not-found");
    let too_long = "x".repeat(100_000);
    let form = scene.api.form("/register", &[("username", &too_long)]).header("sec-fetch-site", "same-origin");
    let page = scene.api.send(form.header(header::ACCEPT, BROWSER)).await.expect(413);
    assert!(page.text.contains("<h1>We could not read this request</h1>"), "{}", page.text);
}

#[tokio::test]
async fn without_account_pages_only_those_of_mailed_links_are_left() {
    let world = World::new(&Stack::from_env(), "nopages").await;
    let spec = with_cheap_hashes(world.user_service()).set("PAGES__ENABLED", "false");
    let (_users, _emails, api) = world.start_both_with(spec).await;
    for path in ["/register", "/check-mail", "/forgot-password", "/sign-in", "/sign-in/code", "/account", "/nothing"] {
        let _ = open_as_browser(&api, path).await.expect_problem(404, "not-found");
    }
    let form = api.form("/register", &[]).header("sec-fetch-site", "same-origin");
    let _ = api.send(form).await.expect_problem(404, "not-found");
    let start = open_as_browser(&api, "/").await.expect(200);
    assert!(!start.text.contains("/register") && !start.text.contains("/sign-in"), "{}", start.text);
    let ada = world.test_user("ada");
    let _ = api.register(&ada).await.expect(201);
    let token = world.mailbox(&ada.email).wait_for_token("/verify-email", 1).await;
    let done = api.submit("/verify-email", &[("token", &token)]).await.expect(200);
    assert!(!done.text.contains("/sign-in"), "{}", done.text);
}

#[tokio::test]
async fn without_documentation_a_reader_gets_the_two_links_and_a_program_no_start_page() {
    let test = "without_documentation_a_reader_gets_the_two_links_and_a_program_no_start_page";
    let Some(mut scene) = Scene::start_without_scripts(test, "nodocs", &[("HTTP__DOCS", "false")]).await else {
        return;
    };
    scene.open("/").await;
    assert_eq!(scene.browser.heading().await, "Your account");
    assert_eq!(scene.browser.actions().await, ["Create an account", "Sign in"]);
    let ada = scene.new_member("ada").await;
    scene.open("/").await;
    assert_eq!(scene.browser.path().await, "/account");
    assert!(scene.browser.page_text().await.contains(&ada.username));
    let _ = open_as_browser(&scene.api, "/").await.expect_problem(404, "not-found");
}
