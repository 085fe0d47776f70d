//! Every page behind mailed links with invented values, to check templates.

use actix_web::HttpResponse;
use events::{UndoneChange, sealing::Purpose};

use super::{
    AccountView, AddressView, CheckboxView, DonePage, FormError, FormView, LinkForm, LinkView, PasswordView,
    ReasonView, RefusedView, UsernameView,
};
use crate::{
    http::pages::{layout::LocalizedPages, link_page::LinkPage},
    problem::FieldError,
    usecase::{LinkState, LinkedAccount},
};

/// Returns views with every part, without each part, and without any. Every text is `text`.
pub(in crate::http::pages) fn views(text: &str) -> Vec<LinkView<'_>> {
    let without_part: [fn(&mut LinkView<'_>); 16] = [
        |view| view.error = None,
        |view| view.status = None,
        |view| view.text = None,
        |view| view.sign_in = None,
        |view| view.forms[0].text = None,
        |view| view.forms[0].account = None,
        |view| view.forms[0].token = None,
        |view| view.forms[0].action = None,
        |view| view.forms[0].checkbox = None,
        |view| view.forms[0].checkbox.as_mut().expect("it is there").error = None,
        |view| view.forms[0].username = None,
        |view| view.forms[0].username.as_mut().expect("it is there").refused = None,
        |view| view.forms[0].password = None,
        |view| view.forms[0].password.as_mut().expect("it is there").email = None,
        |view| view.forms[0].password.as_mut().expect("it is there").refused = None,
        |view| view.forms[0].address = None,
    ];
    let mut views = vec![full(text), LinkView::default()];
    views.extend(without_part.iter().map(|remove| {
        let mut view = full(text);
        remove(&mut view);
        view
    }));
    // Several forms, of which the last has no part.
    let mut several = full(text);
    several.forms.extend([full(text).forms.remove(0), FormView::default()]);
    views.push(several);
    views
}

fn full(text: &str) -> LinkView<'_> {
    let refused = || {
        let reason = |is_english| ReasonView { text: text.to_owned(), is_english };
        Some(RefusedView { text, reasons: vec![reason(true), reason(false)] })
    };
    let form = FormView {
        text: Some(text),
        account: Some(AccountView {
            username_label: text,
            username: text,
            created_label: text,
            created: text.to_owned(),
        }),
        path: "/example",
        token: Some(text),
        action: Some("example"),
        checkbox: Some(CheckboxView { label: text, error: Some(text) }),
        username: Some(UsernameView { label: text, hint: text, typed: text, refused: refused() }),
        password: Some(PasswordView { email: Some(text), label: text, hint: text.to_owned(), refused: refused() }),
        address: Some(AddressView { label: text, typed: text }),
        button: text,
    };
    LinkView { error: Some(text), status: Some(text), text: Some(text), forms: vec![form], sign_in: Some(text) }
}

impl LinkView<'static> {
    /// Returns a view with every part, whose texts can be told apart.
    pub(in crate::http::pages) fn example() -> Self {
        let mut view = full("example");
        (view.error, view.status, view.text) = (Some("example-error"), Some("example-status"), Some("example-text"));
        let form = &mut view.forms[0];
        (form.path, form.token, form.action) = ("/example-path", Some("example-token"), Some("example-action"));
        form.button = "example-button";
        view
    }
}

/// Returns every page with its status in one language, except those for a failure, which differ from the others only in
/// their texts. `value` is the username, the address, the token and what the reader enters.
pub(in crate::http::pages) fn every_page(pages: &LocalizedPages, value: &str) -> Vec<(u16, HttpResponse)> {
    let mut all: Vec<_> = forms(pages, value).into_iter().map(|(_, status, page)| (status, page)).collect();
    for done in [
        DonePage::EmailVerified,
        DonePage::PasswordReset,
        DonePage::EmailChanged,
        DonePage::EmailChangeUndone,
        DonePage::InvitationAccepted,
        DonePage::ChangeUndone(UndoneChange::Password),
        DonePage::ChangeUndone(UndoneChange::SignIn),
    ] {
        all.push((200, pages.done_page(done, value)));
    }
    for page in LinkPage::ALL {
        for state in [LinkState::Used, LinkState::Expired, LinkState::Unknown] {
            let is_disowned = page == LinkPage::VerifyEmail && state == LinkState::Used;
            all.push((if is_disowned { 200 } else { 400 }, pages.unusable_link_page(page, &state, value)));
        }
    }
    let refused = |pointer: &str, code| FieldError::at(pointer.to_owned(), code, "It is not accepted.");
    let reasons =
        [refused("#/username", "taken"), refused("#/password", "too-short"), refused("#/password", "without-a-text")];
    for page in LinkPage::ALL {
        for error in [FormError::NotTicked, FormError::Refused { username: value, reasons: &reasons }] {
            let account = account(page.purposes()[0], value);
            all.push((422, pages.form_page(page, &LinkForm { error, ..form(&account, value) })));
        }
    }
    all.extend([
        (200, pages.unusable_link_page(LinkPage::VerifyEmail, &LinkState::Confirmed, value)),
        (409, pages.email_taken_page()),
        (422, pages.address_refused_page(LinkPage::ResetPassword, value)),
        (200, pages.link_sent_page()),
    ]);
    all
}

/// Returns every page that has a form with the token, the page to which the form is sent, and its status.
pub(super) fn forms(pages: &LocalizedPages, value: &str) -> Vec<(LinkPage, u16, HttpResponse)> {
    use LinkPage::{AcceptInvitation, ResetPassword, VerifyEmail};
    let unusable = |page, state| (page, 400, pages.unusable_link_page(page, &state, value));
    let done = |done| (ResetPassword, 200, pages.done_page(done, value));
    let mut forms = vec![
        done(DonePage::Disowned),
        done(DonePage::ChangeUndone(UndoneChange::Totp)),
        done(DonePage::ChangeUndone(UndoneChange::RecoveryCodes)),
        unusable(VerifyEmail, LinkState::Expired),
        unusable(ResetPassword, LinkState::Expired),
        unusable(ResetPassword, LinkState::Used),
    ];
    let open = LinkedAccount { chooses_username: true, ..account(Purpose::Invitation, value) };
    forms.push((AcceptInvitation, 200, pages.form_page(AcceptInvitation, &form(&open, value))));
    for page in LinkPage::ALL {
        let of_purpose = |it: &Purpose| (page, 200, pages.form_page(page, &form(&account(*it, value), value)));
        forms.extend(page.purposes().iter().map(of_purpose));
    }
    forms
}

fn account(purpose: Purpose, value: &str) -> LinkedAccount {
    LinkedAccount {
        purpose,
        username: value.to_owned(),
        chooses_username: false,
        email: value.to_owned(),
        created_at: "2026-03-01T04:05:06Z".parse().expect("it is a time"),
    }
}

fn form<'a>(account: &'a LinkedAccount, token: &'a str) -> LinkForm<'a> {
    LinkForm { account, token, min_length: 8, error: FormError::None }
}
