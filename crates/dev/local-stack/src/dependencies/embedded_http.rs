//! The HTTP servers of the embedded stand-ins.

use actix_web::{
    App, Error, HttpResponse, HttpServer,
    body::MessageBody,
    dev::{RequestHead, ServerHandle, ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap},
    middleware::{Next, from_fn},
    web::ServiceConfig,
};
use anyhow::{Context as _, Result};

/// The names of this machine under which the servers respond.
const LOCAL_HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Serves these routes on this port of 127.0.0.1, in one thread. Pages of other sites can neither read nor change
/// anything.
pub(super) fn serve(port: u16, routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Result<ServerHandle> {
    let server = HttpServer::new(move || App::new().configure(&routes).wrap(from_fn(refuse_other_sites)))
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", port))
        .with_context(|| format!("cannot listen on port {port}"))?
        .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(handle)
}

/// Responds with 403 to a request that a page of another site may have sent.
async fn refuse_other_sites(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let reason = if !is_for_this_machine(request.headers()) {
        "This server responds only to requests for 127.0.0.1, localhost or [::1].\n"
    } else if is_change_from_another_site(request.head()) {
        "This server accepts no changes from pages of other sites.\n"
    } else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let refusal = HttpResponse::Forbidden().content_type("text/plain; charset=utf-8").body(reason);
    Ok(request.into_response(refusal).map_into_right_body())
}

/// Returns whether `Host` names this machine. A page whose own host name resolves to 127.0.0.1 (DNS rebinding) has the
/// same origin as this server for the browser, but its requests name that host.
fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let is_local = |host: &header::HeaderValue| {
        let Ok(host) = host.to_str() else { return false };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        LOCAL_HOSTS.iter().any(|local| name.eq_ignore_ascii_case(local))
    };
    headers.contains_key(header::HOST) && headers.get_all(header::HOST).all(is_local)
}

/// Returns whether a request changes something and was sent by a page of another origin. Browsers say so in
/// `Sec-Fetch-Site`, and older ones in `Origin`; other clients send neither.
fn is_change_from_another_site(head: &RequestHead) -> bool {
    let text = |name| head.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    if head.method.is_safe() {
        return false;
    }
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.strip_prefix("http://") != text("host"),
        (None, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::web;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use super::*;
    use crate::network::ports::Port;

    struct Server {
        port: Port,
        handle: ServerHandle,
    }

    impl Server {
        fn start() -> Self {
            let port = Port::free().unwrap();
            let routes = |config: &mut ServiceConfig| {
                config.route("/", web::get().to(async || "read")).route("/", web::post().to(async || "changed"));
            };
            Self { handle: serve(port.number(), routes).unwrap(), port }
        }

        /// Sends a request with these headers and returns the response.
        async fn request(&self, method: &str, headers: &str) -> String {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port.number())).await.unwrap();
            let head = format!("{method} / HTTP/1.0\r\n{headers}Content-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut response = String::new();
            let read = stream.read_to_string(&mut response);
            tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
            response
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            drop(self.handle.stop(false));
        }
    }

    #[tokio::test]
    async fn only_requests_for_this_machine_are_answered() {
        let server = Server::start();
        for host in ["127.0.0.1", "127.0.0.1:8025", "localhost", "LocalHost:8025", "[::1]", "[::1]:8025"] {
            let response = server.request("GET", &format!("Host: {host}\r\n")).await;
            assert!(response.starts_with("HTTP/1.0 200") && response.ends_with("read"), "{host}: {response}");
        }
        for headers in [
            "Host: rebound.example\r\n",
            "Host: rebound.example:8025\r\n",
            "Host: localhost.rebound.example\r\n",
            "Host: 127.0.0.1@rebound.example\r\n",
            "Host: localhost:8025:rebound.example\r\n",
            "Host: localhost\r\nHost: rebound.example\r\n",
            "Host: \r\n",
            "",
        ] {
            let response = server.request("GET", headers).await;
            assert!(!response.contains("read") && !response.starts_with("HTTP/1.0 200"), "{headers}: {response}");
        }
        let refused = server.request("GET", "Host: rebound.example\r\n").await;
        assert!(refused.starts_with("HTTP/1.0 403"), "{refused}");
        assert!(refused.ends_with("This server responds only to requests for 127.0.0.1, localhost or [::1].\n"));
    }

    #[tokio::test]
    async fn a_page_of_another_site_changes_nothing() {
        let server = Server::start();
        for (headers, is_accepted) in [
            ("", true),
            ("Sec-Fetch-Site: same-origin\r\nOrigin: http://localhost:8025\r\n", true),
            ("Sec-Fetch-Site: none\r\n", true),
            ("Sec-Fetch-Site: cross-site\r\n", false),
            // A page on another port of this machine.
            ("Sec-Fetch-Site: same-site\r\n", false),
            ("Origin: http://localhost:8025\r\n", true),
            ("Origin: http://localhost:3000\r\n", false),
            ("Origin: https://other.example\r\n", false),
            ("Origin: null\r\n", false),
        ] {
            let response = server.request("POST", &format!("Host: localhost:8025\r\n{headers}")).await;
            let expected = if is_accepted { ("HTTP/1.0 200", "changed") } else { ("HTTP/1.0 403", "other sites.\n") };
            assert!(response.starts_with(expected.0) && response.ends_with(expected.1), "{headers}: {response}");
        }
        let link = server.request("GET", "Host: localhost:8025\r\nSec-Fetch-Site: cross-site\r\n").await;
        assert!(link.ends_with("read"), "a link on another site opens the page: {link}");
    }
}
