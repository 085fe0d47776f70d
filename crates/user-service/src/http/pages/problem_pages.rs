//! GET `/problems/{slug}`: what a problem type means, and what a client can do about it.

use std::time::Duration;

use actix_web::{HttpResponse, http::StatusCode, web};
use secrecy::SecretString;

use super::layout::{Escaped, Page};
use crate::http::{
    errors::{
        field_errors::FieldError,
        not_found::{get_or_head, method_not_allowed},
        problem::Problem,
        problem_type::ProblemType,
    },
    extractors::language::Language,
};

/// Registers `/problems` and `/problems/{slug}`.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/problems").route(get_or_head().to(index)).default_service(method_not_allowed("GET, HEAD")),
        )
        .service(
            web::resource("/problems/{slug}")
                .route(get_or_head().to(page))
                .default_service(method_not_allowed("GET, HEAD")),
        );
}

async fn index() -> HttpResponse {
    let items: String = ProblemType::ALL
        .iter()
        .map(|it| {
            let (slug, status, title) = (it.slug(), it.status().as_u16(), Escaped(it.title()));
            format!("<li><a href=\"/problems/{slug}\"><code>{slug}</code></a> <span class=\"soft\">{status}</span> {title}</li>\n")
        })
        .collect();
    let body = format!(
        "<p>A refused request is answered with <code>application/problem+json</code> (RFC 9457). \
         Its <code>type</code> is one of these:</p>\n<ul>\n{items}</ul>"
    );
    english("Problem types", body)
}

async fn page(slug: web::Path<String>) -> Result<HttpResponse, Problem> {
    let problem_type = ProblemType::ALL.iter().find(|it| it.slug() == *slug).ok_or(Problem::NotFound)?;
    let Explanation { when, remedy } = explanation(*problem_type);
    let sample = serde_json::to_string_pretty(&example(*problem_type).details()).map_err(Problem::internal)?;
    let status = problem_type.status();
    let body = format!(
        "<p class=\"soft\"><code>{slug}</code> · HTTP {status}</p>\n\
         <h2>When it happens</h2>\n<p>{when}</p>\n\
         <h2>What to do</h2>\n<p>{remedy}</p>\n\
         <h2>A sample</h2>\n<pre><code>{sample}</code></pre>\n\
         <p><a href=\"/problems\">All problem types</a></p>",
        slug = problem_type.slug(),
        when = Escaped(when),
        remedy = Escaped(remedy),
        sample = Escaped(&sample),
    );
    Ok(english(problem_type.title(), body))
}

fn english(title: &str, body: String) -> HttpResponse {
    Page { status: StatusCode::OK, language: Language::English, title, body }.into_response()
}

/// The prose of one page.
struct Explanation {
    when: &'static str,
    remedy: &'static str,
}

/// Exhaustive: a problem type without a page does not compile.
fn explanation(problem_type: ProblemType) -> Explanation {
    let (when, remedy) = match problem_type {
        ProblemType::MalformedBody => (
            "The body is empty, is not UTF-8 or not JSON, has the same member twice in one object, nests deeper than 32 levels, or did not arrive completely.",
            "Send one JSON object. The detail names line and column of the mistake.",
        ),
        ProblemType::TokenInvalid => (
            "A token from a mail, or the mfaToken of a login, is unknown, has been used, or has expired. The answer is the same for all of these.",
            "Ask for a new link, or log in again for a new mfaToken.",
        ),
        ProblemType::InvalidCredentials => (
            "No account has this identifier with this password, or the code of the second factor is wrong. The answer does not tell which.",
            "Let the person check what they typed, or start a password reset.",
        ),
        ProblemType::Unauthorized => (
            "No access token came with the request, or the access or refresh token is malformed, has expired, or belongs to a session that has ended.",
            "Refresh the access token once. If that is refused too, log in again.",
        ),
        ProblemType::MfaRequired => (
            "The password is right, and the account has a second factor.",
            "Send mfaToken together with a code of the authenticator, or a recovery code, to POST /api/auth/login/totp.",
        ),
        ProblemType::WrongPassword => (
            "A request of a logged-in person needs the current password, and this is not it.",
            "Let the person type it again. The session stays as it is.",
        ),
        ProblemType::WrongCode => (
            "A request of a logged-in person needs a code, and this one is wrong or has been used.",
            "Wait for the authenticator's next code, and check the clock of its device.",
        ),
        ProblemType::AccountDisabled => {
            ("The credentials are right, and an administrator has disabled the account.", "Ask an administrator.")
        }
        ProblemType::EmailNotVerified => (
            "The credentials are right, and the email address must be confirmed first: before a second factor is set up, and before the first login where this service wants that.",
            "Follow the link in the welcome mail, or ask for a new one with POST /api/auth/email-verification/resend.",
        ),
        ProblemType::Forbidden => (
            "The token is valid, and the account has not the role that this endpoint asks for.",
            "Ask an administrator for the role, then refresh the access token.",
        ),
        ProblemType::NotFound => (
            "Nothing is served at this path, or the resource that the path names does not exist. An id that is no UUID names nothing.",
            "Compare the path with the description of the API at /api/openapi.json.",
        ),
        ProblemType::MethodNotAllowed => {
            ("The path exists and does not answer to this method.", "Use one of the methods in the Allow header.")
        }
        ProblemType::EmailTaken => (
            "Another account has this e-mail address, or had it until recently and may still take it back.",
            "Log in to that account, reset its password, or use another address.",
        ),
        ProblemType::UsernameTaken => {
            ("Another account has this username, or one that looks the same to the eye.", "Choose another one.")
        }
        ProblemType::Conflict => (
            "The request does not fit the state that the resource is in: it would remove the last administrator, or a second factor is already on, or its set-up has not been started.",
            "Read the resource again and decide on what it says.",
        ),
        ProblemType::PreconditionFailed => (
            "The If-Match header names another version than the current one: somebody has changed the resource since you read it.",
            "Read it again, merge your change, and send it with the new ETag.",
        ),
        ProblemType::BodyTooLarge => ("The body has more than 64 KiB.", "Send less."),
        ProblemType::UnsupportedMediaType => (
            "The Content-Type is not one that this endpoint reads, its charset is not UTF-8, or the body has a content encoding.",
            "Send application/json, or application/merge-patch+json to PATCH.",
        ),
        ProblemType::ValidationFailed => (
            "The request can be read and does not fit: a member is missing, unknown, of a wrong type or out of range. Parameters and headers are reported in the same way.",
            "Correct everything that errors lists: pointer, parameter or header says where, code says what, detail says it in a sentence.",
        ),
        ProblemType::IdempotencyKeyReused => (
            "The Idempotency-Key has come before, with another body.",
            "Use a new key for each new registration, and the same key only to repeat the same one.",
        ),
        ProblemType::RateLimited => (
            "Too many requests of this kind came from this address, or for this account.",
            "Wait as many seconds as Retry-After says.",
        ),
        ProblemType::Overloaded => (
            "More requests arrive than can be served in good time, so this one was turned away at once. It has changed nothing.",
            "Try again after Retry-After, with a growing and random pause.",
        ),
        ProblemType::Unavailable => (
            "A part that this request needs, such as the database, does not answer. Whether a change took place may be unknown.",
            "Try again after Retry-After. Registrations with an Idempotency-Key can be repeated safely.",
        ),
        ProblemType::Internal => {
            ("A mistake of ours.", "Report it with the requestId, under which the log has the cause.")
        }
    };
    Explanation { when, remedy }
}

/// An occurrence of each type, for its page and for tests.
pub(crate) fn example(problem_type: ProblemType) -> Problem {
    let retry_after = Duration::from_secs(5);
    match problem_type {
        ProblemType::MalformedBody => Problem::MalformedBody(
            "The body is not acceptable JSON: a member occurs twice in one object at line 1 column 40.".into(),
        ),
        ProblemType::ValidationFailed => Problem::ValidationFailed(vec![
            FieldError::at("#/email".into(), "missing", "This member is required."),
            FieldError::at("#/username".into(), "out-of-range", "It must have at least 3 characters."),
        ]),
        ProblemType::UnsupportedMediaType => Problem::UnsupportedMediaType,
        ProblemType::BodyTooLarge => Problem::BodyTooLarge,
        ProblemType::EmailTaken => Problem::EmailTaken,
        ProblemType::UsernameTaken => Problem::UsernameTaken,
        ProblemType::InvalidCredentials => Problem::InvalidCredentials,
        ProblemType::Unauthorized => Problem::Unauthorized,
        ProblemType::MfaRequired => Problem::MfaRequired { mfa_token: SecretString::from("bXktbWZhLXRva2Vu") },
        ProblemType::WrongPassword => Problem::WrongPassword,
        ProblemType::WrongCode => Problem::WrongCode,
        ProblemType::Conflict => Problem::Conflict("The last administrator must stay."),
        ProblemType::TokenInvalid => Problem::TokenInvalid,
        ProblemType::AccountDisabled => Problem::AccountDisabled,
        ProblemType::EmailNotVerified => Problem::EmailNotVerified,
        ProblemType::Forbidden => Problem::Forbidden,
        ProblemType::NotFound => Problem::NotFound,
        ProblemType::MethodNotAllowed => Problem::MethodNotAllowed { allow: "GET, HEAD" },
        ProblemType::PreconditionFailed => Problem::PreconditionFailed,
        ProblemType::IdempotencyKeyReused => Problem::IdempotencyKeyReused,
        ProblemType::RateLimited => Problem::RateLimited { retry_after },
        ProblemType::Overloaded => Problem::Overloaded { retry_after },
        ProblemType::Unavailable => Problem::Unavailable { retry_after },
        ProblemType::Internal => Problem::Internal,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, test};

    use super::*;
    use crate::http::errors::not_found::not_found;

    #[actix_web::test]
    async fn every_problem_type_has_its_page_and_the_index_lists_it() {
        let app = test::init_service(App::new().configure(configure).default_service(web::to(not_found))).await;
        let get = async |path: &str| {
            let response = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
            (response.status().as_u16(), String::from_utf8(test::read_body(response).await.to_vec()).unwrap())
        };
        let (status, index) = get("/problems").await;
        assert_eq!(status, 200);
        assert_eq!(index.matches("<li>").count(), ProblemType::ALL.len());
        for problem_type in ProblemType::ALL {
            assert_eq!(example(*problem_type).problem_type(), *problem_type);
            let address = format!("/problems/{}", problem_type.slug());
            assert!(index.contains(&format!("href=\"{address}\"")), "{address}");
            let (status, page) = get(&address).await;
            assert_eq!(status, 200, "{address}");
            assert!(page.contains(&Escaped(problem_type.title()).to_string()), "{page}");
            assert!(page.contains(&format!("HTTP {}", problem_type.status().as_u16())), "{page}");
            assert!(page.contains(&format!("&quot;type&quot;: &quot;{address}&quot;")), "{page}");
        }
        assert_eq!(get("/problems/no-such-thing").await.0, 404);
        assert_eq!(get("/problems/Internal").await.0, 404);
    }
}
