//! `/sign-in` and `/sign-in/code`: start a page session, with the second factor where it is on.

use std::borrow::Cow;

use actix_web::{Error, HttpResponse, http::StatusCode, web};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    form_problem::FormProblem,
    requests::{VisitorForm, VisitorRequest, redirect},
    return_to::{HOME, ReturnTo},
    view::{AccountView, Block, FieldView, FormView, HiddenView, LinkView},
};
use crate::{
    http::pages::texts::account_pages::SignInTexts,
    problem::Problem,
    usecase::{self, Login},
};

/// The query of a page that leads on after signing in.
#[derive(Deserialize)]
pub(super) struct NextQuery {
    /// The account page to which the reader goes on.
    next: Option<String>,
    /// The address of an application to which the reader goes on.
    return_to: Option<String>,
}

impl NextQuery {
    /// Returns where the reader goes on.
    pub(super) fn next(&self, request: &VisitorRequest) -> Option<ReturnTo> {
        request.return_to(self.next.as_deref().or(self.return_to.as_deref()))
    }
}

/// The form of the first step.
#[derive(Deserialize)]
pub(super) struct SignInForm {
    #[serde(default)]
    identifier: String,
    #[serde(default)]
    password: SecretString,
    next: Option<String>,
}

/// The form of the second step.
#[derive(Deserialize)]
pub(super) struct CodeForm {
    #[serde(default, rename = "mfaToken")]
    mfa_token: SecretString,
    #[serde(default)]
    code: SecretString,
    next: Option<String>,
}

/// Leads from the address of the second step, whose page is only in a response, to the first.
pub(super) async fn lead_to_sign_in(_: VisitorRequest) -> HttpResponse {
    redirect("/sign-in")
}

/// Shows the form; a reader with a session goes on at once.
pub(super) async fn show_sign_in(request: VisitorRequest, query: web::Query<NextQuery>) -> Result<HttpResponse, Error> {
    let next = query.next(&request);
    if request.caller().await?.is_some() {
        return Ok(redirect(next.as_ref().map_or(HOME, ReturnTo::as_str)));
    }
    let texts = &request.pages.catalogue.texts.sign_in;
    Ok(request.page(StatusCode::OK, &texts.title, sign_in_view(texts, "", next.as_ref(), None)))
}

/// Verifies the password.
pub(super) async fn submit_sign_in(
    VisitorForm { request, form }: VisitorForm<SignInForm>,
) -> Result<HttpResponse, Error> {
    let next = request.return_to(form.next.as_deref());
    let login = Login { identifier: form.identifier.clone(), password: form.password };
    let problem = match usecase::sign_in(&request.accounts, login, request.origin.clone()).await {
        Ok(cookie) => return Ok(signed_in(&request, &cookie, next.as_ref()).await),
        Err(Problem::MfaRequired(token)) => return Ok(code_page(&request, &token, next.as_ref(), None)),
        Err(problem) => request.problem(problem),
    };
    let texts = &request.pages.catalogue.texts.sign_in;
    let view = sign_in_view(texts, &form.identifier, next.as_ref(), Some(&problem));
    Ok(request.refused(&problem, &texts.title, view))
}

/// Verifies the code.
pub(super) async fn submit_code(VisitorForm { request, form }: VisitorForm<CodeForm>) -> Result<HttpResponse, Error> {
    let next = request.return_to(form.next.as_deref());
    match usecase::sign_in_totp(&request.accounts, &form.mfa_token, form.code, request.origin.clone()).await {
        Ok(cookie) => Ok(signed_in(&request, &cookie, next.as_ref()).await),
        // The token has expired or was used: the reader begins again.
        Err(problem @ Problem::TokenInvalid) => {
            let texts = &request.pages.catalogue.texts.sign_in;
            let problem = request.problem(problem);
            let view =
                AccountView { error: Some((&*texts.expired).into()), ..sign_in_view(texts, "", next.as_ref(), None) };
            Ok(request.refused(&problem, &texts.title, view))
        }
        Err(problem) => {
            let problem = request.problem(problem);
            Ok(code_page(&request, &form.mfa_token, next.as_ref(), Some(&problem)))
        }
    }
}

/// Ends the session that the browser had before, and leads on with the new one.
async fn signed_in(request: &VisitorRequest, cookie: &SecretString, next: Option<&ReturnTo>) -> HttpResponse {
    if let Some(former) = &request.cookie
        && let Err(problem) = usecase::sign_out(&request.accounts, former, request.origin.clone()).await
    {
        problem.log_cause();
    }
    let mut response = redirect(next.map_or(HOME, ReturnTo::as_str));
    request.set_cookie(&mut response, cookie);
    response
}

fn sign_in_view<'a>(
    texts: &'a SignInTexts,
    identifier: &'a str,
    next: Option<&'a ReturnTo>,
    problem: Option<&'a FormProblem>,
) -> AccountView<'a> {
    let form = FormView {
        path: "/sign-in".into(),
        hidden: hidden_next(next),
        fields: vec![
            FieldView {
                name: "identifier".into(),
                label: (&*texts.identifier).into(),
                value: identifier.into(),
                autocomplete: Some("username"),
                is_required: true,
                is_ltr: true,
                ..FieldView::default()
            },
            FieldView::password("password", &texts.password, problem.and_then(|problem| problem.at("password"))),
        ],
        button: &texts.button,
        ..FormView::default()
    };
    let link = |path: Cow<'a, str>, text| LinkView { path, text, value: None };
    let links = vec![
        link(ReturnTo::add_to("/register", next), &*texts.register),
        link("/forgot-password".into(), &*texts.forgot),
    ];
    AccountView {
        error: problem.and_then(|problem| sign_in_error(texts, problem)).map(Into::into),
        blocks: vec![Block::Form(form), Block::Links { heading: None, items: links }],
        ..AccountView::default()
    }
}

/// Returns the text above the form of the first or of the second step.
fn sign_in_error<'a>(texts: &'a SignInTexts, problem: &'a FormProblem) -> Option<&'a str> {
    match problem.problem() {
        Problem::InvalidCredentials => Some(&texts.refused),
        Problem::AccountDisabled => Some(&texts.disabled),
        _ => problem.general(),
    }
}

fn code_page(
    request: &VisitorRequest,
    token: &SecretString,
    next: Option<&ReturnTo>,
    problem: Option<&FormProblem>,
) -> HttpResponse {
    let texts = &request.pages.catalogue.texts.sign_in;
    let mut hidden = hidden_next(next);
    hidden.push(HiddenView { name: "mfaToken", value: token.expose_secret().into() });
    let error = problem.map(|problem| match problem.problem() {
        Problem::InvalidCredentials => &*texts.code_refused,
        _ => problem.general().unwrap_or(&texts.code_refused),
    });
    let form = FormView {
        path: "/sign-in/code".into(),
        hidden,
        fields: vec![FieldView::code(&texts.code, &texts.code_hint, None)],
        button: &texts.button,
        ..FormView::default()
    };
    let view = AccountView { error: error.map(Into::into), blocks: vec![Block::Form(form)], ..AccountView::default() };
    match problem {
        Some(problem) => request.refused(problem, &texts.code_title, view),
        None => request.page(StatusCode::OK, &texts.code_title, view),
    }
}

/// Returns the hidden field that keeps where the reader goes on.
pub(super) fn hidden_next(next: Option<&ReturnTo>) -> Vec<HiddenView<'_>> {
    next.map(|next| HiddenView { name: "next", value: next.as_str().into() }).into_iter().collect()
}
