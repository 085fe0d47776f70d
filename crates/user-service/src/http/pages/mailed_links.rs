//! The pages behind mailed links: `GET` shows a form and uses nothing up, because mail scanners follow links; the form posts.

use actix_web::{HttpResponse, web};
use events::{UndoneChange, sealing::Purpose};

use super::{
    account_pages::{
        LinkPage, confirm_email_page, disowned_page, email_changed_page, email_taken_page, email_verified_page,
        password_reset_page, reset_password_page, try_again_page, undone_page, verify_email_page,
    },
    link_request::{Action, Link, LinkForm, Visit},
};
use crate::{
    domain::Invalid,
    usecase::{
        self, ConfirmEmailError, DisownAccountError, ResetPasswordError, UndoChangeError, UndoEmailChangeError,
        VerifyEmailError,
    },
};

pub(in crate::http) async fn show_verify_email(visit: Visit, link: Option<web::Query<Link>>) -> HttpResponse {
    let Some(link) = link else { return visit.incomplete(LinkPage::VerifyEmail) };
    visit
        .show(LinkPage::VerifyEmail, &link.token, |account| {
            verify_email_page(account, &link.token, false, visit.language)
        })
        .await
}

pub(in crate::http) async fn submit_verify_email(visit: Visit, form: Option<web::Form<LinkForm>>) -> HttpResponse {
    let Some(form) = form else { return visit.incomplete(LinkPage::VerifyEmail) };
    match form.action {
        Some(Action::Resend) => visit.send_link(LinkPage::VerifyEmail, &form).await,
        Some(Action::Disown) => disown(visit, &form).await,
        None => match usecase::verify_email(&visit.accounts, &form.token, visit.origin.clone()).await {
            Ok(()) => email_verified_page(visit.language),
            Err(VerifyEmailError::TokenInvalid) => visit.refused(LinkPage::VerifyEmail, &form.token).await,
            Err(VerifyEmailError::Failure(failure)) => try_again_page(failure, visit.language),
        },
    }
}

async fn disown(visit: Visit, form: &LinkForm) -> HttpResponse {
    let Visit { language, .. } = visit;
    if !form.is_confirmed() {
        return visit
            .show(LinkPage::VerifyEmail, &form.token, |account| verify_email_page(account, &form.token, true, language))
            .await;
    }
    match usecase::disown_account(&visit.accounts, &form.token, visit.origin.clone()).await {
        Ok(()) => disowned_page(&form.token, language),
        Err(DisownAccountError::TokenInvalid) => visit.refused(LinkPage::VerifyEmail, &form.token).await,
        Err(DisownAccountError::Failure(failure)) => try_again_page(failure, language),
    }
}

pub(in crate::http) async fn show_reset_password(visit: Visit, link: Option<web::Query<Link>>) -> HttpResponse {
    let Some(link) = link else { return visit.incomplete(LinkPage::ResetPassword) };
    reset_form(&visit, &link.token, &[]).await
}

pub(in crate::http) async fn submit_reset_password(visit: Visit, form: Option<web::Form<LinkForm>>) -> HttpResponse {
    let Some(form) = form else { return visit.incomplete(LinkPage::ResetPassword) };
    if form.action == Some(Action::Resend) {
        return visit.send_link(LinkPage::ResetPassword, &form).await;
    }
    let Some(new_password) = &form.new_password else { return visit.incomplete(LinkPage::ResetPassword) };
    match usecase::reset_password(&visit.accounts, &form.token, new_password, visit.origin.clone()).await {
        Ok(()) => password_reset_page(visit.language),
        Err(ResetPasswordError::TokenInvalid) => visit.refused(LinkPage::ResetPassword, &form.token).await,
        Err(ResetPasswordError::PasswordRefused(reasons)) => reset_form(&visit, &form.token, &reasons).await,
        Err(ResetPasswordError::Failure(failure)) => try_again_page(failure, visit.language),
    }
}

async fn reset_form(visit: &Visit, token: &str, refused: &[Invalid]) -> HttpResponse {
    let min_length = visit.accounts.passwords.min_length();
    visit
        .show(LinkPage::ResetPassword, token, |account| {
            reset_password_page(account, token, min_length, refused, visit.language)
        })
        .await
}

pub(in crate::http) async fn show_confirm_email(visit: Visit, link: Option<web::Query<Link>>) -> HttpResponse {
    let Some(link) = link else { return visit.incomplete(LinkPage::ConfirmEmail) };
    visit
        .show(LinkPage::ConfirmEmail, &link.token, |account| confirm_email_page(account, &link.token, visit.language))
        .await
}

pub(in crate::http) async fn submit_confirm_email(visit: Visit, form: Option<web::Form<LinkForm>>) -> HttpResponse {
    let Some(form) = form else { return visit.incomplete(LinkPage::ConfirmEmail) };
    match usecase::confirm_email_change(&visit.accounts, &form.token, visit.origin.clone()).await {
        Ok(()) => email_changed_page(visit.language),
        Err(ConfirmEmailError::TokenInvalid) => visit.refused(LinkPage::ConfirmEmail, &form.token).await,
        Err(ConfirmEmailError::EmailTaken) => email_taken_page(visit.language),
        Err(ConfirmEmailError::Failure(failure)) => try_again_page(failure, visit.language),
    }
}

pub(in crate::http) async fn show_undo_email_change(visit: Visit, link: Option<web::Query<Link>>) -> HttpResponse {
    let Some(link) = link else { return visit.incomplete(LinkPage::UndoEmailChange) };
    visit.show_undo(LinkPage::UndoEmailChange, &link.token, false).await
}

pub(in crate::http) async fn submit_undo_email_change(visit: Visit, form: Option<web::Form<LinkForm>>) -> HttpResponse {
    let Some(form) = form else { return visit.incomplete(LinkPage::UndoEmailChange) };
    if !form.is_confirmed() {
        return visit.show_undo(LinkPage::UndoEmailChange, &form.token, true).await;
    }
    match usecase::undo_email_change(&visit.accounts, &form.token, visit.origin.clone()).await {
        Ok(()) => undone_page(Purpose::EmailChangeUndo, &form.token, visit.language),
        Err(UndoEmailChangeError::TokenInvalid) => visit.refused(LinkPage::UndoEmailChange, &form.token).await,
        Err(UndoEmailChangeError::Failure(failure)) => try_again_page(failure, visit.language),
    }
}

pub(in crate::http) async fn show_undo_change(visit: Visit, link: Option<web::Query<Link>>) -> HttpResponse {
    let Some(link) = link else { return visit.incomplete(LinkPage::UndoChange) };
    visit.show_undo(LinkPage::UndoChange, &link.token, false).await
}

pub(in crate::http) async fn submit_undo_change(visit: Visit, form: Option<web::Form<LinkForm>>) -> HttpResponse {
    let Some(form) = form else { return visit.incomplete(LinkPage::UndoChange) };
    if !form.is_confirmed() {
        return visit.show_undo(LinkPage::UndoChange, &form.token, true).await;
    }
    match usecase::undo_change(&visit.accounts, &form.token, visit.origin.clone()).await {
        Ok(undone) => undone_page(purpose_of(undone), &form.token, visit.language),
        Err(UndoChangeError::TokenInvalid) => visit.refused(LinkPage::UndoChange, &form.token).await,
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
