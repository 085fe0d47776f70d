//! Puts subject, text and HTML into a message (RFC 5322, MIME) with its envelope.

use std::time::SystemTime;

use jiff::Timestamp;
use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message, MultiPart, MultiPartKind, SinglePart};
use sha2::{Digest, Sha256};

use super::{MessageBytes, RenderError};

pub(super) struct Parts<'a> {
    pub(super) from: &'a Mailbox,
    pub(super) to: Address,
    pub(super) to_name: Option<String>,
    pub(super) subject: &'a str,
    pub(super) date: Timestamp,
    pub(super) message_id: &'a str,
    pub(super) language: &'a str,
    pub(super) text: &'a str,
    pub(super) html: &'a str,
}

/// One recipient, in the envelope as in `To`.
pub(super) fn build(parts: Parts<'_>) -> Result<(Envelope, MessageBytes), RenderError> {
    let envelope = Envelope::new(Some(parts.from.email.clone()), vec![parts.to.clone()])?;
    let message_id = checked_message_id(parts.message_id)?;
    let alternatives = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        .boundary(boundary(&message_id))
        .singlepart(part(ContentType::TEXT_PLAIN, parts.text))
        .singlepart(part(ContentType::TEXT_HTML, parts.html));
    let message = Message::builder()
        .envelope(envelope.clone())
        .from(parts.from.clone())
        .to(Mailbox::new(parts.to_name, parts.to))
        .subject(parts.subject)
        .date(SystemTime::from(parts.date))
        .message_id(Some(message_id))
        // RFC 3834: no vacation notices in return. The second is what Exchange reads.
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"))
        .raw_header(header("Content-Language", parts.language))
        .multipart(alternatives)?;
    Ok((envelope, MessageBytes(message.formatted())))
}

/// Quoted-printable whatever the text: short lines, and readable in the source.
fn part(content_type: ContentType, text: &str) -> SinglePart {
    let encoding = ContentTransferEncoding::QuotedPrintable;
    // Not `expect`: it would print the refused text, token and all.
    let Ok(body) = Body::new_with_encoding(text.to_owned(), encoding) else {
        unreachable!("quoted-printable takes any text");
    };
    SinglePart::builder().content_type(content_type).body(body)
}

/// The same for the same mail. `=_` cannot occur in quoted-printable, so no text can close a part.
fn boundary(message_id: &str) -> String {
    let digest = hex::encode(Sha256::digest(message_id));
    format!("=_{}", &digest[..32])
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// In angle brackets.
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
    fn a_message_id_gets_its_brackets_and_nothing_else() {
        assert_eq!(checked_message_id("a.1@mail.example").unwrap(), "<a.1@mail.example>");
        assert_eq!(checked_message_id("<a.1@mail.example>").unwrap(), "<a.1@mail.example>");
        for given in ["", "a", "@b", "a@", "a@b@c", "a b@c", "a@b\r\nBcc: x", "<a@b", "a@b> <c@d"] {
            assert!(checked_message_id(given).is_err(), "{given:?}");
        }
    }
}
