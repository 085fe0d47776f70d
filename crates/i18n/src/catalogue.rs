//! The texts of a service in all its languages: one file for each language, each checked completely.

use std::{fmt, ops::Deref, sync::Arc};

use include_dir::Dir;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    InvalidFile,
    characters::check_line,
    language::{self, FALLBACK, Language},
    overrides::{self, CatalogueOverride, CatalogueTables, MissingTexts, RawCatalogue},
    toml_files::{self, Node, TomlFiles},
};

/// The texts of a service in one language, as they are in the file. A missing text must be an error of its `Deserialize`,
/// and an unknown one, too (`deny_unknown_fields`).
pub trait Texts: DeserializeOwned {
    /// Where these texts are in a catalogue of the operator.
    const TABLES: CatalogueTables;

    /// Checks what the types of the texts do not. The error begins with the key and `: `, which locates its line.
    ///
    /// # Errors
    /// Returns an error if a text cannot be used.
    fn check(&self, language: &Language) -> Result<(), String>;
}

/// The texts of one language.
#[derive(Debug)]
pub struct Catalogue<T> {
    pub language: Language,
    pub texts: T,
}

impl<T: Texts> Catalogue<T> {
    /// Parses and checks a file.
    ///
    /// # Errors
    /// Returns an error if a text is missing, unknown or invalid.
    pub fn parse(language: Language, toml: &str) -> Result<Self, InvalidFile> {
        let mut files = TomlFiles::default();
        let texts = files.parse_embedded(path(&language.tag), toml)?;
        Self::from_table(language, &files, &texts)
    }

    fn from_table(language: Language, files: &TomlFiles<'_>, table: &Node<'_>) -> Result<Self, InvalidFile> {
        let prefix = T::TABLES.prefix();
        let texts: T = files.deserialize_below(&prefix, table)?;
        texts.check(&language).map_err(|problem| {
            let (key, problem) = problem.split_once(": ").unwrap_or(("", &problem));
            files.invalid_below(&prefix, key, toml_files::place_of(table, key), problem)
        })?;
        Ok(Self { language, texts })
    }
}

/// The texts in all languages. English is always among them.
#[derive(Debug)]
pub struct Catalogues<T> {
    by_tag: Vec<Arc<Catalogue<T>>>,
    fallback: usize,
    missing: Vec<MissingTexts>,
}

impl<T: Texts> Catalogues<T> {
    /// Parses and checks every file of an embedded folder, whose name is the tag of a language, and the catalogues of the
    /// operator, which lie over them.
    ///
    /// # Errors
    /// Returns the first invalid file.
    pub fn load(embedded: &Dir<'_>, overrides: &[CatalogueOverride]) -> Result<Self, InvalidFile> {
        let (mut files, mut raw) = (TomlFiles::default(), Vec::new());
        for file in embedded.files() {
            let tag = file.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let language = Language::embedded_table(&tag, &mut files)?;
            let texts = files.parse_embedded(path(&tag), language::utf8(file, "catalogues")?)?;
            raw.push(RawCatalogue { tag, language, texts });
        }
        let missing = overrides::apply(&mut raw, &mut files, overrides, T::TABLES)?;
        let catalogue = |RawCatalogue { tag, language, texts }: RawCatalogue<'_>| {
            Catalogue::from_table(Language::from_table(&tag, &files, &language)?, &files, &texts)
        };
        let catalogues = raw.into_iter().map(catalogue).collect::<Result<_, _>>()?;
        Ok(Self { missing, ..Self::new(catalogues)? })
    }
}

fn path(tag: &str) -> String {
    format!("catalogues/{tag}.toml")
}

impl<T> Catalogues<T> {
    /// Creates the set of these catalogues.
    ///
    /// # Errors
    /// Returns an error if English is missing.
    pub fn new(mut catalogues: Vec<Catalogue<T>>) -> Result<Self, InvalidFile> {
        catalogues.sort_by(|a, b| a.language.tag.cmp(&b.language.tag));
        match catalogues.iter().position(|catalogue| catalogue.language.tag == FALLBACK) {
            Some(fallback) => {
                let by_tag = catalogues.into_iter().map(Arc::new).collect();
                Ok(Self { by_tag, fallback, missing: Vec::new() })
            }
            None => Err(InvalidFile::whole(path(FALLBACK), "it is missing")),
        }
    }

    /// Returns the texts that the new languages of the operator do not have. They are shown in another language.
    pub fn missing(&self) -> &[MissingTexts] {
        &self.missing
    }

    /// Returns all catalogues, ordered by tag.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Catalogue<T>>> {
        self.by_tag.iter()
    }

    /// Returns the catalogue that is closest to `locale`, or the English one.
    pub fn for_locale(&self, locale: Option<&str>) -> &Arc<Catalogue<T>> {
        locale.and_then(|locale| self.lookup(locale)).unwrap_or_else(|| self.fallback())
    }

    /// Returns the catalogue that a reader prefers, given the lines of `Accept-Language`, or the English one.
    pub fn for_accept_language<'a>(&self, lines: impl Iterator<Item = &'a str>) -> &Arc<Catalogue<T>> {
        let ranges = language::preferred_ranges(lines);
        ranges.into_iter().find_map(|range| self.lookup(range)).unwrap_or_else(|| self.fallback())
    }

    fn lookup(&self, range: &str) -> Option<&Arc<Catalogue<T>>> {
        language::lookup(range, |tag| self.iter().find(|catalogue| catalogue.language.tag.eq_ignore_ascii_case(tag)))
    }

    /// Returns the English catalogue.
    pub fn fallback(&self) -> &Arc<Catalogue<T>> {
        &self.by_tag[self.fallback]
    }
}

/// A text without placeholders: not empty, on one line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct Text(String);

impl TryFrom<String> for Text {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        check_line(&text)?;
        if text.contains(['{', '}']) {
            return Err(format!("{text:?} has a placeholder, but no value here"));
        }
        Ok(Self(text))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Greeting {
        hello: Text,
    }

    impl Texts for Greeting {
        const TABLES: CatalogueTables = CatalogueTables::Below("pages");

        fn check(&self, language: &Language) -> Result<(), String> {
            if self.hello.starts_with("no ") { Err(format!("hello: not in {}", language.tag)) } else { Ok(()) }
        }
    }

    fn parse(tag: &str, toml: &str) -> Result<Catalogue<Greeting>, InvalidFile> {
        Catalogue::parse(Language::embedded(tag)?, toml)
    }

    fn catalogues() -> Catalogues<Greeting> {
        let tags = ["de", "en", "fr", "es", "ja", "ar"];
        Catalogues::new(tags.map(|tag| parse(tag, "hello = \"x\"").unwrap()).into()).unwrap()
    }

    #[test]
    fn a_missing_unknown_or_invalid_text_is_refused_with_its_file_and_its_key() {
        for (toml, expected) in [
            ("", "hello"),
            ("hello = 1", "hello"),
            ("hello = \"\"", "empty"),
            ("hello = \" x\"", "spaces"),
            ("hello = \"a\\nb\"", "line break"),
            ("hello = \"Hello {name}\"", "placeholder"),
            ("hello = \"x\"\nbye = \"x\"", "bye"),
            ("hello = \"no hello\"", "hello: not in de"),
        ] {
            let error = parse("de", toml).unwrap_err().to_string();
            assert!(
                error.starts_with("the file `catalogues/de.toml` is invalid: ") && error.contains(expected),
                "{error}"
            );
        }
    }

    #[test]
    fn catalogues_without_english_are_refused() {
        assert!(Catalogues::new(vec![parse("de", "hello = \"x\"").unwrap()]).is_err());
    }

    #[test]
    fn the_locale_chooses_and_english_is_the_fallback() {
        let catalogues = catalogues();
        for (locale, expected) in [
            (Some("de-AT"), "de"),
            (Some("DE"), "de"),
            (Some("en-GB"), "en"),
            (Some("tlh"), "en"),
            (Some("not a locale"), "en"),
            (None, "en"),
        ] {
            assert_eq!(catalogues.for_locale(locale).language.tag, expected, "{locale:?}");
        }
    }

    #[test]
    fn the_preferred_supported_language_is_chosen() {
        let catalogues = catalogues();
        for (header, expected) in [
            ("", "en"),
            ("de", "de"),
            ("de-AT", "de"),
            ("DE-Latn-DE-1996", "de"),
            ("pt, de;q=0.5", "de"),
            ("pt;q=0.9, en;q=0.4, de;q=0.8", "de"),
            ("fr-CA, en;q=0.9", "fr"),
            ("es-419,es;q=0.9", "es"),
            ("ja-JP", "ja"),
            ("ar-EG,ar;q=0.9,en-US;q=0.8", "ar"),
            ("arz, pt", "en"),
            ("en-GB,de;q=0.9", "en"),
            ("en, de", "en"),
            ("de, en", "de"),
            ("de;q=0, en;q=0.1", "en"),
            ("*", "en"),
            ("den", "en"),
            ("de;q=nan, de;q=7, ;;;, q=1", "en"),
            ("de; q=0.5", "de"),
        ] {
            assert_eq!(catalogues.for_accept_language([header].into_iter()).language.tag, expected, "{header}");
        }
        assert_eq!(catalogues.for_accept_language(["pt, fr;q=0.1", "de;q=0.2"].into_iter()).language.tag, "de");
        assert_eq!(catalogues.for_accept_language([].into_iter()).language.tag, "en");
    }
}
