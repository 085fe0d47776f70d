//! `POST /api/auth/login` and `POST /api/auth/login/totp`: start a session.

use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    refresh_cookie::RefreshCookie,
    responses::ApiResult,
    signed_in::{SignedInBody, signed_in_response},
};
use crate::{
    http::extractors::{json_body::JsonBody, requests::ClientRequest},
    usecase::{self, Login},
};

/// The credentials of a user.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Login)]
pub(crate) struct LoginBody {
    /// The email address or the username.
    #[schema(example = "ada@example.org")]
    identifier: String,
    #[schema(value_type = String, example = "correct horse battery")]
    password: SecretString,
    /// Whether the refresh token goes into a cookie that scripts cannot read, instead of the body: for a browser
    /// application whose origin is in `http.cors_allowed_origins`.
    #[serde(default)]
    #[schema(default = false)]
    cookie: bool,
}

/// Starts a session with a password.
#[utoipa::path(post, path = "/api/auth/login", tag = "session", operation_id = "login", request_body = LoginBody,
    responses((status = 200, description = "The tokens and the account", body = SignedInBody)),
    extensions(("x-problems" = json!(["invalid-credentials", "mfa-required: send `mfaToken` to `/api/auth/login/totp`", "account-disabled", "email-not-verified", "forbidden: `cookie` is true and the origin is not listed", "rate-limited"]))))]
pub(in crate::http) async fn login(
    request: ClientRequest,
    cookie: RefreshCookie,
    JsonBody(body): JsonBody<LoginBody>,
) -> ApiResult {
    if body.cookie {
        cookie.require_listed_origin()?;
    }
    let login = Login { identifier: body.identifier, password: body.password };
    let signed_in = usecase::login(&request.accounts, login, request.origin).await?;
    let idle = request.accounts.lifetimes.sessions.idle;
    Ok(if body.cookie { cookie.respond(signed_in, idle) } else { signed_in_response(signed_in.into()) })
}

/// The token that stands for the verified password, and a code of the second factor.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SecondFactor)]
pub(crate) struct LoginTotpBody {
    /// The `mfaToken` of the problem `mfa-required`, valid for one login within five minutes.
    #[schema(value_type = String)]
    mfa_token: SecretString,
    /// A code of the authenticator, or a recovery code. Spaces, dashes and letter case do not matter.
    #[schema(value_type = String, example = "123 456")]
    code: SecretString,
    /// Does the same as at `POST /api/auth/login`.
    #[serde(default)]
    #[schema(default = false)]
    cookie: bool,
}

/// Starts a session with the second factor, after `POST /api/auth/login` has verified the password.
#[utoipa::path(post, path = "/api/auth/login/totp", tag = "session", operation_id = "loginTotp", request_body = LoginTotpBody,
    responses((status = 200, description = "The tokens and the account", body = SignedInBody)),
    extensions(("x-problems" = json!(["token-invalid: the token is unknown, used or expired; log in again", "invalid-credentials: the code is wrong or was already used", "forbidden: `cookie` is true and the origin is not listed", "rate-limited"]))))]
pub(in crate::http) async fn login_totp(
    request: ClientRequest,
    cookie: RefreshCookie,
    JsonBody(body): JsonBody<LoginTotpBody>,
) -> ApiResult {
    if body.cookie {
        cookie.require_listed_origin()?;
    }
    let signed_in = usecase::login_totp(&request.accounts, &body.mfa_token, body.code, request.origin).await?;
    let idle = request.accounts.lifetimes.sessions.idle;
    Ok(if body.cookie { cookie.respond(signed_in, idle) } else { signed_in_response(signed_in.into()) })
}
