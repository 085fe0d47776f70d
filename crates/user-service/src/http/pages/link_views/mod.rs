//! The contents of the pages behind mailed links: forms and their results. Showing a form does not use the token, so mail
//! scanners that follow links do no harm. Destructive forms have a box that a person must tick, because some scanners
//! press buttons, too.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use events::{UndoneChange, sealing::Purpose};
use i18n::Text;
use serde::Serialize;

pub(super) mod examples;

use super::{
    layout::{LINK, LocalizedPages, PagePermissions},
    link_page::LinkPage,
    texts::{FormTexts, MessageTexts, PageTexts, SignInUndoTexts, UndoneTexts},
};
use crate::{
    problem::{FieldError, Location, Problem},
    usecase::{LinkState, LinkedAccount},
};

/// The values of the template.
#[derive(Default, Serialize)]
pub(super) struct LinkView<'a> {
    error: Option<&'a str>,
    /// The result of what the reader did.
    status: Option<&'a str>,
    text: Option<&'a str>,
    forms: Vec<FormView<'a>>,
    /// The link to the sign-in, where the reader can sign in now.
    sign_in: Option<&'a str>,
}

#[derive(Default, Serialize)]
struct FormView<'a> {
    /// The paragraph before the form.
    text: Option<&'a str>,
    account: Option<AccountView<'a>>,
    path: &'static str,
    token: Option<&'a str>,
    /// The action, if it is not the main action of the page.
    action: Option<&'static str>,
    checkbox: Option<CheckboxView<'a>>,
    username: Option<UsernameView<'a>>,
    password: Option<PasswordView<'a>>,
    address: Option<AddressView<'a>>,
    button: &'a str,
}

/// The account whose address is confirmed, so that the reader knows what is confirmed.
#[derive(Default, Serialize)]
struct AccountView<'a> {
    username_label: &'a str,
    username: &'a str,
    created_label: &'a str,
    created: String,
}

/// The box that a person must tick before a destructive action.
#[derive(Default, Serialize)]
struct CheckboxView<'a> {
    label: &'a str,
    error: Option<&'a str>,
}

/// The field for the username that the reader of an invitation chooses.
#[derive(Default, Serialize)]
struct UsernameView<'a> {
    label: &'a str,
    hint: &'a str,
    typed: &'a str,
    refused: Option<RefusedView<'a>>,
}

/// The field for a new password. A field that only password managers see names the account, unless the form has a field
/// for the username.
#[derive(Default, Serialize)]
struct PasswordView<'a> {
    email: Option<&'a str>,
    label: &'a str,
    hint: String,
    refused: Option<RefusedView<'a>>,
}

#[derive(Default, Serialize)]
struct RefusedView<'a> {
    text: &'a str,
    reasons: Vec<ReasonView>,
}

#[derive(Default, Serialize)]
struct ReasonView {
    text: String,
    /// There is no text in the language of the page.
    is_english: bool,
}

/// The field for the address to which a link is sent.
#[derive(Default, Serialize)]
struct AddressView<'a> {
    label: &'a str,
    typed: &'a str,
}

/// The form of a page, for a valid link.
pub(super) struct LinkForm<'a> {
    pub(super) account: &'a LinkedAccount,
    pub(super) token: &'a str,
    /// The minimum length of a password.
    pub(super) min_length: usize,
    pub(super) error: FormError<'a>,
}

/// The reason why a form is shown again.
#[derive(Clone, Copy)]
pub(super) enum FormError<'a> {
    None,
    /// The form was sent without its box.
    NotTicked,
    /// A value was refused. The form keeps the entered username, and not the password.
    Refused {
        username: &'a str,
        reasons: &'a [FieldError],
    },
}

/// The page after the token was used.
#[derive(Debug, Clone, Copy)]
pub(super) enum DonePage {
    EmailVerified,
    Disowned,
    PasswordReset,
    EmailChanged,
    EmailChangeUndone,
    ChangeUndone(UndoneChange),
    InvitationAccepted,
}

impl LocalizedPages {
    fn texts(&self) -> &PageTexts {
        &self.catalogue.texts
    }

    fn link_response(&self, status: StatusCode, title: &str, view: &LinkView<'_>) -> HttpResponse {
        let scripts = view.forms.iter().any(|form| form.password.is_some());
        self.response_with(PagePermissions { scripts, ..PagePermissions::LEAST }, status, LINK, title, view)
    }

    fn message_page(&self, status: StatusCode, title: &str, text: &str) -> HttpResponse {
        self.link_response(status, title, &LinkView { status: Some(text), ..LinkView::default() })
    }

    /// Does the same with the link to the sign-in.
    fn sign_in_page(&self, status: StatusCode, title: &str, text: &str) -> HttpResponse {
        let view = LinkView { status: Some(text), sign_in: self.sign_in_link(), ..LinkView::default() };
        self.link_response(status, title, &view)
    }

    /// Returns the text of the link to the sign-in, if there are account pages.
    fn sign_in_link(&self) -> Option<&str> {
        self.has_account_pages.then_some(&*self.texts().sign_in.title)
    }

    /// Returns the page with the form of `page`. It is shown again after an error, and keeps the token but not the
    /// password.
    pub(super) fn form_page(&self, page: LinkPage, form: &LinkForm<'_>) -> HttpResponse {
        let texts = self.texts();
        let (title, forms) = match page {
            LinkPage::VerifyEmail => {
                (&texts.verify.title, vec![self.account_form(page, &texts.verify, form), self.disown_form(form)])
            }
            LinkPage::ResetPassword => (&texts.reset.title, vec![self.reset_form(form)]),
            LinkPage::AcceptInvitation => (&texts.invitation.title, vec![self.invitation_form(form)]),
            LinkPage::ConfirmEmail => (&texts.change.title, vec![self.account_form(page, &texts.change, form)]),
            LinkPage::UndoEmailChange | LinkPage::UndoChange => {
                (undo_texts(texts, form.account.purpose).title, vec![self.undo_form(page, form)])
            }
        };
        let status = match form.error {
            FormError::None => StatusCode::OK,
            FormError::NotTicked | FormError::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        self.link_response(status, title, &LinkView { forms, ..LinkView::default() })
    }

    /// Returns the form of a page that names the account.
    fn account_form<'a>(&'a self, page: LinkPage, texts: &'a FormTexts, form: &LinkForm<'a>) -> FormView<'a> {
        FormView {
            text: Some(&texts.text),
            account: Some(self.account(form.account)),
            button: &texts.button,
            ..main_form(page, form)
        }
    }

    fn disown_form<'a>(&'a self, form: &LinkForm<'a>) -> FormView<'a> {
        let texts = &self.texts().disown;
        FormView {
            text: Some(&texts.text),
            action: Some("disown"),
            checkbox: Some(self.checkbox(&texts.checkbox, form)),
            button: &texts.button,
            ..main_form(LinkPage::VerifyEmail, form)
        }
    }

    fn reset_form<'a>(&'a self, form: &LinkForm<'a>) -> FormView<'a> {
        let texts = &self.texts().reset;
        FormView {
            text: Some(&texts.text),
            password: Some(self.password(&texts.label, Some(&form.account.email), form)),
            button: &texts.button,
            ..main_form(LinkPage::ResetPassword, form)
        }
    }

    /// Returns the form that accepts an invitation. It names the account, or has a field for the username.
    fn invitation_form<'a>(&'a self, form: &LinkForm<'a>) -> FormView<'a> {
        let texts = &self.texts().invitation;
        let chooses = form.account.chooses_username;
        let username = || UsernameView {
            label: &self.texts().account.username,
            hint: &texts.username_hint,
            typed: match form.error {
                FormError::Refused { username, .. } => username,
                FormError::None | FormError::NotTicked => "",
            },
            refused: refused(form.error, &texts.username_refused, true, |code| {
                texts.reasons.reason(code).map(str::to_owned)
            }),
        };
        let email = (!chooses).then_some(form.account.email.as_str());
        FormView {
            text: Some(&texts.text),
            account: (!chooses).then(|| self.account(form.account)),
            username: chooses.then(username),
            password: Some(self.password(&texts.password, email, form)),
            button: &texts.button,
            ..main_form(LinkPage::AcceptInvitation, form)
        }
    }

    fn password<'a>(&'a self, label: &'a str, email: Option<&'a str>, form: &LinkForm<'a>) -> PasswordView<'a> {
        let (texts, language) = (&self.texts().reset, &self.catalogue.language);
        let reason = |code: &str| texts.reason(code, language, form.min_length);
        let refused = refused(form.error, &texts.refused, false, reason);
        PasswordView { email, label, hint: texts.hint(language, form.min_length), refused }
    }

    fn undo_form<'a>(&'a self, page: LinkPage, form: &LinkForm<'a>) -> FormView<'a> {
        let texts = undo_texts(self.texts(), form.account.purpose);
        FormView {
            text: Some(texts.text),
            checkbox: Some(self.checkbox(texts.checkbox, form)),
            button: texts.button,
            ..main_form(page, form)
        }
    }

    fn account<'a>(&'a self, account: &'a LinkedAccount) -> AccountView<'a> {
        let texts = &self.texts().account;
        AccountView {
            username_label: &texts.username,
            username: &account.username,
            created_label: &texts.created,
            created: self.catalogue.language.dates.format(account.created_at),
        }
    }

    fn checkbox<'a>(&'a self, label: &'a str, form: &LinkForm<'_>) -> CheckboxView<'a> {
        let error = matches!(form.error, FormError::NotTicked).then_some(&*self.texts().fields.checkbox_not_ticked);
        CheckboxView { label, error }
    }

    /// Returns the page after the token was used. If an account was disowned, or an undo did not send a link to choose a
    /// new password, the page offers to send one.
    pub(super) fn done_page(&self, done: DonePage, token: &str) -> HttpResponse {
        let texts = self.texts();
        let (title, text) = match done {
            DonePage::EmailVerified => title_and_text(&texts.verified),
            DonePage::Disowned => title_and_text(&texts.disowned),
            DonePage::PasswordReset => title_and_text(&texts.reset_done),
            DonePage::EmailChanged => title_and_text(&texts.changed),
            DonePage::EmailChangeUndone => undone(&texts.undo.email),
            DonePage::InvitationAccepted => title_and_text(&texts.invitation_done),
            DonePage::ChangeUndone(UndoneChange::Password) => undone(&texts.undo.password),
            DonePage::ChangeUndone(UndoneChange::Totp) => undone(&texts.undo.totp),
            DonePage::ChangeUndone(UndoneChange::RecoveryCodes) => undone(&texts.undo.codes),
            DonePage::ChangeUndone(UndoneChange::SignIn) => {
                (&*texts.undo.sign_in.done_title, &*texts.undo.sign_in.done_text)
            }
        };
        let forms = match done {
            DonePage::Disowned | DonePage::ChangeUndone(UndoneChange::Totp | UndoneChange::RecoveryCodes) => {
                vec![resend_form(LinkPage::ResetPassword, token, &texts.send.reset_button)]
            }
            _ => Vec::new(),
        };
        let sign_in = match done {
            DonePage::EmailVerified
            | DonePage::PasswordReset
            | DonePage::EmailChanged
            | DonePage::InvitationAccepted => self.sign_in_link(),
            // The password does not work any more, or should be changed first.
            DonePage::Disowned | DonePage::EmailChangeUndone | DonePage::ChangeUndone(_) => None,
        };
        let view = LinkView { status: Some(text), forms, sign_in, ..LinkView::default() };
        self.link_response(StatusCode::OK, title, &view)
    }

    /// Returns the page for a new email address that another account has taken meanwhile.
    pub(super) fn email_taken_page(&self) -> HttpResponse {
        let (title, text) = title_and_text(&self.texts().taken);
        self.sign_in_page(StatusCode::CONFLICT, title, text)
    }

    /// Returns the page that explains why a link cannot be used, and what the reader can do.
    pub(super) fn unusable_link_page(&self, page: LinkPage, state: &LinkState, token: &str) -> HttpResponse {
        let (texts, send) = (self.texts(), &self.texts().send);
        let unusable = &texts.unusable;
        let (title, text) = match (state, page) {
            (LinkState::Confirmed, _) => {
                return self.sign_in_page(StatusCode::OK, &texts.verified.title, &unusable.confirmed_text);
            }
            // The link was used, but the address is not verified: the account was disowned.
            (LinkState::Used, LinkPage::VerifyEmail) => return self.done_page(DonePage::Disowned, token),
            (LinkState::Used, LinkPage::ResetPassword) => (&*unusable.used.title, &*unusable.reset_used_text),
            (LinkState::Used, _) => title_and_text(&unusable.used),
            (LinkState::Expired, _) => title_and_text(&unusable.expired),
            (LinkState::Unknown | LinkState::Valid(_), _) => title_and_text(&unusable.unknown),
        };
        let can_sign_in = match page {
            LinkPage::ConfirmEmail => true,
            LinkPage::ResetPassword | LinkPage::AcceptInvitation => *state == LinkState::Used,
            LinkPage::VerifyEmail | LinkPage::UndoEmailChange | LinkPage::UndoChange => false,
        };
        let sign_in = self.sign_in_link().filter(|_| can_sign_in);
        let mut view = LinkView { status: Some(text), sign_in, ..LinkView::default() };
        match page {
            LinkPage::VerifyEmail | LinkPage::ResetPassword => view.forms.push(match state {
                LinkState::Used | LinkState::Expired => resend_form(page, token, &send.button),
                _ => self.address_form(page, &send.text, "", &send.button),
            }),
            LinkPage::ConfirmEmail if *state == LinkState::Used => {}
            LinkPage::ConfirmEmail => view.text = Some(&unusable.change_again_text),
            LinkPage::AcceptInvitation if *state != LinkState::Used => {
                view.text = Some(&unusable.invitation_again_text);
            }
            // The reader of a used invitation may have forgotten the password that was chosen with it.
            LinkPage::UndoEmailChange | LinkPage::UndoChange | LinkPage::AcceptInvitation => {
                view.forms.push(self.address_form(LinkPage::ResetPassword, &send.reset_text, "", &send.reset_button));
            }
        }
        self.link_response(StatusCode::BAD_REQUEST, title, &view)
    }

    /// Returns the page after the entered text was not an email address.
    pub(super) fn address_refused_page(&self, page: LinkPage, typed: &str) -> HttpResponse {
        let (texts, send) = (self.texts(), &self.texts().send);
        let forms = vec![self.address_form(page, &send.text, typed, &send.button)];
        let view = LinkView { error: Some(&texts.fields.address_invalid), forms, ..LinkView::default() };
        self.link_response(StatusCode::UNPROCESSABLE_ENTITY, &send.button, &view)
    }

    /// Returns a form that sends a link to an entered address.
    fn address_form<'a>(&'a self, page: LinkPage, text: &'a str, typed: &'a str, button: &'a str) -> FormView<'a> {
        FormView {
            text: Some(text),
            path: page.path(),
            action: Some("resend"),
            address: Some(AddressView { label: &self.texts().fields.address, typed }),
            button,
            ..FormView::default()
        }
    }

    /// Returns the page after a link was requested. It does not reveal whether one is sent.
    pub(super) fn link_sent_page(&self) -> HttpResponse {
        let (title, text) = title_and_text(&self.texts().sent);
        self.message_page(StatusCode::OK, title, text)
    }

    /// Returns the page after another site has sent a form.
    pub(super) fn foreign_form_page(&self) -> HttpResponse {
        let (title, text) = title_and_text(&self.texts().account_pages.foreign_form);
        self.message_page(StatusCode::FORBIDDEN, title, text)
    }

    /// Returns the page after a requested link could not be sent.
    pub(super) fn link_not_sent_page(&self, problem: &Problem) -> HttpResponse {
        self.failure_page(problem, &self.texts().failed.not_sent_text)
    }

    /// Returns the page for a failure that did not use the token: a component is unavailable, or a rate limit was
    /// reached.
    pub(super) fn try_again_page(&self, problem: &Problem) -> HttpResponse {
        let texts = &self.texts().failed;
        let is_limited = matches!(problem, Problem::RateLimited(_));
        self.failure_page(problem, if is_limited { &texts.rate_limited_text } else { &texts.unavailable_text })
    }

    fn failure_page(&self, problem: &Problem, text: &str) -> HttpResponse {
        problem.log_cause();
        let mut response = self.message_page(problem.status(), &self.texts().failed.title, text);
        if let Some(seconds) = problem.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn title_and_text(texts: &MessageTexts) -> (&str, &str) {
    (&texts.title, &texts.text)
}

fn undone(texts: &UndoneTexts) -> (&str, &str) {
    (&texts.done_title, &texts.done_text)
}

/// The texts of the form that undoes a change or disowns a sign-in.
struct UndoFormTexts<'a> {
    title: &'a Text,
    text: &'a Text,
    checkbox: &'a Text,
    button: &'a Text,
}

fn undo_texts(texts: &PageTexts, purpose: Purpose) -> UndoFormTexts<'_> {
    let undo = &texts.undo;
    let change = match purpose {
        Purpose::SignInUndo => {
            let SignInUndoTexts { title, text, checkbox, button, .. } = &undo.sign_in;
            return UndoFormTexts { title, text, checkbox, button };
        }
        Purpose::PasswordChangeUndo => &undo.password,
        Purpose::TotpUndo => &undo.totp,
        Purpose::RecoveryCodesUndo => &undo.codes,
        Purpose::EmailVerification
        | Purpose::PasswordReset
        | Purpose::EmailChange
        | Purpose::EmailChangeUndo
        | Purpose::Invitation => &undo.email,
    };
    UndoFormTexts { title: &change.title, text: &change.text, checkbox: &undo.checkbox, button: &undo.button }
}

/// Returns why a field was refused: the username if `of_username`, else the password. `reason` returns the text for a
/// code in the language of the page.
fn refused<'a>(
    error: FormError<'_>,
    text: &'a str,
    of_username: bool,
    reason: impl Fn(&str) -> Option<String>,
) -> Option<RefusedView<'a>> {
    let FormError::Refused { reasons, .. } = error else { return None };
    let is_of_username = |error: &&FieldError| error.location == Location::Pointer("#/username".to_owned());
    let reasons: Vec<_> = reasons.iter().filter(|error| is_of_username(error) == of_username).collect();
    let view = |error: &FieldError| match reason(error.code) {
        Some(text) => ReasonView { text, is_english: false },
        None => ReasonView { text: error.detail.clone(), is_english: true },
    };
    (!reasons.is_empty()).then(|| RefusedView { text, reasons: reasons.into_iter().map(view).collect() })
}

/// Returns a form that posts the token to the path of the page.
fn main_form<'a>(page: LinkPage, form: &LinkForm<'a>) -> FormView<'a> {
    FormView { path: page.path(), token: Some(form.token), ..FormView::default() }
}

/// Returns a form with one button, which sends a new link to the address to which this link was mailed.
fn resend_form<'a>(page: LinkPage, token: &'a str, button: &'a str) -> FormView<'a> {
    FormView { path: page.path(), token: Some(token), action: Some("resend"), button, ..FormView::default() }
}

#[cfg(test)]
mod tests;
