//! What the brand of the operator adds to every mail: colours, the logo, and the end of the footer.

use branding::{Brand, Colour, Colours, Link, Logo, Palette, Palettes};
use i18n::{FilledText, InvalidFile};
use serde::Serialize;

use super::{RenderError, message::InlineImage};

/// The brand, prepared for the layout.
pub(super) struct MailBrand {
    pub(super) logo: Option<InlineImage>,
    pub(super) colours: Schemes,
    pub(super) support: Option<Support>,
    pub(super) links: Vec<Link>,
    pub(super) postal_address: Vec<String>,
}

/// Where users find help.
pub(super) struct Support {
    /// The email address or the URL as it is shown.
    pub(super) shown: String,
    /// The target of its link.
    pub(super) url: String,
}

/// The colours of the light and of the dark scheme.
#[derive(Serialize)]
pub(super) struct Schemes {
    light: Scheme,
    dark: Scheme,
}

/// The colours of one scheme: those of a brand, and further shades.
#[derive(Clone, Serialize)]
struct Scheme {
    page: Colour,
    card: Colour,
    /// Behind the details, with `heading` and `soft` on it.
    panel: Colour,
    /// Around the card.
    border: Colour,
    /// Between two parts of the card.
    line: Colour,
    heading: Colour,
    text: Colour,
    soft: Colour,
    /// The colour of the button.
    accent: Colour,
    on_accent: Colour,
    link: Colour,
}

const LIGHT: Scheme = Scheme {
    page: Colour::built_in(0x00f2_f4f7),
    card: Colour::built_in(0x00ff_ffff),
    panel: Colour::built_in(0x00f5_f7fa),
    border: Colour::built_in(0x00e1_e5eb),
    line: Colour::built_in(0x00e1_e5eb),
    heading: Colour::built_in(0x0014_1a24),
    text: Colour::built_in(0x003a_4352),
    soft: Colour::built_in(0x005d_6878),
    accent: Colour::built_in(0x002d_55d2),
    on_accent: Colour::built_in(0x00ff_ffff),
    link: Colour::built_in(0x002d_55d2),
};

const DARK: Scheme = Scheme {
    page: Colour::built_in(0x000e_1116),
    card: Colour::built_in(0x0018_1c23),
    panel: Colour::built_in(0x0021_2731),
    border: Colour::built_in(0x002a_303a),
    line: Colour::built_in(0x002f_3641),
    heading: Colour::built_in(0x00f0_f2f5),
    text: Colour::built_in(0x00d3_d8e0),
    soft: Colour::built_in(0x009b_a5b3),
    accent: Colour::built_in(0x003d_66e0),
    on_accent: Colour::built_in(0x00ff_ffff),
    link: Colour::built_in(0x0093_b4ff),
};

impl Scheme {
    /// Returns the colours that a brand can change. A link is shown on the card, so it stands for the accent.
    fn defaults(&self) -> Palette {
        Palette {
            accent: self.link,
            on_accent: self.on_accent,
            page: self.page,
            card: self.card,
            text: self.text,
            soft: self.soft,
            line: self.line,
        }
    }

    /// Returns the colours of a brand, and shades that follow them. `checked` has its colours over the defaults.
    fn of_brand(&self, given: &Colours, checked: &Palette) -> Self {
        let mut scheme = self.clone();
        if given.accent.or(given.on_accent).is_some() {
            (scheme.accent, scheme.on_accent) = (checked.accent, checked.on_accent);
        }
        if given.text.is_some() {
            scheme.heading = checked.text;
        }
        if given.line.is_some() {
            scheme.border = checked.line;
        }
        // The contrast of the texts is checked on the page and on the card, but not on the built-in panel.
        if given.page.or(given.card).or(given.text).or(given.soft).is_some() {
            scheme.panel = checked.page;
        }
        Self {
            page: checked.page,
            card: checked.card,
            line: given.line.unwrap_or(self.line),
            text: checked.text,
            soft: checked.soft,
            link: checked.accent,
            ..scheme
        }
    }
}

/// The brand in one mail, for the layout.
#[derive(Serialize)]
pub(super) struct BrandView<'a> {
    /// The URL of the logo within the mail.
    pub(super) logo: Option<String>,
    pub(super) colours: &'a Schemes,
    pub(super) support: Option<SupportView<'a>>,
    pub(super) links: &'a [Link],
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

impl MailBrand {
    /// Prepares the brand. `domain` is that of the sender.
    ///
    /// # Errors
    /// Returns an error if the contrast of two colours is too low.
    pub(super) fn new(brand: &Brand, domain: &str) -> Result<Self, InvalidFile> {
        let checked = brand.palettes(&Palettes { light: LIGHT.defaults(), dark: DARK.defaults() })?;
        Ok(Self {
            logo: brand.logo.as_ref().map(|logo| inline_image(logo, domain)),
            colours: Schemes {
                light: LIGHT.of_brand(&brand.light, &checked.light),
                dark: DARK.of_brand(&brand.dark, &checked.dark),
            },
            support: brand.support.as_ref().map(|support| Support { shown: support.to_string(), url: support.href() }),
            links: brand.links.clone(),
            postal_address: brand.postal_address.clone(),
        })
    }
}

/// Returns the logo as a part of a mail. Its id is the same in all mails, because it is the same image.
fn inline_image(logo: &Logo, domain: &str) -> InlineImage {
    InlineImage {
        content_id: format!("logo.{}@{domain}", logo.digest),
        media_type: logo.kind.media_type(),
        file_name: format!("logo.{}", logo.kind.extension()),
        bytes: logo.bytes.clone(),
    }
}
