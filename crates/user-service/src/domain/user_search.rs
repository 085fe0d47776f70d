//! An administrator's search for accounts, and cursors for its results.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    allowed_characters::is_blank,
    email::{self, Email},
    invalid_value::Invalid,
    redacted::redacted_debug,
    user::UserStatus,
    username::{self, Username},
};

/// Maximum length of the typed text, in code points.
pub const MAX_CHARS: usize = 254;
/// The maximum number of ids of one search.
pub const MAX_IDS: usize = 100;

/// The beginning of an email address or a username, converted to the form of the keys.
#[derive(Clone, PartialEq, Eq)]
pub struct SearchText {
    email: String,
    username: Option<String>,
}

impl SearchText {
    /// Parses the typed text. Returns `None` if it is empty.
    ///
    /// # Errors
    /// Returns an error with the code `too-long`, or `too-short` for a text that consists of white space and invisible
    /// characters: no key contains these, so the text would match every account.
    pub fn parse(raw: &str) -> Result<Option<Self>, Invalid> {
        if raw.chars().count() > MAX_CHARS {
            return Err(Invalid::new("too-long", format!("A search text has at most {MAX_CHARS} characters.")));
        }
        if raw.is_empty() {
            return Ok(None);
        }
        let typed = raw.trim();
        // A username contains no @.
        let username = (!typed.contains('@')).then(|| username::key_prefix(typed));
        if typed.chars().all(is_blank) || username.as_ref().is_some_and(String::is_empty) {
            return Err(Invalid::new("too-short", "A search text has at least one visible character."));
        }
        Ok(Some(Self { email: email::key_prefix(typed), username }))
    }

    /// Returns the prefix of the keys of current email addresses.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// Returns the prefix of the keys of usernames, or `None` if no username can match.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }
}

// The searched text is personal data.
redacted_debug!(SearchText);

/// Parses the ids of accounts, which are separated by commas.
///
/// # Errors
/// Returns an error with the code `too-many` or `not-a-uuid`.
pub fn parse_ids(raw: &str) -> Result<Vec<Uuid>, Invalid> {
    let ids: Vec<&str> = raw.split(',').take(MAX_IDS + 1).collect();
    if ids.len() > MAX_IDS {
        return Err(Invalid::new("too-many", format!("At most {MAX_IDS} ids.")));
    }
    ids.into_iter()
        .map(Uuid::try_parse)
        .collect::<Result<_, _>>()
        .map_err(|_| Invalid::new("not-a-uuid", "Each id is a UUID, and a comma separates it from the next one."))
}

/// The criteria of a search.
#[derive(Debug, Clone, Default)]
pub struct UserSearch {
    pub selection: UserSelection,
    pub status: Option<UserStatus>,
}

/// The accounts that a search selects.
#[derive(Debug, Clone, Default)]
pub enum UserSelection {
    #[default]
    All,
    /// Those whose email address or username begins with the text.
    Prefix(SearchText),
    /// Those with these ids.
    Ids(Vec<Uuid>),
    /// The one whose current email address has the same key.
    Email(Email),
    /// The one whose current username has the same key.
    Username(Username),
}

impl UserSelection {
    /// Returns whether all results are on one page.
    #[must_use]
    pub fn is_one_page(&self) -> bool {
        matches!(self, Self::Ids(_) | Self::Email(_) | Self::Username(_))
    }
}

/// A keyset cursor for the results of a search. Without a text, the newest account comes first. With a text, the
/// accounts are in the order of the keys by which they were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum UserCursor {
    Id(Uuid),
    Key(String),
}

impl UserCursor {
    /// Returns whether the cursor belongs to a search of this kind.
    #[must_use]
    pub fn fits_search(&self, search: &UserSearch) -> bool {
        match search.selection {
            UserSelection::All => matches!(self, Self::Id(_)),
            UserSelection::Prefix(_) => matches!(self, Self::Key(_)),
            UserSelection::Ids(_) | UserSelection::Email(_) | UserSelection::Username(_) => false,
        }
    }
}

/// Returns the smallest text, in the order of code points, that is greater than all texts with this prefix. Returns
/// `None` if there is no such text.
#[must_use]
pub fn prefix_end(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // A range of `char` skips the surrogates.
        if let Some(next) = (last..=char::MAX).nth(1) {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::invalid_value::assert_refused;

    fn text(raw: &str) -> SearchText {
        SearchText::parse(raw).unwrap().unwrap()
    }

    #[test]
    fn a_prefix_matches_in_every_spelling() {
        for (typed, address) in [
            ("ADA", "ada@example.org"),
            ("Ada.Lovelace@", "ada.lovelace@example.org"),
            ("ada@EXAM", "Ada@Example.org"),
            ("ada@example.", "ada@example.org"),
            ("jose\u{301}", "josé@example.org"),
            ("max@bücher", "max@bücher.example"),
            ("max@Bücher.exa", "max@bücher.example"),
            (" ada@example.org ", "ada@example.org"),
        ] {
            let key = Email::parse(address).unwrap().key().to_owned();
            assert!(key.starts_with(text(typed).email()), "{typed}: {} in {key}", text(typed).email());
        }
        for (typed, name) in
            [("AD", "ada"), ("mod", "modern"), ("jose\u{301}", "josé77"), ("ＡＤ", "ada"), ("山田", "山田太郎")]
        {
            let key = Username::parse(name).unwrap().key().to_owned();
            let search = text(typed);
            let prefix = search.username().unwrap();
            assert!(key.starts_with(prefix), "{typed}: {prefix} in {key}");
        }
        assert_eq!(text("ada@").username(), None);
    }

    #[test]
    fn an_empty_text_is_no_search_and_an_invisible_text_is_refused() {
        assert_eq!(SearchText::parse(""), Ok(None));
        assert_refused(
            SearchText::parse,
            "too-short",
            ["  ", "\u{3000}", "\u{202E}", "\u{200B}\u{AD}", "\u{FEFF} \u{2060}", "\u{E0041}", "\u{FE0F}"],
        );
        assert!(SearchText::parse("\u{202E}a").is_ok());
    }

    #[test]
    fn a_text_that_is_too_long_is_refused() {
        assert!(SearchText::parse(&"x".repeat(254)).is_ok());
        assert_refused(SearchText::parse, "too-long", ["x".repeat(255).as_str()]);
    }

    #[test]
    fn up_to_a_hundred_ids_are_read() {
        let ids: Vec<String> = (0..=MAX_IDS).map(|n| Uuid::from_u128(n as u128).to_string()).collect();
        let parsed = parse_ids(&ids[..MAX_IDS].join(",")).unwrap();
        assert_eq!(parsed.iter().map(Uuid::to_string).collect::<Vec<_>>(), ids[..MAX_IDS]);
        assert_refused(parse_ids, "too-many", [ids.join(",").as_str(), ",".repeat(1_000_000).as_str()]);
        let spaced = format!("{}, {}", ids[0], ids[1]);
        let ended = format!("{},", ids[0]);
        assert_refused(parse_ids, "not-a-uuid", ["", ",", "ada", "0190e1b0", spaced.as_str(), ended.as_str()]);
    }

    #[test]
    fn the_end_of_a_prefix_is_the_smallest_text_after_it() {
        for (prefix, behind) in [
            ("ada", Some("adb")),
            ("a.*", Some("a.+")),
            ("\u{D7FF}", Some("\u{E000}")),
            ("a\u{10FFFF}", Some("b")),
            ("\u{10FFFF}", None),
            ("", None),
        ] {
            assert_eq!(prefix_end(prefix).as_deref(), behind, "{prefix:?}");
        }
        let behind = prefix_end("ada").unwrap();
        for inside in ["ada", "ada\u{10FFFF}", "adaz"] {
            assert!(inside >= "ada" && inside < behind.as_str());
        }
    }
}
