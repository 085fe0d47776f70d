//! Turns the errors of actix's own extractors into problems.

use actix_web::{
    error::{PathError, QueryPayloadError, UrlencodedError},
    web::{self, FormConfig, PathConfig, PayloadConfig, QueryConfig},
};

use super::json_body::MAX_BODY_BYTES;
use crate::problem::{FieldError, Problem};

/// The largest body of a page's form: attributes of 16 KiB, each byte of which may be encoded as three bytes, and the other
/// fields of a profile.
pub const MAX_FORM_BYTES: usize = MAX_BODY_BYTES;

/// Registers the error handlers and size limits for the whole application.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .app_data(PathConfig::default().error_handler(|error, _| path_problem(&error).into()))
        .app_data(QueryConfig::default().error_handler(|error, _| query_problem(&error).into()))
        .app_data(FormConfig::default().limit(MAX_FORM_BYTES).error_handler(|error, _| form_problem(&error).into()))
        .app_data(PayloadConfig::new(MAX_BODY_BYTES));
}

/// Returns `not-found`, because a path with an invalid id names no resource.
fn path_problem(_: &PathError) -> Problem {
    Problem::NotFound
}

fn query_problem(_: &QueryPayloadError) -> Problem {
    Problem::ValidationFailed(vec![FieldError::parameter("", "invalid", "The query string cannot be read.")])
}

fn form_problem(error: &UrlencodedError) -> Problem {
    match error {
        UrlencodedError::Overflow { .. } => Problem::BodyTooLarge,
        UrlencodedError::ContentType => Problem::UnsupportedMediaType,
        _ => Problem::MalformedBody("The form cannot be read.".into()),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpResponse, test};
    use serde::Deserialize;
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;

    #[derive(Deserialize)]
    struct Token {
        #[expect(dead_code, reason = "only its parsing is tested")]
        token: String,
    }

    #[derive(Deserialize)]
    struct Paging {
        #[expect(dead_code, reason = "only its parsing is tested")]
        limit: u8,
    }

    async fn by_id(_: web::Path<Uuid>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    async fn form(_: web::Form<Token>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    async fn list(_: web::Query<Paging>) -> HttpResponse {
        HttpResponse::Ok().finish()
    }

    #[actix_web::test]
    async fn refusals_of_actix_become_problems_without_the_value() {
        let app = test::init_service(
            App::new()
                .configure(configure)
                .route("/users/{id}", web::get().to(by_id))
                .route("/form", web::post().to(form))
                .route("/list", web::get().to(list)),
        )
        .await;
        const FORM: &str = "application/x-www-form-urlencoded";
        let post = |content_type: &str, body: String| {
            test::TestRequest::post()
                .uri("/form")
                .insert_header(("content-type", content_type.to_owned()))
                .set_payload(body)
        };
        for (request, slug) in [
            (test::TestRequest::get().uri("/users/hunter2"), "not-found"),
            (test::TestRequest::get().uri("/list?limit=hunter2"), "validation-failed"),
            (post("text/plain", "token=hunter2".into()), "unsupported-media-type"),
            (post(FORM, "hunter2=x".into()), "malformed-body"),
            (post(FORM, format!("token={}", "x".repeat(MAX_FORM_BYTES))), "body-too-large"),
        ] {
            let response = test::call_service(&app, request.to_request()).await;
            let status = response.status();
            let body = test::read_body(response).await;
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["type"], format!("/problems/{slug}"));
            assert_eq!(body["status"], status.as_u16());
            assert!(!body.to_string().contains("hunter2"), "{body}");
        }
        let fine = test::call_service(&app, post(FORM, "token=a".into()).to_request()).await;
        assert_eq!(fine.status(), 200);
    }
}
