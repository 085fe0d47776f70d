//! Decodes a caught mail: its subject, sender, plain text and HTML.

use mailparse::{MailHeaderMap as _, ParsedMail};

/// The decoded parts of a mail that the pages show.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DecodedMail {
    pub(super) subject: String,
    pub(super) from: String,
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
}

/// Decodes a mail. Parts that cannot be decoded are left out.
pub(super) fn decode(data: &[u8]) -> DecodedMail {
    let Ok(mail) = mailparse::parse_mail(data) else { return DecodedMail::default() };
    let header = |name: &str| mail.headers.get_first_value(name).unwrap_or_default();
    DecodedMail {
        subject: header("Subject"),
        from: header("From"),
        text: decoded_part(&mail, "text/plain"),
        html: decoded_part(&mail, "text/html"),
    }
}

/// Returns the decoded content of the first part with this MIME type.
fn decoded_part(mail: &ParsedMail<'_>, mime_type: &str) -> Option<String> {
    mail.parts().find(|part| part.ctype.mimetype.eq_ignore_ascii_case(mime_type)).and_then(|part| part.get_body().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_html_of_an_alternative_are_decoded() {
        let mail = b"Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n\
            --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
            Gr=C3=BC=C3=9Fe\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>hi</p>\r\n--b--\r\n";
        let decoded = decode(mail);
        assert_eq!(decoded.subject, "Grüße");
        assert_eq!(decoded.text.unwrap().trim(), "Grüße");
        assert_eq!(decoded.html.unwrap().trim(), "<p>hi</p>");
    }
}
