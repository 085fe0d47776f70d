//! Property tests of the parsers of headers, queries and bodies, which must hold for any input.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::{
    FromRequest,
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
    test::TestRequest,
    web::{self, Bytes},
};
use corpus::{TestResult, corpus};
use futures_util::FutureExt as _;
use proptest::prelude::*;
use serde_json::Value;

use super::{
    api::registration,
    extractors::{
        accept::prefers_html,
        bearer_token::{MAX_TOKEN_BYTES, bearer_token},
        body_schema,
        client_address::{ClientAddressHeader, TrustedProxies},
        conditional::{IfMatch, IfNoneMatch, etag},
        form::Form,
        json_body::{JsonBody, MAX_BODY_BYTES},
        paging::{self, PageRequest},
        parameters::Query,
    },
    middleware::{cross_origin::AllowedOrigins, request_context},
    pages::{ServedPages, start_page::base_url},
};
use crate::domain::{
    ExpectedVersion,
    strict_json::{self, StrictJsonError},
};
use crate::{problem::Problem, usecase::OAuthError};

/// The largest size of a problem, for any input.
const MAX_PROBLEM_BYTES: usize = 16 * 1024;
/// A value in the bodies of the corpus that no problem may repeat.
const SECRET: &str = "s3cr3t-p4ss";

/// Returns a header with one or two lines, without the values that a client cannot send.
fn headers(name: &HeaderName, value: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in value.splitn(2, |byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name.clone(), value);
        }
    }
    headers
}

/// Checks that a problem is a client error of bounded size, without secrets.
fn check_refusal(problem: &Problem) -> TestResult {
    let details = serde_json::to_string(&problem.details()).expect("a problem serialises");
    prop_assert!(details.len() <= MAX_PROBLEM_BYTES, "{} bytes", details.len());
    prop_assert!(!details.contains(SECRET), "{}", details);
    prop_assert!(problem.status().is_client_error(), "{}", details);
    Ok(())
}

#[test]
fn only_a_trusted_proxy_can_report_another_client_address() {
    let proxies = TrustedProxies::parse(["10.0.0.0/8", "fd00::/8"]).expect("two networks");
    let untrusted: IpAddr = Ipv4Addr::new(203, 0, 113, 9).into();
    let proxy: IpAddr = Ipv4Addr::new(10, 1, 2, 3).into();
    let real_ip = HeaderName::from_static("x-real-ip");
    corpus!("header").holds_for_bytes(|value| {
        let hop = IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7));
        for (name, configured, line) in [
            (header::X_FORWARDED_FOR, ClientAddressHeader::XForwardedFor, "2001:db8::7"),
            (header::FORWARDED, ClientAddressHeader::Forwarded, "for=\"[2001:db8::7]\""),
            (real_ip.clone(), ClientAddressHeader::Single(real_ip.clone()), "2001:db8::7"),
        ] {
            let list = name != real_ip;
            let proxies = proxies.clone().with_header(configured);
            let headers = headers(&name, value);
            prop_assert_eq!(proxies.client_address(untrusted, &headers), untrusted);
            let client = proxies.client_address(proxy, &headers);
            prop_assert_eq!(client, client.to_canonical());
            let _ = proxies.client_used_https(proxy, &headers);
            prop_assert!(!proxies.client_used_https(untrusted, &headers));
            // The hop that the proxy itself adds is the client, whatever precedes it. In a header for one address, a
            // second address invalidates both.
            let mut proxied = headers.clone();
            proxied.append(name.clone(), HeaderValue::from_str(line).expect("ASCII"));
            let alone = proxied.get_all(&name).count() == 1;
            let expected = if list || alone { hop } else { proxy };
            prop_assert_eq!(proxies.client_address(proxy, &proxied), expected);
        }
        Ok(())
    });
}

#[test]
fn a_configured_proxy_or_origin_is_parsed_or_refused() {
    corpus!("header").holds_for_text(|text| {
        if let Ok(proxies) = TrustedProxies::parse([text]) {
            let all = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
            for address in all {
                let _ = proxies.client_used_https(address, &HeaderMap::new());
            }
        }
        if let Ok(origins) = AllowedOrigins::parse([text]) {
            let debug = format!("{origins:?}");
            prop_assert!(!debug.contains('*'));
        }
        Ok(())
    });
}

#[test]
fn a_conditional_header_is_a_list_of_tags_or_refused() {
    corpus!("header").holds_for_bytes(|value| {
        match IfMatch::from_headers(&headers(&header::IF_MATCH, value)) {
            Ok(condition) => drop(ExpectedVersion::from(condition)),
            Err(problem) => check_refusal(&problem)?,
        }
        if let Err(problem) = IfNoneMatch::from_headers(&headers(&header::IF_NONE_MATCH, value)) {
            check_refusal(&problem)?;
        }
        Ok(())
    });
}

#[test]
fn any_accept_language_selects_a_supported_language() {
    let pages = ServedPages::for_test(&branding::Branding::default());
    corpus!("header").holds_for_bytes(|value| {
        let localized = pages.localized(&headers(&header::ACCEPT_LANGUAGE, value));
        prop_assert!(test_support::LANGUAGES.contains(&localized.tag()));
        Ok(())
    });
}

#[test]
fn a_client_that_accepts_json_fully_never_prefers_html() {
    corpus!("header").holds_for_bytes(|value| {
        let headers = headers(&header::ACCEPT, value);
        let request = || {
            let lines = headers.get_all(header::ACCEPT);
            lines.fold(TestRequest::get(), |it, line| it.append_header((header::ACCEPT, line.clone())))
        };
        let _ = prefers_html(&request().to_http_request());
        let with_json = request().append_header((header::ACCEPT, "application/json"));
        prop_assert!(!prefers_html(&with_json.to_http_request()));
        Ok(())
    });
}

#[test]
fn the_address_of_the_service_has_no_character_that_a_shell_or_html_reads() {
    corpus!("header").holds_for_bytes(|value| {
        if let Some(address) = base_url(false, &headers(&header::HOST, value)) {
            let special = |c: char| !c.is_ascii_alphanumeric() && !"-._:/[]".contains(c);
            prop_assert!(!address.contains(special), "{}", address);
        }
        Ok(())
    });
}

#[test]
fn an_accepted_bearer_token_is_short_and_has_only_allowed_characters() {
    corpus!("header").holds_for_bytes(|value| {
        let headers = headers(&header::AUTHORIZATION, value);
        match bearer_token(&headers) {
            Ok(token) => {
                prop_assert!((1..=MAX_TOKEN_BYTES).contains(&token.len()));
                prop_assert!(token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b','));
            }
            Err(problem) => check_refusal(&problem)?,
        }
        Ok(())
    });
}

#[test]
fn accepted_user_agents_and_request_ids_are_short_and_printable() {
    corpus!("header").holds_for_bytes(|value| {
        if let Some(agent) = request_context::user_agent(&headers(&header::USER_AGENT, value)) {
            prop_assert!((1..=256).contains(&agent.chars().count()) && !agent.chars().any(char::is_control));
        }
        let id = request_context::valid_request_id(&headers(&HeaderName::from_static("x-request-id"), value));
        if let Some(id) = id {
            prop_assert!((1..=128).contains(&id.len()) && HeaderValue::from_str(&id).is_ok());
        }
        Ok(())
    });
}

#[test]
fn a_form_is_refused_or_read_as_a_lenient_parser_reads_it() {
    corpus!("form").holds_for_bytes(|bytes| {
        let form = match Form::parse(bytes) {
            Ok(form) => form,
            Err(error) => {
                prop_assert!(matches!(error, OAuthError::InvalidRequest(_)), "{:?}", error);
                return Ok(());
            }
        };
        let lenient = std::str::from_utf8(bytes).ok().and_then(|text| web::Query::from_query(text).ok());
        let pairs: Vec<(String, String)> = lenient.map(web::Query::into_inner).unwrap_or_default();
        for (name, value) in &pairs {
            prop_assert_eq!(form.get(name), Some(value.as_str()).filter(|value| !value.is_empty()), "{:?}", name);
        }
        Ok(())
    });
}

#[test]
fn a_query_is_parsed_or_refused() {
    corpus!("header").holds_for_text(|text| {
        let parsed = Query::parse(text);
        let query = match &parsed {
            Ok(query) => query,
            Err(problem) => return check_refusal(problem),
        };
        if let Err(problem) = query.reject_unknown(&["limit", "cursor"]) {
            check_refusal(&problem)?;
        }
        match PageRequest::<(i64, String)>::from_query(query) {
            Ok(page) => {
                prop_assert!((1..=100).contains(&page.limit));
                if let Some(position) = page.after {
                    let (_, link) =
                        paging::next_page_link("/api", &[("query", text)], &paging::encode_cursor(&position));
                    prop_assert!(HeaderValue::from_str(&link).is_ok());
                }
            }
            Err(problem) => check_refusal(&problem)?,
        }
        Ok(())
    });
}

proptest! {
    #[test]
    fn a_cursor_reads_back(number in any::<i64>(), text in any::<String>()) {
        let position = (number, text);
        let cursor = paging::encode_cursor(&position);
        let query = Query::parse(&format!("cursor={cursor}")).expect("a cursor is valid in a query");
        match PageRequest::<(i64, String)>::from_query(&query) {
            Ok(page) => prop_assert_eq!(page.after, Some(position)),
            // This service issues no cursor of that length.
            Err(_) => prop_assert!(cursor.len() > 1024),
        }
    }

    #[test]
    fn the_link_to_the_next_page_is_a_valid_header(name in any::<String>(), value in any::<String>()) {
        let (_, link) = paging::next_page_link("/api/admin/users", &[(&name, &value)], "AAAA");
        prop_assert!(HeaderValue::from_str(&link).is_ok());
        let (path, query) = link.trim_start_matches('<').split_once('?').expect("a query");
        let query = query.split_once('>').expect("the end of the URL").0;
        prop_assert_eq!(path, "/api/admin/users");
        if name != "cursor" {
            let read = Query::parse(query).expect("the query of the link is valid");
            prop_assert_eq!((read.get(&name), read.get("cursor")), (Some(&*value), Some("AAAA")));
        }
    }

    #[test]
    fn a_version_matches_only_its_own_tag(version in any::<i64>(), other in any::<i64>()) {
        let condition = IfMatch::from_headers(&headers(&header::IF_MATCH, etag(version).as_bytes())).expect("a tag");
        let expected = ExpectedVersion::from(condition);
        prop_assert!(expected.permits(version));
        prop_assert_eq!(expected.permits(other), other == version);
    }
}

#[test]
fn strict_json_is_read_alike_by_every_parser() {
    corpus!("json").holds_for_bytes(|bytes| {
        match strict_json::parse(bytes) {
            Ok(value) => {
                let written = serde_json::to_vec(&value).expect("JSON serialises");
                prop_assert_eq!(strict_json::parse(&written), Ok(value.clone()));
                let lenient: Value = serde_json::from_slice(bytes).expect("strict JSON is JSON");
                prop_assert_eq!(shape(&lenient), shape(&value));
            }
            Err(StrictJsonError::NotJson(reason)) => {
                prop_assert!(reason.len() < 200 && !reason.contains(SECRET), "{}", reason);
            }
            Err(StrictJsonError::NumbersOutOfRange(violations)) => prop_assert!(!violations.is_empty()),
        }
        Ok(())
    });
}

/// Returns the number of values, which duplicate members and nesting could change.
fn shape(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(shape).sum::<usize>(),
        Value::Array(items) => 1 + items.iter().map(shape).sum::<usize>(),
        _ => 1,
    }
}

#[test]
fn a_body_is_accepted_or_refused_without_repeating_a_secret() {
    corpus!("json").holds_for_bytes(|bytes| {
        let (request, mut payload) = TestRequest::post()
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .set_payload(Bytes::copy_from_slice(bytes))
            .to_http_parts();
        let read = JsonBody::<registration::RegistrationBody>::from_request(&request, &mut payload).now_or_never();
        match read.expect("the whole body is there") {
            Ok(_) => prop_assert!(bytes.len() <= MAX_BODY_BYTES),
            Err(problem) => check_refusal(&problem)?,
        }
        if let Ok(value) = strict_json::parse(bytes)
            && let Err(problem) = body_schema::check::<registration::RegistrationBody>(&value)
        {
            check_refusal(&problem)?;
        }
        Ok(())
    });
}

#[test]
fn any_content_type_or_encoding_is_accepted_or_refused() {
    corpus!("header").holds_for_bytes(|value| {
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LENGTH] {
            let mut request = TestRequest::post().set_payload("{}");
            for (name, value) in headers(&name, value).iter() {
                request = request.append_header((name.clone(), value.clone()));
            }
            let (request, mut payload) = request.to_http_parts();
            let read = JsonBody::<registration::RegistrationBody>::from_request(&request, &mut payload).now_or_never();
            if let Err(problem) = read.expect("the whole body is there") {
                check_refusal(&problem)?;
            }
        }
        Ok(())
    });
}
