//! Attempts to prove the knowledge of a password or a code. An attempt is charged before the secret is verified, so
//! that concurrent attempts cannot exceed the limit.

use std::time::Duration;

use jiff::Timestamp;
use service_kit::mongo::StoreError;
use uuid::Uuid;

use super::{
    limiter::RateLimiter,
    limits::{ACCOUNT_FIRST_WAIT_DIVISOR, RateLimitPolicy},
    networks::{client_address, is_known_network, known_network_digest, sign_in_place_digest},
    status::{RateLimitStatus, report},
};
use crate::{
    domain::{IpPrefix, LoginIdentifier, expires_at},
    outbox::Origin,
    problem::Problem,
    store::{KnownNetwork, ThrottleKey, ThrottleRule, UserRecord, binary},
};

/// The scope of the counters of a login identifier: one for the identifier, and one for each network.
const LOGIN: &str = "login";
/// The scope of the counters of a user's second factor, in the same form.
const CODE: &str = "code";
/// The scope of the counters of a signed-in user's password: one for each session.
const PASSWORD: &str = "password";

/// An attempt that was allowed and charged. The caller must report its result.
#[must_use]
pub struct ChargedAttempt {
    /// The counter of the network or session. It is cleared if the secret was correct.
    source_key: Option<ThrottleKey>,
    policy: RateLimitPolicy,
    /// The counter of the account, for all unknown networks together.
    account_key: Option<ThrottleKey>,
    under_attack: Option<Timestamp>,
}

impl ChargedAttempt {
    /// Returns until when the account is under attack if this attempt fails.
    #[must_use]
    pub fn under_attack(&self) -> Option<Timestamp> {
        self.under_attack
    }
}

impl RateLimiter {
    /// Charges a login with this identifier. `user` is the account of the identifier, if there is one. On a network
    /// that this account has logged in from, only the failures of that network count.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`], or an error if the database is unavailable.
    pub async fn charge_login(
        &self,
        identifier: &LoginIdentifier,
        user: Option<&UserRecord>,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<ChargedAttempt, Problem> {
        self.charge_attempt(LOGIN, identifier.key().as_bytes(), user, origin, now).await
    }

    /// Charges a code of this user's second factor, with the limits of a login: an attacker who has the password cannot
    /// lock the owner out with wrong codes. Wrong codes from a known network also count against the account, so that
    /// the owner is notified.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`], or an error if the database is unavailable.
    pub async fn charge_second_factor_code(
        &self,
        user: &UserRecord,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<ChargedAttempt, Problem> {
        self.charge_attempt(CODE, &user.id.bytes(), Some(user), origin, now).await
    }

    /// Charges the password of a signed-in user. The failures are counted per session: an attacker with a stolen
    /// session does not block the user's other sessions.
    ///
    /// # Errors
    /// Returns [`Problem::RateLimited`], or an error if the database is unavailable.
    pub async fn charge_password(&self, user: Uuid, session: Uuid) -> Result<ChargedAttempt, Problem> {
        let policy = self.limits.backoff_policy(PASSWORD);
        let key = self.hash.part_key(PASSWORD, user.as_bytes(), session.as_bytes());
        let mut attempt = ChargedAttempt { source_key: None, policy, account_key: None, under_attack: None };
        if self.limits.enabled {
            self.charge(&policy, key).await?;
            attempt.source_key = Some(key);
        }
        Ok(attempt)
    }

    /// Charges an attempt on a secret of `subject`: to the counter of this network, and to the counter of all networks
    /// that the user, if there is one, has not logged in from.
    async fn charge_attempt(
        &self,
        scope: &'static str,
        subject: &[u8],
        user: Option<&UserRecord>,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<ChargedAttempt, Problem> {
        let policy = self.limits.backoff_policy(scope);
        let mut attempt = ChargedAttempt { source_key: None, policy, account_key: None, under_attack: None };
        if !self.limits.enabled {
            return Ok(attempt);
        }
        let known = is_known_network(&self.hash, user, origin, now);
        // An attacker who guesses codes has the password, so a known network has one counter for all of its addresses.
        let network = match scope {
            CODE if known => IpPrefix::for_known_networks(client_address(origin)),
            _ => IpPrefix::for_rate_limit(client_address(origin)),
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
            // The same work as for an unknown network, so that the response time reveals nothing.
            self.store.peek(key, rule).await?;
            return Ok(attempt);
        }
        let row = self.store.charge(key, rule).await?;
        if row.refused && !known {
            // The refusal is not a failure of this network.
            self.refund_attempt(&attempt).await;
            return Err(self.reject(&account, RateLimitStatus::new(&account, &row)));
        }
        // A known network is charged only for the notice to the owner; the counter does not block the owner.
        attempt.account_key = (!row.refused).then_some(key);
        attempt.under_attack = (row.wait > Duration::ZERO).then(|| expires_at(row.now, row.wait));
        Ok(attempt)
    }

    /// Records that the secret was correct: clears the failures of this network and refunds the account.
    pub async fn record_success(&self, attempt: &ChargedAttempt) {
        let source = async {
            let Some(source) = attempt.source_key else { return Ok(()) };
            self.store.delete(source).await?;
            report(RateLimitStatus::full_quota(&attempt.policy));
            Ok::<_, StoreError>(())
        };
        let account = async {
            let Some(account) = attempt.account_key else { return Ok(()) };
            self.store.refund(account).await
        };
        let (source, account) = tokio::join!(source, account);
        if let Err(error) = source.and(account) {
            tracing::debug!(%error, "the charge of a successful attempt was not refunded");
        }
    }

    /// Refunds an attempt whose secret was not verified.
    pub async fn refund_attempt(&self, attempt: &ChargedAttempt) {
        self.refund_all([attempt.source_key, attempt.account_key].into_iter().flatten()).await;
    }

    /// Returns the network of a successful login, for the user's list of known networks.
    #[must_use]
    pub fn known_network(&self, user: Uuid, origin: &Origin, now: Timestamp) -> KnownNetwork {
        KnownNetwork { network: binary(&known_network_digest(&self.hash, user, origin)), last_seen: now.into() }
    }

    /// Returns the hash of the place of a login: the name of the device, and the network.
    #[must_use]
    pub fn sign_in_place(&self, user: Uuid, device: Option<&str>, origin: &Origin) -> [u8; 16] {
        sign_in_place_digest(&self.hash, user, device, origin)
    }

    /// Clears the failures of this account, and returns whether there were any.
    ///
    /// # Errors
    /// Returns an error if the database is unavailable.
    pub async fn clear_failures(&self, user: &UserRecord) -> Result<bool, StoreError> {
        let id = user.id.bytes();
        let mut rows = 0;
        for scope in [CODE, PASSWORD] {
            rows += self.store.delete_subject(self.hash.subject_key(scope, &id).subject).await?;
        }
        for key in user.email_keys.first().into_iter().chain([&user.username_key]) {
            rows += self.store.delete_subject(self.hash.subject_key(LOGIN, key.as_bytes()).subject).await?;
        }
        Ok(rows > 0)
    }
}
