//! The answer to login and refresh.

use actix_web::HttpResponse;
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{http::users::UserBody, usecase::SignedIn};

/// Tokens and the account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignedIn)]
pub(crate) struct SignedInBody {
    /// A JWT for `Authorization: Bearer`.
    access_token: String,
    /// `Bearer`
    token_type: &'static str,
    /// Seconds that the access token is valid.
    expires_in: u64,
    /// For `POST /api/auth/refresh`; each is good for one refresh.
    refresh_token: String,
    user: UserBody,
}

impl From<SignedIn> for HttpResponse {
    fn from(signed_in: SignedIn) -> Self {
        Self::Ok().json(SignedInBody {
            access_token: signed_in.access_token.expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: signed_in.expires_in.as_secs(),
            refresh_token: signed_in.refresh_token.expose_secret().to_owned(),
            user: signed_in.user.into(),
        })
    }
}
