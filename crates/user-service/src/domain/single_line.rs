//! Free text on one line, which other people read.

use unicode_normalization::UnicodeNormalization;

use super::{
    allowed_characters::{is_blank, is_disruptive},
    invalid_value::Invalid,
};

/// Maximum length of the input in bytes. Longer input is refused before it is normalised.
const MAX_INPUT_BYTES: usize = 4096;

/// Converts a text to NFC, without the white space around it. It has one line, at least one visible character, and at
/// most `max_chars` code points. `subject` begins the details of the errors: "A display name".
///
/// # Errors
/// Returns an error with the code `too-short`, `too-long` or `invalid-character`.
pub(super) fn parse(raw: &str, subject: &str, max_chars: usize) -> Result<String, Invalid> {
    let too_long = || Invalid::new("too-long", format!("{subject} has at most {max_chars} characters."));
    if raw.len() > MAX_INPUT_BYTES {
        return Err(too_long());
    }
    let text: String = raw.trim().nfc().collect();
    if text.chars().count() > max_chars {
        return Err(too_long());
    }
    if text.chars().any(is_disruptive) {
        let detail = format!("{subject} has no line breaks, control characters or direction overrides.");
        return Err(Invalid::new("invalid-character", detail));
    }
    if text.chars().all(is_blank) {
        return Err(Invalid::new("too-short", format!("{subject} has at least one visible character.")));
    }
    Ok(text)
}
