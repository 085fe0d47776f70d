//! Decides which mails a search finds. All searches ignore case.

use super::{decoded_mail::DecodedMail, store::CaughtMail};

/// Returns whether the envelope sender or the header `From` contains a text in lower case.
pub(super) fn is_from(mail: &CaughtMail, wanted: &str) -> bool {
    contains(&mail.envelope.from, wanted) || contains(&mail.summary().from, wanted)
}

/// Returns whether an envelope recipient or the header `To` contains a text in lower case.
pub(super) fn is_to(mail: &CaughtMail, wanted: &str) -> bool {
    mail.envelope.to.iter().any(|to| contains(to, wanted)) || contains(&mail.summary().to, wanted)
}

/// Returns whether the source or the decoded mail contains a text in lower case.
pub(super) fn is_containing(mail: &CaughtMail, wanted: &str) -> bool {
    contains(&String::from_utf8_lossy(&mail.data), wanted) || decoded_text(mail).contains(wanted)
}

/// Returns whether the decoded mail contains each of these words in lower case.
pub(super) fn has_all_words(mail: &CaughtMail, words: &[String]) -> bool {
    let text = decoded_text(mail);
    words.iter().all(|word| text.contains(word))
}

/// Returns what a person would search in: the addresses, the subject and the text, in lower case.
fn decoded_text(mail: &CaughtMail) -> String {
    let DecodedMail { text, html, .. } = DecodedMail::of(&mail.data);
    let summary = mail.summary();
    let body = text.or(html).unwrap_or_default();
    let mut parts = vec![summary.subject.as_str(), &summary.from, &summary.to, &mail.envelope.from];
    parts.extend(mail.envelope.to.iter().map(String::as_str));
    parts.push(&body);
    parts.join("\n").to_lowercase()
}

fn contains(text: &str, wanted: &str) -> bool {
    text.to_lowercase().contains(wanted)
}
