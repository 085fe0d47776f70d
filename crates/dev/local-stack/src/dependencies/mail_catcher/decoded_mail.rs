//! Decodes a caught mail: its headers, its plain text and its HTML.

use mailparse::{DispositionType, MailHeader, ParsedMail};

use super::store::CaughtMail;

/// The maximum length of each text of a summary, in characters.
const MAX_SUMMARY_CHARS: usize = 300;

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
}

impl DecodedMail {
    /// Decodes a mail. Parts that cannot be decoded are left out.
    pub(super) fn of(data: &[u8]) -> Self {
        let Ok(mail) = mailparse::parse_mail(data) else { return Self::default() };
        Self {
            headers: mail.headers.iter().map(decoded_header).collect(),
            text: decoded_part(&mail, "text/plain"),
            html: decoded_part(&mail, "text/html"),
        }
    }
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

    #[test]
    fn an_attached_text_is_not_taken_for_the_text_of_the_mail() {
        let mail = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nattached\r\n\
            --b\r\nContent-Type: text/plain\r\n\r\nwritten\r\n--b--\r\n";
        assert_eq!(DecodedMail::of(mail).text.unwrap().trim(), "written");
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
