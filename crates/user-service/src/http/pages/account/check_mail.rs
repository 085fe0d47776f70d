//! `/check-mail`: tells to which address a mail was sent, and sends it again. The response does not reveal whether the
//! address has an account.

use std::time::Duration;

use actix_web::{Error, HttpRequest, HttpResponse, http::StatusCode, web};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{
    form_problem::FormProblem,
    requests::{VisitorForm, VisitorRequest, redirect},
    return_to::{HOME, ReturnTo},
    sign_in::hidden_next,
    view::{AccountView, Block, DetailView, FieldKind, FieldView, FormView, LinkView},
};
use crate::{
    http::{
        cookies::SameSite,
        pages::{start_page::StartPage, texts::PageTexts},
    },
    usecase::{self, RequestedMail},
};

/// The path of the page.
const PATH: &str = "/check-mail";
/// The cookie with the address to which a mail was sent. An address is personal data, so it is not in the URL.
const COOKIE: &str = "check-mail";
/// The lifetime of the cookie.
const COOKIE_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Why a mail was sent.
#[derive(Clone, Copy)]
pub(super) enum Sent {
    ByRegistration,
    /// The reader has requested it once more.
    Again,
}

/// The query of the page.
#[derive(Deserialize)]
pub(in crate::http) struct CheckMailQuery {
    done: Option<String>,
    next: Option<String>,
}

/// A form with an email address, to which a mail is sent.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::http) struct AddressForm {
    pub(super) email: String,
    next: Option<String>,
}

/// What the page shows.
struct Shown<'a> {
    /// The address to which a mail was sent.
    address: Option<&'a str>,
    /// What the reader has typed.
    typed: &'a str,
    is_again: bool,
    next: Option<&'a ReturnTo>,
    mails_url: Option<&'a str>,
}

/// Shows the page. A signed-in reader with a confirmed address goes on to the account.
pub(in crate::http) async fn show_check_mail(
    request: VisitorRequest,
    http_request: HttpRequest,
    query: web::Query<CheckMailQuery>,
    start_page: web::Data<StartPage>,
) -> Result<HttpResponse, Error> {
    let caller = request.caller().await?;
    if caller.as_ref().is_some_and(|caller| caller.user.email_verified) {
        return Ok(redirect(HOME));
    }
    let next = request.return_to(query.next.as_deref());
    let address = match &caller {
        Some(caller) => Some(caller.user.email.clone()),
        None => request.settings.cookies.read(http_request.headers(), COOKIE).and_then(|it| decode(&it)),
    };
    let address = address.as_deref();
    let shown = Shown {
        address: address.filter(|_| caller.is_none() || query.done.is_some()),
        typed: address.unwrap_or_default(),
        is_again: query.done.as_deref() == Some("again"),
        next: next.as_ref(),
        mails_url: start_page.mails_url(),
    };
    let texts = &request.pages.catalogue.texts;
    Ok(request.page(StatusCode::OK, title(texts, &shown), view(texts, &shown, None)))
}

/// Sends the mail again.
pub(in crate::http) async fn submit_check_mail(
    VisitorForm { request, form }: VisitorForm<AddressForm>,
    start_page: web::Data<StartPage>,
) -> Result<HttpResponse, Error> {
    let next = request.return_to(form.next.as_deref());
    let origin = request.origin.clone();
    match usecase::request_mail(&request.accounts, RequestedMail::Verification, &form.email, origin).await {
        Ok(()) => Ok(sent(&request, &form.email, Sent::Again, next.as_ref())),
        Err(problem) => {
            let problem = request.problem(problem);
            let shown = Shown {
                address: None,
                typed: &form.email,
                is_again: false,
                next: next.as_ref(),
                mails_url: start_page.mails_url(),
            };
            let texts = &request.pages.catalogue.texts;
            Ok(request.refused(&problem, title(texts, &shown), view(texts, &shown, Some(&problem))))
        }
    }
}

/// Returns the response that leads to this page after a mail was sent.
pub(super) fn sent(request: &VisitorRequest, address: &str, sent: Sent, next: Option<&ReturnTo>) -> HttpResponse {
    let path = match sent {
        Sent::ByRegistration => "/check-mail?done=registered",
        Sent::Again => "/check-mail?done=again",
    };
    let mut response = redirect(&ReturnTo::add_to(path, next));
    request.settings.cookies.set(&mut response, COOKIE, &encode(address), SameSite::Lax, COOKIE_LIFETIME);
    response
}

/// Returns the cookie with an address that was accepted: without the white space around it, which has no bound.
fn encode(address: &str) -> SecretString {
    BASE64_URL_SAFE_NO_PAD.encode(address.trim()).into()
}

/// Returns the address in the cookie.
fn decode(cookie: &SecretString) -> Option<String> {
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cookie.expose_secret()).ok()?).ok()
}

fn title<'a>(texts: &'a PageTexts, shown: &Shown<'_>) -> &'a str {
    if shown.address.is_some() { &texts.sent.title } else { &texts.send.button }
}

fn view<'a>(texts: &'a PageTexts, shown: &Shown<'a>, problem: Option<&'a FormProblem>) -> AccountView<'a> {
    let own = &texts.entry.check_mail;
    let (heading, text) = match shown.address {
        Some(_) => (Some(&*own.resend_title), &*own.resend_text),
        None => (None, &*texts.send.text),
    };
    let form = FormView {
        heading,
        text: Some(text.into()),
        path: PATH.into(),
        hidden: hidden_next(shown.next),
        fields: vec![address_field(texts, shown.typed, problem)],
        button: &own.resend_button,
        ..FormView::default()
    };
    let details = |address: &'a str| Block::Details {
        heading: None,
        items: vec![DetailView { label: &own.sent_to, value: address.into() }],
    };
    let sign_in = LinkView { path: ReturnTo::add_to("/sign-in", shown.next), text: &texts.sign_in.title, value: None };
    let items = mails_link(texts, shown.mails_url).into_iter().chain([sign_in]).collect();
    let blocks = shown.address.map(details).into_iter();
    AccountView {
        error: problem.and_then(|problem| problem.above(["email"])).map(Into::into),
        status: shown.address.filter(|_| shown.is_again).map(|_| (&*texts.sent.text).into()),
        text: shown.address.filter(|_| !shown.is_again).map(|_| (&*own.text).into()),
        blocks: blocks.chain([Block::Form(form), Block::Links { heading: None, items }]).collect(),
        ..AccountView::default()
    }
}

/// Returns the field for an email address.
pub(super) fn address_field<'a>(texts: &'a PageTexts, typed: &'a str, problem: Option<&FormProblem>) -> FieldView<'a> {
    FieldView {
        kind: FieldKind::Email,
        name: "email".into(),
        label: (&*texts.fields.address).into(),
        value: typed.into(),
        error: problem.and_then(|problem| problem.at("email")),
        autocomplete: Some("email"),
        is_required: true,
        is_ltr: true,
        ..FieldView::default()
    }
}

/// Returns the link to the mails that were sent, where a developer can read them.
pub(super) fn mails_link<'a>(texts: &'a PageTexts, url: Option<&'a str>) -> Option<LinkView<'a>> {
    url.map(|url| LinkView { path: url.into(), text: &texts.start.mails, value: None })
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;
    use test_support::LANGUAGES;

    use super::*;
    use crate::{
        http::pages::layout::{ACCOUNT, tests::pages_in},
        problem::{FieldError, Problem},
    };

    const SHOWN: Shown<'_> = Shown { address: None, typed: "", is_again: false, next: None, mails_url: None };

    fn html(tag: &str, shown: &Shown<'_>, problem: Option<Problem>) -> String {
        let pages = pages_in(tag);
        let problem = problem.map(|problem| FormProblem::new(problem, pages.clone(), 8));
        let texts = &pages.catalogue.texts;
        let view = view(texts, shown, problem.as_ref());
        let response = pages.response(StatusCode::OK, ACCOUNT, title(texts, shown), &view);
        String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn the_page_names_the_address_and_its_form_has_it() {
        for tag in LANGUAGES {
            let address = "ada&\"co\"@example.org";
            let shown = Shown { address: Some(address), typed: address, ..SHOWN };
            let first = html(tag, &shown, None);
            let again = html(tag, &Shown { is_again: true, ..shown }, None);
            let escaped = "ada&amp;&quot;co&quot;@example.org";
            for page in [&first, &again] {
                assert!(page.contains(&format!("<dd><bdi>{escaped}</bdi></dd>")), "{tag}: {page}");
                assert!(page.contains(&format!("value=\"{escaped}\"")), "{tag}: {page}");
            }
            assert!(!first.contains("role=\"status\"") && again.contains("role=\"status\""), "{tag}: {again}");
        }
    }

    #[test]
    fn without_an_address_the_page_claims_nothing_and_asks_for_one() {
        let page = html("en", &SHOWN, None);
        assert!(!page.contains("We have sent") && !page.contains("<dl>"), "{page}");
        assert!(page.contains("name=\"email\"") && page.contains("<h1>Send a new link</h1>"), "{page}");
    }

    #[test]
    fn a_refused_address_is_explained_beside_its_field_and_stays() {
        let refused = FieldError::at("#/email".to_owned(), "not-an-address", "It is none.");
        let page = html("en", &Shown { typed: "ada", ..SHOWN }, Some(Problem::ValidationFailed(vec![refused])));
        assert!(page.contains("-email-error\">This is not an email address.</p>"), "{page}");
        assert!(page.contains("value=\"ada\"") && !page.contains("role=\"alert\""), "{page}");
        let page = html("en", &SHOWN, Some(Problem::RateLimited(Duration::from_secs(1))));
        assert!(page.contains("role=\"alert\">There were too many attempts."), "{page}");
    }

    #[test]
    fn the_mails_are_linked_only_where_their_address_is_known() {
        let shown = Shown { mails_url: Some("http://127.0.0.1:8025/?a=1&b=2"), ..SHOWN };
        assert!(html("en", &shown, None).contains("href=\"http://127.0.0.1:8025/?a=1&amp;b=2\""));
        assert_eq!(html("en", &SHOWN, None).matches("href=").count(), 1);
    }

    #[test]
    fn the_cookie_has_no_white_space_so_it_is_as_short_as_an_address() {
        let typed = format!("{}ada@example.org\r\n", " ".repeat(40_000));
        assert_eq!(encode(&typed).expose_secret(), encode("ada@example.org").expose_secret());
    }

    #[test]
    fn a_cookie_with_anything_else_has_no_address() {
        assert_eq!(decode(&encode("ada@example.org")).as_deref(), Some("ada@example.org"));
        for cookie in ["", "%", "ada@example.org", "_w"] {
            assert!(decode(&SecretString::from(cookie)).is_none_or(|address| address.is_empty()), "{cookie}");
        }
    }
}
