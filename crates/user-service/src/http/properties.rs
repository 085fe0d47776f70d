//! What holds of every header, query and body, whatever a client sends.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::{
    FromRequest,
    http::header::{self, HeaderMap, HeaderName, HeaderValue},
    test::TestRequest,
    web::Bytes,
};
use corpus::{TestResult, corpus};
use futures_util::FutureExt as _;
use proptest::prelude::*;
use serde_json::Value;

use super::{
    api::registration,
    errors::problem::Problem,
    extractors::{
        bearer_token::{MAX_TOKEN_BYTES, bearer_token},
        body_schema,
        client_address::{ClientAddressHeader, TrustedProxies},
        conditional::{IfMatch, IfNoneMatch, etag},
        json_body::{JsonBody, MAX_BODY_BYTES},
        language::Language,
        paging::{self, PageRequest},
        parameters::Query,
    },
    middleware::{cross_origin::AllowedOrigins, request_context},
};
use crate::domain::strict_json::{self, StrictJsonError};

/// No problem is longer, whatever was sent.
const LONGEST_PROBLEM: usize = 16 * 1024;
/// Stands in bodies of the corpus, never in what is said about them.
const SECRET: &str = "s3cr3t-p4ss";

/// One or two lines of a header, as far as a client can send them.
fn headers(name: &HeaderName, value: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in value.splitn(2, |byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(name.clone(), value);
        }
    }
    headers
}

/// A refusal that a client gets: of bounded size, without secrets.
fn refused(problem: &Problem) -> TestResult {
    let details = serde_json::to_string(&problem.details()).expect("a problem serialises");
    prop_assert!(details.len() <= LONGEST_PROBLEM, "{} bytes", details.len());
    prop_assert!(!details.contains(SECRET), "{}", details);
    prop_assert!(problem.status().is_client_error(), "{}", details);
    Ok(())
}

#[test]
fn a_stranger_never_chooses_the_address_and_a_proxy_only_among_those_it_names() {
    let proxies = TrustedProxies::parse(["10.0.0.0/8", "fd00::/8"]).expect("two networks");
    let stranger: IpAddr = Ipv4Addr::new(203, 0, 113, 9).into();
    let proxy: IpAddr = Ipv4Addr::new(10, 1, 2, 3).into();
    let real_ip = HeaderName::from_static("x-real-ip");
    corpus!("header").holds_for_bytes(|value| {
        let own = IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7));
        for (name, configured, line) in [
            (header::X_FORWARDED_FOR, ClientAddressHeader::XForwardedFor, "2001:db8::7"),
            (header::FORWARDED, ClientAddressHeader::Forwarded, "for=\"[2001:db8::7]\""),
            (real_ip.clone(), ClientAddressHeader::Single(real_ip.clone()), "2001:db8::7"),
        ] {
            let list = name != real_ip;
            let proxies = proxies.clone().with_header(configured);
            let headers = headers(&name, value);
            prop_assert_eq!(proxies.client_address(stranger, &headers), stranger);
            let client = proxies.client_address(proxy, &headers);
            prop_assert_eq!(client, client.to_canonical());
            let _ = proxies.came_over_tls(proxy, &headers);
            prop_assert!(!proxies.came_over_tls(stranger, &headers));
            // The hop that the proxy itself adds is the client, whatever stood before it. Where one address is
            // expected, a second one means that neither is believed.
            let mut behind = headers.clone();
            behind.append(name.clone(), HeaderValue::from_str(line).expect("ASCII"));
            let alone = behind.get_all(&name).count() == 1;
            let expected = if list || alone { own } else { proxy };
            prop_assert_eq!(proxies.client_address(proxy, &behind), expected);
        }
        Ok(())
    });
}

#[test]
fn a_configured_proxy_or_origin_is_one_or_refused_by_its_name() {
    corpus!("header").holds_for_text(|text| {
        if let Ok(proxies) = TrustedProxies::parse([text]) {
            let all = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
            for address in all {
                let _ = proxies.came_over_tls(address, &HeaderMap::new());
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
fn a_condition_is_a_list_of_tags_or_refused() {
    corpus!("header").holds_for_bytes(|value| {
        match IfMatch::from_headers(&headers(&header::IF_MATCH, value)) {
            Ok(condition) => prop_assert_eq!(condition.allows(7), condition.check(7).is_ok()),
            Err(problem) => refused(&problem)?,
        }
        if let Err(problem) = IfNoneMatch::from_headers(&headers(&header::IF_NONE_MATCH, value)) {
            refused(&problem)?;
        }
        Ok(())
    });
}

#[test]
fn a_language_is_one_of_ours() {
    corpus!("header").holds_for_bytes(|value| {
        let language = Language::from_headers(&headers(&header::ACCEPT_LANGUAGE, value));
        prop_assert!(Language::ALL.contains(&language));
        Ok(())
    });
}

#[test]
fn a_bearer_token_is_short_and_of_its_letters() {
    corpus!("header").holds_for_bytes(|value| {
        let headers = headers(&header::AUTHORIZATION, value);
        match bearer_token(&headers) {
            Ok(token) => {
                prop_assert!((1..=MAX_TOKEN_BYTES).contains(&token.len()));
                prop_assert!(token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b','));
            }
            Err(problem) => refused(&problem)?,
        }
        Ok(())
    });
}

#[test]
fn what_goes_into_logs_and_sessions_is_short_and_printable() {
    corpus!("header").holds_for_bytes(|value| {
        if let Some(agent) = request_context::user_agent(&headers(&header::USER_AGENT, value)) {
            prop_assert!((1..=256).contains(&agent.chars().count()) && !agent.chars().any(char::is_control));
        }
        let id = request_context::sane_request_id(&headers(&HeaderName::from_static("x-request-id"), value));
        if let Some(id) = id {
            prop_assert!((1..=128).contains(&id.len()) && HeaderValue::from_str(&id).is_ok());
        }
        Ok(())
    });
}

#[test]
fn a_query_is_read_once_or_refused() {
    corpus!("header").holds_for_text(|text| {
        let parsed = Query::parse(text);
        let query = match &parsed {
            Ok(query) => query,
            Err(problem) => return refused(problem),
        };
        if let Err(problem) = query.only(&["limit", "cursor"]) {
            refused(&problem)?;
        }
        match PageRequest::<(i64, String)>::of(query) {
            Ok(page) => {
                prop_assert!((1..=100).contains(&page.limit));
                if let Some(place) = page.after {
                    let (_, link) = paging::next_link("/api", &[("query", text)], &paging::cursor(&place));
                    prop_assert!(HeaderValue::from_str(&link).is_ok());
                }
            }
            Err(problem) => refused(&problem)?,
        }
        Ok(())
    });
}

proptest! {
    #[test]
    fn a_cursor_reads_back(number in any::<i64>(), text in any::<String>()) {
        let place = (number, text);
        let cursor = paging::cursor(&place);
        let query = Query::parse(&format!("cursor={cursor}")).expect("it is base64url");
        match PageRequest::<(i64, String)>::of(&query) {
            Ok(page) => prop_assert_eq!(page.after, Some(place)),
            // Nothing that we hand out is as long.
            Err(_) => prop_assert!(cursor.len() > 1024),
        }
    }

    #[test]
    fn a_link_to_the_next_page_is_a_header(name in any::<String>(), value in any::<String>()) {
        let (_, link) = paging::next_link("/api/admin/users", &[(&name, &value)], "AAAA");
        prop_assert!(HeaderValue::from_str(&link).is_ok());
        let (path, query) = link.trim_start_matches('<').split_once('?').expect("a query");
        let query = query.split_once('>').expect("its end").0;
        prop_assert_eq!(path, "/api/admin/users");
        if name != "cursor" {
            let read = Query::parse(query).expect("it was written just now");
            prop_assert_eq!((read.get(&name), read.get("cursor")), (Some(&*value), Some("AAAA")));
        }
    }

    #[test]
    fn a_version_is_its_own_tag(version in any::<i64>(), other in any::<i64>()) {
        let condition = IfMatch::from_headers(&headers(&header::IF_MATCH, etag(version).as_bytes())).expect("a tag");
        prop_assert!(condition.allows(version));
        prop_assert_eq!(condition.allows(other), other == version);
    }
}

#[test]
fn json_means_the_same_to_everyone_or_is_refused() {
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

/// How many values there are: what duplicates and depth could change.
fn shape(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(shape).sum::<usize>(),
        Value::Array(items) => 1 + items.iter().map(shape).sum::<usize>(),
        _ => 1,
    }
}

#[test]
fn a_body_is_a_registration_or_a_refusal_that_repeats_nothing() {
    corpus!("json").holds_for_bytes(|bytes| {
        let (request, mut payload) = TestRequest::post()
            .insert_header((header::CONTENT_TYPE, "application/json"))
            .set_payload(Bytes::copy_from_slice(bytes))
            .to_http_parts();
        let read = JsonBody::<registration::RegistrationBody>::from_request(&request, &mut payload).now_or_never();
        match read.expect("the whole body is there") {
            Ok(_) => prop_assert!(bytes.len() <= MAX_BODY_BYTES),
            Err(problem) => refused(&problem)?,
        }
        if let Ok(value) = strict_json::parse(bytes)
            && let Err(problem) = body_schema::check::<registration::RegistrationBody>(&value)
        {
            refused(&problem)?;
        }
        Ok(())
    });
}

#[test]
fn any_content_type_or_encoding_is_known_or_refused() {
    corpus!("header").holds_for_bytes(|value| {
        for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LENGTH] {
            let mut request = TestRequest::post().set_payload("{}");
            for (name, value) in headers(&name, value).iter() {
                request = request.append_header((name.clone(), value.clone()));
            }
            let (request, mut payload) = request.to_http_parts();
            let read = JsonBody::<registration::RegistrationBody>::from_request(&request, &mut payload).now_or_never();
            if let Err(problem) = read.expect("the whole body is there") {
                refused(&problem)?;
            }
        }
        Ok(())
    });
}
