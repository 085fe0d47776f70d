//! An actor: a client and an administrator of their own, and dice.

use std::{sync::Arc, time::Duration};

use faults::Client;
use faults::checker::Outcome;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use test_support::Api;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::account::Account;
use crate::cast::Cast;

/// Between two requests, in milliseconds.
const PAUSE: std::ops::Range<u64> = 40..200;
/// For a mail that may never come.
const MAIL: Duration = Duration::from_secs(6);

pub(crate) struct Actor {
    pub(super) cast: Arc<Cast>,
    pub(super) random: ChaCha8Rng,
    number: u64,
    /// Names that were given out.
    names: u64,
    /// One-time tokens of this life that were given out.
    pub(super) used: Vec<String>,
    pub(super) client: Client,
    pub(super) admin: Client,
}

impl Actor {
    pub(crate) fn new(cast: Arc<Cast>, seed: u64, number: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let api = somewhere(&cast, &mut random);
        let (client, admin) = (cast.run.recorder.client(api.clone()), cast.run.recorder.client(api));
        Self { cast, random, number, names: 0, used: Vec::new(), client, admin }
    }

    /// A name, password or key that nobody else has.
    pub(super) fn unique(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what}{}x{}", self.number, self.names)
    }

    /// A while later, and perhaps at another replica.
    pub(super) async fn pause(&mut self) {
        sleep(Duration::from_millis(self.random.random_range(PAUSE))).await;
        let api = somewhere(&self.cast, &mut self.random);
        self.client.use_api(api.clone());
        self.admin.use_api(api);
    }

    /// The token of the newest mail to an address that links to this page, if one comes soon.
    /// Each is given out once.
    pub(super) async fn mailed_token(&mut self, address: &str, page: &str) -> Option<String> {
        let link = format!("{page}?token=");
        let end = Instant::now() + MAIL;
        loop {
            let ours = |to: &String| to.eq_ignore_ascii_case(address);
            let smtp = &self.cast.run.smtp;
            let found = smtp.latest_delivery(|seen| {
                let text = &seen.mail.text;
                let used = || self.used.iter().any(|token| text.contains(token));
                seen.mail.to.iter().any(ours) && text.contains(&link) && !used()
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

    /// The administrator is signed in, if that is possible now.
    pub(super) async fn administrate(&mut self) -> bool {
        let expired = self.admin.last().is_some_and(|answer| answer.status == 401);
        if expired || !self.admin.is_signed_in() {
            let person = self.cast.admin.clone();
            return succeeded(&self.admin.login(&person).await);
        }
        true
    }

    /// The account's id, once it is known.
    pub(super) fn user(&self) -> Option<Uuid> {
        self.client.user()
    }

    /// After an answer that refused the access token: another one, or none.
    pub(super) async fn mend_session(&mut self) {
        let refused = self.client.last().is_some_and(|answer| answer.status == 401);
        if refused && self.client.is_signed_in() && !succeeded(&self.client.refresh().await) {
            self.client.forget_tokens();
        }
    }

    /// Signs in with what is known, and finds out which password is in force.
    pub(super) async fn sign_in(&mut self, account: &mut Account) {
        let candidates = std::iter::once(account.person.password.clone()).chain(account.perhaps.clone());
        for password in candidates {
            let mut person = account.person.clone();
            person.password.clone_from(&password);
            let outcome = self.client.login(&person).await;
            match status(&outcome) {
                Some(200) => return account.has_password(&password),
                Some(401) if problem(&outcome) == Some("mfa-required") => {
                    account.has_password(&password);
                    return self.second_step(account).await;
                }
                Some(401) => {}
                // Disabled, or not served now.
                _ => return,
            }
        }
        account.is_lived = false;
    }

    async fn second_step(&mut self, account: &mut Account) {
        let token = self.client.last().map(|answer| answer.string("mfaToken")).unwrap_or_default();
        test_support::remember_secret("mfa token", &token);
        let code = account.second_factor.as_mut().and_then(super::authenticator::Authenticator::recovery_code);
        let Some(code) = code else {
            account.is_lived = false;
            return;
        };
        self.client.login_totp(&token, &code).await;
    }
}

fn somewhere(cast: &Cast, random: &mut ChaCha8Rng) -> Api {
    let n = random.random_range(0..cast.apis.len().max(1));
    cast.apis.get(n).expect("there is a replica").clone()
}

pub(super) fn status(outcome: &Outcome) -> Option<u16> {
    match outcome {
        Outcome::Answered(answer) => Some(answer.status),
        Outcome::Unknown { .. } => None,
    }
}

pub(super) fn problem(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::Answered(answer) => answer.problem.as_deref(),
        Outcome::Unknown { .. } => None,
    }
}

pub(super) fn succeeded(outcome: &Outcome) -> bool {
    status(outcome).is_some_and(|status| (200..300).contains(&status))
}

/// Whether it may have been done without a word.
pub(super) fn unclear(outcome: &Outcome) -> bool {
    status(outcome).is_none_or(|status| status >= 500)
}
