//! Types that several payloads share.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sealing::SealedToken;

/// The recipient of a mail, with the data at the time of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// The email address as the user wrote it.
    pub email: String,
    /// The name for the salutation; absent if none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The preferred language, a BCP 47 tag; absent if none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// A one-time token for the recipient of a mail. Only the email service can read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenGrant {
    /// The sealed token.
    pub sealed: SealedToken,
    /// The time when the token expires (RFC 3339). A mail that cannot be delivered before then
    /// is not sent.
    pub expires_at: Timestamp,
}
