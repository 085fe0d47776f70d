//! Refuses forms that another site has sent: by `Sec-Fetch-Site` (Fetch Metadata), and by `Origin` for a browser without
//! it. A member page also requires a token that is bound to the session.

use actix_web::{
    HttpMessage, HttpRequest,
    http::header::{self, HeaderMap, HeaderName},
};
use url::Url;

use crate::http::middleware::request_context::RequestContext;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Returns whether a page of this service has sent the request. A browser tells at least one of the two headers of
/// every form; a request without them is not from a page.
pub(super) fn is_from_own_page(request: &HttpRequest) -> bool {
    let is_https = request.extensions().get::<RequestContext>().is_some_and(|context| context.is_https);
    let headers = request.headers();
    match single(headers, &SEC_FETCH_SITE) {
        Header::Value(site) => site == "same-origin",
        Header::Absent => match single(headers, &header::ORIGIN) {
            Header::Value(origin) => is_own_origin(origin, is_https, headers),
            Header::Absent | Header::Unusable => false,
        },
        Header::Unusable => false,
    }
}

/// Returns whether a browser says that a page of another site has sent the request: for the forms of mailed links, which
/// have a secret of their own or need none. Their pages send no referrer, so an older browser does not tell its origin.
pub(in crate::http::pages) fn is_from_foreign_page(headers: &HeaderMap) -> bool {
    match single(headers, &SEC_FETCH_SITE) {
        Header::Value(site) => !matches!(site, "same-origin" | "none"),
        Header::Absent => false,
        Header::Unusable => true,
    }
}

/// Returns whether the origin is the address at which the browser has reached this service.
fn is_own_origin(origin: &str, is_https: bool, headers: &HeaderMap) -> bool {
    let Header::Value(host) = single(headers, &header::HOST) else { return false };
    let scheme = if is_https { "https" } else { "http" };
    Url::parse(&format!("{scheme}://{host}")).is_ok_and(|own| own.origin().ascii_serialization() == origin)
}

/// The value of a header that must not occur twice.
enum Header<'a> {
    Absent,
    Value(&'a str),
    Unusable,
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Header<'a> {
    let mut lines = headers.get_all(name);
    match (lines.next().map(|line| line.to_str()), lines.next()) {
        (None, _) => Header::Absent,
        (Some(Ok(value)), None) => Header::Value(value),
        _ => Header::Unusable,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn accepted(lines: &[(&str, &str)]) -> bool {
        let request = TestRequest::post().insert_header(("host", "localhost:3000"));
        let request = lines.iter().fold(request, |it, line| it.append_header(*line));
        is_from_own_page(&request.to_http_request())
    }

    #[test]
    fn a_form_of_an_own_page_is_accepted() {
        assert!(accepted(&[("sec-fetch-site", "same-origin")]));
        assert!(accepted(&[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:3000")]));
        assert!(accepted(&[("origin", "http://localhost:3000")]));
    }

    #[test]
    fn a_form_of_a_mailed_link_is_refused_only_if_the_browser_names_another_site() {
        let foreign = |site: Option<&'static str>| {
            let request = TestRequest::post();
            let request = site.into_iter().fold(request, |it, site| it.insert_header(("sec-fetch-site", site)));
            is_from_foreign_page(request.to_http_request().headers())
        };
        assert!([Some("cross-site"), Some("same-site"), Some("?")].into_iter().all(foreign));
        assert!(![None, Some("same-origin"), Some("none")].into_iter().any(foreign));
    }

    #[test]
    fn every_other_form_is_refused() {
        for lines in [
            &[][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:3000")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[("origin", "http://localhost:3001")],
            &[("origin", "https://localhost:3000")],
            &[("origin", "http://localhost:3000.evil.example")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://localhost:3000"), ("origin", "http://localhost:3000")],
        ] {
            assert!(!accepted(lines), "{lines:?}");
        }
    }
}
