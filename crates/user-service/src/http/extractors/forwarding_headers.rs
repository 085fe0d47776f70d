//! Parses the headers in which proxies name the client: `X-Forwarded-For`, `Forwarded` (RFC 7239), and headers with one
//! address.

use std::net::IpAddr;

use actix_web::http::header::{self, HeaderMap, HeaderName};

/// Returns the hops of all `X-Forwarded-For` lines, the nearest last; `None` for an entry that is not an address.
pub(super) fn x_forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    joined_lines(headers, &header::X_FORWARDED_FOR)
        .map_or_else(Vec::new, |list| list.split(',').map(parse_node).collect())
}

/// Returns the `for` parameters of all `Forwarded` lines, the nearest last; `None` for one that is not an address.
pub(super) fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let of_element = |element: &str| parse_node(&parameter(element, "for")?);
    // Splitting at commas and semicolons is safe within quotes, too: addresses and ports contain neither.
    joined_lines(headers, &header::FORWARDED).map_or_else(Vec::new, |list| list.split(',').map(of_element).collect())
}

/// Returns the address in a header that must occur once and hold one address.
pub(super) fn single_address(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let mut lines = headers.get_all(name);
    let only = lines.next().filter(|_| lines.next().is_none())?;
    parse_node(only.to_str().ok()?)
}

/// Returns the value of a parameter of one `Forwarded` element, in lower case.
pub(super) fn parameter(element: &str, wanted: &str) -> Option<String> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        name.trim().eq_ignore_ascii_case(wanted).then_some(value)
    })
}

/// Returns all lines of a header as one list.
pub(super) fn joined_lines(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<_> = headers.get_all(name).map(|line| String::from_utf8_lossy(line.as_bytes())).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// Parses `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn parse_node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let address = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?.0,
        None if text.matches(':').count() == 1 => text.split_once(':')?.0,
        None => text,
    };
    address.parse::<IpAddr>().ok().map(|it| it.to_canonical())
}
