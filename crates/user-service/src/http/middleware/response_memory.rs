//! Bounds the memory of all large responses together, so that clients which request many large responses and read none
//! of them cannot exhaust it.
//!
//! actix-http copies each chunk of a body into the buffer of its connection, and polls for the next chunk when the buffer
//! holds at most 32 KiB. So a large body is sent in small chunks, and its rest waits in the memory that is reserved here.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    Error,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Bytes,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::Problem;

/// Responses up to this size are not counted, because they fit into the buffer of their connection.
const UNCOUNTED_BYTES: usize = 64 * 1024;
/// The memory for all large responses together.
const MEMORY_BYTES: usize = 64 * 1024 * 1024;
/// The largest chunk in which a large body is sent.
const CHUNK_BYTES: usize = 32 * 1024;
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The bounded memory for large responses. Clones share it.
#[derive(Debug, Clone)]
pub struct ResponseMemory(Arc<Semaphore>);

impl Default for ResponseMemory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MEMORY_BYTES)))
    }
}

impl ResponseMemory {
    /// Reserves memory for a large response until the client has read it, as a middleware:
    /// `App::wrap(from_fn(move |request, next| memory.clone().reserve(request, next)))`.
    ///
    /// # Errors
    /// Returns the errors of the inner service; `overloaded` if unread large responses hold too much memory.
    pub async fn reserve<B: MessageBody + 'static>(
        self,
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        let response = next.call(request).await?.map_into_boxed_body();
        let size = match response.response().body().size() {
            BodySize::Sized(size) => usize::try_from(size).unwrap_or(usize::MAX),
            BodySize::None | BodySize::Stream => 0,
        };
        if size <= UNCOUNTED_BYTES {
            return Ok(response);
        }
        // A response that is larger than the whole memory reserves all of it.
        let bytes = u32::try_from(size.min(MEMORY_BYTES)).unwrap_or(u32::MAX);
        let Ok(reserved) = self.0.try_acquire_many_owned(bytes) else {
            return Err(Problem::Overloaded(RETRY_AFTER).into());
        };
        Ok(response.map_body(|_, body| {
            BoxBody::new(ChunkedBody { size: body.size(), body, rest: Bytes::new(), _reserved: reserved })
        }))
    }
}

/// A body that is sent in small chunks and holds its reserved memory.
struct ChunkedBody {
    size: BodySize,
    body: BoxBody,
    rest: Bytes,
    _reserved: OwnedSemaphorePermit,
}

impl MessageBody for ChunkedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(cx)) {
                Some(Ok(more)) => self.rest = more,
                end => return Poll::Ready(end),
            }
        }
        let chunk = self.rest.len().min(CHUNK_BYTES);
        Poll::Ready(Some(Ok(self.rest.split_to(chunk))))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpResponse, body::to_bytes, middleware::from_fn, test, web};

    use super::*;

    #[actix_web::test]
    async fn large_responses_hold_memory_until_they_are_read_and_small_ones_need_none() {
        let memory = ResponseMemory(Arc::new(Semaphore::new(150_000)));
        let app = test::init_service(
            App::new()
                .wrap(from_fn(move |request, next| memory.clone().reserve(request, next)))
                .route("/large", web::get().to(|| async { HttpResponse::Ok().body(vec![b'x'; 100_000]) }))
                .route("/small", web::get().to(|| async { HttpResponse::Ok().body(vec![b'x'; UNCOUNTED_BYTES]) })),
        )
        .await;
        let get = |path: &str| test::TestRequest::get().uri(path).to_request();

        let unread = test::call_service(&app, get("/large")).await;
        assert_eq!(unread.status(), 200);
        let refused = test::try_call_service(&app, get("/large")).await.map(|response| response.status());
        assert_eq!(refused.unwrap_err().as_response_error().status_code(), 503);
        assert_eq!(test::call_service(&app, get("/small")).await.status(), 200);

        let body = to_bytes(unread.into_body()).await.unwrap();
        assert_eq!(body.len(), 100_000);
        assert!(body.iter().all(|byte| *byte == b'x'));
        assert_eq!(test::call_service(&app, get("/large")).await.status(), 200);
    }
}
