//! Handlers of the pages behind mailed links. `GET` shows a form and does not use the token, because mail scanners follow
//! links; the form sends a `POST`.

use actix_web::{HttpResponse, web};

use super::{
    link_page::{FormAction, LinkPage},
    link_request::{LinkQuery, LinkRequest, SentForm},
    link_views::{DonePage, FormError},
};
use crate::{
    problem::{FieldError, Problem},
    usecase,
};

/// Defines the two handlers of each page, for `routes.rs`.
macro_rules! handlers {
    ($($page:ident: $show:ident, $submit:ident;)+) => {$(
        pub(in crate::http) async fn $show(request: LinkRequest, link: Option<web::Query<LinkQuery>>) -> HttpResponse {
            show(LinkPage::$page, &request, link).await
        }

        pub(in crate::http) async fn $submit(request: LinkRequest, form: Option<web::Form<SentForm>>) -> HttpResponse {
            submit(LinkPage::$page, &request, form).await
        }
    )+};
}

handlers! {
    VerifyEmail: show_verify_email, submit_verify_email;
    ResetPassword: show_reset_password, submit_reset_password;
    ConfirmEmail: show_confirm_email, submit_confirm_email;
    UndoEmailChange: show_undo_email_change, submit_undo_email_change;
    UndoChange: show_undo_change, submit_undo_change;
    AcceptInvitation: show_accept_invitation, submit_accept_invitation;
}

async fn show(page: LinkPage, request: &LinkRequest, link: Option<web::Query<LinkQuery>>) -> HttpResponse {
    let Some(link) = link else { return request.incomplete_page(page) };
    request.show_form(page, &link.token, FormError::None).await
}

async fn submit(page: LinkPage, request: &LinkRequest, form: Option<web::Form<SentForm>>) -> HttpResponse {
    if request.is_foreign {
        return request.pages.foreign_form_page();
    }
    let Some(form) = form else { return request.incomplete_page(page) };
    if let (Some(FormAction::Resend), Some(mail)) = (form.action, page.mail()) {
        return request.send_link(page, mail, &form).await;
    }
    if page.needs_checkbox(form.action) && !form.is_confirmed() {
        return request.show_form(page, &form.token, FormError::NotTicked).await;
    }
    match use_token(page, request, &form).await {
        Ok(Some(done)) => request.pages.done_page(done, &form.token),
        Ok(None) => request.incomplete_page(page),
        Err(Problem::TokenInvalid) => request.refused_token_page(page, &form.token).await,
        Err(Problem::EmailTaken) => request.pages.email_taken_page(),
        Err(problem @ (Problem::ValidationFailed(_) | Problem::UsernameTaken)) => {
            let reasons = match problem {
                Problem::ValidationFailed(reasons) => reasons,
                taken => vec![FieldError::at("#/username".to_owned(), "taken", taken.detail())],
            };
            let username = form.chosen_username.as_deref().unwrap_or_default();
            request.show_form(page, &form.token, FormError::Refused { username, reasons: &reasons }).await
        }
        Err(problem) => request.pages.try_again_page(&problem),
    }
}

/// Uses the token for the action of the form, and returns the page after it; `None` if the form is incomplete.
async fn use_token(page: LinkPage, request: &LinkRequest, form: &SentForm) -> Result<Option<DonePage>, Problem> {
    let (accounts, token, origin) = (&request.accounts, form.token.as_str(), request.origin.clone());
    Ok(Some(match page {
        LinkPage::VerifyEmail if form.action == Some(FormAction::Disown) => {
            usecase::disown_account(accounts, token, origin).await?;
            DonePage::Disowned
        }
        LinkPage::VerifyEmail => {
            usecase::verify_email(accounts, token, origin).await?;
            DonePage::EmailVerified
        }
        LinkPage::ResetPassword => {
            let Some(new_password) = &form.new_password else { return Ok(None) };
            usecase::reset_password(accounts, token, new_password, origin).await?;
            DonePage::PasswordReset
        }
        LinkPage::AcceptInvitation => {
            let Some(password) = &form.new_password else { return Ok(None) };
            let username = form.chosen_username.as_deref();
            usecase::accept_invitation(accounts, token, username, password, origin).await?;
            DonePage::InvitationAccepted
        }
        LinkPage::ConfirmEmail => {
            usecase::confirm_email_change(accounts, token, origin).await?;
            DonePage::EmailChanged
        }
        LinkPage::UndoEmailChange => {
            usecase::undo_email_change(accounts, token, origin).await?;
            DonePage::EmailChangeUndone
        }
        LinkPage::UndoChange => DonePage::ChangeUndone(usecase::undo_change(accounts, token, origin).await?),
    }))
}
