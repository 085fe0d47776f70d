//! Decodes a caught mail: its headers, its plain text and its HTML.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use mailparse::{DispositionType, MailHeader, MailHeaderMap as _, ParsedMail};

use super::store::CaughtMail;

/// The maximum length of each text of a summary, in characters.
const MAX_SUMMARY_CHARS: usize = 300;
/// The maximum number of lines that begin with `Content-Type`, and so of levels of parts. The parser calls itself for
/// each level, and an overflow of the stack would end the whole process.
pub(super) const MAX_CONTENT_TYPES: usize = 50;
/// The maximum number of lines that begin with `--`, and so of parts.
pub(super) const MAX_BOUNDARIES: usize = 1_000;

/// The types of images that are shown, which contain no script.
const IMAGE_TYPES: [&str; 3] = ["image/png", "image/jpeg", "image/gif"];
/// The maximum length of HTML with the images in it.
const MAX_HTML_BYTES: usize = 8 * 1024 * 1024;

/// The decoded texts of a mail that the list shows, each on one line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MailSummary {
    pub(super) subject: String,
    /// The header `From`, or the envelope sender.
    pub(super) from: String,
    /// The sender's name, or the same as `from`.
    pub(super) sender: String,
    /// The header `To`, or the envelope recipients.
    pub(super) to: String,
    /// The envelope recipients.
    pub(super) recipients: String,
    /// The beginning of the plain text.
    pub(super) snippet: String,
}

impl MailSummary {
    /// Decodes a mail. What cannot be decoded is replaced by the envelope.
    pub(super) fn of(mail: &CaughtMail) -> Self {
        let DecodedMail { headers, text, .. } = DecodedMail::of(&mail.data);
        let header = |name: &str| {
            let found = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| one_line(&header.value)).filter(|value| !value.is_empty())
        };
        let from = header("From").unwrap_or_else(|| one_line(&mail.envelope.from));
        let recipients = one_line(&mail.envelope.to.join(", "));
        let name = from.rsplit_once('<').map(|(name, _)| name.trim().trim_matches('"')).filter(|name| !name.is_empty());
        Self {
            subject: header("Subject").unwrap_or_else(|| "(no subject)".to_owned()),
            sender: name.unwrap_or(&from).to_owned(),
            from,
            to: header("To").unwrap_or_else(|| recipients.clone()),
            recipients,
            snippet: text.map(|text| one_line(&text)).unwrap_or_default(),
        }
    }
}

/// A header with its decoded value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct DecodedHeader {
    pub(super) name: String,
    pub(super) value: String,
}

/// The decoded parts of a mail.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DecodedMail {
    /// The headers in their order.
    pub(super) headers: Vec<DecodedHeader>,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    /// Whether only the headers of the mail could be decoded.
    pub(super) has_only_headers: bool,
}

impl DecodedMail {
    /// Decodes a mail. Parts that cannot be decoded are left out.
    pub(super) fn of(data: &[u8]) -> Self {
        let mail = parse(data);
        Self {
            headers: parse_headers(data).iter().map(decoded_header).collect(),
            text: mail.as_ref().and_then(|mail| decoded_part(mail, "text/plain")),
            html: mail.as_ref().and_then(|mail| decoded_part(mail, "text/html")),
            has_only_headers: mail.is_none(),
        }
    }
}

/// Returns the HTML of a mail with the images that are parts of the mail (RFC 2392, `cid:`) in it. An image is left out
/// if the HTML would become too long.
pub(super) fn html_with_images(data: &[u8]) -> Option<String> {
    let mail = parse(data)?;
    let mut html = decoded_part(&mail, "text/html")?;
    for part in mail.parts().filter(|part| IMAGE_TYPES.contains(&part.ctype.mimetype.as_str())) {
        let id = part.headers.get_first_value("Content-ID");
        let id = id.as_deref().and_then(|id| id.trim().strip_prefix('<')?.strip_suffix('>'));
        let (Some(id), Ok(bytes)) = (id.filter(|id| !id.is_empty()), part.get_body_raw()) else { continue };
        let url = format!("cid:{id}");
        let image = format!("data:{};base64,{}", part.ctype.mimetype, BASE64_STANDARD.encode(bytes));
        if html.len() + html.matches(&url).count() * image.len() <= MAX_HTML_BYTES {
            html = html.replace(&url, &image);
        }
    }
    Some(html)
}

/// Parses a mail. Returns `None` if it is malformed or may have too many parts or levels of parts.
pub(super) fn parse(data: &[u8]) -> Option<ParsedMail<'_>> {
    let exceeds = |limit: usize, start: &[u8]| {
        let begins = |line: &&[u8]| line.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start));
        data.split(|byte| *byte == b'\n').filter(begins).nth(limit).is_some()
    };
    // Each level needs a header of its own. Its value can be encoded, so only the name shows that it is there.
    if exceeds(MAX_CONTENT_TYPES, b"content-type") || exceeds(MAX_BOUNDARIES, b"--") {
        return None;
    }
    mailparse::parse_mail(data).ok()
}

/// Parses the headers of a mail, but none of its parts. Malformed headers give none.
pub(super) fn parse_headers(data: &[u8]) -> Vec<MailHeader<'_>> {
    mailparse::parse_headers(data).map(|(headers, _)| headers).unwrap_or_default()
}

/// Decodes the encoded words of a header (RFC 2047), or its UTF-8 (RFC 6532).
fn decoded_header(header: &MailHeader<'_>) -> DecodedHeader {
    DecodedHeader { name: header.get_key(), value: header.get_value_utf8().unwrap_or_else(|_| header.get_value()) }
}

/// Returns the decoded content of the first part with this MIME type that is not an attachment.
fn decoded_part(mail: &ParsedMail<'_>, mime_type: &str) -> Option<String> {
    let is_wanted = |part: &&ParsedMail<'_>| {
        part.ctype.mimetype.eq_ignore_ascii_case(mime_type)
            && part.get_content_disposition().disposition != DispositionType::Attachment
    };
    mail.parts().find(is_wanted).and_then(decoded_body)
}

/// Decodes a body by its declared charset. A body without one is often UTF-8, though it should be ASCII.
fn decoded_body(part: &ParsedMail<'_>) -> Option<String> {
    if !part.ctype.params.contains_key("charset")
        && let Ok(text) = String::from_utf8(part.get_body_raw().ok()?)
    {
        return Some(text);
    }
    part.get_body().ok()
}

/// Replaces line breaks, other control characters and repeated spaces by one space, and shortens the text.
fn one_line(text: &str) -> String {
    let mut words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let mut line = String::new();
    let mut chars = 0;
    while chars <= MAX_SUMMARY_CHARS
        && let Some(word) = words.next()
    {
        let separator = if line.is_empty() { "" } else { " " };
        line.push_str(separator);
        line.extend(word.chars().take(MAX_SUMMARY_CHARS + 1));
        chars = line.chars().count();
    }
    match line.char_indices().nth(MAX_SUMMARY_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependencies::mail_catcher::{Envelope, MailStore};

    fn summary(data: &str) -> MailSummary {
        let store = MailStore::default();
        let envelope = Envelope {
            helo: "client".to_owned(),
            from: "sender@example.org".to_owned(),
            to: vec!["ada@example.org".to_owned(), "bob@example.org".to_owned()],
        };
        let id = store.add(envelope, data.as_bytes().to_vec());
        MailSummary::of(&store.get(&id).unwrap())
    }

    #[test]
    fn text_and_html_of_an_alternative_are_decoded() {
        let mail = b"Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            Gr=C3=BC=C3=9Fe\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>hi</p>\r\n--b--\r\n";
        let decoded = DecodedMail::of(mail);
        assert_eq!(decoded.headers[0], DecodedHeader { name: "Subject".to_owned(), value: "Grüße".to_owned() });
        assert_eq!(decoded.text.unwrap().trim(), "Grüße");
        assert_eq!(decoded.html.unwrap().trim(), "<p>hi</p>");
    }

    /// Returns a mail with this HTML, and an image that it may name.
    fn with_image(html: &str, image_type: &str, image: &str) -> Vec<u8> {
        format!(
            "Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n{html}\r\n\
             --b\r\nContent-Type: {image_type}\r\nContent-ID: <logo@example>\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{image}\r\n--b--\r\n"
        )
        .into_bytes()
    }

    #[test]
    fn an_image_within_the_mail_is_in_its_html_and_no_other_one() {
        let html = "<img src=\"cid:logo@example\"><img src=\"cid:other@example\">";
        let shown = html_with_images(&with_image(html, "image/png", "iVBORw0KGgo=")).unwrap();
        assert_eq!(shown.trim(), "<img src=\"data:image/png;base64,iVBORw0KGgo=\"><img src=\"cid:other@example\">");
        for data in [with_image(html, "image/svg+xml", "PHN2Zz4="), with_image(html, "text/html", "PHA+")] {
            assert_eq!(html_with_images(&data).unwrap().trim(), html);
        }
        assert_eq!(html_with_images(b"Content-Type: text/plain\r\n\r\ncid:logo@example"), None);
    }

    #[test]
    fn an_image_that_is_named_very_often_is_left_out() {
        let html = "<img src=\"cid:logo@example\">".repeat(10_000);
        let mail = with_image(&html, "image/png", &"AAAA".repeat(1000));
        assert_eq!(html_with_images(&mail).unwrap().trim(), html);
    }

    #[test]
    fn an_attached_text_is_not_taken_for_the_text_of_the_mail() {
        let mail = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nattached\r\n\
            --b\r\nContent-Type: text/plain\r\n\r\nwritten\r\n--b--\r\n";
        assert_eq!(DecodedMail::of(mail).text.unwrap().trim(), "written");
    }

    /// Returns a mail with nested parts. The closure returns the value of `Content-Type` for each level.
    fn nested(levels: usize, content_type: impl Fn(usize) -> String) -> Vec<u8> {
        let mut mail = "Subject: nested\r\n".to_owned();
        for level in 0..levels {
            mail.push_str(&format!("Content-Type: {}\r\n\r\n--b{level}.\r\n", content_type(level)));
        }
        mail.push_str("\r\ninnermost\r\n");
        mail.into_bytes()
    }

    #[test]
    fn a_mail_with_too_many_levels_or_parts_is_not_parsed_apart_from_its_headers() {
        let plain = nested(20_000, |level| format!("multipart/mixed; boundary=\"b{level}.\""));
        // The same, but `multipart/` is not in the source.
        let encoded = nested(20_000, |level| format!("=?utf-8?Q?multi=70art/mixed;_boundary=3Db{level}.?="));
        let flat =
            format!("Subject: nested\r\nContent-Type: multipart/mixed; boundary=b\r\n{}", "\r\n--b\r\n".repeat(2_000));
        for mail in [plain, encoded, flat.into_bytes()] {
            let decoded = DecodedMail::of(&mail);
            assert_eq!((decoded.text, decoded.html, decoded.has_only_headers), (None, None, true));
            assert_eq!(decoded.headers[0].value, "nested");
        }
    }

    #[test]
    fn the_maximum_number_of_levels_needs_less_than_half_of_a_threads_stack() {
        let mail = nested(MAX_CONTENT_TYPES, |level| format!("=?utf-8?Q?multi=70art/mixed;_boundary=3Db{level}.?="));
        let decode = move || {
            let deepest = parse(&mail).unwrap();
            assert_eq!(deepest.parts().count(), MAX_CONTENT_TYPES + 1, "each level is one part");
            DecodedMail::of(&mail)
        };
        let thread = std::thread::Builder::new().stack_size(1024 * 1024).spawn(decode).unwrap();
        assert_eq!(thread.join().unwrap().text.unwrap().trim(), "innermost");
    }

    #[test]
    fn headers_in_any_encoding_and_charset_are_decoded() {
        let decoded = summary(
            "Subject: =?utf-8?Q?=D8=A3=D9=87=D9=84=D8=A7=D9=8B?=\r\n =?utf-8?B?INio2YM=?=\r\n\
             From: =?iso-8859-1?Q?J=FCrgen?= <juergen@example.org>\r\nTo: Ägidius <ägidius@example.org>\r\n\r\nhi\r\n",
        );
        assert_eq!(decoded.subject, "أهلاً بك");
        assert_eq!(decoded.from, "Jürgen <juergen@example.org>");
        assert_eq!(decoded.sender, "Jürgen");
        assert_eq!(decoded.to, "Ägidius <ägidius@example.org>");
        assert_eq!(decoded.snippet, "hi");
    }

    #[test]
    fn without_headers_the_list_shows_the_envelope() {
        let decoded = summary("\r\nbody\r\n");
        assert_eq!(decoded.subject, "(no subject)");
        assert_eq!((decoded.from.as_str(), decoded.sender.as_str()), ("sender@example.org", "sender@example.org"));
        assert_eq!(decoded.to, "ada@example.org, bob@example.org");
    }

    #[test]
    fn a_long_text_with_line_breaks_and_control_characters_becomes_one_short_line() {
        let text = format!("Subject: hi\r\n\r\n one\u{7}two \r\n\r\n three {}", "é".repeat(100_000));
        let snippet = summary(&text).snippet;
        assert!(snippet.starts_with("one two three éé") && snippet.ends_with("é…"), "{snippet}");
        assert_eq!(snippet.chars().count(), MAX_SUMMARY_CHARS + 1);
    }
}
