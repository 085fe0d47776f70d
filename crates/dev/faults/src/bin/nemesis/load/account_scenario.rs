//! Random actions on one account, from its registration until it is deleted or the actor moves on to the next
//! account.

use faults::checker::Action;
use rand::Rng as _;
use reqwest::Method;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    account::{Account, Authenticator},
    actor::{Actor, may_have_happened, problem, succeeded},
};

/// The number of actions on one account.
const ACTIONS_PER_ACCOUNT: std::ops::Range<u32> = 10..40;
/// How many times a registration is attempted with the same idempotency key while the outcome is unknown.
const REGISTRATION_ATTEMPTS: u32 = 6;

impl Actor {
    /// Registers an account and runs random actions on it.
    pub(crate) async fn run_scenario(&mut self, stop: &CancellationToken) {
        let Some(mut account) = self.register().await else { return };
        self.used.clear();
        for _ in 0..self.random.random_range(ACTIONS_PER_ACCOUNT) {
            if stop.is_cancelled() || !account.is_usable {
                break;
            }
            self.pause().await;
            self.random_action(&mut account).await;
        }
        self.client.forget_tokens();
    }

    async fn register(&mut self) -> Option<Account> {
        let name = self.unique("n");
        let person = self.deployment.run.world.test_user(&name);
        let key = format!("key-{}", person.username);
        for _ in 0..REGISTRATION_ATTEMPTS {
            self.pause().await;
            let outcome = self.client.register(&person, Some(&key)).await;
            if succeeded(&outcome) {
                return Some(Account::new(person));
            }
            if !may_have_happened(&outcome) {
                return None;
            }
        }
        None
    }

    async fn random_action(&mut self, account: &mut Account) {
        if !self.client.is_logged_in() && self.random.random_bool(0.7) {
            return self.login(account).await;
        }
        match self.random.random_range(0..100_u32) {
            0..6 => self.login(account).await,
            6..15 => drop(self.client.refresh().await),
            15..18 => drop(self.client.logout().await),
            18..32 => self.update_profile().await,
            32..37 => drop(self.client.read_me().await),
            37..44 => self.change_password(account).await,
            44..47 => drop(self.client.end_other_sessions().await),
            47..53 => self.verify(account).await,
            53..59 => self.reset(account).await,
            59..64 => self.change_address(account).await,
            64..69 => self.second_factor(account).await,
            69..70 => self.reauthenticate(account).await,
            70..72 => self.send_invalid_request().await,
            72..77 => self.probe_account_existence(account).await,
            77..86 => self.administer(account).await,
            86..93 => self.change_at_two_replicas(account).await,
            93..96 => self.invite().await,
            _ => self.delete(account).await,
        }
        self.renew_session().await;
    }

    /// Changes the display name, and another member.
    async fn update_profile(&mut self) {
        let mut profile = match self.random.random_range(0..4_u32) {
            0 => json!({ "locale": "de-AT" }),
            1 => json!({ "timezone": "Europe/Vienna" }),
            2 => json!({ "attributes": { "team": self.unique("team ") } }),
            _ => json!({ "locale": null, "attributes": { "note": self.unique("note ") } }),
        };
        profile["displayName"] = self.unique("Ada ").into();
        let request = self.client.request(Method::PATCH, "/api/users/me").json(&profile);
        self.client.send(Action::UpdateProfile, None, request).await;
    }

    async fn change_password(&mut self, account: &mut Account) {
        if !self.client.is_logged_in() {
            return;
        }
        let new = format!("another horse {} {}", account.person.username, self.unique("p"));
        let outcome = self.client.change_password(&mut account.person, &new).await;
        if succeeded(&outcome) {
            account.set_password(&new);
        } else if may_have_happened(&outcome) {
            account.possible_passwords.push(new);
        }
    }

    async fn verify(&mut self, account: &mut Account) {
        if self.random.random_bool(0.6) {
            self.client.resend_verification(&account.person.email).await;
        }
        if let Some(token) = self.mailed_token(&account.person.email, "/verify-email").await {
            self.client.verify_email(&token).await;
        }
    }

    async fn reset(&mut self, account: &mut Account) {
        self.client.request_reset(&account.person.email).await;
        let Some(token) = self.mailed_token(&account.person.email, "/reset-password").await else { return };
        self.pause().await;
        let new = format!("forgotten horse {} {}", account.person.username, self.unique("r"));
        let outcome = self.client.confirm_reset(&token, &mut account.person, &new).await;
        if succeeded(&outcome) {
            account.set_password(&new);
        } else if may_have_happened(&outcome) {
            account.possible_passwords.push(new);
        }
    }

    /// Changes the email address and sometimes undoes the change. If the current address is unknown afterwards, the
    /// account is no longer used.
    async fn change_address(&mut self, account: &mut Account) {
        if !self.client.is_logged_in() {
            return;
        }
        let name = self.unique("m");
        let (old, new) = (account.person.email.clone(), self.deployment.run.world.address(&name));
        if !succeeded(&self.client.request_email_change(&account.person, &new).await) {
            return;
        }
        let Some(token) = self.mailed_token(&new, "/confirm-email").await else { return };
        self.pause().await;
        let outcome = self.client.confirm_email_change(&token).await;
        account.is_usable = !may_have_happened(&outcome);
        if !succeeded(&outcome) {
            return;
        }
        account.person.email = new;
        if self.random.random_bool(0.5) {
            return;
        }
        let Some(token) = self.mailed_token(&old, "/undo-email-change").await else { return };
        self.pause().await;
        let outcome = self.client.undo_email_change(&token).await;
        account.is_usable = !may_have_happened(&outcome);
        if succeeded(&outcome) {
            account.person.email = old;
            // The undo has removed the password.
            self.reset(account).await;
        }
    }

    /// Enables the second factor, or disables it with a recovery code.
    async fn second_factor(&mut self, account: &mut Account) {
        if !self.client.is_logged_in() {
            return;
        }
        let password = account.person.password.clone();
        if let Some(second) = &mut account.second_factor {
            let Some(code) = second.recovery_code() else { return };
            let body = json!({ "password": password, "code": code });
            let request = self.client.request(Method::DELETE, "/api/users/me/totp").json(&body);
            let outcome = self.client.send(Action::DisableTotp, None, request).await;
            if succeeded(&outcome) {
                account.second_factor = None;
            }
            return;
        }
        let request = self.client.request(Method::POST, "/api/users/me/totp").json(&json!({ "password": password }));
        let outcome = self.client.send(Action::StartTotp, None, request).await;
        if problem(&outcome) == Some("email-not-verified") {
            return self.verify(account).await;
        }
        if !succeeded(&outcome) {
            return;
        }
        let Some(mut second) = self.client.last_response().and_then(Authenticator::from_enrollment) else { return };
        let body = json!({ "code": second.code() });
        let request = self.client.request(Method::POST, "/api/users/me/totp/confirm").json(&body);
        let outcome = self.client.send(Action::EnableTotp, None, request).await;
        if let Some(response) = self.client.last_response().filter(|_| succeeded(&outcome)) {
            second.store_recovery_codes(response);
            account.second_factor = Some(second);
        }
    }

    /// Gives the password again, and a recovery code if the second factor is on.
    async fn reauthenticate(&mut self, account: &mut Account) {
        if !self.client.is_logged_in() {
            return;
        }
        let code = account.second_factor.as_mut().and_then(Authenticator::recovery_code);
        self.client.reauthenticate(&account.person, code.as_deref()).await;
    }

    /// Sends a request that is refused for every client.
    async fn send_invalid_request(&mut self) {
        let patch = || self.client.request(Method::PATCH, "/api/users/me");
        let request = match self.random.random_range(0..5_u32) {
            0 => patch().json(&json!({ "displayName": "x".repeat(100_000) })),
            1 => patch().header("content-type", "application/json").body("{\"displayName\":"),
            2 => patch().json(&json!({ "displayName": 7 })),
            3 => self.client.request(Method::POST, "/api/users").json(&json!({ "username": "x" })),
            _ => self.client.request(Method::GET, "/api/admin/users"),
        };
        self.client.send(Action::Invalid, None, request).await;
    }

    /// Sends the same request for an existing account and for one that does not exist.
    async fn probe_account_existence(&mut self, account: &Account) {
        let name = self.unique("absent");
        let mut absent = self.deployment.run.world.test_user(&name);
        let mut existing = account.person.clone();
        absent.password = "surely not the password".to_owned();
        existing.password.clone_from(&absent.password);
        let group = self.deployment.run.recorder.new_comparison_group();
        self.client.set_comparison_group(Some(group));
        let by_login = self.random.random_bool(0.5);
        for person in [&existing, &absent] {
            if by_login {
                self.client.login(person).await;
            } else {
                self.client.request_reset(&person.email).await;
            }
        }
        self.client.set_comparison_group(None);
    }

    /// Performs a random administrative action on the account.
    async fn administer(&mut self, account: &mut Account) {
        let Some(user) = self.user() else { return };
        if !self.ensure_admin_login().await {
            return;
        }
        let path = |below: &str| format!("/api/admin/users/{user}{below}");
        let (action, method, path) = match self.random.random_range(0..100_u32) {
            0..25 => (Action::Disable, Method::POST, path("/disable")),
            25..50 => (Action::Enable, Method::POST, path("/enable")),
            50..65 => (Action::LogoutEverywhere, Method::POST, path("/logout")),
            65..75 => (Action::Unlock, Method::POST, path("/unlock")),
            75..90 => (Action::SetRoles, Method::PATCH, path("")),
            _ => (Action::Delete, Method::DELETE, path("")),
        };
        let mut request = self.admin.request(method, &path);
        if action == Action::SetRoles {
            request = request.json(&json!({ "roles": [self.unique("role-")] }));
        }
        let outcome = self.admin.send(action, Some(user), request).await;
        if action == Action::Disable && !may_have_happened(&outcome) {
            // Otherwise all further requests for this account would be refused.
            self.pause().await;
            let request = self.admin.request(Method::POST, &format!("/api/admin/users/{user}/enable"));
            self.admin.send(Action::Enable, Some(user), request).await;
        }
        account.is_usable = action != Action::Delete;
    }

    /// Changes the account through two replicas at the same time: by the user through one, by the administrator through
    /// the other. The last change of the administrator is sometimes the deletion.
    async fn change_at_two_replicas(&mut self, account: &mut Account) {
        let Some(user) = self.user().filter(|_| self.client.is_logged_in()) else { return };
        if !self.ensure_admin_login().await {
            return;
        }
        let path = format!("/api/admin/users/{user}");
        for _ in 0..self.random.random_range(2..6) {
            self.pause().await;
            account.is_usable = self.random.random_bool(0.95);
            let (name, role) = (self.unique("Eve "), self.unique("role-"));
            let (action, request) = if account.is_usable {
                let request = self.admin.request(Method::PATCH, &path);
                (Action::SetRoles, request.json(&json!({ "roles": [role] })))
            } else {
                (Action::Delete, self.admin.request(Method::DELETE, &path))
            };
            tokio::join!(self.client.update_profile(&name), self.admin.send(action, Some(user), request));
            if !account.is_usable {
                break;
            }
        }
    }

    /// Invites an address; the invited person sometimes accepts.
    async fn invite(&mut self) {
        let name = self.unique("i");
        let invited = self.deployment.run.world.test_user(&name);
        if !self.ensure_admin_login().await || !succeeded(&self.admin.invite(&invited.email).await) {
            return;
        }
        let user = self.admin.last_response().and_then(|response| Uuid::try_parse(&response.string("id")).ok());
        let Some(token) = self.mailed_token(&invited.email, "/accept-invitation").await else { return };
        self.pause().await;
        let body = json!({ "token": token, "username": invited.username, "password": invited.password });
        let request = self.admin.request(Method::POST, "/api/auth/accept-invitation").json(&body);
        self.admin.send(Action::AcceptInvitation, user, request).await;
    }

    async fn delete(&mut self, account: &mut Account) {
        if !self.client.is_logged_in() {
            return;
        }
        let outcome = self.client.delete(&account.person).await;
        account.is_usable = !succeeded(&outcome) && !may_have_happened(&outcome);
    }
}
