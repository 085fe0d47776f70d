//! Handlers of the pages behind mailed links. `GET` shows a form and does not use the token, because mail scanners follow
//! links; the form sends a `POST`.

use actix_web::{HttpResponse, web};
use events::{UndoneChange, sealing::Purpose};

use super::{
    link_pages::{
        LinkPage, confirm_email_page, disowned_page, email_changed_page, email_taken_page, email_verified_page,
        password_reset_page, reset_password_page, try_again_page, undone_page, verify_email_page,
    },
    link_request::{FormAction, LinkForm, LinkQuery, LinkRequest},
};
use crate::{
    problem::{FieldError, Problem},
    usecase,
};

pub(in crate::http) async fn show_verify_email(
    request: LinkRequest,
    link: Option<web::Query<LinkQuery>>,
) -> HttpResponse {
    let Some(link) = link else { return request.incomplete_page(LinkPage::VerifyEmail) };
    request
        .show_form(LinkPage::VerifyEmail, &link.token, |account| {
            verify_email_page(account, &link.token, false, request.language)
        })
        .await
}

pub(in crate::http) async fn submit_verify_email(
    request: LinkRequest,
    form: Option<web::Form<LinkForm>>,
) -> HttpResponse {
    let Some(form) = form else { return request.incomplete_page(LinkPage::VerifyEmail) };
    match form.action {
        Some(FormAction::Resend) => request.send_link(LinkPage::VerifyEmail, &form).await,
        Some(FormAction::Disown) => disown(request, &form).await,
        None => match usecase::verify_email(&request.accounts, &form.token, request.origin.clone()).await {
            Ok(()) => email_verified_page(request.language),
            Err(Problem::TokenInvalid) => request.refused_token_page(LinkPage::VerifyEmail, &form.token).await,
            Err(failure) => try_again_page(&failure, request.language),
        },
    }
}

async fn disown(request: LinkRequest, form: &LinkForm) -> HttpResponse {
    let LinkRequest { language, .. } = request;
    if !form.is_confirmed() {
        return request
            .show_form(LinkPage::VerifyEmail, &form.token, |account| {
                verify_email_page(account, &form.token, true, language)
            })
            .await;
    }
    match usecase::disown_account(&request.accounts, &form.token, request.origin.clone()).await {
        Ok(()) => disowned_page(&form.token, language),
        Err(Problem::TokenInvalid) => request.refused_token_page(LinkPage::VerifyEmail, &form.token).await,
        Err(failure) => try_again_page(&failure, language),
    }
}

pub(in crate::http) async fn show_reset_password(
    request: LinkRequest,
    link: Option<web::Query<LinkQuery>>,
) -> HttpResponse {
    let Some(link) = link else { return request.incomplete_page(LinkPage::ResetPassword) };
    show_reset_form(&request, &link.token, &[]).await
}

pub(in crate::http) async fn submit_reset_password(
    request: LinkRequest,
    form: Option<web::Form<LinkForm>>,
) -> HttpResponse {
    let Some(form) = form else { return request.incomplete_page(LinkPage::ResetPassword) };
    if form.action == Some(FormAction::Resend) {
        return request.send_link(LinkPage::ResetPassword, &form).await;
    }
    let Some(new_password) = &form.new_password else { return request.incomplete_page(LinkPage::ResetPassword) };
    match usecase::reset_password(&request.accounts, &form.token, new_password, request.origin.clone()).await {
        Ok(()) => password_reset_page(request.language),
        Err(Problem::TokenInvalid) => request.refused_token_page(LinkPage::ResetPassword, &form.token).await,
        Err(Problem::ValidationFailed(reasons)) => show_reset_form(&request, &form.token, &reasons).await,
        Err(failure) => try_again_page(&failure, request.language),
    }
}

async fn show_reset_form(request: &LinkRequest, token: &str, refused: &[FieldError]) -> HttpResponse {
    let min_length = request.accounts.passwords.min_length();
    request
        .show_form(LinkPage::ResetPassword, token, |account| {
            reset_password_page(account, token, min_length, refused, request.language)
        })
        .await
}

pub(in crate::http) async fn show_confirm_email(
    request: LinkRequest,
    link: Option<web::Query<LinkQuery>>,
) -> HttpResponse {
    let Some(link) = link else { return request.incomplete_page(LinkPage::ConfirmEmail) };
    request
        .show_form(LinkPage::ConfirmEmail, &link.token, |account| {
            confirm_email_page(account, &link.token, request.language)
        })
        .await
}

pub(in crate::http) async fn submit_confirm_email(
    request: LinkRequest,
    form: Option<web::Form<LinkForm>>,
) -> HttpResponse {
    let Some(form) = form else { return request.incomplete_page(LinkPage::ConfirmEmail) };
    match usecase::confirm_email_change(&request.accounts, &form.token, request.origin.clone()).await {
        Ok(()) => email_changed_page(request.language),
        Err(Problem::TokenInvalid) => request.refused_token_page(LinkPage::ConfirmEmail, &form.token).await,
        Err(Problem::EmailTaken) => email_taken_page(request.language),
        Err(failure) => try_again_page(&failure, request.language),
    }
}

pub(in crate::http) async fn show_undo_email_change(
    request: LinkRequest,
    link: Option<web::Query<LinkQuery>>,
) -> HttpResponse {
    let Some(link) = link else { return request.incomplete_page(LinkPage::UndoEmailChange) };
    request.show_undo_form(LinkPage::UndoEmailChange, &link.token, false).await
}

pub(in crate::http) async fn submit_undo_email_change(
    request: LinkRequest,
    form: Option<web::Form<LinkForm>>,
) -> HttpResponse {
    let Some(form) = form else { return request.incomplete_page(LinkPage::UndoEmailChange) };
    if !form.is_confirmed() {
        return request.show_undo_form(LinkPage::UndoEmailChange, &form.token, true).await;
    }
    match usecase::undo_email_change(&request.accounts, &form.token, request.origin.clone()).await {
        Ok(()) => undone_page(Purpose::EmailChangeUndo, &form.token, request.language),
        Err(Problem::TokenInvalid) => request.refused_token_page(LinkPage::UndoEmailChange, &form.token).await,
        Err(failure) => try_again_page(&failure, request.language),
    }
}

pub(in crate::http) async fn show_undo_change(
    request: LinkRequest,
    link: Option<web::Query<LinkQuery>>,
) -> HttpResponse {
    let Some(link) = link else { return request.incomplete_page(LinkPage::UndoChange) };
    request.show_undo_form(LinkPage::UndoChange, &link.token, false).await
}

pub(in crate::http) async fn submit_undo_change(
    request: LinkRequest,
    form: Option<web::Form<LinkForm>>,
) -> HttpResponse {
    let Some(form) = form else { return request.incomplete_page(LinkPage::UndoChange) };
    if !form.is_confirmed() {
        return request.show_undo_form(LinkPage::UndoChange, &form.token, true).await;
    }
    match usecase::undo_change(&request.accounts, &form.token, request.origin.clone()).await {
        Ok(undone) => undone_page(undo_purpose(undone), &form.token, request.language),
        Err(Problem::TokenInvalid) => request.refused_token_page(LinkPage::UndoChange, &form.token).await,
        Err(failure) => try_again_page(&failure, request.language),
    }
}

fn undo_purpose(undone: UndoneChange) -> Purpose {
    match undone {
        UndoneChange::Password => Purpose::PasswordChangeUndo,
        UndoneChange::Totp => Purpose::TotpUndo,
        UndoneChange::RecoveryCodes => Purpose::RecoveryCodesUndo,
    }
}
