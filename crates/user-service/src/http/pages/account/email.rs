//! `/account/email`: changes the email address, by a link to the new one. Requires a recent authentication.

use actix_web::{Error, HttpResponse, http::StatusCode};
use serde::Deserialize;

use super::{
    form_problem::FormProblem,
    requests::{MemberForm, MemberRequest, redirect},
    view::{AccountView, Block, DetailView, FieldErrorView, FieldKind, FieldView, FormView},
};
use crate::{
    http::pages::texts::settings::EmailTexts,
    problem::Problem,
    usecase::{self, ChangeEmail, EmailChange},
};

const PATH: &str = "/account/email";

/// The form.
#[derive(Deserialize)]
pub(in crate::http) struct EmailForm {
    #[serde(default)]
    email: String,
}

/// Shows the form.
pub(in crate::http) async fn show_email(request: MemberRequest) -> Result<HttpResponse, Error> {
    request.require_recent_authentication().await?;
    Ok(request.page(StatusCode::OK, &texts(&request).title, view(&request, "", None)))
}

/// Sends the link.
pub(in crate::http) async fn submit_email(
    MemberForm { request, form }: MemberForm<EmailForm>,
) -> Result<HttpResponse, Error> {
    let visitor = &request.visitor;
    let change = ChangeEmail { new_email: form.email.clone(), password: None };
    let changed = usecase::change_email(&visitor.accounts, request.caller.clone(), change, visitor.origin.clone());
    match changed.await {
        Ok(EmailChange::LinkSent) => Ok(redirect("/account?done=link-sent")),
        Ok(EmailChange::Saved) => Ok(redirect("/account?done=email-saved")),
        Err(problem) => refuse(&request, &form.email, problem),
    }
}

fn texts(request: &MemberRequest) -> &EmailTexts {
    &request.visitor.pages.catalogue.texts.settings.email
}

fn refuse(request: &MemberRequest, typed: &str, problem: Problem) -> Result<HttpResponse, Error> {
    let problem = request.problem(problem)?;
    let view = view(request, typed, Some(&problem));
    Ok(request.refused(&problem, &texts(request).title, view))
}

fn view<'a>(request: &'a MemberRequest, typed: &'a str, problem: Option<&'a FormProblem>) -> AccountView<'a> {
    let texts = texts(request);
    let is_conflict = problem.is_some_and(|problem| matches!(problem.problem(), Problem::Conflict(_)));
    let general = if is_conflict { Some(&*texts.too_often) } else { problem.and_then(FormProblem::general) };
    let is_unchanged = problem.is_some_and(|problem| match problem.problem() {
        Problem::ValidationFailed(errors) => errors.iter().any(|error| error.code == "unchanged"),
        _ => false,
    });
    let unchanged = is_unchanged.then(|| FieldErrorView::new(&texts.unchanged));
    let current = DetailView { label: &texts.current, value: request.caller.user.email.as_str().into() };
    let field = FieldView {
        kind: FieldKind::Email,
        name: "email".into(),
        label: (&*texts.new).into(),
        value: typed.into(),
        error: unchanged.or_else(|| problem.and_then(|problem| problem.at("newEmail"))),
        autocomplete: Some("email"),
        is_required: true,
        is_ltr: true,
        ..FieldView::default()
    };
    let form = FormView { fields: vec![field], ..request.form(PATH, &texts.button) };
    AccountView {
        error: general.map(Into::into),
        text: Some((&*texts.text).into()),
        blocks: vec![Block::Details { heading: None, items: vec![current] }, Block::Form(form)],
        ..AccountView::default()
    }
}
