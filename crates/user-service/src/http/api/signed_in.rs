//! The response to a login and to a refresh.

use actix_web::HttpResponse;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::user_body::UserBody;
use crate::usecase::SignedIn;

/// The tokens of a session, and the account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignedIn)]
pub(crate) struct SignedInBody {
    /// A JWT for `Authorization: Bearer`.
    access_token: String,
    /// `Bearer`
    token_type: &'static str,
    /// The lifetime of the access token in seconds.
    expires_in: u64,
    /// A token for `POST /api/auth/refresh`, valid for one refresh. It is absent if it is in the cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) refresh_token: Option<String>,
    user: UserBody,
}

impl From<SignedIn> for SignedInBody {
    fn from(signed_in: SignedIn) -> Self {
        Self {
            access_token: signed_in.access_token.expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: signed_in.expires_in.as_secs(),
            refresh_token: Some(signed_in.refresh_token.expose_secret().to_owned()),
            user: signed_in.user.into(),
        }
    }
}

pub(super) fn signed_in_response(body: SignedInBody) -> HttpResponse {
    HttpResponse::Ok().json(body)
}
