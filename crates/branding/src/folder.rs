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
const PAGE_TEMPLATES: [&str; 6] =
    ["layout.html", "start.html", "link.html", "problem.html", "problems.html", "style.css"];

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
