//! The mails that the shared mail server has accepted for one address.

use std::time::Duration;

use local_stack::wait_for::{DEADLINE, wait_for};
use mailparse::{MailHeaderMap as _, ParsedMail};
use reqwest::Client;
use serde_json::Value;

use crate::{secrets::remember_secret, stack::Stack};

const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// A mail as it arrived.
#[derive(Debug, Clone)]
pub struct ReceivedMail {
    /// The envelope sender.
    pub from: String,
    /// The envelope recipients.
    pub to: Vec<String>,
    /// The subject, decoded.
    pub subject: String,
    /// All headers in order, decoded.
    pub headers: Vec<(String, String)>,
    /// The plain text, decoded.
    pub text: String,
    /// The HTML, decoded.
    pub html: String,
    /// The headers and the body as they were sent.
    pub raw: String,
}

impl ReceivedMail {
    /// Parses a mail and adds its envelope.
    ///
    /// # Panics
    /// Panics if `raw` is not a mail.
    #[must_use]
    pub fn parse(from: &str, to: Vec<String>, raw: &str) -> Self {
        let mail = mailparse::parse_mail(raw.as_bytes()).unwrap_or_else(|error| panic!("not a mail: {error}\n{raw}"));
        Self {
            from: from.to_owned(),
            to,
            subject: mail.headers.get_first_value("Subject").unwrap_or_default(),
            headers: mail.headers.iter().map(|header| (header.get_key(), header.get_value())).collect(),
            text: part(&mail, "text/plain"),
            html: part(&mail, "text/html"),
            raw: raw.to_owned(),
        }
    }

    /// Returns the value of a header, or an empty text if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let header = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// Returns the links in the plain text.
    #[must_use]
    pub fn links(&self) -> Vec<String> {
        let words = self.text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '"'));
        words.filter(|word| word.starts_with("http://") || word.starts_with("https://")).map(str::to_owned).collect()
    }

    /// Returns the token in the link whose path ends with `page`. The token is remembered as a secret of the run.
    ///
    /// # Panics
    /// Panics if there is no such link.
    #[must_use]
    pub fn token(&self, page: &str) -> String {
        let marker = link_marker(page);
        let link = self.links().into_iter().find(|link| link.contains(&marker));
        let link = link.unwrap_or_else(|| panic!("no link to {page} in\n{}", self.text));
        let token = link.split_once("token=").map(|(_, token)| token.split('&').next().unwrap_or(token).to_owned());
        let token = token.expect("the marker is in the link");
        remember_secret("one-time token", &token);
        token
    }
}

/// The mailbox of one address.
#[derive(Debug, Clone)]
pub struct Mailbox {
    client: Client,
    api: String,
    address: String,
}

impl Mailbox {
    pub(crate) fn new(stack: &Stack, address: &str) -> Self {
        let client = Client::builder().no_proxy().timeout(CALL_DEADLINE).build();
        Self {
            client: client.expect("a client without TLS can be made"),
            api: stack.mail_api.clone(),
            address: address.to_owned(),
        }
    }

    /// Returns all mails so far, oldest first.
    ///
    /// # Panics
    /// Panics if the mail server does not respond.
    pub async fn mails(&self) -> Vec<ReceivedMail> {
        let url = format!("{}/api/v2/search", self.api);
        let query = [("kind", "to"), ("query", self.address.as_str()), ("limit", "250")];
        let response = self.client.get(url).query(&query).send().await.expect("the mail server responds");
        let found: Value = response.json().await.expect("the mail server responds with JSON");
        let items = found["items"].as_array().cloned().unwrap_or_default();
        items.iter().rev().filter_map(|item| self.received(item)).collect()
    }

    /// Waits until there are at least `count` mails, and returns all mails, oldest first.
    ///
    /// # Panics
    /// Panics if there are fewer after 30 s.
    pub async fn wait_for_mails(&self, count: usize) -> Vec<ReceivedMail> {
        self.wait_for_mails_within(DEADLINE, count).await
    }

    /// Waits until there are at least `count` mails with a link to a page, and returns them, oldest first.
    ///
    /// # Panics
    /// Panics if there are fewer after 30 s.
    pub async fn wait_for_links(&self, page: &str, count: usize) -> Vec<ReceivedMail> {
        let marker = link_marker(page);
        wait_for(DEADLINE, &format!("{count} mail(s) to {} with a link to {page}", self.address), async || {
            let mut mails = self.mails().await;
            mails.retain(|mail| mail.text.contains(&marker));
            (mails.len() >= count).then_some(mails)
        })
        .await
    }

    /// Waits for the mail number `nth` (from 1) with a link to a page, and returns the token of its link.
    ///
    /// # Panics
    /// Panics if there are fewer mails after 30 s.
    pub async fn wait_for_token(&self, page: &str, nth: usize) -> String {
        self.wait_for_links(page, nth).await[nth - 1].token(page)
    }

    /// Waits for a mail whose subject begins with `beginning`, and returns the oldest one.
    ///
    /// # Panics
    /// Panics if there is none after 30 s.
    pub async fn wait_for_subject(&self, beginning: &str) -> ReceivedMail {
        wait_for(DEADLINE, &format!("the mail {beginning:?} to {}", self.address), async || {
            self.mails().await.into_iter().find(|mail| mail.subject.starts_with(beginning))
        })
        .await
    }

    /// Does the same as [`Mailbox::wait_for_mails`] with another deadline.
    ///
    /// # Panics
    /// Panics if there are fewer at the deadline.
    pub async fn wait_for_mails_within(&self, deadline: Duration, count: usize) -> Vec<ReceivedMail> {
        wait_for(deadline, &format!("{count} mail(s) to {}", self.address), async || {
            let mails = self.mails().await;
            (mails.len() >= count).then_some(mails)
        })
        .await
    }

    /// Parses a search result. Returns `None` if this address is not an envelope recipient, because the search also
    /// matches parts of addresses.
    fn received(&self, item: &Value) -> Option<ReceivedMail> {
        let raw = &item["Raw"];
        let to: Vec<String> = raw["To"].as_array()?.iter().filter_map(|to| Some(to.as_str()?.to_owned())).collect();
        let is_recipient = to.iter().any(|to| to.eq_ignore_ascii_case(&self.address));
        is_recipient.then(|| {
            ReceivedMail::parse(raw["From"].as_str().unwrap_or_default(), to, raw["Data"].as_str().unwrap_or_default())
        })
    }
}

/// Returns the text by which a mail that links to a page is recognised.
fn link_marker(page: &str) -> String {
    format!("{page}?token=")
}

fn part(mail: &ParsedMail<'_>, mime_type: &str) -> String {
    let found = mail.parts().find(|part| part.ctype.mimetype.eq_ignore_ascii_case(mime_type));
    found.and_then(|part| part.get_body().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_link_is_found_in_the_decoded_text() {
        let raw = "Subject: hi\r\nContent-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\nOpen http://localhost:3000/verify-email?token=3Dabc-=\r\ndef_1\r\n";
        let mail = ReceivedMail::parse("a@example.org", vec![], raw);
        assert_eq!(mail.token("/verify-email"), "abc-def_1");
        assert_eq!(mail.links().len(), 1);
    }
}
