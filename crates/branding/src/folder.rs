//! The folder of an operator. It is read once, completely, and contains nothing else.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use i18n::{CatalogueOverride, InvalidFile, TemplateSource};

use crate::{
    brand::Brand,
    logo::{self, Logo},
};

/// The size of the largest file.
const MAX_BYTES: usize = 512 * 1024;
const MAX_FILES: usize = 200;

const BRAND: &str = "brand.toml";
const CATALOGUES: &str = "catalogues";
const PAGES: &str = "pages";
const MAIL_TEMPLATES: [&str; 2] = ["mail.html", "mail.txt"];
const PAGE_TEMPLATES: [&str; 7] =
    ["layout.html", "start.html", "link.html", "account.html", "problem.html", "problems.html", "style.css"];

/// A snapshot of the folder. The default is no folder at all: the built-in look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Branding {
    /// What `brand.toml` says.
    pub brand: Brand,
    overrides: Vec<CatalogueOverride>,
    /// By the path in the folder.
    templates: BTreeMap<String, TemplateSource>,
}

impl Branding {
    /// Reads and checks the folder. Files whose names begin with a dot are ignored, and symbolic links are followed, as
    /// Kubernetes has both where it mounts a volume.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, is too large, unknown, or invalid.
    pub fn read(directory: &Path) -> Result<Self, InvalidFile> {
        let mut files_left = MAX_FILES;
        let names = list(directory, &mut files_left)?;
        let mut logo_name = None;
        let brand = if names.iter().any(|name| name == BRAND) {
            let path = directory.join(BRAND);
            let read_logo = |name: &str| {
                let logo = read_logo(directory, name)?;
                logo_name = Some(name.to_owned());
                Ok(logo)
            };
            Brand::parse(&path.display().to_string(), &read_text(&path)?, read_logo)?
        } else {
            Brand::default()
        };
        let (mut overrides, mut templates) = (Vec::new(), BTreeMap::new());
        for name in names {
            let path = directory.join(&name);
            match name.as_str() {
                BRAND => {}
                CATALOGUES => overrides = read_catalogues(&path, &mut files_left)?,
                PAGES => {
                    for page in list(&path, &mut files_left)? {
                        if !PAGE_TEMPLATES.contains(&&*page) {
                            return Err(unknown(&path.join(page), "the pages are", &PAGE_TEMPLATES));
                        }
                        templates.insert(format!("{PAGES}/{page}"), read_template(&path.join(page))?);
                    }
                }
                _ if MAIL_TEMPLATES.contains(&&*name) => {
                    templates.insert(name, read_template(&path)?);
                }
                _ if logo_name.as_ref() == Some(&name) => {}
                _ => {
                    let known = [BRAND, "mail.html", "mail.txt", "pages", "catalogues"];
                    return Err(unknown(&path, "besides the logo that brand.toml names, the files are", &known));
                }
            }
        }
        Ok(Self { brand, overrides, templates })
    }

    /// Returns the catalogues, for [`i18n::Catalogues::load`].
    #[must_use]
    pub fn overrides(&self) -> &[CatalogueOverride] {
        &self.overrides
    }

    /// Returns the file of this path in the folder, such as `mail.html`, `pages/layout.html` or `pages/style.css`.
    #[must_use]
    pub fn template(&self, name: &str) -> Option<&TemplateSource> {
        self.templates.get(name)
    }
}

fn read_catalogues(folder: &Path, files_left: &mut usize) -> Result<Vec<CatalogueOverride>, InvalidFile> {
    let read = |name: String| {
        let path = folder.join(&name);
        match name.strip_suffix(".toml") {
            Some(tag) => Ok(CatalogueOverride { tag: tag.to_owned(), text: read_text(&path)?, path: shown(&path) }),
            None => Err(InvalidFile::whole(shown(&path), "the name of a catalogue is a language and `.toml`")),
        }
    };
    list(folder, files_left)?.into_iter().map(read).collect()
}

fn read_template(path: &Path) -> Result<TemplateSource, InvalidFile> {
    Ok(TemplateSource::new(shown(path), read_text(path)?))
}

/// Reads the picture of this name in the folder.
fn read_logo(directory: &Path, name: &str) -> Result<Logo, String> {
    let is_other = name == BRAND || MAIL_TEMPLATES.contains(&name) || name.starts_with('.') || name.is_empty();
    if is_other || name.contains(['/', '\\']) {
        return Err("it is not the name of a picture in this folder".to_owned());
    }
    let bytes = read_bytes(&directory.join(name), logo::MAX_BYTES).map_err(|error| error.problem)?;
    Logo::new(bytes)
}

/// Returns the names in a folder without the hidden ones, sorted.
fn list(folder: &Path, files_left: &mut usize) -> Result<Vec<String>, InvalidFile> {
    let refuse = |error| InvalidFile::whole(shown(folder), format!("it cannot be read: {error}"));
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(refuse)? {
        let name = entry.map_err(refuse)?.file_name();
        let name = name
            .into_string()
            .map_err(|name| InvalidFile::whole(shown(&folder.join(name)), "its name is not UTF-8"))?;
        if name.starts_with('.') {
            continue;
        }
        *files_left = files_left
            .checked_sub(1)
            .ok_or_else(|| InvalidFile::whole(shown(folder), format!("there are more than {MAX_FILES} files")))?;
        names.push(name);
    }
    names.sort();
    Ok(names)
}

/// Reads a text, without a byte order mark, and with the line ends of Unix.
fn read_text(path: &Path) -> Result<String, InvalidFile> {
    let bytes = read_bytes(path, MAX_BYTES)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{FEFF}').unwrap_or(&text).replace("\r\n", "\n")),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let valid = String::from_utf8_lossy(&error.as_bytes()[..at]).into_owned();
            Err(InvalidFile::at(shown(path), &valid, at, "it is not UTF-8".to_owned()))
        }
    }
}

fn read_bytes(path: &Path, max_bytes: usize) -> Result<Vec<u8>, InvalidFile> {
    let refuse = |problem: String| InvalidFile::whole(shown(path), problem);
    let io = |error| refuse(format!("it cannot be read: {error}"));
    // Opening a pipe would wait for its other end.
    if !fs::metadata(path).map_err(io)?.is_file() {
        return Err(refuse("it is not a file".to_owned()));
    }
    let (mut bytes, limit) = (Vec::new(), max_bytes as u64 + 1);
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(io)?;
    if bytes.len() > max_bytes {
        return Err(refuse(format!("it is larger than {} KiB", max_bytes / 1024)));
    }
    Ok(bytes)
}

fn unknown(path: &Path, introduction: &str, known: &[&str]) -> InvalidFile {
    InvalidFile::whole(shown(path), format!("this file is unknown: {introduction} {}", known.join(", ")))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

    fn folder(files: &[(&str, &[u8])]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    /// Returns the error without the path of the folder.
    fn problem(files: &[(&str, &[u8])]) -> String {
        let folder = folder(files);
        let error = Branding::read(folder.path()).expect_err("the folder is invalid").to_string();
        error.replace(&format!("{}", folder.path().display()), "/brand")
    }

    const COMPLETE: &[(&str, &[u8])] = &[
        ("brand.toml", b"product = \"Acme\"\nlogo = \"our-logo\""),
        ("our-logo", PNG),
        ("mail.html", b"html"),
        ("mail.txt", b"\xef\xbb\xbfone\r\ntwo\r\n"),
        ("pages/layout.html", b"layout"),
        ("pages/start.html", b"start"),
        ("pages/link.html", b"link"),
        ("pages/account.html", b"account"),
        ("pages/problem.html", b"problem"),
        ("pages/problems.html", b"problems"),
        ("pages/style.css", b"style"),
        ("catalogues/de.toml", b"[common]"),
        ("catalogues/pt-BR.toml", b"[language]"),
        (".hidden", b"\xff"),
        ("catalogues/.de.toml.swp", b"\xff"),
    ];

    #[test]
    fn a_complete_folder_is_read_and_everything_in_it_is_optional() {
        let directory = folder(COMPLETE);
        let branding = Branding::read(directory.path()).unwrap();
        assert_eq!(branding.brand.product.as_deref(), Some("Acme"));
        assert_eq!(branding.brand.logo.as_ref().unwrap().bytes, PNG);
        let tags: Vec<_> = branding.overrides().iter().map(|over| (&*over.tag, &*over.text)).collect();
        assert_eq!(tags, [("de", "[common]"), ("pt-BR", "[language]")]);
        assert_eq!(branding.overrides()[0].path, directory.path().join("catalogues/de.toml").display().to_string());
        for page in PAGE_TEMPLATES {
            let text = branding.template(&format!("pages/{page}")).unwrap().text();
            assert_eq!(Some(text), page.split('.').next());
        }
        let plain = branding.template("mail.txt").unwrap();
        assert_eq!(plain.text(), "one\ntwo\n", "without the byte order mark and the carriage returns");
        assert_eq!(plain.path(), directory.path().join("mail.txt").display().to_string());
        assert_eq!(branding.template("our-logo"), None);
        assert_eq!(branding, Branding::read(directory.path()).unwrap());
        fs::write(directory.path().join("mail.html"), "changed").unwrap();
        assert_ne!(branding, Branding::read(directory.path()).unwrap());

        assert_eq!(Branding::read(folder(&[]).path()).unwrap(), Branding::default());
    }

    #[test]
    fn symbolic_links_are_followed_as_kubernetes_mounts_volumes() {
        let directory = folder(&[("..2026/brand.toml", b"product = \"Acme\""), ("..2026/catalogues/de.toml", b"")]);
        symlink("..2026", directory.path().join("..data")).unwrap();
        symlink("..data/brand.toml", directory.path().join("brand.toml")).unwrap();
        symlink("..data/catalogues", directory.path().join("catalogues")).unwrap();
        let branding = Branding::read(directory.path()).unwrap();
        assert_eq!((branding.brand.product.as_deref(), branding.overrides().len()), (Some("Acme"), 1));
        symlink("nowhere", directory.path().join("mail.html")).unwrap();
        assert!(Branding::read(directory.path()).unwrap_err().problem.starts_with("it cannot be read: No such file"));
    }

    #[test]
    fn an_unknown_or_invalid_file_is_refused() {
        for (files, expected) in [
            (&[("brand.tmol", &b""[..])][..], "`/brand/brand.tmol` is invalid: this file is unknown: besides the logo"),
            (
                &[("logo.png", PNG)],
                "`/brand/logo.png` is invalid: this file is unknown: besides the logo that brand.toml names",
            ),
            (&[("Mail.html", b"")], "`/brand/Mail.html` is invalid: this file is unknown"),
            (
                &[("pages/index.html", b"")],
                "`/brand/pages/index.html` is invalid: this file is unknown: the pages are layout",
            ),
            (&[("pages/deep/link.html", b"")], "`/brand/pages/deep` is invalid: this file is unknown"),
            (
                &[("catalogues/de.tml", b"")],
                "`/brand/catalogues/de.tml` is invalid: the name of a catalogue is a language",
            ),
            (&[("catalogues/de.toml/x", b"")], "`/brand/catalogues/de.toml` is invalid: it is not a file"),
            (&[("brand.toml/x", b"")], "`/brand/brand.toml` is invalid: it is not a file"),
            (&[("pages", b"")], "`/brand/pages` is invalid: it cannot be read: Not a directory"),
            (&[("brand.toml", b"\n\nproduct = \"\xff\"")], "`/brand/brand.toml` is invalid: line 3: it is not UTF-8"),
            (&[("mail.html", b"a\n\xff")], "`/brand/mail.html` is invalid: line 2: it is not UTF-8"),
            (
                &[("brand.toml", b"logo = \"logo.svg\""), ("logo.svg", b"<svg/>")],
                "line 1: logo: \"logo.svg\": it is not a PNG, JPEG",
            ),
            (&[("brand.toml", b"logo = \"logo.png\"")], "line 1: logo: \"logo.png\": it cannot be read: No such file"),
            (
                &[("brand.toml", b"logo = \"../logo.png\"")],
                "line 1: logo: \"../logo.png\": it is not the name of a picture",
            ),
            (&[("brand.toml", b"logo = \"/etc/passwd\"")], "it is not the name of a picture in this folder"),
            (&[("brand.toml", b"logo = \"brand.toml\"")], "it is not the name of a picture in this folder"),
            (&[("brand.toml", b"logo = \".logo\""), (".logo", PNG)], "it is not the name of a picture in this folder"),
            (&[("brand.toml", b"logo = \"\"")], "it is not the name of a picture in this folder"),
            (&[("brand.toml", b"logo = \"pages\""), ("pages/x", b"")], "line 1: logo: \"pages\": it is not a file"),
        ] {
            let problem = problem(files);
            assert!(problem.contains(expected), "{problem}\n{expected}");
        }
    }

    #[test]
    fn the_size_and_the_number_of_files_are_limited() {
        let (most, more) = (vec![b'x'; MAX_BYTES], vec![b'x'; MAX_BYTES + 1]);
        assert!(Branding::read(folder(&[("mail.txt", &most)]).path()).is_ok());
        assert_eq!(problem(&[("mail.txt", &more)]), "the file `/brand/mail.txt` is invalid: it is larger than 512 KiB");
        let logo: Vec<u8> = PNG.iter().copied().chain(vec![0; 100 * 1024]).collect();
        let problem_of_logo = problem(&[("brand.toml", b"logo = \"l\""), ("l", &logo)]);
        assert!(problem_of_logo.ends_with("line 1: logo: \"l\": it is larger than 100 KiB"), "{problem_of_logo}");

        let names: Vec<String> = (0..MAX_FILES).map(|n| format!("catalogues/x-{n}.toml")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b""[..])).collect();
        assert!(Branding::read(folder(&files[1..]).path()).is_ok());
        assert_eq!(problem(&files), "the file `/brand/catalogues` is invalid: there are more than 200 files");
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_refused_and_a_pipe_is_not_waited_for() {
        let error = Branding::read(Path::new("/nowhere/brand")).unwrap_err().to_string();
        assert!(error.starts_with("the file `/nowhere/brand` is invalid: it cannot be read: No such file"), "{error}");
        let directory = folder(&[]);
        let made = std::process::Command::new("mkfifo").arg(directory.path().join("mail.html")).status().unwrap();
        assert!(made.success());
        assert_eq!(Branding::read(directory.path()).unwrap_err().problem, "it is not a file");
    }
}
