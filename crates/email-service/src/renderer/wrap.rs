//! Wraps the lines of the text part in every script: at spaces, and between the characters of
//! scripts without spaces where UAX #14 allows it (never before 。 or after 「).

use icu_segmenter::{LineSegmenter, options::LineBreakOptions};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Wraps `text` to `columns`, except for longer words such as addresses and links. An isolated
/// value (see [`i18n::isolate_depth_change`]) counts as one word, since an isolate ends with its line.
pub(super) fn wrap(text: &str, columns: usize) -> String {
    let mut lines = String::with_capacity(text.len() + 8);
    let (mut column, mut spaces) = (0, 0);
    for piece in unbreakable_pieces(text) {
        let word = piece.trim_end_matches(' ');
        if column > 0 && column + spaces + word.width() > columns {
            lines.push('\n');
            column = 0;
        } else {
            lines.extend(std::iter::repeat_n(' ', spaces));
            column += spaces;
        }
        lines.push_str(word);
        column += word.width();
        spaces = piece.len() - word.len();
    }
    lines
}

/// Returns the unbreakable pieces of the text, each with the spaces that follow it.
fn unbreakable_pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut counted_to, mut depth) = (0, 0, 0);
    for end in LineSegmenter::new_for_non_complex_scripts(LineBreakOptions::default()).segment_str(text) {
        depth += text[counted_to..end].chars().map(i18n::isolate_depth_change).sum::<i32>();
        counted_to = end;
        let is_break = depth == 0 && is_between_words(&text[start..end], &text[end..]);
        if end > start && (is_break || end == text.len()) {
            pieces.push(&text[start..end]);
            start = end;
        }
    }
    pieces
}

/// Returns whether a break is between words. UAX #14 also breaks at hyphens and within addresses,
/// which stay unbroken here.
fn is_between_words(before: &str, after: &str) -> bool {
    let is_wide = |c: char| c.width() == Some(2);
    before.ends_with(' ')
        || before.chars().next_back().is_some_and(is_wide)
        || after.chars().next().is_some_and(is_wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_at_spaces() {
        let long = "x".repeat(100);
        let words = format!("{} {long} end", "well-known mail-box to a.b-c@example.org ".repeat(5).trim());
        let wrap = wrap(&words, 40);
        assert_eq!(wrap.replace('\n', " "), words);
        for line in wrap.lines() {
            assert!(line.chars().count() <= 40 || line == long, "{line:?}");
        }
        assert_eq!(super::wrap("", 40), "");
    }

    #[test]
    fn a_no_break_space_does_not_break() {
        assert_eq!(wrap("mot\u{202F}; mot\u{A0}: fin", 5), "mot\u{202F};\nmot\u{A0}:\nfin");
    }

    #[test]
    fn japanese_is_wrapped_between_characters_but_no_line_begins_with_a_full_stop() {
        assert_eq!(wrap("パスワードが変更されました。", 12), "パスワードが\n変更されまし\nた。");
        assert_eq!(wrap("変更しました。次", 12), "変更しまし\nた。次");
        assert_eq!(wrap("「Acme」のアカウント", 8), "「Acme」\nのアカウ\nント");
    }

    #[test]
    fn an_isolated_value_stays_on_one_line() {
        assert_eq!(wrap("مرحبا \u{2068}Ada Lovelace\u{2069} هنا", 10), "مرحبا\n\u{2068}Ada Lovelace\u{2069}\nهنا");
    }
}
