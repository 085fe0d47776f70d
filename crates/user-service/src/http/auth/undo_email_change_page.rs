//! `GET /undo-email-change` and its form: the page behind the link that an address gets
//! when it is left.

use actix_web::{HttpRequest, HttpResponse, web};

use super::Link;
use crate::{
    http::{
        account_pages::{email_change_undone_page, link_refused_page, try_again_page, undo_email_change_page},
        language::Language,
        request_context::RequestContext,
    },
    usecase::{self, Accounts, UndoEmailChangeError},
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
        Some(link) => undo_email_change_page(&link.token, language),
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
    match usecase::undo_email_change(&accounts.into_inner(), &form.token, context.origin()).await {
        Ok(()) => email_change_undone_page(language),
        Err(UndoEmailChangeError::TokenInvalid) => link_refused_page(language),
        Err(UndoEmailChangeError::Failure(failure)) => try_again_page(failure, language),
    }
}
