//! `branding export`: the built-in files of the pages, as a starting point for a brand.

use std::path::PathBuf;

use branding::Exported;
use service_kit::cli::print_result;

use crate::http::pages;

#[derive(clap::Subcommand)]
pub(super) enum BrandingCommand {
    /// Write the built-in templates and style sheet, and the texts of languages; never overwrite a file
    ///
    /// Copy what you change to the folder of your brand (docs/BRANDING.md). A catalogue that exists, for example one
    /// written by `email-service branding export`, gets the tables that it does not have.
    Export {
        /// Write to this directory
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Write also `catalogues/TAG.toml` with all texts of this language; can be repeated
        #[arg(long = "language", value_name = "TAG")]
        languages: Vec<String>,
    },
}

pub(super) fn run(command: &BrandingCommand, json: bool) -> anyhow::Result<()> {
    let BrandingCommand::Export { out, languages } = command;
    let exported: Exported = pages::built_in_files().export(out, languages)?;
    print_result(json, &exported, &exported)
}
