//! The dependencies of the use cases.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use service_kit::{Clock, Ids};
use uuid::Uuid;

use super::{
    background_queue::BackgroundQueue, failure::Failure, password::password_validation::PasswordValidation,
    rate_limit::limiter::RateLimiter, write_tasks::Writes,
};
use crate::{
    domain::AttributeRules,
    hashing::HashPool,
    keys::KeyEncryptionKey,
    metrics::AccountMetrics,
    outbox::EventBuilder,
    relay::Relay,
    store::{Backlog, PendingEvent, SessionTimes, Store, UserRecord},
    tokens::{AccessTokens, MfaTokens, RefreshTokens},
};

/// The dependencies of the use cases.
pub struct AccountService {
    pub store: Store,
    pub relay: Relay,
    pub hashes: HashPool,
    pub access_tokens: AccessTokens,
    pub refresh_tokens: RefreshTokens,
    pub mfa_tokens: MfaTokens,
    pub outbox: EventBuilder,
    pub background: BackgroundQueue,
    pub keys: KeyEncryptionKey,
    pub clock: Clock,
    pub ids: Ids,
    pub rules: Rules,
    pub passwords: PasswordValidation,
    pub attributes: AttributeRules,
    pub rate_limiter: RateLimiter,
    pub metrics: AccountMetrics,
    pub writes: Writes,
    /// Whether the unique indexes exist.
    pub unique_indexes_ready: tokio::sync::watch::Receiver<bool>,
}

/// Lifetimes and rules from the configuration.
#[derive(Debug, Clone)]
pub struct Rules {
    pub session_times: SessionTimes,
    pub verification_ttl: Duration,
    pub reset_ttl: Duration,
    pub undo_ttl: Duration,
    pub require_verified_email: bool,
    /// Whether the response to a registration hides whether the address already has an account.
    pub hidden_registration: bool,
    /// The name that authenticator apps show above the code.
    pub totp_issuer: String,
}

impl AccountService {
    /// Returns an error until the unique indexes exist: without them, nothing that must be unique is written.
    pub(in crate::usecase) fn require_unique_indexes(&self) -> Result<(), Failure> {
        if *self.unique_indexes_ready.borrow() {
            Ok(())
        } else {
            Err(Failure::unavailable("the unique indexes do not exist yet"))
        }
    }

    /// Passes the pending events of a written account to the relay.
    pub(in crate::usecase) fn publish(&self, user: &UserRecord) {
        self.relay.offer(Backlog {
            user: user.id,
            deleted_at: None,
            pending_events: user.pending_events.clone(),
            parked: user.parked.clone(),
        });
    }

    /// Passes the pending events of a tombstone to the relay.
    pub(in crate::usecase) fn publish_tombstone(&self, user: Uuid, now: Timestamp, pending_events: Vec<PendingEvent>) {
        self.relay.offer(Backlog { user: user.into(), deleted_at: Some(now.into()), pending_events, parked: None });
    }
}

/// The service as all handlers share it.
pub type SharedAccountService = Arc<AccountService>;
