//! `GET /api/users/me/export`: everything that is stored about the person, as one JSON
//! document that is written while it is read.

use std::{pin::Pin, sync::Arc};

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, Bytes},
};
use futures_util::{Stream, StreamExt, TryStreamExt, future::ready, stream};
use serde::Serialize;

use super::{
    audit_log::AuditEntryBody,
    personal_data_body::{ExportBody, ExportHead, ExportedSessionBody},
};
use crate::{
    http::{
        errors::{
            openapi_responses::{NotSignedIn, TryLater},
            problem::Problem,
        },
        extractors::signed_in::SignedInCaller,
        middleware::panic_boundary::catch_panics_of_body,
    },
    usecase::{self, AccountService, Failure},
};

/// Everything that is stored about the person, but for secrets. The connection breaks
/// off if it cannot be completed: a whole answer is a whole export.
#[utoipa::path(get, path = "/api/users/me/export", tag = "account", operation_id = "exportMe", security(("bearer" = [])),
    responses(
        (status = 200, description = "The export", body = ExportBody,
            headers(("Content-Disposition" = String, description = "A file name to save it under"))),
        NotSignedIn, TryLater,
    ))]
pub(in crate::http) async fn get(
    accounts: web::Data<AccountService>,
    SignedInCaller(caller): SignedInCaller,
) -> Result<HttpResponse, Problem> {
    let (accounts, user) = (accounts.into_inner(), Arc::new(caller.user));
    let head = ExportHead::new(usecase::personal_data(&user), accounts.clock.now());
    // The first part of each list before the answer's head: what is away is a 503.
    let sessions = begun(usecase::export_sessions(Arc::clone(&accounts), Arc::clone(&user))).await?;
    let audit = begun(usecase::export_audit(accounts, user)).await?;
    let body = text(opened(&head))
        .chain(text(",\"sessions\":[".to_owned()))
        .chain(elements(sessions.map_ok(bodies::<_, ExportedSessionBody>)))
        .chain(text("],\"audit\":[".to_owned()))
        .chain(elements(audit.map_ok(bodies::<_, AuditEntryBody>)))
        .chain(text("]}\n".to_owned()))
        .inspect_err(|error| tracing::warn!(%error, "an export broke off"));
    let body = catch_panics_of_body(body);
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"my-account.json\""))
        .streaming(body))
}

type Parts<T> = Pin<Box<dyn Stream<Item = Result<Vec<T>, Failure>>>>;

/// The stream with its first part read.
async fn begun<T: 'static>(parts: impl Stream<Item = Result<Vec<T>, Failure>> + 'static) -> Result<Parts<T>, Failure> {
    let mut parts = Box::pin(parts);
    let first = parts.next().await.transpose()?;
    Ok(Box::pin(stream::iter(first.map(Ok)).chain(parts)))
}

fn bodies<T, B: From<T>>(part: Vec<T>) -> Vec<B> {
    part.into_iter().map(B::from).collect()
}

/// A JSON object without its closing brace.
fn opened<T: Serialize>(object: &T) -> String {
    let mut text = json(object);
    text.pop();
    text
}

/// The elements of a JSON array, without its brackets.
fn elements<T: Serialize>(
    parts: impl Stream<Item = Result<Vec<T>, Failure>>,
) -> impl Stream<Item = Result<Bytes, Failure>> {
    let mut comma = "";
    parts.map_ok(move |part| {
        let mut text = String::new();
        for element in &part {
            text.push_str(std::mem::replace(&mut comma, ","));
            text.push_str(&json(element));
        }
        Bytes::from(text)
    })
}

fn text(text: String) -> impl Stream<Item = Result<Bytes, Failure>> {
    stream::once(ready(Ok(Bytes::from(text))))
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("texts, numbers and times always serialise")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use serde_json::{Value, json};

    use super::*;

    fn written(parts: Vec<Vec<u32>>) -> Value {
        let body = text(opened(&json!({ "a": 1 })))
            .chain(text(",\"list\":[".to_owned()))
            .chain(elements(stream::iter(parts.into_iter().map(Ok))))
            .chain(text("]}".to_owned()));
        let all: Vec<Bytes> = body.try_collect().now_or_never().unwrap().unwrap();
        serde_json::from_slice(&all.concat()).unwrap()
    }

    #[test]
    fn what_is_written_in_parts_is_one_json_document() {
        for (parts, list) in [
            (vec![], json!([])),
            (vec![vec![]], json!([])),
            (vec![vec![1]], json!([1])),
            (vec![vec![1, 2], vec![3], vec![], vec![4]], json!([1, 2, 3, 4])),
            (vec![vec![], vec![5]], json!([5])),
        ] {
            assert_eq!(written(parts), json!({ "a": 1, "list": list }));
        }
    }

    #[test]
    fn what_is_away_from_the_start_is_no_answer_at_all() {
        let away = stream::iter([Err::<Vec<u32>, _>(Failure::Unavailable("away".to_owned()))]);
        assert!(begun(away).now_or_never().unwrap().is_err());
        let later = stream::iter([Ok(vec![1_u32]), Err(Failure::Unavailable("away".to_owned()))]);
        let parts = begun(later).now_or_never().unwrap().unwrap();
        let ends: Vec<bool> = parts.map(|part| part.is_ok()).collect::<Vec<_>>().now_or_never().unwrap();
        assert_eq!(ends, [true, false]);
    }
}
