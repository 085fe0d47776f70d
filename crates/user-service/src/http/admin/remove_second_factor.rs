//! `POST /api/admin/users/{id}/remove-second-factor`: the second factor of a user who
//! cannot turn it off.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::Reason,
    http::{
        json_body::JsonBody,
        path_id::PathId,
        problem::{Problem, ProblemDetails},
        refusals::{BodyRefused, Forbidden, NoSuchUser, NotSignedIn, TryLater},
        request_context::RequestContext,
        signed_in_admin::SignedInAdmin,
        validation::Validation,
    },
    usecase::{self, Accounts},
};

/// Why the second factor is removed.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = SecondFactorRemoval)]
pub(crate) struct Body {
    /// One line of at most 500 characters. It is kept in the audit log of the account, which its owner reads, and in
    /// that of the administrator.
    #[schema(example = "lost phone and codes; identity checked by video call, ticket 4711")]
    reason: String,
}

/// Turns the second factor of another account off, voids its recovery codes, and ends all
/// sessions of the account. The owner gets a notice.
#[utoipa::path(post, path = "/api/admin/users/{id}/remove-second-factor", tag = "administration", operation_id = "removeSecondFactor",
    security(("bearer" = [])), request_body = Body,
    params(("id" = uuid::Uuid, Path, description = "The account's id")),
    responses(
        (status = 204, description = "Off"),
        (status = 409, description = "`conflict`: the account has no second factor, or is one's own", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, Forbidden, NoSuchUser, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    admin: SignedInAdmin,
    id: PathId,
    context: RequestContext,
    JsonBody(body): JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    let mut found = Validation::default();
    let Some(reason) = found.check("reason", Reason::parse(&body.reason)) else { return Err(found.problem()) };
    let accounts = accounts.into_inner();
    usecase::remove_second_factor(&accounts, id.uuid()?, admin.id, &reason, context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
