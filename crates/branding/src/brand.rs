//! `brand.toml`: the name of the product and how it looks.

use std::fmt;

use i18n::{InvalidFile, Text, TomlFiles};
use serde::{Deserialize, Serialize};
use toml::Spanned;
use url::{Host, Url};

use crate::{
    colour::{Colour, Colours, Palettes},
    logo::Logo,
};

/// The characters of the longest text on one line.
const MAX_CHARS: usize = 100;
/// The length of the longest URL or email address.
const MAX_ADDRESS: usize = 500;
const MAX_LINKS: usize = 8;
const MAX_ADDRESS_LINES: usize = 6;

/// What an operator says about the product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brand {
    /// The name in mails and on pages.
    pub product: Option<String>,
    /// The picture beside the name.
    pub logo: Option<Logo>,
    /// Where readers find help.
    pub support: Option<Support>,
    /// Links in the footer, at most 8.
    pub links: Vec<Link>,
    /// The lines of the postal address in the footer, at most 6.
    pub postal_address: Vec<String>,
    /// The colours for readers who prefer a light background.
    pub light: Colours,
    /// The colours for readers who prefer a dark background.
    pub dark: Colours,
    /// The path of `brand.toml`, for messages.
    path: String,
}

/// Where readers find help.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Support {
    /// An email address.
    Email(String),
    /// A page.
    Url(String),
}

/// A link in the footer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The text that a reader sees.
    #[serde(deserialize_with = "line")]
    pub text: String,
    /// The address: http or https.
    #[serde(deserialize_with = "web_address")]
    pub url: String,
}

/// `brand.toml` as it is in the file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BrandFile {
    product: Option<Line>,
    logo: Option<Spanned<String>>,
    support: Option<Support>,
    links: Option<Spanned<Vec<Link>>>,
    postal_address: Option<Spanned<Vec<Line>>>,
    colours: ColoursFile,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ColoursFile {
    light: PaletteFile,
    dark: PaletteFile,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PaletteFile {
    accent: Option<Spanned<String>>,
    on_accent: Option<Spanned<String>>,
    page: Option<Spanned<String>>,
    card: Option<Spanned<String>>,
    text: Option<Spanned<String>>,
    soft: Option<Spanned<String>>,
    line: Option<Spanned<String>>,
}

/// A text on one line that shows what it contains.
#[derive(Deserialize)]
#[serde(try_from = "Text")]
struct Line(String);

impl Brand {
    /// Parses and checks `brand.toml`. `logo` reads the picture of this file name.
    ///
    /// # Errors
    /// Returns the first problem, with the line.
    pub(crate) fn parse(
        path: &str,
        toml: &str,
        logo: impl FnOnce(&str) -> Result<Logo, String>,
    ) -> Result<Self, InvalidFile> {
        let mut files = TomlFiles::default();
        let root = files.parse(path.to_owned(), toml)?;
        let file: BrandFile = files.deserialize(&root)?;
        let refuse = |at: usize, problem: String| Err(files.invalid(at, problem));
        if let Some(links) = file.links.as_ref().filter(|links| links.get_ref().len() > MAX_LINKS) {
            return refuse(links.span().start, format!("links: there are more than {MAX_LINKS}"));
        }
        if let Some(lines) = file.postal_address.as_ref().filter(|lines| lines.get_ref().len() > MAX_ADDRESS_LINES) {
            return refuse(lines.span().start, format!("postal_address: it has more than {MAX_ADDRESS_LINES} lines"));
        }
        let logo = match file.logo {
            None => None,
            Some(name) => match logo(name.get_ref()) {
                Ok(logo) => Some(logo),
                Err(problem) => return refuse(name.span().start, format!("logo: {:?}: {problem}", name.get_ref())),
            },
        };
        Ok(Self {
            product: file.product.map(|line| line.0),
            logo,
            support: file.support,
            links: file.links.map(Spanned::into_inner).unwrap_or_default(),
            postal_address: file
                .postal_address
                .map(Spanned::into_inner)
                .unwrap_or_default()
                .into_iter()
                .map(|line| line.0)
                .collect(),
            light: file.colours.light.colours(&files, "light")?,
            dark: file.colours.dark.colours(&files, "dark")?,
            path: path.to_owned(),
        })
    }

    /// Returns the colours of the brand, and the defaults of a service for those that are not given.
    ///
    /// # Errors
    /// Returns an error with the line if the contrast of two colours is too low, one of which is given.
    pub fn palettes(&self, defaults: &Palettes) -> Result<Palettes, InvalidFile> {
        Ok(Palettes {
            light: self.light.over(&defaults.light, "colours.light", &self.path)?,
            dark: self.dark.over(&defaults.dark, "colours.dark", &self.path)?,
        })
    }
}

impl PaletteFile {
    fn colours(self, files: &TomlFiles<'_>, table: &str) -> Result<Colours, InvalidFile> {
        let colour = |name: &str, written: Option<Spanned<String>>| {
            let parse = |written: Spanned<String>| {
                let refuse =
                    |problem| files.invalid(written.span().start, format!("colours.{table}.{name}: {problem}"));
                let line = refuse(String::new()).line;
                Colour::parse(written.get_ref(), line).map_err(refuse)
            };
            written.map(parse).transpose()
        };
        Ok(Colours {
            accent: colour("accent", self.accent)?,
            on_accent: colour("on_accent", self.on_accent)?,
            page: colour("page", self.page)?,
            card: colour("card", self.card)?,
            text: colour("text", self.text)?,
            soft: colour("soft", self.soft)?,
            line: colour("line", self.line)?,
        })
    }
}

impl TryFrom<Text> for Line {
    type Error = String;

    fn try_from(text: Text) -> Result<Self, String> {
        if text.chars().count() > MAX_CHARS {
            return Err(format!("it is longer than {MAX_CHARS} characters"));
        }
        if text.chars().any(|c| i18n::is_invisible(c) && !i18n::is_joiner_or_selector(c)) {
            return Err("it contains an invisible character".to_owned());
        }
        Ok(Self(text.to_string()))
    }
}

fn line<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Line::deserialize(deserializer).map(|line| line.0)
}

fn web_address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let written = String::deserialize(deserializer)?;
    parse_web_address(&written).map_err(serde::de::Error::custom)
}

/// Parses an address of the web, without a password in it.
fn parse_web_address(written: &str) -> Result<String, String> {
    let refuse = |problem: &str| format!("{written:?} {problem}");
    if written.len() > MAX_ADDRESS {
        return Err(format!("it is longer than {MAX_ADDRESS} bytes"));
    }
    let url = Url::parse(written).map_err(|_| refuse("is not a URL"))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(refuse("does not begin with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("contains a username"));
    }
    Ok(url.into())
}

/// Checks an address that is written as it is, in a sentence and in a `mailto:` link.
fn parse_email(written: &str) -> Option<&str> {
    let (local, domain) = written.rsplit_once('@')?;
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '\'' | '~' | '!' | '$' | '*');
    let is_local = !local.is_empty() && local.chars().all(is_plain);
    let is_domain = domain.contains('.') && domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'));
    (is_local && is_domain && matches!(Host::parse(domain), Ok(Host::Domain(_)))).then_some(written)
}

impl TryFrom<String> for Support {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        if written.len() > MAX_ADDRESS {
            return Err(format!("it is longer than {MAX_ADDRESS} bytes"));
        }
        if written.contains("://") {
            return parse_web_address(&written).map(Self::Url);
        }
        match parse_email(&written) {
            Some(_) => Ok(Self::Email(written)),
            None => Err(format!("{written:?} is neither an email address nor a URL that begins with https://")),
        }
    }
}

impl Support {
    /// Returns the target of a link to it.
    #[must_use]
    pub fn href(&self) -> String {
        match self {
            Self::Email(address) => format!("mailto:{address}"),
            Self::Url(url) => url.clone(),
        }
    }
}

/// The address as a reader sees it.
impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Email(address) => f.write_str(address),
            Self::Url(url) => f.write_str(url.trim_end_matches('/')),
        }
    }
}
