//! `/sign-out` and `/signed-out`: end the page session of this browser.

use actix_web::{
    Error, HttpResponse,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
};
use serde::Deserialize;

use super::{
    requests::{MemberForm, VisitorRequest, redirect},
    view::{AccountView, Block, LinkView},
};
use crate::usecase;

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// A form without fields.
#[derive(Deserialize)]
pub(super) struct NoFields {}

/// Ends the session, and lets the browser forget its cookie and what it has cached of this service.
pub(super) async fn submit_sign_out(MemberForm { request, .. }: MemberForm<NoFields>) -> Result<HttpResponse, Error> {
    let visitor = request.visitor;
    if let Some(cookie) = &visitor.cookie {
        usecase::sign_out(&visitor.accounts, cookie, visitor.origin.clone()).await?;
    }
    Ok(forget_session(&visitor, redirect("/signed-out")))
}

/// Lets the browser forget the cookie of a session that has ended, and what it has cached of this service.
pub(super) fn forget_session(visitor: &VisitorRequest, mut response: HttpResponse) -> HttpResponse {
    visitor.clear_cookie(&mut response);
    // The pages are not cached, but some browsers keep them for the back button.
    response.headers_mut().insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\""));
    response
}

/// Shows that the session has ended.
pub(super) async fn show_signed_out(request: VisitorRequest) -> HttpResponse {
    let texts = &request.pages.catalogue.texts.sign_in;
    let again = LinkView { path: "/sign-in".into(), text: &texts.title, value: None };
    let view = AccountView {
        status: Some((&*texts.signed_out_text).into()),
        blocks: vec![Block::Links { heading: None, items: vec![again] }],
        ..AccountView::default()
    };
    request.page(StatusCode::OK, &texts.signed_out_title, view)
}
