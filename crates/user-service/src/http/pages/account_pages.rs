//! The pages behind the links in mails: forms, and what became of them. Looking at a
//! form consumes nothing, so a mail scanner that follows links does no harm; what destroys
//! something has a box that a person must tick, because some scanners press buttons too.

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
    domain::Invalid,
    http::{errors::problem::Problem, extractors::language::Language},
    usecase::{Failure, LinkState, LinkedAccount, RequestedMail},
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

    /// What the links to this page are for.
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

    /// The mail that this page sends again, if it does.
    #[must_use]
    pub const fn mail(self) -> Option<RequestedMail> {
        match self {
            Self::VerifyEmail => Some(RequestedMail::Verification),
            Self::ResetPassword => Some(RequestedMail::Reset),
            Self::ConfirmEmail | Self::UndoEmailChange | Self::UndoChange => None,
        }
    }
}

/// The verification page: it names the account, so that the reader knows what is confirmed. `box_missing` after the
/// account was to be disowned without the box.
#[must_use]
pub fn verify_email_page(account: &LinkedAccount, token: &str, box_missing: bool, language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    let (page, token) = (LinkPage::VerifyEmail, Hidden("token", token));
    let disown = [token, Hidden("action", "disown")];
    let body = [
        paragraph(texts.verify_text),
        account_facts(texts, account),
        form(page, &[token], "", texts.verify_button),
        "<hr>".to_owned(),
        paragraph(texts.disown_text),
        form(page, &disown, &check_box(texts, texts.disown_box, box_missing), texts.disown_button),
    ]
    .join("\n");
    Page { status: status(box_missing), language, title: texts.verify_title, body }.into_response()
}

/// The address is confirmed.
#[must_use]
pub fn email_verified_page(language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    message(StatusCode::OK, language, texts.verified_title, texts.verified_text)
}

/// The reader said that the account is not theirs. A reset takes it over.
#[must_use]
pub fn disowned_page(token: &str, language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    let body = format!("{}\n{}", outcome(texts.disowned_text), reset_offer(texts, token));
    Page { status: StatusCode::OK, language, title: texts.disowned_title, body }.into_response()
}

/// The reset page, and again with the reasons when a password was refused: the token is kept in the form, the
/// password is not. A field that only password managers see says whose password it is.
#[must_use]
pub fn reset_password_page(
    account: &LinkedAccount,
    token: &str,
    min_length: usize,
    refused: &[Invalid],
    language: Language,
) -> HttpResponse {
    let texts = Texts::of(language);
    let error = if refused.is_empty() {
        String::new()
    } else {
        let reason = |invalid: &Invalid| match texts.password_reason(invalid.code, min_length) {
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
    let form = form(LinkPage::ResetPassword, &[Hidden("token", token)], &fields, texts.reset_button);
    let body = format!("{}\n{form}", paragraph(texts.reset_text));
    Page { status: status(!refused.is_empty()), language, title: texts.reset_title, body }.into_response()
}

/// The password is set.
#[must_use]
pub fn password_reset_page(language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    message(StatusCode::OK, language, texts.reset_done_title, texts.reset_done_text)
}

/// The page that confirms a new address; it names the account that gets it.
#[must_use]
pub fn confirm_email_page(account: &LinkedAccount, token: &str, language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    let form = form(LinkPage::ConfirmEmail, &[Hidden("token", token)], "", texts.change_button);
    let body = [paragraph(texts.change_text), account_facts(texts, account), form].join("\n");
    Page { status: StatusCode::OK, language, title: texts.change_title, body }.into_response()
}

/// The account has the new address.
#[must_use]
pub fn email_changed_page(language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    message(StatusCode::OK, language, texts.changed_title, texts.changed_text)
}

/// Another account has the new address by now.
#[must_use]
pub fn email_taken_page(language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    message(StatusCode::CONFLICT, language, texts.taken_title, texts.taken_text)
}

/// A page that undoes the kind of change that `purpose` names; `box_missing` after it was sent without the box.
#[must_use]
pub fn undo_page(page: LinkPage, purpose: Purpose, token: &str, box_missing: bool, language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    let undo = undo_texts(texts, purpose);
    let fields = check_box(texts, texts.undo_box, box_missing);
    let form = form(page, &[Hidden("token", token)], &fields, texts.undo_button);
    let body = format!("{}\n{form}", paragraph(undo.text));
    Page { status: status(box_missing), language, title: undo.title, body }.into_response()
}

/// The change is undone. Where the undo has not sent a link to choose a new password itself, the page offers one.
#[must_use]
pub fn undone_page(purpose: Purpose, token: &str, language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    let undo = undo_texts(texts, purpose);
    let offer = match purpose {
        Purpose::TotpUndo | Purpose::RecoveryCodesUndo => reset_offer(texts, token),
        _ => String::new(),
    };
    let body = format!("{}\n{offer}", outcome(undo.done_text));
    Page { status: StatusCode::OK, language, title: undo.done_title, body }.into_response()
}

/// What is so with a link that cannot be used, and what the reader can do now.
#[must_use]
pub fn dead_link_page(page: LinkPage, state: &LinkState, token: &str, language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    let (title, text) = match (state, page) {
        (LinkState::Confirmed, _) => {
            return message(StatusCode::OK, language, texts.verified_title, texts.confirmed_text);
        }
        // A verification link is used up, and the address is not verified.
        (LinkState::Used, LinkPage::VerifyEmail) => return disowned_page(token, language),
        (LinkState::Used, LinkPage::ResetPassword) => (texts.used_title, texts.reset_used_text),
        (LinkState::Used, _) => (texts.used_title, texts.used_text),
        (LinkState::Expired, _) => (texts.expired_title, texts.expired_text),
        (LinkState::Unknown | LinkState::Valid(_), _) => (texts.refused_title, texts.refused_text),
    };
    let next = match page {
        LinkPage::VerifyEmail | LinkPage::ResetPassword => match state {
            LinkState::Used | LinkState::Expired => send_again(page, token, texts.send_button),
            _ => ask_form(texts, page, texts.ask_text, "", texts.send_button),
        },
        LinkPage::ConfirmEmail if *state == LinkState::Used => String::new(),
        LinkPage::ConfirmEmail => paragraph(texts.change_again_text),
        LinkPage::UndoEmailChange | LinkPage::UndoChange => {
            ask_form(texts, LinkPage::ResetPassword, texts.ask_reset_text, "", texts.reset_offer_button)
        }
    };
    let body = format!("{}\n{next}", outcome(text));
    Page { status: StatusCode::BAD_REQUEST, language, title, body }.into_response()
}

/// What was typed is not an address that a link can be sent to.
#[must_use]
pub fn address_refused_page(page: LinkPage, typed: &str, language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    let error = format!("<p class=\"error\" role=\"alert\">{}</p>", Escaped(texts.ask_invalid));
    let body = format!("{error}\n{}", ask_form(texts, page, texts.ask_text, typed, texts.send_button));
    Page { status: StatusCode::UNPROCESSABLE_ENTITY, language, title: texts.send_button, body }.into_response()
}

/// A link was asked for. The answer does not tell whether one is sent.
#[must_use]
pub fn link_sent_page(language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    message(StatusCode::OK, language, texts.sent_title, texts.sent_text)
}

/// A link was asked for, and none can be sent at the moment.
#[must_use]
pub fn link_not_sent_page(failure: Failure, language: Language) -> HttpResponse {
    failure_page(failure, language, |texts, _| texts.not_sent_text)
}

/// Nothing was consumed: a part of the service is away, or too much was asked of it.
#[must_use]
pub fn try_again_page(failure: Failure, language: Language) -> HttpResponse {
    failure_page(failure, language, |texts, problem| match problem {
        Problem::RateLimited { .. } => texts.throttled_text,
        _ => texts.unavailable_text,
    })
}

fn failure_page(
    failure: Failure,
    language: Language,
    text: impl FnOnce(&'static Texts, &Problem) -> &'static str,
) -> HttpResponse {
    let texts = Texts::of(language);
    let problem = Problem::from(failure);
    let mut response = message(problem.status(), language, texts.unavailable_title, text(texts, &problem));
    if let Some(seconds) = problem.retry_after() {
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

/// Which account it is: what the registrant chose is text.
fn account_facts(texts: &Texts, account: &LinkedAccount) -> String {
    format!(
        "<dl>\n\
         <dt>{username_label}</dt><dd><bdi>{username}</bdi></dd>\n\
         <dt>{created_label}</dt><dd>{created}</dd>\n\
         </dl>",
        username_label = Escaped(texts.account_username),
        username = Escaped(&account.username),
        created_label = Escaped(texts.account_created),
        created = Escaped(&texts.dates.format(account.created_at)),
    )
}

/// A form that is shown again because something in it is missing or wrong.
fn status(is_refused: bool) -> StatusCode {
    if is_refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK }
}

/// A field that the form sends and the reader does not see: name and value.
#[derive(Clone, Copy)]
struct Hidden<'a>(&'static str, &'a str);

/// A form that posts to the page's own path.
fn form(page: LinkPage, hidden: &[Hidden<'_>], fields: &str, button: &str) -> String {
    let hidden: String = hidden
        .iter()
        .map(|Hidden(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", Escaped(value)))
        .collect();
    let (path, button) = (page.path(), Escaped(button));
    format!(
        "<form method=\"post\" action=\"{path}\">\n{hidden}{fields}<button type=\"submit\">{button}</button>\n</form>"
    )
}

/// The box that a person must tick before something is destroyed.
fn check_box(texts: &Texts, label: &str, is_missing: bool) -> String {
    let (error, described) = if is_missing {
        let sentence = Escaped(texts.box_missing);
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

/// One button that has a new link sent to the address that this link was mailed to.
fn send_again(page: LinkPage, token: &str, button: &str) -> String {
    form(page, &[Hidden("token", token), Hidden("action", "resend")], "", button)
}

fn reset_offer(texts: &Texts, token: &str) -> String {
    send_again(LinkPage::ResetPassword, token, texts.reset_offer_button)
}

/// A form that asks for the address to send a link to.
fn ask_form(texts: &Texts, page: LinkPage, text: &str, typed: &str, button: &str) -> String {
    let fields = format!(
        "<label for=\"email\">{label}</label>\n\
         <input type=\"email\" id=\"email\" name=\"email\" autocomplete=\"email\" dir=\"ltr\" value=\"{typed}\" required>\n",
        label = Escaped(texts.ask_label),
        typed = Escaped(typed),
    );
    format!("{}\n{}", paragraph(text), form(page, &[Hidden("action", "resend")], &fields, button))
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>", Escaped(text))
}

fn outcome(text: &str) -> String {
    format!("<p role=\"status\">{}</p>", Escaped(text))
}

fn message(status: StatusCode, language: Language, title: &str, text: &str) -> HttpResponse {
    Page { status, language, title, body: outcome(text) }.into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::body::MessageBody;

    use super::*;

    const HOSTILE: &str = r#""><script>alert('x')</script>&"#;
    const ESCAPED: &str = "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;";

    const PAGES: [LinkPage; 5] = [
        LinkPage::VerifyEmail,
        LinkPage::ResetPassword,
        LinkPage::ConfirmEmail,
        LinkPage::UndoEmailChange,
        LinkPage::UndoChange,
    ];

    fn html(response: HttpResponse) -> String {
        String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap()
    }

    fn account(purpose: Purpose) -> LinkedAccount {
        LinkedAccount {
            purpose,
            username: "ada".to_owned(),
            email: "ada@example.org".to_owned(),
            created_at: "2026-03-01T04:05:06Z".parse().unwrap(),
        }
    }

    /// Every page with a form for its token.
    fn forms(token: &str, language: Language) -> Vec<(LinkPage, HttpResponse)> {
        let mut forms = vec![
            (LinkPage::VerifyEmail, verify_email_page(&account(Purpose::EmailVerification), token, false, language)),
            (LinkPage::ResetPassword, reset_password_page(&account(Purpose::PasswordReset), token, 8, &[], language)),
            (LinkPage::ConfirmEmail, confirm_email_page(&account(Purpose::EmailChange), token, language)),
            (LinkPage::ResetPassword, disowned_page(token, language)),
            (LinkPage::ResetPassword, undone_page(Purpose::TotpUndo, token, language)),
            (LinkPage::ResetPassword, undone_page(Purpose::RecoveryCodesUndo, token, language)),
            (LinkPage::VerifyEmail, dead_link_page(LinkPage::VerifyEmail, &LinkState::Expired, token, language)),
            (LinkPage::ResetPassword, dead_link_page(LinkPage::ResetPassword, &LinkState::Expired, token, language)),
            (LinkPage::ResetPassword, dead_link_page(LinkPage::ResetPassword, &LinkState::Used, token, language)),
        ];
        for page in [LinkPage::UndoEmailChange, LinkPage::UndoChange] {
            forms.extend(page.purposes().iter().map(|it| (page, undo_page(page, *it, token, false, language))));
        }
        forms
    }

    #[test]
    fn each_form_posts_the_token_to_a_page_that_can_use_it() {
        for (page, response) in forms("abc_-123", Language::English) {
            let html = html(response);
            let form = format!(r#"<form method="post" action="{}">"#, page.path());
            let buttons = html.matches("<button").count();
            assert_eq!(html.matches(&form).count(), buttons, "{html}");
            assert_eq!(html.matches(r#"<input type="hidden" name="token" value="abc_-123">"#).count(), buttons);
            assert!(buttons > 0, "{html}");
        }
    }

    #[test]
    fn a_hostile_token_stays_inside_its_attribute() {
        for (_, page) in forms(HOSTILE, Language::English) {
            let html = html(page);
            assert!(!html.contains("<script"), "{html}");
            assert!(html.contains(&format!("value=\"{ESCAPED}\">")), "{html}");
        }
    }

    #[test]
    fn the_pages_that_confirm_an_address_name_the_account_in_each_language() {
        for (language, created) in [
            (Language::English, "1 March 2026, 04:05 UTC"),
            (Language::German, "1. März 2026, 04:05 Uhr (UTC)"),
            (Language::French, "1er mars 2026 à 04:05 (UTC)"),
            (Language::Spanish, "1 de marzo de 2026, 04:05 (UTC)"),
            (Language::Japanese, "2026年3月1日 04:05（UTC）"),
            (Language::Arabic, "1 مارس 2026، الساعة 04:05 (UTC)"),
        ] {
            for page in [
                verify_email_page(&account(Purpose::EmailVerification), "t", false, language),
                confirm_email_page(&account(Purpose::EmailChange), "t", language),
            ] {
                let html = html(page);
                assert!(html.contains("<dd><bdi>ada</bdi></dd>"), "{html}");
                assert!(html.contains(&format!("<dd>{created}</dd>")), "{html}");
            }
        }
    }

    #[test]
    fn what_the_registrant_chose_is_text_on_the_page_and_not_markup() {
        let hostile = LinkedAccount {
            username: HOSTILE.to_owned(),
            email: HOSTILE.to_owned(),
            ..account(Purpose::EmailVerification)
        };
        let verify = html(verify_email_page(&hostile, "t", false, Language::English));
        assert!(verify.contains(&format!("<bdi>{ESCAPED}</bdi>")) && !verify.contains("<script"), "{verify}");
        let reset = html(reset_password_page(&hostile, "t", 8, &[], Language::English));
        assert!(reset.contains(&format!("value=\"{ESCAPED}\"")) && !reset.contains("<script"), "{reset}");
        let typed = html(address_refused_page(LinkPage::VerifyEmail, HOSTILE, Language::English));
        assert!(typed.contains(&format!("value=\"{ESCAPED}\"")) && !typed.contains("<script"), "{typed}");
    }

    #[test]
    fn what_destroys_something_needs_a_box_and_nothing_else_does() {
        let page = |box_missing| {
            let mut pages =
                vec![verify_email_page(&account(Purpose::EmailVerification), "t", box_missing, Language::German)];
            for page in [LinkPage::UndoEmailChange, LinkPage::UndoChange] {
                pages.extend(page.purposes().iter().map(|it| undo_page(page, *it, "t", box_missing, Language::German)));
            }
            pages
        };
        for response in page(false) {
            assert_eq!(response.status(), StatusCode::OK);
            let html = html(response);
            let check_box = r#"<input type="checkbox" id="confirmed" name="confirmed" value="yes" required>"#;
            assert_eq!(html.matches(check_box).count(), 1, "{html}");
            assert!(!html.contains("role=\"alert\""), "{html}");
        }
        for response in page(true) {
            assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
            let html = html(response);
            assert!(html.contains("role=\"alert\">Bitte kreuzen Sie zuerst das Kästchen an."), "{html}");
            assert!(html.contains("aria-describedby=\"error\"") && html.contains("value=\"t\""), "{html}");
        }
        // To confirm an address destroys nothing: its form has no box.
        let html = html(verify_email_page(&account(Purpose::EmailVerification), "t", false, Language::English));
        let confirm = html.split_once("</form>").unwrap().0;
        assert!(!confirm.contains("checkbox") && html.contains("name=\"action\" value=\"disown\""), "{html}");
    }

    #[test]
    fn each_kind_of_change_has_an_undo_page_of_its_own() {
        for language in Language::ALL {
            let mut seen = std::collections::BTreeSet::new();
            for purpose in LinkPage::UndoChange.purposes().iter().chain(LinkPage::UndoEmailChange.purposes()) {
                seen.insert(html(undo_page(LinkPage::UndoChange, *purpose, "t", false, *language)));
                seen.insert(html(undone_page(*purpose, "t", *language)));
            }
            assert_eq!(seen.len(), 8, "{language:?}");
        }
    }

    #[test]
    fn every_dead_link_says_what_is_so_and_where_to_go() {
        for page in PAGES {
            for state in [LinkState::Used, LinkState::Expired, LinkState::Unknown] {
                let response = dead_link_page(page, &state, "abc", Language::English);
                let disowned = page == LinkPage::VerifyEmail && state == LinkState::Used;
                assert_eq!(response.status(), if disowned { 200 } else { 400 }, "{page:?} {state:?}");
                let html = html(response);
                let title = match state {
                    _ if disowned => "The account is not confirmed",
                    LinkState::Used => "This link was used already",
                    LinkState::Expired => "This link has expired",
                    _ => "This link does not work any more",
                };
                assert!(html.contains(&format!("<h1>{title}</h1>")), "{page:?} {state:?}: {html}");
                let by_token = html.contains("name=\"token\" value=\"abc\"") && html.contains("value=\"resend\"");
                let by_address = html.contains("type=\"email\"") && html.contains("value=\"resend\"");
                let expected = match (page, state) {
                    (LinkPage::ConfirmEmail, LinkState::Used) => (false, false),
                    (LinkPage::ConfirmEmail, _) => {
                        assert!(html.contains("ask for the change again"), "{html}");
                        (false, false)
                    }
                    (LinkPage::VerifyEmail | LinkPage::ResetPassword, LinkState::Used | LinkState::Expired) => {
                        (true, false)
                    }
                    _ => (false, true),
                };
                assert_eq!((by_token, by_address), expected, "{page:?}: {html}");
            }
        }
        let confirmed = dead_link_page(LinkPage::VerifyEmail, &LinkState::Confirmed, "abc", Language::English);
        assert_eq!(confirmed.status(), 200);
        let confirmed = html(confirmed);
        assert!(confirmed.contains("You can sign in") && !confirmed.contains("<form"), "{confirmed}");
    }

    #[test]
    fn an_unknown_link_shows_no_token() {
        for page in PAGES {
            let html = html(dead_link_page(page, &LinkState::Unknown, "abcdef", Language::English));
            assert!(!html.contains("abcdef"), "{html}");
        }
    }

    #[test]
    fn a_refused_password_is_explained_where_it_was_typed_and_the_token_kept() {
        let ada = account(Purpose::PasswordReset);
        let too_short = Invalid { code: "too-short", detail: "A password has at least 12 characters.".into() };
        let page = reset_password_page(&ada, "abc", 12, &[too_short], Language::German);
        assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let german = html(page);
        assert!(
            german.contains("role=\"alert\">Bitte wählen Sie ein anderes Passwort.<br>Es braucht mindestens 12"),
            "{german}"
        );
        assert!(german.contains(r#"name="token" value="abc""#) && german.contains("aria-invalid=\"true\""), "{german}");

        // A reason that the language has no sentence for.
        let other = Invalid { code: "unheard-of", detail: "Not <this> one.".into() };
        let german = html(reset_password_page(&ada, "abc", 12, &[other], Language::German));
        assert!(german.contains("<span lang=\"en\" dir=\"ltr\">Not &lt;this&gt; one.</span>"), "{german}");
    }

    #[test]
    fn a_password_manager_knows_that_the_password_is_a_new_one_and_whose() {
        let page = html(reset_password_page(&account(Purpose::PasswordReset), "abc", 8, &[], Language::English));
        assert!(page.contains(r#"autocomplete="new-password" required"#), "{page}");
        assert!(page.contains("At least 8 characters") && !page.contains("alert"), "{page}");
        // Not of type hidden, which password managers pass over, and in the same form, before the password.
        let (form, _) = page.split_once("name=\"newPassword\"").unwrap();
        let username = r#"<input type="text" class="unseen" name="username" autocomplete="username" value="ada@example.org" readonly"#;
        assert!(form.split_once("<form").unwrap().1.contains(username), "{page}");
    }

    #[test]
    fn each_page_exists_in_each_language_with_its_status() {
        for &language in Language::ALL {
            let invalid = address_refused_page(LinkPage::ResetPassword, "x", language);
            let dead = |page, state| dead_link_page(page, &state, "t", language);
            let unavailable = || Failure::Unavailable("MongoDB".to_owned());
            let limited = || Failure::RateLimited { retry_after: Duration::from_secs(7) };
            let mut pages: Vec<(HttpResponse, u16)> = forms("t", language)
                .into_iter()
                .map(|(_, page)| (page.status().as_u16(), page))
                .map(|(s, p)| (p, s))
                .collect();
            pages.extend([
                (email_verified_page(language), 200),
                (password_reset_page(language), 200),
                (email_changed_page(language), 200),
                (email_taken_page(language), 409),
                (undone_page(Purpose::EmailChangeUndo, "t", language), 200),
                (undone_page(Purpose::PasswordChangeUndo, "t", language), 200),
                (dead(LinkPage::VerifyEmail, LinkState::Confirmed), 200),
                (dead(LinkPage::ConfirmEmail, LinkState::Used), 400),
                (dead(LinkPage::UndoChange, LinkState::Expired), 400),
                (dead(LinkPage::VerifyEmail, LinkState::Unknown), 400),
                (invalid, 422),
                (link_sent_page(language), 200),
                (link_not_sent_page(limited(), language), 429),
                (link_not_sent_page(unavailable(), language), 503),
                (try_again_page(unavailable(), language), 503),
                (try_again_page(limited(), language), 429),
            ]);
            let mut titles = std::collections::BTreeSet::new();
            for (page, status) in pages {
                assert_eq!(page.status(), status);
                assert_eq!(page.headers().contains_key(header::RETRY_AFTER), status == 503 || status == 429);
                let html = html(page);
                let direction = if language == Language::Arabic { " dir=\"rtl\"" } else { "" };
                let opening = format!("<html lang=\"{}\"{direction}>", language.tag());
                assert!(html.contains(&opening) && !html.contains("{min}") && !html.contains("{day}"), "{html}");
                titles.insert(html.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0.to_owned());
            }
            assert_eq!(titles.len(), 22, "{titles:?}");
        }
    }
}
