//! `preview`: every mail in every language with example data, as a file or in the browser; or one of them, sent.
//!
//! Uses the renderer of the senders. Needs no database, no Kafka and no key.

mod file;
mod page;
mod send;
mod server;

use std::path::{Path, PathBuf};

use branding::{Branding, BrandingConfig};
use clap::ArgGroup;
use i18n::InvalidFile;

pub use file::{Preview, write};

use crate::{
    app,
    config::{MailConfig, SOURCE},
    renderer::Renderer,
};

/// The token in the examples, which is obviously not a real one.
const TOKEN: &str = "EXAMPLE-NOT-A-REAL-TOKEN-EXAMPLE-NOT-A-REAL";

/// What `preview` does: one of `--out`, `--serve` and `--to`.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("target").required(true)))]
pub struct PreviewArgs {
    /// Write `index.html` to this directory; only a page written by this command is replaced
    #[arg(long, value_name = "DIR", group = "target")]
    out: Option<PathBuf>,
    /// Show the mails in the browser until Ctrl-C, and show each change in `branding.directory` within a second
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        group = "target",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:8026"
    )]
    serve: Option<String>,
    /// Send one mail to this address through the mail servers of the configuration, with a token that is not valid;
    /// exit with code 1 if no server accepts it
    #[arg(long, value_name = "ADDRESS", group = "target")]
    to: Option<String>,
    /// Send this mail; without it, welcome
    #[arg(long, value_name = "KIND[.CASE]", requires = "to")]
    mail: Option<String>,
    /// Send it in this language; without it, en
    #[arg(long, value_name = "TAG", requires = "to")]
    language: Option<String>,
}

/// The parts of the configuration that make the mails.
#[derive(Clone)]
pub struct MailSource {
    pub mail: MailConfig,
    pub branding: BrandingConfig,
}

impl MailSource {
    /// Reads `[mail]` and `[branding]` of the configuration; the other sections may be invalid.
    fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let mail: MailConfig = SOURCE.load_section("mail", file)?;
        mail.sender()?;
        Ok(Self { mail, branding: SOURCE.load_section("branding", file)? })
    }

    /// Reads the folder of the brand, if there is one.
    fn read(&self) -> Result<Branding, InvalidFile> {
        app::read_branding(&self.branding)
    }

    fn renderer(&self) -> anyhow::Result<Renderer> {
        self.renderer_with(&self.read()?)
    }

    fn renderer_with(&self, branding: &Branding) -> anyhow::Result<Renderer> {
        app::renderer(&self.mail, branding)
    }
}

/// Runs the command.
///
/// # Errors
/// Returns an error for the operator.
pub(super) async fn run(config: Option<&Path>, args: PreviewArgs, json: bool) -> anyhow::Result<()> {
    let source = MailSource::load(config)?;
    match args {
        PreviewArgs { out: Some(out), .. } => file::run(&out, &source, json),
        PreviewArgs { serve: Some(address), .. } => server::run(&address, source, json).await,
        PreviewArgs { to, mail, language, .. } => {
            let order = send::TestMail {
                to: to.unwrap_or_default(),
                mail: mail.unwrap_or_else(|| "welcome".to_owned()),
                language: language.unwrap_or_else(|| "en".to_owned()),
            };
            send::run(&order, &source.renderer()?, &SOURCE.load_section("smtp", config)?, json).await
        }
    }
}
