//! `GET /reset-password` and its form: the page behind the link in the reset mail. A GET
//! uses nothing up, a refused password neither.

use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretString;
use serde::Deserialize;

use super::Link;
use crate::{
    http::{
        account_pages::{link_refused_page, password_reset_page, reset_password_page, try_again_page},
        language::Language,
        request_context::RequestContext,
    },
    usecase::{self, Accounts, ResetPasswordError},
};

/// The token from the link, and what was typed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewPassword {
    token: String,
    new_password: SecretString,
}

pub(in crate::http) async fn get(
    accounts: web::Data<Accounts>,
    request: HttpRequest,
    context: RequestContext,
    link: Option<web::Query<Link>>,
) -> HttpResponse {
    let language = Language::from_headers(request.headers());
    if let Err(failure) = accounts.throttle.local_request(&context.origin()) {
        return try_again_page(failure, language);
    }
    match link {
        Some(link) => reset_password_page(&link.token, accounts.passwords.min_length(), &[], language),
        None => link_refused_page(language),
    }
}

pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    request: HttpRequest,
    context: RequestContext,
    form: Option<web::Form<NewPassword>>,
) -> HttpResponse {
    let language = Language::from_headers(request.headers());
    let Some(web::Form(form)) = form else { return link_refused_page(language) };
    let accounts = accounts.into_inner();
    match usecase::reset_password(&accounts, &form.token, &form.new_password, context.origin()).await {
        Ok(()) => password_reset_page(language),
        Err(ResetPasswordError::TokenInvalid) => link_refused_page(language),
        Err(ResetPasswordError::PasswordRefused(reasons)) => {
            reset_password_page(&form.token, accounts.passwords.min_length(), &reasons, language)
        }
        Err(ResetPasswordError::Failure(failure)) => try_again_page(failure, language),
    }
}
