//! The origin of a change: the actor, the client and the trace.

use std::fmt;

use events::TraceParent;
use uuid::Uuid;

use crate::{
    domain::{AdminReason, ClientId},
    store::AuditDetails,
};

/// The person or the service that changes an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Actor {
    /// The user whose account it is.
    #[default]
    User,
    Admin(Uuid),
    /// A program, with a token of its own. Release 0.1.0 reads it as [`Actor::System`].
    Client(ClientId),
    /// An operator, on the command line of the service.
    Operator,
    /// The service itself, as configured.
    System,
}

impl Actor {
    /// Parses what `Display` writes.
    fn from_stored(stored: &str) -> Self {
        match stored {
            "self" => Self::User,
            "operator" => Self::Operator,
            other => ClientId::from_subject(other)
                .map(Self::Client)
                .or_else(|| Uuid::try_parse(other).ok().map(Self::Admin))
                .unwrap_or(Self::System),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("self"),
            Self::Admin(id) => write!(f, "{id}"),
            Self::Client(id) => f.write_str(&id.subject()),
            Self::Operator => f.write_str("operator"),
            Self::System => f.write_str("system"),
        }
    }
}

/// The origin of a request, for the audit log and the trace. It never reaches the topic.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    pub actor: Actor,
    pub address: Option<String>,
    /// The user agent.
    pub client: Option<String>,
    /// The reason that an administrator or operator gives, for the audit log.
    pub reason: Option<String>,
    pub trace_parent: Option<TraceParent>,
}

impl Origin {
    /// Returns the origin of the same request, made by an administrator for the account of another user.
    #[must_use]
    pub fn by_admin(self, admin: Uuid) -> Self {
        Self { actor: Actor::Admin(admin), ..self }
    }

    /// Returns the origin of the same request, made by a client for the account of a user.
    #[must_use]
    pub fn by_client(self, client: ClientId) -> Self {
        Self { actor: Actor::Client(client), ..self }
    }

    /// Returns the origin with this reason.
    #[must_use]
    pub fn with_reason(self, reason: &AdminReason) -> Self {
        Self { reason: Some(reason.as_str().to_owned()), ..self }
    }

    /// Returns the origin of what the service does by itself.
    #[must_use]
    pub fn system() -> Self {
        Self { actor: Actor::System, ..Self::default() }
    }

    /// Returns the origin of what an operator does on the command line.
    #[must_use]
    pub fn operator() -> Self {
        Self { actor: Actor::Operator, ..Self::default() }
    }

    /// Returns the origin that [`Origin::audit_details`] wrote. The trace is not stored with it.
    #[must_use]
    pub fn from_stored(details: AuditDetails) -> Self {
        let AuditDetails { actor, address, client, reason } = details;
        Self { actor: Actor::from_stored(&actor), address, client, reason, trace_parent: None }
    }

    /// Returns the private part of the entry in the outbox.
    #[must_use]
    pub fn audit_details(&self) -> AuditDetails {
        AuditDetails {
            actor: self.actor.to_string(),
            address: self.address.clone(),
            client: self.client.clone(),
            reason: self.reason.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_reads_back_as_it_was_written() {
        let client = Actor::Client(Uuid::max().into());
        for actor in [Actor::User, Actor::Admin(Uuid::max()), client, Actor::Operator, Actor::System] {
            assert_eq!(Actor::from_stored(&actor.to_string()), actor);
        }
    }
}
