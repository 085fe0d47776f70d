//! Creates and changes clients: administrators over HTTP, and operators on the command line. Each change is in the log of
//! the process. What an administrator does is in the administrator's audit log, too.

use secrecy::SecretString;
use service_kit::{Clock, Ids, mongo::StoreError};
use uuid::Uuid;

use crate::{
    domain::{Client, ClientId, ClientName, ClientSecret, Scopes},
    outbox::{Actor, Origin},
    problem::{Problem, Validation},
    store::{AuditOnlyKind, AuditRow, ClientRecord, Store},
    usecase::write_tasks::Writes,
};

/// Name and scopes of a new client, as they were entered.
pub struct NewClient {
    pub name: String,
    pub scopes: Vec<String>,
}

/// A client and its new secret, which is not stored and cannot be read again.
pub struct ClientWithSecret {
    pub client: Client,
    pub secret: SecretString,
}

/// A page of clients, newest first.
pub struct ClientPage {
    pub clients: Vec<Client>,
    /// The last client of the page, if there is a next page.
    pub next: Option<ClientId>,
}

/// Creates, lists and changes clients. A change is made to completion even if the administrator disconnects.
#[derive(Clone)]
pub struct ClientManagement {
    pub store: Store,
    pub clock: Clock,
    pub ids: Ids,
    pub writes: Writes,
}

impl ClientManagement {
    /// Creates a client.
    ///
    /// # Errors
    /// Returns [`Problem::ValidationFailed`]. If the store was unavailable, a client without a known secret may exist.
    pub async fn create(&self, new: NewClient, origin: &Origin) -> Result<ClientWithSecret, Problem> {
        let mut validation = Validation::default();
        let name = validation.check("name", ClientName::parse(&new.name));
        let scopes = validation.check("scopes", Scopes::parse(&new.scopes));
        let (Some(name), Some(scopes)) = (name, scopes) else { return Err(validation.problem()) };
        let (now, secret) = (self.clock.now(), ClientSecret::generate());
        let id = ClientId::from(self.ids.v7(now));
        let record = ClientRecord::new(id, &name, &scopes, &secret.digest(), now);
        let clients = self.store.clients.clone();
        let insert = async move { clients.insert(&record).await.map(|()| Some(record)) };
        let client = self.change(AuditOnlyKind::ClientCreated, id, origin, insert).await?;
        Ok(ClientWithSecret { client, secret: secret.to_text() })
    }

    /// Returns at most `limit` clients after the client `after`.
    ///
    /// # Errors
    /// Returns an error only if the store is unavailable.
    pub async fn list(&self, after: Option<ClientId>, limit: u32) -> Result<ClientPage, Problem> {
        let size = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut found = self.store.clients.page(after, i64::from(limit) + 1).await?;
        let more = found.len() > size;
        found.truncate(size);
        let clients: Vec<Client> = found.iter().map(ClientRecord::client).collect();
        let next = clients.last().filter(|_| more).map(|client| client.id);
        Ok(ClientPage { clients, next })
    }

    /// Returns the client with this id.
    ///
    /// # Errors
    /// Returns [`Problem::NotFound`].
    pub async fn find(&self, id: ClientId) -> Result<Client, Problem> {
        Ok(self.store.clients.by_id(id).await?.ok_or(Problem::NotFound)?.client())
    }

    /// Adds a secret. The one before stays valid, and an older one is dropped.
    ///
    /// # Errors
    /// Returns [`Problem::NotFound`]. If the store was unavailable, an unknown secret may have been added.
    pub async fn rotate_secret(&self, id: ClientId, origin: &Origin) -> Result<ClientWithSecret, Problem> {
        self.find(id).await?;
        let (clients, secret) = (self.store.clients.clone(), ClientSecret::generate());
        let digest = secret.digest();
        let add = async move { clients.add_secret(id, &digest).await };
        let client = self.change(AuditOnlyKind::ClientSecretRotated, id, origin, add).await?;
        Ok(ClientWithSecret { client, secret: secret.to_text() })
    }

    /// Drops the older one of two secrets. Does nothing if there is only one.
    ///
    /// # Errors
    /// Returns [`Problem::NotFound`].
    pub async fn drop_old_secret(&self, id: ClientId, origin: &Origin) -> Result<Client, Problem> {
        let client = self.find(id).await?;
        if client.secrets.len() < 2 {
            return Ok(client);
        }
        let clients = self.store.clients.clone();
        let drop = async move { clients.drop_old_secret(id).await };
        self.change(AuditOnlyKind::ClientOldSecretDropped, id, origin, drop).await
    }

    /// Disables a client: it gets no token, and its tokens are revoked. Does nothing if it is disabled.
    ///
    /// # Errors
    /// Returns [`Problem::NotFound`].
    pub async fn disable(&self, id: ClientId, origin: &Origin) -> Result<Client, Problem> {
        let client = self.find(id).await?;
        if client.disabled {
            return Ok(client);
        }
        let clients = self.store.clients.clone();
        let disable = async move { clients.disable(id).await };
        self.change(AuditOnlyKind::ClientDisabled, id, origin, disable).await
    }

    /// Enables a client: it gets tokens again. Does nothing if it is active.
    ///
    /// # Errors
    /// Returns [`Problem::NotFound`].
    pub async fn enable(&self, id: ClientId, origin: &Origin) -> Result<Client, Problem> {
        let client = self.find(id).await?;
        if !client.disabled {
            return Ok(client);
        }
        let clients = self.store.clients.clone();
        let enable = async move { clients.enable(id).await };
        self.change(AuditOnlyKind::ClientEnabled, id, origin, enable).await
    }

    /// Records the change and makes it. Returns the client after the change.
    async fn change(
        &self,
        kind: AuditOnlyKind,
        client: ClientId,
        origin: &Origin,
        change: impl Future<Output = Result<Option<ClientRecord>, StoreError>> + Send + 'static,
    ) -> Result<Client, Problem> {
        let (this, origin) = (self.clone(), origin.clone());
        let change = async move {
            let actor = origin.actor;
            let changed = match actor {
                Actor::Admin(admin) => this.change_as_admin(kind, client, admin, origin, change).await?,
                _ => change.await?,
            };
            let changed = changed.ok_or(Problem::NotFound)?.client();
            // The audit log of an administrator is deleted with the account, and the client stays.
            tracing::info!(%client, change = kind.as_str(), %actor, "a client was changed");
            Ok(changed)
        };
        self.writes.run_to_completion(change).await
    }

    /// Writes the entry in the administrator's log first, so that no change is without one, and then makes the change. If
    /// it is certainly not made, the entry is removed again.
    async fn change_as_admin<T>(
        &self,
        kind: AuditOnlyKind,
        client: ClientId,
        admin: Uuid,
        origin: Origin,
        change: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Problem> {
        let at = self.clock.now();
        // In the administrator's own log, the actor is the administrator.
        let details = Origin { actor: Actor::User, ..origin }.audit_details();
        let row = AuditRow { id: self.ids.v7(at), user: admin, at, kind, details, target: Some(client.into()) };
        let Store { audit, users, .. } = &self.store;
        audit.insert(&row).await?;
        let changed = change.await;
        let is_undone = changed.as_ref().is_err_and(|error| !error.outcome_unknown());
        // If the administrator's account was deleted meanwhile, its rows may have been removed before this one was written.
        let is_left_over = is_undone || matches!(users.exists(admin).await, Ok(false));
        if is_left_over && let Err(error) = audit.remove(&[row.id]).await {
            tracing::warn!(%error, "an audit row without its change or its account stays until the end of its retention");
        }
        Ok(changed?)
    }
}
