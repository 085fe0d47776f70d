//! Builds the events of the outbox. A payload has its sealed token only here, because the token is bound to the id of the
//! event.

use events::{
    Payload, TokenGrant,
    sealing::{PublicKey, TokenPlaintext},
};
use jiff::Timestamp;
use service_kit::Ids;
use uuid::Uuid;

use super::origin::Origin;
use crate::{domain::MailedLink, store::NewEvent};

/// Builds events, and seals the tokens of their mails.
#[derive(Clone)]
pub struct EventBuilder {
    ids: Ids,
    /// The name of this process for the other replicas.
    replica: Uuid,
    sealing: PublicKey,
}

impl EventBuilder {
    #[must_use]
    pub fn new(ids: Ids, replica: Uuid, sealing: PublicKey) -> Self {
        Self { ids, replica, sealing }
    }

    /// Builds the event of a change at `now`.
    #[must_use]
    pub fn event(&self, now: Timestamp, origin: &Origin, payload: impl Into<Payload>) -> NewEvent {
        self.new_event(self.ids.v7(now), now, origin, &payload.into())
    }

    /// Builds an event whose mail has a link; `payload` gets the sealed token.
    #[must_use]
    pub fn event_with_link<P: Into<Payload>>(
        &self,
        now: Timestamp,
        origin: &Origin,
        link: &MailedLink,
        payload: impl FnOnce(TokenGrant) -> P,
    ) -> NewEvent {
        let id = self.ids.v7(now);
        self.new_event(id, now, origin, &payload(self.grant(id, link)).into())
    }

    /// Does the same for a mail that may have no link.
    #[must_use]
    pub fn event_with_optional_link<P: Into<Payload>>(
        &self,
        now: Timestamp,
        origin: &Origin,
        link: Option<&MailedLink>,
        payload: impl FnOnce(Option<TokenGrant>) -> P,
    ) -> NewEvent {
        match link {
            Some(link) => self.event_with_link(now, origin, link, |grant| payload(Some(grant))),
            None => self.event(now, origin, payload(None)),
        }
    }

    fn new_event(&self, id: Uuid, at: Timestamp, origin: &Origin, payload: &Payload) -> NewEvent {
        NewEvent { replica: Some(self.replica), ..new_event(id, at, origin, payload) }
    }

    /// Seals the token, bound to this event, to its address and to its purpose.
    fn grant(&self, event_id: Uuid, link: &MailedLink) -> TokenGrant {
        let MailedLink { token, purpose, to, expires_at } = link;
        let plaintext = TokenPlaintext { token: token.to_text(), to: to.clone(), purpose: *purpose, event_id };
        TokenGrant { sealed: self.sealing.seal(&plaintext), expires_at: *expires_at }
    }
}

/// Builds an event without a token, for a process that has no sealing key and no relay.
#[must_use]
pub fn event(ids: &Ids, now: Timestamp, origin: &Origin, payload: impl Into<Payload>) -> NewEvent {
    new_event(ids.v7(now), now, origin, &payload.into())
}

fn new_event(id: Uuid, at: Timestamp, origin: &Origin, payload: &Payload) -> NewEvent {
    NewEvent {
        id,
        event_type: payload.event_type(),
        at,
        data: payload.to_json(),
        trace_parent: origin.trace_parent.as_ref().map(|parent| parent.as_str().to_owned()),
        audit: origin.audit_details(),
        replica: None,
    }
}
