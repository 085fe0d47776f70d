//! `GET /confirm-email` and its form: the page behind the link that a new address gets.

use actix_web::{HttpResponse, web};

use super::{Link, LinkForm, Visit};
use crate::{
    http::account_pages::{LinkPage, confirm_email_page, email_changed_page, email_taken_page, try_again_page},
    usecase::{self, ConfirmEmailError},
};

const PAGE: LinkPage = LinkPage::ConfirmEmail;

pub(in crate::http) async fn get(visit: Visit, link: Option<web::Query<Link>>) -> HttpResponse {
    let Some(link) = link else { return visit.incomplete(PAGE) };
    visit.show(PAGE, &link.token, |account| confirm_email_page(account, &link.token, visit.language)).await
}

pub(in crate::http) async fn post(visit: Visit, form: Option<web::Form<LinkForm>>) -> HttpResponse {
    let Some(form) = form else { return visit.incomplete(PAGE) };
    match usecase::confirm_email_change(&visit.accounts, &form.token, visit.origin.clone()).await {
        Ok(()) => email_changed_page(visit.language),
        Err(ConfirmEmailError::TokenInvalid) => visit.refused(PAGE, &form.token).await,
        Err(ConfirmEmailError::EmailTaken) => email_taken_page(visit.language),
        Err(ConfirmEmailError::Failure(failure)) => try_again_page(failure, visit.language),
    }
}
