//! What a client does with one account, where every response is as it must be.

use std::sync::Arc;

use e2e::{
    pseudo_random::PseudoRandom,
    totp::{Authenticator, recovery_codes},
};
use faults::{
    Client,
    checker::{Action, Outcome},
};
use reqwest::Method;
use serde_json::json;
use test_support::{Api, TestUser, remember_secret};
use tokio::sync::OwnedRwLockReadGuard;
use uuid::Uuid;

use crate::system::{System, assert_status};

/// The replica that gets the next request of a client.
#[derive(Clone)]
pub(crate) enum Target {
    /// Any replica that takes requests.
    Any,
    /// This one.
    Fixed(Api),
}

/// One account, its client, and what the client knows. Any response but the expected one fails the test.
pub(crate) struct Account {
    system: Arc<System>,
    pub(crate) client: Client,
    pub(crate) person: TestUser,
    pub(crate) target: Target,
    /// Selects the replicas of `Target::Any`.
    random: PseudoRandom,
    used_tokens: Vec<String>,
    recovery_codes: Vec<String>,
    guard: Option<OwnedRwLockReadGuard<()>>,
}

impl Account {
    /// Registers an account.
    pub(crate) async fn register(system: &Arc<System>, name: &str, target: Target) -> Self {
        let person = system.run.world.test_user(name);
        let api = system.users.first().expect("there are two replicas").api.clone();
        let client = system.run.recorder.client(api);
        let mut account = Self {
            system: Arc::clone(system),
            client,
            person,
            target,
            random: PseudoRandom::new(name.bytes().fold(1, |seed, byte| 31 * seed % 1_000_003 + u64::from(byte))),
            used_tokens: Vec::new(),
            recovery_codes: Vec::new(),
            guard: None,
        };
        account.choose_replica().await;
        let key = format!("key-{}", account.person.username);
        let outcome = account.client.register(&account.person, Some(&key)).await;
        account.expect(&outcome, 201, "registration");
        account
    }

    /// Directs the next request to a replica.
    async fn choose_replica(&mut self) {
        match &self.target {
            Target::Fixed(api) => self.client.use_api(api.clone()),
            Target::Any => {
                let (api, guard) = self.system.open_replica(self.random.below(self.system.users.len())).await;
                self.client.use_api(api);
                self.guard = Some(guard);
            }
        }
    }

    /// Checks the response to the request, after which the replica may be replaced.
    #[track_caller]
    fn expect(&mut self, outcome: &Outcome, status: u16, what: &str) {
        self.guard = None;
        assert_status(outcome, status, &format!("{what} of {}", self.person.username));
    }

    async fn mailed_token(&mut self, address: &str, page: &str) -> String {
        self.mailed_token_of(address, page, None).await
    }

    async fn mailed_token_of(&mut self, address: &str, page: &str, template: Option<&str>) -> String {
        let token = self.system.mailed_token(address, page, template, &self.used_tokens).await;
        self.used_tokens.push(token.clone());
        token
    }

    pub(crate) async fn verify_email(&mut self) {
        let token = self.mailed_token(&self.person.email.clone(), "/verify-email").await;
        self.choose_replica().await;
        let outcome = self.client.verify_email(&token).await;
        self.expect(&outcome, 204, "verification");
    }

    pub(crate) async fn login(&mut self) {
        self.choose_replica().await;
        let outcome = self.client.login(&self.person).await;
        self.expect(&outcome, 200, "login");
    }

    /// Logs in from a device that the account was not signed in from.
    pub(crate) async fn login_from_new_device(&mut self) {
        self.choose_replica().await;
        let outcome = self.client.login_with_agent(&self.person, "okhttp/4.12.0").await;
        self.expect(&outcome, 200, "login from a new device");
    }

    /// Logs in with password and recovery code. `second` gets the second step.
    pub(crate) async fn login_with_second_factor(&mut self, second: Target) {
        self.choose_replica().await;
        let outcome = self.client.login(&self.person).await;
        self.expect(&outcome, 401, "first step of a login");
        let response = self.client.last_response().expect("there is a response");
        assert_eq!(response.problem(), "mfa-required");
        let mfa_token = response.string("mfaToken");
        remember_secret("mfa token", &mfa_token);
        let first = std::mem::replace(&mut self.target, second);
        self.choose_replica().await;
        let code = self.recovery_codes.pop().expect("a recovery code is left");
        let outcome = self.client.login_totp(&mfa_token, &code).await;
        self.expect(&outcome, 200, "second step of a login");
        self.target = first;
    }

    pub(crate) async fn logout(&mut self) {
        self.choose_replica().await;
        let outcome = self.client.logout().await;
        self.expect(&outcome, 204, "logout");
    }

    pub(crate) async fn refresh(&mut self) {
        self.choose_replica().await;
        let outcome = self.client.refresh().await;
        self.expect(&outcome, 200, "refresh");
    }

    pub(crate) async fn read(&mut self) {
        self.choose_replica().await;
        let outcome = self.client.read_me().await;
        self.expect(&outcome, 200, "read");
    }

    pub(crate) async fn update_profile(&mut self, name: &str) {
        self.choose_replica().await;
        let outcome = self.client.update_profile(name).await;
        self.expect(&outcome, 200, "profile update");
    }

    pub(crate) async fn change_password(&mut self, suffix: &str) {
        let new = format!("another horse {} {suffix}", self.person.username);
        self.choose_replica().await;
        let outcome = self.client.change_password(&mut self.person, &new).await;
        self.expect(&outcome, 204, "password change");
    }

    /// Requests a password reset and uses it at `confirming`. All sessions end.
    pub(crate) async fn reset_password(&mut self, suffix: &str, confirming: Target) {
        self.choose_replica().await;
        let outcome = self.client.request_reset(&self.person.email).await;
        self.expect(&outcome, 202, "request of a reset");
        let requesting = std::mem::replace(&mut self.target, confirming);
        self.confirm_reset(suffix).await;
        self.target = requesting;
    }

    /// Uses the newest reset link.
    pub(crate) async fn confirm_reset(&mut self, suffix: &str) {
        let token = self.mailed_token(&self.person.email.clone(), "/reset-password").await;
        let new = format!("forgotten horse {} {suffix}", self.person.username);
        self.choose_replica().await;
        let outcome = self.client.confirm_reset(&token, &mut self.person, &new).await;
        self.expect(&outcome, 204, "reset");
        self.client.forget_tokens();
    }

    /// Changes the email address and confirms it at `confirming`. Returns the old address.
    pub(crate) async fn change_email(&mut self, name: &str, confirming: Target) -> String {
        let new = self.system.run.world.address(name);
        self.choose_replica().await;
        let outcome = self.client.request_email_change(&self.person, &new).await;
        self.expect(&outcome, 202, "request of an email change");
        let requesting = std::mem::replace(&mut self.target, confirming);
        let token = self.mailed_token(&new, "/confirm-email").await;
        self.choose_replica().await;
        let outcome = self.client.confirm_email_change(&token).await;
        self.expect(&outcome, 204, "email change");
        self.target = requesting;
        std::mem::replace(&mut self.person.email, new)
    }

    /// Undoes an email change with the link to the old address, and sets a new password.
    pub(crate) async fn undo_email_change(&mut self, old: String, suffix: &str) {
        let token = self.mailed_token(&old, "/undo-email-change").await;
        self.choose_replica().await;
        let outcome = self.client.undo_email_change(&token).await;
        self.expect(&outcome, 204, "undo of an email change");
        self.person.email = old;
        self.confirm_reset(suffix).await;
    }

    /// Starts TOTP, and confirms it at `confirming`.
    pub(crate) async fn enable_totp(&mut self, confirming: Target) {
        self.choose_replica().await;
        let body = json!({ "password": self.person.password });
        let request = self.client.request(Method::POST, "/api/users/me/totp").json(&body);
        let outcome = self.client.send(Action::StartTotp, None, request).await;
        self.expect(&outcome, 200, "start of TOTP");
        let authenticator = Authenticator::from_setup(self.client.last_response().expect("there is a response"));
        let starting = std::mem::replace(&mut self.target, confirming);
        self.choose_replica().await;
        let body = json!({ "code": authenticator.code() });
        let request = self.client.request(Method::POST, "/api/users/me/totp/confirm").json(&body);
        let outcome = self.client.send(Action::EnableTotp, None, request).await;
        self.expect(&outcome, 200, "confirmation of TOTP");
        self.target = starting;
        self.recovery_codes = recovery_codes(self.client.last_response().expect("there is a response"));
    }

    /// Disables TOTP with a recovery code.
    pub(crate) async fn disable_totp(&mut self) {
        let body = self.both_factors();
        self.choose_replica().await;
        let request = self.client.request(Method::DELETE, "/api/users/me/totp").json(&body);
        let outcome = self.client.send(Action::DisableTotp, None, request).await;
        self.expect(&outcome, 204, "end of TOTP");
    }

    /// Authenticates again, with a recovery code if the second factor is on. Only the present release has this, and the
    /// fields of the session that it writes.
    pub(crate) async fn reauthenticate(&mut self, has_second_factor: bool) {
        let code = has_second_factor.then(|| self.recovery_codes.pop().expect("a recovery code is left"));
        self.choose_replica().await;
        let outcome = self.client.reauthenticate(&self.person, code.as_deref()).await;
        self.expect(&outcome, 204, "reauthentication");
    }

    /// Renews the recovery codes. Only the present release has an event for it.
    pub(crate) async fn renew_recovery_codes(&mut self) {
        let body = self.both_factors();
        self.choose_replica().await;
        let request = self.client.request(Method::POST, "/api/users/me/totp/recovery-codes").json(&body);
        let outcome = self.client.send(Action::RenewRecoveryCodes, None, request).await;
        self.expect(&outcome, 200, "new recovery codes");
        self.recovery_codes = recovery_codes(self.client.last_response().expect("there is a response"));
    }

    /// Undoes the last change of the password with the link in its notice, and sets a new password. Only the present
    /// release has such links.
    pub(crate) async fn undo_password_change(&mut self, suffix: &str) {
        let notice = Some("password-changed");
        let token = self.mailed_token_of(&self.person.email.clone(), "/undo-change", notice).await;
        self.post_token(Action::UndoChange, "/api/auth/undo", &token).await;
        self.confirm_reset(suffix).await;
    }

    /// Disowns the account with the link in its verification mail. Only the present release can do this.
    pub(crate) async fn disown(&mut self) {
        let token = self.mailed_token(&self.person.email.clone(), "/verify-email").await;
        self.post_token(Action::Disown, "/api/auth/email-verification/disown", &token).await;
    }

    /// Invites an address, as an administrator, and returns the id of its account. Only the present release can do this.
    pub(crate) async fn invite(&mut self, address: &str) -> Uuid {
        self.choose_replica().await;
        let outcome = self.client.invite(address).await;
        self.expect(&outcome, 201, "invitation");
        let id = self.client.last_response().expect("there is a response").string("id");
        id.parse().expect("the account has an id")
    }

    /// Reads another account, as an administrator.
    pub(crate) async fn read_other(&mut self, id: Uuid) {
        self.choose_replica().await;
        let request = self.client.request(Method::GET, &format!("/api/admin/users/{id}"));
        let outcome = self.client.send(Action::Read, Some(id), request).await;
        self.expect(&outcome, 200, "another account");
    }

    /// Accepts the invitation of another account with the link in its mail.
    pub(crate) async fn accept_invitation_of(&mut self, address: &str, id: Uuid, username: &str) {
        let token = self.mailed_token(address, "/accept-invitation").await;
        let password = format!("ninety quiet geese of {}", self.system.run.world.tag());
        remember_secret("password", &password);
        self.choose_replica().await;
        let body = json!({ "token": token, "username": username, "password": password });
        let request = self.client.request(Method::POST, "/api/auth/accept-invitation").json(&body);
        let outcome = self.client.send(Action::AcceptInvitation, Some(id), request).await;
        self.expect(&outcome, 204, "acceptance of an invitation");
    }

    async fn post_token(&mut self, action: Action, path: &str, token: &str) {
        self.choose_replica().await;
        let request = self.client.request(Method::POST, path).json(&json!({ "token": token }));
        let outcome = self.client.send(action, None, request).await;
        self.expect(&outcome, 204, path);
    }

    pub(crate) async fn delete(&mut self) {
        self.choose_replica().await;
        let outcome = self.client.delete(&self.person).await;
        self.expect(&outcome, 204, "deletion");
    }

    fn both_factors(&mut self) -> serde_json::Value {
        let code = self.recovery_codes.pop().expect("a recovery code is left");
        json!({ "password": self.person.password, "code": code })
    }
}
