//! Makes user-chosen names safe to show: no control characters, no reordering, no links, limited
//! length.
//!
//! Any client can register another person's address under any name. So a name may be an attacker's
//! text to the recipient, and must not become a message.

/// The maximum length of a name, in characters. Longer names are cut.
const MAX_LENGTH: usize = 64;
/// The maximum length of an address; RFC 5321 allows 64 octets before the @ and 255 after it.
const MAX_ADDRESS: usize = 320;
/// The maximum length of the name of a person who invites, in characters and in words. Longer ones are left out.
const MAX_INVITER_LENGTH: usize = 40;
const MAX_INVITER_WORDS: usize = 5;

/// Returns the name on one line, without characters that are invisible or change direction; `None`
/// if nothing is left.
pub(super) fn clean_name(name: &str) -> Option<String> {
    visible_line(name).map(|line| truncate(&line, MAX_LENGTH))
}

/// Returns an address cleaned like a name, and cut only beyond the length of any valid address.
pub(super) fn clean_address(text: &str) -> Option<String> {
    visible_line(text).map(|line| truncate(&line, MAX_ADDRESS))
}

fn visible_line(text: &str) -> Option<String> {
    let visible: String = text.chars().map(|c| if is_break(c) { ' ' } else { c }).filter(|c| !is_hidden(*c)).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    let line = words.join(" ");
    (!line.is_empty()).then_some(line)
}

/// Returns the name for use in a text, written so that no mail program makes a link of it; `None`
/// if there is none, or it looks like a link.
pub(super) fn name_in_sentence(name: Option<&str>) -> Option<String> {
    name.and_then(clean_name).filter(|name| !looks_like_a_link(name)).map(|name| without_auto_links(&name))
}

/// Returns the name of a person who invites, for a mail to a stranger; `None` unless it can only be a name: letters
/// and the marks of names, a few words, and nothing that a mail program could make a link of. Without digits it has no
/// sum of money and no telephone number.
pub(super) fn name_of_inviter(name: Option<&str>) -> Option<String> {
    let name = name.and_then(visible_line)?;
    let is_short = name.chars().count() <= MAX_INVITER_LENGTH && name.split(' ').count() <= MAX_INVITER_WORDS;
    let is_of_names = |c: char| {
        i18n::is_letter_or_mark(c)
            || i18n::is_joiner_or_selector(c)
            || matches!(c, ' ' | '.' | ',' | '\'' | '’' | '‘' | '-' | '‐' | '·' | '・')
    };
    let has_letter = name.chars().any(char::is_alphabetic);
    let is_name = is_short && has_letter && name.chars().all(is_of_names) && without_auto_links(&name) == name;
    // "www.evil" has no letters enough after its dot to be a domain.
    (is_name && !looks_like_a_link(&name)).then_some(name)
}

fn is_break(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Returns whether the character is invisible, except those that scripts and emoji need.
fn is_hidden(c: char) -> bool {
    i18n::is_invisible(c) && !i18n::is_joiner_or_selector(c)
}

fn truncate(line: &str, max_chars: usize) -> String {
    let chars: Vec<char> = line.chars().collect();
    if chars.len() <= max_chars {
        return line.to_owned();
    }
    let mut end = max_chars - 1;
    while end > 1 && (belongs_to_previous(chars[end]) || chars[end - 1] == '\u{200D}') {
        end -= 1;
    }
    let kept: String = chars[..end].iter().collect();
    format!("{}…", kept.trim_end())
}

/// Returns whether the character is a combining mark of a common script, a variation selector, a
/// skin tone or a joiner.
fn belongs_to_previous(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}' | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}'
        | '\u{1F3FB}'..='\u{1F3FF}' | '\u{200C}' | '\u{200D}')
}

fn looks_like_a_link(name: &str) -> bool {
    let lower = name.to_lowercase();
    lower.contains(['/', '\\', '@', ':', '／', '＠', '：']) || lower.contains("www.")
}

/// Adds a zero-width space after dots within a name. `jane.doe` is a valid username, and a domain
/// to a mail program: the name looks the same and is not linked. "J. R. R." and "J.R.R." are not
/// changed.
fn without_auto_links(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut shown = String::with_capacity(name.len());
    for (at, &c) in chars.iter().enumerate() {
        shown.push(c);
        let follows_word = at > 0 && chars[at - 1].is_alphanumeric();
        let next_letters = chars[at + 1..].iter().take(2).filter(|c| c.is_alphanumeric());
        if matches!(c, '.' | '。' | '．' | '｡') && follows_word && next_letters.count() == 2 {
            shown.push('\u{200B}');
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "Ada Lovelace",
            "J. R. R. Tolkien",
            "J.R.R. Tolkien",
            "O’Neill-Šimůnková",
            "李小龙",
            "محمد",
            "👩‍💻 Grace",
            "नरेंद्र",
        ] {
            assert_eq!(clean_name(name).as_deref(), Some(name));
            assert_eq!(name_in_sentence(Some(name)).as_deref(), Some(name));
        }
    }

    #[test]
    fn line_breaks_and_invisible_characters_are_removed() {
        for (name, expected) in [
            ("Ada\r\nBcc: eve", Some("Ada Bcc: eve")),
            ("Ada\u{2028}\u{85}Lovelace\0", Some("Ada Lovelace")),
            ("\u{202E}adA\u{202C}", Some("adA")),
            ("a\u{200B}d\u{FEFF}a\u{2066}\u{E0041}", Some("ada")),
            ("  Ada \t  L. ", Some("Ada L.")),
            ("\u{202E}\u{200F} \u{3164}", None),
            ("", None),
        ] {
            assert_eq!(clean_name(name).as_deref(), expected, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_between_characters_that_belong_together() {
        let long = clean_name(&"a".repeat(320)).unwrap();
        assert_eq!(long.chars().count(), MAX_LENGTH);
        assert!(long.ends_with("a…"));

        let family = "👨\u{200D}👩\u{200D}👧";
        let cut = clean_name(&format!("{}{family}", "a".repeat(MAX_LENGTH - 3))).unwrap();
        assert_eq!(cut, format!("{}…", "a".repeat(MAX_LENGTH - 3)));

        let marks = clean_name(&format!("a{}", "\u{0301}".repeat(320))).unwrap();
        assert_eq!(marks, "a…");
    }

    #[test]
    fn a_name_that_looks_like_a_link_is_left_out() {
        for name in ["Win at https://evil.example", "WWW.evil.example", "eve@evil.example", "evil.example/now"] {
            assert_eq!(name_in_sentence(Some(name)), None);
        }
    }

    #[test]
    fn an_inviter_has_the_name_of_a_person_or_none() {
        for name in [
            "Grace Hopper",
            "Dr. J. R. R. Tolkien",
            "O’Neill-Šimůnková",
            "Ludwig van Beethoven, Jr.",
            "李小龙",
            "山田・太郎",
            "محمد عبد الرحمن",
            "नरेंद्र मोदी",
            "می\u{200C}نا",
        ] {
            assert_eq!(name_of_inviter(Some(name)).as_deref(), Some(name));
        }
        assert_eq!(name_of_inviter(Some("\u{202E}Grace\r\n Hopper\u{2066}")).as_deref(), Some("Grace Hopper"));
        let long = "a".repeat(MAX_INVITER_LENGTH + 1);
        for name in [
            "evil.example",
            "Grace at evil.example",
            "evil。example",
            "www.evil",
            "https://evil.example",
            "hxxp evil[.]example",
            "eve@evil.example",
            "eve＠evil",
            "You won 8755 EUR",
            "٠١٢٣٤",
            "①②③",
            "Call us today!",
            "Your bank asks you to sign in",
            "<b>Grace</b>",
            "Grace 👩\u{200D}🚀",
            "Ⅷ",
            "...",
            "’",
            "\u{3164}\u{202E}",
            "",
            &long,
        ] {
            assert_eq!(name_of_inviter(Some(name)), None, "{name:?}");
        }
        assert_eq!(name_of_inviter(None), None);
    }

    #[test]
    fn a_name_that_looks_like_a_domain_gets_a_zero_width_space() {
        assert_eq!(name_in_sentence(Some("jane.doe")).as_deref(), Some("jane.\u{200B}doe"));
        assert_eq!(name_in_sentence(Some("Go to evil.example")).as_deref(), Some("Go to evil.\u{200B}example"));
        assert_eq!(name_in_sentence(None), None);
    }
}
