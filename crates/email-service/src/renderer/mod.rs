//! Renders a planned mail in the recipient's language, as bytes for the SMTP server.
//!
//! The texts are in `catalogues/<language>.toml`, the templates in `templates/`. Pure: no clock, no I/O.

mod address;
mod brand;
mod catalogue;
mod check;
mod compose;
mod example;
mod layout;
mod link;
mod message;
mod message_case;
mod network;
mod placeholders;
mod sanitize;
#[cfg(test)]
mod tests;
mod wrap;

use std::fmt;

use branding::{Branding, BuiltInFiles};
use i18n::{Catalogues, InvalidFile, MissingTexts, Texts as _};
use include_dir::{Dir, include_dir};
use jiff::Timestamp;
use lettre::address::Envelope;
use lettre::message::Mailbox;
use secrecy::SecretString;
use url::Url;

use crate::plan::MailFacts;
pub use example::ExampleMail;
use {brand::MailBrand, catalogue::CatalogueTexts, layout::Layouts, link::LinkBase};

/// The texts: every file of this folder is a language.
static CATALOGUES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/catalogues");

/// Returns the built-in files that a brand can replace.
#[must_use]
pub fn built_in_files() -> BuiltInFiles {
    let (files, tables) = (layout::built_in_templates(), CatalogueTexts::TABLES);
    BuiltInFiles { files, catalogues: &CATALOGUES, tables }
}

/// Renders every kind of mail in every language. Immutable.
pub struct Renderer {
    from: Mailbox,
    /// The name of the product in mails: that of the brand, else the display name of `from`, else its domain.
    product: String,
    links: LinkBase,
    catalogues: Catalogues<CatalogueTexts>,
    layouts: Layouts,
    brand: MailBrand,
}

/// One mail to render. Values that the template does not use are ignored; a missing value is
/// [`RenderError::MissingValue`].
#[derive(Debug, Clone, Copy)]
pub struct MailContent<'a> {
    pub facts: &'a MailFacts,
    pub link: Option<OpenedLink<'a>>,
    /// `left@right`, with or without angle brackets.
    pub message_id: &'a str,
    /// The `Date` header.
    pub date: Timestamp,
}

/// The one-time token of a link, opened. Its `Debug` does not show the token.
#[derive(Debug, Clone, Copy)]
pub struct OpenedLink<'a> {
    pub token: &'a SecretString,
    pub expires_at: Timestamp,
}

/// A rendered mail. `text` and `html` are the parts of `message` before encoding.
pub struct ComposedMail {
    pub subject: String,
    /// Exactly one recipient; domains as A-labels.
    pub envelope: Envelope,
    pub message: MessageBytes,
    pub text: String,
    pub html: String,
    /// Why the layout of the brand could not render this mail, so that the built-in one was used.
    pub brand_failure: Option<InvalidFile>,
}

/// The bodies contain one-time tokens, so only their sizes are shown.
impl fmt::Debug for ComposedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComposedMail")
            .field("subject", &self.subject)
            .field("envelope", &self.envelope)
            .field("message", &self.message)
            .field("text", &format_args!("<{} bytes>", self.text.len()))
            .field("html", &format_args!("<{} bytes>", self.html.len()))
            .field("brand_failure", &self.brand_failure)
            .finish()
    }
}

/// A whole message (RFC 5322, CRLF line ends, not dot-stuffed). Its `Debug` shows only its size.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageBytes(Vec<u8>);

impl MessageBytes {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MessageBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageBytes(<{} bytes>)", self.0.len())
    }
}

/// Why a mail or the renderer cannot be made. Another attempt does not help. No variant contains an
/// address, a name or a token.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error(transparent)]
    File(#[from] InvalidFile),
    #[error("{failure} (in the mail `{mail}` in the language `{language}`)")]
    Layout { failure: InvalidFile, mail: String, language: String },
    #[error("the link base is invalid: {0}")]
    LinkBase(&'static str),
    #[error("the sender's address is invalid")]
    Sender,
    #[error("the recipient is not an email address")]
    Recipient,
    #[error("the message id is not of the form left@right")]
    MessageId,
    #[error("the mail `{template}` needs `{value}`")]
    MissingValue { template: &'static str, value: &'static str },
    #[error("the message cannot be built: {0}")]
    Message(#[from] lettre::error::Error),
}

impl Renderer {
    /// Creates a renderer, and checks every catalogue completely, so that no mail fails later because of a missing text.
    /// Links begin with `link_base_url` (http or https, without query or fragment). With a brand, every mail is rendered
    /// once.
    ///
    /// # Errors
    /// Returns an error if the sender or the link base is invalid, or the brand cannot be used for every mail.
    pub fn new(from: Mailbox, link_base_url: Url, branding: &Branding) -> Result<Renderer, RenderError> {
        let renderer = Self::unchecked(from, link_base_url, branding)?;
        if *branding != Branding::default() {
            renderer.check()?;
        }
        Ok(renderer)
    }

    fn unchecked(from: Mailbox, link_base_url: Url, branding: &Branding) -> Result<Renderer, RenderError> {
        let Mailbox { name, email } = from;
        let email = address::normalize(email.as_ref()).map_err(|_| RenderError::Sender)?;
        let name = name.as_deref().and_then(sanitize::clean_name);
        Ok(Renderer {
            product: branding.brand.product.clone().or(name.clone()).unwrap_or_else(|| email.domain().to_owned()),
            links: LinkBase::new(link_base_url)?,
            catalogues: Catalogues::load(&CATALOGUES, branding.overrides())?,
            layouts: Layouts::new(branding)?,
            brand: MailBrand::new(&branding.brand, email.domain())?,
            from: Mailbox::new(name, email),
        })
    }

    /// Returns the name of the product in mails.
    pub fn product(&self) -> &str {
        &self.product
    }

    /// Returns the domain of the sender's address, as an A-label.
    pub fn sender_domain(&self) -> &str {
        self.from.email.domain()
    }

    /// Returns the HTML of a mail with the image in it as a `data:` URL, to show it without the mail.
    pub fn with_image_as_data(&self, html: String) -> String {
        match &self.brand.logo {
            Some(logo) => html.replace(&logo.url(), &logo.data_url()),
            None => html,
        }
    }

    /// Returns the texts that the new languages of the brand do not have.
    pub fn missing_texts(&self) -> &[MissingTexts] {
        self.catalogues.missing()
    }

    /// Returns tag and own name of all languages, ordered by tag.
    pub fn languages(&self) -> impl Iterator<Item = (&str, &str)> {
        self.catalogues.iter().map(|catalogue| (&*catalogue.language.tag, &*catalogue.language.name))
    }
}
