//! `/forgot-password`: sends a link to choose a new password. The response is the same for any address.

use actix_web::{Error, HttpResponse, http::StatusCode, web};
use serde::Deserialize;

use super::{
    check_mail::{AddressForm, address_field, mails_link},
    form_problem::FormProblem,
    requests::{VisitorForm, VisitorRequest, redirect},
    view::{AccountView, Block, FormView, LinkView},
};
use crate::{
    http::pages::{start_page::StartPage, texts::PageTexts},
    usecase::{self, RequestedMail},
};

/// The query of the page.
#[derive(Deserialize)]
pub(in crate::http) struct ForgotPasswordQuery {
    done: Option<String>,
}

/// Shows the form, or that a link was requested.
pub(in crate::http) async fn show_forgot_password(
    request: VisitorRequest,
    query: web::Query<ForgotPasswordQuery>,
    start_page: web::Data<StartPage>,
) -> HttpResponse {
    let texts = &request.pages.catalogue.texts;
    let (title, view) = if query.done.as_deref() == Some("sent") {
        (&texts.sent.title, sent_view(texts, start_page.mails_url()))
    } else {
        (&texts.sign_in.forgot, form_view(texts, "", None))
    };
    request.page(StatusCode::OK, title, view)
}

/// Requests the link.
pub(in crate::http) async fn submit_forgot_password(
    VisitorForm { request, form }: VisitorForm<AddressForm>,
) -> Result<HttpResponse, Error> {
    let origin = request.origin.clone();
    match usecase::request_mail(&request.accounts, RequestedMail::Reset, &form.email, origin).await {
        Ok(()) => Ok(redirect("/forgot-password?done=sent")),
        Err(problem) => {
            let problem = request.problem(problem);
            let texts = &request.pages.catalogue.texts;
            Ok(request.refused(&problem, &texts.sign_in.forgot, form_view(texts, &form.email, Some(&problem))))
        }
    }
}

fn form_view<'a>(texts: &'a PageTexts, typed: &'a str, problem: Option<&'a FormProblem>) -> AccountView<'a> {
    let form = FormView {
        text: Some((&*texts.entry.forgot.text).into()),
        path: "/forgot-password".into(),
        fields: vec![address_field(texts, typed, problem)],
        button: &texts.send.reset_button,
        ..FormView::default()
    };
    AccountView {
        error: problem.and_then(|problem| problem.above(["email"])).map(Into::into),
        blocks: vec![Block::Form(form), Block::Links { heading: None, items: vec![sign_in(texts)] }],
        ..AccountView::default()
    }
}

fn sent_view<'a>(texts: &'a PageTexts, mails_url: Option<&'a str>) -> AccountView<'a> {
    let items = mails_link(texts, mails_url).into_iter().chain([sign_in(texts)]).collect();
    AccountView {
        status: Some((&*texts.sent.text).into()),
        blocks: vec![Block::Links { heading: None, items }],
        ..AccountView::default()
    }
}

fn sign_in(texts: &PageTexts) -> LinkView<'_> {
    LinkView { path: "/sign-in".into(), text: &texts.sign_in.title, value: None }
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;
    use test_support::LANGUAGES;

    use super::*;
    use crate::{
        http::pages::layout::{ACCOUNT, LocalizedPages, tests::pages_in},
        problem::{FieldError, Problem},
    };

    fn html(pages: &LocalizedPages, view: &AccountView<'_>) -> String {
        let response = pages.response(StatusCode::OK, ACCOUNT, "x", view);
        String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn the_form_keeps_a_refused_address_and_explains_it_in_every_language() {
        for tag in LANGUAGES {
            let pages = pages_in(tag);
            let refused = FieldError::at("#/email".to_owned(), "not-an-address", "In English.");
            let problem = FormProblem::new(Problem::ValidationFailed(vec![refused]), pages.clone(), 8);
            let page = html(&pages, &form_view(&pages.catalogue.texts, "<ada>", Some(&problem)));
            assert!(page.contains("value=\"&lt;ada&gt;\"") && page.contains("-email-error\">"), "{tag}: {page}");
            assert!(!page.contains("In English.") && !page.contains("role=\"alert\""), "{tag}: {page}");
        }
    }

    #[test]
    fn the_page_after_it_says_only_that_a_mail_is_sent_if_there_is_an_account() {
        let pages = pages_in("en");
        let page = html(&pages, &sent_view(&pages.catalogue.texts, Some("http://localhost:8025/")));
        assert!(page.contains("role=\"status\">If this address belongs to an account"), "{page}");
        assert!(page.contains("href=\"/sign-in\"") && page.contains("href=\"http://localhost:8025/\""), "{page}");
        assert!(!page.contains("<form"), "{page}");
    }
}
