//! Extractors for request bodies: bounded, strict JSON that is validated against the documented schema.

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
    problem::{FieldError, Problem},
};

/// The largest size of a body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// A JSON object sent as `application/json`.
///
/// `T` is a flat struct with `#[serde(deny_unknown_fields, rename_all = "camelCase")]`; its
/// schema decides what is accepted. Errors: `unsupported-media-type`, `body-too-large`,
/// `malformed-body`, `validation-failed`.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

/// A JSON object like [`JsonBody`], sent as `application/json` or `application/merge-patch+json` (RFC 7396).
///
/// A member that can be cleared is an `Option<Option<V>>` with [`double_option`].
#[derive(Debug)]
pub struct MergePatchBody<T>(pub T);

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        read_body(request, payload, &["application/json"])
            .map(|body| body.and_then(|it| parse_body(&it)).map(Self))
            .boxed_local()
    }
}

/// A JSON object like [`JsonBody`] that the client may omit, because something else can replace it.
#[derive(Debug)]
pub enum BodyOrEmpty<T> {
    Body(T),
    /// There is no body, or an empty object. The problem is that of a [`JsonBody`].
    Empty(Problem),
}

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest for BodyOrEmpty<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read_body(request, payload, &["application/json"]);
        async move {
            let body = body.await?;
            parse_body(&body)
                .map(Self::Body)
                .or_else(|problem| if has_no_members(&body) { Ok(Self::Empty(problem)) } else { Err(problem) })
        }
        .boxed_local()
    }
}

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest for MergePatchBody<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        read_body(request, payload, &["application/merge-patch+json", "application/json"])
            .map(|body| body.and_then(|it| parse_body(&it)).map(Self))
            .boxed_local()
    }
}

/// Deserializes a member of a merge patch: an absent member is `None`, `null` is `Some(None)`. The name is that of the
/// same function in `serde_with`.
///
/// Use it as `#[serde(default, deserialize_with = "double_option")]` with `#[schema(value_type = Option<String>)]`, or
/// the type of the member instead of `String`.
///
/// # Errors
/// Returns the errors of `T`.
pub fn double_option<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// The content type of the request.
enum ContentType {
    Accepted,
    /// There is no `Content-Type`: accepted only for an empty body, which is then `malformed-body`.
    Absent,
}

/// Checks the headers, and returns a future that reads the body up to [`MAX_BODY_BYTES`]. The deadline of the body is
/// enforced by `service_kit::http_server::guard_body`.
pub(super) fn read_body(
    request: &HttpRequest,
    payload: &mut Payload,
    accepted: &[&str],
) -> impl Future<Output = Result<Bytes, Problem>> + 'static {
    let content_type =
        accepted_content_type(request, accepted).and_then(|it| check_content_length(request).map(|()| it));
    let payload = payload.take();
    async move {
        let content_type = content_type?;
        let body = collect_payload(payload).await?;
        match content_type {
            ContentType::Absent if !body.is_empty() => Err(Problem::UnsupportedMediaType),
            _ => Ok(body),
        }
    }
}

fn accepted_content_type(request: &HttpRequest, accepted: &[&str]) -> Result<ContentType, Problem> {
    let encoded = request
        .headers()
        .get_all(header::CONTENT_ENCODING)
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded || request.headers().get_all(header::CONTENT_TYPE).count() > 1 {
        return Err(Problem::UnsupportedMediaType);
    }
    match request.mime_type() {
        Ok(None) => Ok(ContentType::Absent),
        Ok(Some(mime)) if accepted.contains(&mime.essence_str()) && is_utf8(&mime) => Ok(ContentType::Accepted),
        _ => Err(Problem::UnsupportedMediaType),
    }
}

fn is_utf8(mime: &actix_web::mime::Mime) -> bool {
    mime.get_param("charset").is_none_or(|charset| charset == "utf-8")
}

/// Refuses a body whose `Content-Length` is too large, before any of it is read.
fn check_content_length(request: &HttpRequest) -> Result<(), Problem> {
    let content_length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    if content_length.is_some_and(|bytes| bytes > MAX_BODY_BYTES as u64) {
        return Err(Problem::BodyTooLarge);
    }
    Ok(())
}

async fn collect_payload(mut payload: Payload) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| broken_off(&error))?;
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(Problem::BodyTooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn broken_off(error: &PayloadError) -> Problem {
    Problem::MalformedBody(match error {
        PayloadError::Io(error) if error.kind() == io::ErrorKind::TimedOut => "The body did not arrive in time.".into(),
        _ => "The body ended too early.".into(),
    })
}

/// Returns whether a body is empty, or an object without members.
fn has_no_members(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let members = body.strip_prefix(b"{").and_then(|body| body.strip_suffix(b"}"));
    members.unwrap_or(body).trim_ascii().is_empty()
}

fn parse_body<T: DeserializeOwned + ToSchema + 'static>(body: &[u8]) -> Result<T, Problem> {
    let value = strict_json::parse(body).map_err(|error| match error {
        StrictJsonError::NotJson(reason) => Problem::MalformedBody(reason),
        StrictJsonError::NumbersOutOfRange(violations) => body_schema::violations_problem(violations),
    })?;
    body_schema::check::<T>(&value)?;
    serde_json::from_value(value).map_err(|_| {
        // The schema allows a value that the type does not, which is a defect of the service; the body is refused all the
        // same. The error itself is not logged, because it quotes the value.
        tracing::error!(body = type_name::<T>(), "a body matches its schema but not its type");
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

    async fn login_or_not(body: BodyOrEmpty<Login>) -> Result<String, Problem> {
        match body {
            BodyOrEmpty::Body(body) => Ok(body.identifier),
            BodyOrEmpty::Empty(Problem::MalformedBody(_)) => Ok("no body".to_owned()),
            BodyOrEmpty::Empty(Problem::ValidationFailed(_)) => Ok("no members".to_owned()),
            BodyOrEmpty::Empty(problem) => Err(problem),
        }
    }

    async fn call(request: test::TestRequest) -> (u16, String) {
        let app = test::init_service(
            App::new()
                .service(web::resource("/login").route(web::post().to(login)))
                .service(web::resource("/login-or-not").route(web::post().to(login_or_not)))
                .service(web::resource("/me").route(web::patch().to(patch))),
        )
        .await;
        let response = test::call_service(&app, request.to_request()).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(test::read_body(response).await.to_vec()).unwrap())
    }

    async fn slug(request: test::TestRequest) -> String {
        let (_, body) = call(request).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        body["type"].as_str().unwrap().trim_start_matches("/problems/").to_owned()
    }

    fn post(content_type: &str, body: impl Into<Bytes>) -> test::TestRequest {
        test::TestRequest::post().uri("/login").insert_header(("content-type", content_type)).set_payload(body)
    }

    const VALID: &str = r#"{"identifier":"ada","password":"x"}"#;

    #[actix_web::test]
    async fn json_in_utf8_is_accepted() {
        for content_type in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert_eq!(call(post(content_type, VALID)).await, (200, r#"["ada","x",null]"#.into()), "{content_type}");
        }
    }

    #[actix_web::test]
    async fn an_unsupported_media_type_charset_or_coding_is_refused() {
        for content_type in [
            "text/plain",
            "application/merge-patch+json",
            "application/x-www-form-urlencoded",
            "application/json; charset=iso-8859-1",
            "application/json, text/plain",
            "json",
            "",
        ] {
            assert_eq!(slug(post(content_type, VALID)).await, "unsupported-media-type", "{content_type}");
        }
        assert_eq!(
            slug(post("application/json", VALID).insert_header(("content-encoding", "gzip"))).await,
            "unsupported-media-type"
        );
        assert_eq!(
            slug(post("application/json", VALID).append_header(("content-type", "text/plain"))).await,
            "unsupported-media-type"
        );
        assert_eq!(slug(test::TestRequest::post().uri("/login").set_payload(VALID)).await, "unsupported-media-type");
    }

    #[actix_web::test]
    async fn a_missing_body_is_malformed() {
        assert_eq!(slug(test::TestRequest::post().uri("/login")).await, "malformed-body");
        assert_eq!(slug(post("application/json", "")).await, "malformed-body");
    }

    #[actix_web::test]
    async fn only_a_body_without_members_can_be_omitted() {
        let send = |body: &'static str| post("application/json", body).uri("/login-or-not");
        for (body, expected) in
            [("", "no body"), (" \n", "no body"), ("{}", "no members"), (" { \n} ", "no members"), (VALID, "ada")]
        {
            assert_eq!(call(send(body)).await, (200, expected.to_owned()), "{body:?}");
        }
        let untyped = || test::TestRequest::post().uri("/login-or-not");
        assert_eq!(call(untyped()).await, (200, "no body".to_owned()));
        assert_eq!(slug(untyped().set_payload("{}")).await, "unsupported-media-type");
        for body in ["{", "}", "{}{}", "{,}", "x"] {
            assert_eq!(slug(send(body)).await, "malformed-body", "{body}");
        }
        for body in ["[]", "null", r#"{"x":1}"#, r#"{"identifier":null}"#, "[{}]"] {
            assert_eq!(slug(send(body)).await, "validation-failed", "{body}");
        }
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
    async fn a_body_of_64_kib_is_accepted_and_one_byte_more_is_too_large() {
        let padded = |len: usize| format!("{VALID}{}", " ".repeat(len - VALID.len()));
        assert_eq!(call(post("application/json", padded(MAX_BODY_BYTES))).await.0, 200);
        assert_eq!(slug(post("application/json", padded(MAX_BODY_BYTES + 1))).await, "body-too-large");
    }

    #[actix_web::test]
    async fn a_content_length_that_is_too_large_is_refused_before_reading() {
        let request = post("application/json", VALID).insert_header(("content-length", "65537"));
        assert_eq!(slug(request).await, "body-too-large");
    }

    #[actix_web::test]
    async fn all_violations_are_reported_without_the_values() {
        let (status, body) =
            call(post("application/json", r#"{"identifier":"hunter2","passwort":"hunter2","rememberMe":"hunter2"}"#))
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
    async fn a_number_that_fits_the_schema_but_not_the_type_is_refused() {
        let (status, body) =
            call(post("application/json", r#"{"identifier":"a","password":"x","rememberMe":70000}"#)).await;
        assert_eq!(status, 422, "{body}");
        assert!(!body.contains("70000"), "{body}");
    }

    #[actix_web::test]
    async fn a_patch_distinguishes_absent_from_null() {
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
                assert_eq!(call(request).await, (200, expected.to_owned()));
            }
        }
    }

    #[actix_web::test]
    async fn a_patch_cannot_clear_a_required_member() {
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
    async fn the_size_of_a_body_is_the_sum_of_its_chunks() {
        let piece = Bytes::from(vec![b' '; 1024]);
        let pieces = |count: usize| {
            let end = Bytes::from_static(VALID.as_bytes());
            streamed(vec![piece.clone(); count].into_iter().chain([end]).map(Ok).collect())
        };
        assert!(collect_payload(pieces(63)).await.unwrap().ends_with(VALID.as_bytes()));
        assert!(matches!(collect_payload(pieces(64)).await, Err(Problem::BodyTooLarge)));
    }

    #[actix_web::test]
    async fn an_incomplete_body_is_malformed() {
        for error in [PayloadError::Incomplete(None), PayloadError::Io(io::ErrorKind::TimedOut.into())] {
            let payload = streamed(vec![Ok(Bytes::from_static(b"{")), Err(error)]);
            assert!(matches!(collect_payload(payload).await, Err(Problem::MalformedBody(_))));
        }
    }
}
