//! What the start page has for readers: the links to register and to sign in, and the way to the account.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header::HeaderName},
};

use super::{
    requests::{VisitorRequest, redirect},
    return_to::HOME,
    view::{AccountView, Block, LinkView},
};
use crate::{
    http::{extractors::accept::prefers_html, pages::texts::entry::EntryStartTexts},
    problem::Problem,
};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Returns the response that leads a signed-in reader to the account. If the store is unavailable, the reader counts as a
/// visitor.
pub(in crate::http::pages) async fn lead_to_account(visitor: Option<&VisitorRequest>) -> Option<HttpResponse> {
    let caller = visitor?.caller().await;
    caller.is_ok_and(|caller| caller.is_some()).then(|| redirect(HOME))
}

/// Returns the addresses and the texts of the links.
pub(in crate::http::pages) fn links(texts: &EntryStartTexts) -> [(&'static str, &str); 2] {
    [("/register", &texts.register), ("/sign-in", &texts.sign_in)]
}

/// Serves the start page of a service without documentation: the links only. They are for a reader, so a client that does
/// not tell that it opens a page in a window gets `not-found`, whatever it accepts.
pub(in crate::http::pages) async fn show_start(
    request: HttpRequest,
    visitor: Option<VisitorRequest>,
) -> Result<HttpResponse, Problem> {
    let is_navigation = request.headers().get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate");
    let visitor = visitor.filter(|_| is_navigation && prefers_html(&request)).ok_or(Problem::NotFound)?;
    if let Some(account) = lead_to_account(Some(&visitor)).await {
        return Ok(account);
    }
    let texts = &visitor.pages.catalogue.texts.entry.start;
    let items = links(texts).map(|(path, text)| LinkView { path: path.into(), text, value: None }).into();
    let view = AccountView {
        text: Some((&*texts.text).into()),
        blocks: vec![Block::Links { heading: None, items }],
        ..AccountView::default()
    };
    Ok(visitor.page(StatusCode::OK, &texts.title, view))
}
