//! `/api/users/me/totp`: set up, confirm and remove TOTP, and renew the recovery codes.

use actix_web::HttpResponse;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    responses::{ApiResult, no_content},
    totp_qr_code as qr_code,
};
use crate::{
    http::extractors::{json_body::JsonBody, requests::UserRequest},
    problem::Problem,
    usecase::{self, GivenFactors},
};

/// The password, and a code of the second factor. Each may be missing if the session has given both within the last ten
/// minutes.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = BothFactors)]
pub(in crate::http) struct BothFactorsBody {
    #[schema(nullable = false, value_type = Option<String>)]
    password: Option<SecretString>,
    /// A code of the authenticator, or a recovery code. Spaces, dashes and letter case do not matter.
    #[schema(nullable = false, value_type = Option<String>, example = "123 456")]
    code: Option<SecretString>,
}

impl From<BothFactorsBody> for GivenFactors {
    fn from(body: BothFactorsBody) -> Self {
        Self { password: body.password, code: body.code }
    }
}

/// Recovery codes, shown only once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecoveryCodes)]
pub(in crate::http) struct RecoveryCodesBody {
    /// Each code replaces a code of the authenticator once.
    #[schema(min_items = 10, max_items = 10, example = json!(["7KQ2XN-4D0HVT-93ZBE1-MCS8GW"]))]
    recovery_codes: Vec<String>,
}

impl RecoveryCodesBody {
    fn response(codes: Vec<SecretString>) -> HttpResponse {
        let recovery_codes = codes.into_iter().map(|code| code.expose_secret().to_owned()).collect();
        HttpResponse::Ok().json(Self { recovery_codes })
    }
}

/// The state of the caller's second factor.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TotpStatus)]
pub(crate) struct TotpStatusBody {
    enabled: bool,
    /// The time when it was turned on; null while it is off.
    #[schema(value_type = Option<String>, format = DateTime)]
    enabled_at: Option<Timestamp>,
    /// The number of unused recovery codes; null while it is off.
    recovery_codes_left: Option<usize>,
}

/// Returns whether logins require a second factor, and how many recovery codes are left.
#[utoipa::path(get, path = "/api/users/me/totp", tag = "second factor", operation_id = "getTotp",
    security(("bearer" = [])),
    responses((status = 200, description = "The state", body = TotpStatusBody)))]
pub(in crate::http) async fn get_totp(request: UserRequest) -> ApiResult {
    let totp = request.caller.user.totp.as_ref();
    Ok(HttpResponse::Ok().json(TotpStatusBody {
        enabled: totp.is_some(),
        enabled_at: totp.map(|totp| totp.enabled_at.into()),
        recovery_codes_left: totp.map(|totp| totp.recovery_codes.len()),
    }))
}

/// The password of the account. It may be missing if the session is recently authenticated.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TotpSetup)]
pub(crate) struct TotpSetupBody {
    #[schema(nullable = false, value_type = Option<String>)]
    password: Option<SecretString>,
}

/// The secret for the authenticator, shown only once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TotpStarted)]
pub(crate) struct TotpStartedBody {
    /// The secret in Base32, to be typed.
    #[schema(example = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")]
    secret: String,
    /// The secret as a URI, for an authenticator on the same device.
    #[schema(example = "otpauth://totp/Acme:ada%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme")]
    otpauth_uri: String,
    /// The URI as a QR code to scan: an SVG document without script, suitable for an `<img>`.
    qr_code_svg: String,
}

/// Starts the set-up of a second factor.
///
/// The second factor is on when a code is confirmed within an hour. Starting again returns another secret.
#[utoipa::path(post, path = "/api/users/me/totp", tag = "second factor", operation_id = "startTotp",
    security(("bearer" = [])), request_body = TotpSetupBody,
    responses((status = 200, description = "The secret, in three forms", body = TotpStartedBody)),
    extensions(("x-problems" = json!(["wrong-password", "reauthentication-required", "email-not-verified", "conflict: the second factor is already on", "rate-limited"]))))]
pub(in crate::http) async fn start_totp(request: UserRequest, JsonBody(body): JsonBody<TotpSetupBody>) -> ApiResult {
    let started =
        usecase::start_totp(&request.accounts, request.caller, body.password.as_ref(), request.origin).await?;
    let qr_code = qr_code::svg(&started.otpauth_uri).map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().json(TotpStartedBody {
        secret: started.secret.expose_secret().to_owned(),
        otpauth_uri: started.otpauth_uri.expose_secret().to_owned(),
        qr_code_svg: qr_code.expose_secret().to_owned(),
    }))
}

/// A code that proves that the authenticator has the secret.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = TotpConfirmation)]
pub(crate) struct TotpConfirmationBody {
    /// A code of the authenticator. Spaces do not matter.
    #[schema(value_type = String, example = "123 456")]
    code: SecretString,
}

/// Confirms the set-up: turns the second factor on.
///
/// The recovery codes are shown only once.
#[utoipa::path(post, path = "/api/users/me/totp/confirm", tag = "second factor", operation_id = "confirmTotp",
    security(("bearer" = [])), request_body = TotpConfirmationBody,
    responses((status = 200, description = "The second factor is on; the recovery codes work without the authenticator", body = RecoveryCodesBody)),
    extensions(("x-problems" = json!(["wrong-code", "email-not-verified", "conflict: the set-up is not started or has expired, or the second factor is already on", "rate-limited"]))))]
pub(in crate::http) async fn confirm_totp(
    request: UserRequest,
    JsonBody(body): JsonBody<TotpConfirmationBody>,
) -> ApiResult {
    usecase::confirm_totp(&request.accounts, request.caller, body.code, request.origin)
        .await
        .map(RecoveryCodesBody::response)
}

/// Removes the second factor. Its recovery codes become void.
#[utoipa::path(delete, path = "/api/users/me/totp", tag = "second factor", operation_id = "removeTotp",
    security(("bearer" = [])), request_body = BothFactorsBody,
    responses((status = 204, description = "Removed")),
    extensions(
        ("x-post-alias" = json!("/api/users/me/totp/remove")),
        ("x-problems" = json!(["wrong-password", "wrong-code", "reauthentication-required", "conflict: the second factor is not on", "rate-limited"])),
    ))]
pub(in crate::http) async fn remove_totp(request: UserRequest, JsonBody(body): JsonBody<BothFactorsBody>) -> ApiResult {
    usecase::remove_totp(&request.accounts, request.caller, body.into(), request.origin).await.map(no_content)
}

/// Creates new recovery codes. All old ones become void.
#[utoipa::path(post, path = "/api/users/me/totp/recovery-codes", tag = "second factor",
    operation_id = "renewRecoveryCodes", security(("bearer" = [])), request_body = BothFactorsBody,
    responses((status = 200, description = "The new codes, shown only once", body = RecoveryCodesBody)),
    extensions(("x-problems" = json!(["wrong-password", "wrong-code", "reauthentication-required", "conflict: the second factor is not on", "rate-limited"]))))]
pub(in crate::http) async fn renew_recovery_codes(
    request: UserRequest,
    JsonBody(body): JsonBody<BothFactorsBody>,
) -> ApiResult {
    usecase::renew_recovery_codes(&request.accounts, request.caller, body.into(), request.origin)
        .await
        .map(RecoveryCodesBody::response)
}
