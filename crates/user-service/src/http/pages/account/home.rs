//! `/account`: who is signed in, and the links to everything that can be seen and changed. Sends the mail that confirms
//! the address again.

use actix_web::{Error, HttpResponse, http::StatusCode, web};
use serde::Deserialize;

use super::{
    form_problem::FormProblem,
    requests::{MemberForm, MemberRequest, redirect},
    return_to::HOME,
    sign_out::NoFields,
    view::{AccountView, Block, DetailView, FormView, LinkView},
};
use crate::usecase::{self, RequestedMail};

/// The query of a page after its form was used: what was done.
#[derive(Deserialize)]
pub(in crate::http) struct Done {
    done: Option<String>,
}

impl Done {
    /// Returns whether this was done.
    pub(super) fn is(&self, word: &str) -> bool {
        self.done.as_deref() == Some(word)
    }
}

/// Shows the account.
pub(in crate::http) async fn show_home(request: MemberRequest, done: web::Query<Done>) -> HttpResponse {
    let texts = &request.visitor.pages.catalogue.texts.settings;
    let status = match done.done.as_deref() {
        Some("mail-sent") => Some(&*texts.home.confirm_sent),
        Some("link-sent") => Some(&*texts.email.sent),
        Some("email-saved") => Some(&*texts.email.saved),
        Some("password-changed") => Some(&*texts.password.changed),
        _ => None,
    };
    let view = AccountView { status: status.map(Into::into), ..view(&request, None) };
    request.page(StatusCode::OK, &texts.home.title, view)
}

/// Sends the mail that confirms the address again.
pub(in crate::http) async fn submit_home(
    MemberForm { request, .. }: MemberForm<NoFields>,
) -> Result<HttpResponse, Error> {
    let visitor = &request.visitor;
    let email = &request.caller.user.email;
    let sent = usecase::request_mail(&visitor.accounts, RequestedMail::Verification, email, visitor.origin.clone());
    let problem = match sent.await {
        Ok(()) => return Ok(redirect("/account?done=mail-sent")),
        Err(problem) => request.problem(problem)?,
    };
    let title = &visitor.pages.catalogue.texts.settings.home.title;
    Ok(request.refused(&problem, title, view(&request, Some(&problem))))
}

fn view<'a>(request: &'a MemberRequest, problem: Option<&'a FormProblem>) -> AccountView<'a> {
    let (texts, user) = (&request.visitor.pages.catalogue.texts, &request.caller.user);
    let home = &texts.settings.home;
    let detail = |label: &'a str, value: &'a str| DetailView { label, value: value.into() };
    let email_label = if user.email_verified { &home.email_confirmed } else { &home.email_unconfirmed };
    let mut details = vec![detail(&texts.account.username, &user.username), detail(email_label, &user.email)];
    details.extend(user.display_name.as_deref().map(|name| detail(&home.display_name, name)));
    let mut blocks = vec![Block::Details { heading: None, items: details }];
    if !user.email_verified {
        blocks.push(Block::Form(FormView {
            heading: Some(&home.confirm_title),
            text: Some((&*home.confirm_text).into()),
            ..request.form(HOME, &home.confirm_button)
        }));
    }
    let second_factor = if user.totp.is_some() { &home.second_factor_on } else { &home.second_factor_off };
    let links = [
        ("/account/profile", &home.profile, &home.profile_hint),
        ("/account/email", &home.email, &home.email_hint),
        ("/account/password", &home.password, &home.password_hint),
        ("/account/second-factor", &home.second_factor, second_factor),
        ("/account/sessions", &home.sessions, &home.sessions_hint),
        ("/account/history", &home.history, &home.history_hint),
        ("/account/export", &home.export, &home.export_hint),
        ("/account/delete", &home.delete, &home.delete_hint),
    ];
    let link = |(path, text, hint): (&'a str, &'a i18n::Text, &'a i18n::Text)| LinkView {
        path: path.into(),
        text,
        value: Some((&**hint).into()),
    };
    blocks.push(Block::Links { heading: None, items: links.map(link).into() });
    AccountView { error: problem.and_then(FormProblem::general).map(Into::into), blocks, ..AccountView::default() }
}
