//! The pages behind the links in mails: forms, and what became of them. Looking at a
//! form consumes nothing, so a mail scanner that follows links does no harm.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};

use super::{
    account_texts::Texts,
    language::Language,
    pages::{Escaped, Page},
    problem::Problem,
};
use crate::{domain::Invalid, usecase::Failure};

/// GET `/verify-email?token=`
#[must_use]
pub fn verify_email_page(token: &str, language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    let body = button("/verify-email", token, texts.verify_text, texts.verify_button);
    Page { status: StatusCode::OK, language, title: texts.verify_title, body }.into_response()
}

/// The address is confirmed.
#[must_use]
pub fn email_verified_page(language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    message(StatusCode::OK, language, texts.verified_title, texts.verified_text)
}

/// GET `/reset-password?token=`, and again with the reasons when a password was refused:
/// the token is kept in the form, the password is not.
#[must_use]
pub fn reset_password_page(token: &str, min_length: usize, refused: &[Invalid], language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    let (status, error) = if refused.is_empty() {
        (StatusCode::OK, String::new())
    } else {
        let reason = |invalid: &Invalid| match texts.password_reason(invalid.code, min_length) {
            Some(reason) => Escaped(&reason).to_string(),
            None => format!("<span lang=\"en\" dir=\"ltr\">{}</span>", Escaped(&invalid.detail)),
        };
        let reasons = refused.iter().map(reason).collect::<Vec<_>>().join("<br>");
        let sentence = Escaped(texts.password_refused);
        let error = format!("<p class=\"error\" id=\"error\" role=\"alert\">{sentence}<br>{reasons}</p>\n");
        (StatusCode::UNPROCESSABLE_ENTITY, error)
    };
    let described = if refused.is_empty() { "hint" } else { "error hint\" aria-invalid=\"true" };
    let body = format!(
        "<p>{text}</p>\n\
         <form method=\"post\" action=\"/reset-password\">\n\
         <input type=\"hidden\" name=\"token\" value=\"{token}\">\n\
         <label for=\"password\">{label}</label>\n\
         <input type=\"password\" id=\"password\" name=\"newPassword\" autocomplete=\"new-password\" required aria-describedby=\"{described}\">\n\
         <p class=\"soft\" id=\"hint\">{hint}</p>\n\
         {error}\
         <button type=\"submit\">{button}</button>\n\
         </form>",
        text = Escaped(texts.reset_text),
        token = Escaped(token),
        label = Escaped(texts.reset_label),
        hint = Escaped(&texts.password_hint(min_length)),
        button = Escaped(texts.reset_button),
    );
    Page { status, language, title: texts.reset_title, body }.into_response()
}

/// The password is set.
#[must_use]
pub fn password_reset_page(language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    message(StatusCode::OK, language, texts.reset_done_title, texts.reset_done_text)
}

/// GET `/confirm-email?token=`
#[must_use]
pub fn confirm_email_page(token: &str, language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    let body = button("/confirm-email", token, texts.change_text, texts.change_button);
    Page { status: StatusCode::OK, language, title: texts.change_title, body }.into_response()
}

/// The account has the new address.
#[must_use]
pub fn email_changed_page(language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    message(StatusCode::OK, language, texts.changed_title, texts.changed_text)
}

/// Somebody else has the new address by now.
#[must_use]
pub fn email_taken_page(language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    message(StatusCode::CONFLICT, language, texts.taken_title, texts.taken_text)
}

/// GET `/undo-email-change?token=`
#[must_use]
pub fn undo_email_change_page(token: &str, language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    let body = button("/undo-email-change", token, texts.undo_text, texts.undo_button);
    Page { status: StatusCode::OK, language, title: texts.undo_title, body }.into_response()
}

/// The old address is in force again.
#[must_use]
pub fn email_change_undone_page(language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    message(StatusCode::OK, language, texts.undone_title, texts.undone_text)
}

/// The token is unknown, used, expired or missing: all alike.
#[must_use]
pub fn link_refused_page(language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    message(StatusCode::BAD_REQUEST, language, texts.refused_title, texts.refused_text)
}

/// Nothing was consumed: a part of the service is away, or too much was asked of it.
#[must_use]
pub fn try_again_page(failure: Failure, language: Language) -> HttpResponse {
    let texts = Texts::of(language);
    let problem = Problem::from(failure);
    let text = match problem {
        Problem::RateLimited { .. } => texts.throttled_text,
        _ => texts.unavailable_text,
    };
    let mut response = message(problem.status(), language, texts.unavailable_title, text);
    if let Some(seconds) = problem.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// One button that posts the token to the page's own path.
fn button(path: &str, token: &str, text: &str, label: &str) -> String {
    format!(
        "<p>{}</p>\n\
         <form method=\"post\" action=\"{path}\">\n\
         <input type=\"hidden\" name=\"token\" value=\"{}\">\n\
         <button type=\"submit\">{}</button>\n\
         </form>",
        Escaped(text),
        Escaped(token),
        Escaped(label),
    )
}

fn message(status: StatusCode, language: Language, title: &str, text: &str) -> HttpResponse {
    Page { status, language, title, body: format!("<p role=\"status\">{}</p>", Escaped(text)) }.into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::body::MessageBody;

    use super::*;

    fn html(response: HttpResponse) -> String {
        String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap()
    }

    /// Every page with a form, and its path.
    fn forms(token: &str, language: Language) -> [(&'static str, HttpResponse); 4] {
        [
            ("/verify-email", verify_email_page(token, language)),
            ("/reset-password", reset_password_page(token, 8, &[], language)),
            ("/confirm-email", confirm_email_page(token, language)),
            ("/undo-email-change", undo_email_change_page(token, language)),
        ]
    }

    #[test]
    fn each_form_posts_the_token_to_its_own_path() {
        for (path, page) in forms("abc_-123", Language::English) {
            let html = html(page);
            assert!(html.contains(&format!(r#"<form method="post" action="{path}">"#)), "{html}");
            assert!(html.contains(r#"<input type="hidden" name="token" value="abc_-123">"#), "{html}");
            assert_eq!(html.matches("<button").count(), 1);
        }
    }

    #[test]
    fn a_hostile_token_stays_inside_its_attribute() {
        for (_, page) in forms(r#""><script>alert('x')</script>&"#, Language::English) {
            let html = html(page);
            assert!(!html.contains("<script"), "{html}");
            let escaped = r#"value="&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;">"#;
            assert!(html.contains(escaped), "{html}");
        }
    }

    #[test]
    fn a_refused_password_is_explained_where_it_was_typed_and_the_token_kept() {
        let too_short = Invalid { code: "too-short", detail: "A password has at least 12 characters.".into() };
        let page = reset_password_page("abc", 12, &[too_short], Language::German);
        assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let german = html(page);
        assert!(
            german.contains("role=\"alert\">Bitte wählen Sie ein anderes Passwort.<br>Es braucht mindestens 12"),
            "{german}"
        );
        assert!(german.contains(r#"name="token" value="abc""#) && german.contains("aria-invalid=\"true\""), "{german}");

        // A reason that the language has no sentence for.
        let other = Invalid { code: "unheard-of", detail: "Not <this> one.".into() };
        let german = html(reset_password_page("abc", 12, &[other], Language::German));
        assert!(german.contains("<span lang=\"en\" dir=\"ltr\">Not &lt;this&gt; one.</span>"), "{german}");
    }

    #[test]
    fn a_browser_knows_that_the_password_is_a_new_one() {
        let page = html(reset_password_page("abc", 8, &[], Language::English));
        assert!(page.contains(r#"autocomplete="new-password" required"#), "{page}");
        assert!(page.contains("At least 8 characters") && !page.contains("alert"), "{page}");
    }

    #[test]
    fn each_page_exists_in_each_language_with_its_status() {
        for &language in Language::ALL {
            let pages = [
                (verify_email_page("t", language), 200),
                (email_verified_page(language), 200),
                (reset_password_page("t", 8, &[], language), 200),
                (password_reset_page(language), 200),
                (confirm_email_page("t", language), 200),
                (email_changed_page(language), 200),
                (email_taken_page(language), 409),
                (undo_email_change_page("t", language), 200),
                (email_change_undone_page(language), 200),
                (link_refused_page(language), 400),
                (try_again_page(Failure::Unavailable("MongoDB".to_owned()), language), 503),
                (try_again_page(Failure::RateLimited { retry_after: Duration::from_secs(7) }, language), 429),
            ];
            let mut titles = std::collections::BTreeSet::new();
            for (page, status) in pages {
                assert_eq!(page.status(), status);
                assert_eq!(page.headers().contains_key(header::RETRY_AFTER), status == 503 || status == 429);
                let html = html(page);
                let direction = if language == Language::Arabic { " dir=\"rtl\"" } else { "" };
                let opening = format!("<html lang=\"{}\"{direction}>", language.tag());
                assert!(html.contains(&opening) && !html.contains("{min}"), "{html}");
                titles.insert(html.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0.to_owned());
            }
            assert_eq!(titles.len(), 11, "{titles:?}");
        }
    }
}
