//! What the brand of the operator adds to every mail: colours, the logo, and the end of the footer.

use i18n::FilledText;
use serde::Serialize;

use super::{RenderError, message::InlineImage};

/// The brand, prepared for the layout.
pub(super) struct MailBrand {
    pub(super) logo: Option<InlineImage>,
    pub(super) colours: Schemes,
    pub(super) support: Option<Support>,
    pub(super) links: Vec<FooterLink>,
    pub(super) postal_address: Vec<String>,
}

/// Where users find help.
pub(super) struct Support {
    /// The email address or the URL as it is shown.
    pub(super) shown: String,
    /// The target of its link.
    pub(super) url: String,
}

#[derive(Serialize)]
pub(super) struct FooterLink {
    text: String,
    url: String,
}

/// The colours of the light and of the dark scheme.
#[derive(Serialize)]
pub(super) struct Schemes {
    light: Palette,
    dark: Palette,
}

/// The colours of one scheme, as `#rrggbb`.
#[derive(Serialize)]
struct Palette {
    page: String,
    card: String,
    /// Behind the details, with `heading` and `soft` on it.
    panel: String,
    /// Around the card.
    border: String,
    /// Between two parts of the card.
    line: String,
    heading: String,
    text: String,
    soft: String,
    /// The colour of the button.
    accent: String,
    on_accent: String,
    link: String,
}

/// The brand in one mail, for the layout.
#[derive(Serialize)]
pub(super) struct BrandView<'a> {
    /// The URL of the logo within the mail.
    pub(super) logo: Option<String>,
    pub(super) colours: &'a Schemes,
    pub(super) support: Option<SupportView<'a>>,
    pub(super) links: &'a [FooterLink],
    pub(super) postal_address: &'a [String],
}

#[derive(Serialize)]
pub(super) struct SupportView<'a> {
    /// The sentence with the address.
    pub(super) line: FilledText,
    pub(super) url: &'a str,
}

impl MailBrand {
    /// Returns what the layout shows, with the sentence for the support in the language of the mail.
    pub(super) fn view(
        &self,
        support_line: impl FnOnce() -> Result<FilledText, RenderError>,
    ) -> Result<BrandView<'_>, RenderError> {
        let support = match &self.support {
            Some(support) => Some(SupportView { line: support_line()?, url: &support.url }),
            None => None,
        };
        Ok(BrandView {
            logo: self.logo.as_ref().map(InlineImage::url),
            colours: &self.colours,
            support,
            links: &self.links,
            postal_address: &self.postal_address,
        })
    }
}

impl Schemes {
    /// Returns the colours of a mail without a brand.
    fn built_in() -> Self {
        Self {
            light: Palette {
                page: "#f2f4f7".to_owned(),
                card: "#ffffff".to_owned(),
                panel: "#f5f7fa".to_owned(),
                border: "#e1e5eb".to_owned(),
                line: "#e1e5eb".to_owned(),
                heading: "#141a24".to_owned(),
                text: "#3a4352".to_owned(),
                soft: "#5d6878".to_owned(),
                accent: "#2d55d2".to_owned(),
                on_accent: "#ffffff".to_owned(),
                link: "#2d55d2".to_owned(),
            },
            dark: Palette {
                page: "#0e1116".to_owned(),
                card: "#181c23".to_owned(),
                panel: "#212731".to_owned(),
                border: "#2a303a".to_owned(),
                line: "#2f3641".to_owned(),
                heading: "#f0f2f5".to_owned(),
                text: "#d3d8e0".to_owned(),
                soft: "#9ba5b3".to_owned(),
                accent: "#3d66e0".to_owned(),
                on_accent: "#ffffff".to_owned(),
                link: "#93b4ff".to_owned(),
            },
        }
    }
}

impl Default for MailBrand {
    fn default() -> Self {
        Self { logo: None, colours: Schemes::built_in(), support: None, links: Vec::new(), postal_address: Vec::new() }
    }
}
