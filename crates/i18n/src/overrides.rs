//! The catalogues of an operator over the embedded ones: only the texts that differ, and new languages.
//!
//! A file of the operator lies over the embedded catalogue of its language. A new language lies over the nearest one, by
//! the lookup of RFC 4647, else over English: the texts that it does not have are shown in that language.

use std::{borrow::Cow, fmt};

use icu_locale_core::Locale;
use toml::{Spanned, de::DeValue};

use super::{
    InvalidFile,
    catalogue::FALLBACK,
    language,
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
            if table.get(INHERITED_FROM).is_none() {
                let mark = DeValue::String(Cow::Owned(tag.to_owned()));
                table.insert(Spanned::new(0..0, Cow::Borrowed(INHERITED_FROM)), Spanned::new(0..0, mark));
            }
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
