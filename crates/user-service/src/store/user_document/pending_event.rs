//! An event in the list of its account, until the broker has acknowledged it.

use bson::{DateTime, Uuid};
use serde::{Deserialize, Serialize};

/// An event before the write gives it its sequence.
pub struct NewEvent {
    pub id: uuid::Uuid,
    pub event_type: events::EventType,
    pub at: jiff::Timestamp,
    pub data: String,
    pub trace_parent: Option<String>,
    pub audit: AuditDetails,
}

impl NewEvent {
    /// The entry in the pending list.
    #[must_use]
    pub fn to_pending_event(&self, sequence: i64) -> PendingEvent {
        PendingEvent {
            id: self.id.into(),
            event_type: self.event_type.as_str().to_owned(),
            sequence,
            at: self.at.into(),
            data: self.data.clone(),
            trace_parent: self.trace_parent.clone(),
            audit: self.audit.clone(),
        }
    }
}

/// An event that is not yet known to be in the topic.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingEvent {
    pub id: Uuid,
    #[serde(rename = "type")]
    pub event_type: String,
    pub sequence: i64,
    pub at: DateTime,
    /// The payload as it is published: JSON text.
    pub data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<String>,
    pub audit: AuditDetails,
}

/// The private part of a pending event: never published.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct AuditDetails {
    /// Who did it: `self`, `system`, or an admin's id.
    pub actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Why an admin or operator did it, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl PendingEvent {
    /// The admin who did it to the account of somebody else, `user`.
    #[must_use]
    pub fn acting_admin(&self, user: uuid::Uuid) -> Option<uuid::Uuid> {
        uuid::Uuid::try_parse(&self.audit.actor).ok().filter(|admin| *admin != user)
    }

    /// What the log of `user` holds of it: of an admin no more than the id and the reason.
    /// Address and client are the admin's, and are in the admin's own log.
    #[must_use]
    pub fn audit_details_for(&self, user: uuid::Uuid) -> AuditDetails {
        match self.acting_admin(user) {
            Some(_) => AuditDetails { address: None, client: None, ..self.audit.clone() },
            None => self.audit.clone(),
        }
    }
}

/// The broker refused an event of this user for itself; tried again at `until`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Parked {
    pub until: DateTime,
    pub attempts: i32,
    pub error: String,
}
