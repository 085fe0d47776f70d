//! The part of MailHog's HTTP API that clients use, with the same JSON.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{
    HttpResponse,
    error::BlockingError,
    http::header,
    web::{self, Data, Path, Query, ServiceConfig},
};
use mailparse::{MailHeader, ParsedMail};
use serde::{Deserialize, Serialize};

use super::{
    decoded_mail::{parse, parse_headers},
    search,
    store::{CaughtMail, MailStore},
};

/// The page size if the client names none, or 0.
const DEFAULT_LIMIT: usize = 50;
/// The maximum page size. A larger one means this one.
const MAX_LIMIT: usize = 250;

/// Adds the routes of the API.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/api/v2/messages", web::get().to(list))
        .route("/api/v2/search", web::get().to(search))
        .route("/api/v1/messages", web::delete().to(delete_all))
        .route("/api/v1/messages/{id}", web::get().to(show))
        .route("/api/v1/messages/{id}", web::delete().to(delete_one))
        .route("/api/v1/messages/{id}/download", web::get().to(download));
}

/// The parameters of both lists, as texts: each error names its parameter.
#[derive(Deserialize)]
struct ListQuery {
    start: Option<String>,
    limit: Option<String>,
    kind: Option<String>,
    query: Option<String>,
}

impl ListQuery {
    fn page(&self) -> Result<Page, BadParameter> {
        let start = number("start", self.start.as_deref())?.unwrap_or(0);
        let limit = number("limit", self.limit.as_deref())?.filter(|limit| *limit > 0);
        Ok(Page { start, limit: limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT) })
    }

    fn search(&self) -> Result<Search, BadParameter> {
        let matches = match self.kind.as_deref() {
            Some("from") => search::is_from,
            Some("to") => search::is_to,
            Some("containing") => search::is_containing,
            _ => return Err(BadParameter("`kind` must be from, to or containing.".to_owned())),
        };
        match self.query.as_deref() {
            None | Some("") => Err(BadParameter("`query` must not be empty.".to_owned())),
            Some(query) => Ok(Search { matches, wanted: query.to_lowercase() }),
        }
    }
}

fn number(name: &str, value: Option<&str>) -> Result<Option<usize>, BadParameter> {
    let parse =
        |value: &str| value.parse().map_err(|_| BadParameter(format!("`{name}` must be a number, at least 0.")));
    value.map(parse).transpose()
}

struct Page {
    start: usize,
    limit: usize,
}

struct Search {
    matches: fn(&CaughtMail, &str) -> bool,
    wanted: String,
}

/// Says which parameter is wrong; the response is 400.
#[derive(Debug)]
struct BadParameter(String);

impl BadParameter {
    fn response(&self) -> HttpResponse {
        HttpResponse::BadRequest().content_type("text/plain; charset=utf-8").body(format!("{}\n", self.0))
    }
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

// Mails are decoded on other threads: the only one of the server has to respond to other requests meanwhile.

async fn list(store: Data<MailStore>, query: Query<ListQuery>) -> Result<HttpResponse, BlockingError> {
    let page = match query.page() {
        Ok(page) => page,
        Err(error) => return Ok(error.response()),
    };
    let list = web::block(move || page_of(&store.all(), &page));
    Ok(HttpResponse::Ok().json(list.await?))
}

async fn search(store: Data<MailStore>, query: Query<ListQuery>) -> Result<HttpResponse, BlockingError> {
    let (page, search) = match (query.page(), query.search()) {
        (Ok(page), Ok(search)) => (page, search),
        (Err(error), _) | (_, Err(error)) => return Ok(error.response()),
    };
    let found = web::block(move || {
        let Search { matches, wanted } = search;
        let found: Vec<Arc<CaughtMail>> = store.all().into_iter().filter(|mail| matches(mail, &wanted)).collect();
        page_of(&found, &page)
    });
    Ok(HttpResponse::Ok().json(found.await?))
}

async fn show(store: Data<MailStore>, id: Path<String>) -> Result<HttpResponse, BlockingError> {
    let Some(mail) = store.get(&id) else { return Ok(no_such_message()) };
    let message = web::block(move || message(&mail));
    Ok(HttpResponse::Ok().json(message.await?))
}

async fn download(store: Data<MailStore>, id: Path<String>) -> HttpResponse {
    let Some(mail) = store.get(&id) else { return no_such_message() };
    HttpResponse::Ok()
        .content_type("message/rfc822")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}.eml\"", mail.id)))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(mail.data.clone())
}

async fn delete_one(store: Data<MailStore>, id: Path<String>) -> HttpResponse {
    if store.remove(Some(&id)) { HttpResponse::Ok().finish() } else { no_such_message() }
}

async fn delete_all(store: Data<MailStore>) -> HttpResponse {
    store.remove(None);
    HttpResponse::Ok().finish()
}

fn no_such_message() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("There is no message with this id.\n")
}

fn page_of(mails: &[Arc<CaughtMail>], page: &Page) -> MessageList {
    let items: Vec<Message> = mails.iter().skip(page.start).take(page.limit).map(|mail| message(mail)).collect();
    MessageList { total: mails.len(), count: items.len(), start: page.start, items }
}

fn message(mail: &CaughtMail) -> Message {
    let parsed = parse(&mail.data);
    Message {
        id: mail.id.clone(),
        from: address(&mail.envelope.from),
        to: mail.envelope.to.iter().map(|to| address(to)).collect(),
        content: whole_content(mail),
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

fn whole_content(mail: &CaughtMail) -> Content {
    let text = String::from_utf8_lossy(&mail.data);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Content { headers: headers(&parse_headers(&mail.data)), body, size: mail.data.len(), mime: None }
}

fn mime_parts(mail: &ParsedMail<'_>) -> Option<MimeParts> {
    let content = |part: &ParsedMail<'_>| {
        let raw = String::from_utf8_lossy(part.raw_bytes).into_owned();
        let body = raw.split_once("\r\n\r\n").map_or("", |(_, body)| body).trim_end_matches("\r\n").to_owned();
        Content { headers: headers(&part.headers), body, size: part.raw_bytes.len(), mime: mime_parts(part) }
    };
    (!mail.subparts.is_empty()).then(|| MimeParts { parts: mail.subparts.iter().map(content).collect() })
}

/// Returns the headers unfolded but not decoded, as MailHog does.
fn headers(headers: &[MailHeader<'_>]) -> BTreeMap<String, Vec<String>> {
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for header in headers {
        let value = String::from_utf8_lossy(header.get_value_raw()).replace("\r\n", "");
        values.entry(header.get_key()).or_default().push(value);
    }
    values
}

fn address(path: &str) -> Address {
    let (mailbox, domain) = path.rsplit_once('@').unwrap_or((path, ""));
    Address { relays: None, mailbox: mailbox.to_owned(), domain: domain.to_owned(), params: String::new() }
}

#[cfg(test)]
mod tests {
    use actix_web::{body::to_bytes, http::StatusCode};
    use futures_util::poll;

    use super::*;
    use crate::dependencies::mail_catcher::Envelope;

    /// Polls a response once, and then waits for it. Returns whether it was ready at once, and its body.
    async fn respond(response: impl Future<Output = Result<HttpResponse, BlockingError>>) -> (bool, String) {
        let mut response = std::pin::pin!(response);
        let (was_ready, response) = match poll!(&mut response) {
            std::task::Poll::Ready(response) => (true, response),
            std::task::Poll::Pending => (false, response.await),
        };
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let body = to_bytes(response.into_body()).await.unwrap();
        (was_ready, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn mails_are_decoded_on_another_thread_while_the_server_goes_on() {
        let store = Data::new(MailStore::default());
        // Decoding takes long enough that a response at the first poll can only come from this thread.
        let mail = format!("Subject: large\r\n\r\n{}", "text\r\n".repeat(200_000));
        let id = store.add(Envelope::default(), mail.into_bytes());
        let query = |text: &str| Query::from_query(text).unwrap();
        for (was_ready, body) in [
            respond(list(store.clone(), query(""))).await,
            respond(search(store.clone(), query("kind=containing&query=large"))).await,
            respond(show(store.clone(), Path::from(id))).await,
        ] {
            assert!(body.contains("\"Subject\":[\"large\"]"));
            assert!(!was_ready);
        }
    }
}
