//! Characters that have no place in a text which other people will read.

/// Controls, line and paragraph separators, and the bidirectional embeddings, overrides
/// and isolates (UAX 9), with which a text shows itself, or what follows it, in another
/// order than it is written.
///
/// The plain directional marks (U+200E, U+200F) and the joiners are not among them:
/// ordinary Arabic, Hebrew, Persian and Indic text needs them.
pub(super) fn is_disruptive(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether a reader sees nothing: white space, and Unicode's `Default_Ignorable_Code_Point`.
pub(super) fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}
