//! Writes the built-in files of a service to a folder, as a starting point for a brand. No file is overwritten.

use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use i18n::{CatalogueTables, Language};
use include_dir::Dir;
use serde::Serialize;
use toml::Table;

/// The commands about brands, which both services have.
#[derive(Debug, clap::Subcommand)]
pub enum BrandingCommand {
    /// Write the built-in files of this service and the texts of languages; never overwrite a file
    ///
    /// Copy what you change to the folder of your brand (docs/BRANDING.md). A catalogue that exists, for example one that
    /// the other service has written, gets the tables that it does not have.
    Export {
        /// Write to this directory
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Write also `catalogues/TAG.toml` with all texts of this language; can be repeated
        #[arg(long = "language", value_name = "TAG")]
        languages: Vec<String>,
    },
}

impl BrandingCommand {
    /// Runs the command with the built-in files of the service.
    ///
    /// # Errors
    /// Returns the errors of [`BuiltInFiles::export`].
    pub fn run(&self, built_in: &BuiltInFiles) -> Result<Exported, ExportError> {
        let Self::Export { out, languages } = self;
        built_in.export(out, languages)
    }
}

/// The built-in files of a service.
#[derive(Debug)]
pub struct BuiltInFiles {
    /// The files that a brand replaces as a whole: their paths in its folder, and their texts.
    pub files: Vec<(String, String)>,
    /// The embedded catalogues.
    pub catalogues: &'static Dir<'static>,
    /// Where their texts are in a catalogue of a brand.
    pub tables: CatalogueTables,
}

/// What happened to each file.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    pub written: Vec<PathBuf>,
    /// The catalogues that existed, and got the tables that they did not have.
    pub extended: Vec<PathBuf>,
    /// The files that existed, and are as they were.
    pub kept: Vec<PathBuf>,
}

/// One line for each file.
impl fmt::Display for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists =
            [(&self.written, ""), (&self.extended, ": tables were added"), (&self.kept, ": it exists and is kept")];
        let lines =
            lists.iter().flat_map(|(paths, note)| paths.iter().map(move |it| format!("{}{note}", it.display())));
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

/// A file that cannot be written, or is not what it must be.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct ExportError {
    path: PathBuf,
    problem: String,
}

impl ExportError {
    fn new(path: &Path, problem: &dyn fmt::Display) -> Self {
        Self { path: path.to_owned(), problem: problem.to_string() }
    }
}

impl BuiltInFiles {
    /// Writes the files, and a catalogue for each of the languages, to `folder`, which is created if it is missing. A file
    /// that exists is kept; a catalogue that exists gets the top-level tables that it does not have.
    ///
    /// # Errors
    /// Returns an error if a language is not built in, which is found before anything is written, if a file cannot be
    /// written, or if a catalogue that exists is not TOML.
    pub fn export(&self, folder: &Path, languages: &[String]) -> Result<Exported, ExportError> {
        let catalogues: Vec<_> = languages
            .iter()
            .map(|tag| {
                let path = folder.join(format!("catalogues/{tag}.toml"));
                match self.catalogue(tag) {
                    Some(tables) => Ok((path, tables)),
                    None => Err(ExportError::new(&path, &format_args!("the language {tag:?} is not built in"))),
                }
            })
            .collect::<Result<_, _>>()?;
        let mut exported = Exported::default();
        for (name, text) in &self.files {
            let path = folder.join(name);
            let is_new = create(&path, text).map_err(|error| ExportError::new(&path, &error))?;
            if is_new { &mut exported.written } else { &mut exported.kept }.push(path);
        }
        for (path, tables) in catalogues {
            let list = match write_catalogue(&path, &tables)? {
                Change::Written => &mut exported.written,
                Change::Extended => &mut exported.extended,
                Change::Kept => &mut exported.kept,
            };
            list.push(path);
        }
        Ok(exported)
    }

    /// Returns the parts of the catalogue of a language, each a top-level table.
    fn catalogue(&self, tag: &str) -> Option<Vec<CataloguePart>> {
        let texts = self.catalogues.get_file(format!("{tag}.toml"))?.contents_utf8()?;
        let texts = without_first_comment(texts);
        let mut parts = vec![below("language", without_first_comment(Language::embedded_text(tag)?))];
        match self.tables {
            CatalogueTables::TopLevel(_) => parts.extend(top_level_tables(texts)),
            CatalogueTables::Below(table) => parts.push(below(table, texts)),
        }
        parts.into_iter().map(CataloguePart::new).collect()
    }
}

/// A top-level table of a catalogue, and all below it.
struct CataloguePart {
    table: String,
    text: String,
}

impl CataloguePart {
    fn new(text: String) -> Option<Self> {
        let table = text.parse::<Table>().ok()?.keys().next()?.clone();
        Some(Self { table, text })
    }
}

enum Change {
    Written,
    Extended,
    Kept,
}

fn write_catalogue(path: &Path, parts: &[CataloguePart]) -> Result<Change, ExportError> {
    let joined = |parts: &[&CataloguePart]| parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join("\n");
    let failed = |error: io::Error| ExportError::new(path, &error);
    if create(path, &joined(&parts.iter().collect::<Vec<_>>())).map_err(failed)? {
        return Ok(Change::Written);
    }
    // To read a pipe would wait for its other end.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ExportError::new(path, &"it exists, and is not a file"));
    }
    let existing = fs::read_to_string(path).map_err(failed)?;
    let tables: Table = existing.parse().map_err(|_| ExportError::new(path, &"it exists, and is not valid TOML"))?;
    let is_missing = |part: &&CataloguePart| !tables.contains_key(&part.table);
    let missing: Vec<_> = parts.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(Change::Kept);
    }
    let mut file = OpenOptions::new().append(true).open(path).map_err(failed)?;
    let separator = if existing.is_empty() || existing.ends_with("\n\n") { "" } else { "\n" };
    let newline = if existing.is_empty() || existing.ends_with('\n') { "" } else { "\n" };
    file.write_all(format!("{newline}{separator}{}", joined(&missing)).as_bytes()).map_err(failed)?;
    Ok(Change::Extended)
}

/// Writes a new file, and creates its directory if it is missing. Returns `false` if the file exists.
fn create(path: &Path, text: &str) -> io::Result<bool> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns the text of a TOML file one level deeper, in this table.
fn below(table: &str, toml: &str) -> String {
    let mut deeper = String::new();
    let mut has_table = false;
    for line in toml.lines() {
        let is_key = !line.trim().is_empty() && !line.starts_with('#');
        if let Some(rest) = line.strip_prefix('[') {
            deeper.push_str(&format!("[{table}.{rest}\n"));
        } else {
            if is_key && !has_table {
                deeper.push_str(&format!("[{table}]\n"));
            }
            deeper.push_str(line);
            deeper.push('\n');
        }
        has_table |= is_key;
    }
    deeper
}

/// Cuts a TOML file before the first of the tables of each top-level table.
fn top_level_tables(toml: &str) -> Vec<String> {
    let mut parts: Vec<(&str, String)> = Vec::new();
    let mut before = String::new();
    for line in toml.split_inclusive('\n') {
        let table = line.strip_prefix('[').and_then(|rest| rest.split(['.', ']']).next());
        let is_new = table.is_some_and(|table| parts.last().is_none_or(|(last, _)| *last != table));
        match (table, parts.last_mut()) {
            (Some(table), _) if is_new => parts.push((table, std::mem::take(&mut before) + line)),
            (_, Some((_, part))) => part.push_str(line),
            (_, None) => before.push_str(line),
        }
    }
    parts.into_iter().map(|(_, part)| part.trim_end().to_owned() + "\n").collect()
}

/// Returns the text after the first paragraph of comments, which is about the file in the source of the service.
fn without_first_comment(toml: &str) -> &str {
    let mut rest = toml;
    let mut is_in_comment = false;
    while let Some((line, after)) = rest.split_once('\n') {
        let is_text = line.starts_with('#') && line.trim() != "#";
        if !is_text && (is_in_comment || !line.starts_with('#')) {
            return if is_in_comment && (line.trim() == "#" || line.trim().is_empty()) { after } else { rest };
        }
        is_in_comment |= is_text;
        rest = after;
    }
    rest
}

#[cfg(test)]
mod tests {
    use include_dir::include_dir;
    use tempfile::TempDir;

    use super::*;

    static CATALOGUES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../user-service/catalogues");

    fn pages() -> BuiltInFiles {
        BuiltInFiles {
            files: vec![("pages/link.html".to_owned(), "link".to_owned())],
            catalogues: &CATALOGUES,
            tables: CatalogueTables::Below("pages"),
        }
    }

    fn read(folder: &TempDir, name: &str) -> String {
        fs::read_to_string(folder.path().join(name)).unwrap()
    }

    #[test]
    fn the_files_and_catalogues_are_written_once_and_are_a_valid_brand() {
        let folder = tempfile::tempdir().unwrap();
        let (path, languages) = (folder.path().join("new"), ["en".to_owned(), "ar".to_owned()]);
        let written =
            ["pages/link.html", "catalogues/en.toml", "catalogues/ar.toml"].map(|name| path.join(name)).into();
        assert_eq!(pages().export(&path, &languages).unwrap(), Exported { written, ..Exported::default() });
        assert_eq!(read(&folder, "new/pages/link.html"), "link");
        for tag in ["en", "ar"] {
            let exported: Table = read(&folder, &format!("new/catalogues/{tag}.toml")).parse().unwrap();
            let built_in = |text: Option<&str>| toml::Value::Table(text.unwrap().parse().unwrap());
            let texts = CATALOGUES.get_file(format!("{tag}.toml")).unwrap().contents_utf8();
            assert_eq!(exported["pages"], built_in(texts));
            assert_eq!(exported["language"], built_in(Language::embedded_text(tag)));
            assert_eq!(exported.len(), 2);
        }
        assert_eq!(crate::Branding::read(&path).unwrap().overrides().len(), 2);

        fs::write(path.join("pages/link.html"), "mine").unwrap();
        let kept = pages().export(&path, &languages).unwrap();
        assert_eq!((kept.written.len(), kept.extended.len(), kept.kept.len()), (0, 0, 3));
        assert_eq!(read(&folder, "new/pages/link.html"), "mine");
    }

    #[test]
    fn a_catalogue_that_exists_gets_only_the_tables_that_it_does_not_have() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("catalogues")).unwrap();
        let path = folder.path().join("catalogues/de.toml");
        for mine in ["[mails.welcome]\nsubject = \"Hallo\"", "[mails.welcome]\nsubject = \"Hallo\"\n", ""] {
            fs::write(&path, mine).unwrap();
            let exported = pages().export(folder.path(), &["de".to_owned()]).unwrap();
            assert_eq!(exported.extended, std::slice::from_ref(&path));
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.starts_with(mine) && text.parse::<Table>().unwrap().contains_key("pages"), "{text}");
        }
        for (mine, is_error) in [("[pages.verify]\ntitle = \"x\"\n[language]\n", false), ("[pages", true)] {
            fs::write(&path, mine).unwrap();
            assert_eq!(pages().export(folder.path(), &["de".to_owned()]).is_err(), is_error);
            assert_eq!(fs::read_to_string(&path).unwrap(), mine);
        }
    }

    #[test]
    fn a_catalogue_with_one_of_the_tables_of_a_service_gets_the_others() {
        static MAILS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../email-service/catalogues");
        let tables = CatalogueTables::TopLevel(&["common", "mails"]);
        let mails = BuiltInFiles { files: Vec::new(), catalogues: &MAILS, tables };
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("catalogues")).unwrap();
        let path = folder.path().join("catalogues/en.toml");
        let built_in: Table = MAILS.get_file("en.toml").unwrap().contents_utf8().unwrap().parse().unwrap();
        for (mine, added, kept) in
            [("[common]\ncolon = \": \"", "mails", "common"), ("[mails.welcome]\nsubject = \"Hi\"", "common", "mails")]
        {
            fs::write(&path, mine).unwrap();
            assert_eq!(mails.export(folder.path(), &["en".to_owned()]).unwrap().extended, std::slice::from_ref(&path));
            let (extended, mine): (Table, Table) =
                (read(&folder, "catalogues/en.toml").parse().unwrap(), mine.parse().unwrap());
            assert_eq!((&extended[added], &extended[kept]), (&built_in[added], &mine[kept]));
        }
        fs::remove_file(&path).unwrap();
        mails.export(folder.path(), &["en".to_owned()]).unwrap();
        let written: Table = read(&folder, "catalogues/en.toml").parse().unwrap();
        assert_eq!(
            (&written["common"], &written["mails"], written.len()),
            (&built_in["common"], &built_in["mails"], 3)
        );
    }

    #[test]
    fn a_pipe_in_place_of_a_catalogue_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("catalogues")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(folder.path().join("catalogues/en.toml")).status().unwrap();
        assert!(made.success());
        let error = pages().export(folder.path(), &["en".to_owned()]).unwrap_err().to_string();
        assert!(error.ends_with("catalogues/en.toml: it exists, and is not a file"), "{error}");
    }

    #[test]
    fn a_language_that_is_not_built_in_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let error = pages().export(folder.path(), &["en".to_owned(), "sv".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("the language \"sv\" is not built in"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_one_level_deeper_has_the_same_values_below_the_table() {
        for toml in ["a = 1\n[b]\nc = \"[x]\"\n", "# x\n\n[a]\nb = [\n  \"c\",\n]\n\n[a.d]\ne = 1\n", "", "# x\n"] {
            let deeper: Table = below("t", toml).parse().unwrap();
            let table = deeper.get("t").and_then(|table| table.as_table()).cloned().unwrap_or_default();
            assert_eq!(table, toml.parse().unwrap(), "{toml}");
        }
    }

    #[test]
    fn the_first_paragraph_of_comments_is_left_out() {
        for (toml, expected) in [
            ("# a\n# b\n#\n# c\n\n[d]\n", "# c\n\n[d]\n"),
            ("# a\n\n[d]\n", "[d]\n"),
            ("# a\n[d]\n", "[d]\n"),
            ("[d]\n# a\n", "[d]\n# a\n"),
            ("", ""),
        ] {
            assert_eq!(without_first_comment(toml), expected, "{toml:?}");
        }
    }
}
