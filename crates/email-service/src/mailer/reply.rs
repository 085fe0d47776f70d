//! A server's reply: its code and its text.

use std::{error::Error as _, fmt};

use lettre::transport::smtp::response::Response;

/// A server's reply: its code, and its text without unsafe characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    /// Printable, on one line, of limited length.
    pub text: String,
}

/// The maximum length of a reply's text, in characters.
pub(super) const MAX_TEXT: usize = 300;

impl Reply {
    /// Creates a reply with a printable text: it comes from outside and is shown in the ledger and
    /// on terminals.
    #[must_use]
    pub fn new(code: u16, text: &str) -> Self {
        Self { code, text: printable(text) }
    }

    /// Returns subject and detail of the enhanced status code (RFC 3463) at the beginning of the
    /// text, if its class matches the code.
    #[must_use]
    pub fn enhanced(&self) -> Option<(u16, u16)> {
        let mut parts = self.text.split_whitespace().next()?.split('.');
        let mut number = || parts.next().filter(|part| (1..=3).contains(&part.len()))?.parse::<u16>().ok();
        let (class, subject, detail) = (number()?, number()?, number()?);
        (parts.next().is_none() && class == self.code / 100).then_some((subject, detail))
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {}", self.code, self.text)
    }
}

/// Returns the printable characters of `text` on one line of limited length.
#[must_use]
pub fn printable(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !i18n::is_invisible(*c)).collect();
    let words = visible.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let shortened: String = line.chars().take(MAX_TEXT).collect();
    shortened.trim_end().to_owned()
}

/// Reads the reply from lettre's result: lettre returns a refusal as an error, with the text as its
/// source.
pub(super) fn read_reply(
    answer: Result<Response, lettre::transport::smtp::Error>,
) -> Result<Reply, lettre::transport::smtp::Error> {
    match answer {
        Ok(response) => {
            let text = response.message().collect::<Vec<_>>().join(" ");
            Ok(Reply::new(response.code().into(), &text))
        }
        Err(error) => match error.status() {
            Some(code) => {
                let text = error.source().map(ToString::to_string).unwrap_or_default();
                Ok(Reply::new(code.into(), &text))
            }
            None => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enhanced_code_counts_only_if_its_class_matches() {
        let enhanced = |code, text| Reply::new(code, text).enhanced();
        assert_eq!(enhanced(550, "5.1.1 no"), Some((1, 1)));
        assert_eq!(enhanced(550, "5.7.26 no"), Some((7, 26)));
        assert_eq!(enhanced(550, "4.7.1 no"), None);
        assert_eq!(enhanced(550, "5.1 no"), None);
        assert_eq!(enhanced(550, "5.1.1.1 no"), None);
        assert_eq!(enhanced(550, "5.1.1234 no"), None);
        assert_eq!(enhanced(550, ""), None);
    }

    #[test]
    fn a_replys_text_is_one_printable_line_of_bounded_length() {
        let hostile = "5.1.1 \u{1b}[2Jgone\r\n250 \u{202e}ok\0";
        assert_eq!(Reply::new(550, hostile).text, "5.1.1 [2Jgone 250 ok");
        assert_eq!(Reply::new(550, &"x".repeat(9_999)).text.len(), MAX_TEXT);
    }
}
