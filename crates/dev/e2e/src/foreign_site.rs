//! A web site of an attacker: a server at another origin that serves one page, and records what is requested from it.

use std::sync::{Arc, Mutex, PoisonError};

use test_support::Port;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A page without a request for an icon.
const EMPTY: &str = "<!doctype html><link rel=icon href=data:,>";

/// A running site. Its server ends with the runtime of the test.
#[derive(Debug)]
pub struct ForeignSite {
    port: Port,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    page: Mutex<String>,
    requests: Mutex<Vec<String>>,
}

impl ForeignSite {
    /// Starts a site whose page is empty.
    ///
    /// # Panics
    /// Panics if there is no free port.
    pub async fn start() -> Self {
        let port = Port::free().expect("a free port");
        let listener = TcpListener::bind(("127.0.0.1", port.number())).await.expect("the port is free");
        let site = Self { port, shared: Arc::default() };
        let shared = Arc::clone(&site.shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(respond(stream, Arc::clone(&shared)));
            }
        });
        site
    }

    /// Returns the origin of the site: another port of the same host, which is the same site for a cookie.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    /// Returns another origin of the site, with another host, which is another site for a cookie, too.
    #[must_use]
    pub fn cross_site_url(&self) -> String {
        format!("http://localhost:{}", self.port.number())
    }

    /// Sets what the page contains.
    pub fn set_page(&self, html: &str) {
        *self.shared.page.lock().unwrap_or_else(PoisonError::into_inner) = html.to_owned();
    }

    /// Returns the paths of the requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn respond(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&buffer[..read]);
    // A browser also opens connections that it does not use; only requests count.
    if let Some(path) = head.split(' ').nth(1) {
        shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_owned());
    }
    let html = format!("{EMPTY}{}", shared.page.lock().unwrap_or_else(PoisonError::into_inner));
    let response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{html}",
        html.len()
    );
    let _ = stream.write_all(response.as_bytes()).await;
}
