//! `/account/confirm-identity`: asks for the password, and for a code where the second factor is on, before a page that
//! only the owner may use; then leads on to that page.

use std::sync::Arc;

use actix_web::{Error, HttpResponse, http::StatusCode, web};
use futures_util::FutureExt;
use secrecy::SecretString;
use serde::Deserialize;

use super::{
    form_problem::FormProblem,
    requests::{MemberForm, MemberRequest, redirect},
    return_to::{HOME, ReturnTo},
    sign_in::{NextQuery, hidden_next},
    view::{AccountView, Block, FieldErrorView, FieldView, FormView},
};
use crate::{problem::Problem, usecase::reauthenticate};

const PATH: &str = "/account/confirm-identity";

/// The form.
#[derive(Deserialize)]
pub(in crate::http) struct ConfirmIdentityForm {
    #[serde(default)]
    password: SecretString,
    #[serde(default)]
    code: SecretString,
    next: Option<String>,
}

/// Shows the form. A session that is recently authenticated goes on at once.
pub(in crate::http) async fn show_confirm_identity(
    request: MemberRequest,
    query: web::Query<NextQuery>,
) -> Result<HttpResponse, Error> {
    let visitor = &request.visitor;
    let next = query.next(visitor);
    match visitor.accounts.require_recent_authentication(&request.caller, None, &visitor.origin).await {
        Ok(_) => Ok(redirect(next.as_ref().map_or(HOME, ReturnTo::as_str))),
        Err(Problem::ReauthenticationRequired(_)) => {
            Ok(request.page(StatusCode::OK, title(&request), view(&request, next.as_ref(), None)))
        }
        Err(problem) => {
            let problem = request.problem(problem)?;
            Ok(request.refused(&problem, title(&request), view(&request, next.as_ref(), Some(&problem))))
        }
    }
}

/// Verifies what was typed, renews the cookie, and leads on.
pub(in crate::http) async fn submit_confirm_identity(
    MemberForm { request, form }: MemberForm<ConfirmIdentityForm>,
) -> Result<HttpResponse, Error> {
    let visitor = &request.visitor;
    let next = visitor.return_to(form.next.as_deref());
    let code = request.caller.user.totp.is_some().then_some(form.code);
    let (accounts, caller, origin) = (Arc::clone(&visitor.accounts), request.caller.clone(), visitor.origin.clone());
    let confirm = async move { reauthenticate(&accounts, &caller, &form.password, code, origin).await };
    let (confirmed, cookie) = request.change_rights(confirm.boxed()).await;
    let response = match confirmed {
        Ok(()) => redirect(next.as_ref().map_or(HOME, ReturnTo::as_str)),
        // The second factor was turned on or off meanwhile: the form is another one.
        Err(Problem::ReauthenticationRequired(_) | Problem::Conflict(_)) => {
            redirect(&ReturnTo::add_to(PATH, next.as_ref()))
        }
        Err(problem) => {
            let problem = request.problem(problem)?;
            request.refused(&problem, title(&request), view(&request, next.as_ref(), Some(&problem)))
        }
    };
    Ok(cookie.add_to(visitor, response))
}

fn title(request: &MemberRequest) -> &str {
    &request.visitor.pages.catalogue.texts.security.confirm_identity.title
}

fn view<'a>(
    request: &'a MemberRequest,
    next: Option<&'a ReturnTo>,
    problem: Option<&'a FormProblem>,
) -> AccountView<'a> {
    let all = &request.visitor.pages.catalogue.texts;
    let (texts, sign_in) = (&all.security.confirm_identity, &all.sign_in);
    let user = &request.caller.user;
    let has_code = user.totp.is_some();
    let wrong_code = problem
        .is_some_and(|problem| matches!(problem.problem(), Problem::WrongCode))
        .then(|| FieldErrorView::new(&sign_in.code_refused));
    let mut fields = vec![
        FieldView::unseen_username(&user.username),
        FieldView::password("password", &sign_in.password, problem.and_then(|problem| problem.at("password"))),
    ];
    if has_code {
        fields.push(FieldView::code(&sign_in.code, &sign_in.code_hint, wrong_code));
    }
    let form = FormView { hidden: hidden_next(next), fields, ..request.form(PATH, &texts.button) };
    let text = if has_code { &texts.text_code } else { &texts.text };
    AccountView {
        error: problem.and_then(FormProblem::general).map(Into::into),
        text: Some((&**text).into()),
        blocks: vec![Block::Form(form)],
        ..AccountView::default()
    }
}
