//! `POST /api/users/me/totp/recovery-codes`: new ones in the place of the old.

use actix_web::{HttpResponse, web};

use super::{BothFactorsBody, RecoveryCodesBody};
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

/// Makes new recovery codes; all old ones are void.
#[utoipa::path(post, path = "/api/users/me/totp/recovery-codes", tag = "second factor",
    operation_id = "renewRecoveryCodes", security(("bearer" = [])), request_body = BothFactorsBody,
    responses(
        (status = 200, description = "The new codes, shown this once", body = RecoveryCodesBody),
        (status = 403, description = "`wrong-password`, `wrong-code`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: the second factor is not on", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, Throttled, TryLater,
    ))]
pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    SignedInCaller(caller): SignedInCaller,
    context: RequestContext,
    JsonBody(body): JsonBody<BothFactorsBody>,
) -> Result<HttpResponse, Problem> {
    let proof = body.parse()?;
    let codes = usecase::renew_recovery_codes(&accounts.into_inner(), caller, proof, context.origin()).await?;
    Ok(RecoveryCodesBody::answer(&codes))
}
