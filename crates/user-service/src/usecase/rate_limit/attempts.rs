//! Attempts to prove the knowledge of a password or a code. An attempt is charged before the secret is verified, so
//! that concurrent attempts cannot exceed the limit.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use service_kit::mongo::StoreError;
use uuid::Uuid;

use super::{
    attempt_refunds::{AttemptRefunds, Room},
    limiter::RateLimiter,
    limits::RateLimitPolicy,
    networks::{client_address, is_known_network, known_network_digest, sign_in_place_digest},
    status::{RateLimitStatus, report},
};
use crate::{
    domain::{IpPrefix, LoginIdentifier, expires_at},
    outbox::Origin,
    problem::Problem,
    store::{
        AttemptCharge, AttemptRefund, AttemptState, Backoff, ChargeId, Forget, KnownNetwork, ThrottleKey, ThrottleRule,
        ThrottleState, UserRecord, binary,
    },
};

/// The scope of the counters of a login identifier: one for the identifier, and one for each network.
const LOGIN: &str = "login";
/// The scope of the counters of a user's second factor, in the same form.
const CODE: &str = "code";
/// The scope of the counters of a signed-in user's password: one for each session.
const PASSWORD: &str = "password";

/// An attempt that was allowed and charged. The caller must report its result. An attempt that is dropped without one
/// belongs to a client that has disconnected.
#[must_use]
pub struct ChargedAttempt {
    refunds: Arc<AttemptRefunds>,
    policy: RateLimitPolicy,
    charges: Vec<Charged>,
    /// The room for the refunds; absent if nothing was charged.
    room: Option<Room>,
    under_attack: Option<Timestamp>,
    /// Whether the attempt is refunded if the client disconnects.
    refund_on_drop: bool,
}

/// A charge of an attempt.
struct Charged {
    key: ThrottleKey,
    id: ChargeId,
    counts: Counts,
}

/// What a charge counts.
#[derive(Clone, Copy)]
enum Counts {
    /// The failures of a network or a session, in a row of their own. A success clears them.
    Source,
    /// The failures of an account from all unknown networks together.
    Account,
    /// Both, for an unknown network.
    AccountAnd([u8; 16]),
}

impl ChargedAttempt {
    /// Records that the secret was correct: clears the failures of this network or session up to this attempt, and
    /// refunds the account.
    pub fn succeed(mut self) {
        self.refund(Forget::Through);
        if self.room.is_some() {
            report(RateLimitStatus::full_quota(&self.policy));
        }
    }

    /// Records that the secret was wrong, and returns until when the account is under attack.
    pub fn fail(mut self) -> Option<Timestamp> {
        self.charges.clear();
        self.under_attack
    }

    /// Refunds the attempt: its secret was not verified.
    pub fn refund_unjudged(mut self) {
        self.refund(Forget::Own);
    }

    fn set_under_attack(&mut self, account: &ThrottleState) {
        self.under_attack = (account.wait > Duration::ZERO).then(|| expires_at(account.now, account.wait));
    }

    fn refund(&mut self, source: Forget) {
        for Charged { key, id, counts } in self.charges.drain(..) {
            let Some(room) = &self.room else { return };
            let (row, network) = match counts {
                Counts::Source => (source, None),
                Counts::Account => (Forget::Own, None),
                Counts::AccountAnd(network) => (Forget::Own, Some((network, source))),
            };
            self.refunds.add(key, AttemptRefund { id, row, network }, room);
        }
    }
}

impl Drop for ChargedAttempt {
    fn drop(&mut self) {
        if self.refund_on_drop {
            self.refund(Forget::Own);
        }
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
        let mut attempt = self.start_attempt(PASSWORD).await?;
        // No quota of requests bounds the hashes that a signed-in user could ask for and abandon.
        attempt.refund_on_drop = false;
        if self.limits.enabled {
            let key = self.hash.part_key(PASSWORD, user.as_bytes(), session.as_bytes());
            let state = self.charge_row(&mut attempt, key, self.limits.source_backoff(), Counts::Source).await?;
            self.report_source(&attempt, &state.row)?;
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
        let mut attempt = self.start_attempt(scope).await?;
        if !self.limits.enabled {
            return Ok(attempt);
        }
        let known = is_known_network(&self.hash, user, origin, now);
        // An attacker who guesses codes has the password, so a known network has one counter for all of its addresses.
        let network = match scope {
            CODE if known => IpPrefix::for_known_networks(client_address(origin)),
            _ => IpPrefix::for_rate_limit(client_address(origin)),
        };
        let source_key = self.hash.part_key(scope, subject, &network.to_bytes());
        let account_key = ThrottleKey::of_subject(source_key.subject);
        let account_rule = self.limits.account_backoff();
        if !known {
            let counts = Counts::AccountAnd(source_key.part);
            let state = self.charge_row(&mut attempt, account_key, account_rule, counts).await?;
            self.report_source(&attempt, &state.network.unwrap_or(state.row))?;
            if state.row.refused {
                let account =
                    RateLimitPolicy { name: scope, scope: "account", rule: ThrottleRule::Backoff(account_rule) };
                return Err(self.reject(&account, RateLimitStatus::new(&account, &state.row)));
            }
            attempt.set_under_attack(&state.row);
            return Ok(attempt);
        }
        // The account's counter does not hold a known network, so its failures are in a row of their own, which no crowd
        // of other networks writes.
        let state = self.charge_row(&mut attempt, source_key, self.limits.source_backoff(), Counts::Source).await?;
        self.report_source(&attempt, &state.row)?;
        if scope == CODE {
            // The account is charged only for the notice to the owner.
            let state = self.charge_row(&mut attempt, account_key, account_rule, Counts::Account).await?;
            attempt.set_under_attack(&state.row);
        }
        Ok(attempt)
    }

    /// Returns an attempt that is not charged yet.
    async fn start_attempt(&self, scope: &'static str) -> Result<ChargedAttempt, Problem> {
        Ok(ChargedAttempt {
            refunds: Arc::clone(&self.attempt_refunds),
            policy: self.limits.backoff_policy(scope),
            charges: Vec::new(),
            room: if self.limits.enabled { Some(self.attempt_refunds.reserve().await?) } else { None },
            under_attack: None,
            refund_on_drop: true,
        })
    }

    /// Charges an attempt to this row, unless the row refuses it.
    async fn charge_row(
        &self,
        attempt: &mut ChargedAttempt,
        key: ThrottleKey,
        rule: Backoff,
        counts: Counts,
    ) -> Result<AttemptState, StoreError> {
        let id = ChargeId::random();
        let network = match counts {
            Counts::AccountAnd(network) => Some((network, self.limits.source_backoff())),
            Counts::Source | Counts::Account => None,
        };
        let refunds = self.attempt_refunds.of_row(key);
        // If the outcome is unknown, the charge is refunded: that changes nothing if there is none.
        attempt.charges.push(Charged { key, id, counts });
        let state = match self.store.charge_attempt(&AttemptCharge { id, key, rule, network }, &refunds).await {
            Ok(state) => state,
            Err(error) => {
                if !error.outcome_unknown() {
                    attempt.charges.pop();
                }
                attempt.refund(Forget::Own);
                return Err(error);
            }
        };
        if state.is_refused() {
            attempt.charges.pop();
        }
        self.attempt_refunds.remove(key, &refunds);
        Ok(state)
    }

    /// Reports the status of a network or session, or returns its refusal.
    fn report_source(&self, attempt: &ChargedAttempt, source: &ThrottleState) -> Result<(), Problem> {
        let status = RateLimitStatus::new(&attempt.policy, source);
        if source.refused {
            return Err(self.reject(&attempt.policy, status));
        }
        report(status);
        Ok(())
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
        let logins = user.email_keys.first().into_iter().chain([&user.username_key]);
        let subjects = [(CODE, id.as_slice()), (PASSWORD, id.as_slice())];
        let mut rows = 0;
        for (scope, subject) in subjects.into_iter().chain(logins.map(|key| (LOGIN, key.as_bytes()))) {
            let subject = self.hash.subject_key(scope, subject).subject;
            rows += self.store.delete_failures(subject, self.limits.source_backoff()).await?;
        }
        Ok(rows > 0)
    }
}
