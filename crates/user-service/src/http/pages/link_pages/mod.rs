//! The HTML of the pages behind mailed links: forms and their results. Showing a form does not use the token, so mail
//! scanners that follow links do no harm. Destructive forms have a box that a person must tick, because some scanners
//! press buttons, too.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use events::sealing::Purpose;

use super::{
    layout::{Escaped, Page},
    texts::{Texts, UndoTexts},
};
use crate::{
    http::extractors::language::Language,
    problem::{FieldError, Problem},
    usecase::{LinkState, LinkedAccount, RequestedMail},
};

/// The page behind one kind of link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPage {
    VerifyEmail,
    ResetPassword,
    ConfirmEmail,
    UndoEmailChange,
    UndoChange,
}

impl LinkPage {
    const fn path(self) -> &'static str {
        match self {
            Self::VerifyEmail => "/verify-email",
            Self::ResetPassword => "/reset-password",
            Self::ConfirmEmail => "/confirm-email",
            Self::UndoEmailChange => "/undo-email-change",
            Self::UndoChange => "/undo-change",
        }
    }

    /// Returns the purposes of the links to this page.
    #[must_use]
    pub const fn purposes(self) -> &'static [Purpose] {
        match self {
            Self::VerifyEmail => &[Purpose::EmailVerification],
            Self::ResetPassword => &[Purpose::PasswordReset],
            Self::ConfirmEmail => &[Purpose::EmailChange],
            Self::UndoEmailChange => &[Purpose::EmailChangeUndo],
            Self::UndoChange => &[Purpose::PasswordChangeUndo, Purpose::TotpUndo, Purpose::RecoveryCodesUndo],
        }
    }

    /// Returns the mail that this page can send again.
    #[must_use]
    pub const fn mail(self) -> Option<RequestedMail> {
        match self {
            Self::VerifyEmail => Some(RequestedMail::Verification),
            Self::ResetPassword => Some(RequestedMail::Reset),
            Self::ConfirmEmail | Self::UndoEmailChange | Self::UndoChange => None,
        }
    }
}

/// Returns the page that verifies an email address. It names the account, so that the reader knows what is confirmed.
/// `box_not_ticked`: the form that disowns the account was sent without the box.
#[must_use]
pub fn verify_email_page(
    account: &LinkedAccount,
    token: &str,
    box_not_ticked: bool,
    language: Language,
) -> HttpResponse {
    let texts = Texts::for_language(language);
    let (page, token) = (LinkPage::VerifyEmail, HiddenField("token", token));
    let disown = [token, HiddenField("action", "disown")];
    let body = [
        paragraph(texts.verify_text),
        account_details(texts, account),
        form(page, &[token], "", texts.verify_button),
        "<hr>".to_owned(),
        paragraph(texts.disown_text),
        form(page, &disown, &checkbox(texts, texts.disown_box, box_not_ticked), texts.disown_button),
    ]
    .join("\n");
    Page { status: form_status(box_not_ticked), language, title: texts.verify_title, body }.into_response()
}

/// Returns the page after an email address was verified.
#[must_use]
pub fn email_verified_page(language: Language) -> HttpResponse {
    let texts = Texts::for_language(language);
    message_page(StatusCode::OK, language, texts.verified_title, texts.verified_text)
}

/// Returns the page after an account was disowned. It offers a password reset, with which the reader gets the account.
#[must_use]
pub fn disowned_page(token: &str, language: Language) -> HttpResponse {
    let texts = Texts::for_language(language);
    let body = format!("{}\n{}", status_paragraph(texts.disowned_text), reset_offer_form(texts, token));
    Page { status: StatusCode::OK, language, title: texts.disowned_title, body }.into_response()
}

/// Returns the page with the form for a new password. After a refused password, the page shows the reasons, and its form
/// keeps the token but not the password. A field that only password managers see names the account.
#[must_use]
pub fn reset_password_page(
    account: &LinkedAccount,
    token: &str,
    min_length: usize,
    refused: &[FieldError],
    language: Language,
) -> HttpResponse {
    let texts = Texts::for_language(language);
    let error = if refused.is_empty() {
        String::new()
    } else {
        let reason = |invalid: &FieldError| match texts.password_reason(invalid.code, min_length) {
            Some(reason) => Escaped(&reason).to_string(),
            None => format!("<span lang=\"en\" dir=\"ltr\">{}</span>", Escaped(&invalid.detail)),
        };
        let reasons = refused.iter().map(reason).collect::<Vec<_>>().join("<br>");
        let sentence = Escaped(texts.password_refused);
        format!("<p class=\"error\" id=\"error\" role=\"alert\">{sentence}<br>{reasons}</p>\n")
    };
    let described = if refused.is_empty() { "hint" } else { "error hint\" aria-invalid=\"true" };
    let fields = format!(
        "<input type=\"text\" class=\"unseen\" name=\"username\" autocomplete=\"username\" value=\"{email}\" readonly tabindex=\"-1\" aria-hidden=\"true\">\n\
         <label for=\"password\">{label}</label>\n\
         <input type=\"password\" id=\"password\" name=\"newPassword\" autocomplete=\"new-password\" required aria-describedby=\"{described}\">\n\
         <p class=\"soft\" id=\"hint\">{hint}</p>\n\
         {error}",
        email = Escaped(&account.email),
        label = Escaped(texts.reset_label),
        hint = Escaped(&texts.password_hint(min_length)),
    );
    let form = form(LinkPage::ResetPassword, &[HiddenField("token", token)], &fields, texts.reset_button);
    let body = format!("{}\n{form}", paragraph(texts.reset_text));
    Page { status: form_status(!refused.is_empty()), language, title: texts.reset_title, body }.into_response()
}

/// Returns the page after a password was reset.
#[must_use]
pub fn password_reset_page(language: Language) -> HttpResponse {
    let texts = Texts::for_language(language);
    message_page(StatusCode::OK, language, texts.reset_done_title, texts.reset_done_text)
}

/// Returns the page that confirms a new email address. It names the account that gets the address.
#[must_use]
pub fn confirm_email_page(account: &LinkedAccount, token: &str, language: Language) -> HttpResponse {
    let texts = Texts::for_language(language);
    let form = form(LinkPage::ConfirmEmail, &[HiddenField("token", token)], "", texts.change_button);
    let body = [paragraph(texts.change_text), account_details(texts, account), form].join("\n");
    Page { status: StatusCode::OK, language, title: texts.change_title, body }.into_response()
}

/// Returns the page after a change of the email address was confirmed.
#[must_use]
pub fn email_changed_page(language: Language) -> HttpResponse {
    let texts = Texts::for_language(language);
    message_page(StatusCode::OK, language, texts.changed_title, texts.changed_text)
}

/// Returns the page for a new email address that another account has taken meanwhile.
#[must_use]
pub fn email_taken_page(language: Language) -> HttpResponse {
    let texts = Texts::for_language(language);
    message_page(StatusCode::CONFLICT, language, texts.taken_title, texts.taken_text)
}

/// Returns the page that undoes the kind of change that `purpose` names. `box_not_ticked`: the form was sent without the
/// box.
#[must_use]
pub fn undo_page(
    page: LinkPage,
    purpose: Purpose,
    token: &str,
    box_not_ticked: bool,
    language: Language,
) -> HttpResponse {
    let texts = Texts::for_language(language);
    let undo = undo_texts(texts, purpose);
    let fields = checkbox(texts, texts.undo_box, box_not_ticked);
    let form = form(page, &[HiddenField("token", token)], &fields, texts.undo_button);
    let body = format!("{}\n{form}", paragraph(undo.text));
    Page { status: form_status(box_not_ticked), language, title: undo.title, body }.into_response()
}

/// Returns the page after a change was undone. If the undo did not send a link to choose a new password, the page offers
/// to send one.
#[must_use]
pub fn undone_page(purpose: Purpose, token: &str, language: Language) -> HttpResponse {
    let texts = Texts::for_language(language);
    let undo = undo_texts(texts, purpose);
    let offer = match purpose {
        Purpose::TotpUndo | Purpose::RecoveryCodesUndo => reset_offer_form(texts, token),
        _ => String::new(),
    };
    let body = format!("{}\n{offer}", status_paragraph(undo.done_text));
    Page { status: StatusCode::OK, language, title: undo.done_title, body }.into_response()
}

/// Returns the page that explains why a link cannot be used, and what the reader can do.
#[must_use]
pub fn unusable_link_page(page: LinkPage, state: &LinkState, token: &str, language: Language) -> HttpResponse {
    let texts = Texts::for_language(language);
    let (title, text) = match (state, page) {
        (LinkState::Confirmed, _) => {
            return message_page(StatusCode::OK, language, texts.verified_title, texts.confirmed_text);
        }
        // The link was used, but the address is not verified: the account was disowned.
        (LinkState::Used, LinkPage::VerifyEmail) => return disowned_page(token, language),
        (LinkState::Used, LinkPage::ResetPassword) => (texts.used_title, texts.reset_used_text),
        (LinkState::Used, _) => (texts.used_title, texts.used_text),
        (LinkState::Expired, _) => (texts.expired_title, texts.expired_text),
        (LinkState::Unknown | LinkState::Valid(_), _) => (texts.unknown_title, texts.unknown_text),
    };
    let next = match page {
        LinkPage::VerifyEmail | LinkPage::ResetPassword => match state {
            LinkState::Used | LinkState::Expired => resend_form(page, token, texts.send_button),
            _ => address_form(texts, page, texts.address_form_text, "", texts.send_button),
        },
        LinkPage::ConfirmEmail if *state == LinkState::Used => String::new(),
        LinkPage::ConfirmEmail => paragraph(texts.change_again_text),
        LinkPage::UndoEmailChange | LinkPage::UndoChange => {
            address_form(texts, LinkPage::ResetPassword, texts.address_form_reset_text, "", texts.reset_offer_button)
        }
    };
    let body = format!("{}\n{next}", status_paragraph(text));
    Page { status: StatusCode::BAD_REQUEST, language, title, body }.into_response()
}

/// Returns the page after the entered text was not an email address.
#[must_use]
pub fn address_refused_page(page: LinkPage, typed: &str, language: Language) -> HttpResponse {
    let texts = Texts::for_language(language);
    let error = format!("<p class=\"error\" role=\"alert\">{}</p>", Escaped(texts.address_invalid));
    let body = format!("{error}\n{}", address_form(texts, page, texts.address_form_text, typed, texts.send_button));
    Page { status: StatusCode::UNPROCESSABLE_ENTITY, language, title: texts.send_button, body }.into_response()
}

/// Returns the page after a link was requested. It does not reveal whether one is sent.
#[must_use]
pub fn link_sent_page(language: Language) -> HttpResponse {
    let texts = Texts::for_language(language);
    message_page(StatusCode::OK, language, texts.sent_title, texts.sent_text)
}

/// Returns the page after a requested link could not be sent.
#[must_use]
pub fn link_not_sent_page(failure: &Problem, language: Language) -> HttpResponse {
    failure_page(failure, language, |texts, _| texts.not_sent_text)
}

/// Returns the page for a failure that did not use the token: a component is unavailable, or a rate limit was reached.
#[must_use]
pub fn try_again_page(failure: &Problem, language: Language) -> HttpResponse {
    failure_page(failure, language, |texts, problem| match problem {
        Problem::RateLimited(_) => texts.rate_limited_text,
        _ => texts.unavailable_text,
    })
}

fn failure_page(
    failure: &Problem,
    language: Language,
    text: impl FnOnce(&'static Texts, &Problem) -> &'static str,
) -> HttpResponse {
    let texts = Texts::for_language(language);
    failure.log_cause();
    let mut response = message_page(failure.status(), language, texts.unavailable_title, text(texts, failure));
    if let Some(seconds) = failure.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn undo_texts(texts: &Texts, purpose: Purpose) -> &UndoTexts {
    match purpose {
        Purpose::PasswordChangeUndo => &texts.undo_password,
        Purpose::TotpUndo => &texts.undo_totp,
        Purpose::RecoveryCodesUndo => &texts.undo_codes,
        Purpose::EmailVerification | Purpose::PasswordReset | Purpose::EmailChange | Purpose::EmailChangeUndo => {
            &texts.undo_email
        }
    }
}

/// Returns username and creation time of the account. The username is escaped, because the registrant chose it.
fn account_details(texts: &Texts, account: &LinkedAccount) -> String {
    format!(
        "<dl>\n\
         <dt>{username_label}</dt><dd><bdi>{username}</bdi></dd>\n\
         <dt>{created_label}</dt><dd>{created}</dd>\n\
         </dl>",
        username_label = Escaped(texts.account_username),
        username = Escaped(&account.username),
        created_label = Escaped(texts.account_created),
        created = Escaped(&texts.date_format.format(account.created_at)),
    )
}

/// Returns the status of a form, which is 422 if it is shown again with an error.
fn form_status(is_refused: bool) -> StatusCode {
    if is_refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
}

/// A hidden field of a form: name and value.
#[derive(Clone, Copy)]
struct HiddenField<'a>(&'static str, &'a str);

/// Returns a form that posts to the path of the page.
fn form(page: LinkPage, hidden: &[HiddenField<'_>], fields: &str, button: &str) -> String {
    let hidden: String = hidden
        .iter()
        .map(|HiddenField(name, value)| {
            format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", Escaped(value))
        })
        .collect();
    let (path, button) = (page.path(), Escaped(button));
    format!(
        "<form method=\"post\" action=\"{path}\">\n{hidden}{fields}<button type=\"submit\">{button}</button>\n</form>"
    )
}

/// Returns the box that a person must tick before a destructive action.
fn checkbox(texts: &Texts, label: &str, is_missing: bool) -> String {
    let (error, described) = if is_missing {
        let sentence = Escaped(texts.box_not_ticked);
        let error = format!("<p class=\"error\" id=\"error\" role=\"alert\">{sentence}</p>\n");
        (error, " aria-describedby=\"error\" aria-invalid=\"true\"")
    } else {
        (String::new(), "")
    };
    format!(
        "{error}<p class=\"check\"><input type=\"checkbox\" id=\"confirmed\" name=\"confirmed\" value=\"yes\" required{described}>\n\
         <label for=\"confirmed\">{}</label></p>\n",
        Escaped(label)
    )
}

/// Returns a form with one button, which sends a new link to the address to which this link was mailed.
fn resend_form(page: LinkPage, token: &str, button: &str) -> String {
    form(page, &[HiddenField("token", token), HiddenField("action", "resend")], "", button)
}

fn reset_offer_form(texts: &Texts, token: &str) -> String {
    resend_form(LinkPage::ResetPassword, token, texts.reset_offer_button)
}

/// Returns a form that sends a link to an entered address.
fn address_form(texts: &Texts, page: LinkPage, text: &str, typed: &str, button: &str) -> String {
    let fields = format!(
        "<label for=\"email\">{label}</label>\n\
         <input type=\"email\" id=\"email\" name=\"email\" autocomplete=\"email\" dir=\"ltr\" value=\"{typed}\" required>\n",
        label = Escaped(texts.address_label),
        typed = Escaped(typed),
    );
    format!("{}\n{}", paragraph(text), form(page, &[HiddenField("action", "resend")], &fields, button))
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>", Escaped(text))
}

fn status_paragraph(text: &str) -> String {
    format!("<p role=\"status\">{}</p>", Escaped(text))
}

fn message_page(status: StatusCode, language: Language, title: &str, text: &str) -> HttpResponse {
    Page { status, language, title, body: status_paragraph(text) }.into_response()
}

#[cfg(test)]
mod tests;
