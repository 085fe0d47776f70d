//! `/account/export`: downloads everything that is stored about the user. Requires a recent authentication.

use std::sync::Arc;

use actix_web::{Error, HttpResponse, http::StatusCode};

use super::{
    form_problem::FormProblem,
    requests::{MemberForm, MemberRequest},
    sign_out::NoFields,
    view::{AccountView, Block},
};
use crate::http::{api::personal_data_export::export_response, pages::texts::security::ExportTexts};

const PATH: &str = "/account/export";

/// Shows the button.
pub(in crate::http) async fn show_export(request: MemberRequest) -> Result<HttpResponse, Error> {
    request.require_recent_authentication().await?;
    Ok(request.page(StatusCode::OK, &texts(&request).title, view(&request, None)))
}

/// Returns the file, which the browser saves; the page stays.
pub(in crate::http) async fn submit_export(
    MemberForm { request, .. }: MemberForm<NoFields>,
) -> Result<HttpResponse, Error> {
    let visitor = &request.visitor;
    match export_response(Arc::clone(&visitor.accounts), request.caller.clone(), &visitor.origin).await {
        Ok(file) => Ok(file),
        Err(problem) => {
            let problem = request.problem(problem)?;
            Ok(request.refused(&problem, &texts(&request).title, view(&request, Some(&problem))))
        }
    }
}

fn texts(request: &MemberRequest) -> &ExportTexts {
    &request.visitor.pages.catalogue.texts.security.export
}

fn view<'a>(request: &'a MemberRequest, problem: Option<&'a FormProblem>) -> AccountView<'a> {
    let texts = texts(request);
    AccountView {
        error: problem.and_then(FormProblem::general).map(Into::into),
        text: Some((&*texts.text).into()),
        blocks: vec![Block::Form(request.form(PATH, &texts.button))],
        ..AccountView::default()
    }
}
