//! `brand.toml`: the name of the product and how it looks.

use std::fmt;

use i18n::{InvalidFile, Text, TomlFiles};
use serde::{Deserialize, Serialize};
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
    logo: Option<String>,
    support: Option<Support>,
    links: Vec<Link>,
    postal_address: Vec<Line>,
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
    accent: Option<String>,
    on_accent: Option<String>,
    page: Option<String>,
    card: Option<String>,
    text: Option<String>,
    soft: Option<String>,
    line: Option<String>,
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
        let refuse = |key: &str, problem: &str| files.invalid_value(&root, key, problem);
        if file.links.len() > MAX_LINKS {
            return Err(refuse("links", &format!("there are more than {MAX_LINKS}")));
        }
        if file.postal_address.len() > MAX_ADDRESS_LINES {
            return Err(refuse("postal_address", &format!("it has more than {MAX_ADDRESS_LINES} lines")));
        }
        let logo = file.logo.map(|name| logo(&name).map_err(|problem| refuse("logo", &format!("{name:?}: {problem}"))));
        Ok(Self {
            product: file.product.map(|line| line.0),
            logo: logo.transpose()?,
            support: file.support,
            links: file.links,
            postal_address: file.postal_address.into_iter().map(|line| line.0).collect(),
            light: file.colours.light.colours("colours.light", refuse)?,
            dark: file.colours.dark.colours("colours.dark", refuse)?,
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
    /// Parses the colours of this table. `refuse` creates the error about a key.
    fn colours(self, table: &str, refuse: impl Fn(&str, &str) -> InvalidFile) -> Result<Colours, InvalidFile> {
        let colour = |name: &str, written: Option<String>| {
            let refuse = |problem: &str| refuse(&format!("{table}.{name}"), problem);
            let parse = |written: String| Colour::parse(&written, refuse("").line).map_err(|problem| refuse(&problem));
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
    let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    let is_domain = domain.contains('.') && domain.split('.').all(is_label);
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

#[cfg(test)]
mod tests {
    use corpus::corpus;
    use proptest::prelude::*;

    use super::*;

    const COMPLETE: &str = r##"
product = "Acme Cloud"
logo = "logo.png"
support = "help@acme.example"
links = [{ text = "Help centre", url = "https://help.acme.example" }, { text = "Ü", url = "http://acme.example/a?b=c" }]
postal_address = ["Acme Cloud Ltd", "1 Example Road, London"]
[colours.light]
accent = "#0a7d4b"
[colours.dark]
accent = "#7fdcb0"
line = "#2a303a"
"##;

    fn parse(toml: &str) -> Result<Brand, InvalidFile> {
        Brand::parse("/brand/brand.toml", toml, |name| match name {
            "logo.png" => Logo::new(b"\x89PNG\r\n\x1a\n".to_vec()),
            _ => Err("it cannot be read".to_owned()),
        })
    }

    #[test]
    fn a_complete_file_is_read_and_everything_in_it_is_optional() {
        let brand = parse(COMPLETE).unwrap();
        assert_eq!(brand.product.as_deref(), Some("Acme Cloud"));
        assert_eq!(brand.logo.as_ref().map(|logo| logo.kind.media_type()), Some("image/png"));
        let support = brand.support.as_ref().unwrap();
        assert_eq!(
            (support.href().as_str(), support.to_string().as_str()),
            ("mailto:help@acme.example", "help@acme.example")
        );
        let links: Vec<_> = brand.links.iter().map(|link| (&*link.text, &*link.url)).collect();
        assert_eq!(links, [("Help centre", "https://help.acme.example/"), ("Ü", "http://acme.example/a?b=c")]);
        assert_eq!(brand.postal_address, ["Acme Cloud Ltd", "1 Example Road, London"]);
        assert_eq!(brand.light.accent, Some(Colour::built_in(0x0a_7d_4b)));
        assert_eq!((brand.light.line, brand.dark.line), (None, Some(Colour::built_in(0x2a_30_3a))));

        for empty in ["", "[colours]", "[colours.light]", "links = []"] {
            assert_eq!(parse(empty).unwrap(), Brand { path: "/brand/brand.toml".to_owned(), ..Brand::default() });
        }
    }

    #[test]
    fn what_a_reader_must_not_see_is_refused_with_its_line() {
        let many = |item: &str, times: usize| vec![item; times].join(", ");
        let links = format!("\nlinks = [{}]", many("{ text = \"x\", url = \"https://a.example\" }", 9));
        let lines = format!("postal_address = [{}]", many("\"x\"", 7));
        let long = format!("product = \"{}\"", "x".repeat(101));
        let long_url = format!("support = \"https://a.example/{}\"", "x".repeat(500));
        for (toml, expected) in [
            ("product = \"\"", "line 1: product: \"\" is empty, or has spaces around it"),
            ("product = \"a\\nb\"", "line 1: product: \"a\\nb\" contains a line break or control character"),
            ("product = \"a\\u2028b\"", "line 1: product: \"a\\u{2028}b\" contains a line break or control character"),
            ("product = \"a\\u202eb\"", "line 1: product: it contains an invisible character"),
            ("product = \"a\\u2068b\"", "line 1: product: \"a\\u{2068}b\" contains a line break or control character"),
            (&long, "line 1: product: it is longer than 100 characters"),
            ("\nproduct = 7", "line 2: product: invalid type: integer `7`, expected a string"),
            ("\n\nprodukt = \"x\"", "line 3: produkt: unknown field `produkt`, expected one of"),
            ("logo = \"other.png\"", "line 1: logo: \"other.png\": it cannot be read"),
            ("support = \"help\"", "line 1: support: \"help\" is neither an email address nor a URL"),
            (
                "support = \"javascript://x\"",
                "line 1: support: \"javascript://x\" does not begin with https:// or http://",
            ),
            ("support = \"mailto:a@b.example\"", "line 1: support: \"mailto:a@b.example\" is neither"),
            ("support = \"a@b.example?bcc=c@d.example\"", "line 1: support: "),
            ("support = \"https://u:p@a.example\"", "line 1: support: \"https://u:p@a.example\" contains a username"),
            ("support = \"https://\"", "line 1: support: \"https://\" is not a URL"),
            (&long_url, "line 1: support: it is longer than 500 bytes"),
            (&links, "line 2: links: there are more than 8"),
            (&lines, "line 1: postal_address: it has more than 6 lines"),
            ("postal_address = [\n \"x\",\n \" \"\n]", "line 3: postal_address[1]: \" \" is empty"),
            ("links = [\n { text = \"x\" },\n]", "line 2: links[0]: missing field `url`"),
            (
                "links = [\n { text = \"x\", url = \"data:x\" },\n]",
                "line 2: links[0].url: \"data:x\" does not begin with",
            ),
            ("links = [\n { text = \"\", url = \"https://a.example\" },\n]", "line 2: links[0].text: \"\" is empty"),
            (
                "links = [{ text = \"x\", url = \"https://a.example\", to = 1 }]",
                "line 1: links[0].to: unknown field `to`",
            ),
            (
                "[colours.light]\n\naccent = \"green\"",
                "line 3: colours.light.accent: \"green\" is not a colour such as",
            ),
            ("[colours.dark]\nbutton = \"#000000\"", "line 2: colours.dark.button: unknown field `button`"),
            ("[colours.night]", "line 1: colours.night: unknown field `night`"),
            ("product = \"a", "line 1: "),
        ] {
            let error = parse(toml).unwrap_err().to_string();
            let expected = format!("the file `/brand/brand.toml` is invalid: {expected}");
            assert!(error.starts_with(&expected), "{error}\n{expected}");
        }
    }

    #[test]
    fn an_address_of_support_is_an_email_address_or_a_page() {
        for (written, href, shown) in [
            ("a.b+c@acme.example", "mailto:a.b+c@acme.example", "a.b+c@acme.example"),
            ("hilfe@bücher.example", "mailto:hilfe@bücher.example", "hilfe@bücher.example"),
            ("https://acme.example/", "https://acme.example/", "https://acme.example"),
            ("https://acme.example/help?a=\"b", "https://acme.example/help?a=%22b", "https://acme.example/help?a=%22b"),
        ] {
            let support = Support::try_from(written.to_owned()).unwrap();
            assert_eq!((support.href().as_str(), support.to_string().as_str()), (href, shown));
        }
        for written in [
            "",
            "@",
            "a@",
            "@b.example",
            "a@b",
            "a b@c.example",
            "a@b.example\r\n",
            "<a@b.example>",
            "a@.",
            "a%40b@c.example",
            "a@b.example/",
            "a@1.2.3.4",
            "a\u{202e}@b.example",
        ] {
            assert!(Support::try_from(written.to_owned()).is_err(), "{written:?}");
        }
    }

    #[test]
    fn the_colours_of_both_backgrounds_are_checked_against_the_defaults_of_the_service() {
        let palette = |page: u32, text: u32, accent: u32, on_accent: u32| crate::Palette {
            accent: Colour::built_in(accent),
            on_accent: Colour::built_in(on_accent),
            page: Colour::built_in(page),
            card: Colour::built_in(page),
            text: Colour::built_in(text),
            soft: Colour::built_in(text),
            line: Colour::built_in(text),
        };
        let defaults = Palettes {
            light: palette(0xff_ff_ff, 0, 0x00_00_99, 0xff_ff_ff),
            dark: palette(0, 0xff_ff_ff, 0xff_ff_00, 0),
        };
        assert_eq!(Brand::default().palettes(&defaults).unwrap(), defaults);
        let palettes = parse(COMPLETE).unwrap().palettes(&defaults).unwrap();
        assert_eq!(palettes.light.accent.to_string(), "#0a7d4b");
        assert_eq!(palettes.dark.on_accent.to_string(), "#000000");
        let error = parse("[colours.dark]\n\ntext = \"#111111\"").unwrap().palettes(&defaults).unwrap_err().to_string();
        assert!(
            error.starts_with("the file `/brand/brand.toml` is invalid: line 3: colours.dark: the contrast of text"),
            "{error}"
        );
    }

    #[test]
    fn any_file_is_a_brand_or_is_refused_with_its_line() {
        corpus!("brand").holds_for_text(|toml| {
            match parse(toml) {
                Ok(brand) => {
                    let texts = brand
                        .product
                        .iter()
                        .chain(&brand.postal_address)
                        .chain(brand.links.iter().map(|link| &link.text));
                    for text in texts {
                        prop_assert!(!text.is_empty() && !text.contains(['\n', '\r', '\u{202e}']), "{:?}", text);
                    }
                    let hrefs =
                        brand.links.iter().map(|link| link.url.clone()).chain(brand.support.map(|it| it.href()));
                    for href in hrefs {
                        let is_link = ["https://", "http://", "mailto:"].iter().any(|scheme| href.starts_with(scheme));
                        prop_assert!(is_link && !href.contains(['"', '<', '>', ' ', '\n']), "{:?}", href);
                    }
                }
                Err(error) => {
                    prop_assert_eq!(&error.file, "/brand/brand.toml");
                    prop_assert!(error.line.is_some() && !error.problem.contains('\n'), "{}", error);
                }
            }
            Ok(())
        });
    }
}
