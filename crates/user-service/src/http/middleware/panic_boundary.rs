//! A panic while a request is handled is that request's problem `internal`, and the process goes on.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Bytes,
};
use futures_util::{Stream, StreamExt, stream};
use service_kit::{fail_point, panics};

use crate::{http::errors::problem::Problem, usecase::Failure};

/// The label of the metric.
const BOUNDARY: &str = "request";

/// The inner service's answer, or [`Problem::Internal`] if it panics.
pub(in crate::http) async fn call_catching_panics<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let response = panics::catch_future(BOUNDARY, async {
        fail_point!("http.request");
        next.call(request).await
    });
    response.await.unwrap_or_else(|panicked| Err(Problem::internal(panicked).into()))
}

/// The outermost middleware, for what [`request_context`](super::request_context) does itself:
/// `App::wrap(from_fn(catch_panics))`.
///
/// # Errors
/// Those of the inner service; [`Problem::Internal`] if it panics.
pub async fn catch_panics<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let response = panics::catch_future(BOUNDARY, async { next.call(request).await });
    response.await.unwrap_or_else(|panicked| Err(Problem::internal(panicked).into()))
}

/// A body that breaks off where making it panics: it is made after the middlewares have returned.
pub(in crate::http) fn catch_panics_of_body(
    body: impl Stream<Item = Result<Bytes, Failure>> + 'static,
) -> impl Stream<Item = Result<Bytes, Failure>> {
    stream::unfold(Some(Box::pin(body)), |body| async {
        let mut body = body?;
        match panics::catch_future(BOUNDARY, body.next()).await {
            Ok(chunk) => Some((chunk?, Some(body))),
            // What has panicked is not polled again.
            Err(panicked) => Some((Err(Failure::Internal(panicked.into())), None)),
        }
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_body_stream_that_panics_ends_with_an_error() {
        let body = stream::iter([1, 0, 1]).map(|n| Ok(Bytes::from((12 / n).to_string())));
        let chunks: Vec<_> = catch_panics_of_body(body).collect::<Vec<_>>().now_or_never().unwrap();
        assert!(matches!(&chunks[..], [Ok(first), Err(Failure::Internal(_))] if first == "12"), "{chunks:?}");
    }
}
