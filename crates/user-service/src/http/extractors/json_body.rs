//! Extractors for request bodies: bounded, strict JSON, checked against the documented schema.

use std::{any::type_name, io};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    error::PayloadError,
    http::header,
    web::{Bytes, BytesMut},
};
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use utoipa::ToSchema;

use super::body_schema;
use crate::{
    domain::{
        json_pointer,
        strict_json::{self, StrictJsonError},
    },
    http::errors::{field_errors::FieldError, problem::Problem},
};

/// The most bytes a body may have.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// A JSON object sent as `application/json`.
///
/// `T` is a flat struct with `#[serde(deny_unknown_fields, rename_all = "camelCase")]`; its
/// schema decides what is accepted. Refusals: `unsupported-media-type`, `body-too-large`,
/// `malformed-body`, `validation-failed`.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// As [`JsonBody`], and `application/merge-patch+json` (RFC 7396) is accepted too.
///
/// An optional member is `Option<Option<V>>` with [`double_option`].
#[derive(Debug)]
pub struct MergePatchBody<T>(pub T);

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        read(request, payload, &["application/json"])
            .map(|body| body.and_then(|it| decode(&it)).map(Self))
            .boxed_local()
    }
}

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest for MergePatchBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        read(request, payload, &["application/merge-patch+json", "application/json"])
            .map(|body| body.and_then(|it| decode(&it)).map(Self))
            .boxed_local()
    }
}

/// For a member of a merge patch: absent is `None`, `null` is `Some(None)`.
///
/// Use it as `#[serde(default, deserialize_with = "json_body::double_option")]` with
/// `#[schema(value_type = Option<String>)]` (or whatever the member's type is).
///
/// # Errors
/// Those of `T`.
pub fn double_option<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// What the headers say about the body.
enum Declared {
    Acceptable,
    /// No `Content-Type`: fine for no body at all, which then is `malformed-body`.
    Nothing,
}

/// Checks the headers now, and returns the future that reads the body up to [`MAX_BODY_BYTES`]. Its
/// deadline is set by `service_kit::http_server::guard_body`.
fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    accepted: &[&str],
) -> impl Future<Output = Result<Bytes, Problem>> + 'static {
    let declared = declared(request, accepted).and_then(|it| announced_length(request).map(|()| it));
    let payload = payload.take();
    async move {
        let declared = declared?;
        let body = collect(payload).await?;
        match declared {
            Declared::Nothing if !body.is_empty() => Err(Problem::UnsupportedMediaType),
            _ => Ok(body),
        }
    }
}

fn declared(request: &HttpRequest, accepted: &[&str]) -> Result<Declared, Problem> {
    let encoded = request
        .headers()
        .get_all(header::CONTENT_ENCODING)
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded || request.headers().get_all(header::CONTENT_TYPE).count() > 1 {
        return Err(Problem::UnsupportedMediaType);
    }
    match request.mime_type() {
        Ok(None) => Ok(Declared::Nothing),
        Ok(Some(mime)) if accepted.contains(&mime.essence_str()) && is_utf8(&mime) => Ok(Declared::Acceptable),
        _ => Err(Problem::UnsupportedMediaType),
    }
}

fn is_utf8(mime: &actix_web::mime::Mime) -> bool {
    mime.get_param("charset").is_none_or(|charset| charset == "utf-8")
}

/// Refuses a body that says itself that it is too large, before any of it is read.
fn announced_length(request: &HttpRequest) -> Result<(), Problem> {
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64) {
        return Err(Problem::BodyTooLarge);
    }
    Ok(())
}

async fn collect(mut payload: Payload) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| incomplete(&error))?;
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(Problem::BodyTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn incomplete(error: &PayloadError) -> Problem {
    Problem::MalformedBody(match error {
        PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut => "The body did not arrive in time.".into(),
        _ => "The body ended too early.".into(),
    })
}

fn decode<T: DeserializeOwned + ToSchema + 'static>(body: &[u8]) -> Result<T, Problem> {
    let value = strict_json::parse(body).map_err(|refusal| match refusal {
        StrictJsonError::NotJson(reason) => Problem::MalformedBody(reason),
        StrictJsonError::NumbersOutOfRange(violations) => body_schema::refused(violations),
    })?;
    body_schema::check::<T>(&value)?;
    serde_json::from_value(value).map_err(|_| {
        // A gap between schema and type is our mistake, but it is this body that does not fit. The
        // error itself is not logged: it quotes the value.
        tracing::error!(body = type_name::<T>(), "a body fits its schema and not its type");
        Problem::ValidationFailed(vec![FieldError::at(
            json_pointer::<&str>([]),
            "invalid",
            "A member has a value outside the range of its type.",
        )])
    })
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpResponse, Responder, test, web};
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Login {
        identifier: String,
        password: String,
        remember_me: Option<u8>,
    }

    #[derive(Debug, Deserialize, ToSchema)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Patch {
        #[serde(default, deserialize_with = "double_option")]
        #[schema(value_type = Option<String>)]
        display_name: Option<Option<String>>,
        /// Cannot be cleared.
        #[schema(nullable = false)]
        username: Option<String>,
    }

    async fn login(JsonBody(body): JsonBody<Login>) -> impl Responder {
        HttpResponse::Ok().json(json!([body.identifier, body.password, body.remember_me]))
    }

    async fn patch(MergePatchBody(body): MergePatchBody<Patch>) -> impl Responder {
        HttpResponse::Ok().body(format!("{:?} {:?}", body.display_name, body.username))
    }

    async fn ask(request: test::TestRequest) -> (u16, String) {
        let app = test::init_service(
            App::new()
                .service(web::resource("/login").route(web::post().to(login)))
                .service(web::resource("/me").route(web::patch().to(patch))),
        )
        .await;
        let response = test::call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(test::read_body(response).await.to_vec()).unwrap())
    }

    async fn slug(request: test::TestRequest) -> String {
        let (_, body) = ask(request).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        body["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned()
    }

    fn post(content_type: &str, body: impl Into<Bytes>) -> test::TestRequest {
        test::TestRequest::post().uri("/login").insert_header(("content-type", content_type)).set_payload(body)
    }

    const FINE: &str = r#"{"identifier":"ada","password":"x"}"#;

    #[actix_web::test]
    async fn json_in_utf8_is_accepted() {
        for content_type in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert_eq!(ask(post(content_type, FINE)).await, (200, r#"["ada","x",null]"#.into()), "{content_type}");
        }
    }

    #[actix_web::test]
    async fn another_media_type_charset_or_coding_is_unsupported() {
        for content_type in [
            "text/plain",
            "application/merge-patch+json",
            "application/x-www-form-urlencoded",
            "application/json; charset=iso-8859-1",
            "application/json, text/plain",
            "json",
            "",
        ] {
            assert_eq!(slug(post(content_type, FINE)).await, "unsupported-media-type", "{content_type}");
        }
        assert_eq!(
            slug(post("application/json", FINE).insert_header(("content-encoding", "gzip"))).await,
            "unsupported-media-type"
        );
        assert_eq!(
            slug(post("application/json", FINE).append_header(("content-type", "text/plain"))).await,
            "unsupported-media-type"
        );
        assert_eq!(slug(test::TestRequest::post().uri("/login").set_payload(FINE)).await, "unsupported-media-type");
    }

    #[actix_web::test]
    async fn a_missing_body_is_malformed() {
        assert_eq!(slug(test::TestRequest::post().uri("/login")).await, "malformed-body");
        assert_eq!(slug(post("application/json", "")).await, "malformed-body");
    }

    #[actix_web::test]
    async fn broken_json_is_malformed() {
        for body in [&b"{"[..], b"{\"identifier\":\"\xff\"}", br#"{"password":"x","password":"y"}"#, b"{}{}"] {
            assert_eq!(slug(post("application/json", body)).await, "malformed-body");
        }
        let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
        assert_eq!(slug(post("application/json", deep)).await, "malformed-body");
    }

    #[actix_web::test]
    async fn sixty_four_kib_are_fine_and_one_byte_more_is_too_large() {
        let padded = |len: usize| format!("{FINE}{}", " ".repeat(len - FINE.len()));
        assert_eq!(ask(post("application/json", padded(MAX_BODY_BYTES))).await.0, 200);
        assert_eq!(slug(post("application/json", padded(MAX_BODY_BYTES + 1))).await, "body-too-large");
    }

    #[actix_web::test]
    async fn an_announced_length_that_is_too_large_is_refused_unread() {
        let request = post("application/json", FINE).insert_header(("content-length", "65537"));
        assert_eq!(slug(request).await, "body-too-large");
    }

    #[actix_web::test]
    async fn all_that_does_not_fit_is_reported_without_its_value() {
        let (status, body) =
            ask(post("application/json", r#"{"identifier":"hunter2","passwort":"hunter2","rememberMe":"hunter2"}"#))
                .await;
        assert_eq!(status, 422);
        assert!(!body.contains("hunter2"), "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let errors: Vec<_> = body["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["pointer"].as_str().unwrap(), it["code"].as_str().unwrap()))
            .collect();
        assert_eq!(errors, [("#/password", "missing"), ("#/passwort", "unknown"), ("#/rememberMe", "wrong-type")]);
    }

    #[actix_web::test]
    async fn a_number_that_fits_the_schema_and_not_the_type_is_refused_all_the_same() {
        let (status, body) =
            ask(post("application/json", r#"{"identifier":"a","password":"x","rememberMe":70000}"#)).await;
        assert_eq!(status, 422, "{body}");
        assert!(!body.contains("70000"), "{body}");
    }

    #[actix_web::test]
    async fn a_patch_tells_absent_from_null() {
        for content_type in
            ["application/merge-patch+json", "application/json", "application/merge-patch+json; charset=utf-8"]
        {
            for (body, expected) in [
                ("{}", "None None"),
                (r#"{"displayName":null}"#, "Some(None) None"),
                (r#"{"displayName":"Ada","username":"ada"}"#, r#"Some(Some("Ada")) Some("ada")"#),
            ] {
                let request = test::TestRequest::patch()
                    .uri("/me")
                    .insert_header(("content-type", content_type))
                    .set_payload(body);
                assert_eq!(ask(request).await, (200, expected.to_owned()));
            }
        }
    }

    #[actix_web::test]
    async fn a_patch_cannot_clear_what_must_stay() {
        let request = test::TestRequest::patch()
            .uri("/me")
            .insert_header(("content-type", "application/json"))
            .set_payload(r#"{"username":null}"#);
        assert_eq!(slug(request).await, "validation-failed");
    }

    fn streamed(chunks: Vec<Result<Bytes, PayloadError>>) -> Payload {
        Payload::Stream { payload: Box::pin(futures_util::stream::iter(chunks)) }
    }

    #[actix_web::test]
    async fn a_body_in_pieces_is_counted_as_a_whole() {
        let piece = Bytes::from(vec![b' '; 1024]);
        let pieces = |count: usize| {
            let end = Bytes::from_static(FINE.as_bytes());
            streamed(vec![piece.clone(); count].into_iter().chain([end]).map(Ok).collect())
        };
        assert!(collect(pieces(63)).await.unwrap().ends_with(FINE.as_bytes()));
        assert!(matches!(collect(pieces(64)).await, Err(Problem::BodyTooLarge)));
    }

    #[actix_web::test]
    async fn a_body_that_breaks_off_is_malformed() {
        for error in [PayloadError::Incomplete(None), PayloadError::Io(io::ErrorKind::TimedOut.into())] {
            let payload = streamed(vec![Ok(Bytes::from_static(b"{")), Err(error)]);
            assert!(matches!(collect(payload).await, Err(Problem::MalformedBody(_))));
        }
    }
}
