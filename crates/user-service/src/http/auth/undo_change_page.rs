//! `GET /undo-change` and its form: the page behind the links that undo a change of the password, of TOTP or of the
//! recovery codes. The stored purpose of the token says which.

use actix_web::{HttpResponse, web};
use events::{UndoneChange, sealing::Purpose};

use super::{Link, LinkForm, Visit};
use crate::{
    http::account_pages::{LinkPage, try_again_page, undone_page},
    usecase::{self, UndoChangeError},
};

const PAGE: LinkPage = LinkPage::UndoChange;

pub(in crate::http) async fn get(visit: Visit, link: Option<web::Query<Link>>) -> HttpResponse {
    let Some(link) = link else { return visit.incomplete(PAGE) };
    visit.show_undo(PAGE, &link.token, false).await
}

pub(in crate::http) async fn post(visit: Visit, form: Option<web::Form<LinkForm>>) -> HttpResponse {
    let Some(form) = form else { return visit.incomplete(PAGE) };
    if !form.is_confirmed() {
        return visit.show_undo(PAGE, &form.token, true).await;
    }
    match usecase::undo_change(&visit.accounts, &form.token, visit.origin.clone()).await {
        Ok(undone) => undone_page(purpose_of(undone), &form.token, visit.language),
        Err(UndoChangeError::TokenInvalid) => visit.refused(PAGE, &form.token).await,
        Err(UndoChangeError::Failure(failure)) => try_again_page(failure, visit.language),
    }
}

fn purpose_of(undone: UndoneChange) -> Purpose {
    match undone {
        UndoneChange::Password => Purpose::PasswordChangeUndo,
        UndoneChange::Totp => Purpose::TotpUndo,
        UndoneChange::RecoveryCodes => Purpose::RecoveryCodesUndo,
    }
}
