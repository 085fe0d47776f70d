//! `GET /reset-password` and its forms: the page behind the link in the reset mail. A GET uses nothing up, nor does a
//! password that is refused.

use actix_web::{HttpResponse, web};

use super::{Action, Link, LinkForm, Visit};
use crate::{
    domain::Invalid,
    http::account_pages::{LinkPage, password_reset_page, reset_password_page, try_again_page},
    usecase::{self, ResetPasswordError},
};

const PAGE: LinkPage = LinkPage::ResetPassword;

pub(in crate::http) async fn get(visit: Visit, link: Option<web::Query<Link>>) -> HttpResponse {
    let Some(link) = link else { return visit.incomplete(PAGE) };
    form_page(&visit, &link.token, &[]).await
}

pub(in crate::http) async fn post(visit: Visit, form: Option<web::Form<LinkForm>>) -> HttpResponse {
    let Some(form) = form else { return visit.incomplete(PAGE) };
    if form.action == Some(Action::Resend) {
        return visit.send_link(PAGE, &form).await;
    }
    let Some(new_password) = &form.new_password else { return visit.incomplete(PAGE) };
    match usecase::reset_password(&visit.accounts, &form.token, new_password, visit.origin.clone()).await {
        Ok(()) => password_reset_page(visit.language),
        Err(ResetPasswordError::TokenInvalid) => visit.refused(PAGE, &form.token).await,
        Err(ResetPasswordError::PasswordRefused(reasons)) => form_page(&visit, &form.token, &reasons).await,
        Err(ResetPasswordError::Failure(failure)) => try_again_page(failure, visit.language),
    }
}

async fn form_page(visit: &Visit, token: &str, refused: &[Invalid]) -> HttpResponse {
    let min_length = visit.accounts.passwords.min_length();
    visit.show(PAGE, token, |account| reset_password_page(account, token, min_length, refused, visit.language)).await
}
