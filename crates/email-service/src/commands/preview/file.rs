//! `preview --out`: the page as a file.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use serde::Serialize;
use service_kit::cli::print_result;

use super::{MailSource, page::PreviewPage};

const FILE: &str = "index.html";
/// Identifies a page of this command. It stands near the beginning of the page.
const GENERATOR_TAG: &str = r#"<meta name="generator" content="email-service preview">"#;
const TAG_SEARCH_BYTES: u64 = 1024;

/// A summary of the written page.
#[derive(Debug, Serialize)]
pub struct Preview {
    pub file: PathBuf,
    pub mails: usize,
    pub languages: usize,
}

/// Writes the page and prints what was written.
///
/// # Errors
/// Returns the errors of [`write`].
pub(super) fn run(out: &Path, source: &MailSource, json: bool) -> anyhow::Result<()> {
    let written = write(out, source)?;
    let Preview { file, mails, languages } = &written;
    print_result(json, &written, format_args!("{mails} mails in {languages} languages are in {}", file.display()))
}

/// Writes `index.html` in the directory `out`, which is created if it is missing. Only a page that
/// this command wrote before is replaced.
///
/// # Errors
/// Returns an error if the sender, the link base or the brand is invalid, an `index.html` of another origin
/// exists, or nothing can be written.
pub fn write(out: &Path, source: &MailSource) -> anyhow::Result<Preview> {
    let page = PreviewPage::new(&source.renderer()?)?;
    let file = out.join(FILE);
    replace(&file, page.document()?.as_bytes())?;
    Ok(Preview { file, mails: page.mails().count(), languages: page.languages.len() })
}

/// Replaces the file as a whole, or not at all.
fn replace(file: &Path, html: &[u8]) -> anyhow::Result<()> {
    if !may_replace(file).with_context(|| file.display().to_string())? {
        bail!("{} was not written by this command and is not replaced", file.display());
    }
    let directory = file.parent().unwrap_or(Path::new("."));
    let unfinished = directory.join(format!(".{FILE}.{}", std::process::id()));
    let written = fs::create_dir_all(directory)
        .and_then(|()| File::create_new(&unfinished))
        .and_then(|mut file| file.write_all(html))
        .and_then(|()| fs::rename(&unfinished, file));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written.with_context(|| file.display().to_string())
}

/// Returns whether the file may be replaced: it was written by this command, or does not exist.
fn may_replace(file: &Path) -> io::Result<bool> {
    let mut beginning = Vec::new();
    match fs::metadata(file) {
        Ok(metadata) if metadata.is_file() => File::open(file)?.take(TAG_SEARCH_BYTES).read_to_end(&mut beginning)?,
        // To read a pipe would wait for its other end.
        Ok(_) => return Ok(false),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound) => return Ok(true),
        Err(error) => return Err(error),
    };
    Ok(String::from_utf8_lossy(&beginning).contains(GENERATOR_TAG))
}

#[cfg(test)]
mod tests {
    use branding::BrandingConfig;
    use test_support::LANGUAGES;

    use super::*;
    use crate::{
        commands::preview::TOKEN,
        config::{MailConfig, SOURCE},
        plan::Template,
    };

    fn source(from: &str) -> MailSource {
        let mut mail: MailConfig = SOURCE.load_section_from("mail", None, Vec::new()).unwrap();
        from.clone_into(&mut mail.from);
        MailSource { mail, branding: BrandingConfig::default() }
    }

    #[test]
    fn the_page_contains_every_mail_in_every_language_and_loads_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let preview = write(&directory.path().join("deep/er"), &source("\"A & <B>\" <no-reply@example.org>")).unwrap();
        assert_eq!((preview.mails, preview.languages), ((18 + 12) * LANGUAGES.len(), LANGUAGES.len()));
        assert_eq!(preview.file, directory.path().join("deep/er/index.html"));

        let html = fs::read_to_string(&preview.file).unwrap();
        let undone = ["change-undone.password", "totp-disabled.by-mailbox", "password-changed.undo"];
        for template in Template::ALL.iter().map(|template| template.as_str()).chain(undone) {
            for language in LANGUAGES {
                let id = format!("{template}.{language}");
                assert!(html.contains(&format!("id=\"{id}\"")) && html.contains(&format!("href=\"#{id}\"")), "{id}");
            }
        }
        assert_eq!(html.matches("<iframe ").count(), preview.mails);
        assert_eq!(html.matches("<iframe sandbox=\"\" ").count(), preview.mails);
        for wanted in ["<script", "<img", "<link", " src=", "@import", "url("] {
            assert!(!html.contains(wanted), "{wanted}");
        }
        assert!(html.contains("<title>Mails of A &amp; &lt;B&gt;</title>"));
        assert!(html.contains(TOKEN));
        assert_eq!(fs::read_dir(directory.path().join("deep/er")).unwrap().count(), 1, "no other file is left");
    }

    #[test]
    fn a_preview_page_is_replaced_and_any_other_file_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let file = write(directory.path(), &source("One <a@example.org>")).unwrap().file;
        let first = fs::read(&file).unwrap();
        assert!(write(directory.path(), &source("Two <a@example.org>")).is_ok());
        assert_ne!(fs::read(&file).unwrap(), first);
        write(directory.path(), &source("One <a@example.org>")).unwrap();
        assert_eq!(fs::read(&file).unwrap(), first, "the page is deterministic");

        fs::write(&file, "<p>my own page</p>").unwrap();
        let error = write(directory.path(), &source("One <a@example.org>")).unwrap_err().to_string();
        assert!(error.contains("is not replaced"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "<p>my own page</p>");
    }

    #[test]
    fn a_pipe_in_place_of_the_page_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo").arg(directory.path().join(FILE)).status().unwrap();
        assert!(made.success());
        let error = write(directory.path(), &source("One <a@example.org>")).unwrap_err().to_string();
        assert!(error.contains("is not replaced"), "{error}");
    }

    #[test]
    fn an_unwritable_directory_and_an_invalid_sender_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        fs::write(&out, "a file, not a directory").unwrap();
        assert!(write(&out, &source("One <a@example.org>")).is_err());
        fs::remove_file(&out).unwrap();
        assert!(write(&out, &source("no address")).is_err());
        assert!(!out.exists(), "the directory was not created");
    }
}
