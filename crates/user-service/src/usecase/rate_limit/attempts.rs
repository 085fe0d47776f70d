//! Attempts to guess a password or a code.

use std::time::Duration;

use jiff::Timestamp;
use service_kit::mongo::StoreError;
use uuid::Uuid;

use super::{
    limiter::RateLimiter,
    limits::{ACCOUNT_FIRST_WAIT_DIVISOR, RateLimitPolicy},
    networks::{client_address, is_known_network, known_network_digest},
    status::{RateLimitStatus, report},
};
use crate::{
    domain::{IpPrefix, LoginIdentifier, expiry::expires_at},
    outbox::Origin,
    store::{KnownNetwork, ThrottleKey, ThrottleRule, UserRecord, binary},
    usecase::failure::Failure,
};

/// The rows of one login identifier: as a whole, and for each network.
const LOGIN: &str = "login";
/// The same of one user's second factor.
const CODE: &str = "code";
/// The rows of one user's password asked again: for each session.
const PASSWORD: &str = "password";

/// An attempt that was let in and charged. What it turns out to be has to be said.
#[must_use]
pub struct ChargedAttempt {
    /// Charged, and forgotten when the secret was right.
    source_key: Option<ThrottleKey>,
    policy: RateLimitPolicy,
    /// Charged over all unknown networks.
    account_key: Option<ThrottleKey>,
    under_attack: Option<Timestamp>,
}

impl ChargedAttempt {
    /// If this attempt is wrong, the account is under attack, and held until then.
    #[must_use]
    pub fn under_attack(&self) -> Option<Timestamp> {
        self.under_attack
    }
}

impl RateLimiter {
    /// A password for this identifier. `user` is whose it is, if it is anybody's: from a
    /// network that this account has logged in from, only its own failures hold it.
    ///
    /// # Errors
    /// [`Failure::RateLimited`], or the database is away.
    pub async fn charge_login(
        &self,
        identifier: &LoginIdentifier,
        user: Option<&UserRecord>,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<ChargedAttempt, Failure> {
        self.charge_attempt(LOGIN, identifier.key().as_bytes(), user, origin, now).await
    }

    /// A code of this user's second factor, held as a login is: whoever has the password
    /// cannot keep its owner out by wrong codes either. From a known network, too, each wrong one counts against the
    /// account, so that the owner is told.
    ///
    /// # Errors
    /// [`Failure::RateLimited`], or the database is away.
    pub async fn charge_second_factor_code(
        &self,
        user: &UserRecord,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<ChargedAttempt, Failure> {
        self.charge_attempt(CODE, &user.id.bytes(), Some(user), origin, now).await
    }

    /// The password of somebody who is signed in. TestResult is the session: whoever has stolen
    /// it does not keep the others out.
    ///
    /// # Errors
    /// [`Failure::RateLimited`], or the database is away.
    pub async fn charge_password(&self, user: Uuid, session: Uuid) -> Result<ChargedAttempt, Failure> {
        let policy = self.limits.backoff_policy(PASSWORD);
        let key = self.hash.part_key(PASSWORD, user.as_bytes(), session.as_bytes());
        let mut attempt = ChargedAttempt { source_key: None, policy, account_key: None, under_attack: None };
        if self.limits.enabled {
            self.charge(&policy, key).await?;
            attempt.source_key = Some(key);
        }
        Ok(attempt)
    }

    /// A guess of a secret of `subject`: the failures of this network count, and those of
    /// all networks that the user, if there is one, has not logged in from.
    async fn charge_attempt(
        &self,
        scope: &'static str,
        subject: &[u8],
        user: Option<&UserRecord>,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<ChargedAttempt, Failure> {
        let policy = self.limits.backoff_policy(scope);
        let mut attempt = ChargedAttempt { source_key: None, policy, account_key: None, under_attack: None };
        if !self.limits.enabled {
            return Ok(attempt);
        }
        let known = is_known_network(&self.hash, user, origin, now);
        // An attacker who guesses codes has the password, so a known network has one count for all of its addresses.
        let network = match scope {
            CODE if known => IpPrefix::remembered(client_address(origin)),
            _ => IpPrefix::throttled(client_address(origin)),
        };
        let key = self.hash.part_key(scope, subject, &network.to_bytes());
        self.charge(&policy, key).await?;
        attempt.source_key = Some(key);

        let free = self.limits.account_free_failures;
        let longest = self.limits.login_max_wait;
        let rule = ThrottleRule::Backoff { free, first: longest / ACCOUNT_FIRST_WAIT_DIVISOR, longest };
        let account = RateLimitPolicy { name: scope, scope: "account", rule };
        let key = self.hash.subject_key(scope, subject);
        if known && scope == LOGIN {
            // As much work as for a stranger, so that the time does not tell.
            self.store.look(key, rule).await?;
            return Ok(attempt);
        }
        let row = self.store.charge(key, rule).await?;
        if row.held && !known {
            // Not this network's failure.
            self.refund_attempt(&attempt).await;
            return Err(self.reject(&account, RateLimitStatus::new(&account, &row)));
        }
        // From a known network it is charged for the notice to the owner alone: it does not hold the owner.
        attempt.account_key = (!row.held).then_some(key);
        attempt.under_attack = (row.wait > Duration::ZERO).then(|| expires_at(row.now, row.wait));
        Ok(attempt)
    }

    /// The secret was right: this network's failures are forgotten.
    pub async fn record_success(&self, attempt: &ChargedAttempt) {
        let own = async {
            let Some(own) = attempt.source_key else { return Ok(()) };
            self.store.forget(own).await?;
            report(RateLimitStatus::full_quota(&attempt.policy));
            Ok::<_, StoreError>(())
        };
        let account = async {
            let Some(account) = attempt.account_key else { return Ok(()) };
            self.store.take_back(account).await
        };
        let (own, account) = tokio::join!(own, account);
        if let Err(error) = own.and(account) {
            tracing::debug!(%error, "an attempt that was right is still charged");
        }
    }

    pub async fn refund_attempt(&self, attempt: &ChargedAttempt) {
        self.refund_all([attempt.source_key, attempt.account_key].into_iter().flatten()).await;
    }

    /// The network of a successful login, to be remembered with the user.
    #[must_use]
    pub fn known_network(&self, user: Uuid, origin: &Origin, now: Timestamp) -> KnownNetwork {
        KnownNetwork { network: binary(&known_network_digest(&self.hash, user, origin)), last_seen: now.into() }
    }

    /// Forgets what is held against this account; whether there was anything.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn clear_failures(&self, user: &UserRecord) -> Result<bool, StoreError> {
        let id = user.id.bytes();
        let mut rows = 0;
        for scope in [CODE, PASSWORD] {
            rows += self.store.forget_subject(self.hash.subject_key(scope, &id).subject).await?;
        }
        for key in user.email_keys.first().into_iter().chain([&user.username_key]) {
            rows += self.store.forget_subject(self.hash.subject_key(LOGIN, key.as_bytes()).subject).await?;
        }
        Ok(rows > 0)
    }
}
