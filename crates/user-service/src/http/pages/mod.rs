//! The HTML pages: the start page, the pages of an account, the pages behind mailed links, and a page for each problem
//! type.

pub(super) mod account;
mod check;
mod error_page;
pub(super) mod layout;
pub(super) mod link_handlers;
mod link_page;
mod link_request;
mod link_views;
pub(super) mod logo;
mod on_failure;
pub mod problem_pages;
mod served;
pub(super) mod start_page;
mod style;
mod texts;

use std::sync::Arc;

pub use account::PageSettings;
use branding::{Branding, BrandingConfig, BuiltInFiles};
pub use error_page::error_page;
use i18n::{InvalidFile, Texts as _};
pub use layout::Pages;
pub use served::ServedPages;
pub use start_page::StartPage;
use texts::PageTexts;

/// Reads the brand, makes its pages, and checks them completely, so that no page fails later because of a missing text or
/// value. Logs which texts a new language does not have.
///
/// # Errors
/// Returns the first invalid file.
pub fn load(config: &BrandingConfig) -> Result<Pages, InvalidFile> {
    let branding = config.directory.as_deref().map(Branding::read).transpose()?.unwrap_or_default();
    let pages = make(&branding)?;
    for missing in pages.missing_texts() {
        tracing::warn!("{missing}");
    }
    Ok(pages)
}

/// Returns the built-in files that a brand can replace.
#[must_use]
pub fn built_in_files() -> BuiltInFiles {
    let templates = layout::TEMPLATES.iter().map(|(name, text)| (*name, (*text).to_owned()));
    let files = templates.chain([("style.css", style::with_brand_rules())]);
    BuiltInFiles {
        files: files.map(|(name, text)| (format!("pages/{name}"), text)).collect(),
        catalogues: &layout::CATALOGUES,
        tables: PageTexts::TABLES,
    }
}

fn make(branding: &Branding) -> Result<Pages, InvalidFile> {
    let pages = Arc::new(Pages::new(branding)?);
    check::check(&pages)?;
    Ok(Arc::into_inner(pages).expect("the check keeps no page"))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Returns the brand in a folder with these files.
    pub(super) fn branding(files: &[(&str, &str)]) -> (TempDir, Branding) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let branding = Branding::read(folder.path()).unwrap();
        (folder, branding)
    }

    #[test]
    fn the_built_in_pages_pass_the_check_of_own_templates() {
        let own = ["layout", "start", "link", "problem", "problems"].map(|name| {
            let text = layout::TEMPLATES.iter().find(|(built_in, _)| *built_in == format!("{name}.html")).unwrap().1;
            (format!("pages/{name}.html"), text)
        });
        let own: Vec<_> = own.iter().map(|(name, text)| (name.as_str(), *text)).collect();
        assert!(make(&branding(&own).1).unwrap().has_own_templates());
        assert!(!make(&Branding::default()).unwrap().has_own_templates());
    }
}
