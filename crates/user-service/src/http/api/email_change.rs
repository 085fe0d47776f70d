//! `/api/users/me/email` and `/api/auth/email-change`: requests, confirms and undoes a change of the email address.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::{Email, Password},
    http::{
        errors::{
            openapi_responses::{BodyRefused, NotSignedIn, RateLimited, ServiceUnavailable},
            problem::{Problem, ProblemDetails},
            validation::Validation,
        },
        extractors::{json_body::JsonBody, signed_in::SignedInCaller},
        middleware::request_context::RequestContext,
    },
    usecase::{self, AccountService, ChangeEmail},
};

/// The new address and the password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EmailChange)]
pub(crate) struct EmailChangeBody {
    #[schema(example = "ada@example.net")]
    new_email: String,
    #[schema(value_type = String)]
    password: SecretString,
}

/// Asks for another e-mail address. It takes effect when it is confirmed by the link that
/// is mailed to it; the present address is told. The answer does not tell whether another
/// account has the address: that is decided at the confirmation. Another spelling of the
/// present address (letter case, say) takes effect at once, and nothing is mailed.
#[utoipa::path(put, path = "/api/users/me/email", tag = "account", operation_id = "changeEmail", security(("bearer" = [])),
    request_body = EmailChangeBody,
    responses(
        (status = 202, description = "A confirmation is sent to the new address, a notice to the present one; or the present address is spelled so now"),
        (status = 403, description = "`wrong-password`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: ten earlier addresses are kept for the account", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn change_email(
    accounts: web::Data<AccountService>,
    SignedInCaller(caller): SignedInCaller,
    context: RequestContext,
    JsonBody(body): JsonBody<EmailChangeBody>,
) -> Result<HttpResponse, Problem> {
    let mut validation = Validation::default();
    let new = validation.check("newEmail", Email::parse(&body.new_email));
    let password = validation.check("password", Password::parse_attempt(body.password.expose_secret().to_owned()));
    let (Some(new), Some(password)) = (new, password) else { return Err(validation.problem()) };
    let change = ChangeEmail { new, password };
    usecase::change_email(&accounts.into_inner(), caller, change, context.origin()).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// The token from the mail.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EmailChangeToken)]
pub(crate) struct EmailChangeTokenBody {
    #[schema(value_type = String)]
    token: SecretString,
}

/// Confirms the new address: it is the account's from now on. The old one stays reserved
/// for some days and gets a link to undo the change.
#[utoipa::path(post, path = "/api/auth/email-change/confirm", tag = "e-mail", operation_id = "confirmEmailChange", request_body = EmailChangeTokenBody,
    responses(
        (status = 204, description = "Changed"),
        (status = 400, description = "`malformed-body`, `token-invalid`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`email-taken`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, description = "`body-too-large`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn confirm_email_change(
    accounts: web::Data<AccountService>,
    context: RequestContext,
    JsonBody(body): JsonBody<EmailChangeTokenBody>,
) -> Result<HttpResponse, Problem> {
    usecase::confirm_email_change(&accounts.into_inner(), body.token.expose_secret(), context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Takes a change of the address back, and all that came after it. All sessions end, and
/// a link to choose a new password is mailed to the address that is in force again.
#[utoipa::path(post, path = "/api/auth/email-change/undo", tag = "e-mail", operation_id = "undoEmailChange", request_body = EmailChangeTokenBody,
    responses(
        (status = 204, description = "The old address is in force again"),
        (status = 400, description = "`malformed-body`, `token-invalid`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, description = "`body-too-large`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`validation-failed`", body = ProblemDetails, content_type = "application/problem+json"),
        RateLimited, ServiceUnavailable,
    ))]
pub(in crate::http) async fn undo_email_change(
    accounts: web::Data<AccountService>,
    context: RequestContext,
    JsonBody(body): JsonBody<EmailChangeTokenBody>,
) -> Result<HttpResponse, Problem> {
    usecase::undo_email_change(&accounts.into_inner(), body.token.expose_secret(), context.origin()).await?;
    Ok(HttpResponse::NoContent().finish())
}
