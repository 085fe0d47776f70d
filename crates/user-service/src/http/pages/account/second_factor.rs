//! `/account/second-factor`: sets the second factor up with a QR code, shows recovery codes once, renews them, and turns
//! the second factor off. Requires a recent authentication. The secret and the codes are in the response to a form only,
//! so that no address shows them again.

use std::sync::Arc;

use actix_web::{Error, HttpResponse, http::StatusCode, web};
use futures_util::FutureExt;
use i18n::SafeHtml;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    form_problem::FormProblem,
    home::Done,
    local_time::LocalTime,
    requests::{MemberForm, MemberRequest, redirect},
    return_to::HOME,
    sign_out::NoFields,
    view::{AccountView, Block, DetailView, FieldErrorView, FieldView, FormView, HiddenView, LinkView},
};
use crate::{
    http::{api::totp_qr_code, pages::texts::security::SecondFactorTexts},
    outbox::Origin,
    problem::Problem,
    usecase::{self, AccountService, Caller, GivenFactors, TotpStarted},
};

const PATH: &str = "/account/second-factor";
const CONFIRM_PATH: &str = "/account/second-factor/confirm";
const CODES_PATH: &str = "/account/second-factor/recovery-codes";
const OFF_PATH: &str = "/account/second-factor/turn-off";

/// What the session has given recently is the proof: nothing is typed again.
const NOTHING_TYPED: GivenFactors = GivenFactors { password: None, code: None };

/// The form that confirms the set-up.
#[derive(Deserialize)]
pub(in crate::http) struct ConfirmForm {
    #[serde(default)]
    code: SecretString,
    /// The secret of the page, to show it again after a wrong code.
    #[serde(default)]
    secret: SecretString,
}

/// Shows whether the second factor is on, and what can be done.
pub(in crate::http) async fn show_second_factor(
    request: MemberRequest,
    done: web::Query<Done>,
) -> Result<HttpResponse, Error> {
    let (texts, user) = (texts(&request), &request.caller.user);
    if user.totp.is_none() && !user.email_verified {
        return Ok(unverified_page(&request));
    }
    request.require_recent_authentication().await?;
    let status = done.is("turned-off").then(|| (&*texts.turned_off).into());
    let view = AccountView { status, ..view(&request, &request.caller, None) };
    Ok(request.page(StatusCode::OK, &texts.title, view))
}

/// Leads from the address of a form to the page.
pub(in crate::http) async fn lead_to_second_factor(_: MemberRequest) -> HttpResponse {
    redirect(PATH)
}

/// Starts the set-up, and shows its secret.
pub(in crate::http) async fn start_set_up(
    MemberForm { request, .. }: MemberForm<NoFields>,
) -> Result<HttpResponse, Error> {
    let visitor = &request.visitor;
    match usecase::start_totp(&visitor.accounts, request.caller.clone(), None, visitor.origin.clone()).await {
        Ok(started) => {
            let view = set_up_view(&request, &started, None)?;
            Ok(request.page(StatusCode::OK, &texts(&request).scan_title, view))
        }
        Err(problem) => refuse(&request, problem).await,
    }
}

/// Turns the second factor on, renews the cookie, and shows the recovery codes.
pub(in crate::http) async fn confirm_set_up(
    MemberForm { request, form }: MemberForm<ConfirmForm>,
) -> Result<HttpResponse, Error> {
    let (accounts, caller, origin) = change_of(&request);
    let confirm = async move { usecase::confirm_totp(&accounts, caller, form.code, origin).await };
    let (confirmed, cookie) = request.change_rights(confirm.boxed()).await;
    let response = match confirmed {
        Ok(codes) => codes_page(&request, &codes, &texts(&request).turned_on),
        Err(problem) => refuse_code(&request, problem, &form.secret).await?,
    };
    Ok(cookie.add_to(&request.visitor, response))
}

/// Renews the recovery codes and the cookie, and shows the codes.
pub(in crate::http) async fn renew_codes(
    MemberForm { request, .. }: MemberForm<NoFields>,
) -> Result<HttpResponse, Error> {
    let (accounts, caller, origin) = change_of(&request);
    let renew = async move { usecase::renew_recovery_codes(&accounts, caller, NOTHING_TYPED, origin).await };
    let (renewed, cookie) = request.change_rights(renew.boxed()).await;
    let response = match renewed {
        Ok(codes) => codes_page(&request, &codes, &texts(&request).renewed),
        Err(problem) => refuse(&request, problem).await?,
    };
    Ok(cookie.add_to(&request.visitor, response))
}

/// Turns the second factor off, and renews the cookie.
pub(in crate::http) async fn turn_off(MemberForm { request, .. }: MemberForm<NoFields>) -> Result<HttpResponse, Error> {
    let (accounts, caller, origin) = change_of(&request);
    let remove = async move { usecase::remove_totp(&accounts, caller, NOTHING_TYPED, origin).await };
    let (removed, cookie) = request.change_rights(remove.boxed()).await;
    let response = match removed {
        Ok(()) => redirect("/account/second-factor?done=turned-off"),
        Err(problem) => refuse(&request, problem).await?,
    };
    Ok(cookie.add_to(&request.visitor, response))
}

/// Returns what a change of the second factor needs of its request.
fn change_of(request: &MemberRequest) -> (Arc<AccountService>, Caller, Origin) {
    (Arc::clone(&request.visitor.accounts), request.caller.clone(), request.visitor.origin.clone())
}

fn texts(request: &MemberRequest) -> &SecondFactorTexts {
    &request.visitor.pages.catalogue.texts.security.second_factor
}

/// Returns the page that asks to confirm the email address first.
fn unverified_page(request: &MemberRequest) -> HttpResponse {
    let all = &request.visitor.pages.catalogue.texts;
    let home = LinkView { path: HOME.into(), text: &all.account_pages.home, value: None };
    let view = AccountView {
        text: Some((&*all.account_pages.failed.email_not_verified).into()),
        blocks: vec![Block::Links { heading: None, items: vec![home] }],
        ..AccountView::default()
    };
    request.page(StatusCode::OK, &texts(request).title, view)
}

/// Returns the page of the set-up again, for another code.
async fn refuse_code(request: &MemberRequest, problem: Problem, secret: &SecretString) -> Result<HttpResponse, Error> {
    let accounts = &request.visitor.accounts;
    let started = match &problem {
        Problem::Conflict(_) => None,
        _ => TotpStarted::again(accounts, &request.caller, secret)?,
    };
    let Some(started) = started else { return refuse(request, problem).await };
    let problem = request.problem(problem)?;
    let view = set_up_view(request, &started, Some(&problem))?;
    Ok(request.refused(&problem, &texts(request).scan_title, view))
}

/// Returns the page with the state as it is now, because the form was for another one or is refused.
async fn refuse(request: &MemberRequest, problem: Problem) -> Result<HttpResponse, Error> {
    let now = request.visitor.caller().await?.ok_or(Problem::Unauthorized);
    let now = match now {
        Ok(caller) => caller,
        Err(problem) => return request.problem(problem).map(|_| redirect(PATH)).map_err(Error::from),
    };
    let problem = request.problem(problem)?;
    let view = view(request, &now, Some(&problem));
    Ok(request.refused(&problem, &texts(request).title, view))
}

fn view<'a>(request: &'a MemberRequest, caller: &Caller, problem: Option<&'a FormProblem>) -> AccountView<'a> {
    let texts = texts(request);
    let failed = &request.visitor.pages.catalogue.texts.account_pages.failed;
    let error = match problem.map(|problem| (problem, problem.problem())) {
        Some((_, Problem::Conflict(_))) if caller.user.totp.is_none() => Some(&*texts.expired),
        Some((_, Problem::Conflict(_))) => Some(&*failed.changed_meanwhile),
        Some((problem, _)) => problem.general().or(Some(&failed.other)),
        None => None,
    };
    let blocks = match &caller.user.totp {
        None => {
            vec![Block::Form(FormView { text: Some((&*texts.off_text).into()), ..request.form(PATH, &texts.start) })]
        }
        Some(totp) => {
            let since = LocalTime::new(request).format(totp.enabled_at);
            let codes_left = totp.recovery_codes.len().to_string();
            let detail = |label, value: String| DetailView { label, value: value.into() };
            vec![
                Block::Details {
                    heading: None,
                    items: vec![detail(&*texts.on_since, since), detail(&*texts.codes_left, codes_left)],
                },
                Block::Form(FormView {
                    heading: Some(&texts.renew_title),
                    text: Some((&*texts.renew_text).into()),
                    ..request.form(CODES_PATH, &texts.renew)
                }),
                Block::Form(FormView {
                    heading: Some(&texts.off_title),
                    text: Some((&*texts.turn_off_text).into()),
                    is_destructive: true,
                    ..request.form(OFF_PATH, &texts.turn_off)
                }),
            ]
        }
    };
    AccountView { error: error.map(Into::into), blocks, ..AccountView::default() }
}

fn set_up_view<'a>(
    request: &'a MemberRequest,
    started: &TotpStarted,
    problem: Option<&'a FormProblem>,
) -> Result<AccountView<'a>, Problem> {
    let all = &request.visitor.pages.catalogue.texts;
    let texts = texts(request);
    let qr_code = totp_qr_code::svg(&started.otpauth_uri).map_err(Problem::internal)?;
    let secret = started.secret.expose_secret();
    let is_wrong = problem.is_some_and(|problem| matches!(problem.problem(), Problem::WrongCode));
    let wrong = is_wrong.then(|| FieldErrorView::new(&all.sign_in.code_refused));
    let code = FieldView::code(&all.sign_in.code, &texts.code_hint, wrong);
    let form = FormView {
        hidden: vec![HiddenView { name: "secret", value: secret.to_owned().into() }],
        fields: vec![code],
        ..request.form(CONFIRM_PATH, &texts.confirm)
    };
    let qr_code = Block::QrCode {
        svg: SafeHtml::new(totp_qr_code::element(&qr_code)),
        label: &texts.qr_label,
        secret_label: &texts.secret_label,
        secret: secret.to_owned(),
    };
    Ok(AccountView {
        error: problem.and_then(FormProblem::general).map(Into::into),
        text: Some((&*texts.scan_text).into()),
        blocks: vec![qr_code, Block::Form(form)],
        ..AccountView::default()
    })
}

/// Returns the page with new recovery codes.
fn codes_page(request: &MemberRequest, codes: &[SecretString], status: &str) -> HttpResponse {
    let texts = texts(request);
    let codes = codes.iter().map(|code| code.expose_secret().to_owned()).collect();
    let kept = LinkView { path: PATH.into(), text: &texts.codes_kept, value: None };
    let view = AccountView {
        status: Some(status.to_owned().into()),
        text: Some((&*texts.codes_text).into()),
        blocks: vec![Block::Codes { codes }, Block::Links { heading: None, items: vec![kept] }],
        ..AccountView::default()
    };
    request.page(StatusCode::OK, &texts.codes_title, view)
}
