//! `GET /api/users/me/export`: all data that is stored about the user, as one JSON document that is streamed while it is
//! read.

use std::{pin::Pin, sync::Arc};

use actix_web::{HttpResponse, http::header, web::Bytes};
use futures_util::{Stream, StreamExt, TryStreamExt, future::ready, stream};
use serde::Serialize;

use super::{
    audit_log::AuditEntryBody,
    personal_data_body::{ExportBody, ExportHead, ExportedSessionBody},
    responses::ApiResult,
};
use crate::{
    http::{extractors::requests::UserRequest, middleware::panic_boundary::catch_panics_of_body},
    outbox::Origin,
    problem::Problem,
    usecase::{self, AccountService, Caller},
};

/// Returns all data that is stored about the user, except secrets.
///
/// The session must have given the password, and the second factor if it is on, within the last ten minutes. If the
/// export cannot be completed, the connection is closed early. So a complete response is a complete export.
#[utoipa::path(get, path = "/api/users/me/export", tag = "account", operation_id = "exportMe", security(("bearer" = [])),
    responses((status = 200, description = "The export", body = ExportBody, headers(("Content-Disposition" = String, description = "A file name for the export")))),
    extensions(("x-problems" = json!(["reauthentication-required"]))))]
pub(in crate::http) async fn export_me(UserRequest { accounts, caller, origin }: UserRequest) -> ApiResult {
    export_response(accounts, caller, &origin).await
}

/// Returns the export of the caller as a file to download.
pub(in crate::http) async fn export_response(
    accounts: Arc<AccountService>,
    caller: Caller,
    origin: &Origin,
) -> ApiResult {
    let now = accounts.clock.now();
    let export = usecase::start_export(accounts, caller, origin).await?;
    let head = ExportHead::new(export.account(), now);
    // The first chunk of each list is read before the response starts, so that an unavailable database is a 503.
    let sessions = read_first_chunk(export.sessions()).await?;
    let audit = read_first_chunk(export.audit()).await?;
    let body = literal(open_object(&head))
        .chain(literal(",\"sessions\":[".to_owned()))
        .chain(array_elements(sessions.map_ok(to_bodies::<_, ExportedSessionBody>)))
        .chain(literal("],\"audit\":[".to_owned()))
        .chain(array_elements(audit.map_ok(to_bodies::<_, AuditEntryBody>)))
        .chain(literal("]}\n".to_owned()))
        .inspect_err(|error| tracing::warn!(%error, "an export could not be completed"));
    let body = catch_panics_of_body(body);
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"my-account.json\""))
        .streaming(body))
}

type ChunkStream<T> = Pin<Box<dyn Stream<Item = Result<Vec<T>, Problem>>>>;

/// Reads the first chunk of the stream, and returns the stream including it.
async fn read_first_chunk<T: 'static>(
    chunks: impl Stream<Item = Result<Vec<T>, Problem>> + 'static,
) -> Result<ChunkStream<T>, Problem> {
    let mut chunks = Box::pin(chunks);
    let first = chunks.next().await.transpose()?;
    Ok(Box::pin(stream::iter(first.map(Ok)).chain(chunks)))
}

fn to_bodies<T, B: From<T>>(chunk: Vec<T>) -> Vec<B> {
    chunk.into_iter().map(B::from).collect()
}

/// Returns a JSON object without its closing brace.
fn open_object<T: Serialize>(object: &T) -> String {
    let mut text = to_json(object);
    text.pop();
    text
}

/// Returns the elements of a JSON array, without its brackets.
fn array_elements<T: Serialize>(
    chunks: impl Stream<Item = Result<Vec<T>, Problem>>,
) -> impl Stream<Item = Result<Bytes, Problem>> {
    let mut comma = "";
    chunks.map_ok(move |chunk| {
        let mut text = String::new();
        for element in &chunk {
            text.push_str(std::mem::replace(&mut comma, ","));
            text.push_str(&to_json(element));
        }
        Bytes::from(text)
    })
}

fn literal(text: String) -> impl Stream<Item = Result<Bytes, Problem>> {
    stream::once(ready(Ok(Bytes::from(text))))
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("texts, numbers and times always serialise")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use serde_json::{Value, json};

    use super::*;

    fn assemble(chunks: Vec<Vec<u32>>) -> Value {
        let body = literal(open_object(&json!({ "a": 1 })))
            .chain(literal(",\"list\":[".to_owned()))
            .chain(array_elements(stream::iter(chunks.into_iter().map(Ok))))
            .chain(literal("]}".to_owned()));
        let all: Vec<Bytes> = body.try_collect().now_or_never().unwrap().unwrap();
        serde_json::from_slice(&all.concat()).unwrap()
    }

    #[test]
    fn the_chunks_form_one_json_document() {
        for (chunks, list) in [
            (vec![], json!([])),
            (vec![vec![]], json!([])),
            (vec![vec![1]], json!([1])),
            (vec![vec![1, 2], vec![3], vec![], vec![4]], json!([1, 2, 3, 4])),
            (vec![vec![], vec![5]], json!([5])),
        ] {
            assert_eq!(assemble(chunks), json!({ "a": 1, "list": list }));
        }
    }

    #[test]
    fn a_failure_in_the_first_chunk_is_an_error_before_the_response_starts() {
        let away = stream::iter([Err::<Vec<u32>, _>(Problem::Unavailable("away".to_owned()))]);
        assert!(read_first_chunk(away).now_or_never().unwrap().is_err());
        let later = stream::iter([Ok(vec![1_u32]), Err(Problem::Unavailable("away".to_owned()))]);
        let chunks = read_first_chunk(later).now_or_never().unwrap().unwrap();
        let ends: Vec<bool> = chunks.map(|chunk| chunk.is_ok()).collect::<Vec<_>>().now_or_never().unwrap();
        assert_eq!(ends, [true, false]);
    }
}
