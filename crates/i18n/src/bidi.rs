//! Prevents a value from reordering the sentence around it in plain text, by the isolates of UAX
//! #9.
//!
//! HTML has `<bdi>` for this. A subject and a text part have only these characters.

use std::borrow::Cow;

/// The isolate takes the direction of the value's first letter.
const FIRST_STRONG_ISOLATE: char = '\u{2068}';
const LEFT_TO_RIGHT_ISOLATE: char = '\u{2066}';
const POP_ISOLATE: char = '\u{2069}';

/// The direction of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueDirection {
    /// The direction of its first letter, for names.
    FirstStrong,
    /// Always from left to right, for email addresses.
    LeftToRight,
}

/// Isolates a value for use in a sentence. It is not changed where nothing can be reordered: a
/// left-to-right value in a left-to-right text. It must not contain isolates.
pub(crate) fn isolate(value: &str, direction: ValueDirection, in_rtl_text: bool) -> Cow<'_, str> {
    let is_safe =
        if in_rtl_text { value.chars().all(|c| c.is_ascii_digit()) } else { !value.chars().any(is_right_to_left) };
    if is_safe {
        return Cow::Borrowed(value);
    }
    let opening = match direction {
        ValueDirection::FirstStrong => FIRST_STRONG_ISOLATE,
        ValueDirection::LeftToRight => LEFT_TO_RIGHT_ISOLATE,
    };
    Cow::Owned(format!("{opening}{value}{POP_ISOLATE}"))
}

/// Returns the change of the isolate depth after this character.
#[must_use]
pub fn isolate_depth_change(c: char) -> i32 {
    match c {
        FIRST_STRONG_ISOLATE | LEFT_TO_RIGHT_ISOLATE => 1,
        POP_ISOLATE => -1,
        _ => 0,
    }
}

/// Returns whether the character is in a block that Unicode reserves for right-to-left scripts
/// (`DerivedBidiClass.txt`).
fn is_right_to_left(c: char) -> bool {
    matches!(c,
        '\u{0590}'..='\u{08FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFF}'
        | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_isolated_where_it_could_reorder_the_sentence() {
        for (value, direction, in_rtl_text, expected) in [
            ("Ada", ValueDirection::FirstStrong, false, "Ada"),
            ("李小龙", ValueDirection::FirstStrong, false, "李小龙"),
            ("محمد", ValueDirection::FirstStrong, false, "\u{2068}محمد\u{2069}"),
            ("ada@مثال.example", ValueDirection::LeftToRight, false, "\u{2066}ada@مثال.example\u{2069}"),
            ("Ada", ValueDirection::FirstStrong, true, "\u{2068}Ada\u{2069}"),
            ("محمد (Acme)", ValueDirection::FirstStrong, true, "\u{2068}محمد (Acme)\u{2069}"),
            ("ada@example.org", ValueDirection::LeftToRight, true, "\u{2066}ada@example.org\u{2069}"),
            ("7", ValueDirection::FirstStrong, true, "7"),
        ] {
            assert_eq!(isolate(value, direction, in_rtl_text), expected);
        }
    }
}
