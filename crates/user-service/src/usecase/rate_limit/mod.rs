//! Throttling that cannot lock the victim out. Each attempt is charged before it is
//! judged, so that no burst outruns the count; what turns out right is taken back.
//!
//! Whether an account exists changes nothing: an identifier is charged, not a user.

use crate::domain::expiry::expires_at;
mod account_writes;
mod ended_sessions;
mod keyed_hash;
mod local_limiter;
mod proofs;
mod status;

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(super) use self::status::tell;
pub use self::status::{RateLimitStatus, with_rate_limit_status};
pub(super) use self::{account_writes::AccountWrite, proofs::Proof};
use self::{keyed_hash::KeyedHash, local_limiter::LocalLimiter};
use super::{background_queue::RequestedMail, failure::Failure};
use crate::{
    domain::{Email, IpPrefix, LoginIdentifier, ip_prefix::KNOWN_NETWORK_LIFETIME},
    keys::KeyEncryptionKey,
    metrics::AccountMetrics,
    outbox::Origin,
    store::{KnownNetwork, ThrottleKey, ThrottleRule, ThrottleStore, UserRecord, binary},
};
use service_kit::mongo::StoreError;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// An account under attack is held for a quarter of the longest wait at first.
const ACCOUNT_FIRST: u32 = 4;
/// The process's own line lets through so many times the shared quota.
const FIRST_LINE: u32 = 2;
/// As [`FIRST_LINE`], for refresh and logout: each signed-in user refreshes several times an hour, and many users can
/// share one address.
const SESSION_LINE: u32 = 5;

/// The rows of one login identifier: as a whole, and for each network.
const LOGIN: &str = "login";
/// The same of one user's second factor.
const CODE: &str = "code";
/// The rows of one user's password asked again: for each session.
const PASSWORD: &str = "password";
/// What is remembered of a user's networks.
const KNOWN: &str = "known-network";

/// The numbers, from the configuration.
#[derive(Debug, Clone)]
pub struct Limits {
    pub enabled: bool,
    pub login_free_failures: u32,
    pub account_free_failures: u32,
    pub login_first_wait: Duration,
    pub login_max_wait: Duration,
    /// An hour, for each kind of mail.
    pub mails_per_address: u32,
    /// A minute.
    pub requests_per_network: u32,
    /// An hour.
    pub registrations_per_network: u32,
    /// An hour.
    pub profile_changes_per_account: u32,
    /// A day.
    pub username_changes_per_account: u32,
    /// An hour.
    pub email_changes_per_account: u32,
    /// An hour.
    pub password_changes_per_account: u32,
    /// An hour.
    pub second_factor_changes_per_account: u32,
}

/// A rule, what clients call it, and what the metric calls it.
#[derive(Debug, Clone, Copy)]
struct Policy {
    name: &'static str,
    scope: &'static str,
    rule: ThrottleRule,
}

/// Each kind of mail has a quota of its own: whoever uses one up for somebody else has
/// only had that mail sent.
const fn mails(mail: RequestedMail) -> &'static str {
    match mail {
        RequestedMail::Verification => "mail/verification",
        RequestedMail::Reset => "mail/reset",
    }
}

/// The rows that a request was charged to before it did anything. If it does nothing, they are taken back.
#[must_use]
#[derive(Default)]
pub struct Charged {
    /// The row of the mailbox that a mail is sent to.
    mail: Option<ThrottleKey>,
    others: Vec<ThrottleKey>,
}

/// An attempt that was let in and charged. What it turns out to be has to be said.
#[must_use]
pub struct Attempt {
    /// Charged, and forgotten when the secret was right.
    own: Option<ThrottleKey>,
    policy: Policy,
    /// Charged over all unknown networks.
    account: Option<ThrottleKey>,
    under_attack: Option<Timestamp>,
}

impl Attempt {
    /// If this attempt is wrong, the account is under attack, and held until then.
    #[must_use]
    pub fn under_attack(&self) -> Option<Timestamp> {
        self.under_attack
    }
}

/// Judges attempts by the rows in the database.
pub struct RateLimiter {
    store: ThrottleStore,
    hash: KeyedHash,
    first_line: LocalLimiter,
    session_line: LocalLimiter,
    limits: Limits,
    metrics: AccountMetrics,
}

impl RateLimiter {
    /// With these numbers; the rows are named by hashes under a key derived from `keys`.
    #[must_use]
    pub fn new(store: ThrottleStore, keys: &KeyEncryptionKey, limits: Limits, metrics: AccountMetrics) -> Self {
        let line = |times: u32| LocalLimiter::new(limits.requests_per_network.saturating_mul(times));
        let (first_line, session_line) = (line(FIRST_LINE), line(SESSION_LINE));
        Self { store, hash: KeyedHash::new(keys), first_line, session_line, limits, metrics }
    }

    /// Keeps the process's own lines small, until `stop`.
    pub async fn keep_small(&self, stop: CancellationToken) {
        tokio::join!(self.first_line.forget_idle(stop.clone()), self.session_line.forget_idle(stop));
    }

    /// Lets one request of this network pass, judged in this process alone: for the pages behind mailed links.
    ///
    /// # Errors
    /// [`Failure::RateLimited`].
    pub fn local_request(&self, origin: &Origin) -> Result<(), Failure> {
        self.pass(&self.first_line, &self.requests(), origin)
    }

    /// Lets a refresh or a logout pass, judged in this process alone. They have a quota of their own, so that a flood
    /// of them holds no login, and a flood of logins none of them.
    ///
    /// # Errors
    /// [`Failure::RateLimited`].
    pub fn session_request(&self, origin: &Origin) -> Result<(), Failure> {
        let quota = self.limits.requests_per_network.saturating_mul(SESSION_LINE);
        self.pass(&self.session_line, &self.rate("session", quota, MINUTE), origin)
    }

    fn pass(&self, line: &LocalLimiter, told: &Policy, origin: &Origin) -> Result<(), Failure> {
        if !self.limits.enabled {
            return Ok(());
        }
        line.pass(network(origin)).map_err(|retry_after| {
            self.metrics.throttled.with_label_values(&["first_line"]).inc();
            tell(RateLimitStatus { remaining: 0, reset: retry_after, ..RateLimitStatus::untouched(told) });
            Failure::RateLimited { retry_after }
        })
    }

    /// One request from this network to an endpoint that guards a secret.
    ///
    /// # Errors
    /// [`Failure::RateLimited`], or the database is away.
    pub async fn request(&self, origin: &Origin) -> Result<(), Failure> {
        let _ = self.request_with(origin, &[]).await?;
        Ok(())
    }

    /// Charges a registration to its network, and its mail to the mailbox.
    ///
    /// # Errors
    /// [`Failure::RateLimited`], or the database is away.
    pub async fn registration(&self, email: &Email, origin: &Origin) -> Result<Charged, Failure> {
        let mail = self.mail_row("mail/registration", email);
        let policy = self.rate("registration", self.limits.registrations_per_network, HOUR);
        let registration = self.hash.whole("registration", &network(origin).to_bytes());
        let charged = self.request_with(origin, &[mail, (policy, registration)]).await?;
        Ok(charged.with_mail(mail.1))
    }

    /// A mail to this address, whether or not somebody has it.
    ///
    /// # Errors
    /// [`Failure::RateLimited`], or the database is away.
    pub async fn mail(&self, mail: RequestedMail, email: &Email, origin: &Origin) -> Result<(), Failure> {
        let _ = self.request_with(origin, &[self.mail_row(mails(mail), email)]).await?;
        Ok(())
    }

    /// Charges a request for another address to the account, and its mail to the mailbox.
    ///
    /// # Errors
    /// [`Failure::RateLimited`], or the database is away.
    pub async fn new_address(&self, user: Uuid, email: &Email, origin: &Origin) -> Result<Charged, Failure> {
        let mail = self.mail_row("mail/new-address", email);
        self.request_with(origin, &[mail, self.write_row(AccountWrite::Email, user)]).await
    }

    /// Returns the row of the mailbox: addresses that differ in a `+tag` share it.
    fn mail_row(&self, kind: &'static str, email: &Email) -> (Policy, ThrottleKey) {
        let policy = self.rate("mail", self.limits.mails_per_address, HOUR);
        (policy, self.hash.whole(kind, email.mailbox().as_bytes()))
    }

    /// Charges one request to its network, and these rows, all at once. The request stays charged, whatever becomes of
    /// it.
    async fn request_with(&self, origin: &Origin, rows: &[(Policy, ThrottleKey)]) -> Result<Charged, Failure> {
        if !self.limits.enabled {
            return Ok(Charged::default());
        }
        self.local_request(origin)?;
        let request = (self.requests(), self.hash.whole("network", &network(origin).to_bytes()));
        let mut charged = self.charge_all(&[&[request], rows].concat()).await?;
        charged.others.retain(|key| *key != request.1);
        Ok(charged)
    }

    /// Charges all of these rows at once. If one of them holds, the others are taken back, but for the first, which
    /// counts requests.
    async fn charge_all(&self, rows: &[(Policy, ThrottleKey)]) -> Result<Charged, Failure> {
        let answers = join_all(rows.iter().map(|(policy, key)| self.store.charge(*key, policy.rule))).await;
        let (mut charged, mut refused, mut failed) = (Charged::default(), None, None);
        for ((policy, key), answer) in rows.iter().zip(answers) {
            match answer {
                Ok(row) if row.refused => {
                    refused.get_or_insert((policy, RateLimitStatus::new(policy, &row)));
                }
                Ok(row) => {
                    charged.others.push(*key);
                    tell(RateLimitStatus::new(policy, &row));
                }
                Err(error) => failed = Some(error),
            }
        }
        let failure = match (failed, refused) {
            (None, None) => return Ok(charged),
            (Some(error), _) => error.into(),
            (None, Some((policy, standing))) => self.refused(policy, standing),
        };
        charged.others.retain(|key| *key != rows[0].1);
        self.take_back(&charged).await;
        Err(failure)
    }

    /// Takes back what was charged for something that was not done.
    pub async fn take_back(&self, charged: &Charged) {
        self.take_back_all(charged.others.iter().copied()).await;
    }

    /// Takes back what was charged to the mailbox, because no mail is sent; the rest stays charged.
    pub async fn no_mail(&self, charged: &Charged) {
        self.take_back_all(charged.mail).await;
    }

    /// Returns the result; if it is an error, takes back what was charged for it.
    pub async fn or_take_back<T, E>(&self, charged: &Charged, result: Result<T, E>) -> Result<T, E> {
        if result.is_err() {
            self.take_back(charged).await;
        }
        result
    }

    /// Returns what `proof` comes to; if that is an error, or the client goes away meanwhile, takes back what was
    /// charged. `proof` writes nothing.
    pub async fn unless_proven<T, E>(
        &self,
        charged: Charged,
        proof: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut unproven = Unproven { store: &self.store, charged };
        let result = proof.await;
        if result.is_err() {
            self.take_back(&unproven.charged).await;
        }
        unproven.charged = Charged::default();
        result
    }

    async fn take_back_all(&self, keys: impl IntoIterator<Item = ThrottleKey>) {
        take_back_all(&self.store, keys).await;
    }

    /// A password for this identifier. `user` is whose it is, if it is anybody's: from a
    /// network that this account has logged in from, only its own failures hold it.
    ///
    /// # Errors
    /// [`Failure::RateLimited`], or the database is away.
    pub async fn login(
        &self,
        identifier: &LoginIdentifier,
        user: Option<&UserRecord>,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Attempt, Failure> {
        self.guess(LOGIN, identifier.key().as_bytes(), user, origin, now).await
    }

    /// A code of this user's second factor, held as a login is: whoever has the password
    /// cannot keep its owner out by wrong codes either. From a known network, too, each wrong one counts against the
    /// account, so that the owner is told.
    ///
    /// # Errors
    /// [`Failure::RateLimited`], or the database is away.
    pub async fn code(&self, user: &UserRecord, origin: &Origin, now: Timestamp) -> Result<Attempt, Failure> {
        self.guess(CODE, &user.id.bytes(), Some(user), origin, now).await
    }

    /// The password of somebody who is signed in. TestResult is the session: whoever has stolen
    /// it does not keep the others out.
    ///
    /// # Errors
    /// [`Failure::RateLimited`], or the database is away.
    pub async fn password(&self, user: Uuid, session: Uuid) -> Result<Attempt, Failure> {
        let own = self.own(PASSWORD);
        let key = self.hash.part(PASSWORD, user.as_bytes(), session.as_bytes());
        let mut attempt = Attempt { own: None, policy: own, account: None, under_attack: None };
        if self.limits.enabled {
            self.charge(&own, key).await?;
            attempt.own = Some(key);
        }
        Ok(attempt)
    }

    /// A guess of a secret of `subject`: the failures of this network count, and those of
    /// all networks that the user, if there is one, has not logged in from.
    async fn guess(
        &self,
        scope: &'static str,
        subject: &[u8],
        user: Option<&UserRecord>,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Attempt, Failure> {
        let own = self.own(scope);
        let mut attempt = Attempt { own: None, policy: own, account: None, under_attack: None };
        if !self.limits.enabled {
            return Ok(attempt);
        }
        let known = self.knows(user, origin, now);
        // An attacker who guesses codes has the password, so a known network has one count for all of its addresses.
        let network = match scope {
            CODE if known => IpPrefix::for_known_networks(address(origin)),
            _ => IpPrefix::for_rate_limit(address(origin)),
        };
        let key = self.hash.part(scope, subject, &network.to_bytes());
        self.charge(&own, key).await?;
        attempt.own = Some(key);

        let free = self.limits.account_free_failures;
        let longest = self.limits.login_max_wait;
        let rule = ThrottleRule::Backoff { free, first: longest / ACCOUNT_FIRST, longest };
        let account = Policy { name: scope, scope: "account", rule };
        let key = self.hash.whole(scope, subject);
        if known && scope == LOGIN {
            // As much work as for a stranger, so that the time does not tell.
            self.store.peek(key, rule).await?;
            return Ok(attempt);
        }
        let row = self.store.charge(key, rule).await?;
        if row.refused && !known {
            // Not this network's failure.
            self.give_back(&attempt).await;
            return Err(self.refused(&account, RateLimitStatus::new(&account, &row)));
        }
        // From a known network it is charged for the notice to the owner alone: it does not hold the owner.
        attempt.account = (!row.refused).then_some(key);
        attempt.under_attack = (row.wait > Duration::ZERO).then(|| expires_at(row.now, row.wait));
        Ok(attempt)
    }

    /// The secret was right: this network's failures are forgotten.
    pub async fn was_right(&self, attempt: &Attempt) {
        let own = async {
            let Some(own) = attempt.own else { return Ok(()) };
            self.store.delete(own).await?;
            tell(RateLimitStatus::untouched(&attempt.policy));
            Ok::<_, StoreError>(())
        };
        let account = async {
            let Some(account) = attempt.account else { return Ok(()) };
            self.store.refund(account).await
        };
        let (own, account) = tokio::join!(own, account);
        if let Err(error) = own.and(account) {
            tracing::debug!(%error, "an attempt that was right is still charged");
        }
    }

    /// Nobody has looked at the secret.
    pub async fn was_not_judged(&self, attempt: &Attempt) {
        self.give_back(attempt).await;
    }

    /// The network of a successful login, to be remembered with the user.
    #[must_use]
    pub fn seen(&self, user: Uuid, origin: &Origin, now: Timestamp) -> KnownNetwork {
        KnownNetwork { network: binary(&self.remembered(user, origin)), last_seen: now.into() }
    }

    /// Forgets what is held against this account; whether there was anything.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn release(&self, user: &UserRecord) -> Result<bool, StoreError> {
        let id = user.id.bytes();
        let mut rows = 0;
        for scope in [CODE, PASSWORD] {
            rows += self.store.delete_subject(self.hash.whole(scope, &id).subject).await?;
        }
        for key in user.email_keys.first().into_iter().chain([&user.username_key]) {
            rows += self.store.delete_subject(self.hash.whole(LOGIN, key.as_bytes()).subject).await?;
        }
        Ok(rows > 0)
    }

    /// Where there is no user there is as much to compute.
    fn knows(&self, user: Option<&UserRecord>, origin: &Origin, now: Timestamp) -> bool {
        let here = self.remembered(user.map_or(Uuid::nil(), |user| user.id.into()), origin);
        user.into_iter().flat_map(|user| &user.known_networks).any(|known| {
            known.network.bytes == here && now < expires_at(known.last_seen.to_jiff(), KNOWN_NETWORK_LIFETIME)
        })
    }

    /// Bound to the user: the same network of two accounts looks different.
    fn remembered(&self, user: Uuid, origin: &Origin) -> [u8; 16] {
        let network = IpPrefix::for_known_networks(address(origin)).to_bytes();
        self.hash.of(&[KNOWN.as_bytes(), user.as_bytes(), &network])
    }

    async fn charge(&self, policy: &Policy, key: ThrottleKey) -> Result<(), Failure> {
        let row = self.store.charge(key, policy.rule).await?;
        let standing = RateLimitStatus::new(policy, &row);
        if row.refused {
            return Err(self.refused(policy, standing));
        }
        tell(standing);
        Ok(())
    }

    fn refused(&self, policy: &Policy, standing: RateLimitStatus) -> Failure {
        self.metrics.throttled.with_label_values(&[policy.scope]).inc();
        tell(standing);
        Failure::RateLimited { retry_after: standing.reset }
    }

    async fn give_back(&self, attempt: &Attempt) {
        self.take_back_all([attempt.own, attempt.account].into_iter().flatten()).await;
    }

    /// What holds one network, or one session.
    fn own(&self, name: &'static str) -> Policy {
        let Limits { login_free_failures: free, login_first_wait: first, login_max_wait: longest, .. } = self.limits;
        Policy { name, scope: name, rule: ThrottleRule::Backoff { free, first, longest } }
    }

    /// Returns the policy for all requests of a network to what guards a secret.
    fn requests(&self) -> Policy {
        self.rate("network", self.limits.requests_per_network, MINUTE)
    }

    fn rate(&self, name: &'static str, quota: u32, window: Duration) -> Policy {
        Policy { name, scope: name, rule: ThrottleRule::Rate { quota, window } }
    }
}

/// What was charged for a change whose proof is still to come.
struct Unproven<'a> {
    store: &'a ThrottleStore,
    charged: Charged,
}

impl Drop for Unproven<'_> {
    fn drop(&mut self) {
        let keys = std::mem::take(&mut self.charged.others);
        // The client went away. Else a stolen session could use up its owner's quota by requests that it breaks off.
        if !keys.is_empty()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let store = self.store.clone();
            runtime.spawn(async move { take_back_all(&store, keys).await });
        }
    }
}

async fn take_back_all(store: &ThrottleStore, keys: impl IntoIterator<Item = ThrottleKey>) {
    for taken in join_all(keys.into_iter().map(|key| store.refund(key))).await {
        if let Err(error) = taken {
            tracing::debug!(%error, "what came to nothing is still charged");
        }
    }
}

impl Charged {
    fn with_mail(self, mail: ThrottleKey) -> Self {
        Self { mail: self.others.contains(&mail).then_some(mail), ..self }
    }
}

/// Returns the network that a request comes from, as coarse as throttles tell clients apart.
pub(super) fn network(origin: &Origin) -> IpPrefix {
    IpPrefix::for_rate_limit(address(origin))
}

fn address(origin: &Origin) -> IpAddr {
    let address = origin.address.as_deref().and_then(|address| address.parse().ok());
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
