//! The pages behind the links in mails: their texts in each language, and the forms.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};

use super::{
    language::Language,
    pages::{Escaped, Page},
};

/// After how many seconds a page may be tried again when a part of the service is away.
const RETRY_AFTER_SECONDS: u16 = 5;

/// Every sentence of these pages.
struct Texts {
    verify_title: &'static str,
    verify_text: &'static str,
    verify_button: &'static str,
    verified_title: &'static str,
    verified_text: &'static str,
    refused_title: &'static str,
    refused_text: &'static str,
    unavailable_title: &'static str,
    unavailable_text: &'static str,
}

const ENGLISH: Texts = Texts {
    verify_title: "Confirm your e-mail address",
    verify_text: "Press the button to confirm that this e-mail address is yours.",
    verify_button: "Confirm the address",
    verified_title: "Your e-mail address is confirmed",
    verified_text: "Thank you. You can close this page.",
    refused_title: "This link does not work any more",
    refused_text: "It has been used, it has expired, or it is not complete. If your address is not confirmed yet, ask for a new link.",
    unavailable_title: "Please try again in a moment",
    unavailable_text: "Something we need is not available right now. The link in your mail stays valid.",
};

const GERMAN: Texts = Texts {
    verify_title: "E-Mail-Adresse bestätigen",
    verify_text: "Mit der Schaltfläche bestätigen Sie, dass diese E-Mail-Adresse Ihnen gehört.",
    verify_button: "Adresse bestätigen",
    verified_title: "Ihre E-Mail-Adresse ist bestätigt",
    verified_text: "Vielen Dank. Sie können diese Seite schließen.",
    refused_title: "Dieser Link gilt nicht mehr",
    refused_text: "Er wurde schon benutzt, ist abgelaufen oder unvollständig. Falls Ihre Adresse noch nicht bestätigt ist, fordern Sie bitte einen neuen Link an.",
    unavailable_title: "Bitte versuchen Sie es gleich noch einmal",
    unavailable_text: "Etwas, das wir brauchen, ist gerade nicht verfügbar. Der Link in Ihrer E-Mail bleibt gültig.",
};

fn texts(language: Language) -> &'static Texts {
    match language {
        Language::English => &ENGLISH,
        Language::German => &GERMAN,
    }
}

/// GET `/verify-email?token=`: one button that posts the token. Looking at it consumes nothing, so
/// a mail scanner that follows links does no harm.
#[must_use]
pub fn verify_email_page(token: &str, language: Language) -> HttpResponse {
    let texts = texts(language);
    let body = format!(
        "<p>{}</p>\n\
         <form method=\"post\" action=\"/verify-email\">\n\
         <input type=\"hidden\" name=\"token\" value=\"{}\">\n\
         <button type=\"submit\">{}</button>\n\
         </form>",
        Escaped(texts.verify_text),
        Escaped(token),
        Escaped(texts.verify_button),
    );
    Page { status: StatusCode::OK, language, title: texts.verify_title, body }.into_response()
}

/// The address is confirmed.
#[must_use]
pub fn email_verified_page(language: Language) -> HttpResponse {
    let texts = texts(language);
    message(StatusCode::OK, language, texts.verified_title, texts.verified_text)
}

/// The token is unknown, used, expired or missing: all alike.
#[must_use]
pub fn link_refused_page(language: Language) -> HttpResponse {
    let texts = texts(language);
    message(StatusCode::BAD_REQUEST, language, texts.refused_title, texts.refused_text)
}

/// A part of the service is away; nothing was consumed.
#[must_use]
pub fn try_again_page(language: Language) -> HttpResponse {
    let texts = texts(language);
    let mut response =
        message(StatusCode::SERVICE_UNAVAILABLE, language, texts.unavailable_title, texts.unavailable_text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
    response
}

fn message(status: StatusCode, language: Language, title: &str, text: &str) -> HttpResponse {
    Page { status, language, title, body: format!("<p role=\"status\">{}</p>", Escaped(text)) }.into_response()
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use super::*;

    fn html(response: HttpResponse) -> String {
        String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn the_form_posts_the_token_to_its_own_path() {
        let html = html(verify_email_page("abc_-123", Language::English));
        assert!(html.contains(r#"<form method="post" action="/verify-email">"#), "{html}");
        assert!(html.contains(r#"<input type="hidden" name="token" value="abc_-123">"#), "{html}");
        assert_eq!(html.matches("<button").count(), 1);
    }

    #[test]
    fn a_hostile_token_stays_inside_its_attribute() {
        let html = html(verify_email_page(r#""><script>alert('x')</script>&"#, Language::English));
        assert!(!html.contains("<script"), "{html}");
        assert!(html.contains(r#"value="&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;">"#), "{html}");
    }

    #[test]
    fn each_page_exists_in_each_language_with_its_status() {
        for (language, words) in [
            (Language::English, ["Confirm your e-mail address", "is confirmed", "does not work any more", "try again"]),
            (Language::German, ["E-Mail-Adresse bestätigen", "ist bestätigt", "gilt nicht mehr", "noch einmal"]),
        ] {
            let pages = [
                (verify_email_page("t", language), 200),
                (email_verified_page(language), 200),
                (link_refused_page(language), 400),
                (try_again_page(language), 503),
            ];
            for ((page, status), word) in pages.into_iter().zip(words) {
                assert_eq!(page.status(), status);
                assert_eq!(page.headers().contains_key(header::RETRY_AFTER), status == 503);
                let html = html(page);
                assert!(html.contains(word) && html.contains(&format!("lang=\"{}\"", language.tag())), "{html}");
            }
        }
    }
}
