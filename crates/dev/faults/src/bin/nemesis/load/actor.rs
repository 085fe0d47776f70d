//! An actor of the load: a client, its own administrator session, and a random number generator.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use faults::Client;
use faults::checker::Outcome;
use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use test_support::Api;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::account::Account;
use crate::deployment::{Deployment, Servers};

/// The pause between two requests, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 40..200;
/// How long an actor waits for a mail, which may never arrive.
const MAIL_TIMEOUT: Duration = Duration::from_secs(6);

pub(crate) struct Actor {
    pub(super) deployment: Arc<Deployment>,
    pub(super) random: ChaCha8Rng,
    number: u64,
    /// The number of names handed out so far.
    names: u64,
    /// One-time tokens of the current account that were already used.
    pub(super) used: Vec<String>,
    pub(super) client: Client,
    pub(super) admin: Client,
}

impl Actor {
    pub(crate) fn new(deployment: Arc<Deployment>, seed: u64, number: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let [(api, _), (other, _)] = random_apis(&deployment, &mut random);
        let (mut client, mut admin) = (deployment.run.recorder.client(api), deployment.run.recorder.client(other));
        client.set_network(random_address(&mut random));
        admin.set_network(random_address(&mut random));
        Self { deployment, random, number, names: 0, used: Vec::new(), client, admin }
    }

    /// Returns a name, password or key that no other actor uses.
    pub(super) fn unique(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what}{}x{}", self.number, self.names)
    }

    /// Waits for a random time, then selects random replicas.
    pub(super) async fn pause(&mut self) {
        sleep(Duration::from_millis(self.random.random_range(PAUSE_MS))).await;
        let [(api, others), (admin_api, admin_others)] = random_apis(&self.deployment, &mut self.random);
        self.client.use_apis(api, others);
        self.admin.use_apis(admin_api, admin_others);
        self.client.set_network(random_address(&mut self.random));
        self.admin.set_network(random_address(&mut self.random));
    }

    /// Returns the token of the newest mail to `address` that links to `page`, or `None` if no such mail arrives in
    /// time. Each token is returned once.
    pub(super) async fn mailed_token(&mut self, address: &str, page: &str) -> Option<String> {
        let link = format!("{page}?token=");
        let end = Instant::now() + MAIL_TIMEOUT;
        loop {
            let is_recipient = |to: &String| to.eq_ignore_ascii_case(address);
            let smtp = &self.deployment.run.smtp;
            let found = smtp.latest_delivery(|delivery| {
                let text = &delivery.mail.text;
                let used = || self.used.iter().any(|token| text.contains(token));
                delivery.mail.to.iter().any(is_recipient) && text.contains(&link) && !used()
            });
            if let Some(found) = found {
                let token = found.mail.token(page);
                self.used.push(token.clone());
                return Some(token);
            }
            if Instant::now() >= end {
                return None;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Signs the administrator in if necessary. Returns whether an administrator session exists.
    pub(super) async fn ensure_admin_login(&mut self) -> bool {
        let expired = self.admin.last_response().is_some_and(|response| response.status == 401);
        if expired || !self.admin.is_logged_in() {
            let person = self.deployment.admin.clone();
            return succeeded(&self.admin.login(&person).await);
        }
        true
    }

    /// Returns the account's id, once it is known.
    pub(super) fn user(&self) -> Option<Uuid> {
        self.client.user()
    }

    /// Refreshes the tokens if the last response rejected the access token, and discards them if that fails.
    pub(super) async fn renew_session(&mut self) {
        let refused = self.client.last_response().is_some_and(|response| response.status == 401);
        if refused && self.client.is_logged_in() && !succeeded(&self.client.refresh().await) {
            self.client.forget_tokens();
        }
    }

    /// Logs in with every password that may be current, and so finds out which one is.
    pub(super) async fn login(&mut self, account: &mut Account) {
        let candidates = std::iter::once(account.person.password.clone()).chain(account.possible_passwords.clone());
        for password in candidates {
            let mut person = account.person.clone();
            person.password.clone_from(&password);
            let outcome = self.client.login(&person).await;
            match status(&outcome) {
                Some(200) => return account.set_password(&password),
                Some(401) if problem(&outcome) == Some("mfa-required") => {
                    account.set_password(&password);
                    return self.complete_totp_login(account).await;
                }
                Some(401) => {}
                // The account is disabled, or the service is unavailable.
                _ => return,
            }
        }
        account.is_usable = false;
    }

    async fn complete_totp_login(&mut self, account: &mut Account) {
        let token = self.client.last_response().map(|response| response.string("mfaToken")).unwrap_or_default();
        test_support::remember_secret("mfa token", &token);
        let code = account.second_factor.as_mut().and_then(super::account::Authenticator::recovery_code);
        let Some(code) = code else {
            account.is_usable = false;
            return;
        };
        self.client.login_totp(&token, &code).await;
    }
}

/// Returns an address of the network that all actors share. The budget of one address would be too small for them.
fn random_address(random: &mut ChaCha8Rng) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, random.random_range(1..=254))
}

/// Selects a random replica for the client, and another one for the administrator. On clusters, the other replicas get
/// a request if this one accepts no connection.
pub(super) fn random_apis(deployment: &Deployment, random: &mut ChaCha8Rng) -> [(Api, Vec<Api>); 2] {
    let mut order = deployment.apis.clone();
    order.shuffle(random);
    let mut next = order.clone();
    next.rotate_left(1);
    [order, next].map(|mut apis| {
        let api = apis.remove(0);
        match deployment.servers {
            Servers::Single { .. } => (api, Vec::new()),
            Servers::Cluster(_) => (api, apis),
        }
    })
}

pub(super) fn status(outcome: &Outcome) -> Option<u16> {
    match outcome {
        Outcome::Answered(response) => Some(response.status),
        Outcome::Unknown { .. } => None,
    }
}

pub(super) fn problem(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Answered(response) => response.problem.as_deref(),
        Outcome::Unknown { .. } => None,
    }
}

pub(super) fn succeeded(outcome: &Outcome) -> bool {
    status(outcome).is_some_and(|status| (200..300).contains(&status))
}

/// Returns whether the request may have taken effect although it did not succeed.
pub(super) fn may_have_happened(outcome: &Outcome) -> bool {
    status(outcome).is_none_or(|status| status >= 500)
}
