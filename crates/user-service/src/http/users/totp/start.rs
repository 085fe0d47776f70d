//! `POST /api/users/me/totp`: a secret for the authenticator.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::qr_code;
use crate::{
    domain::Password,
    http::{
        json_body::JsonBody,
        problem::{Problem, ProblemDetails},
        refusals::{BodyRefused, NotSignedIn, Throttled, TryLater},
        request_context::RequestContext,
        signed_in_caller::SignedInCaller,
        validation::Validation,
    },
    usecase::{self, Accounts},
};

/// The password once more.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TotpSetup)]
pub(crate) struct Body {
    #[schema(value_type = String)]
    password: SecretString,
}

/// What the authenticator needs, shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TotpStarted)]
pub(crate) struct Started {
    /// Base32, to be typed.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    secret: String,
    /// The same for an authenticator on this device.
    #[schema(example = "otpauth://totp/Acme:ada%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme")]
    otpauth_uri: String,
    /// The same to be scanned: an SVG document without script, fit for an `<img>`.
    qr_code_svg: String,
}

/// Starts to set up a second factor. It is on when a code of it has been confirmed, within
/// an hour; starting again gives another secret.
#[utoipa::path(post, path = "/api/users/me/totp", tag = "second factor", operation_id = "startTotp",
    security(("bearer" = [])), request_body = Body,
    responses(
        (status = 200, description = "The secret, in three forms", body = Started),
        (status = 403, description = "`wrong-password`, `email-not-verified`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: it is on already", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, Throttled, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    SignedInCaller(caller): SignedInCaller,
    context: RequestContext,
    JsonBody(body): JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    let mut found = Validation::default();
    let password = found.check("password", Password::parse_attempt(body.password.expose_secret().to_owned()));
    let password = password.ok_or_else(|| found.problem())?;
    let started = usecase::start_totp(&accounts.into_inner(), caller, password, context.origin()).await?;
    let qr_code = qr_code::svg(&started.otpauth_uri).map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().json(Started {
        secret: started.secret.expose_secret().to_owned(),
        otpauth_uri: started.otpauth_uri.expose_secret().to_owned(),
        qr_code_svg: qr_code.expose_secret().to_owned(),
    }))
}
