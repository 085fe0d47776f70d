//! Tests of the pages behind mailed links.

use std::time::Duration;

use actix_web::body::MessageBody;
use test_support::LANGUAGES;

use super::{
    examples::{every_page, forms},
    *,
};
use crate::http::pages::layout::tests::pages_in;

const HOSTILE: &str = r#""><script>alert('x')</script>&"#;
const ESCAPED: &str = "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;";

fn html(response: HttpResponse) -> String {
    String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap()
}

fn account(purpose: Purpose) -> LinkedAccount {
    LinkedAccount {
        purpose,
        username: "ada".to_owned(),
        chooses_username: false,
        email: "ada@example.org".to_owned(),
        created_at: "2026-03-01T04:05:06Z".parse().unwrap(),
    }
}

fn form<'a>(account: &'a LinkedAccount, token: &'a str) -> LinkForm<'a> {
    LinkForm { account, token, min_length: 8, error: FormError::None }
}

#[test]
fn each_form_posts_the_token_to_a_page_that_can_use_it() {
    for (page, _, response) in forms(&pages_in("en"), "abc_-123") {
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
    for (_, _, page) in forms(&pages_in("en"), HOSTILE) {
        let html = html(page);
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains(&format!("value=\"{ESCAPED}\">")), "{html}");
    }
}

#[test]
fn the_pages_that_confirm_an_address_name_the_account_in_each_language() {
    for (language, created) in [
        ("en", "1 March 2026, 04:05 UTC"),
        ("de", "1. März 2026, 04:05 Uhr (UTC)"),
        ("fr", "1er mars 2026 à 04:05 (UTC)"),
        ("es", "1 de marzo de 2026, 04:05 (UTC)"),
        ("ja", "2026年3月1日 04:05（UTC）"),
        ("ar", "1 مارس 2026، الساعة 04:05 (UTC)"),
        ("it", "1º marzo 2026, ore 04:05 (UTC)"),
        ("nl", "1 maart 2026 om 04:05 uur (UTC)"),
        ("pl", "1 marca 2026 r., godz. 04:05 (UTC)"),
        ("pt", "1º de março de 2026, 04:05 (UTC)"),
    ] {
        let pages = pages_in(language);
        for page in [LinkPage::VerifyEmail, LinkPage::ConfirmEmail, LinkPage::AcceptInvitation] {
            let html = html(pages.form_page(page, &form(&account(page.purposes()[0]), "t")));
            assert!(html.contains("<dd><bdi>ada</bdi></dd>"), "{html}");
            assert!(html.contains(&format!("<dd>{created}</dd>")), "{html}");
        }
    }
}

#[test]
fn values_that_the_registrant_chose_are_escaped() {
    let hostile = LinkedAccount {
        username: HOSTILE.to_owned(),
        email: HOSTILE.to_owned(),
        ..account(Purpose::EmailVerification)
    };
    let pages = pages_in("en");
    let verify = html(pages.form_page(LinkPage::VerifyEmail, &form(&hostile, "t")));
    assert!(verify.contains(&format!("<bdi>{ESCAPED}</bdi>")) && !verify.contains("<script>"), "{verify}");
    let reset = html(pages.form_page(LinkPage::ResetPassword, &form(&hostile, "t")));
    assert!(reset.contains(&format!("value=\"{ESCAPED}\"")) && !reset.contains("<script>"), "{reset}");
    let typed = html(pages.address_refused_page(LinkPage::VerifyEmail, HOSTILE));
    assert!(typed.contains(&format!("value=\"{ESCAPED}\"")) && !typed.contains("<script>"), "{typed}");
}

#[test]
fn destructive_forms_have_a_checkbox_and_others_do_not() {
    let pages = pages_in("de");
    let page = |error| {
        let mut responses = Vec::new();
        for page in [LinkPage::VerifyEmail, LinkPage::UndoEmailChange, LinkPage::UndoChange] {
            let form = |purpose: &Purpose| pages.form_page(page, &LinkForm { error, ..form(&account(*purpose), "t") });
            responses.extend(page.purposes().iter().map(form));
        }
        responses
    };
    for response in page(FormError::None) {
        assert_eq!(response.status(), StatusCode::OK);
        let html = html(response);
        let checkbox = r#"<input type="checkbox" id="confirmed" name="confirmed" value="yes" required>"#;
        assert_eq!(html.matches(checkbox).count(), 1, "{html}");
        assert!(!html.contains("role=\"alert\""), "{html}");
    }
    for response in page(FormError::NotTicked) {
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let html = html(response);
        assert!(html.contains("role=\"alert\">Bitte kreuzen Sie zuerst das Kästchen an."), "{html}");
        assert!(html.contains("aria-describedby=\"error\"") && html.contains("value=\"t\""), "{html}");
    }
    // Confirming an address is not destructive, so its form has no box.
    let html = html(pages.form_page(LinkPage::VerifyEmail, &form(&account(Purpose::EmailVerification), "t")));
    let confirm = html.split_once("</form>").unwrap().0;
    assert!(!confirm.contains("type=\"checkbox\"") && html.contains("name=\"action\" value=\"disown\""), "{html}");
}

#[test]
fn each_kind_of_change_has_an_undo_page_of_its_own() {
    for language in LANGUAGES {
        let pages = pages_in(language);
        let mut seen = std::collections::BTreeSet::new();
        for purpose in LinkPage::UndoChange.purposes().iter().chain(LinkPage::UndoEmailChange.purposes()) {
            seen.insert(html(pages.form_page(LinkPage::UndoChange, &form(&account(*purpose), "t"))));
        }
        for change in [UndoneChange::Password, UndoneChange::Totp, UndoneChange::RecoveryCodes, UndoneChange::SignIn] {
            seen.insert(html(pages.done_page(DonePage::ChangeUndone(change), "t")));
        }
        seen.insert(html(pages.done_page(DonePage::EmailChangeUndone, "t")));
        assert_eq!(seen.len(), 10, "{language}");
    }
}

#[test]
fn every_unusable_link_explains_its_state_and_the_next_step() {
    let pages = pages_in("en");
    for page in LinkPage::ALL {
        for state in [LinkState::Used, LinkState::Expired, LinkState::Unknown] {
            let response = pages.unusable_link_page(page, &state, "abc");
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
            let resends_by_token = html.contains("name=\"token\" value=\"abc\"") && html.contains("value=\"resend\"");
            let asks_for_address = html.contains("type=\"email\"") && html.contains("value=\"resend\"");
            let expected = match (page, state) {
                (LinkPage::ConfirmEmail, LinkState::Used) => (false, false),
                (LinkPage::ConfirmEmail, _) => {
                    assert!(html.contains("request it again"), "{html}");
                    (false, false)
                }
                (LinkPage::VerifyEmail | LinkPage::ResetPassword, LinkState::Used | LinkState::Expired) => {
                    (true, false)
                }
                (LinkPage::AcceptInvitation, LinkState::Expired | LinkState::Unknown) => {
                    assert!(html.contains("An administrator can send you the invitation again."), "{html}");
                    (false, false)
                }
                _ => (false, true),
            };
            assert_eq!((resends_by_token, asks_for_address), expected, "{page:?}: {html}");
        }
    }
    let confirmed = pages.unusable_link_page(LinkPage::VerifyEmail, &LinkState::Confirmed, "abc");
    assert_eq!(confirmed.status(), 200);
    let confirmed = html(confirmed);
    assert!(confirmed.contains("You can sign in") && !confirmed.contains("<form"), "{confirmed}");
}

#[test]
fn an_unknown_link_shows_no_token() {
    for page in LinkPage::ALL {
        let html = html(pages_in("en").unusable_link_page(page, &LinkState::Unknown, "abcdef"));
        assert!(!html.contains("abcdef"), "{html}");
    }
}

#[test]
fn a_refused_password_is_explained_beside_its_field_and_the_token_is_kept() {
    let ada = account(Purpose::PasswordReset);
    let pages = pages_in("de");
    let refused = |code, detail: &str| {
        let reasons = &[FieldError::at("#/newPassword".to_owned(), code, detail)];
        let error = FormError::Refused { username: "", reasons };
        pages.form_page(LinkPage::ResetPassword, &LinkForm { min_length: 12, error, ..form(&ada, "abc") })
    };
    let page = refused("too-short", "A password has at least 12 characters.");
    assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let german = html(page);
    assert!(
        german.contains("role=\"alert\">Bitte wählen Sie ein anderes Passwort.<br>Es braucht mindestens 12"),
        "{german}"
    );
    assert!(german.contains(r#"name="token" value="abc""#) && german.contains("aria-invalid=\"true\""), "{german}");

    // The German catalogue has no text for this reason.
    let german = html(refused("unheard-of", "Not <this> one."));
    assert!(german.contains("<span lang=\"en\" dir=\"ltr\">Not &lt;this&gt; one.</span>"), "{german}");
}

#[test]
fn an_invitation_has_a_field_for_the_username_only_where_it_is_open_and_explains_each_refusal_beside_its_field() {
    let pages = pages_in("de");
    let fixed = account(Purpose::Invitation);
    let open = LinkedAccount { chooses_username: true, ..fixed.clone() };
    let page = |account: &LinkedAccount, error| {
        pages.form_page(LinkPage::AcceptInvitation, &LinkForm { min_length: 12, error, ..form(account, "abc") })
    };
    let unused = html(page(&fixed, FormError::None));
    assert!(!unused.contains("chosenUsername") && unused.contains("<dd><bdi>ada</bdi></dd>"), "{unused}");
    assert!(unused.contains(r#"name="username" autocomplete="username" value="ada@example.org" readonly"#), "{unused}");
    let unused = html(page(&open, FormError::None));
    assert!(unused.contains(r#"name="chosenUsername" autocomplete="username""#), "{unused}");
    // Password managers take one field as the username.
    assert_eq!(unused.matches(r#"autocomplete="username""#).count(), 1, "{unused}");
    assert!(!unused.contains("alert") && !unused.contains("<dl>"), "{unused}");

    let taken = FieldError::at("#/username".to_owned(), "taken", "Another account uses it.");
    let short = FieldError::at("#/password".to_owned(), "too-short", "It has too few characters.");
    let both = [taken.clone(), short];
    let refused = page(&open, FormError::Refused { username: HOSTILE, reasons: &both });
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let refused = html(refused);
    let (username, password) = refused.split_once(r#"id="password""#).unwrap();
    assert!(username.contains(&format!("value=\"{ESCAPED}\"")) && !refused.contains("<script>"), "{refused}");
    assert!(username.contains("Bitte wählen Sie einen anderen Benutzernamen.<br>Ein anderes Konto hat"), "{refused}");
    assert!(password.contains("Bitte wählen Sie ein anderes Passwort.<br>Es braucht mindestens 12"), "{refused}");
    assert!(refused.contains(r#"name="token" value="abc""#), "{refused}");
    let refused = html(page(&open, FormError::Refused { username: "bob", reasons: &[taken] }));
    assert_eq!((refused.matches("role=\"alert\"").count(), refused.matches("value=\"bob\"").count()), (1, 1));
}

#[test]
fn a_password_manager_can_tell_that_the_password_is_new_and_for_which_account() {
    let page = html(pages_in("en").form_page(LinkPage::ResetPassword, &form(&account(Purpose::PasswordReset), "abc")));
    assert!(page.contains(r#"autocomplete="new-password" required"#), "{page}");
    assert!(page.contains("At least 8 characters") && !page.contains("alert"), "{page}");
    // The field must not be of type hidden, which password managers ignore, and must precede the password in its form.
    let (form, _) = page.split_once("name=\"newPassword\"").unwrap();
    let username =
        r#"<input type="text" class="unseen" name="username" autocomplete="username" value="ada@example.org" readonly"#;
    assert!(form.split_once("<form").unwrap().1.contains(username), "{page}");
}

#[test]
fn each_page_exists_in_each_language_with_its_status() {
    for language in LANGUAGES {
        let pages = pages_in(language);
        let unavailable = Problem::unavailable("MongoDB");
        let limited = Problem::RateLimited(Duration::from_secs(7));
        let mut responses = every_page(&pages, "t");
        responses.extend([
            (429, pages.link_not_sent_page(&limited)),
            (503, pages.link_not_sent_page(&unavailable)),
            (503, pages.try_again_page(&unavailable)),
            (429, pages.try_again_page(&limited)),
        ]);
        let mut titles = std::collections::BTreeSet::new();
        for (status, page) in responses {
            assert_eq!(page.status(), status);
            assert_eq!(page.headers().contains_key(header::RETRY_AFTER), status == 503 || status == 429);
            let html = html(page);
            let direction = if language == "ar" { " dir=\"rtl\"" } else { "" };
            let opening = format!("<html lang=\"{language}\"{direction}>");
            assert!(html.contains(&opening) && !html.contains("{min}") && !html.contains("{day}"), "{html}");
            titles.insert(html.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0.to_owned());
        }
        assert_eq!(titles.len(), 26, "{titles:?}");
    }
}

#[test]
fn a_page_after_which_the_reader_can_sign_in_leads_there_if_there_are_account_pages() {
    const LINK: &str = "<p class=\"actions\"><a href=\"/sign-in\">Sign in</a></p>";
    let without = pages_in("en");
    let mut with = without.clone();
    with.has_account_pages = true;
    let pages_of = |pages: &LocalizedPages| {
        vec![
            (true, pages.done_page(DonePage::EmailVerified, "t")),
            (true, pages.done_page(DonePage::PasswordReset, "t")),
            (true, pages.done_page(DonePage::EmailChanged, "t")),
            (true, pages.done_page(DonePage::InvitationAccepted, "t")),
            (true, pages.email_taken_page()),
            (true, pages.unusable_link_page(LinkPage::VerifyEmail, &LinkState::Confirmed, "t")),
            (true, pages.unusable_link_page(LinkPage::ResetPassword, &LinkState::Used, "t")),
            (true, pages.unusable_link_page(LinkPage::AcceptInvitation, &LinkState::Used, "t")),
            (true, pages.unusable_link_page(LinkPage::ConfirmEmail, &LinkState::Expired, "t")),
            (false, pages.done_page(DonePage::Disowned, "t")),
            (false, pages.done_page(DonePage::EmailChangeUndone, "t")),
            (false, pages.done_page(DonePage::ChangeUndone(UndoneChange::Password), "t")),
            (false, pages.done_page(DonePage::ChangeUndone(UndoneChange::Totp), "t")),
            (false, pages.unusable_link_page(LinkPage::ResetPassword, &LinkState::Expired, "t")),
            (false, pages.link_sent_page()),
        ]
    };
    for (leads_there, page) in pages_of(&with) {
        let page = html(page);
        assert_eq!(page.contains(LINK), leads_there, "{page}");
    }
    for (_, page) in pages_of(&without) {
        let page = html(page);
        assert!(!page.contains("/sign-in"), "{page}");
    }
}
