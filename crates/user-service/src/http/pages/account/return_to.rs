//! Where a reader goes on after signing in: to a page of the account, or to an application whose origin is configured.

use std::borrow::Cow;

use url::Url;

use crate::http::{middleware::cross_origin::AllowedOrigins, percent_encoding::percent_encode};

/// The account home.
pub(super) const HOME: &str = "/account";
/// The longest address that is kept.
pub(super) const MAX_BYTES: usize = 2048;

/// A place to which a reader may be sent. Everything else is not one, so there is no open redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReturnTo(String);

impl ReturnTo {
    /// Parses a path below `/account`, or an absolute URL whose origin is one of `origins`. Returns `None` for anything
    /// else.
    pub(super) fn parse(text: &str, origins: &AllowedOrigins) -> Option<Self> {
        if text.is_empty() || text.len() > MAX_BYTES {
            return None;
        }
        if text.starts_with('/') {
            return is_account_path(text).then(|| Self(text.to_owned()));
        }
        let url = Url::parse(text).ok()?;
        // The origin of a `blob:` URL is that of the address in it.
        let is_listed =
            matches!(url.scheme(), "http" | "https") && origins.contains(&url.origin().ascii_serialization());
        // What was parsed is used, because browsers may read the text differently.
        (is_listed && url.username().is_empty() && url.password().is_none()).then(|| Self(url.into()))
    }

    /// Returns the address: ASCII, for the header `Location` and for a hidden field.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the address of a page, with the place to which its reader goes on.
    pub(super) fn add_to(address: &'static str, next: Option<&Self>) -> Cow<'static, str> {
        let Some(next) = next else { return address.into() };
        let separator = if address.contains('?') { '&' } else { '?' };
        format!("{address}{separator}next={}", percent_encode(&next.0)).into()
    }
}

/// Returns whether the text is a path of an account page, with nothing that a browser could read as another host.
fn is_account_path(text: &str) -> bool {
    let path = text.split('?').next().unwrap_or_default();
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_=&?.~".contains(&byte);
    (path == HOME || path.starts_with("/account/"))
        && !text.contains("//")
        && !text.contains("..")
        && text.bytes().all(is_safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<String> {
        let origins = AllowedOrigins::parse(["https://app.example.org", "http://localhost:5173"]).unwrap();
        ReturnTo::parse(text, &origins).map(|to| to.as_str().to_owned())
    }

    #[test]
    fn pages_of_the_account_and_configured_origins_are_places() {
        for text in ["/account", "/account/email", "/account/history?cursor=a_b-c", "http://localhost:5173/x?y=1#z"] {
            assert_eq!(parse(text).as_deref(), Some(text));
        }
        assert_eq!(parse("https://app.example.org").as_deref(), Some("https://app.example.org/"));
        assert_eq!(parse("https://app.example.org/ä").as_deref(), Some("https://app.example.org/%C3%A4"));
    }

    #[test]
    fn the_address_of_a_page_keeps_the_place() {
        let origins = AllowedOrigins::parse(["https://app.example.org"]).unwrap();
        let next = ReturnTo::parse("https://app.example.org/?a=1&b=2#c", &origins);
        assert_eq!(ReturnTo::add_to("/sign-in", None), "/sign-in");
        for (address, separator) in [("/sign-in", '?'), ("/check-mail?done=again", '&')] {
            let with_next = ReturnTo::add_to(address, next.as_ref());
            let (start, query) = with_next.split_once(&format!("{separator}next=")).unwrap();
            assert_eq!(start, address);
            assert!(!query.contains(['&', '#', '?', '/']), "{query}");
            let decoded = percent_encoding::percent_decode_str(query).decode_utf8().unwrap();
            assert_eq!(parse(&decoded).as_deref(), next.as_ref().map(ReturnTo::as_str));
        }
    }

    #[test]
    fn nothing_else_is_a_place() {
        for text in [
            "",
            "/",
            "/sign-in",
            "/accounts",
            "//evil.example",
            "/\\evil.example",
            "/account//evil.example",
            "/account/../api",
            "/account/\r\nset-cookie: a=b",
            "/account/%0d%0a",
            "account",
            "https://evil.example",
            "https://app.example.org.evil.example",
            "https://app.example.org@evil.example",
            "https://user@app.example.org",
            "https://app.example.org:444",
            "http://app.example.org",
            "https:evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "blob:https://app.example.org/1",
            "\thttps://evil.example",
            "https://evil.example\\@app.example.org",
            &format!("/account/{}", "a".repeat(MAX_BYTES)),
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
