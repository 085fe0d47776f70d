//! `GET /verify-email` and its forms: the page behind the link in the welcome mail. It confirms the address, or
//! disowns the account. A GET uses nothing up: mail scanners follow links.

use actix_web::{HttpResponse, web};

use super::{Action, Link, LinkForm, Visit};
use crate::{
    http::account_pages::{LinkPage, disowned_page, email_verified_page, try_again_page, verify_email_page},
    usecase::{self, DisownAccountError, VerifyEmailError},
};

const PAGE: LinkPage = LinkPage::VerifyEmail;

pub(in crate::http) async fn get(visit: Visit, link: Option<web::Query<Link>>) -> HttpResponse {
    let Some(link) = link else { return visit.incomplete(PAGE) };
    visit.show(PAGE, &link.token, |account| verify_email_page(account, &link.token, false, visit.language)).await
}

pub(in crate::http) async fn post(visit: Visit, form: Option<web::Form<LinkForm>>) -> HttpResponse {
    let Some(form) = form else { return visit.incomplete(PAGE) };
    match form.action {
        Some(Action::Resend) => visit.send_link(PAGE, &form).await,
        Some(Action::Disown) => disown(visit, &form).await,
        None => match usecase::verify_email(&visit.accounts, &form.token, visit.origin.clone()).await {
            Ok(()) => email_verified_page(visit.language),
            Err(VerifyEmailError::TokenInvalid) => visit.refused(PAGE, &form.token).await,
            Err(VerifyEmailError::Failure(failure)) => try_again_page(failure, visit.language),
        },
    }
}

async fn disown(visit: Visit, form: &LinkForm) -> HttpResponse {
    let Visit { language, .. } = visit;
    if !form.is_confirmed() {
        return visit.show(PAGE, &form.token, |account| verify_email_page(account, &form.token, true, language)).await;
    }
    match usecase::disown_account(&visit.accounts, &form.token, visit.origin.clone()).await {
        Ok(()) => disowned_page(&form.token, language),
        Err(DisownAccountError::TokenInvalid) => visit.refused(PAGE, &form.token).await,
        Err(DisownAccountError::Failure(failure)) => try_again_page(failure, language),
    }
}
