//! `PUT /api/users/me/email`: another address, once it is confirmed.

use actix_web::{HttpResponse, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    domain::{Email, Password},
    http::{
        json_body::JsonBody,
        problem::{Problem, ProblemDetails},
        refusals::{BodyRefused, NotSignedIn, Throttled, TryLater},
        request_context::RequestContext,
        signed_in_caller::SignedInCaller,
        validation::Validation,
    },
    usecase::{self, Accounts, ChangeEmail},
};

/// The new address and the password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = EmailChange)]
pub(crate) struct Body {
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
    request_body = Body,
    responses(
        (status = 202, description = "A confirmation is sent to the new address, a notice to the present one; or the present address is spelled so now"),
        (status = 403, description = "`wrong-password`", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "`conflict`: ten earlier addresses are kept for the account", body = ProblemDetails, content_type = "application/problem+json"),
        BodyRefused, NotSignedIn, Throttled, TryLater,
    ))]
pub(in crate::http) async fn put(
    accounts: web::Data<Accounts>,
    SignedInCaller(caller): SignedInCaller,
    context: RequestContext,
    JsonBody(body): JsonBody<Body>,
) -> Result<HttpResponse, Problem> {
    let mut found = Validation::default();
    let new = found.check("newEmail", Email::parse(&body.new_email));
    let password = found.check("password", Password::parse_attempt(body.password.expose_secret().to_owned()));
    let (Some(new), Some(password)) = (new, password) else { return Err(found.problem()) };
    let change = ChangeEmail { new, password };
    usecase::change_email(&accounts.into_inner(), caller, change, context.origin()).await?;
    Ok(HttpResponse::Accepted().finish())
}
