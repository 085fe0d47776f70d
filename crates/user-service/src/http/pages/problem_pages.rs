//! `GET /problems/{slug}`: a page for each problem type that explains its meaning and what a client can do about it.

use std::time::Duration;

use actix_web::{HttpResponse, http::StatusCode, web};
use i18n::InvalidFile;
use secrecy::SecretString;
use serde::Serialize;

use super::layout::{LocalizedPages, Pages};
use crate::http::errors::{
    field_errors::FieldError,
    not_found::{get_or_head, method_not_allowed},
    problem::Problem,
    problem_type::ProblemType,
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

pub(super) const TEMPLATE: &str = "problem.html";
pub(super) const INDEX_TEMPLATE: &str = "problems.html";

#[derive(Serialize)]
struct IndexView {
    problems: Vec<IndexEntry>,
}

#[derive(Serialize)]
struct IndexEntry {
    slug: &'static str,
    status: u16,
    title: &'static str,
}

#[derive(Serialize)]
struct ProblemView {
    slug: &'static str,
    status: String,
    when: &'static str,
    remedy: &'static str,
    example: String,
}

async fn index(pages: LocalizedPages) -> HttpResponse {
    pages.in_english().response(StatusCode::OK, INDEX_TEMPLATE, "Problem types", &index_view())
}

async fn page(slug: web::Path<String>, pages: LocalizedPages) -> Result<HttpResponse, Problem> {
    let problem_type = *ProblemType::ALL.iter().find(|it| it.slug() == *slug).ok_or(Problem::NotFound)?;
    Ok(pages.in_english().response(StatusCode::OK, TEMPLATE, problem_type.title(), &view(problem_type)))
}

fn index_view() -> IndexView {
    let entry = |it: &ProblemType| IndexEntry { slug: it.slug(), status: it.status().as_u16(), title: it.title() };
    IndexView { problems: ProblemType::ALL.iter().map(entry).collect() }
}

fn view(problem_type: ProblemType) -> ProblemView {
    let Explanation { when, remedy } = explanation(problem_type);
    let example = serde_json::to_string_pretty(&example(problem_type).details());
    ProblemView {
        slug: problem_type.slug(),
        status: problem_type.status().to_string(),
        when,
        remedy,
        example: example.expect("strings and numbers always serialise"),
    }
}

/// Renders every page, to check the templates.
pub(super) fn check(pages: &Pages) -> Result<(), InvalidFile> {
    pages.check(INDEX_TEMPLATE, &index_view())?;
    ProblemType::ALL.iter().try_for_each(|problem_type| pages.check(TEMPLATE, &view(*problem_type)))
}

/// The explanation of a problem type.
struct Explanation {
    when: &'static str,
    remedy: &'static str,
}

/// Returns the explanation of a problem type. The match is exhaustive, so a problem type without an explanation does not
/// compile.
fn explanation(problem_type: ProblemType) -> Explanation {
    let (when, remedy) = match problem_type {
        ProblemType::MalformedBody => (
            "The body is empty, is not UTF-8 or not JSON, has the same member twice in one object, is nested deeper than 32 levels, or did not arrive completely.",
            "Send one JSON object. The detail names the line and column of the error.",
        ),
        ProblemType::TokenInvalid => (
            "A token from a mail, or the mfaToken of a login, is unknown, has already been used, or has expired. The response is the same in all these cases.",
            "Request a new link, or log in again for a new mfaToken.",
        ),
        ProblemType::InvalidCredentials => (
            "No account has this identifier and this password, or the code of the second factor is wrong. The response does not reveal which.",
            "Let the user check the input, or start a password reset.",
        ),
        ProblemType::Unauthorized => (
            "The request has no access token, or its access or refresh token is malformed, has expired, or belongs to a session that has ended.",
            "Refresh the access token once. If that is refused, too, log in again.",
        ),
        ProblemType::MfaRequired => (
            "The password is correct, and the account has a second factor.",
            "Send mfaToken with a code of the authenticator, or with a recovery code, to POST /api/auth/login/totp.",
        ),
        ProblemType::WrongPassword => (
            "The request of a logged-in user requires the current password, and the given password is wrong.",
            "Let the user enter it again. The session is not affected.",
        ),
        ProblemType::WrongCode => (
            "The request of a logged-in user requires a code, and the given code is wrong or has already been used.",
            "Wait for the next code of the authenticator, and check the clock of its device.",
        ),
        ProblemType::AccountDisabled => {
            ("The credentials are correct, but an administrator has disabled the account.", "Ask an administrator.")
        }
        ProblemType::EmailNotVerified => (
            "The credentials are correct, but the email address must be confirmed first: before a second factor is set up, and before the first login if the service is configured so.",
            "Follow the link in the welcome mail, or request a new one with POST /api/auth/email-verification/resend.",
        ),
        ProblemType::Forbidden => (
            "The token is valid, but the account does not have the role that this endpoint requires.",
            "Ask an administrator for the role, then refresh the access token.",
        ),
        ProblemType::NotFound => (
            "Nothing is served at this path, or the resource does not exist. A path whose id is not a UUID never exists.",
            "Compare the path with the description of the API at /api/openapi.json.",
        ),
        ProblemType::MethodNotAllowed => {
            ("The path exists, but it does not support this method.", "Use one of the methods in the Allow header.")
        }
        ProblemType::EmailTaken => (
            "Another account has this email address, or had it until recently and may still get it back.",
            "Log in to that account, reset its password, or use another email address.",
        ),
        ProblemType::UsernameTaken => {
            ("Another account has this username, or one that looks the same.", "Choose another username.")
        }
        ProblemType::Conflict => (
            "The request conflicts with the state of the resource. For example, it would remove the last administrator, or a second factor is already on, or its set-up was not started.",
            "Read the resource again, and decide with its current state.",
        ),
        ProblemType::PreconditionFailed => (
            "The If-Match header does not name the current version: the resource has changed since you read it.",
            "Read it again, merge your change, and send it with the new ETag.",
        ),
        ProblemType::BodyTooLarge => ("The body has more than 64 KiB.", "Send a smaller body."),
        ProblemType::UnsupportedMediaType => (
            "This endpoint does not accept the Content-Type, its charset is not UTF-8, or the body has a content encoding.",
            "Send application/json, or application/merge-patch+json to PATCH.",
        ),
        ProblemType::ValidationFailed => (
            "The request can be read, but it is not valid: a member is missing, unknown, of a wrong type or out of range. Invalid parameters and headers are reported in the same way.",
            "Correct every entry of errors: pointer, parameter or header is its location, code is its kind, and detail explains it in a sentence.",
        ),
        ProblemType::IdempotencyKeyReused => (
            "The Idempotency-Key was already used with another body.",
            "Use a new key for each new registration, and the same key only to repeat a registration.",
        ),
        ProblemType::RateLimited => (
            "Too many requests of this kind came from this network, or for this account.",
            "Wait the number of seconds in Retry-After.",
        ),
        ProblemType::Overloaded => (
            "More requests arrive than can be served in time, so this one was refused immediately. It has changed nothing.",
            "Try again after Retry-After, with increasing and random pauses.",
        ),
        ProblemType::Unavailable => (
            "A component that this request needs, such as the database, is not available. Whether a change was made may be unknown.",
            "Try again after Retry-After. Registrations with an Idempotency-Key can be repeated safely.",
        ),
        ProblemType::Internal => {
            ("An internal error of the service.", "Report it with the requestId, under which the log has the cause.")
        }
    };
    Explanation { when, remedy }
}

/// Returns an example of each problem type, for its page and for tests.
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
        ProblemType::Conflict => {
            Problem::Conflict("This is the last administrator. Give another account the role first.")
        }
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
        let app = App::new().app_data(web::Data::new(Pages::new().unwrap())).configure(configure);
        let app = test::init_service(app.default_service(web::to(not_found))).await;
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
            assert!(page.contains(&format!("<h1>{}</h1>", problem_type.title())), "{page}");
            assert!(page.contains(&format!("HTTP {}", problem_type.status().as_u16())), "{page}");
            assert!(page.contains(&format!("&quot;type&quot;: &quot;{address}&quot;")), "{page}");
        }
        assert_eq!(get("/problems/no-such-thing").await.0, 404);
        assert_eq!(get("/problems/Internal").await.0, 404);
    }
}
