//! `GET /confirm-email` and its form: the page behind the link that a new address gets.

use actix_web::{HttpRequest, HttpResponse, web};

use super::Link;
use crate::{
    http::{
        account_pages::{confirm_email_page, email_changed_page, email_taken_page, link_refused_page, try_again_page},
        language::Language,
        request_context::RequestContext,
    },
    usecase::{self, Accounts, ConfirmEmailError},
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
        Some(link) => confirm_email_page(&link.token, language),
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
    match usecase::confirm_email_change(&accounts.into_inner(), &form.token, context.origin()).await {
        Ok(()) => email_changed_page(language),
        Err(ConfirmEmailError::TokenInvalid) => link_refused_page(language),
        Err(ConfirmEmailError::EmailTaken) => email_taken_page(language),
        Err(ConfirmEmailError::Failure(failure)) => try_again_page(failure, language),
    }
}
