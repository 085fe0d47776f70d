//! The catalogues of an operator over the embedded ones: only the texts that differ, and new languages.
//!
//! A file of the operator lies over the embedded catalogue of its language. A new language lies over the nearest one, by
//! the lookup of RFC 4647, else over English: the texts that it does not have are shown in that language.

use std::{borrow::Cow, fmt};

use icu_locale_core::Locale;
use toml::{Spanned, de::DeValue};

use super::{
    InvalidFile,
    language::{self, FALLBACK},
    message_pattern::INHERITED_FROM,
    plural::Form,
    toml_files::{self, Node, Table, TomlFiles},
};

/// The table of the language itself.
const LANGUAGE: &str = "language";
/// The tables of a catalogue: the language, the texts of the mails, and those of the pages. A service ignores the texts of
/// the other.
const TOP_LEVEL: [&str; 4] = [LANGUAGE, "common", "mails", "pages"];
/// A warning names this many missing texts.
const FIRST_KEYS: usize = 3;

/// A catalogue of the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueOverride {
    /// The name of the file without `.toml`: the BCP 47 tag of the language.
    pub tag: String,
    /// The path of the file, for messages.
    pub path: String,
    /// The contents of the file.
    pub text: String,
}

/// Where the texts of a service are in a catalogue of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CatalogueTables {
    /// In the tables that the embedded catalogue has at its top level, too.
    TopLevel(&'static [&'static str]),
    /// The whole embedded catalogue is below this table.
    Below(&'static str),
}

/// The texts that a new language does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTexts {
    /// The path of the operator's catalogue.
    pub path: String,
    /// The tag of the language in which they are shown.
    pub shown_in: String,
    /// The number of missing texts.
    pub count: usize,
    /// The keys of the first of them, at most three.
    pub first: Vec<String>,
}

impl fmt::Display for MissingTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, shown_in, count, first } = self;
        write!(f, "the file `{path}` lacks {count} texts, which are shown in the language {shown_in}; the first are ")?;
        f.write_str(&first.join(", "))
    }
}

/// A catalogue before it is converted to its type.
pub(crate) struct RawCatalogue<'a> {
    pub(crate) tag: String,
    /// The contents of a file in `languages`.
    pub(crate) language: Node<'a>,
    pub(crate) texts: Node<'a>,
}

impl CatalogueTables {
    /// Returns what the keys of the embedded catalogue begin with in a file of the operator.
    pub(crate) fn prefix(self) -> String {
        match self {
            Self::TopLevel(_) => String::new(),
            Self::Below(table) => format!("{table}."),
        }
    }

    /// Returns the texts of the service in a file of the operator, as they are in an embedded catalogue.
    fn own_texts<'a>(self, place: usize, mut tables: Table<'a>) -> Node<'a> {
        match self {
            Self::TopLevel(names) => {
                let own = tables.into_iter().filter(|(name, _)| names.contains(&name.get_ref().as_ref()));
                Spanned::new(place..place, DeValue::Table(own.collect()))
            }
            Self::Below(name) => {
                tables.remove(name).unwrap_or_else(|| Spanned::new(place..place, DeValue::Table(Table::new())))
            }
        }
    }
}

/// Lays the catalogues of the operator over the embedded ones, and adds the new languages.
pub(crate) fn apply<'a>(
    raw: &mut Vec<RawCatalogue<'a>>,
    files: &mut TomlFiles<'a>,
    overrides: &'a [CatalogueOverride],
    tables: CatalogueTables,
) -> Result<Vec<MissingTexts>, InvalidFile> {
    let mut overrides: Vec<_> = overrides.iter().collect();
    // A language comes after those that it may lie over: the embedded ones and those with a shorter tag.
    let is_new = |over: &CatalogueOverride| raw.iter().all(|embedded| embedded.tag != over.tag);
    overrides.sort_by_cached_key(|over| (is_new(over), over.tag.split('-').count(), over.tag.clone()));
    let mut missing = Vec::new();
    for over in overrides {
        check_tag(over)?;
        let (place, language, texts) = read(over, files, tables)?;
        if let Some(existing) = raw.iter_mut().find(|existing| existing.tag == over.tag) {
            if let Some(language) = language {
                toml_files::merge(&mut existing.language, language, &|_| true);
            }
            toml_files::merge(&mut existing.texts, texts, &is_no_text);
            continue;
        }
        let nearest = language::lookup(&over.tag, |tag| raw.iter().find(|base| base.tag.eq_ignore_ascii_case(tag)));
        let is_related = nearest.is_some();
        let base = nearest.or_else(|| raw.iter().find(|base| base.tag == FALLBACK));
        let base = base.ok_or_else(|| InvalidFile::whole(&over.path, "there is no catalogue that it can lie over"))?;
        if !is_related {
            missing.extend(missing_texts(over, &base.tag, &base.texts, &texts, &tables.prefix()));
        }
        let language = match (language, is_related) {
            (Some(language), true) => {
                let mut merged = base.language.clone();
                toml_files::merge(&mut merged, language, &|_| true);
                merged
            }
            (Some(language), false) => language,
            (None, true) => base.language.clone(),
            (None, false) => {
                let problem = "the table [language] is missing, which a language needs that is not built in";
                return Err(files.invalid(place, problem.to_owned()));
            }
        };
        let mut merged = base.texts.clone();
        mark_plurals(&mut merged, &base.tag);
        toml_files::merge(&mut merged, texts, &is_no_text);
        raw.push(RawCatalogue { tag: over.tag.clone(), language, texts: merged });
    }
    Ok(missing)
}

/// Checks that the name of the file is a language tag in its usual form, so that no language has two files.
fn check_tag(over: &CatalogueOverride) -> Result<(), InvalidFile> {
    let canonical = over.tag.parse::<Locale>().map(|locale| locale.to_string());
    match canonical {
        Ok(canonical) if canonical == over.tag => Ok(()),
        Ok(canonical) => Err(InvalidFile::whole(&over.path, format!("its name must be `{canonical}.toml`"))),
        Err(_) => Err(InvalidFile::whole(&over.path, "its name is not a language tag (BCP 47), such as `pt-BR.toml`")),
    }
}

/// Returns the place of the file, the table of its language, and the texts of the service.
fn read<'a>(
    over: &'a CatalogueOverride,
    files: &mut TomlFiles<'a>,
    tables: CatalogueTables,
) -> Result<(usize, Option<Node<'a>>, Node<'a>), InvalidFile> {
    let root = files.parse(over.path.clone(), &over.text)?;
    let place = root.span().start;
    let DeValue::Table(mut root) = root.into_inner() else { return Err(files.invalid(place, String::new())) };
    for (name, value) in &root {
        let (at, name) = (name.span().start, name.get_ref());
        if !TOP_LEVEL.contains(&name.as_ref()) {
            let known = TOP_LEVEL.map(|table| format!("[{table}]")).join(", ");
            return Err(files.invalid(at, format!("{name}: a catalogue has only the tables {known}")));
        }
        if !value.get_ref().is_table() {
            return Err(files.invalid(at, format!("{name}: it is not a table")));
        }
    }
    let language = root.remove(LANGUAGE);
    let texts = tables.own_texts(place, root);
    if let Some(at) = mark_in(&texts) {
        return Err(files.invalid(at, format!("{INHERITED_FROM:?} is not a plural form")));
    }
    Ok((place, language, texts))
}

/// Returns whether a table contains texts by key. One whose keys are plural forms is a text itself.
fn is_no_text(table: &Table<'_>) -> bool {
    !is_plural(table)
}

fn is_plural(table: &Table<'_>) -> bool {
    let is_form = |name: &str| name == INHERITED_FROM || Form::parse(name).is_some();
    !table.is_empty() && table.keys().all(|name| is_form(name.get_ref()))
}

/// Marks every text with plural forms with the language whose rules it follows.
fn mark_plurals(value: &mut Node<'_>, tag: &str) {
    match value.get_mut() {
        DeValue::Table(table) if is_plural(table) => {
            // A text that was inherited before keeps its first mark.
            let mark = DeValue::String(Cow::Owned(tag.to_owned()));
            table.entry(Spanned::new(0..0, Cow::Borrowed(INHERITED_FROM))).or_insert(Spanned::new(0..0, mark));
        }
        DeValue::Table(table) => {
            for (_, value) in table.iter_mut() {
                mark_plurals(value, tag);
            }
        }
        // `DeArray` cannot be changed in place.
        DeValue::Array(values) => {
            let mut marked: Vec<_> = values.iter().cloned().collect();
            marked.iter_mut().for_each(|value| mark_plurals(value, tag));
            *values = marked.into_iter().collect();
        }
        _ => {}
    }
}

/// Returns the place of a mark in a file of the operator, where it has no meaning.
fn mark_in(value: &Node<'_>) -> Option<usize> {
    match value.get_ref() {
        DeValue::Table(table) => {
            let mark = table.keys().find(|name| name.get_ref() == INHERITED_FROM).map(|name| name.span().start);
            mark.or_else(|| table.values().find_map(mark_in))
        }
        DeValue::Array(values) => values.iter().find_map(mark_in),
        _ => None,
    }
}

fn missing_texts(
    over: &CatalogueOverride,
    shown_in: &str,
    base: &Node<'_>,
    texts: &Node<'_>,
    prefix: &str,
) -> Option<MissingTexts> {
    let mut keys = Vec::new();
    collect_missing(base, Some(texts), "", &mut keys);
    let first = keys.iter().take(FIRST_KEYS).map(|key| format!("{prefix}{key}")).collect();
    let missing = || MissingTexts { path: over.path.clone(), shown_in: shown_in.to_owned(), count: keys.len(), first };
    (!keys.is_empty()).then(missing)
}

/// Collects the keys of the texts that are in `base` and not in `over`. A list is one text.
fn collect_missing(base: &Node<'_>, over: Option<&Node<'_>>, key: &str, keys: &mut Vec<String>) {
    match (base.get_ref(), over.map(Spanned::get_ref)) {
        (DeValue::Table(base), over) if is_no_text(base) => {
            for (name, value) in base {
                let name = name.get_ref();
                let key = if key.is_empty() { name.to_string() } else { format!("{key}.{name}") };
                let over = over.and_then(DeValue::as_table).and_then(|over| over.get(name.as_ref()));
                collect_missing(value, over, &key, keys);
            }
        }
        (_, None) => keys.push(key.to_owned()),
        (_, Some(_)) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use corpus::corpus;
    use include_dir::{Dir, DirEntry, File};
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::{Catalogue, Catalogues, Language, MessagePattern, Placeholder, Text, Texts};

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Fact {
        Name,
        Count,
    }

    impl Placeholder for Fact {
        const ALL: &'static [Self] = &[Self::Name, Self::Count];
        const COUNT: Option<Self> = Some(Self::Count);

        fn as_str(self) -> &'static str {
            if self == Self::Name { "name" } else { "count" }
        }
    }

    /// The texts of mails, at the top level.
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct MailTexts {
        common: BTreeMap<String, Text>,
        mails: BTreeMap<String, Mail>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Mail {
        subject: MessagePattern<Fact>,
        lines: Vec<MessagePattern<Fact>>,
    }

    impl Texts for MailTexts {
        const TABLES: CatalogueTables = CatalogueTables::TopLevel(&["common", "mails"]);

        fn check(&self, language: &Language) -> Result<(), String> {
            for (name, mail) in &self.mails {
                mail.subject.check_only(&[Fact::Name], &format!("mails.{name}.subject"))?;
                for (at, line) in mail.lines.iter().enumerate() {
                    line.check_forms(language).map_err(|problem| format!("mails.{name}.lines.{at}: {problem}"))?;
                }
            }
            Ok(())
        }
    }

    /// The texts of pages, below a table.
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct PageTexts {
        start: BTreeMap<String, Text>,
    }

    impl Texts for PageTexts {
        const TABLES: CatalogueTables = CatalogueTables::Below("pages");

        fn check(&self, _: &Language) -> Result<(), String> {
            self.start.get("title").map(drop).ok_or("start: the title is missing".to_owned())
        }
    }

    const ENGLISH: &str = r#"
[common]
bye = "Bye"
[mails.hello]
subject = "Hello {name}"
lines = ["One", { one = "{count} code", other = "{count} codes" }]
"#;
    const GERMAN: &str = r#"
[common]
bye = "Tschüss"
[mails.hello]
subject = "Hallo {name}"
lines = ["Eins", { one = "{count} Code", other = "{count} Codes" }]
"#;

    fn overrides(files: &[(&str, &str)]) -> Vec<CatalogueOverride> {
        let over = |(tag, text): &(&str, &str)| CatalogueOverride {
            tag: (*tag).to_owned(),
            path: format!("/brand/{tag}.toml"),
            text: (*text).to_owned(),
        };
        files.iter().map(over).collect()
    }

    fn mails(files: &[(&str, &str)]) -> Result<Catalogues<MailTexts>, InvalidFile> {
        let embedded = [
            DirEntry::File(File::new("en.toml", ENGLISH.as_bytes())),
            DirEntry::File(File::new("de.toml", GERMAN.as_bytes())),
            DirEntry::File(File::new("ar.toml", ENGLISH_AS_ARABIC.as_bytes())),
        ];
        Catalogues::load(&Dir::new("", &embedded), &overrides(files))
    }

    const ENGLISH_AS_ARABIC: &str = "[common]\nbye = \"x\"\n[mails]\n";

    fn pages(files: &[(&str, &str)]) -> Result<Catalogues<PageTexts>, InvalidFile> {
        let embedded = [DirEntry::File(File::new("en.toml", b"[start]\ntitle = \"Start\"\ntext = \"Text\""))];
        Catalogues::load(&Dir::new("", &embedded), &overrides(files))
    }

    fn of(catalogues: &Catalogues<MailTexts>, tag: &str) -> Arc<Catalogue<MailTexts>> {
        let catalogue = Arc::clone(catalogues.for_locale(Some(tag)));
        assert_eq!(catalogue.language.tag, tag);
        catalogue
    }

    fn line(catalogue: &Catalogue<MailTexts>, at: usize, count: u32) -> String {
        let pattern = &catalogue.texts.mails["hello"].lines[at];
        pattern.fill(&catalogue.language, Some(count), |_| Some(count.to_string())).ok().unwrap().plain
    }

    fn subject(catalogue: &Catalogue<MailTexts>) -> String {
        let subject = &catalogue.texts.mails["hello"].subject;
        subject.fill(&catalogue.language, None, |_| Some("Ada".to_owned())).ok().unwrap().plain
    }

    #[test]
    fn a_changed_text_replaces_the_built_in_one_and_the_others_stay() {
        let catalogues =
            mails(&[("de", "[mails.hello]\nsubject = \"Willkommen, {name}\"\n[pages.start]\ntitle = 1")]).unwrap();
        let german = of(&catalogues, "de");
        assert_eq!((subject(&german).as_str(), &*german.texts.common["bye"]), ("Willkommen, Ada", "Tschüss"));
        assert_eq!(line(&german, 1, 2), "2 Codes");
        assert_eq!(subject(&of(&catalogues, "en")), "Hello Ada");
        assert!(catalogues.missing().is_empty());

        let catalogues = pages(&[("en", "[pages.start]\ntitle = \"Acme\"\n[mails.hello]\nsubject = 1")]).unwrap();
        let start = &catalogues.fallback().texts.start;
        assert_eq!((&*start["title"], &*start["text"]), ("Acme", "Text"));
        for empty in ["", "[pages]", "[language]", "# nothing"] {
            assert!(pages(&[("en", empty)]).is_ok() && mails(&[("de", empty)]).is_ok(), "{empty}");
        }
    }

    #[test]
    fn lists_and_plural_forms_are_replaced_as_a_whole() {
        let catalogues = mails(&[(
            "en",
            "[mails.hello]\nlines = [\"Other\", { one = \"a code\", \"=0\" = \"none\", other = \"{count}\" }, \"More\"]",
        )]);
        let english = of(&catalogues.unwrap(), "en");
        assert_eq!([0, 1, 2].map(|count| line(&english, 1, count)), ["none", "a code", "2"]);
        assert_eq!((line(&english, 0, 1), english.texts.mails["hello"].lines.len()), ("Other".to_owned(), 3));
        // A text instead of forms, and forms instead of a text.
        let catalogues = mails(&[("en", "[mails.hello]\nlines = [{ one = \"{count}\", other = \"{count}\" }, \"x\"]")]);
        assert_eq!(line(&of(&catalogues.unwrap(), "en"), 1, 5), "x");
    }

    #[test]
    fn an_invalid_file_of_the_operator_is_refused_with_its_line() {
        for (tag, text, expected) in [
            (
                "de",
                "[mails.hello]\n\nsubject = \"{produkt}\"",
                "line 3: mails.hello.subject: \"{produkt}\" has the unknown",
            ),
            ("de", "[mails.hello]\nsubject = \"{count}\"", "line 2: mails.hello.subject: {count} has no value here"),
            (
                "de",
                "[mails.hello]\nsubject = 7",
                "line 2: mails.hello.subject: it must be a text, or a table of plural",
            ),
            ("de", "[mails.hello]\nsubject = \"\"", "line 2: mails.hello.subject: \"\" is empty"),
            ("de", "[mails.hello]\nsubjekt = \"x\"", "line 2: mails.hello.subjekt: unknown field `subjekt`"),
            ("de", "[mails.hallo]\nsubject = \"x\"", "line 1: mails.hallo: missing field `lines`"),
            (
                "de",
                "[mails.hello]\nlines = [\n \"x\",\n { one = \"x\" },\n]",
                "line 4: mails.hello.lines[1]: the plural form",
            ),
            (
                "de",
                "[mails.hello]\nlines = [\n \"x\",\n { one = \"x\", few = \"x\", other = \"{count}\" },\n]",
                "line 4: mails.hello.lines.1: the language has no plural form Few",
            ),
            (
                "de",
                "[mail.hello]\nsubject = \"x\"",
                "line 1: mail: a catalogue has only the tables [language], [common],",
            ),
            ("de", "mails = \"x\"", "line 1: mails: it is not a table"),
            ("de", "[common]\nbye = \"x\"\nbye = \"y\"", "line 3: duplicate key"),
            ("de", "[language]\nname = \"\"", "line 2: language.name: it is empty"),
            ("de", "[language]\nnames = \"x\"", "line 2: language.names: unknown field"),
            (
                "de",
                "[language.dates]\nformat = \"{day}\"",
                "line 2: language.dates.format: it must contain {month} once",
            ),
            ("de", "[language]\nfonts = [\"a;b\"]", "line 2: language.fonts: \"a;b\" is not the name"),
            (
                "de",
                "[mails.hello]\nsubject = { \"$inherited-from\" = \"en\", other = \"{count}\" }",
                "line 2: \"$inherited-from\" is not a plural form",
            ),
            ("sv", "[common]\nbye = \"Hej\"", "line 1: the table [language] is missing"),
            ("sv", "[language]\nname = \"Svenska\"", "line 1: language: missing field `direction`"),
        ] {
            let error = mails(&[(tag, text)]).unwrap_err().to_string();
            let expected = format!("the file `/brand/{tag}.toml` is invalid: {expected}");
            assert!(error.starts_with(&expected), "{error}\n{expected}");
        }
        for (tag, expected) in [
            ("pt-br", "its name must be `pt-BR.toml`"),
            ("DE", "its name must be `de.toml`"),
            ("german language", "its name is not a language tag"),
            ("en_GB", "its name "),
            ("", "its name is not a language tag"),
        ] {
            let error = mails(&[(tag, "")]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the file `/brand/{tag}.toml` is invalid: {expected}")), "{error}");
        }
        let error = pages(&[("en", "\n[pages.start]\ntitle = \"{x}\"")]).unwrap_err().to_string();
        assert!(error.starts_with("the file `/brand/en.toml` is invalid: line 3: pages.start.title: "), "{error}");
        let error = pages(&[("en", "\n[pages.begin]\ntitle = \"x\"")]).unwrap_err().to_string();
        assert!(
            error.starts_with("the file `/brand/en.toml` is invalid: line 2: pages.begin: unknown field"),
            "{error}"
        );
    }

    const SWEDISH: &str = r#"
[language]
name = "Svenska"
direction = "ltr"
[language.dates]
format = "{day} {month} {year} {hour}:{minute} UTC"
months = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"]
"#;

    #[test]
    fn a_new_language_shows_in_english_what_it_does_not_have_and_says_how_much() {
        let text = format!("{SWEDISH}[common]\nbye = \"Hej då\"");
        let catalogues = mails(&[("sv", &text), ("en", "[mails.hello]\nsubject = \"Hi {name}\"")]).unwrap();
        let swedish = of(&catalogues, "sv");
        assert_eq!((&*swedish.texts.common["bye"], &*swedish.language.name), ("Hej då", "Svenska"));
        assert_eq!((subject(&swedish).as_str(), line(&swedish, 1, 1).as_str()), ("Hi Ada", "1 code"));
        let missing = catalogues.missing();
        assert_eq!(
            missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["the file `/brand/sv.toml` lacks 2 texts, which are shown in the language en; the first are \
              mails.hello.subject, mails.hello.lines"]
        );
        let complete = format!("{SWEDISH}{}", &ENGLISH);
        assert!(mails(&[("sv", &complete)]).unwrap().missing().is_empty());

        let catalogues = pages(&[("sv", SWEDISH)]).unwrap();
        let [missing] = catalogues.missing() else { panic!("{:?}", catalogues.missing()) };
        assert_eq!((missing.count, missing.first.join(" ")), (2, "pages.start.title pages.start.text".to_owned()));
    }

    #[test]
    fn a_regional_language_lies_over_the_nearest_one_and_inherits_its_form() {
        let catalogues = mails(&[
            ("de-CH", "[common]\nbye = \"Adieu\""),
            ("de-CH-1996", "[language]\nname = \"Schweizerisch\""),
            ("de", "[mails.hello]\nsubject = \"Guten Tag {name}\""),
        ])
        .unwrap();
        let swiss = of(&catalogues, "de-CH");
        assert_eq!((&*swiss.texts.common["bye"], subject(&swiss).as_str()), ("Adieu", "Guten Tag Ada"));
        assert_eq!((&*swiss.language.name, line(&swiss, 1, 1).as_str()), ("Deutsch", "1 Code"));
        let reformed = of(&catalogues, "de-CH-1996");
        assert_eq!((&*reformed.texts.common["bye"], &*reformed.language.name), ("Adieu", "Schweizerisch"));
        assert!(catalogues.missing().is_empty(), "what a regional language does not have is in the same language");
        assert_eq!(catalogues.for_locale(Some("de-AT")).language.tag, "de");
        assert_eq!(catalogues.iter().count(), 5);
    }

    #[test]
    fn an_inherited_text_keeps_the_plural_rules_of_its_own_language() {
        // These languages have more forms than the inherited text, which has those of English.
        for tag in ["sl", "cy", "ga"] {
            let catalogues = mails(&[(tag, SWEDISH)]).unwrap();
            let catalogue = of(&catalogues, tag);
            let shown = [0, 1, 2, 3, 5, 11].map(|count| line(&catalogue, 1, count));
            assert_eq!(shown, ["0 codes", "1 code", "2 codes", "3 codes", "5 codes", "11 codes"], "{tag}");
        }
        let two = "[mails.hello]\nlines = [{ one = \"{count} a\", two = \"{count} b\", few = \"{count} c\", other = \"{count} d\" }]";
        let text = format!("{SWEDISH}{two}");
        let slovenian = of(&mails(&[("sl", &text)]).unwrap(), "sl");
        assert_eq!([1, 2, 3, 5].map(|count| line(&slovenian, 0, count)), ["1 a", "2 b", "3 c", "5 d"]);
        // And the language of a language that inherits: English through Slovenian.
        let regional = of(&mails(&[("sl", SWEDISH), ("sl-IT", "")]).unwrap(), "sl-IT");
        assert_eq!([1, 2].map(|count| line(&regional, 1, count)), ["1 code", "2 codes"]);
    }

    #[test]
    fn any_catalogue_is_accepted_or_refused_with_its_file() {
        corpus!("catalogue").holds_for_text(|text| {
            for tag in ["de", "sv", "de-CH"] {
                for loaded in [mails(&[(tag, text)]).map(drop), pages(&[(tag, text)]).map(drop)] {
                    let Err(error) = loaded else { continue };
                    prop_assert_eq!(&error.file, &format!("/brand/{tag}.toml"), "{}", error);
                    prop_assert!(!error.problem.contains('\n'), "{}", error);
                }
            }
            Ok(())
        });
    }
}
