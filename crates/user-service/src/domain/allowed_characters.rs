//! Classes of characters: those that are not allowed in texts for other people, and the decimal digits of all scripts.

/// Returns whether a character can disrupt a text: control characters, line and paragraph separators, and bidirectional
/// embeddings, overrides and isolates (UAX 9), which show a text or the text after it in another order than it is
/// written.
///
/// The plain directional marks (U+200E, U+200F) and the joiners are not disruptive: ordinary Arabic, Hebrew, Persian
/// and Indic text needs them.
pub(super) fn is_disruptive(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Returns whether a reader does not see the character: white space, and invisible characters.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || i18n::is_invisible(c)
}

/// The zero of each script whose decimal digits (Unicode 16, general category `Nd`) NFKC does not convert to ASCII.
/// Unicode guarantees for this category that the other nine digits follow in order.
const ZEROS: [char; 68] = [
    '\u{660}',
    '\u{6F0}',
    '\u{7C0}',
    '\u{966}',
    '\u{9E6}',
    '\u{A66}',
    '\u{AE6}',
    '\u{B66}',
    '\u{BE6}',
    '\u{C66}',
    '\u{CE6}',
    '\u{D66}',
    '\u{DE6}',
    '\u{E50}',
    '\u{ED0}',
    '\u{F20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17E0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19D0}',
    '\u{1A80}',
    '\u{1A90}',
    '\u{1B50}',
    '\u{1BB0}',
    '\u{1C40}',
    '\u{1C50}',
    '\u{A620}',
    '\u{A8D0}',
    '\u{A900}',
    '\u{A9D0}',
    '\u{A9F0}',
    '\u{AA50}',
    '\u{ABF0}',
    '\u{104A0}',
    '\u{10D30}',
    '\u{10D40}',
    '\u{11066}',
    '\u{110F0}',
    '\u{11136}',
    '\u{111D0}',
    '\u{112F0}',
    '\u{11450}',
    '\u{114D0}',
    '\u{11650}',
    '\u{116C0}',
    '\u{116D0}',
    '\u{116DA}',
    '\u{11730}',
    '\u{118E0}',
    '\u{11950}',
    '\u{11BF0}',
    '\u{11C50}',
    '\u{11D50}',
    '\u{11DA0}',
    '\u{11F50}',
    '\u{16130}',
    '\u{16A60}',
    '\u{16AC0}',
    '\u{16B50}',
    '\u{16D70}',
    '\u{1CCF0}',
    '\u{1E140}',
    '\u{1E2F0}',
    '\u{1E4F0}',
    '\u{1E5F1}',
    '\u{1E950}',
];

/// Returns the ASCII digit of the same value, if this is a decimal digit of any script.
pub(super) fn ascii_digit(c: char) -> Option<char> {
    if c.is_ascii_digit() {
        return Some(c);
    }
    let before = ZEROS.partition_point(|zero| *zero <= c);
    let zero = *ZEROS.get(before.checked_sub(1)?)?;
    char::from_digit(u32::from(c) - u32::from(zero), 10)
}
