//! Tests of the pages behind mailed links.

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

/// Returns every page that has a form with the token.
fn forms(token: &str, language: Language) -> Vec<(LinkPage, HttpResponse)> {
    let mut forms = vec![
        (LinkPage::VerifyEmail, verify_email_page(&account(Purpose::EmailVerification), token, false, language)),
        (LinkPage::ResetPassword, reset_password_page(&account(Purpose::PasswordReset), token, 8, &[], language)),
        (LinkPage::ConfirmEmail, confirm_email_page(&account(Purpose::EmailChange), token, language)),
        (LinkPage::ResetPassword, disowned_page(token, language)),
        (LinkPage::ResetPassword, undone_page(Purpose::TotpUndo, token, language)),
        (LinkPage::ResetPassword, undone_page(Purpose::RecoveryCodesUndo, token, language)),
        (LinkPage::VerifyEmail, unusable_link_page(LinkPage::VerifyEmail, &LinkState::Expired, token, language)),
        (LinkPage::ResetPassword, unusable_link_page(LinkPage::ResetPassword, &LinkState::Expired, token, language)),
        (LinkPage::ResetPassword, unusable_link_page(LinkPage::ResetPassword, &LinkState::Used, token, language)),
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
fn values_that_the_registrant_chose_are_escaped() {
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
fn destructive_forms_have_a_checkbox_and_others_do_not() {
    let page = |box_not_ticked| {
        let mut pages =
            vec![verify_email_page(&account(Purpose::EmailVerification), "t", box_not_ticked, Language::German)];
        for page in [LinkPage::UndoEmailChange, LinkPage::UndoChange] {
            pages.extend(page.purposes().iter().map(|it| undo_page(page, *it, "t", box_not_ticked, Language::German)));
        }
        pages
    };
    for response in page(false) {
        assert_eq!(response.status(), StatusCode::OK);
        let html = html(response);
        let checkbox = r#"<input type="checkbox" id="confirmed" name="confirmed" value="yes" required>"#;
        assert_eq!(html.matches(checkbox).count(), 1, "{html}");
        assert!(!html.contains("role=\"alert\""), "{html}");
    }
    for response in page(true) {
        assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let html = html(response);
        assert!(html.contains("role=\"alert\">Bitte kreuzen Sie zuerst das Kästchen an."), "{html}");
        assert!(html.contains("aria-describedby=\"error\"") && html.contains("value=\"t\""), "{html}");
    }
    // Confirming an address is not destructive, so its form has no box.
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
fn every_unusable_link_explains_its_state_and_the_next_step() {
    for page in PAGES {
        for state in [LinkState::Used, LinkState::Expired, LinkState::Unknown] {
            let response = unusable_link_page(page, &state, "abc", Language::English);
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
                _ => (false, true),
            };
            assert_eq!((resends_by_token, asks_for_address), expected, "{page:?}: {html}");
        }
    }
    let confirmed = unusable_link_page(LinkPage::VerifyEmail, &LinkState::Confirmed, "abc", Language::English);
    assert_eq!(confirmed.status(), 200);
    let confirmed = html(confirmed);
    assert!(confirmed.contains("You can sign in") && !confirmed.contains("<form"), "{confirmed}");
}

#[test]
fn an_unknown_link_shows_no_token() {
    for page in PAGES {
        let html = html(unusable_link_page(page, &LinkState::Unknown, "abcdef", Language::English));
        assert!(!html.contains("abcdef"), "{html}");
    }
}

#[test]
fn a_refused_password_is_explained_beside_its_field_and_the_token_is_kept() {
    let ada = account(Purpose::PasswordReset);
    let too_short = FieldError::at("#/newPassword".into(), "too-short", "A password has at least 12 characters.");
    let page = reset_password_page(&ada, "abc", 12, &[too_short], Language::German);
    assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let german = html(page);
    assert!(
        german.contains("role=\"alert\">Bitte wählen Sie ein anderes Passwort.<br>Es braucht mindestens 12"),
        "{german}"
    );
    assert!(german.contains(r#"name="token" value="abc""#) && german.contains("aria-invalid=\"true\""), "{german}");

    // The German table has no text for this reason.
    let other = FieldError::at("#/newPassword".into(), "unheard-of", "Not <this> one.");
    let german = html(reset_password_page(&ada, "abc", 12, &[other], Language::German));
    assert!(german.contains("<span lang=\"en\" dir=\"ltr\">Not &lt;this&gt; one.</span>"), "{german}");
}

#[test]
fn a_password_manager_can_tell_that_the_password_is_new_and_for_which_account() {
    let page = html(reset_password_page(&account(Purpose::PasswordReset), "abc", 8, &[], Language::English));
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
    for &language in Language::ALL {
        let invalid = address_refused_page(LinkPage::ResetPassword, "x", language);
        let unusable = |page, state| unusable_link_page(page, &state, "t", language);
        let unavailable = || Problem::Unavailable("MongoDB".to_owned());
        let limited = || Problem::RateLimited(Duration::from_secs(7));
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
            (unusable(LinkPage::VerifyEmail, LinkState::Confirmed), 200),
            (unusable(LinkPage::ConfirmEmail, LinkState::Used), 400),
            (unusable(LinkPage::UndoChange, LinkState::Expired), 400),
            (unusable(LinkPage::VerifyEmail, LinkState::Unknown), 400),
            (invalid, 422),
            (link_sent_page(language), 200),
            (link_not_sent_page(&limited(), language), 429),
            (link_not_sent_page(&unavailable(), language), 503),
            (try_again_page(&unavailable(), language), 503),
            (try_again_page(&limited(), language), 429),
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
