//! The dependencies of the use cases.

use std::sync::Arc;

use service_kit::{Clock, Ids};

use super::{
    background_queue::BackgroundQueue,
    clients::ClientManagement,
    password::password_validation::PasswordValidation,
    rate_limit::limiter::RateLimiter,
    update::{AccountWriter, Attempt, ById, Decision, Load, Managed, Updated},
    write_tasks::Writes,
};
use crate::{
    domain::{AttributeRules, Lifetimes, TokenClaims},
    hashing::HashPool,
    keys::KeyEncryptionKey,
    metrics::AccountMetrics,
    outbox::{EventBuilder, Origin},
    problem::Problem,
    store::{Store, UserRecord},
    tokens::{AccessTokens, ClientTokens, MfaTokens, RefreshTokens},
};

/// The dependencies of the use cases.
pub struct AccountService {
    pub store: Store,
    pub clients: ClientManagement,
    pub writer: AccountWriter,
    pub hashes: HashPool,
    pub access_tokens: AccessTokens,
    pub client_tokens: ClientTokens,
    pub refresh_tokens: RefreshTokens,
    pub mfa_tokens: MfaTokens,
    pub outbox: EventBuilder,
    pub background: BackgroundQueue,
    pub keys: KeyEncryptionKey,
    pub clock: Clock,
    pub ids: Ids,
    pub rules: Rules,
    pub lifetimes: Lifetimes,
    pub passwords: PasswordValidation,
    pub attributes: Arc<AttributeRules>,
    pub rate_limiter: RateLimiter,
    pub metrics: AccountMetrics,
    pub writes: Writes,
    /// Whether the unique indexes exist.
    pub unique_indexes_ready: tokio::sync::watch::Receiver<bool>,
}

/// Rules from the configuration.
#[derive(Debug, Clone)]
pub struct Rules {
    pub require_verified_email: bool,
    /// Whether the owner is notified of a login from a new place.
    pub new_sign_in_notice: bool,
    /// Whether the response to a registration hides whether the address already has an account.
    pub hidden_registration: bool,
    /// The name that authenticator apps show above the code.
    pub totp_issuer: String,
    /// What access tokens also say about their user.
    pub token_claims: TokenClaims,
}

impl AccountService {
    /// Returns an error until the unique indexes exist: without them, nothing that must be unique is written.
    pub(in crate::usecase) fn require_unique_indexes(&self) -> Result<(), Problem> {
        if *self.unique_indexes_ready.borrow() {
            Ok(())
        } else {
            Err(Problem::unavailable("the unique indexes do not exist yet"))
        }
    }

    /// Names the account of an update by its id.
    pub(in crate::usecase) fn by_id(&self, id: uuid::Uuid) -> ById {
        ById { users: self.store.users.clone(), id }
    }

    /// Names the account of an update by its id, for a change by the administrator or the client of this origin.
    pub(in crate::usecase) fn managed(&self, id: uuid::Uuid, origin: &Origin) -> Managed {
        Managed { account: self.by_id(id), actor: origin.actor }
    }

    /// Updates an account as [`AccountWriter::update`] does, to completion even if the client disconnects.
    pub(in crate::usecase) async fn update<L: Load, T: Send + 'static>(
        self: &Arc<Self>,
        load: L,
        decide: impl FnMut(&UserRecord, L::Proof, Attempt) -> Result<Decision<T>, Problem> + Send + 'static,
    ) -> Result<Updated<T>, Problem> {
        let writer = self.writer.clone();
        self.writes.run_to_completion(async move { writer.update(load, decide).await }).await
    }
}
