//! `/api/users/me/totp`: sets up, confirms and removes TOTP, and renews recovery codes.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::totp_qr_code as qr_code;
use crate::{
    domain::Password,
    http::{
        errors::{
            openapi_responses::{BodyRefused, NotSignedIn, RateLimited, ServiceUnavailable},
            problem::{Problem, ProblemDetails},
            validation::Validation,
        },
        extractors::{json_body::JsonBody, signed_in::SignedInCaller},
        middleware::request_context::RequestContext,
    },
    usecase::{self, AccountService, BothFactors},
};

/// The password and a code.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = BothFactors)]
pub(in crate::http) struct BothFactorsBody {
    #[schema(value_type = String)]
    password: SecretString,
    /// Of the authenticator, or a recovery code; spaces, dashes and case do not matter.
    #[schema(value_type = String, example = "123 456")]
    code: SecretString,
}

impl BothFactorsBody {
    fn parse(self) -> Result<BothFactors, Problem> {
        let mut validation = Validation::default();
        let password = validation.check("password", Password::parse_attempt(self.password.expose_secret().to_owned()));
        let password = password.ok_or_else(|| validation.problem())?;
        Ok(BothFactors { password, code: self.code })
    }
}

/// Recovery codes, shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecoveryCodes)]
pub(in crate::http) struct RecoveryCodesBody {
    /// Each gets the person in once without the authenticator.
    #[schema(min_items = 10, max_items = 10, example = json!(["7KQ2XN-4D0HVT-93ZBE1-MCS8GW"]))]
    recovery_codes: Vec<String>,
}

impl RecoveryCodesBody {
    fn response(codes: &[SecretString]) -> HttpResponse {
        let recovery_codes = codes.iter().map(|code| code.expose_secret().to_owned()).collect();
        HttpResponse::Ok().json(Self { recovery_codes })
    }
}

/// The state of one's own second factor.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TotpStatus)]
pub(crate) struct TotpStatusBody {
    enabled: bool,
    /// Null while it is off.
    #[schema(value_type = Option<String>, format = DateTime)]
    enabled_at: Option<Timestamp>,
    /// Null while it is off.
    recovery_codes_left: Option<usize>,
}

/// Whether logins ask for a code, and how many recovery codes are left.
#[utoipa::path(get, path = "/api/users/me/totp", tag = "second factor", operation_id = "getTotp",
    security(("bearer" = [])),
    responses((status = 200, description = "The state", body = TotpStatusBody), NotSignedIn, ServiceUnavailable))]
pub(in crate::http) async fn get_totp(SignedInCaller(caller): SignedInCaller) -> Result<HttpResponse, Problem> {
    let totp = caller.user.totp.as_ref();
    Ok(HttpResponse::Ok().json(TotpStatusBody {
        enabled: totp.is_some(),
        enabled_at: totp.map(|totp| totp.enabled_at.into()),
        recovery_codes_left: totp.map(|totp| totp.recovery_codes.len()),
    }))
}

/// The password once more.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TotpSetup)]
pub(crate) struct TotpSetupBody {
    #[schema(value_type = String)]
    password: SecretString,
}

/// What the authenticator needs, shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TotpStarted)]
pub(crate) struct TotpStartedBody {
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
    security(("bearer" = [])), request_body = TotpSetupBody,
    responses(
        (status = 200, description = "The secret, in three forms", body = TotpStartedBody),
        (status = 403, description = "`wrong-password`, `email-not-verified`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: it is on already", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn start_totp(
    accounts: web::Data<AccountService>,
    SignedInCaller(caller): SignedInCaller,
    context: RequestContext,
    JsonBody(body): JsonBody<TotpSetupBody>,
) -> Result<HttpResponse, Problem> {
    let mut validation = Validation::default();
    let password = validation.check("password", Password::parse_attempt(body.password.expose_secret().to_owned()));
    let password = password.ok_or_else(|| validation.problem())?;
    let started = usecase::start_totp(&accounts.into_inner(), caller, password, context.origin()).await?;
    let qr_code = qr_code::svg(&started.otpauth_uri).map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().json(TotpStartedBody {
        secret: started.secret.expose_secret().to_owned(),
        otpauth_uri: started.otpauth_uri.expose_secret().to_owned(),
        qr_code_svg: qr_code.expose_secret().to_owned(),
    }))
}

/// The proof that the authenticator has the secret.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TotpConfirmation)]
pub(crate) struct TotpConfirmationBody {
    /// Of the authenticator; spaces do not matter.
    #[schema(value_type = String, example = "123 456")]
    code: SecretString,
}

/// Turns the second factor on. The recovery codes are shown this once.
#[utoipa::path(post, path = "/api/users/me/totp/confirm", tag = "second factor", operation_id = "confirmTotp",
    security(("bearer" = [])), request_body = TotpConfirmationBody,
    responses(
        (status = 200, description = "It is on; these get the person in without the authenticator", body = RecoveryCodesBody),
        (status = 403, description = "`wrong-code`, `email-not-verified`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: not started, expired, or on already", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn confirm_totp(
    accounts: web::Data<AccountService>,
    SignedInCaller(caller): SignedInCaller,
    context: RequestContext,
    JsonBody(body): JsonBody<TotpConfirmationBody>,
) -> Result<HttpResponse, Problem> {
    let codes = usecase::confirm_totp(&accounts.into_inner(), caller, body.code, context.origin()).await?;
    Ok(RecoveryCodesBody::response(&codes))
}

/// Turns the second factor off; its recovery codes are void.
#[utoipa::path(delete, path = "/api/users/me/totp", tag = "second factor", operation_id = "removeTotp",
    security(("bearer" = [])), request_body = BothFactorsBody,
    responses(
        (status = 204, description = "Off"),
        (status = 403, description = "`wrong-password`, `wrong-code`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: it is not on", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn remove_totp(
    accounts: web::Data<AccountService>,
    caller: SignedInCaller,
    context: RequestContext,
    body: JsonBody<BothFactorsBody>,
) -> Result<HttpResponse, Problem> {
    delete_totp(accounts, caller, context, body).await
}

/// Does what `DELETE /api/users/me/totp` does, for clients behind a proxy that drops the
/// body of a DELETE (RFC 9110 gives it no meaning).
#[utoipa::path(post, path = "/api/users/me/totp/remove", tag = "second factor", operation_id = "removeTotpByPost",
    security(("bearer" = [])), request_body = BothFactorsBody,
    responses(
        (status = 204, description = "Off"),
        (status = 403, description = "`wrong-password`, `wrong-code`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: it is not on", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn remove_totp_by_post(
    accounts: web::Data<AccountService>,
    caller: SignedInCaller,
    context: RequestContext,
    body: JsonBody<BothFactorsBody>,
) -> Result<HttpResponse, Problem> {
    delete_totp(accounts, caller, context, body).await
}

async fn delete_totp(
    accounts: web::Data<AccountService>,
    SignedInCaller(caller): SignedInCaller,
    context: RequestContext,
    JsonBody(body): JsonBody<BothFactorsBody>,
) -> Result<HttpResponse, Problem> {
    usecase::remove_totp(&accounts.into_inner(), caller, body.parse()?, context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Makes new recovery codes; all old ones are void.
#[utoipa::path(post, path = "/api/users/me/totp/recovery-codes", tag = "second factor",
    operation_id = "renewRecoveryCodes", security(("bearer" = [])), request_body = BothFactorsBody,
    responses(
        (status = 200, description = "The new codes, shown this once", body = RecoveryCodesBody),
        (status = 403, description = "`wrong-password`, `wrong-code`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: the second factor is not on", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn renew_recovery_codes(
    accounts: web::Data<AccountService>,
    SignedInCaller(caller): SignedInCaller,
    context: RequestContext,
    JsonBody(body): JsonBody<BothFactorsBody>,
) -> Result<HttpResponse, Problem> {
    let proof = body.parse()?;
    let codes = usecase::renew_recovery_codes(&accounts.into_inner(), caller, proof, context.origin()).await?;
    Ok(RecoveryCodesBody::response(&codes))
}
