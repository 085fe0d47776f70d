//! The part of MailHog's HTTP API that tests and people use, with the same JSON.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{
    HttpResponse,
    web::{self, Data, Path, Query, ServiceConfig},
};
use mailparse::ParsedMail;
use serde::{Deserialize, Serialize};

use super::store::{CaughtMail, MailStore};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 250;

/// Adds the routes of the API.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v2/messages", web::get().to(list))
        .route("/api/v2/search", web::get().to(search))
        .route("/api/v1/messages", web::delete().to(delete_all))
        .route("/api/v1/messages/{id}", web::get().to(show))
        .route("/api/v1/messages/{id}", web::delete().to(delete_one));
}

#[derive(Deserialize)]
struct PageQuery {
    start: Option<usize>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
struct SearchQuery {
    kind: String,
    query: String,
    start: Option<usize>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct MessageList {
    total: usize,
    count: usize,
    start: usize,
    items: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(rename = "ID")]
    id: String,
    from: Address,
    to: Vec<Address>,
    content: Content,
    created: String,
    #[serde(rename = "MIME")]
    mime: Option<MimeParts>,
    raw: Raw,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Address {
    relays: Option<Vec<String>>,
    mailbox: String,
    domain: String,
    params: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    headers: BTreeMap<String, Vec<String>>,
    body: String,
    size: usize,
    #[serde(rename = "MIME")]
    mime: Option<MimeParts>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MimeParts {
    parts: Vec<Content>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Raw {
    from: String,
    to: Vec<String>,
    data: String,
    helo: String,
}

async fn list(store: Data<MailStore>, page: Query<PageQuery>) -> HttpResponse {
    HttpResponse::Ok().json(page_of(&store.all(), page.start, page.limit))
}

/// Searches mails. `kind` is `to`, `from` or `containing`; the query matches any part of the text and ignores case.
async fn search(store: Data<MailStore>, search: Query<SearchQuery>) -> HttpResponse {
    let wanted = search.query.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&wanted);
    let matches = |mail: &CaughtMail| match search.kind.as_str() {
        "to" => mail.envelope.to.iter().any(|to| has(to)),
        "from" => has(&mail.envelope.from),
        _ => has(&String::from_utf8_lossy(&mail.data)),
    };
    let found: Vec<Arc<CaughtMail>> = store.all().into_iter().filter(|mail| matches(mail)).collect();
    HttpResponse::Ok().json(page_of(&found, search.start, search.limit))
}

async fn show(store: Data<MailStore>, id: Path<String>) -> HttpResponse {
    store.get(&id).map_or_else(|| HttpResponse::NotFound().finish(), |mail| HttpResponse::Ok().json(message(&mail)))
}

async fn delete_one(store: Data<MailStore>, id: Path<String>) -> HttpResponse {
    if store.remove(Some(&id)) { HttpResponse::Ok().finish() } else { HttpResponse::NotFound().finish() }
}

async fn delete_all(store: Data<MailStore>) -> HttpResponse {
    store.remove(None);
    HttpResponse::Ok().finish()
}

fn page_of(mails: &[Arc<CaughtMail>], start: Option<usize>, limit: Option<usize>) -> MessageList {
    let start = start.unwrap_or(0);
    let limit = limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let items: Vec<Message> = mails.iter().skip(start).take(limit).map(|mail| message(mail)).collect();
    MessageList { total: mails.len(), count: items.len(), start, items }
}

fn message(mail: &CaughtMail) -> Message {
    let parsed = mailparse::parse_mail(&mail.data).ok();
    Message {
        id: mail.id.clone(),
        from: address(&mail.envelope.from),
        to: mail.envelope.to.iter().map(|to| address(to)).collect(),
        content: whole_content(mail, parsed.as_ref()),
        created: mail.created.to_string(),
        mime: parsed.as_ref().and_then(mime_parts),
        raw: Raw {
            from: mail.envelope.from.clone(),
            to: mail.envelope.to.clone(),
            data: String::from_utf8_lossy(&mail.data).into_owned(),
            helo: mail.envelope.helo.clone(),
        },
    }
}

fn whole_content(mail: &CaughtMail, parsed: Option<&ParsedMail<'_>>) -> Content {
    let text = String::from_utf8_lossy(&mail.data);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Content { headers: parsed.map(headers).unwrap_or_default(), body, size: mail.data.len(), mime: None }
}

fn mime_parts(mail: &ParsedMail<'_>) -> Option<MimeParts> {
    let content = |part: &ParsedMail<'_>| {
        let raw = String::from_utf8_lossy(part.raw_bytes).into_owned();
        let body = raw.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim_end_matches("\r\n").to_owned();
        Content { headers: headers(part), body, size: part.raw_bytes.len(), mime: mime_parts(part) }
    };
    (!mail.subparts.is_empty()).then(|| MimeParts { parts: mail.subparts.iter().map(content).collect() })
}

/// Returns the headers unfolded but not decoded, as MailHog does.
fn headers(mail: &ParsedMail<'_>) -> BTreeMap<String, Vec<String>> {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for header in &mail.headers {
        let value = String::from_utf8_lossy(header.get_value_raw()).replace("\r\n", "");
        headers.entry(header.get_key()).or_default().push(value);
    }
    headers
}

fn address(path: &str) -> Address {
    let (mailbox, domain) = path.rsplit_once('@').unwrap_or((path, ""));
    Address { relays: None, mailbox: mailbox.to_owned(), domain: domain.to_owned(), params: String::new() }
}
