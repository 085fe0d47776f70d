//! `GET /api/users/me/totp`: whether there is a second factor.

use actix_web::HttpResponse;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{
    problem::Problem,
    refusals::{NotSignedIn, TryLater},
    signed_in_caller::SignedInCaller,
};

/// The state of one's own second factor.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TotpStatus)]
pub(crate) struct Status {
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
    responses((status = 200, description = "The state", body = Status), NotSignedIn, TryLater))]
pub(in crate::http) async fn get(SignedInCaller(caller): SignedInCaller) -> Result<HttpResponse, Problem> {
    let totp = caller.user.totp.as_ref();
    Ok(HttpResponse::Ok().json(Status {
        enabled: totp.is_some(),
        enabled_at: totp.map(|totp| totp.enabled_at.into()),
        recovery_codes_left: totp.map(|totp| totp.recovery_codes.len()),
    }))
}
