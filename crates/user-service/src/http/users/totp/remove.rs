//! `DELETE /api/users/me/totp` and `POST /api/users/me/totp/remove`: the second factor is off.

use actix_web::{HttpResponse, web};

use super::BothFactorsBody;
use crate::{
    http::{
        json_body::JsonBody,
        problem::{Problem, ProblemDetails},
        refusals::{BodyRefused, NotSignedIn, Throttled, TryLater},
        request_context::RequestContext,
        signed_in_caller::SignedInCaller,
    },
    usecase::{self, Accounts},
};

/// Turns the second factor off; its recovery codes are void.
#[utoipa::path(delete, path = "/api/users/me/totp", tag = "second factor", operation_id = "removeTotp",
    security(("bearer" = [])), request_body = BothFactorsBody,
    responses(
        (status = 204, description = "Off"),
        (status = 403, description = "`wrong-password`, `wrong-code`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: it is not on", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, Throttled, TryLater,
    ))]
pub(in crate::http) async fn delete(
    accounts: web::Data<Accounts>,
    caller: SignedInCaller,
    context: RequestContext,
    body: JsonBody<BothFactorsBody>,
) -> Result<HttpResponse, Problem> {
    remove_totp(accounts, caller, context, body).await
}

/// Does what `DELETE /api/users/me/totp` does, for clients behind a proxy that drops the
/// body of a DELETE (RFC 9110 gives it no meaning).
#[utoipa::path(post, path = "/api/users/me/totp/remove", tag = "second factor", operation_id = "removeTotpByPost",
    security(("bearer" = [])), request_body = BothFactorsBody,
    responses(
        (status = 204, description = "Off"),
        (status = 403, description = "`wrong-password`, `wrong-code`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: it is not on", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, Throttled, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    caller: SignedInCaller,
    context: RequestContext,
    body: JsonBody<BothFactorsBody>,
) -> Result<HttpResponse, Problem> {
    remove_totp(accounts, caller, context, body).await
}

async fn remove_totp(
    accounts: web::Data<Accounts>,
    SignedInCaller(caller): SignedInCaller,
    context: RequestContext,
    JsonBody(body): JsonBody<BothFactorsBody>,
) -> Result<HttpResponse, Problem> {
    usecase::remove_totp(&accounts.into_inner(), caller, body.parse()?, context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
