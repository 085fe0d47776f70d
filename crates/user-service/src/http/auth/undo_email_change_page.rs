//! `GET /undo-email-change` and its form: the page behind the link that an address gets when it is left.

use actix_web::{HttpResponse, web};
use events::sealing::Purpose;

use super::{Link, LinkForm, Visit};
use crate::{
    http::account_pages::{LinkPage, try_again_page, undone_page},
    usecase::{self, UndoEmailChangeError},
};

const PAGE: LinkPage = LinkPage::UndoEmailChange;

pub(in crate::http) async fn get(visit: Visit, link: Option<web::Query<Link>>) -> HttpResponse {
    let Some(link) = link else { return visit.incomplete(PAGE) };
    visit.show_undo(PAGE, &link.token, false).await
}

pub(in crate::http) async fn post(visit: Visit, form: Option<web::Form<LinkForm>>) -> HttpResponse {
    let Some(form) = form else { return visit.incomplete(PAGE) };
    if !form.is_confirmed() {
        return visit.show_undo(PAGE, &form.token, true).await;
    }
    match usecase::undo_email_change(&visit.accounts, &form.token, visit.origin.clone()).await {
        Ok(()) => undone_page(Purpose::EmailChangeUndo, &form.token, visit.language),
        Err(UndoEmailChangeError::TokenInvalid) => visit.refused(PAGE, &form.token).await,
        Err(UndoEmailChangeError::Failure(failure)) => try_again_page(failure, visit.language),
    }
}
