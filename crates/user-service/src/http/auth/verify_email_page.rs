//! `GET /verify-email` and its form: the page behind the link in the welcome mail. A
//! GET uses nothing up: mail scanners follow links.

use actix_web::{HttpRequest, HttpResponse, web};

use super::Link;
use crate::{
    http::{
        account_pages::{email_verified_page, link_refused_page, try_again_page, verify_email_page},
        language::Language,
        request_context::RequestContext,
    },
    usecase::{self, Accounts, VerifyEmailError},
};

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
        Some(link) => verify_email_page(&link.token, language),
        None => link_refused_page(language),
    }
}

pub(in crate::http) async fn post(
    accounts: web::Data<Accounts>,
    request: HttpRequest,
    context: RequestContext,
    form: Option<web::Form<Link>>,
) -> HttpResponse {
    let language = Language::from_headers(request.headers());
    let Some(form) = form else { return link_refused_page(language) };
    match usecase::verify_email(&accounts.into_inner(), &form.token, context.origin()).await {
        Ok(()) => email_verified_page(language),
        Err(VerifyEmailError::TokenInvalid) => link_refused_page(language),
        Err(VerifyEmailError::Failure(failure)) => try_again_page(failure, language),
    }
}
