//! Gives each request body a deadline, and closes the connection if a body is not read to its end.
//!
//! actix-http drains a chunked body that no handler reads, without a limit in time or size, so a
//! client that never ends its body would keep its connection for ever (actix-http 3.20,
//! `payload_drainable`). It closes the connection instead if the body's receiver is still alive when
//! the response ends. That is why the response keeps the receiver.
//!
//! `HttpServer::client_disconnect_timeout` must stay above half a second (the default is one second):
//! its deadline is computed from a clock that ticks twice a second, and a deadline in the past never
//! fires.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    Error, HttpMessage, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
    middleware::Next,
    web::Bytes,
};
use futures_util::{Stream, StreamExt};
use tokio::time::Sleep;

/// Guards the body of a request, as the outermost middleware. `deadline` is the time a client may
/// take to send a body, counted from the first read. A late body ends in `PayloadError::Io` with
/// `TimedOut`.
///
/// # Errors
/// Returns the errors of the inner service.
pub async fn guard_body(
    deadline: Duration,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<GuardedResponseBody>, Error> {
    let receiver = BodyReceiver::take(&mut request, deadline);
    match next.call(request).await {
        Ok(response) => Ok(response.map_body(|_, body| GuardedResponseBody { body, _receiver: receiver })),
        Err(mut error) => {
            error.add_response_mapper(move |response| keep_receiver(response, receiver.clone()));
            Err(error)
        }
    }
}

fn keep_receiver(response: HttpResponse, receiver: Option<BodyReceiver>) -> HttpResponse {
    response.map_body(|_, body| BoxBody::new(GuardedResponseBody { body, _receiver: receiver }))
}

/// The receiving end of a request body; the server writes to the other end.
#[derive(Clone)]
struct BodyReceiver(Rc<RefCell<Payload>>);

impl BodyReceiver {
    /// Replaces the request's body by a guarded stream. Returns `None` if there is no body.
    fn take(request: &mut ServiceRequest, deadline: Duration) -> Option<Self> {
        let payload = request.take_payload();
        if matches!(payload, Payload::None) {
            return None;
        }
        let receiver = Self(Rc::new(RefCell::new(payload)));
        let stream = GuardedRequestBody { receiver: receiver.clone(), deadline, timer: None };
        request.set_payload(Payload::Stream { payload: Box::pin(stream) });
        Some(receiver)
    }
}

/// The request body that extractors read.
struct GuardedRequestBody {
    receiver: BodyReceiver,
    deadline: Duration,
    /// Starts with the first read, because a handler may wait for something else before it.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stream for GuardedRequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(chunk) = self.receiver.0.borrow_mut().poll_next_unpin(cx) {
            return Poll::Ready(chunk);
        }
        let deadline = self.deadline;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(deadline)));
        timer.as_mut().poll(cx).map(|()| Some(Err(PayloadError::Io(io::ErrorKind::TimedOut.into()))))
    }
}

/// A response body that keeps the receiver of the request's body until it has been sent.
pub struct GuardedResponseBody {
    body: BoxBody,
    _receiver: Option<BodyReceiver>,
}

impl MessageBody for GuardedResponseBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpServer, error::ErrorForbidden, middleware::from_fn, web};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    async fn echo(body: Result<Bytes, Error>) -> HttpResponse {
        match body {
            Ok(body) => HttpResponse::Ok().body(body),
            Err(error) => HttpResponse::RequestTimeout().body(error.to_string()),
        }
    }

    async fn refuse_early<B>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
        if request.path() == "/refused-early" { Err(ErrorForbidden("no")) } else { next.call(request).await }
    }

    /// Sends `request` and nothing more. Returns the answer until the server closes the connection.
    async fn ask(request: String) -> String {
        let server = HttpServer::new(|| {
            App::new()
                .wrap(from_fn(refuse_early))
                .wrap(from_fn(|request, next| guard_body(Duration::from_millis(100), request, next)))
                .route("/echo", web::post().to(echo))
                .route("/refused", web::post().to(|| async { HttpResponse::Unauthorized().finish() }))
                .route("/empty", web::post().to(|| async { HttpResponse::NoContent().finish() }))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        let running = actix_web::rt::spawn(server);

        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(3), stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(closed.is_ok(), "the connection is still open after {answer}");
        handle.stop(false).await;
        running.await.unwrap().unwrap();
        answer
    }

    fn chunked(path: &str, connection: &str, body: &str) -> String {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: {connection}\r\ntransfer-encoding: chunked\r\n\r\n{body}"
        )
    }

    #[actix_web::test]
    async fn a_body_that_is_read_arrives_and_the_connection_stays() {
        let two = chunked("/echo", "keep-alive", "2\r\nhi\r\n0\r\n\r\n")
            + &chunked("/echo", "close", "3\r\nyou\r\n0\r\n\r\n");
        let answer = ask(two).await;
        assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
        assert!(answer.contains("\r\n\r\nhi") && answer.ends_with("\r\n\r\nyou"), "{answer}");
    }

    #[actix_web::test]
    async fn a_body_that_never_ends_times_out() {
        let answer = ask(chunked("/echo", "keep-alive", "2\r\nhi\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("connection: close"), "{answer}");
    }

    #[actix_web::test]
    async fn an_unread_body_without_end_closes_the_connection_after_the_answer() {
        let cases = [("/refused", "401"), ("/refused-early", "403"), ("/empty", "204"), ("/nowhere", "404")];
        let requests = cases.iter().flat_map(|(path, status)| {
            ["keep-alive", "close"].map(|connection| async move {
                let answer = ask(chunked(path, connection, "2\r\nhi\r\n")).await;
                assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} {connection}: {answer}");
            })
        });
        futures_util::future::join_all(requests).await;
    }
}
