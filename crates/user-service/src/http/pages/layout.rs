//! The layout of every HTML page, and its headers.

use std::{fmt, sync::LazyLock};

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

use crate::http::extractors::language::Language;

/// An HTML page without scripts, images or external resources.
#[derive(Debug)]
pub struct Page<'a> {
    pub status: StatusCode,
    pub language: Language,
    /// The text of the window title and of the heading.
    pub title: &'a str,
    /// The content as HTML. All values from outside must be [`Escaped`].
    pub body: String,
}

impl Page<'_> {
    /// Returns the page with headers that forbid caching, framing, referrers and scripts.
    #[must_use]
    pub fn into_response(self) -> HttpResponse {
        HttpResponse::build(self.status)
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((header::CONTENT_LANGUAGE, self.language.tag()))
            .insert_header((header::VARY, "Accept-Language"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .insert_header((header::X_FRAME_OPTIONS, "DENY"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY.as_str()))
            .body(self.html())
    }

    fn html(&self) -> String {
        format!(
            "<!doctype html>\n\
             <html lang=\"{language}\"{direction}>\n\
             <head>\n\
             <meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"robots\" content=\"noindex\">\n\
             <title>{title}</title>\n\
             <style>{STYLE}</style>\n\
             </head>\n\
             <body>\n\
             <main>\n\
             <h1>{title}</h1>\n\
             {body}\n\
             </main>\n\
             </body>\n\
             </html>\n",
            language = self.language.tag(),
            direction = if self.language.is_rtl() { " dir=\"rtl\"" } else { "" },
            title = Escaped(self.title),
            body = self.body,
        )
    }
}

/// Displays a text as HTML that is safe between tags and in quoted attributes.
#[derive(Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['&', '<', '>', '"', '\'']) {
            let (text, entity) = match part.as_bytes().last() {
                Some(b'&') => (&part[..part.len() - 1], "&amp;"),
                Some(b'<') => (&part[..part.len() - 1], "&lt;"),
                Some(b'>') => (&part[..part.len() - 1], "&gt;"),
                Some(b'"') => (&part[..part.len() - 1], "&quot;"),
                Some(b'\'') => (&part[..part.len() - 1], "&#39;"),
                _ => (part, ""),
            };
            f.write_str(text)?;
            f.write_str(entity)?;
        }
        Ok(())
    }
}

/// The style sheet of all pages. The policy allows only this one, by its hash.
const STYLE: &str = "\
:root{color-scheme:light dark;--text:#1c2024;--soft:#5a626b;--page:#f5f6f7;--card:#fff;--line:#d9dde1;--accent:#0a58ca;--on-accent:#fff;--error:#b3261e}\
@media(prefers-color-scheme:dark){:root{--text:#e8eaed;--soft:#a7afb8;--page:#14171a;--card:#1d2125;--line:#343a40;--accent:#8ab4f8;--on-accent:#10151c;--error:#f2b8b5}}\
*{box-sizing:border-box}\
body{margin:0;padding:1.5rem 1rem;background:var(--page);color:var(--text);font:1rem/1.55 system-ui,sans-serif;overflow-wrap:anywhere}\
main{max-width:40rem;margin:4vh auto;padding:1.5rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem}\
h1{margin:0 0 1rem;font-size:1.5rem;line-height:1.25}\
h2{margin:1.75rem 0 .5rem;font-size:1.05rem}\
p,ul,pre{margin:0 0 1rem}\
a{color:var(--accent)}\
code,pre{font:.875rem/1.5 ui-monospace,monospace}\
pre{padding:1rem;background:var(--page);border:1px solid var(--line);border-radius:.5rem;overflow-x:auto;white-space:pre-wrap}\
.soft{color:var(--soft)}\
.error{color:var(--error);font-weight:600}\
label{display:block;margin:0 0 .35rem;font-weight:600}\
input[type=password],input[type=email]{width:100%;min-height:2.75rem;margin:0 0 .5rem;padding:.5rem .75rem;border:1px solid var(--soft);border-radius:.5rem;background:var(--page);color:var(--text);font:inherit}\
input[type=email]{margin-bottom:1rem}\
dl{display:grid;grid-template-columns:fit-content(45%) 1fr;gap:.35rem 1rem;margin:0 0 1.25rem;padding:.9rem 1rem;background:var(--page);border:1px solid var(--line);border-radius:.5rem}\
dt{color:var(--soft)}\
dd{margin:0;font-weight:600}\
@media(max-width:30rem){dl{display:block}dd+dt{margin-top:.5rem}}\
hr{margin:1.75rem 0 1.25rem;border:0;border-top:1px solid var(--line)}\
.check{display:flex;gap:.65rem;align-items:flex-start}\
.check input{flex:none;width:1.25rem;height:1.25rem;margin:.15rem 0 0;accent-color:var(--accent)}\
.check label{margin:0;font-weight:400}\
.unseen{position:absolute;width:1px;height:1px;margin:-1px;padding:0;border:0;overflow:hidden;clip-path:inset(50%)}\
button{min-height:2.75rem;padding:.6rem 1.4rem;border:0;border-radius:.5rem;background:var(--accent);color:var(--on-accent);font:inherit;font-weight:600;cursor:pointer}\
hr~form button{border:1px solid var(--error);background:none;color:var(--error)}\
:focus-visible{outline:3px solid var(--accent);outline-offset:3px}\
";

static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
});

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use super::*;

    #[test]
    fn hostile_text_is_escaped() {
        for (text, html) in [
            ("plain ü", "plain ü"),
            ("", ""),
            ("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"),
            ("\"><img src=x onerror=y>", "&quot;&gt;&lt;img src=x onerror=y&gt;"),
            ("&amp;", "&amp;amp;"),
            ("a&&b", "a&amp;&amp;b"),
        ] {
            assert_eq!(Escaped(text).to_string(), html);
        }
    }

    #[test]
    fn a_page_is_private_and_cannot_be_framed_or_scripted() {
        let page = Page { status: StatusCode::OK, language: Language::German, title: "A < B", body: "<p>x</p>".into() };
        let response = page.into_response();
        let header = |name| response.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header(header::REFERRER_POLICY), "no-referrer");
        assert_eq!(header(header::CACHE_CONTROL), "no-store");
        assert_eq!(header(header::X_FRAME_OPTIONS), "DENY");
        assert_eq!(header(header::CONTENT_LANGUAGE), "de");
        let policy = header(header::CONTENT_SECURITY_POLICY).to_owned();

        let html = String::from_utf8(response.into_body().try_into_bytes().unwrap().to_vec()).unwrap();
        assert!(
            html.starts_with("<!doctype html>\n<html lang=\"de\">") && html.contains("<h1>A &lt; B</h1>"),
            "{html}"
        );
        // The browser computes the hash of the text between the tags.
        let style = html.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
        let hash = BASE64_STANDARD.encode(Sha256::digest(style));
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
            )
        );
    }
}
