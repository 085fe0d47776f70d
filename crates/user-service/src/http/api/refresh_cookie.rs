//! The cookie mode of browser applications on a listed origin: the refresh token is in a cookie that scripts cannot read,
//! and never in a body. No other part of the API reads a cookie.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::header, web};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::signed_in::{SignedInBody, signed_in_response};
use crate::{
    http::{
        cookies::{CookieSettings, SameSite},
        extractors::json_body::BodyOrEmpty,
        middleware::cross_origin::AllowedOrigins,
    },
    problem::Problem,
    usecase::SignedIn,
};

/// The name of the cookie.
const NAME: &str = "refresh-token";

/// A refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Refresh)]
pub(crate) struct RefreshTokenBody {
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// What a request says about the cookie mode. An extractor.
pub(in crate::http) struct RefreshCookie {
    settings: CookieSettings,
    is_from_listed_origin: bool,
    value: Option<SecretString>,
}

/// The refresh token of a request.
pub(super) enum PresentedToken {
    Body(SecretString),
    Cookie(SecretString),
}

impl FromRequest for RefreshCookie {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let settings = request.app_data::<web::Data<CookieSettings>>();
        let origins = request.app_data::<web::Data<AllowedOrigins>>();
        let (Some(settings), Some(origins)) = (settings, origins) else {
            return ready(Err(Problem::internal(anyhow::anyhow!("no CookieSettings, or no AllowedOrigins"))));
        };
        let mut lines = request.headers().get_all(header::ORIGIN);
        let origin = lines.next().filter(|_| lines.next().is_none()).and_then(|origin| origin.to_str().ok());
        ready(Ok(Self {
            settings: ***settings,
            is_from_listed_origin: origin.is_some_and(|origin| origins.contains(origin)),
            value: settings.read(request.headers(), NAME),
        }))
    }
}

impl RefreshCookie {
    /// Refuses the cookie mode for a request that is not from an application on a listed origin.
    ///
    /// # Errors
    /// Returns [`Problem::ForbiddenBecause`].
    pub(super) fn require_listed_origin(&self) -> Result<(), Problem> {
        if self.is_from_listed_origin {
            return Ok(());
        }
        Err(Problem::ForbiddenBecause("A cookie is only for a browser application whose origin is configured."))
    }

    /// Returns the refresh token of a request: that of the body, or of the cookie if the body is empty and the request
    /// is from a listed origin.
    ///
    /// # Errors
    /// Returns the problem of the empty body, or [`Problem::Unauthorized`] without a cookie.
    pub(super) fn presented(&self, body: BodyOrEmpty<RefreshTokenBody>) -> Result<PresentedToken, Problem> {
        match body {
            BodyOrEmpty::Body(body) => Ok(PresentedToken::Body(body.refresh_token)),
            BodyOrEmpty::Empty(_) if self.is_from_listed_origin => {
                self.value.clone().map(PresentedToken::Cookie).ok_or(Problem::Unauthorized)
            }
            BodyOrEmpty::Empty(problem) => Err(problem),
        }
    }

    /// Returns the response to a login or a refresh in cookie mode. The cookie ends with the idle session.
    pub(super) fn respond(&self, signed_in: SignedIn, idle: Duration) -> HttpResponse {
        let token = signed_in.refresh_token.clone();
        let mut body = SignedInBody::from(signed_in);
        body.refresh_token = None;
        let mut response = signed_in_response(body);
        self.settings.set(&mut response, NAME, &token, SameSite::Strict, idle);
        response
    }

    /// Makes the browser forget the cookie.
    pub(super) fn clear(&self, mut response: HttpResponse) -> HttpResponse {
        self.settings.clear(&mut response, NAME, SameSite::Strict);
        response
    }
}
