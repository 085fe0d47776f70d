//! Parts that several payloads share.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sealing::SealedToken;

/// Whom a mail goes to, as things were when the event happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recipient {
    /// The address as the person wrote it.
    pub email: String,
    /// The name to greet with; absent where none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The preferred language, a BCP 47 tag; absent where none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// A one-time token for the recipient of a mail, readable by the mailing service only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenGrant {
    /// The token, sealed.
    pub sealed: SealedToken,
    /// When the token stops being valid (RFC 3339). A mail that cannot be delivered
    /// before is not worth sending.
    pub expires_at: Timestamp,
}
