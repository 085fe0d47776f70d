//! The pages of an account in a real Chromium. Without Chromium, the tests are skipped.

mod accessibility;
mod attacks;
mod entry;
mod gallery;
mod keyboard;
mod security;
mod settings;
mod sign_in;
mod tour;

use e2e::accounts::{verify_email, with_cheap_hashes};
use test_support::{Api, Browser, Service, Stack, TestUser, World, remember_secret, report_skipped};

/// Both services, and a browser for their pages. Links in mails lead to the same pages.
struct Scene {
    world: World,
    user_service: Service,
    _email_service: Service,
    api: Api,
    browser: Browser,
}

impl Scene {
    /// Starts everything. Without Chromium it reports the test as skipped and returns `None`.
    async fn start(test: &str, name: &str) -> Option<Self> {
        Self::start_with(test, name, &[]).await
    }

    /// Does the same as [`Scene::start`] with these settings of the user service.
    async fn start_with(test: &str, name: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let Some(browser) = Browser::start().await else {
            report_skipped(test, "Chromium is not installed");
            return None;
        };
        let world = World::new(&Stack::from_env(), name).await;
        let spec = with_cheap_hashes(world.user_service()).set_all(settings);
        let (user_service, email_service, api) = world.start_both_with(spec).await;
        Some(Self { world, user_service, _email_service: email_service, api, browser })
    }

    /// Returns the URL of a page.
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.user_service.base_url())
    }

    /// Opens a page.
    async fn open(&mut self, path: &str) {
        let url = self.url(path);
        self.browser.open(&url).await;
    }

    /// Registers a user, confirms the email address, and signs the user in by the page.
    async fn new_member(&mut self, name: &str) -> TestUser {
        let user = self.new_user(name).await;
        self.sign_in(&user).await;
        user
    }

    /// Registers a user, and confirms the email address.
    async fn new_user(&mut self, name: &str) -> TestUser {
        let user = self.world.test_user(name);
        let _ = self.api.register(&user).await.expect(201);
        let token = self.world.mailbox(&user.email).wait_for_token("/verify-email", 1).await;
        let _ = verify_email(&self.api, &token).await.expect(204);
        user
    }

    /// Signs a user without a second factor in by the page.
    ///
    /// # Panics
    /// Panics if the user is not signed in afterwards.
    async fn sign_in(&mut self, user: &TestUser) {
        self.open("/sign-in").await;
        self.enter_credentials(user).await;
        assert_eq!(self.browser.path().await, "/account");
        let _ = self.session_cookie().await.expect("the browser has a session");
    }

    /// Fills the form of the sign-in, and sends it.
    async fn enter_credentials(&mut self, user: &TestUser) {
        self.browser.fill("identifier", &user.email).await;
        self.browser.fill("password", &user.password).await;
        self.browser.submit("/sign-in").await;
    }

    /// Returns the value of the session's cookie, if the browser has one. It is remembered as a secret of the run.
    async fn session_cookie(&mut self) -> Option<String> {
        let cookies = self.browser.cookies().await;
        let cookie = cookies.into_iter().find(|cookie| cookie.name == "session")?;
        remember_secret("session cookie", &cookie.value);
        Some(cookie.value)
    }
}
