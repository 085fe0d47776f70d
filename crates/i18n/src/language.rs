//! All languages, and the choice among them: the lookup of RFC 4647, section 3.4.

use include_dir::{Dir, include_dir};

use super::RenderError;
use super::catalogue::Catalogue;

/// The catalogues: every file of this folder is a language.
static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/catalogues");

/// The language for locales without a catalogue.
const FALLBACK: &str = "en";

/// All languages. English is always among them.
pub(super) struct Catalogues {
    by_tag: Vec<Catalogue>,
    fallback: usize,
}

impl Catalogues {
    pub(super) fn embedded() -> Result<Catalogues, RenderError> {
        let files = FILES.files().map(|file| {
            let tag = file.path().file_stem().unwrap_or_default();
            (tag.to_string_lossy().into_owned(), file.contents_utf8())
        });
        Catalogues::parse(files)
    }

    /// Parses catalogues from tags and file contents (`None` if not UTF-8).
    pub(super) fn parse<'a>(files: impl Iterator<Item = (String, Option<&'a str>)>) -> Result<Catalogues, RenderError> {
        let mut by_tag = Vec::new();
        for (tag, toml) in files {
            let toml = toml.ok_or_else(|| RenderError::Catalogue {
                language: tag.clone(),
                problem: "it is not UTF-8".to_owned(),
            })?;
            by_tag.push(Catalogue::parse(&tag, toml)?);
        }
        by_tag.sort_by(|a, b| a.tag.cmp(&b.tag));
        let fallback = by_tag.iter().position(|catalogue| catalogue.tag == FALLBACK).ok_or_else(|| {
            RenderError::Catalogue { language: FALLBACK.to_owned(), problem: "it is missing".to_owned() }
        })?;
        Ok(Catalogues { by_tag, fallback })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Catalogue> {
        self.by_tag.iter()
    }

    /// Returns the catalogue that is closest to `locale`, or the English one.
    pub(super) fn for_locale(&self, locale: Option<&str>) -> &Catalogue {
        locale
            .and_then(|locale| lookup(locale, |range| self.iter().find(|c| c.tag.eq_ignore_ascii_case(range))))
            .unwrap_or(&self.by_tag[self.fallback])
    }
}

/// Returns what `find` returns for `locale` or its longest possible prefix: `de-CH-1996`, then
/// `de-CH`, then `de`. Underscores count as hyphens.
fn lookup<T>(locale: &str, find: impl Fn(&str) -> Option<T>) -> Option<T> {
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

    #[test]
    fn every_file_in_the_folder_is_embedded_and_complete() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogues");
        let mut on_disk: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        on_disk.sort();
        let mut embedded: Vec<String> =
            Catalogues::embedded().unwrap().iter().map(|catalogue| format!("{}.toml", catalogue.tag)).collect();
        embedded.sort();
        assert_eq!(on_disk, embedded);
    }

    #[test]
    fn catalogues_without_english_are_refused() {
        let files = [("de".to_owned(), Some(include_str!("../../catalogues/de.toml")))];
        assert!(Catalogues::parse(files.into_iter()).is_err());
    }

    #[test]
    fn the_locale_chooses_and_english_is_the_fallback() {
        let catalogues = Catalogues::embedded().unwrap();
        for (locale, expected) in [
            (Some("de-AT"), "de"),
            (Some("DE"), "de"),
            (Some("en-GB"), "en"),
            (Some("tlh"), "en"),
            (Some("not a locale"), "en"),
            (None, "en"),
        ] {
            assert_eq!(catalogues.for_locale(locale).tag, expected, "{locale:?}");
        }
    }
}
