//! `/account/password`: changes the password, which ends all other sessions. Requires a recent second factor where it is
//! on; the form itself requires the current password.

use std::sync::Arc;

use actix_web::{Error, HttpResponse, http::StatusCode};
use futures_util::FutureExt;
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    form_problem::FormProblem,
    requests::{MemberForm, MemberRequest, redirect},
    view::{AccountView, Block, FieldErrorView, FieldKind, FieldView, FormView},
};
use crate::{
    domain::ExpectedVersion,
    http::pages::texts::settings::PasswordTexts,
    problem::Problem,
    usecase::{self, ChangePassword},
};

const PATH: &str = "/account/password";

/// The form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct PasswordForm {
    #[serde(default)]
    current_password: SecretString,
    #[serde(default)]
    new_password: SecretString,
}

/// Shows the form.
pub(in crate::http) async fn show_password(request: MemberRequest) -> Result<HttpResponse, Error> {
    match request.visitor.accounts.require_recent_second_factor(&request.caller).await {
        Ok(()) => Ok(request.page(StatusCode::OK, &texts(&request).title, view(&request, None))),
        Err(problem) => refuse(&request, problem),
    }
}

/// Changes the password, and renews the cookie.
pub(in crate::http) async fn submit_password(
    MemberForm { request, form }: MemberForm<PasswordForm>,
) -> Result<HttpResponse, Error> {
    let origin = request.visitor.origin.clone();
    let change = ChangePassword { current: form.current_password, new: form.new_password };
    let (accounts, caller) = (Arc::clone(&request.visitor.accounts), request.caller.clone());
    let change = async move { usecase::change_password(&accounts, caller, change, ExpectedVersion::Any, origin).await };
    let (changed, cookie) = request.change_rights(change.boxed()).await;
    let response = match changed {
        Ok(()) => redirect("/account?done=password-changed"),
        Err(problem) => refuse(&request, problem)?,
    };
    Ok(cookie.add_to(&request.visitor, response))
}

fn texts(request: &MemberRequest) -> &PasswordTexts {
    &request.visitor.pages.catalogue.texts.settings.password
}

fn refuse(request: &MemberRequest, problem: Problem) -> Result<HttpResponse, Error> {
    let problem = request.problem(problem)?;
    let view = view(request, Some(&problem));
    Ok(request.refused(&problem, &texts(request).title, view))
}

fn view<'a>(request: &'a MemberRequest, problem: Option<&'a FormProblem>) -> AccountView<'a> {
    let (texts, reset) = (texts(request), &request.visitor.pages.catalogue.texts.reset);
    let (language, min_length) =
        (&request.visitor.pages.catalogue.language, request.visitor.accounts.passwords.min_length());
    let is_wrong = problem.is_some_and(|problem| matches!(problem.problem(), Problem::WrongPassword));
    let wrong = is_wrong.then(|| FieldErrorView::new(&texts.wrong));
    let wrong = wrong.or_else(|| problem.and_then(|problem| problem.at("currentPassword")));
    let fields = vec![
        FieldView::unseen_username(&request.caller.user.username),
        FieldView::password("currentPassword", &texts.current, wrong),
        FieldView {
            kind: FieldKind::NewPassword,
            name: "newPassword".into(),
            label: (&*reset.label).into(),
            hint: Some(reset.hint(language, min_length).into()),
            error: problem.and_then(|problem| problem.at("newPassword")),
            autocomplete: Some("new-password"),
            is_required: true,
            ..FieldView::default()
        },
    ];
    let form = FormView { fields, ..request.form(PATH, &texts.button) };
    AccountView {
        error: problem.and_then(FormProblem::general).map(Into::into),
        text: Some((&*texts.text).into()),
        blocks: vec![Block::Form(form)],
        ..AccountView::default()
    }
}
