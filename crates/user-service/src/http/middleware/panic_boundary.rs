//! Turns a panic during a request into the problem `internal` for that request; the process continues.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Bytes,
};
use futures_util::{Stream, StreamExt, stream};
use service_kit::{fail_point, panics};

use crate::problem::Problem;

/// The label of the panic metric.
const BOUNDARY: &str = "request";

/// Calls the inner service, and returns its response, or [`Problem::Internal`] if it panics.
pub(in crate::http) async fn call_catching_panics<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let response = panics::catch_future(BOUNDARY, async {
        fail_point!("http.request");
        next.call(request).await
    });
    response.await.unwrap_or_else(|panicked| Err(Problem::from(panicked).into()))
}

/// Catches panics of [`request_context`](super::request_context) itself, as the outermost middleware:
/// `App::wrap(from_fn(catch_panics))`.
///
/// # Errors
/// Returns the errors of the inner service; [`Problem::Internal`] if it panics.
pub async fn catch_panics<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let response = panics::catch_future(BOUNDARY, async { next.call(request).await });
    response.await.unwrap_or_else(|panicked| {
        let problem = Problem::from(panicked);
        problem.log_cause();
        Err(problem.into())
    })
}

/// Returns a body that ends with an error where the stream `body` panics. Middlewares cannot catch these panics, because
/// the body is produced after they have returned.
pub(in crate::http) fn catch_panics_of_body(
    body: impl Stream<Item = Result<Bytes, Problem>> + 'static,
) -> impl Stream<Item = Result<Bytes, Problem>> {
    stream::unfold(Some(Box::pin(body)), |body| async {
        let mut body = body?;
        match panics::catch_future(BOUNDARY, body.next()).await {
            Ok(chunk) => Some((chunk?, Some(body))),
            // A stream that has panicked must not be polled again.
            Err(panicked) => Some((Err(panicked.into()), None)),
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
        assert!(matches!(&chunks[..], [Ok(first), Err(Problem::Internal(_))] if first == "12"), "{chunks:?}");
    }
}
