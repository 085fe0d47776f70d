//! The representation of an account in the API.

use actix_web::HttpResponse;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{domain::User, http::extractors::conditional::json_with_etag};

/// An account. Every member is always present, and null if it is not set.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub(crate) struct UserBody {
    id: Uuid,
    username: String,
    email: String,
    email_verified: bool,
    display_name: Option<String>,
    /// A language tag (BCP 47).
    locale: Option<String>,
    /// An IANA time zone.
    timezone: Option<String>,
    #[schema(value_type = Option<Object>)]
    attributes: Option<Value>,
    roles: Vec<String>,
    /// `active` or `disabled`.
    status: &'static str,
    /// Whether the account was created by an invitation that is not accepted yet. Until then `username` may be a
    /// placeholder, which the invited person replaces.
    invited: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_login_at: Option<Timestamp>,
    /// A number that every change increases. The ETag is this number in quotes.
    version: i64,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            email: user.email,
            email_verified: user.email_verified,
            display_name: user.display_name,
            locale: user.locale,
            timezone: user.timezone,
            attributes: user.attributes,
            roles: user.roles,
            status: user.status.as_str(),
            invited: user.invited,
            created_at: user.created_at,
            updated_at: user.updated_at,
            last_login_at: user.last_login_at,
            version: user.version,
        }
    }
}

/// Returns the 200 response with the account and its `ETag`.
pub(super) fn user_response(user: User) -> HttpResponse {
    json_with_etag(user.version, UserBody::from(user))
}
