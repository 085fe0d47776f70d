//! Proactive content negotiation by `Accept` (RFC 9110, section 12.5.1).

use actix_web::{
    HttpRequest,
    http::header::{Accept, Header, Quality},
};

/// The media types of a client of the API.
const API: [&str; 2] = ["application/json", "application/problem+json"];

/// Returns whether the client prefers HTML to the media types of the API. It does not if it has no preference, and not if
/// its `Accept` cannot be read.
pub(in crate::http) fn prefers_html(request: &HttpRequest) -> bool {
    let Ok(accept) = Accept::parse(request) else { return false };
    quality(&accept, "text/html")
        > API.map(|media_type| quality(&accept, media_type)).into_iter().fold(Quality::ZERO, Ord::max)
}

/// Returns the quality of a media type: that of the most specific range that matches it. Parameters of ranges are ignored.
fn quality(accept: &Accept, media_type: &str) -> Quality {
    let whole_type = media_type.split_once('/').map(|(name, _)| format!("{name}/*")).unwrap_or_default();
    [media_type, &whole_type, "*/*"]
        .into_iter()
        .find_map(|range| accept.iter().filter(|it| it.item.essence_str() == range).map(|it| it.quality).max())
        .unwrap_or(Quality::ZERO)
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header, test::TestRequest};

    use super::*;

    fn prefers(lines: &[&str]) -> bool {
        let request = lines.iter().fold(TestRequest::get(), |it, line| it.append_header((header::ACCEPT, *line)));
        prefers_html(&request.to_http_request())
    }

    #[test]
    fn browsers_prefer_html() {
        for accept in [
            // Firefox, Chromium, Safari, lynx
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
            "text/html, text/plain, text/sgml, text/css, application/xhtml+xml, */*;q=0.01",
            "text/html",
            "TEXT/HTML; charset=UTF-8",
            "text/html;level=1",
            "text/*",
            "text/*;q=0.1",
            "application/json;q=0.5, text/html;q=0.6",
            "application/problem+json;q=0.8, text/html;q=0.9, application/json;q=0.7",
            "*/*;q=0.1, text/html;q=0.2",
            // The most specific range decides.
            "*/*, application/*;q=0.5",
            "application/json;q=0.1, application/problem+json;q=0.1, */*;q=0.2",
            "nonsense, text/html",
        ] {
            assert!(prefers(&[accept]), "{accept}");
        }
        assert!(prefers(&["application/json;q=0.1", "text/html"]));
    }

    #[test]
    fn clients_of_the_api_do_not_prefer_html() {
        for accept in [
            "",
            "*/*",
            "*",
            "application/json",
            "application/problem+json",
            "application/json, text/plain, */*",
            "application/json, text/html",
            "text/html, application/json",
            "text/html, */*",
            "text/html;q=0.5, */*",
            "text/html;q=0.5, application/problem+json;q=0.6",
            "text/html;q=0",
            "text/html;q=0, */*;q=0.1",
            "text/*, text/html;q=0",
            "text/html;q=2",
            "text/html;q=x",
            "application/*;q=0.9, text/*;q=0.8",
            "image/png",
            "text/html2, nonsense",
            ";;,,;q=",
        ] {
            assert!(!prefers(&[accept]), "{accept}");
        }
        assert!(!prefers(&[]));
        assert!(!prefers(&["application/json", "text/html"]));
        assert!(!prefers(&["text/html", "äöü"]));
    }
}
