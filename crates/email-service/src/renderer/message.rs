//! Builds a message (RFC 5322, MIME) and its envelope from subject, text and HTML.

use std::time::SystemTime;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{
    ContentDisposition, ContentId, ContentTransferEncoding, ContentType, HeaderName, HeaderValue,
};
use lettre::message::{Body, Mailbox, Message, MultiPart, MultiPartKind, SinglePart};
use sha2::{Digest, Sha256};

use super::{MessageBytes, RenderError};

/// The maximum length of a line with an encoded word (RFC 2047, 2); RFC 5322 recommends at most 78
/// for others.
const LINE: usize = 76;
/// The maximum length of any line (RFC 5322, 2.1.1).
const MAX_LINE: usize = 998;

pub(super) struct MessageInput<'a> {
    pub(super) from: &'a Mailbox,
    pub(super) to: Address,
    pub(super) to_name: Option<String>,
    pub(super) subject: &'a str,
    pub(super) date: Timestamp,
    pub(super) message_id: &'a str,
    pub(super) language: &'a str,
    pub(super) text: &'a str,
    pub(super) html: &'a str,
    /// The image that the HTML shows.
    pub(super) image: Option<&'a InlineImage>,
}

/// An image within the mail, so that opening the mail needs no request to a server.
pub(super) struct InlineImage {
    /// `left@right`, without angle brackets. The HTML names it as `cid:left@right` (RFC 2392).
    pub(super) content_id: String,
    /// The MIME type.
    pub(super) media_type: &'static str,
    pub(super) file_name: String,
    pub(super) bytes: Vec<u8>,
}

/// Builds the message with one recipient, in the envelope and in `To`.
pub(super) fn build(input: MessageInput<'_>) -> Result<(Envelope, MessageBytes), RenderError> {
    let envelope = Envelope::new(Some(input.from.email.clone()), vec![input.to.clone()])?;
    let message_id = checked_message_id(input.message_id)?;
    let alternatives = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(boundary(&message_id))
        .singlepart(text_part(ContentType::TEXT_PLAIN, input.text));
    let html = text_part(ContentType::TEXT_HTML, input.html);
    let alternatives = match input.image {
        None => alternatives.singlepart(html),
        Some(image) => alternatives.multipart(related(&message_id).singlepart(html).singlepart(image.part())),
    };
    let message = Message::builder()
        .envelope(envelope.clone())
        .from(input.from.clone())
        .to(Mailbox::new(input.to_name, input.to))
        .subject(input.subject)
        .date(SystemTime::from(input.date))
        .message_id(Some(message_id))
        // RFC 3834: prevents automatic replies. Exchange reads the second one.
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"))
        .raw_header(header("Content-Language", input.language))
        .multipart(alternatives)?;
    Ok((envelope, MessageBytes(fold_headers(&message.formatted()))))
}

/// Returns a `multipart/related` whose root is HTML (RFC 2387 requires `type`, which lettre omits).
fn related(message_id: &str) -> MultiPart {
    let boundary = boundary(&format!("related {message_id}"));
    let content_type = ContentType::parse(&format!("multipart/related; type=\"text/html\"; boundary=\"{boundary}\""));
    MultiPart::builder().header(content_type.expect("a boundary of hexadecimal digits")).build()
}

impl InlineImage {
    /// Returns the URL for the HTML.
    pub(super) fn url(&self) -> String {
        format!("cid:{}", self.content_id)
    }

    /// Returns the image itself as a URL.
    pub(super) fn data_url(&self) -> String {
        format!("data:{};base64,{}", self.media_type, BASE64_STANDARD.encode(&self.bytes))
    }

    fn part(&self) -> SinglePart {
        let Ok(body) = Body::new_with_encoding(self.bytes.clone(), ContentTransferEncoding::Base64) else {
            unreachable!("base64 takes any bytes");
        };
        SinglePart::builder()
            .content_type(ContentType::parse(self.media_type).expect("a constant MIME type"))
            .header(ContentId::from(format!("<{}>", self.content_id)))
            .header(ContentDisposition::inline_with_name(&self.file_name))
            .body(body)
    }
}

/// Encodes a text as 7bit where possible, else as base64: links stay unbroken and unchanged.
/// Quoted-printable breaks links and writes `=3D` for `=`, which some programs and filters decode
/// wrongly.
fn text_part(content_type: ContentType, text: &str) -> SinglePart {
    let lines = text.replace('\n', "\r\n");
    let body = if is_seven_bit(text) {
        Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        // Not `expect`: it would print the refused text with the token.
        let Ok(body) = Body::new_with_encoding(lines.into_bytes(), ContentTransferEncoding::Base64) else {
            unreachable!("base64 takes any text");
        };
        body
    };
    SinglePart::builder().content_type(content_type).body(body)
}

/// Returns whether the text needs no encoding (RFC 5322, 2.1.1 and RFC 2045, 2.7).
fn is_seven_bit(text: &str) -> bool {
    text.is_ascii() && !text.contains(['\0', '\r']) && text.split('\n').all(|line| line.len() <= MAX_LINE)
}

/// Folds header lines longer than [`LINE`] at spaces: lettre never breaks before the address of a
/// mailbox. Unfolded (RFC 5322, 2.2.3) the headers are unchanged: only line breaks before spaces
/// are added.
fn fold_headers(message: &[u8]) -> Vec<u8> {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(message.len());
    let (headers, rest) = message.split_at(end);
    let mut folded = Vec::with_capacity(message.len() + 16);
    for (number, mut line) in headers.split(|byte| *byte == b'\n').enumerate() {
        if number > 0 {
            folded.push(b'\n');
        }
        while let Some(at) = fold_position(line) {
            folded.extend_from_slice(&line[..at]);
            folded.extend_from_slice(b"\r\n");
            line = &line[at..];
        }
        folded.extend_from_slice(line);
    }
    folded.extend_from_slice(rest);
    folded
}

/// Returns where to break a line that is too long: before the last space that makes it short
/// enough, else before the first one. The name of a header never stands alone on its line.
fn fold_position(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() <= LINE {
        return None;
    }
    let start = match line.first() {
        Some(b' ') => 0,
        _ => line.iter().position(|byte| *byte == b':')? + 1,
    };
    let word = start + line[start..].iter().position(|byte| *byte != b' ')?;
    let mut spaces = (word..line.len()).filter(|at| line[*at] == b' ' && line[at - 1] != b' ');
    let first = spaces.next()?;
    Some(spaces.take_while(|at| *at <= LINE).last().unwrap_or(first))
}

/// Returns the boundary, which is the same for the same mail. `=_` does not occur in base64, and a text that contains
/// it by chance does not contain the digest.
fn boundary(seed: &str) -> String {
    let digest = hex::encode(Sha256::digest(seed));
    format!("=_{}", &digest[..32])
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Checks a message id, and returns it in angle brackets.
fn checked_message_id(given: &str) -> Result<String, RenderError> {
    let bare = given.strip_prefix('<').and_then(|id| id.strip_suffix('>')).unwrap_or(given);
    let is_token =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic() && !"<>@\"(),:;[]\\".contains(c));
    match bare.split_once('@') {
        Some((left, right)) if is_token(left) && is_token(right) && bare.len() <= 200 => Ok(format!("<{bare}>")),
        _ => Err(RenderError::MessageId),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_gets_angle_brackets_and_nothing_else() {
        assert_eq!(checked_message_id("a.1@mail.example").unwrap(), "<a.1@mail.example>");
        assert_eq!(checked_message_id("<a.1@mail.example>").unwrap(), "<a.1@mail.example>");
        for given in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\r\nBcc: x", "<a@b", "a@b> <c@d"] {
            assert!(checked_message_id(given).is_err(), "{given:?}");
        }
    }

    fn encoded(text: &str) -> (String, String) {
        let part = text_part(ContentType::TEXT_PLAIN, text);
        let formatted = String::from_utf8(part.formatted()).unwrap();
        let (headers, body) = formatted.split_once("\r\n\r\n").unwrap();
        let encoding = headers.split_once("Content-Transfer-Encoding: ").unwrap().1.lines().next().unwrap();
        (encoding.to_owned(), body.to_owned())
    }

    #[test]
    fn an_ascii_text_is_sent_unencoded_and_any_other_as_base64() {
        let link = format!("https://accounts.acme.example/reset-password?token={}", "x".repeat(43));
        let (encoding, body) = encoded(&format!("Open\n{link}\n\nBye"));
        assert_eq!((encoding.as_str(), body.trim_end()), ("7bit", format!("Open\r\n{link}\r\n\r\nBye").as_str()));

        for (text, expected) in [
            ("x".repeat(998), "7bit"),
            ("x".repeat(999), "base64"),
            (format!("Don\u{2019}t\n{link}"), "base64"),
            ("a\rb".to_owned(), "base64"),
            ("a\0b".to_owned(), "base64"),
        ] {
            let (encoding, body) = encoded(&text);
            assert_eq!(encoding, expected, "{text:?}");
            if expected == "base64" {
                let decoded = BASE64_STANDARD.decode(body.replace("\r\n", "")).unwrap();
                assert_eq!(String::from_utf8(decoded).unwrap(), text.replace('\n', "\r\n"));
                assert!(body.lines().all(|line| line.len() <= 76));
            }
        }
    }

    #[test]
    fn a_long_header_line_is_folded_before_a_space_and_unfolds_unchanged() {
        let address = format!("<{}@{}.example>", "a".repeat(60), "b".repeat(60));
        let encoded = format!("=?utf-8?b?{}?=", "QQ".repeat(30));
        for header in [
            format!("To: {encoded} {address}"),
            format!("To: {address}"),
            format!("To: \"{}\" {address}", "Ada Lovelace ".repeat(20).trim()),
            format!("To: {} {address}", "x".repeat(80)),
            format!("Subject:  {}", "word  ".repeat(40).trim()),
            format!("Message-ID: <{}@mail.example>", "i".repeat(150)),
            "X: ".to_owned() + &" ".repeat(90),
            "no header at all ".repeat(9),
            "Date: short".to_owned(),
        ] {
            let message = format!("A: b\r\n{header}\r\nC: d\r\n\r\nbody {}", "as it is ".repeat(20));
            let folded = String::from_utf8(fold_headers(message.as_bytes())).unwrap();
            assert_eq!(folded.replace("\r\n ", " "), message, "{header}");
            let (headers, _) = folded.split_once("\r\n\r\n").unwrap();
            for line in headers.split("\r\n").filter(|line| line.len() > LINE && line.contains(':')) {
                let value = line.split_once(':').unwrap().1.trim_start();
                assert!(!value.contains(' ') || header.starts_with("no"), "{line:?} could be broken");
            }
            assert!(headers.split("\r\n").all(|line| !line.trim().is_empty() && !line.ends_with(':')));
        }
    }
}
