//! Fetches a document over HTTP/1.1: no redirects, a bounded body, only http and https.

use std::{error::Error, future::Future, pin::Pin, sync::Arc, time::Duration};

use http::{HeaderMap, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// The maximum length of a document. A key set of large providers has 20 KiB.
pub(crate) const MAX_BODY_BYTES: usize = 256 * 1024;

/// A fetched document.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub body: Vec<u8>,
    /// `max-age` of the response's `Cache-Control`.
    pub max_age: Option<Duration>,
}

/// What [`Fetch::fetch`] returns. The error says what failed, for a log.
pub type FetchFuture<'a> = Pin<Box<dyn Future<Output = Result<Fetched, String>> + Send + 'a>>;

/// Fetches the documents of the issuer. Implement it to use your own HTTP client, for example with a proxy; the verifier
/// adds the deadline.
pub trait Fetch: Send + Sync + 'static {
    /// Fetches this URL, without following redirects.
    fn fetch<'a>(&'a self, url: &'a str) -> FetchFuture<'a>;
}

/// The default client. It trusts the certificate authorities of the system, or of `SSL_CERT_FILE`.
pub(crate) struct HttpFetcher(Client<HttpsConnector<HttpConnector>, Empty<&'static [u8]>>);

impl HttpFetcher {
    /// Reads the certificate authorities, which only `https` needs.
    pub(crate) fn new(https: bool) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if https && roots.is_empty() {
            return Err("no certificate authorities were found: install ca-certificates, or set SSL_CERT_FILE".into());
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector =
            hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        // Minutes pass between two fetches, so no connection is kept.
        Ok(Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)))
    }
}

impl Fetch for HttpFetcher {
    fn fetch<'a>(&'a self, url: &'a str) -> FetchFuture<'a> {
        Box::pin(async move {
            let request = Request::get(url).header(header::ACCEPT, "application/json").body(Empty::new());
            let request = request.map_err(|error| error.to_string())?;
            let response = self.0.request(request).await.map_err(|error| with_causes(&error))?;
            let status = response.status();
            if status.is_redirection() {
                return Err(format!("the response is {status}; redirects are not followed"));
            }
            if status != StatusCode::OK {
                return Err(format!("the response is {status}"));
            }
            let max_age = max_age(response.headers());
            let body =
                Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await.map_err(|e| with_causes(&*e))?;
            Ok(Fetched { body: body.to_bytes().into(), max_age })
        })
    }
}

/// Returns the text of an error with its causes: hyper's errors do not contain them.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = directives.flat_map(|value| value.split(',')).filter_map(|directive| directive.split_once('='));
    let (_, seconds) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// Returns whether the URL has the scheme https (`true`) or http, or why it cannot be fetched.
pub(crate) fn check_url(url: &str) -> Result<bool, String> {
    let uri: Uri = url.parse().unwrap_or_default();
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme @ ("http" | "https")), Some(authority)) if !authority.as_str().contains('@') => {
            Ok(scheme == "https")
        }
        _ => Err("it must be a URL with http:// or https://, without username and password".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_and_https_urls_without_credentials_are_fetched() {
        assert_eq!(check_url("https://id.example/keys"), Ok(true));
        assert_eq!(check_url("http://localhost:3000"), Ok(false));
        for url in
            ["", "/keys", "id.example", "file:///etc/passwd", "ftp://id.example/", "https://a:b@id.example/", "http://"]
        {
            assert!(check_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn max_age_is_found_among_the_directives() {
        let age = |value: &'static str| {
            max_age(&HeaderMap::from_iter([(header::CACHE_CONTROL, value.parse().unwrap())])).map(|age| age.as_secs())
        };
        assert_eq!(age("public, Max-Age=300"), Some(300));
        assert_eq!(age("max-age=0"), Some(0));
        for value in ["no-store", "s-maxage=5", "max-age", "max-age=-1", "max-age=soon", ""] {
            assert_eq!(age(value), None, "{value}");
        }
    }
}
