//! The outbox entries of an account: events that are not yet known to be in the topic.

use bson::{DateTime, Uuid};
use serde::{Deserialize, Serialize};

/// An event before the write assigns its sequence.
pub struct NewEvent {
    pub id: uuid::Uuid,
    pub event_type: events::EventType,
    pub at: jiff::Timestamp,
    pub data: String,
    pub trace_parent: Option<String>,
    pub audit: AuditDetails,
    /// The process whose relay publishes the event first, if it has one.
    pub replica: Option<uuid::Uuid>,
}

impl NewEvent {
    /// Returns the entry for the pending list.
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
            replica: self.replica.map(Into::into),
        }
    }
}

/// An event that is not yet known to be in the topic, or a request to publish the state of the user.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingEvent {
    pub id: Uuid,
    #[serde(rename = "type")]
    pub event_type: String,
    pub sequence: i64,
    pub at: DateTime,
    /// The payload as it is published, which is JSON text.
    pub data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<String>,
    pub audit: AuditDetails,
    /// The process whose relay publishes the event first. Release 0.1.0 does not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<Uuid>,
}

/// The private part of a pending event, for the audit log. It is never published.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct AuditDetails {
    /// The actor: `self`, `operator`, `system`, the id of an admin, or `client:` and the id of a client.
    pub actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The reason for the action of an admin or operator, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl PendingEvent {
    /// Returns whether the entry is no event, but asks for the present state of the user.
    #[must_use]
    pub fn is_snapshot(&self) -> bool {
        self.event_type == events::StateRecord::TYPE
    }

    /// Returns whether the state of the user must be published before the entry is removed.
    #[must_use]
    pub fn needs_state(&self) -> bool {
        is_update(&self.event_type)
    }

    /// Returns the admin who caused the event, if the account of `user` is not their own.
    #[must_use]
    pub fn acting_admin(&self, user: uuid::Uuid) -> Option<uuid::Uuid> {
        uuid::Uuid::try_parse(&self.audit.actor).ok().filter(|admin| *admin != user)
    }

    /// Returns the details for the audit log of `user`. If an admin caused the event, only the id and the
    /// reason are included: address and client are those of the admin, and are in the log of the admin.
    #[must_use]
    pub fn audit_details_for(&self, user: uuid::Uuid) -> AuditDetails {
        match self.acting_admin(user) {
            Some(_) => AuditDetails { address: None, client: None, ..self.audit.clone() },
            None => self.audit.clone(),
        }
    }
}

/// Returns whether an event of this type reports an update of the account. A login changes nothing that other services
/// see.
pub(in crate::store) fn is_update(event_type: &str) -> bool {
    ![events::EventType::UserLoggedIn, events::EventType::UserNewSignIn]
        .iter()
        .any(|login| login.as_str() == event_type)
}

/// Set when the broker has refused an event of this user because of the event itself. The relay tries again at
/// `until`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Parked {
    pub until: DateTime,
    pub attempts: i32,
    pub error: String,
}

#[cfg(test)]
mod tests {
    use events::EventType;

    use super::*;

    #[test]
    fn only_a_login_and_its_notice_are_no_update_of_the_account() {
        let others: Vec<_> = EventType::ALL.iter().filter(|event_type| !is_update(event_type.as_str())).collect();
        assert_eq!(others, [&EventType::UserNewSignIn, &EventType::UserLoggedIn]);
    }
}
