//! The state of a user, for services that keep a copy: the records of the compacted topic.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    UnknownType,
    catalogue::schema_for,
    envelope::{MAX_SEQUENCE, MEDIA_TYPE, SOURCE, SPEC_VERSION, data_schema, header, sequence_text},
    event_type::split_version,
};

/// A user as other services may see them. It has no secrets, and nothing that a login changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserState {
    /// The user, as in `ce_subject` and the key.
    pub id: Uuid,
    /// The version of the account, as in `ce_sequence`. A consumer ignores a lower version than the
    /// one that it has. Gaps are normal.
    pub version: u64,
    /// The username as the user wrote it.
    pub username: String,
    /// The email address as the user wrote it.
    pub email: String,
    /// Whether the user has proved to own the email address.
    pub email_verified: bool,
    /// The display name; absent if none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The preferred language, a BCP 47 tag; absent if none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The time zone, a name of the IANA database; absent if none is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// The roles. More roles may be added: ignore those that are unknown.
    pub roles: Vec<String>,
    /// Whether the account may be used.
    pub status: UserStatus,
    /// The attributes that the operator's schema marks with `"x-public": true`; absent if there are
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Map<String, Value>>,
    /// The time when the account was created (RFC 3339).
    pub created_at: Timestamp,
    /// The time of the last change other than a login (RFC 3339).
    pub updated_at: Timestamp,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserStatus {
    /// The user can sign in.
    Active,
    /// An administrator has disabled the account.
    Disabled,
}

impl UserState {
    /// Returns the value of the record: compact JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("states have string keys and no fallible parts")
    }

    /// Returns the JSON Schema (2020-12) of a state.
    pub fn schema() -> Value {
        schema_for::<UserState>(StateRecord::TYPE)
    }
}

/// A record of the topic of states: the state of a user, or the tombstone of a deleted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRecord {
    /// The user. The key of the record, hyphenated and in lower case.
    pub user: Uuid,
    /// The version of the account, at most [`MAX_SEQUENCE`].
    pub version: u64,
    /// The time of the change.
    pub time: Timestamp,
    /// The state; `None` for a deleted user, whose record has no value.
    pub state: Option<UserState>,
}

impl StateRecord {
    /// The CloudEvents `type` of the records.
    pub const TYPE: &'static str = "user.state.v1";

    /// The version in the tombstone of a user whose last version is not known. It is higher than
    /// that of any state, because a deleted user never comes back.
    pub const LAST_VERSION: u64 = MAX_SEQUENCE;

    /// Returns the record's headers. Their id follows from the user and the version, so that a
    /// duplicate has the same id.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (header::SPEC_VERSION, SPEC_VERSION.to_owned()),
            (header::ID, format!("{}/{}", self.user, self.version)),
            (header::TYPE, Self::TYPE.to_owned()),
            (header::SOURCE, SOURCE.to_owned()),
            (header::SUBJECT, self.user.to_string()),
            (header::TIME, self.time.to_string()),
            (header::SEQUENCE, sequence_text(self.version)),
        ];
        if self.state.is_some() {
            headers.push((header::DATA_SCHEMA, data_schema(Self::TYPE)));
            headers.push((header::CONTENT_TYPE, MEDIA_TYPE.to_owned()));
        }
        headers
    }

    /// Checks the name of a type.
    pub(crate) fn parse_type(name: &str) -> Result<(), UnknownType> {
        if name == Self::TYPE {
            return Ok(());
        }
        let shown = name.chars().take(UnknownType::MAX_CHARS).collect();
        let known = split_version(name) == split_version(Self::TYPE);
        Err(if known { UnknownType::Version(shown) } else { UnknownType::Name(shown) })
    }
}
