//! The ids of clients.

use std::fmt;

use uuid::Uuid;

/// The beginning of the name under which a client acts. The ids of users have none, so no client has the name of a user.
const SUBJECT_PREFIX: &str = "client:";

/// The id of a client: a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientId(Uuid);

impl ClientId {
    /// Parses the usual text form of a UUID, with hyphens. Returns `None` for any other text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(text)
            .filter(|text| text.len() == uuid::fmt::Hyphenated::LENGTH)
            .and_then(|it| Uuid::try_parse(it).ok())
            .map(Self)
    }

    /// Returns the name under which the client acts, in tokens and in audit logs: `client:<id>`.
    #[must_use]
    pub fn subject(self) -> String {
        format!("{SUBJECT_PREFIX}{self}")
    }

    /// Parses what [`ClientId::subject`] returns. Returns `None` for any other text.
    #[must_use]
    pub fn from_subject(text: &str) -> Option<Self> {
        Self::parse(text.strip_prefix(SUBJECT_PREFIX)?)
    }
}

impl From<Uuid> for ClientId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl From<ClientId> for Uuid {
    fn from(id: ClientId) -> Self {
        id.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "019f2b4c-7a10-7c3e-9b1d-5f2a8e6d4c31";

    #[test]
    fn the_id_and_the_subject_of_a_client_read_back() {
        let id = ClientId::parse(TEXT).unwrap();
        assert_eq!(id.to_string(), TEXT);
        assert_eq!(id.subject(), format!("client:{TEXT}"));
        assert_eq!(ClientId::from_subject(&id.subject()), Some(id));
    }

    #[test]
    fn neither_the_id_of_a_user_nor_another_form_of_a_uuid_is_a_subject() {
        for text in [TEXT, "", "client:", "client:self", "Client:019f2b4c-7a10-7c3e-9b1d-5f2a8e6d4c31"] {
            assert_eq!(ClientId::from_subject(text), None, "{text}");
        }
        for text in ["019f2b4c7a107c3e9b1d5f2a8e6d4c31", "{019f2b4c-7a10-7c3e-9b1d-5f2a8e6d4c31}", "019f2b4c-7a10"] {
            assert_eq!(ClientId::parse(text), None, "{text}");
        }
    }
}
