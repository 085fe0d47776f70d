//! The languages: what a service needs to write in one of them, and the choice among them, by the lookup of RFC 4647,
//! section 3.4.

use std::cmp::Reverse;

use include_dir::{Dir, File, include_dir};
use serde::Deserialize;

use super::{
    InvalidFile,
    characters::check_line,
    date::DateFormat,
    plural::Plurals,
    toml_files::{self, Node, TomlFiles},
};

/// The languages: every file of this folder is one.
static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/languages");

/// The language for readers whose own languages have no catalogue.
pub(crate) const FALLBACK: &str = "en";

/// A language, and how it is written.
#[derive(Debug)]
pub struct Language {
    /// The BCP 47 tag.
    pub tag: String,
    /// The language's own name for itself.
    pub name: String,
    pub is_rtl: bool,
    /// Font families that suit the script better; they come first in the font list.
    pub fonts: Vec<String>,
    pub dates: DateFormat,
    pub(crate) plurals: Plurals,
}

/// A language as it is in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LanguageFile {
    name: String,
    direction: Direction,
    #[serde(default)]
    fonts: Vec<String>,
    dates: DateFormat,
}

#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Ltr,
    Rtl,
}

impl Language {
    /// Returns the language of this tag from the embedded files.
    ///
    /// # Errors
    /// Returns an error if there is none, or its file is invalid.
    pub fn embedded(tag: &str) -> Result<Self, InvalidFile> {
        let mut files = TomlFiles::default();
        let table = Self::embedded_table(tag, &mut files)?;
        Self::from_table(tag, &files, &table)
    }

    /// Returns the text of the embedded file of this tag.
    #[must_use]
    pub fn embedded_text(tag: &str) -> Option<&'static str> {
        FILES.get_file(format!("{tag}.toml"))?.contents_utf8()
    }

    /// Parses and checks a file.
    ///
    /// # Errors
    /// Returns an error if `tag` is not a BCP 47 tag, or the file is invalid.
    pub fn parse(tag: &str, toml: &str) -> Result<Self, InvalidFile> {
        let mut files = TomlFiles::default();
        let table = files.parse_embedded(path(tag), toml)?;
        Self::from_table(tag, &files, &table)
    }

    /// Returns the contents of the embedded file of this tag.
    pub(crate) fn embedded_table<'a>(tag: &str, files: &mut TomlFiles<'a>) -> Result<Node<'a>, InvalidFile> {
        let file = FILES.get_file(format!("{tag}.toml"));
        let file = file.ok_or_else(|| InvalidFile::whole(path(tag), "it is missing"))?;
        files.parse_embedded(path(tag), utf8(file, "languages")?)
    }

    /// Checks a language that is written like an embedded file, and as the table `language` in a file of the operator.
    pub(crate) fn from_table(tag: &str, files: &TomlFiles<'_>, table: &Node<'_>) -> Result<Self, InvalidFile> {
        const BELOW: &str = "language.";
        let plurals = Plurals::for_language(tag).map_err(|problem| InvalidFile::whole(path(tag), problem))?;
        let LanguageFile { name, direction, fonts, dates } = files.deserialize_below(BELOW, table)?;
        let refuse =
            |key: &str, problem: &str| Err(files.invalid_below(BELOW, key, toml_files::place_of(table, key), problem));
        if check_line(&name).is_err() {
            return refuse("name", "it is empty, has spaces around it, or is not on one line");
        }
        // They are unquoted in a style attribute.
        let is_family = |c: char| c.is_ascii_alphanumeric() || c == ' ' || c == '-';
        if let Some(family) = fonts.iter().find(|family| family.is_empty() || !family.chars().all(is_family)) {
            return refuse("fonts", &format!("{family:?} is not the name of a font family"));
        }
        if let Err((key, problem)) = dates.check() {
            return refuse(key, &problem);
        }
        Ok(Self { tag: tag.to_owned(), name, is_rtl: direction == Direction::Rtl, fonts, dates, plurals })
    }
}

fn path(tag: &str) -> String {
    format!("languages/{tag}.toml")
}

/// Returns the text of an embedded file of this folder.
pub(crate) fn utf8<'a>(file: &'a File<'a>, folder: &str) -> Result<&'a str, InvalidFile> {
    let refuse = || InvalidFile::whole(format!("{folder}/{}", file.path().display()), "it is not UTF-8");
    file.contents_utf8().ok_or_else(refuse)
}

/// Returns what `find` returns for `locale` or its longest possible prefix: `de-CH-1996`, then
/// `de-CH`, then `de`. Underscores count as hyphens.
pub(crate) fn lookup<T>(locale: &str, find: impl Fn(&str) -> Option<T>) -> Option<T> {
    let tag = locale.trim().replace('_', "-");
    let mut range = tag.as_str();
    loop {
        if let Some(found) = find(range) {
            return Some(found);
        }
        range = range.rsplit_once('-')?.0;
        // A single-letter subtag introduces the subtags after it, and has no meaning without them.
        while let Some((before, single)) = range.rsplit_once('-') {
            if single.len() != 1 {
                break;
            }
            range = before;
        }
    }
}

/// Returns the ranges in the lines of `Accept-Language` (RFC 9110, section 12.5.4), the most preferred first, without those
/// that the reader refuses. A malformed range is ignored.
pub(crate) fn preferred_ranges<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut ranges: Vec<(&str, u16)> = lines
        .flat_map(|line| line.split(','))
        .filter_map(parse_weighted_range)
        .filter(|(_, weight)| *weight > 0)
        .collect();
    // The sort is stable: among equal weights, the first range wins.
    ranges.sort_by_key(|(_, weight)| Reverse(*weight));
    ranges.into_iter().map(|(range, _)| range).collect()
}

/// Parses a range and its weight in thousandths, such as `de-AT;q=0.8`. `None` if it is malformed.
fn parse_weighted_range(entry: &str) -> Option<(&str, u16)> {
    let (range, parameters) = entry.split_once(';').unwrap_or((entry, "q=1"));
    let weight: f32 =
        parameters.trim().strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 to 1000")]
    (0.0..=1.0).contains(&weight).then(|| (range.trim(), (weight * 1000.0) as u16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(available: &[&'static str], locale: &str) -> Option<&'static str> {
        lookup(locale, |range| available.iter().copied().find(|tag| tag.eq_ignore_ascii_case(range)))
    }

    #[test]
    fn the_longest_prefix_with_a_catalogue_wins() {
        let available = ["de", "de-CH", "en", "zh-Hant"];
        for (locale, expected) in [
            ("de", Some("de")),
            ("DE-at", Some("de")),
            ("de_CH", Some("de-CH")),
            ("de-CH-1996", Some("de-CH")),
            ("de-DE-u-co-phonebk", Some("de")),
            ("zh-Hant-CN-x-private1-private2", Some("zh-Hant")),
            ("zh-Hans", None),
            ("fr-CA", None),
            ("x-de", None),
            ("", None),
            ("-", None),
            ("--de", None),
            ("d", None),
        ] {
            assert_eq!(among(&available, locale), expected, "{locale:?}");
        }
    }

    #[test]
    fn a_single_letter_subtag_is_removed_with_the_subtag_after_it() {
        let asked = std::cell::RefCell::new(Vec::new());
        let none: Option<()> = lookup("zh-Hant-CN-x-private1", |range| {
            asked.borrow_mut().push(range.to_owned());
            None
        });
        assert!(none.is_none());
        assert_eq!(asked.into_inner(), ["zh-Hant-CN-x-private1", "zh-Hant-CN", "zh-Hant", "zh"]);
    }

    const ENGLISH: &str = include_str!("../languages/en.toml");

    fn problem(toml: &str) -> String {
        Language::parse("en", toml).expect_err("the file is invalid").to_string()
    }

    #[test]
    fn every_file_in_the_folder_is_embedded_and_complete() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/languages");
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 10);
        for file in files {
            let tag = file.file_stem().unwrap().to_str().unwrap();
            assert_eq!(Language::embedded(tag).unwrap().tag, tag);
        }
        assert!(problem_of("tlh").contains("languages/tlh.toml` is invalid: it is missing"));
    }

    fn problem_of(tag: &str) -> String {
        Language::embedded(tag).expect_err("there is no such language").to_string()
    }

    #[test]
    fn a_missing_or_unknown_key_and_a_font_name_with_css_syntax_are_refused() {
        let changed = |from: &str, to: &str| {
            assert!(ENGLISH.contains(from), "the test needs {from:?}");
            ENGLISH.replacen(from, to, 1)
        };
        let direction = "direction = \"ltr\"";
        assert!(problem(&changed(direction, "")).contains("direction"));
        assert!(problem(&changed(direction, &format!("{direction}\nfont = \"x\""))).contains("font"));
        assert!(problem(&changed(direction, &format!("{direction}\nfonts = [\"x;color:red\"]"))).contains("fonts"));
        assert!(problem(&changed("\"October\", ", "")).contains("months"));
        assert!(problem(&changed("{minute} UTC", "{minute}")).contains("dates.format: it must name UTC"));
        assert!(problem(&changed("name = \"English\"", "name = \"\"")).contains("name"));
    }

    #[test]
    fn a_file_whose_name_is_no_language_tag_is_refused() {
        for tag in ["", "en_US", "en-", "englishes1", "en.bak"] {
            assert!(Language::parse(tag, ENGLISH).is_err(), "{tag:?}");
        }
    }

    #[test]
    fn times_are_written_in_each_language_and_in_utc() {
        let at = "2026-03-01T04:05:59Z".parse().unwrap();
        for (tag, expected) in [
            ("en", "1 March 2026, 04:05 UTC"),
            ("de", "1. März 2026, 04:05 Uhr (UTC)"),
            ("fr", "1er mars 2026 à 04:05 (UTC)"),
            ("es", "1 de marzo de 2026, 04:05 (UTC)"),
            ("ja", "2026年3月1日 04:05（UTC）"),
            ("ar", "1 مارس 2026، الساعة 04:05 (UTC)"),
            ("it", "1º marzo 2026, ore 04:05 (UTC)"),
            ("nl", "1 maart 2026 om 04:05 uur (UTC)"),
            ("pl", "1 marca 2026 r., godz. 04:05 (UTC)"),
            ("pt", "1º de março de 2026, 04:05 (UTC)"),
        ] {
            assert_eq!(Language::embedded(tag).unwrap().dates.format(at), expected);
        }
        let second = "2026-12-02T23:59:00Z".parse().unwrap();
        for (tag, expected) in [
            ("fr", "2 décembre 2026 à 23:59 (UTC)"),
            ("it", "2 dicembre 2026, ore 23:59 (UTC)"),
            ("nl", "2 december 2026 om 23:59 uur (UTC)"),
            ("pl", "2 grudnia 2026 r., godz. 23:59 (UTC)"),
            ("pt", "2 de dezembro de 2026, 23:59 (UTC)"),
        ] {
            assert_eq!(Language::embedded(tag).unwrap().dates.format(second), expected);
        }
    }
}
