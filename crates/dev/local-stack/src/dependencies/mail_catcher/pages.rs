//! The web page of the mail catcher: the list of mails with a search, and the open mail as HTML, text, headers or
//! source. The HTML of a mail is a document of its own, without scripts and without network access.

use std::{
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

use actix_web::{
    HttpResponse, HttpResponseBuilder, Result,
    error::ErrorInternalServerError,
    http::{StatusCode, header},
    web::{self, Data, Path, Query, ServiceConfig},
};
use jiff::Timestamp;
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

use super::{
    decoded_mail::{self, DecodedHeader, DecodedMail, MAX_BOUNDARIES, MAX_CONTENT_TYPES},
    search,
    store::{CaughtMail, MAX_BYTES, MAX_MAILS, MailStore},
};

/// The content security policy of the page: its own style sheet and script, and nothing from elsewhere.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// The content security policy of a mail's HTML: no scripts, no forms, no network access, and an origin of its own.
/// Links open in another window.
const MAIL_POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; \
     style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'";

/// The number of mails on one page of the list.
const PAGE_SIZE: usize = 100;
/// The maximum length of a text or a source that is shown, in bytes. The download is complete.
const MAX_SHOWN_BYTES: usize = 1024 * 1024;

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in [("page.html", include_str!("page/page.html")), ("mail.html", include_str!("page/mail.html"))]
    {
        templates.add_template(name, source).expect("the embedded templates are valid");
    }
    templates
});

/// The port that the page names as the SMTP server.
#[derive(Debug, Clone, Copy)]
pub(super) struct SmtpPort(pub(super) u16);

/// Adds the routes of the page.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(list))
        .route("/mails/{id}", web::get().to(open))
        .route("/mails/{id}/html", web::get().to(html))
        .route("/assets/page.css", web::get().to(async || asset("text/css", include_str!("page/page.css"))))
        .route("/assets/page.js", web::get().to(async || asset("text/javascript", include_str!("page/page.js"))))
        .route("/assets/icon.svg", web::get().to(async || asset("image/svg+xml", include_str!("page/icon.svg"))));
}

/// The state of the page, which every link keeps.
#[derive(Debug, Default, Deserialize)]
struct PageQuery {
    /// The words to search for.
    #[serde(default)]
    q: String,
    /// The number of mails before the first one of the list.
    #[serde(default)]
    start: usize,
    #[serde(default)]
    view: Option<View>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum View {
    Html,
    Text,
    Headers,
    Source,
}

impl View {
    const ALL: [Self; 4] = [Self::Html, Self::Text, Self::Headers, Self::Source];

    fn name(self) -> &'static str {
        match self {
            Self::Html => "HTML",
            Self::Text => "Text",
            Self::Headers => "Headers",
            Self::Source => "Source",
        }
    }
}

#[derive(Serialize)]
struct PageValues<'a> {
    title: String,
    query: &'a str,
    total: usize,
    unread: usize,
    found: usize,
    rows: Vec<Row<'a>>,
    newer: Option<String>,
    older: Option<String>,
    list_href: String,
    mail: Option<OpenMail>,
    is_missing: bool,
    /// Identifies what is shown beside the list.
    key: String,
    smtp_port: u16,
    max_mails: usize,
    max_mebibytes: usize,
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    href: String,
    subject: &'a str,
    sender: &'a str,
    to: &'a str,
    snippet: &'a str,
    created: String,
    created_utc: String,
    is_unread: bool,
    is_open: bool,
}

#[derive(Serialize)]
struct OpenMail {
    id: String,
    subject: String,
    from: String,
    to: String,
    /// The envelope, if its addresses differ from those of the headers.
    envelope: Option<String>,
    created: String,
    created_utc: String,
    size: String,
    views: Vec<ViewLink>,
    html_href: Option<String>,
    headers: Option<Vec<DecodedHeader>>,
    body: String,
    is_source: bool,
    /// Why only the source is shown.
    note: Option<String>,
}

#[derive(Serialize)]
struct ViewLink {
    name: &'static str,
    href: String,
    is_current: bool,
}

async fn list(store: Data<MailStore>, smtp: Data<SmtpPort>, query: Query<PageQuery>) -> Result<HttpResponse> {
    page(store, *smtp.get_ref(), query.into_inner(), None).await
}

async fn open(
    store: Data<MailStore>,
    smtp: Data<SmtpPort>,
    id: Path<String>,
    query: Query<PageQuery>,
) -> Result<HttpResponse> {
    page(store, *smtp.get_ref(), query.into_inner(), Some(id.into_inner())).await
}

/// Renders the page on another thread, because a search decodes every mail.
async fn page(store: Data<MailStore>, smtp: SmtpPort, query: PageQuery, id: Option<String>) -> Result<HttpResponse> {
    let (is_missing, body) = web::block(move || {
        let mail = id.as_deref().and_then(|id| store.get(id));
        if let Some(mail) = &mail {
            store.mark_read(mail);
        }
        let is_missing = id.is_some() && mail.is_none();
        (is_missing, render(&store.all(), smtp, &query, mail.as_deref(), is_missing))
    })
    .await?;
    let status = if is_missing { StatusCode::NOT_FOUND } else { StatusCode::OK };
    Ok(document(status, PAGE_POLICY).body(body.map_err(ErrorInternalServerError)?))
}

fn render(
    mails: &[Arc<CaughtMail>],
    smtp: SmtpPort,
    query: &PageQuery,
    mail: Option<&CaughtMail>,
    is_missing: bool,
) -> Result<String, minijinja::Error> {
    let words: Vec<String> = query.q.split_whitespace().map(str::to_lowercase).collect();
    let found: Vec<&CaughtMail> =
        mails.iter().map(Arc::as_ref).filter(|mail| words.is_empty() || search::has_all_words(mail, &words)).collect();
    let unread = mails.iter().filter(|mail| !mail.was_read()).count();
    let open = mail.map(|mail| OpenMail::new(mail, query));
    let subject = open.as_ref().map(|mail| format!("{} – ", mail.subject)).unwrap_or_default();
    let list_page = |start: usize| href("/", &PageQuery { q: query.q.clone(), start, view: None });
    let values = PageValues {
        title: format!("{}{subject}Mail catcher", if unread > 0 { format!("({unread}) ") } else { String::new() }),
        query: &query.q,
        total: mails.len(),
        unread,
        found: found.len(),
        rows: found
            .iter()
            .skip(query.start)
            .take(PAGE_SIZE)
            .map(|row| Row::new(row, query, mail.is_some_and(|mail| mail.id == row.id)))
            .collect(),
        newer: (query.start > 0).then(|| list_page(query.start.saturating_sub(PAGE_SIZE))),
        older: (found.len() > query.start.saturating_add(PAGE_SIZE)).then(|| list_page(query.start + PAGE_SIZE)),
        list_href: list_page(query.start),
        key: match &open {
            Some(mail) => format!("{} {:?}", mail.id, mail.view()),
            None if is_missing => "missing".to_owned(),
            None if found.is_empty() => "empty".to_owned(),
            None => "none".to_owned(),
        },
        mail: open,
        is_missing,
        smtp_port: smtp.0,
        max_mails: MAX_MAILS,
        max_mebibytes: MAX_BYTES / 1024 / 1024,
    };
    TEMPLATES.get_template("page.html")?.render(Serde(values))
}

impl<'a> Row<'a> {
    fn new(mail: &'a CaughtMail, query: &PageQuery, is_open: bool) -> Self {
        let summary = mail.summary();
        Self {
            id: &mail.id,
            href: href(&mail_path(&mail.id), &PageQuery { view: None, q: query.q.clone(), start: query.start }),
            subject: &summary.subject,
            sender: &summary.sender,
            to: &summary.recipients,
            snippet: &summary.snippet,
            created: mail.created.to_string(),
            created_utc: in_utc(mail.created),
            is_unread: !mail.was_read(),
            is_open,
        }
    }
}

impl OpenMail {
    fn new(mail: &CaughtMail, query: &PageQuery) -> Self {
        let decoded = DecodedMail::of(&mail.data);
        let summary = mail.summary();
        let has = |view: View| match view {
            View::Html => decoded.html.is_some(),
            View::Text => decoded.text.is_some(),
            View::Headers => !decoded.has_only_headers,
            View::Source => true,
        };
        let note = decoded.has_only_headers.then(|| {
            format!(
                "Only the source is shown, because the mail is malformed or has too many parts (more than \
                 {MAX_CONTENT_TYPES} lines with Content-Type, or more than {MAX_BOUNDARIES} with a boundary)."
            )
        });
        // The source exists always, so there is always a view to show.
        let current = query.view.filter(|view| has(*view)).or_else(|| View::ALL.into_iter().find(|view| has(*view)));
        let current = current.unwrap_or(View::Source);
        let path = mail_path(&mail.id);
        let view_link = |view: View| ViewLink {
            name: view.name(),
            href: href(&path, &PageQuery { view: Some(view), q: query.q.clone(), start: query.start }),
            is_current: view == current,
        };
        let envelope = format!("{} → {}", mail.envelope.from, summary.recipients);
        let is_same = summary.from.contains(&mail.envelope.from)
            && mail.envelope.to.iter().all(|to| summary.to.contains(to.as_str()));
        Self {
            id: mail.id.clone(),
            subject: summary.subject.clone(),
            from: summary.from.clone(),
            to: summary.to.clone(),
            envelope: (!is_same).then_some(envelope),
            created: mail.created.to_string(),
            created_utc: in_utc(mail.created),
            size: size(mail.data.len()),
            views: View::ALL.into_iter().filter(|view| has(*view)).map(view_link).collect(),
            html_href: (current == View::Html).then(|| format!("{path}/html")),
            body: match current {
                View::Text => shortened(decoded.text.unwrap_or_default()),
                View::Source => shortened(String::from_utf8_lossy(&mail.data).into_owned()),
                View::Html | View::Headers => String::new(),
            },
            headers: (current == View::Headers).then_some(decoded.headers),
            is_source: current == View::Source,
            note,
        }
    }

    /// Returns the name of the view that is shown.
    fn view(&self) -> Option<&'static str> {
        self.views.iter().find(|view| view.is_current).map(|view| view.name)
    }
}

/// Serves the HTML of a mail as a document of its own. The policy is a header, so it holds outside the frame too.
async fn html(store: Data<MailStore>, id: Path<String>) -> Result<HttpResponse> {
    let html = web::block(move || store.get(&id).and_then(|mail| decoded_mail::html_with_images(&mail.data)));
    let Some(html) = html.await? else {
        let missing =
            HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("There is no such mail.\n");
        return Ok(missing);
    };
    Ok(document(StatusCode::OK, MAIL_POLICY)
        .insert_header(("X-DNS-Prefetch-Control", "off"))
        .body(format!("<!doctype html><base target=\"_blank\">{html}")))
}

fn asset(content_type: &'static str, body: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(format!("{content_type}; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(body)
}

/// Returns an HTML response with the headers of every document.
fn document(status: StatusCode, policy: &'static str) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CONTENT_SECURITY_POLICY, policy))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

fn mail_path(id: &str) -> String {
    format!("/mails/{id}")
}

/// Returns a link with the parts of the query that are not empty.
fn href(path: &str, query: &PageQuery) -> String {
    let mut pairs = Vec::new();
    if let Some(view) = query.view {
        pairs.push(format!("view={}", view.name().to_lowercase()));
    }
    if !query.q.is_empty() {
        pairs.push(format!("q={}", utf8_percent_encode(&query.q, NON_ALPHANUMERIC)));
    }
    if query.start > 0 {
        pairs.push(format!("start={}", query.start));
    }
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

fn in_utc(moment: Timestamp) -> String {
    moment.strftime("%H:%M UTC").to_string()
}

/// Returns a size in words.
fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{} MB", bytes.div_ceil(1_000_000)),
    }
}

/// Cuts a text that is too long for the page.
fn shortened(mut text: String) -> String {
    if text.len() > MAX_SHOWN_BYTES {
        let length = text.len();
        text.truncate(text.floor_char_boundary(MAX_SHOWN_BYTES));
        let _ = write!(text, "\n\n[cut here; {} are in the download]", size(length));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_the_search_and_the_place_in_the_list() {
        assert_eq!(href("/", &PageQuery::default()), "/");
        let query = PageQuery { q: "a&b é".to_owned(), start: 100, view: Some(View::Source) };
        assert_eq!(href("/mails/1", &query), "/mails/1?view=source&q=a%26b%20%C3%A9&start=100");
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(shortened("short".to_owned()), "short");
        let cut = shortened("é".repeat(MAX_SHOWN_BYTES));
        assert!(
            cut.len() < MAX_SHOWN_BYTES + 100 && cut.ends_with("[cut here; 3 MB are in the download]"),
            "{}",
            size(cut.len())
        );
    }
}
