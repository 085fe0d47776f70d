//! A text of a catalogue, with placeholders in braces, read once and filled per mail.

use serde::{Deserialize, Serialize};

use super::facts::Placeholder;

/// A text such as `Welcome to {product}`: not empty, on one line, known placeholders only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Phrase(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Value(Placeholder),
}

/// A filled phrase. Neither form is HTML: the layout escapes.
#[derive(Clone, Serialize)]
pub(super) struct Filled {
    pub(super) plain: String,
    /// The same in pieces, so that the layout can isolate values: a name in a right-to-left
    /// script must not reorder the sentence around it.
    segments: Vec<Segment>,
}

#[derive(Clone, Serialize)]
struct Segment {
    text: String,
    is_value: bool,
}

impl Phrase {
    pub(super) fn parse(text: &str) -> Result<Phrase, String> {
        if text.trim().is_empty() || text.trim() != text {
            return Err(format!("{text:?} is empty, or has space around it"));
        }
        if text.chars().any(char::is_control) {
            return Err(format!("{text:?} contains a line break or control character"));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let (literal, from_brace) = rest.split_at(brace);
            let Some((name, after)) = from_brace.strip_prefix('{').and_then(|inside| inside.split_once('}')) else {
                return Err(format!("{text:?} has an unpaired brace"));
            };
            let placeholder =
                Placeholder::parse(name).ok_or_else(|| format!("{text:?} has the unknown placeholder {{{name}}}"))?;
            push_literal(&mut pieces, literal);
            pieces.push(Piece::Value(placeholder));
            rest = after;
        }
        push_literal(&mut pieces, rest);
        Ok(Phrase(pieces))
    }

    pub(super) fn placeholders(&self) -> impl Iterator<Item = Placeholder> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Value(placeholder) => Some(*placeholder),
            Piece::Literal(_) => None,
        })
    }

    /// Values are inserted as they are and never read again for placeholders. The error is the
    /// placeholder for which `value` has none.
    pub(super) fn fill(&self, value: impl Fn(Placeholder) -> Option<String>) -> Result<Filled, Placeholder> {
        let mut segments = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            segments.push(match piece {
                Piece::Literal(text) => Segment { text: text.clone(), is_value: false },
                Piece::Value(placeholder) => Segment { text: value(*placeholder).ok_or(*placeholder)?, is_value: true },
            });
        }
        let plain = segments.iter().map(|s| s.text.as_str()).collect();
        Ok(Filled { plain, segments })
    }
}

fn push_literal(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Literal(text.to_owned()));
    }
}

impl TryFrom<String> for Phrase {
    type Error = String;

    fn try_from(text: String) -> Result<Phrase, String> {
        Phrase::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_filled_in_and_not_read_again() {
        let phrase = Phrase::parse("Hello {name}, welcome to {product}!").unwrap();
        let filled = phrase
            .fill(|p| match p {
                Placeholder::Name => Some("{product}".to_owned()),
                _ => Some("Acme".to_owned()),
            })
            .ok()
            .unwrap();
        assert_eq!(filled.plain, "Hello {product}, welcome to Acme!");
    }

    #[test]
    fn a_value_that_is_not_there_is_named() {
        let phrase = Phrase::parse("until {locked_until}").unwrap();
        assert_eq!(phrase.fill(|_| None).err(), Some(Placeholder::LockedUntil));
    }

    #[test]
    fn a_phrase_with_a_mistake_is_refused() {
        for text in ["", " ", " x", "x ", "a\nb", "{nmae}", "{name", "name}", "{}", "{{name}}", "{ name }"] {
            assert!(Phrase::parse(text).is_err(), "{text:?}");
        }
    }
}
