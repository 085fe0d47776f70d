//! `/account/delete` and `/account/deleted`: delete the account. Requires a recent authentication, a box to be ticked,
//! and the username to be typed.

use actix_web::{Error, HttpResponse, http::StatusCode};
use serde::Deserialize;

use super::{
    form_problem::FormProblem,
    requests::{MemberForm, MemberRequest, VisitorRequest, redirect},
    return_to::HOME,
    sign_out::forget_session,
    view::{AccountView, Block, FieldErrorView, FieldKind, FieldView, FormView, LinkView},
};
use crate::{
    domain::ExpectedVersion, http::pages::texts::security::DeleteTexts, problem::Problem, usecase::delete_account,
};

const PATH: &str = "/account/delete";

/// The form.
#[derive(Deserialize)]
pub(in crate::http) struct DeleteForm {
    confirmed: Option<String>,
    #[serde(default)]
    username: String,
}

/// The form as it was sent.
struct Sent<'a> {
    form: &'a DeleteForm,
    /// Absent if the form itself does not confirm the deletion.
    problem: Option<FormProblem>,
}

impl DeleteForm {
    const fn is_ticked(&self) -> bool {
        self.confirmed.is_some()
    }

    /// Returns whether the username was typed. Letter case and white space around it do not matter.
    fn has_username(&self, username: &str) -> bool {
        self.username.trim().to_lowercase() == username.to_lowercase()
    }
}

/// Shows the form.
pub(in crate::http) async fn show_delete(request: MemberRequest) -> Result<HttpResponse, Error> {
    request.require_recent_authentication().await?;
    Ok(request.page(StatusCode::OK, &texts(&request).title, view(&request, None)))
}

/// Deletes the account.
pub(in crate::http) async fn submit_delete(
    MemberForm { request, form }: MemberForm<DeleteForm>,
) -> Result<HttpResponse, Error> {
    if !form.is_ticked() || !form.has_username(&request.caller.user.username) {
        let sent = Sent { form: &form, problem: None };
        let view = view(&request, Some(&sent));
        return Ok(request.page(StatusCode::UNPROCESSABLE_ENTITY, &texts(&request).title, view));
    }
    let visitor = &request.visitor;
    let origin = visitor.origin.clone();
    match delete_account(&visitor.accounts, request.caller.clone(), None, ExpectedVersion::Any, origin).await {
        Ok(()) => Ok(forget_session(visitor, redirect("/account/deleted"))),
        Err(problem) => {
            let sent = Sent { form: &form, problem: Some(request.problem(problem)?) };
            let view = view(&request, Some(&sent));
            let problem = sent.problem.as_ref().expect("it was set");
            Ok(request.refused(problem, &texts(&request).title, view))
        }
    }
}

/// Shows that the account is deleted.
pub(in crate::http) async fn show_deleted(request: VisitorRequest) -> Result<HttpResponse, Error> {
    if request.caller().await?.is_some() {
        return Ok(redirect(HOME));
    }
    let texts = &request.pages.catalogue.texts.security.delete;
    let view = AccountView { status: Some((&*texts.done_text).into()), ..AccountView::default() };
    Ok(request.page(StatusCode::OK, &texts.done_title, view))
}

fn texts(request: &MemberRequest) -> &DeleteTexts {
    &request.visitor.pages.catalogue.texts.security.delete
}

fn view<'a>(request: &'a MemberRequest, sent: Option<&'a Sent<'a>>) -> AccountView<'a> {
    let (texts, catalogue) = (texts(request), &request.visitor.pages.catalogue);
    let username = &request.caller.user.username;
    let problem = sent.and_then(|sent| sent.problem.as_ref());
    // The only other conflict is another writer, which the use case has tried again.
    let general = match problem.map(FormProblem::problem) {
        Some(Problem::Conflict(_)) => Some(&*texts.last_admin),
        _ => problem.and_then(FormProblem::general),
    };
    let fields = vec![
        FieldView {
            kind: FieldKind::Checkbox,
            name: "confirmed".into(),
            label: (&*texts.checkbox).into(),
            error: sent
                .filter(|sent| !sent.form.is_ticked())
                .map(|_| FieldErrorView::new(&catalogue.texts.fields.checkbox_not_ticked)),
            is_required: true,
            is_checked: sent.is_some_and(|sent| sent.form.is_ticked()),
            ..FieldView::default()
        },
        FieldView {
            name: "username".into(),
            label: (&*catalogue.texts.account.username).into(),
            value: sent.map(|sent| &*sent.form.username).unwrap_or_default().into(),
            hint: Some(texts.username_hint.with(&catalogue.language, username).into()),
            error: sent
                .filter(|sent| !sent.form.has_username(username))
                .map(|_| FieldErrorView::new(&texts.username_wrong)),
            autocomplete: Some("off"),
            is_required: true,
            ..FieldView::default()
        },
    ];
    let export = LinkView { path: "/account/export".into(), text: &texts.export, value: None };
    let form = FormView { fields, is_destructive: true, ..request.form(PATH, &texts.button) };
    AccountView {
        error: general.map(Into::into),
        text: Some((&*texts.text).into()),
        blocks: vec![Block::Links { heading: None, items: vec![export] }, Block::Form(form)],
        ..AccountView::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_username_confirms_whatever_its_letter_case() {
        let form = |username: &str| DeleteForm { confirmed: None, username: username.to_owned() };
        for typed in ["Ada", "ada", " ADA "] {
            assert!(form(typed).has_username("Ada"), "{typed}");
        }
        for typed in ["", "ad", "adam", "a da"] {
            assert!(!form(typed).has_username("Ada"), "{typed}");
        }
    }
}
