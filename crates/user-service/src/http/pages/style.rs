//! The style sheet of all pages: the built-in one or that of the brand, and the colours of the brand after it.

use branding::{Brand, Branding, Colour, Colours, MIN_CONTRAST, Palette, Palettes};
use i18n::{InvalidFile, TemplateSource};

/// The name of the style sheet in the folder of the brand.
const FILE: &str = "pages/style.css";

/// The built-in style sheet.
const BUILT_IN: &str = include_str!("../../../templates/style.css");
/// The rules for the header and the footer, which only a page with a brand has.
const BRAND_RULES: &str = include_str!("../../../templates/brand.css");

/// The colours of the built-in style sheet, for the contrast with those of a brand.
const DEFAULTS: Palettes = Palettes {
    light: Palette {
        accent: Colour::built_in(0x0a_58_ca),
        on_accent: Colour::built_in(0xff_ff_ff),
        page: Colour::built_in(0xf5_f6_f7),
        card: Colour::built_in(0xff_ff_ff),
        text: Colour::built_in(0x1c_20_24),
        soft: Colour::built_in(0x5a_62_6b),
        line: Colour::built_in(0xd9_dd_e1),
    },
    dark: Palette {
        accent: Colour::built_in(0x8a_b4_f8),
        on_accent: Colour::built_in(0x10_15_1c),
        page: Colour::built_in(0x14_17_1a),
        card: Colour::built_in(0x1d_21_25),
        text: Colour::built_in(0xe8_ea_ed),
        soft: Colour::built_in(0xa7_af_b8),
        line: Colour::built_in(0x34_3a_40),
    },
};

/// The colours of errors in the built-in style sheet, for a light and for a dark background.
const ERRORS: [Colour; 2] = [Colour::built_in(0xb3_26_1e), Colour::built_in(0xf2_b8_b5)];

/// Returns the style sheet of all pages.
///
/// # Errors
/// Returns an error if the style sheet of the brand would end the style element, or if a text has too little contrast.
pub(super) fn sheet(branding: &Branding) -> Result<String, InvalidFile> {
    let brand = &branding.brand;
    let mut sheet = match branding.template(FILE) {
        Some(source) => checked(source)?,
        None if *brand == Brand::default() => BUILT_IN.to_owned(),
        None => with_brand_rules(),
    };
    // A style sheet of the brand has the colours of brand.toml, too, wherever it uses the variables of the built-in one.
    let palettes = brand.palettes(&DEFAULTS)?;
    let [light, dark] = ERRORS;
    for (scheme, colours, palette, error) in
        [("light", &brand.light, &palettes.light, light), ("dark", &brand.dark, &palettes.dark, dark)]
    {
        let rules = rules(colours, palette, error);
        if !rules.is_empty() {
            sheet.push_str(&format!("@media(prefers-color-scheme:{scheme}){{:root{{{rules}}}}}\n"));
        }
    }
    Ok(sheet)
}

/// Returns the built-in style sheet of pages with a brand.
pub(super) fn with_brand_rules() -> String {
    [BUILT_IN, BRAND_RULES].concat()
}

/// Returns the variables of the colours that are given, or follow from one that is.
fn rules(given: &Colours, palette: &Palette, error: Colour) -> String {
    let on_accent = given.on_accent.or(given.accent);
    let readable = readable_error(error, palette);
    let variables = [
        ("text", given.text, palette.text),
        ("soft", given.soft, palette.soft),
        ("page", given.page, palette.page),
        ("card", given.card, palette.card),
        ("line", given.line, palette.line),
        ("accent", given.accent, palette.accent),
        ("on-accent", on_accent, palette.on_accent),
        ("error", Some(readable).filter(|colour| *colour != error), readable),
    ];
    let given = variables.iter().filter(|(_, given, _)| given.is_some());
    let rules: Vec<String> = given.map(|(name, _, colour)| format!("--{name}:{colour}")).collect();
    rules.join(";")
}

/// Returns the colour of errors for a card: `usual`, the other built-in one, or that of the text.
fn readable_error(usual: Colour, palette: &Palette) -> Colour {
    let is_readable = |colour: &Colour| colour.contrast(palette.card) >= MIN_CONTRAST;
    [usual].into_iter().chain(ERRORS).find(is_readable).unwrap_or(palette.text)
}

/// Returns a style sheet as a browser reads it between the tags: it sees line feeds only, and hashes what it sees.
fn checked(source: &TemplateSource) -> Result<String, InvalidFile> {
    let text = source.text();
    for (forbidden, problem) in [("</", "`</` would end the style sheet"), ("\0", "it has a NUL character")] {
        if let Some(at) = text.find(forbidden) {
            return Err(InvalidFile::at(source.path().to_owned(), text, at, problem.to_owned()));
        }
    }
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::pages::tests::branding;

    #[test]
    fn the_default_colours_are_those_of_the_built_in_style_sheet() {
        let mut schemes = BUILT_IN.lines().filter(|line| line.contains("--accent:"));
        for palette in [DEFAULTS.light, DEFAULTS.dark] {
            let rules = schemes.next().unwrap().replace("#fff;", "#ffffff;").replace("#fff}", "#ffffff}");
            for (name, colour) in [
                ("accent", palette.accent),
                ("on-accent", palette.on_accent),
                ("page", palette.page),
                ("card", palette.card),
                ("text", palette.text),
                ("soft", palette.soft),
                ("line", palette.line),
            ] {
                assert!(rules.contains(&format!("--{name}:{colour};")), "{name} {colour}: {rules}");
            }
        }
        assert_eq!(schemes.next(), None);
    }

    #[test]
    fn errors_are_readable_on_the_card_of_a_brand() {
        let mut schemes = BUILT_IN.lines().filter(|line| line.contains("--error:"));
        for error in ERRORS {
            assert!(schemes.next().unwrap().contains(&format!("--error:{error}}}")));
        }
        for (card, text, rule) in [
            ("#fff4e0", "#1c2024", None),
            ("#1b2127", "#ffffff", Some("--error:#f2b8b5")),
            // Neither of the built-in colours is readable on a colour between light and dark.
            ("#6e6e6e", "#ffffff", Some("--error:#ffffff")),
        ] {
            let toml = format!(
                "[colours.light]\npage = \"{card}\"\ncard = \"{card}\"\ntext = \"{text}\"\nsoft = \"{text}\"\naccent = \"{text}\"\n"
            );
            let (_folder, branding) = branding(&[("brand.toml", &toml)]);
            let sheet = sheet(&branding).unwrap();
            let added = sheet.strip_prefix(&with_brand_rules()).unwrap();
            assert_eq!(added.contains("--error:"), rule.is_some(), "{added}");
            assert!(added.contains(rule.unwrap_or_default()), "{added}");
        }
    }

    #[test]
    fn a_brand_adds_its_colours_and_the_rules_of_its_parts() {
        assert_eq!(sheet(&Branding::default()).unwrap(), BUILT_IN);
        let toml = "[colours.light]\naccent = \"#0a7d4b\"\n[colours.dark]\ncard = \"#000000\"\n";
        let colours = "@media(prefers-color-scheme:light){:root{--accent:#0a7d4b;--on-accent:#ffffff}}\n\
            @media(prefers-color-scheme:dark){:root{--card:#000000}}\n";
        let (_folder, coloured) = branding(&[("brand.toml", toml)]);
        assert_eq!(sheet(&coloured).unwrap(), [BUILT_IN, BRAND_RULES, colours].concat());
        // The contrast is that with the built-in colours.
        let (folder, pale) = branding(&[("brand.toml", "[colours.light]\ntext = \"#dddddd\"\n")]);
        let error = sheet(&pale).unwrap_err().to_string();
        let path = folder.path().join("brand.toml");
        assert!(error.starts_with(&format!("the file `{}` is invalid: line 2: ", path.display())), "{error}");
        assert!(error.contains("text (#dddddd) on card (#ffffff)"), "{error}");
    }

    #[test]
    fn a_style_sheet_of_the_brand_is_as_a_browser_reads_it_and_cannot_end_its_element() {
        let (_folder, own) = branding(&[("pages/style.css", "a{}\r\nb{}\rc{}")]);
        assert_eq!(sheet(&own).unwrap(), "a{}\nb{}\nc{}");
        for text in ["a{}\n</style><script>", "a{}\n/* </ */", "a{}\n\0"] {
            let (folder, own) = branding(&[("pages/style.css", text)]);
            let path = folder.path().join("pages/style.css");
            let error = sheet(&own).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the file `{}` is invalid: line 2: ", path.display())), "{error}");
        }
    }
}
