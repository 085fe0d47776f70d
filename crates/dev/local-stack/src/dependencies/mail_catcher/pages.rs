//! The web pages of the mail catcher: a list of mails, and one mail with its HTML in a sandboxed frame.

use actix_web::{
    HttpResponse,
    web::{self, Data, Path, ServiceConfig},
};

use super::{
    decoded_mail::{self, DecodedMail},
    store::{CaughtMail, MailStore},
};

/// The content security policy of the pages: no scripts, and no resources from other origins.
const PAGE_CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'";
/// The content security policy of a mail's HTML: a sandbox without scripts and without network access. Links open in
/// another window.
const MAIL_CSP: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; \
     style-src 'unsafe-inline'; img-src data:";
const STYLE: &str = "\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem }
h1 { font-size: 1.25rem }
a { color: inherit }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .5rem .75rem .5rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere }
th { font-weight: 600; white-space: nowrap; vertical-align: top }
small { opacity: .7 }
iframe { width: 100%; height: 75vh; border: 1px solid #8884; border-radius: .5rem; background: #fff }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 1rem; border: 1px solid #8884; border-radius: .5rem }";

/// Adds the routes of the pages.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(list))
        .route("/mails/{id}", web::get().to(show))
        .route("/mails/{id}/html", web::get().to(html))
        .route("/mails/{id}/source", web::get().to(source));
}

async fn list(store: Data<MailStore>) -> HttpResponse {
    let mails = store.all();
    let rows: String = mails.iter().map(|mail| row(mail)).collect();
    let body = if mails.is_empty() {
        "<p>No mails yet. This page reloads automatically.</p>".to_owned()
    } else {
        format!("<table><tr><th>To<th>Subject<th>Received</tr>{rows}</table>")
    };
    page("Mails", "<meta http-equiv=refresh content=3>", &format!("<h1>Mails ({})</h1>{body}", mails.len()))
}

fn row(mail: &CaughtMail) -> String {
    let DecodedMail { subject, .. } = decoded_mail::decode(&mail.data);
    let subject = if subject.is_empty() { "(no subject)" } else { &subject };
    format!(
        "<tr><td>{}<td><a href=\"/mails/{}\">{}</a><td><small>{}</small></tr>",
        escape(&mail.envelope.to.join(", ")),
        escape(&mail.id),
        escape(subject),
        mail.created.strftime("%H:%M:%S")
    )
}

async fn show(store: Data<MailStore>, id: Path<String>) -> HttpResponse {
    let Some(mail) = store.get(&id) else { return not_found() };
    let decoded = decoded_mail::decode(&mail.data);
    let id = escape(&mail.id);
    let frame = decoded
        .html
        .map(|_| format!("<h2>HTML</h2><iframe title=\"HTML of the mail\" sandbox=\"allow-popups allow-popups-to-escape-sandbox\" src=\"/mails/{id}/html\"></iframe>"))
        .unwrap_or_default();
    let text = decoded.text.map(|text| format!("<h2>Text</h2><pre>{}</pre>", escape(&text))).unwrap_or_default();
    let body = format!(
        "<p><a href=\"/\">All mails</a> · <a href=\"/mails/{id}/source\">Source</a></p><h1>{}</h1>\
         <table><tr><th>From<td>{}</tr><tr><th>To<td>{}</tr><tr><th>Received<td>{}</tr></table>{frame}{text}",
        escape(&decoded.subject),
        escape(&decoded.from),
        escape(&mail.envelope.to.join(", ")),
        mail.created
    );
    page(&decoded.subject, "", &body)
}

async fn html(store: Data<MailStore>, id: Path<String>) -> HttpResponse {
    let Some(html) = store.get(&id).and_then(|mail| decoded_mail::decode(&mail.data).html) else { return not_found() };
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Content-Security-Policy", MAIL_CSP))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .body(format!("<base target=\"_blank\">{html}"))
}

async fn source(store: Data<MailStore>, id: Path<String>) -> HttpResponse {
    let Some(mail) = store.get(&id) else { return not_found() };
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .body(mail.data.clone())
}

fn page(title: &str, head: &str, body: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header(("Content-Security-Policy", PAGE_CSP))
        .insert_header(("Referrer-Policy", "no-referrer"))
        .body(format!(
            "<!doctype html><html lang=en><meta charset=utf-8>{head}\
             <meta name=viewport content=\"width=device-width\"><title>{}</title><style>{STYLE}</style>{body}",
            escape(title)
        ))
}

fn not_found() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("There is no such mail.\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
